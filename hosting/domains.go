package hosting

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// DomainInfo is a host name that serves an app, or will from its next deployment.
type DomainInfo struct {
	App     string         `json:"app"` // uuid
	AppName untrusted.Text `json:"app_name"`
	Domain  string         `json:"domain"` // host name; empty if it was removed
	URL     string         `json:"url"`
	// own: under the workspace's part of the apps' domain; custom: any other
	Kind string `json:"kind,omitempty"`
}

// Domains lists the host names of the workspace's apps, sorted by the app's environment
// and name. With an app it lists only that app's.
func Domains(ctx context.Context, s *tenancy.Scope, app string) ([]DomainInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	if app != "" {
		a, err := FindApp(ctx, s, app)
		if err != nil {
			return nil, err
		}
		return a.domains(), nil
	}
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return nil, err
	}
	all := []DomainInfo{}
	for _, found := range seen.Apps {
		all = append(all, (&App{s, found}).domains()...)
	}
	return all, nil
}

// FreeDomains returns the form of the host names that the workspace may use without
// proof, with NAME for the part that it chooses; "" if there are none.
func FreeDomains(s *tenancy.Scope) string {
	if hostNames(s).apps.IsZero() {
		return ""
	}
	return "NAME." + s.Slug() + "." + hostNames(s).apps.Host
}

func (a *App) domains() []DomainInfo {
	infos := []DomainInfo{}
	for u := range strings.SplitSeq(a.app.FQDN, ",") {
		if host(u) != "" {
			infos = append(infos, a.domain(u))
		}
	}
	return infos
}

func (a *App) domain(address string) DomainInfo {
	info := DomainInfo{App: a.UUID(), AppName: a.scope.Text(a.app.Name)}
	name := host(address)
	if name == "" {
		return info
	}
	info.Domain, info.URL, info.Kind = a.scope.Text(name).String(), a.scope.Text(
		tenancy.WithoutUser(address),
	).String(), "custom"
	if hostNames(a.scope).isOwn(name, a.scope.Slug()) {
		info.Kind = "own"
	}
	return info
}

// SetDomain gives the app one host name in place of all that it has; "" removes them.
// Unless the name is the workspace's own, SetDomain requires a TXT record that proves it,
// each time. Without the record the error is a [Conflict] that says what to set. A name
// already in use is a [Conflict] that does not say who uses it. The change takes effect
// with the next deployment.
func (a *App) SetDomain(ctx context.Context, asked string) (DomainInfo, error) {
	if err := a.scope.Require(tenancy.Write); err != nil {
		return DomainInfo{}, err
	}
	if a.app.BuildPack == "dockercompose" {
		return DomainInfo{}, &tenancy.Error{
			Code: tenancy.Invalid,
			Msg:  "an app of the build pack dockercompose has domains for each of its services, which are not set here",
			Hint: "ask the operator",
		}
	}
	address := ""
	if asked != "" {
		var err error
		if address, err = a.checkDomain(ctx, asked); err != nil {
			return DomainInfo{}, err
		}
	}
	if err := a.app.Calls.Update(ctx, coolify.ApplicationUpdate{Domain: &address}); err != nil {
		return DomainInfo{}, domainError("set the domain", err)
	}
	now, err := AppByID(ctx, inside(a.scope), a.app.UUID)
	if err != nil {
		return DomainInfo{}, err
	}
	if strings.TrimSuffix(now.app.FQDN, "/") != address {
		return DomainInfo{}, errDomainNotKept
	}
	return now.domain(address), nil
}

var errDomainNotKept = &tenancy.Error{
	Code: tenancy.Conflict,
	Msg:  "Coolify reported success but did not save the domain; it does so when the app's server has no proxy",
	Hint: "only the platform's operator can fix this; domains_list shows what the app has now",
}

// checkDomain validates and proves a host name and returns its URL. It also refuses a name
// that another app of the workspace has: Coolify treats http and https of one name as two
// domains.
func (a *App) checkDomain(ctx context.Context, asked string) (address string, err error) {
	name, err := hostNames(a.scope).judge(asked, a.scope.Slug())
	if err != nil {
		return "", err
	}
	apps, err := AllApps(ctx, inside(a.scope))
	if err != nil {
		return "", err
	}
	for _, other := range apps {
		if other.app.UUID != a.app.UUID && slices.Contains(hosts(other.app.FQDN), name.host) {
			return "", &tenancy.Error{
				Code: tenancy.Conflict,
				Msg:  "the app " + a.scope.Text(other.app.Name).String() + " of this workspace has this domain",
				Hint: "remove it there first: domains_set with app " + other.app.UUID.String() + " and an empty domain",
			}
		}
	}
	return name.url, proveDomain(ctx, a.scope, name)
}

// domainFor returns the URL of a new app. If asked is set, it validates and proves that
// host name as [App.SetDomain] does. Otherwise it uses a name under the workspace's part
// of the apps' domain; "" if there is no such part. The request that uses the URL may
// still fail; see domainRefused.
func domainFor(ctx context.Context, s *tenancy.Scope, app, asked string) (address string, err error) {
	apps := hostNames(s).apps
	if asked == "" && apps.IsZero() {
		return "", nil
	}
	if asked == "" {
		if asked = app + "." + s.Slug() + "." + apps.Host; !hostNames(s).isOwn(asked, s.Slug()) ||
			refuseForm(asked) != nil {
			return "", &tenancy.Error{
				Code: tenancy.Invalid,
				Msg: "the app's name cannot be part of a domain: that allows letters, digits and inner " +
					"hyphens, at most 63",
				Hint: "choose another name, or give a domain",
			}
		}
	}
	name, err := hostNames(s).judge(asked, s.Slug())
	if err != nil {
		return "", err
	}
	return name.url, proveDomain(ctx, s, name)
}

// domainError converts the error of a request that gives an app a domain. It does not
// reveal who has the domain.
func domainError(doing string, err error) error {
	if !errors.Is(err, coolify.ErrConflict) {
		return tenancy.UpstreamError(doing, err)
	}
	return &tenancy.Error{
		Code: tenancy.Conflict, Msg: "this domain is in use",
		Hint: "choose another one; if it should be free, ask the operator", Err: err,
	}
}

const (
	challenge  = "_vibn-challenge." // prefix of the host name
	lookupTime = 5 * time.Second
)

// proofOf returns the TXT record that proves a host name. It is derived from the
// workspace's nonce, so it is valid for one workspace and one name, and ends with the
// workspace.
func proofOf(nonce, host string) string { return "vibn-domain=" + tenancy.Mark(nonce, "domain "+host) }

// proveDomain looks up whether the host name's owner lets this workspace use it. The
// query ends in a dot (a name from the root): otherwise a resolver would first append its
// search domains.
func proveDomain(ctx context.Context, s *tenancy.Scope, name hostname) error {
	if name.own {
		return nil
	}
	nonce, err := db(s).KeepNonce(ctx, inside(s).Workspace().ID, tenancy.RandomHex())
	if err != nil {
		return tenancy.StoreError("keep a nonce", err)
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	records, err := inside(s).LookupTXT(ctx, challenge+name.host+".")
	if dns, ok := errors.AsType[*net.DNSError](err); err != nil && (!ok || !dns.IsNotFound) {
		return &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "the DNS lookup that proves this domain failed", Retryable: true,
			RetryAfter: 10 * time.Second,
			Hint: "try again in a moment; if it happens again, check whether the domain's name servers " +
				"answer", Err: err,
		}
	}
	if proof := proofOf(nonce, name.host); !slices.Contains(records, proof) {
		return &tenancy.Error{
			Code: tenancy.Conflict,
			Msg: "this domain is not yet proved to belong to this workspace; the record that proves it has " +
				"the name " + challenge + name.host + ", the type TXT and the value " + proof,
			Hint: "have whoever runs the domain's DNS set that record, then call again; DNS may take some minutes to " +
				"show it",
		}
	}
	return nil
}
