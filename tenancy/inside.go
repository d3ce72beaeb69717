package tenancy

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// An Inside is a Scope as the rooms see it: with the finders, the workspace's own
// handles, and the room's tools. The doors hold Scopes only, and cannot make the pass
// that opens one.
type Inside struct{ *Scope }

// Open opens a Scope for a room.
func Open(_ room.Pass, s *Scope) Inside { return Inside{s} }

// Records returns the database as the interface that a room needs. Package store
// implements all of them, which the compiler checks there. The result is nil for the zero
// Scope.
func Records[S any](in Inside) S {
	var none S
	if in.guard == nil {
		return none
	}
	return in.guard.store.(S) // package store implements every S
}

// Workspace returns the Scope's workspace.
func (s Inside) Workspace() Workspace { return s.grant.workspace }

// Now returns the time by the server's clock.
func (s Inside) Now() time.Time { return s.guard.now() }

// Log returns the operator's log.
func (s Inside) Log() *slog.Logger { return s.guard.log }

// Box returns the box that seals and opens secrets at rest.
func (s Inside) Box() *secret.Box { return s.guard.box }

// Premises returns the platform's addresses and defaults.
func (s Inside) Premises() Premises { return s.guard.premises }

// PlatformHosts returns [Config].PlatformHosts.
func (s Inside) PlatformHosts() []string { return s.guard.platformHosts }

// PublicURL returns the root of this server; nil = not known.
func (s Inside) PublicURL() *url.URL { return s.guard.publicURL }

// GiteaURL returns the root of Gitea as clients reach it.
func (s Inside) GiteaURL() string { return s.guard.giteaURL }

// Shown returns the scrubber for names and messages.
func (s Inside) Shown() *untrusted.Scrubber { return s.guard.shown }

// Scrubber returns a new scrubber that knows the platform's own secrets, to which a room
// can add others.
func (s Inside) Scrubber() *untrusted.Scrubber { return s.guard.scrubber() }

// Prober returns the prober for apps' own domains; nil = no domain is probed.
func (s Inside) Prober() *probe.Prober { return s.guard.probe }

// LookupTXT returns the TXT records of a name that ends in a dot.
func (s Inside) LookupTXT(ctx context.Context, name string) ([]string, error) {
	return s.guard.lookupTXT(ctx, name)
}

// KeyID returns the id of the key that acts; false if a person or a job acts.
func (s Inside) KeyID() (string, bool) {
	_, ok := s.principal.(keyPrincipal)
	return strings.TrimPrefix(s.grant.who, "key:"), ok
}

// MemberID returns the id of the person who acts; false if a key or a job acts.
func (s Inside) MemberID() (string, bool) {
	p, ok := s.principal.(memberPrincipal)
	return p.userID, ok
}

// Person returns the id of the person who acts. Keys do not decide who belongs to a
// workspace: for a key it returns [Forbidden].
func (s Inside) Person() (string, error) {
	id, ok := s.MemberID()
	if !ok {
		return "", &Error{
			Code: Forbidden, Msg: "only a person who is signed in to the settings page can do this",
			Hint: "ask the workspace's owner",
		}
	}
	return id, nil
}

// Recently is how long ago a person may have signed in to give power or see a secret.
const Recently = 5 * time.Minute

// ErrSignIn asks a person to sign in again: the desk may have been left.
var ErrSignIn = &Error{
	Code: Forbidden, Msg: "this needs a sign-in of the last five minutes",
	Hint: "sign in to the settings page again, then try again",
}

// SignedIn returns [ErrSignIn] if a person acts whose sign-in is not [Recently]. Keys do
// not sign in.
func (s Inside) SignedIn() error {
	p, ok := s.principal.(memberPrincipal)
	if ok && s.guard.now().Sub(p.signedIn) >= Recently {
		return ErrSignIn
	}
	return nil
}

// Again proves the principal again and returns the resulting Scope.
func (s Inside) Again(ctx context.Context) (Inside, error) {
	again, err := s.guard.open(ctx, s.principal)
	return Inside{again}, err
}

// Ends returns when the key expires; nil = never, or a person or a job acts.
func (s Inside) Ends() *time.Time { return s.grant.ends }

// HasGitea reports whether the platform has a Gitea.
func (s Inside) HasGitea() bool { return s.gitea != nil }

// Held returns the rights of the principal before the call narrowed them.
func (s Inside) Held() Rights { return s.grant.held }

// EnterWait takes one of the workspace's slots for waits; leave gives it back.
func (s Inside) EnterWait() (leave func(), err error) {
	return s.guard.budget.enterWait(s.grant.workspace.ID)
}

// AdmitRetry counts a workspace's request to retry its own provisioning; [RateLimited] if
// there are too many.
func (s Inside) AdmitRetry() error { return s.guard.budget.admitRetry(s.grant.workspace.ID) }

// Looked reports an observed deployment that still runs to the caller.
func (s Inside) Looked(d DeploymentInfo) {
	if s.call.look != nil {
		s.call.look(d)
	}
}

// RecordTarget records the uuid of what the call acts on, unless one is recorded already.
func (s Inside) RecordTarget(target string) { s.call.target.CompareAndSwap(nil, &target) }

// ReplaceTarget records the uuid of what the call acts on, over one recorded before.
func (s Inside) ReplaceTarget(target string) { s.call.target.Store(&target) }

// PollEvery returns the time between two polls of the running deployments.
func (s Inside) PollEvery() time.Duration { return s.guard.waits.Every() }

// Closing returns a channel that is closed when the server stops: waits then answer with
// what they know.
func (s Inside) Closing() <-chan struct{} { return s.guard.waits.Closing() }

// An Outside is a Guard as the rooms see it that act without a caller: for a webhook's
// delivery and for jobs.
type Outside struct{ *Guard }

// OpenGuard opens a Guard for a room.
func OpenGuard(_ room.Pass, g *Guard) Outside { return Outside{g} }

// RecordsOf is [Records] for a Guard.
func RecordsOf[S any](g Outside) S {
	return g.store.(S) // package store implements every S
}

// Now returns the time by the server's clock.
func (g Outside) Now() time.Time { return g.now() }

// Log returns the operator's log.
func (g Outside) Log() *slog.Logger { return g.log }

// Box returns what seals and opens secrets at rest.
func (g Outside) Box() *secret.Box { return g.box }

// Text is [Scope.Text] for code without a Scope.
func (g Outside) Text(raw string) untrusted.Text { return g.text(raw) }

// IsOperator reports whether a token is the operator's.
func (g Outside) IsOperator(token string) bool { return !g.admin.IsZero() && g.admin.Equal(token) }

// NoHook returns a sealed key at [HookPlace] of no workspace. A delivery for which there
// is no webhook is checked against it, so that it costs as much as any other.
func (g Outside) NoHook() string { return g.noHook }

// AdmitPush counts one delivery of a workspace's webhook; [RateLimited] if there are
// too many.
func (g Outside) AdmitPush(workspaceID string) error { return g.budget.admitPush(workspaceID) }

// Running returns the queued and running deployments of all workspaces, at most one poll
// interval old.
func (g Outside) Running(ctx context.Context) (map[coolify.UUID]coolify.DeploymentStatus, error) {
	return g.recentlyRunning(ctx)
}

// A hookPrincipal acts when a push arrives. It belongs to no key, has only the rights
// that a push needs, and lasts as long as the workspace is open.
type hookPrincipal struct{ workspaceID string }

func (p hookPrincipal) prove(ctx context.Context, g *Guard) (grant, error) {
	state, err := g.store.Provision(ctx, p.workspaceID)
	if errors.Is(err, ErrNotFound) || err == nil && state.DeletedAt != nil {
		return grant{}, &Error{Code: NotFound, Msg: "no such workspace"}
	}
	if err != nil {
		return grant{}, StoreError("look up a workspace", err)
	}
	const rights = Read | Deploy
	return grant{workspace: state.Workspace, rights: rights, held: rights, who: "hook"}, nil
}

// OpenHook returns the Scope for a push to a workspace. A job acts, without a caller, so
// there is no identity to prove.
func (g Outside) OpenHook(ctx context.Context, workspaceID string) (*Scope, error) {
	return g.open(ctx, hookPrincipal{workspaceID})
}
