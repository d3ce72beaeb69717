package tenancy

import (
	"context"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// An Inside is a Scope as the rooms see it: with the finders, the workspace's own
// handles, and what the rooms work with. The doors hold Scopes only, and cannot make
// the pass that opens one.
type Inside struct{ *Scope }

// Open opens a Scope for a room.
func Open(_ room.Pass, s *Scope) Inside { return Inside{s} }

// Records returns the database as the interface that a room needs of it. Package store
// implements all of them, which the compiler checks there. It is nil for the zero
// Scope.
func Records[S any](in Inside) S {
	var none S
	if in.guard == nil {
		return none
	}
	return in.guard.store.(S) //nolint:forcetypeassert,errcheck // package store implements every S
}

// Workspace returns the Scope's workspace.
func (s Inside) Workspace() Workspace { return s.grant.workspace }

// Now returns the time by the server's clock.
func (s Inside) Now() time.Time { return s.guard.now() }

// Log returns the operator's log.
func (s Inside) Log() *slog.Logger { return s.guard.log }

// Box returns what seals and opens secrets at rest.
func (s Inside) Box() *secret.Box { return s.guard.box }

// Premises returns what the platform stands on.
func (s Inside) Premises() Premises { return s.guard.premises }

// PlatformHosts returns [Config].PlatformHosts.
func (s Inside) PlatformHosts() []string { return s.guard.platformHosts }

// PublicURL returns the root of this server; nil = not known.
func (s Inside) PublicURL() *url.URL { return s.guard.publicURL }

// GiteaURL returns the root of Gitea as clients reach it.
func (s Inside) GiteaURL() string { return s.guard.giteaURL }

// Shown returns the scrubber for names and messages.
func (s Inside) Shown() *untrusted.Scrubber { return s.guard.shown }

// Scrubber returns a scrubber that knows the platform's own secrets, to add others to.
func (s Inside) Scrubber() *untrusted.Scrubber { return s.guard.scrubber() }

// Prober returns what looks at apps' own domains; nil = nothing is probed.
func (s Inside) Prober() *probe.Prober { return s.guard.probe }

// LookupTXT returns the TXT records of a name that ends in a dot.
func (s Inside) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return s.guard.lookupTXT(ctx, name)
}

// KeyID returns the id of the key that acts; false if a person or a job does.
func (s Inside) KeyID() (string, bool) {
	_, ok := s.principal.(keyPrincipal)
	return strings.TrimPrefix(s.grant.who, "key:"), ok
}

// Held returns the rights of the principal before the call narrowed them.
func (s Inside) Held() Rights { return s.grant.held }

// EnterWait takes a place among the waits of the workspace; leave gives it back.
func (s Inside) EnterWait() (leave func(), err error) {
	return s.guard.budget.enterWait(s.grant.workspace.ID)
}

// Looked tells the caller of a look at a deployment that goes on.
func (s Inside) Looked(d DeploymentInfo) {
	if s.call.look != nil {
		s.call.look(d)
	}
}

// RecordTarget records what the call acts on, by its uuid: the first thing that it
// finds.
func (s Inside) RecordTarget(target string) { s.call.target.CompareAndSwap(nil, &target) }

// ReplaceTarget records what the call acts on, whatever it found before.
func (s Inside) ReplaceTarget(target string) { s.call.target.Store(&target) }

// PollEvery is the time between two looks at the running deployments.
func (s Inside) PollEvery() time.Duration { return s.guard.waits.every }

// Closing is closed when the server stops: waits then answer with what they know.
func (s Inside) Closing() <-chan struct{} { return s.guard.waits.closing }

// inside and db are what each room has of its own.
func inside(s *Scope) Inside { return Inside{s} }
func db(s *Scope) Store      { return s.guard.store }
