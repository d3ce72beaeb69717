package hosting

import (
	"errors"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Coolify stores an app's domains as a comma-separated list of URLs, and its proxy puts
// them into a rule in backticks. So a tenant gives one bare host name of letters, digits
// and hyphens, and vibn-mcp builds the URL.

// ParseAppDomain parses VIBN_APP_DOMAIN: a domain, optionally with https:// or http:// in
// front. The default is https.
func ParseAppDomain(s string) (tenancy.AppDomain, error) {
	d := tenancy.AppDomain{Scheme: "https", Host: s}
	if scheme, host, found := strings.Cut(s, "://"); found {
		d = tenancy.AppDomain{Scheme: scheme, Host: host}
	}
	if d.Scheme != "https" && d.Scheme != "http" {
		return tenancy.AppDomain{}, errors.New("is neither https nor http")
	}
	if refuseForm(d.Host) != nil || d.Host != strings.ToLower(d.Host) {
		return tenancy.AppDomain{}, errors.New(
			"is not a domain of at least two names of small letters, digits and hyphens",
		)
	}
	return d, nil
}

// names holds the host names that belong to the platform.
type names struct {
	apps     tenancy.AppDomain
	platform []string // host names of the platform itself, lower case
}

// hostNames returns the platform's host names, against which this workspace's are
// checked.
func hostNames(s *tenancy.Scope) names {
	p := inside(s).Premises()
	return names{p.AppDomain, platformHosts(p.OwnURLs, inside(s).PlatformHosts())}
}

// platformHosts returns the host names at which the platform is reached, in lower case.
func platformHosts(urls []tenancy.OwnURL, others []string) []string {
	var hosts []string
	for _, u := range urls {
		hosts = append(hosts, strings.TrimSuffix(host(u.URL.String()), "."))
	}
	for _, name := range others {
		hosts = append(hosts, strings.TrimSuffix(host(name), "."))
	}
	return hosts
}

// A hostname is a validated host name: lower case, of at least two labels, none of them
// empty.
type hostname struct {
	host string
	url  string // scheme and host, nothing else
	own  bool   // it is under the workspace's own part of the apps' domain, and needs no proof
}

// judge validates a host name that a workspace asks for, or says why the workspace cannot
// have it. A result that is not own still has to be proved.
func (n names) judge(asked, slug string) (hostname, error) {
	if err := refuseForm(asked); err != nil {
		return hostname{}, err
	}
	host := strings.ToLower(asked)
	own := n.isOwn(host, slug)
	if n.isPlatform(host, own) {
		return hostname{}, takenError("belongs to the platform")
	}
	if own {
		return hostname{host, (&url.URL{Scheme: n.apps.Scheme, Host: host}).String(), true}, nil
	}
	if !n.apps.IsZero() && related(host, n.apps.Host) {
		return hostname{}, n.notOwnError(slug)
	}
	if err := refuseKind(host); err != nil {
		return hostname{}, err
	}
	if len(challenge+host) > maxHostname {
		return hostname{}, malformedError("is too long: the name of the record that proves it would exceed the limit")
	}
	return hostname{host, (&url.URL{Scheme: "https", Host: host}).String(), false}, nil
}

// isOwn reports whether a host name is exactly one label under the workspace's own
// part of the apps' domain.
func (n names) isOwn(host, slug string) bool {
	label, rest, _ := strings.Cut(host, ".")
	return label != "" && !n.apps.IsZero() && slug != "" && rest == slug+"."+n.apps.Host
}

// isPlatform reports whether a host name equals a platform name, or is above or below
// one. If the apps' domain itself is below a platform name, that name does not block the
// workspaces' own names.
func (n names) isPlatform(host string, own bool) bool {
	return slices.ContainsFunc(n.platform, func(p string) bool {
		return related(host, p) && (!own || !under(n.apps.Host, p))
	})
}

// under reports whether a name equals parent or is below it.
func under(name, parent string) bool {
	return name == parent || strings.HasSuffix(name, "."+parent)
}

func related(a, b string) bool { return under(a, b) || under(b, a) }

func malformedError(why string) error {
	return &tenancy.Error{
		Code: tenancy.Invalid, Msg: "this domain " + why,
		Hint: "give one host name and nothing else, as shop.example.com; the address is made of it here",
	}
}

func takenError(why string) error {
	return &tenancy.Error{
		Code: tenancy.Forbidden, Msg: "this domain " + why,
		Hint: "choose another one; domains_list says which need no proof",
	}
}

// notOwnError refuses any other name under or above the apps' domain: a tenant cannot prove to
// own such a name.
func (n names) notOwnError(slug string) error {
	return takenError("is under the domain shared by all apps, where this workspace may use only <one " +
		"label>." + slug + "." + n.apps.Host + " and no others")
}

// refuseForm says what keeps a text from being a host name that clients and DNS read
// alike; nil if it is one.
func refuseForm(s string) error {
	if err := refuseCharacters(s); err != nil {
		return err
	}
	labels := strings.Split(strings.ToLower(s), ".")
	for _, label := range labels {
		switch {
		case label == "":
			return malformedError("begins or ends with a dot, or has two in a row")
		case len(label) > 63:
			return malformedError("has a part of more than 63 characters")
		case strings.HasPrefix(label, "-"), strings.HasSuffix(label, "-"):
			return malformedError("has a part that begins or ends with a hyphen")
		case strings.HasPrefix(label, "xn--") && !isInternational(label):
			return malformedError("has a part that begins with xn-- and is no international name")
		}
	}
	switch last := labels[len(labels)-1]; {
	case number.MatchString(last):
		return malformedError("is an IP address, or would be read as one")
	case len(labels) < 2:
		return malformedError("has one part only")
	}
	return nil
}

// number matches what a last label must not be: programs read such a name as an IP
// address in some notation.
var number = regexp.MustCompile(`^([0-9]+|0x[0-9a-f]*)$`)

const maxHostname = 253 // characters

func refuseCharacters(s string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '.'
	}
	switch {
	case s == "":
		return malformedError("is empty")
	case len(s) > maxHostname:
		return malformedError("has more than 253 characters")
	case strings.ContainsFunc(s, func(r rune) bool { return r >= utf8.RuneSelf }):
		return malformedError(
			"is not written in ASCII; give an international name in its xn-- form",
		)
	case strings.Contains(s, ","):
		return malformedError("is a list")
	case strings.Contains(s, "*"):
		return malformedError("is a wildcard")
	case strings.Contains(s, "@"):
		return malformedError("names a user")
	case strings.ContainsAny(s, "[]"):
		return malformedError("is an IP address, or would be read as one")
	case strings.ContainsAny(s, "/?#\\"):
		return malformedError("has a scheme, a path or a query")
	case strings.Contains(s, ":"):
		return malformedError("has a port, or is an IP address")
	case strings.ContainsFunc(s, bad):
		return malformedError("has a character that host names cannot have; they have letters, digits, " +
			"hyphens and dots")
	}
	return nil
}

// isInternational reports whether an xn-- label decodes to an international name that
// encodes to the same label.
func isInternational(label string) bool {
	name, err := idna.Lookup.ToUnicode(label)
	if err != nil || name == label {
		return false
	}
	again, err := idna.Lookup.ToASCII(name)
	return err == nil && again == label
}

// reserved are the name endings with a special meaning or without meaning outside one
// network (RFC 6761 and its successors, and common practice).
var reserved = []string{
	"localhost", "local", "internal", "invalid", "test", "example", "onion", "alt", "arpa", "localdomain", "home",
	"lan", "corp", "intranet", "private",
}

// refuseKind refuses names whose ownership a tenant cannot prove for an app alone.
func refuseKind(host string) error {
	for _, name := range reserved {
		if under(host, name) {
			return malformedError("ends in ." + name + ", which is not a public name")
		}
	}
	registered, err := publicsuffix.EffectiveTLDPlusOne(host)
	if err != nil {
		return malformedError("is a public suffix under which others register their own domains")
	}
	if registered == host {
		return malformedError("is the whole of a registered domain; an app gets a name below it, as www." + host)
	}
	return nil
}
