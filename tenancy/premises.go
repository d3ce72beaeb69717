package tenancy

import "net/url"

// An OwnURL is the address of a part of the platform.
type OwnURL struct {
	Variable string // the environment variable that holds it
	URL      *url.URL
}

// Premises describe the platform, as far as it is configured.
type Premises struct {
	OwnURLs       []OwnURL  // addresses of vibn-mcp, Coolify and Gitea
	AppDomain     AppDomain // domain under which apps get their names; zero = none
	Placement     Placement // of new workspaces
	AcceptedRisks []string  // of [Risks]: risks that the operator accepts
	NetworkImage  string    // keeps workspaces' networks; empty = package provision's default

	// SharedNetworks has workspaces share their server's network. Their apps can then
	// reach each other.
	SharedNetworks bool
	Issues         bool // bots may read and write issues
}

// Isolates reports whether a workspace with that placement has a network of its own.
func (p Premises) Isolates(place Placement) bool {
	return !p.SharedNetworks && place.Server != "" && place.Destination == ""
}

// An AppDomain is the domain under which apps get their names: those of a workspace are
// LABEL.SLUG.DOMAIN. The zero AppDomain means that there is none.
type AppDomain struct {
	Scheme string // https, or http where there are no certificates
	Host   string // lower case, as "apps.example.com"
}

// IsZero reports whether there is no domain.
func (d AppDomain) IsZero() bool { return d.Host == "" }

// String returns the domain as a URL; "" if there is none.
func (d AppDomain) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Scheme + "://" + d.Host
}
