package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/publicsuffix"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// The risks that keep vibn-mcp from making anything for tenants, unless the operator
// accepts them by these names.
const (
	RiskCoolifyHost      = "coolify-host"      // tenants' apps run on Coolify's own host
	RiskSharedProxy      = "shared-proxy"      // tenants' apps share a proxy with the platform
	RiskAppDomain        = "app-domain"        // tenants' apps share a site with the platform
	RiskInstanceRunners  = "instance-runners"  // a pushed workflow runs on a host of the platform's
	RiskOpenRegistration = "open-registration" // anyone may register an account on Gitea
	// A client that reaches Gitea from its own network may claim to be any user.
	RiskProxyAuth = "proxy-auth"
)

// Risks lists the risks by name.
func Risks() []string {
	return []string{
		RiskCoolifyHost, RiskSharedProxy, RiskAppDomain, RiskInstanceRunners, RiskOpenRegistration, RiskProxyAuth,
	}
}

// riskFixes say how the operator removes a risk, instead of accepting it.
var riskFixes = map[string]string{
	RiskCoolifyHost: "add a server of its own for tenants to Coolify, and place workspaces there " +
		"(COOLIFY_SERVER_UUID; \"vibn-mcp workspace place SLUG --coolify-server-uuid UUID\")",
	RiskSharedProxy: "move vibn-mcp, Gitea and Coolify off the servers of tenants, or place workspaces on " +
		"another server (COOLIFY_SERVER_UUID; \"vibn-mcp workspace place SLUG --coolify-server-uuid UUID\")",
	RiskAppDomain: "give VIBN_APP_DOMAIN a domain that is registered for apps alone",
	RiskInstanceRunners: "remove the runners in Gitea under Site Administration, Actions, Runners; Gitea does not " +
		"tell those of an organisation of your own from those that serve all",
	RiskOpenRegistration: "set [service] DISABLE_REGISTRATION=true in Gitea's configuration",
	RiskProxyAuth:        "set [service] ENABLE_REVERSE_PROXY_AUTHENTICATION=false in Gitea's configuration",
}

// riskFix says how the operator removes risks, and last how to accept all of them.
func (d *doctor) riskFix(risks ...string) string {
	fixes := []string{}
	for _, r := range risks {
		fixes = append(fixes, riskFixes[r])
	}
	all := slices.Compact(slices.Sorted(slices.Values(slices.Concat(d.AcceptedRisks, risks))))
	return strings.Join(fixes, "; ") + "; or accept the risk: VIBN_ACCEPT_RISKS=" + strings.Join(all, ",")
}

// riskAbsent says of each risk that it does not exist.
var riskAbsent = map[string]string{
	RiskCoolifyHost:      "no server of tenants is Coolify's own host",
	RiskSharedProxy:      "no proxy of tenants' servers serves a name of the platform",
	RiskAppDomain:        "tenants' apps are on another site than the platform",
	RiskInstanceRunners:  "Gitea has no Actions runners",
	RiskOpenRegistration: "only the administrator makes accounts on Gitea",
	RiskProxyAuth:        "Gitea ignores the header X-WEBAUTH-USER",
}

// errNotReported says that a server of this version cannot report whether a risk exists.
// Then nothing is refused, as the operator could do nothing about it.
var errNotReported = errors.New("not reported")

// riskCheck returns the check of a risk. found describes the risk; "" means that it does not
// exist. A failed check names no risk, as there is nothing known to accept.
func (d *doctor) riskCheck(risk, found string, err error) Check {
	c := ok("%s", riskAbsent[risk])
	switch {
	case errors.Is(err, errNotReported):
		return warn(err.Error(), riskFixes[risk])
	case err != nil:
		c = failed("look for this risk", err)
		if slices.Contains(d.AcceptedRisks, risk) {
			c.State = CheckWarn // nothing waits for this check
		}
		return c
	case found != "":
		c = fail(found, d.riskFix(risk))
		c.Risk = risk
	default:
		return c
	}
	if slices.Contains(d.AcceptedRisks, risk) {
		c.State, c.Detail = CheckWarn, c.Detail+" (accepted by VIBN_ACCEPT_RISKS)"
	}
	return c
}

// dangerCheck returns the check of a risk that endangers all workspaces.
func (e *examination) dangerCheck(
	risk string, at func(*doctor, context.Context) (string, error),
) func(context.Context) Check {
	return func(ctx context.Context) Check {
		found, err := at(e.doctor, ctx)
		return e.riskCheck(risk, found, err)
	}
}

func (e *examination) hosts(context.Context) Check {
	var found []string
	for _, s := range e.servers {
		if f := ownHost(s); f != "" {
			found = append(found, f)
		}
	}
	return e.riskCheck(RiskCoolifyHost, strings.Join(found, "; "), nil)
}

func (e *examination) proxies(ctx context.Context) Check {
	var found []string
	for _, s := range e.servers {
		f, err := e.ownProxy(ctx, s)
		if err != nil {
			return e.riskCheck(RiskSharedProxy, "", err)
		}
		if f != "" {
			found = append(found, f)
		}
	}
	return e.riskCheck(RiskSharedProxy, strings.Join(found, "; "), nil)
}

func (e *examination) appDomain(context.Context) Check {
	if e.AppDomain.IsZero() {
		return ok("VIBN_APP_DOMAIN is not set")
	}
	return e.riskCheck(RiskAppDomain, e.ownSite(), nil)
}

// ownHost describes the risk that a tenant who takes over Coolify's host controls every
// tenant; "" if the server is not Coolify's own host.
func ownHost(s coolify.Server) string {
	if !s.CoolifyHost {
		return ""
	}
	return "the tenants' server " + s.Name + " is Coolify's own host: taking it over gives access to every tenant"
}

// ownProxy describes the risk that an app shares a proxy with the platform. An image's
// labels can claim any host name of the proxy that serves it, including the platform's.
func (d *doctor) ownProxy(ctx context.Context, s coolify.Server) (string, error) {
	all, err := d.coolify.Server(s.UUID).Domains(ctx)
	if err != nil {
		return "", err
	}
	served := []string{s.IP}
	for _, e := range all {
		if e.IP == s.IP || s.CoolifyHost { // Coolify lists its own host under another address here
			served = append(served, e.Domains...)
		}
	}
	for _, own := range d.OwnURLs {
		host := own.URL.Hostname()
		if slices.ContainsFunc(served, func(name string) bool { return strings.EqualFold(name, host) }) {
			return "the proxy of the tenants' server " + s.Name + " serves " + host + " (" + own.Variable + "), and an app's image can claim any name of it", nil
		}
	}
	return "", nil
}

// ownSite describes the risk that apps share a registrable domain with the platform. A
// browser treats both as one site, so apps may set the platform's cookies.
func (d *doctor) ownSite() string {
	domain := d.AppDomain.Host
	for _, own := range d.OwnURLs {
		host := strings.ToLower(own.URL.Hostname())
		if host == domain || strings.HasSuffix(host, "."+domain) || sameSite(host, domain) {
			return "the domain of apps " + domain + " is of one site with " + host + " (" + own.Variable + "), so that apps may set its cookies"
		}
	}
	return ""
}

func sameSite(a, b string) bool {
	siteA, errA := publicsuffix.EffectiveTLDPlusOne(a)
	siteB, errB := publicsuffix.EffectiveTLDPlusOne(b)
	return errA == nil && errB == nil && siteA == siteB
}

// runners describes the risk of Actions runners: a workflow that a tenant pushes runs on
// any runner of the instance. Gitea lists those of all levels and does not say of which.
func (d *doctor) runners(ctx context.Context) (string, error) {
	runners, err := d.gitea.Runners(ctx)
	if errors.Is(err, gitea.ErrRouteMissing) || errors.Is(err, gitea.ErrNotFound) {
		return "", fmt.Errorf(
			"whether Gitea has Actions runners is %w by this version, or Actions are off", errNotReported,
		)
	}
	if err != nil || len(runners) == 0 {
		return "", err
	}
	if runners, err = d.withoutTenants(ctx, runners); err != nil || len(runners) == 0 {
		return "", err
	}
	var names []string
	for _, r := range runners {
		names = append(names, r.Name)
	}
	return fmt.Sprintf("Gitea has Actions runners (%s), on which workflows of tenants may run", firstNames(names)), nil
}

// registration describes the risk of open registration: another user could take the names
// of tenants' organisations and bots first.
func (d *doctor) registration(ctx context.Context) (string, error) {
	open, err := d.gitea.SignUpOpen(ctx)
	if err != nil || !open {
		return "", err
	}
	return "anyone may register on Gitea and take names that workspaces need", nil
}

// proxyAuth describes the risk that Gitea trusts a proxy's header. Builds run on their
// host's network, so they may reach Gitea from an address that it trusts.
func (d *doctor) proxyAuth(ctx context.Context) (string, error) {
	self, err := d.gitea.Self(ctx)
	if err != nil {
		return "", err
	}
	trusts, err := d.gitea.TrustsProxyHeader(ctx, self.Login)
	if err != nil || !trusts {
		return "", err
	}
	return "Gitea trusts the header X-WEBAUTH-USER from this address, so anyone who connects from it can act " +
		"as any user", nil
}

const (
	// dangersFresh is how long a check that found no risk stays valid.
	dangersFresh = 10 * time.Minute
	// dangersAgain is how long a check that found a risk or failed stays valid. It is
	// short, so that the operator need not wait after a fix, and long enough to spare a
	// server that is down.
	dangersAgain = 15 * time.Second
	dangersTime  = 20 * time.Second // bounds a check
)

// dangers caches the risks that keep vibn-mcp from making anything for tenants. It is
// safe for concurrent use; concurrent callers share one check.
type dangers struct {
	*doctor
	turn chan struct{} // holds one element while a caller uses seen
	seen map[string]seen
}

// A finding describes one risk that a check found.
type finding struct{ risk, found string }

// seen is the result of the checks of one server, or of Gitea.
type seen struct {
	until time.Time
	found []finding
	err   error
}

func newDangers(d *doctor) *dangers {
	return &dangers{doctor: d, turn: make(chan struct{}, 1), seen: map[string]seen{}}
}

// refuseDangers returns an error if there are risks for this workspace: those of its own
// server and those of the whole instance. A workspace without a server has no apps yet
// that could be a danger, and is checked again once it is placed. The operator vouches
// for a trusted workspace, so its server is not checked. If a check fails, the workspace
// is refused too. The error is a [*PartError], or that of ctx.
func (r *run) refuseDangers(ctx context.Context) error {
	found, err := r.dangers.findFor(ctx, r.state.Placement)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return newPartError(tenancy.PartHost, "look for what endangers tenants", err)
	}
	if len(found) == 0 {
		return nil
	}
	var why, risks []string
	for _, f := range found {
		why, risks = append(why, f.found), append(risks, f.risk)
	}
	return &tenancy.PartError{
		Part: tenancy.PartHost,
		Why: r.dangers.clean(
			"nothing is created while there is a risk (" + strings.Join(risks, ", ") + "): " + strings.Join(why, "; "),
		),
		Fix: r.dangers.riskFix(risks...),
	}
}

// findFor returns the risks that were found and are not accepted.
func (d *dangers) findFor(ctx context.Context, p tenancy.Placement) ([]finding, error) {
	var found []finding
	if !slices.Contains(d.AcceptedRisks, RiskAppDomain) && !d.AppDomain.IsZero() {
		if f := d.ownSite(); f != "" {
			found = append(found, finding{RiskAppDomain, f})
		}
	}
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if p.Server != "" && p.Trust != tenancy.Trusted {
		f, err := d.cached(
			ctx, "server "+p.Server,
			func(ctx context.Context) ([]finding, error) { return d.serverFindings(ctx, p.Server) },
		)
		if err != nil {
			return nil, err
		}
		found = append(found, f...)
	}
	if d.gitea == nil {
		return found, nil
	}
	f, err := d.cached(ctx, "gitea", d.giteaFindings)
	return append(found, f...), err
}

// cached returns the cached result, or runs the check if it is out of date. It does
// not cache a check that its caller cancelled.
func (d *dangers) cached(
	ctx context.Context, what string, look func(context.Context) ([]finding, error),
) ([]finding, error) {
	s, known := d.seen[what]
	if known && d.now().Before(s.until) {
		return s.found, s.err
	}
	within, cancel := context.WithTimeout(ctx, dangersTime)
	defer cancel()
	s = seen{}
	s.found, s.err = look(within)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	s.until = d.now().Add(dangersFresh)
	if len(s.found) > 0 || s.err != nil {
		s.until = d.now().Add(dangersAgain)
	}
	d.seen[what] = s
	return s.found, s.err
}

func (d *dangers) serverFindings(ctx context.Context, server string) ([]finding, error) {
	uuid, err := coolify.ParseUUID(server)
	if err != nil {
		return nil, err
	}
	s, err := d.coolify.Server(uuid).Get(ctx)
	if errors.Is(err, coolify.ErrNotFound) {
		return nil, &tenancy.PartError{
			Part: tenancy.PartHost,
			Why:  "the workspace is placed on a server that Coolify does not have, or that is another team's",
			Fix:  "place it on one that is there: \"vibn-mcp workspace place SLUG --coolify-server-uuid UUID\"",
		}
	}
	if err != nil {
		return nil, err
	}
	return d.findUnaccepted(ctx, []risk{
		{RiskCoolifyHost, func(context.Context) (string, error) { return ownHost(s), nil }},
		{RiskSharedProxy, func(ctx context.Context) (string, error) { return d.ownProxy(ctx, s) }},
	})
}

// giteaFindings first checks that the platform's token is an administrator's. Otherwise each
// step would fail with an error of its own.
func (d *dangers) giteaFindings(ctx context.Context) ([]finding, error) {
	self, err := d.gitea.Self(ctx)
	if err != nil {
		return nil, err
	}
	if !self.IsAdmin {
		return nil, &tenancy.PartError{
			Part: tenancy.PartHost,
			Why:  "the user of GITEA_API_TOKEN is not a site administrator, so nothing can be created in Gitea",
			Fix:  giteaTokenFix,
		}
	}
	return d.findUnaccepted(
		ctx,
		[]risk{{RiskInstanceRunners, d.runners}, {RiskOpenRegistration, d.registration}, {RiskProxyAuth, d.proxyAuth}},
	)
}

// A risk is a check for one risk.
type risk struct {
	name string
	look func(context.Context) (string, error)
}

// findUnaccepted runs the checks of the risks that are not accepted.
func (d *dangers) findUnaccepted(ctx context.Context, risks []risk) ([]finding, error) {
	var found []finding
	for _, r := range risks {
		if slices.Contains(d.AcceptedRisks, r.name) {
			continue
		}
		f, err := r.look(ctx)
		if err != nil && !errors.Is(err, errNotReported) {
			return nil, err
		}
		if f != "" {
			found = append(found, finding{r.name, f})
		}
	}
	return found, nil
}
