package tenancy

import (
	"context"
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Scope reaches one workspace with some rights, and nothing else. Only a
// [Guard] makes one; the zero Scope reaches nothing. It lasts for one call.
type Scope struct {
	guard     *Guard
	principal principal
	grant     grant
	coolify   *coolify.Client    // every request of it is on this workspace's budget
	sensitive *coolify.Sensitive // nil = not configured
	gitea     *gitea.Admin       // nil = not configured
	call      *call
}

// A call is what is remembered of the tool call that a Scope serves.
type call struct {
	need     Rights
	audit    string               // id of the audit entry; empty = none
	look     func(DeploymentInfo) // told of each look at a deployment; may be nil
	began    time.Time
	upstream atomic.Int64           // requests sent to Coolify and Gitea
	target   atomic.Pointer[string] // what the call turned out to act on
}

func newScope(g *Guard, p principal, gr grant) *Scope {
	s := &Scope{guard: g, principal: p, grant: gr, call: &call{need: Read, began: g.now()}}
	s.coolify = g.coolify.Metered(s.meter)
	if g.sensitive != nil {
		s.sensitive = g.sensitive.Metered(s.meter)
	}
	if g.gitea != nil {
		s.gitea = g.gitea.Metered(s.giteaMeter)
	}
	return s
}

// A Call says what a Scope is about to be used for.
type Call struct {
	Tool   string               // canonical name, for the audit trail
	Needs  Rights               // the right that the principal must carry
	Client string               // what the client calls itself; a claim
	Target string               // what the caller named
	Args   json.RawMessage      // the arguments that may be kept; empty = none
	Look   func(DeploymentInfo) // told of each look of a wait that goes on; may be nil
}

// Begin narrows the Scope to what one call needs: reading, and the right of the
// call. Without that right the answer is [Forbidden]. A call that changes or
// reveals something (Needs is not [Read]) is written to the audit trail first,
// and refused if it cannot be. [Scope.End] must follow.
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
	entry := AuditEntry{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: gr.workspace.ID, At: s.guard.now(), Principal: gr.who,
		Client: s.Text(c.Client).String(), Tool: c.Tool, Target: s.Text(c.Target).String(), Args: s.args(c.Args), Outcome: "started",
	}
	if err := s.guard.store.StartAudit(ctx, entry); err != nil {
		return nil, StoreError("start an audit entry", err)
	}
	b.call.audit = entry.ID
	return b, nil
}

// End completes what [Scope.Begin] began; err is the outcome of the call. If it
// cannot be written, the entry stays "started", which is what is known.
func (s *Scope) End(ctx context.Context, err error) {
	if s.call.audit == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	f := AuditFinish{Outcome: "ok", Duration: s.guard.now().Sub(s.call.began), UpstreamCalls: s.UpstreamCalls()}
	if err != nil {
		f.Outcome = string(Public(err).Code)
	}
	f.Target = s.Target()
	if err := s.guard.store.FinishAudit(ctx, s.grant.workspace.ID, s.call.audit, f); err != nil {
		s.guard.log.ErrorContext(ctx, "audit entry not completed", "audit_id", s.call.audit, "outcome", f.Outcome, "err", err)
	}
}

// Slug returns the slug of the Scope's workspace.
func (s *Scope) Slug() string { return s.grant.workspace.Slug }

// Rights returns what the Scope may do.
func (s *Scope) Rights() Rights { return s.grant.rights }

// RequirePerson refuses, with [Forbidden], what is for people only.
func (s *Scope) RequirePerson() error {
	_, err := Inside{s}.Person()
	return err
}

// Role returns the role of the person who acts; empty for a key.
func (s *Scope) Role() Role { return s.grant.role }

// Principal returns who acts, as it is written to the audit trail.
func (s *Scope) Principal() string { return s.grant.who }

// UpstreamCalls returns how many requests this call has sent to Coolify and Gitea.
func (s *Scope) UpstreamCalls() int { return int(s.call.upstream.Load()) }

// Target returns the uuid of what this call has turned out to act on; "" if it has
// found nothing yet.
func (s *Scope) Target() string {
	if t := s.call.target.Load(); t != nil {
		return *t
	}
	return ""
}

// Admit counts one call of a tool or route against what the workspace may ask
// of this server, whatever it costs upstream.
func (s *Scope) Admit() error {
	if s.guard == nil {
		return ErrUnauthorized
	}
	return s.guard.budget.admitCall(s.grant.workspace.ID)
}

// Enter takes a place among the calls that the workspace may have in flight;
// leave gives it back.
func (s *Scope) Enter() (leave func(), err error) {
	if s.guard == nil {
		return nil, ErrUnauthorized
	}
	return s.guard.budget.enterCall(s.grant.workspace.ID)
}

// Require refuses, with [Forbidden], what the Scope has no right to.
func (s *Scope) Require(r Rights) error {
	if s.grant.rights.Has(r) && r != 0 {
		return nil
	}
	return &Error{
		Code: Forbidden, Msg: "this needs the right \"" + r.String() + "\", which your key or role does not have",
		Hint: "you have: " + s.grant.held.String() + "; the workspace's owner can mint a key that has more",
	}
}

// MaxShown is how much of a name or a message is looked at, in bytes, before it
// is cleaned and cut: whoever wrote it chose its length.
const MaxShown = 8_192

// Text is the way out for what others wrote, without the platform's own secrets
// and whatever looks like a credential.
func (s *Scope) Text(raw string) untrusted.Text { return s.guard.text(raw) }

func (g *Guard) text(raw string) untrusted.Text {
	t, err := g.shown.Text(raw[:min(len(raw), MaxShown)])
	if err != nil {
		return untrusted.New("[withheld]")
	}
	return t
}

// Public is [Public] of an error, without credentials that the caller may have
// typed where a name belongs.
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

// ForLog is an error with its cause, as the operator's log may hold it: without
// the platform's own secrets and whatever looks like a credential, on one line.
func (s *Scope) ForLog(err error) string {
	if s.guard == nil {
		return Public(err).Msg
	}
	return ForLog(s.guard.shown, err)
}

// ForLog is [Scope.ForLog] for what no Scope has to do with.
func (g *Guard) ForLog(err error) string { return ForLog(g.shown, err) }

// ForLog returns an error with its cause as the operator's log may hold it: cleaned
// by shown, and cut.
func ForLog(shown *untrusted.Scrubber, err error) string {
	raw := err.Error()
	t, err := shown.Text(raw[:min(len(raw), MaxShown)])
	if err != nil {
		return "[withheld]"
	}
	return t.String()
}

// scrubber knows the platform's own secrets.
func (g *Guard) scrubber() *untrusted.Scrubber { return NewScrubber(g.known) }

// NewScrubber returns a scrubber that knows the platform's own secrets.
func NewScrubber(known []secret.Text) *untrusted.Scrubber {
	scrubber := untrusted.NewScrubber()
	for _, k := range known {
		scrubber.Add("PLATFORM_SECRET", k)
	}
	return scrubber
}

// args is what the audit trail keeps of the arguments: a caller may have typed a
// credential where a name belongs.
func (s *Scope) args(raw json.RawMessage) string {
	clean, err := s.guard.shown.Scrub(string(raw))
	if err != nil || !json.Valid([]byte(clean)) {
		return "{}"
	}
	return clean
}

// Prove reads again, now, that the principal may still do what this call does.
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

// meter admits one upstream request on the workspace's budget. A request that
// had to wait its turn is refused if the principal has lost its right meanwhile.
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
	return done, nil
}

// giteaMeter counts one request to Gitea, which has no limit to share out.
func (s *Scope) giteaMeter(context.Context, gitea.Operation) (func(), error) {
	s.call.upstream.Add(1)
	return func() {}, nil
}

// Project returns the workspace's project on Coolify.
func (s Inside) Project() (CoolifyProject, error) {
	id, err := coolify.ParseUUID(s.grant.workspace.CoolifyProject)
	if err != nil {
		return CoolifyProject{}, &Error{
			Code: Unavailable, Msg: "this workspace has no Coolify project yet",
			Hint: "it is made within a minute; if not, the operator can see why with \"vibn-mcp workspace show\"", Retryable: true, RetryAfter: 15 * time.Second, Err: err,
		}
	}
	return NewCoolifyProject(s.coolify, id), nil
}
