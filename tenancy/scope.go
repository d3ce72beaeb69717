package tenancy

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/internal/places"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Scope gives some rights in one workspace, and nothing else. Only a [Guard] makes one;
// the zero Scope reaches nothing. It lasts for one call.
type Scope struct {
	guard     *Guard
	principal principal
	grant     grant
	coolify   *coolify.Client    // all its requests count on this workspace's budget
	sensitive *coolify.Sensitive // nil = not configured
	gitea     *gitea.Admin       // nil = not configured
	caller    places.Caller
	call      *call
}

// A call is the state of the tool call that a Scope serves.
type call struct {
	need     Rights
	audit    string               // id of the audit entry; empty = none
	look     func(DeploymentInfo) // receives each observation of a deployment; may be nil
	began    time.Time
	upstream atomic.Int64           // requests sent to Coolify and Gitea
	changed  atomic.Bool            // one of them may have changed something
	target   atomic.Pointer[string] // uuid of what the call acts on

	announced FoundDeployment // that the call has requested; zero = none
}

func newScope(g *Guard, p principal, gr grant) *Scope {
	s := &Scope{guard: g, principal: p, grant: gr, call: &call{need: Read, began: g.now()}}
	_, person := p.(memberPrincipal)
	s.caller = places.Caller{Name: gr.who, Reserved: person}
	s.coolify = g.coolify.Metered(s.meter)
	if g.sensitive != nil {
		s.sensitive = g.sensitive.Metered(s.meter)
	}
	if g.gitea != nil {
		s.gitea = g.gitea.Metered(s.giteaMeter)
	}
	return s
}

// A Call describes what a Scope is about to be used for.
type Call struct {
	Tool   string               // canonical name, for the audit trail
	Needs  Rights               // the right that the principal must have
	Client string               // the client's name for itself; a claim
	Target string               // what the caller named
	Args   json.RawMessage      // the arguments that may be kept; empty = none
	Look   func(DeploymentInfo) // receives each observation of a wait that goes on; may be nil
}

// Begin narrows the Scope to what one call needs: reading, and the right of the call. If
// the principal lacks that right, it returns [Forbidden]. Begin first writes a call that
// changes or reveals something (Needs is not [Read]) to the audit trail, and refuses it
// if the write fails. [Scope.End] must follow.
func (s *Scope) Begin(ctx context.Context, c Call) (*Scope, error) {
	if err := s.Require(c.Needs); err != nil {
		return nil, err
	}
	gr := s.grant
	gr.rights &= Read | c.Needs
	b := newScope(s.guard, s.principal, gr)
	b.call.need, b.call.look = c.Needs, c.Look
	if c.Needs == Read {
		return b, nil
	}
	entry := StartedEntry(AuditEntry{
		WorkspaceID: gr.workspace.ID, Principal: gr.who, Client: s.Text(c.Client).String(), Tool: c.Tool,
		Target: s.Text(c.Target).String(), Args: s.args(c.Args),
	}, s.guard.now())
	if err := s.guard.store.StartAudit(ctx, entry); err != nil {
		return nil, StoreError("start an audit entry", err)
	}
	b.call.audit = entry.ID
	return b, nil
}

// End completes the audit entry that [Scope.Begin] started; err is the outcome of the
// call. If the write fails, the entry stays "started". What was known of the workspace is
// forgotten.
func (s *Scope) End(ctx context.Context, err error) {
	if s.call.audit == "" {
		return
	}
	s.guard.seen.Drop(s.grant.workspace.ID) // the call may have changed what the workspace has
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	f := AuditFinish{Outcome: "ok", Duration: s.guard.now().Sub(s.call.began), UpstreamCalls: s.UpstreamCalls()}
	if err != nil {
		f.Outcome = string(Public(err).Code)
	}
	f.Target, f.Changed = s.Target(), s.call.changed.Load()
	if err := s.guard.store.FinishAudit(ctx, s.grant.workspace.ID, s.call.audit, f); err != nil {
		s.guard.log.ErrorContext(
			ctx, "audit entry not completed", "audit_id", s.call.audit, "outcome", f.Outcome, "err", err,
		)
	}
}

// Slug returns the slug of the Scope's workspace.
func (s *Scope) Slug() string { return s.grant.workspace.Slug }

// Rights returns what the Scope may do.
func (s *Scope) Rights() Rights { return s.grant.rights }

// RequirePerson returns [Forbidden] if a key or a job acts.
func (s *Scope) RequirePerson() error {
	_, err := Inside{s}.Person()
	return err
}

// Role returns the role of the person who acts; empty for a key.
func (s *Scope) Role() Role { return s.grant.role }

// Principal returns the name of the principal in the audit trail.
func (s *Scope) Principal() string { return s.grant.who }

// UpstreamCalls returns how many requests this call has sent to Coolify and Gitea.
func (s *Scope) UpstreamCalls() int { return int(s.call.upstream.Load()) }

// Target returns the uuid of what this call acts on; "" if it has found nothing yet.
func (s *Scope) Target() string {
	if t := s.call.target.Load(); t != nil {
		return *t
	}
	return ""
}

// Revoking marks a call that revokes a key, which uses what is kept for people, so that
// no other key can keep it out. It does nothing for a principal that may not revoke.
func (s *Scope) Revoking() {
	if s.Require(Keys) == nil {
		s.caller = places.Caller{Name: s.grant.who + " revoking", Reserved: true}
	}
}

// Admit counts one call of a tool or route against the limits of the principal and of the
// workspace for calls to this server. Upstream requests have limits of their own.
func (s *Scope) Admit() error {
	if s.guard == nil {
		return ErrUnauthorized
	}
	return s.guard.budget.admitCall(s.grant.workspace.ID, s.caller)
}

// Enter takes one of the places for calls in flight; leave gives it back. A call enters
// after its body was read, so that a slow sender takes no place.
func (s *Scope) Enter() (leave func(), err error) { return s.take((*places.Places).Enter) }

// Read counts a body that the principal sends; done ends it.
func (s *Scope) Read() (done func(), err error) { return s.take((*places.Places).Read) }

func (s *Scope) take(how func(*places.Places, places.Caller) (func(), bool)) (leave func(), err error) {
	if s.guard == nil {
		return nil, ErrUnauthorized
	}
	if leave, ok := how(s.guard.budget.share(s.grant.workspace.ID).calls, s.caller); ok {
		return leave, nil
	}
	return nil, errBusy
}

// Require returns [Forbidden] if the Scope lacks a right.
func (s *Scope) Require(r Rights) error {
	if s.grant.rights.Has(r) && r != 0 {
		return nil
	}
	return &Error{
		Code: Forbidden, Msg: "this needs the right \"" + r.String() + "\", which your key or role does not have",
		Hint: "you have: " + s.grant.held.String() + "; the workspace's owner can mint a key with more rights",
	}
}

// MaxShown is how many bytes of a name or a message are read before it is cleaned and
// cut. Its author chose its length, so the length needs a bound.
const MaxShown = 8_192

// Text cleans text that tenants or upstreams wrote, and removes the platform's own
// secrets and everything that looks like a credential.
func (s *Scope) Text(raw string) untrusted.Text { return s.guard.text(raw) }

func (g *Guard) text(raw string) untrusted.Text {
	t, err := g.shown.Text(raw[:min(len(raw), MaxShown)])
	if err != nil {
		return untrusted.New("[withheld]")
	}
	return t
}

// Public is [Public] of an error, without credentials that the caller may have typed
// where a name belongs.
func (s *Scope) Public(err error) *Error {
	e := *Public(err)
	if s.guard != nil {
		e.Msg, e.Hint = s.Text(e.Msg).String(), s.Text(e.Hint).String()
		if c := e.Confirm; c != nil {
			e.Confirm = &Confirmation{s.Text(c.Name).String(), s.Text(c.What).String(), c.Thing}
		}
	}
	return &e
}

// ForLog returns an error and its cause on one line for the operator's log, without the
// platform's own secrets and everything that looks like a credential.
func (s *Scope) ForLog(err error) string {
	if s.guard == nil {
		return Public(err).Msg
	}
	return ForLog(s.guard.shown, err)
}

// ForLog is [Scope.ForLog] for code without a Scope.
func (g *Guard) ForLog(err error) string { return ForLog(g.shown, err) }

// ForLog returns an error and its cause for the operator's log: cleaned by shown, and cut
// to [MaxShown] bytes.
func ForLog(shown *untrusted.Scrubber, err error) string {
	raw := err.Error()
	t, err := shown.Text(raw[:min(len(raw), MaxShown)])
	if err != nil {
		return "[withheld]"
	}
	return t.String()
}

// scrubber returns a new scrubber that knows the platform's own secrets.
func (g *Guard) scrubber() *untrusted.Scrubber { return NewScrubber(g.known) }

// NewScrubber returns a scrubber that knows the platform's own secrets.
func NewScrubber(known []secret.Text) *untrusted.Scrubber {
	scrubber := untrusted.NewScrubber()
	for _, k := range known {
		scrubber.Add("PLATFORM_SECRET", k)
	}
	return scrubber
}

// args returns the arguments as the audit trail keeps them. A caller may have typed a
// credential where a name belongs, so they are scrubbed.
func (s *Scope) args(raw json.RawMessage) string {
	clean, err := s.guard.shown.Scrub(string(raw))
	if err != nil || !json.Valid([]byte(clean)) {
		return "{}"
	}
	return clean
}

// Prove checks again in the store that the principal still has this call's right.
func (s *Scope) Prove(ctx context.Context) error {
	again, err := s.guard.open(ctx, s.principal)
	if err != nil {
		return err
	}
	if again.grant.workspace.ID != s.grant.workspace.ID {
		return ErrUnauthorized
	}
	return again.Require(s.call.need)
}

// meter admits one upstream request on the workspace's budget. If the request had to
// wait, it is refused if the principal has lost its right meanwhile.
func (s *Scope) meter(ctx context.Context, op coolify.Operation) (func(), error) {
	done, waited, err := s.guard.budget.admit(ctx, s.grant.workspace.ID, op)
	if err != nil {
		return nil, err
	}
	if waited {
		if err := s.Prove(ctx); err != nil {
			done()
			return nil, err
		}
	}
	s.call.upstream.Add(1)
	s.call.changed.CompareAndSwap(false, op.Method != "GET")
	return done, nil
}

// giteaMeter counts one request to Gitea, which has no limit to divide.
func (s *Scope) giteaMeter(_ context.Context, op gitea.Operation) (func(), error) {
	s.call.upstream.Add(1)
	s.call.changed.CompareAndSwap(false, op.Method != "GET")
	return func() {}, nil
}

// Project returns the workspace's project on Coolify.
func (s Inside) Project() (CoolifyProject, error) {
	id, err := coolify.ParseUUID(s.grant.workspace.CoolifyProject)
	if err != nil {
		return CoolifyProject{}, &Error{
			Code: Unavailable, Msg: "this workspace has no Coolify project yet",
			Hint: "it is created within a minute; if not, the operator can see why with \"vibn-mcp " +
				"workspace show\"",
			Retryable: true, RetryAfter: 15 * time.Second, Err: err,
		}
	}
	return NewCoolifyProject(s.coolify, id), nil
}
