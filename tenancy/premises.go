package tenancy

import (
	"net/url"
)

// An OwnURL is where a part of the platform is reached.
type OwnURL struct {
	Variable string // that names it
	URL      *url.URL
}

// Premises are what the platform stands on, as far as it was told.
type Premises struct {
	OwnURLs       []OwnURL  // of vibn-mcp, Coolify and Gitea
	AppDomain     AppDomain // under which apps get their names; zero = none
	Placement     Placement // of new workspaces
	AcceptedRisks []string  // of [Risks]: what the operator has taken upon themselves

	// SharedNetworks has workspaces share the network of their server. Then their
	// apps reach each other.
	SharedNetworks bool
}

// Isolates reports whether a workspace of that placement has a network of its own.
func (p Premises) Isolates(place Placement) bool {
	return !p.SharedNetworks && place.Server != "" && place.Destination == ""
}

// An AppDomain is the domain under which apps get their names: those of a workspace
// are LABEL.SLUG.DOMAIN. The zero one is none.
type AppDomain struct {
	Scheme string // https, or http where there are no certificates
	Host   string // lower case, as "apps.example.com"
}

// IsZero reports whether there is none.
func (d AppDomain) IsZero() bool { return d.Host == "" }

// String returns its URL; "" if there is none.
func (d AppDomain) String() string {
	if d.IsZero() {
		return ""
	}
	return d.Scheme + "://" + d.Host
}
