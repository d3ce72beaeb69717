package tenancy_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A levers is a store with levers for what no method changes yet, and a clock
// that can be put forward.
type levers struct {
	tenancytest.Store
	suspended *atomic.Pointer[string]         // workspace id
	lowered   *atomic.Pointer[tenancy.Rights] // what every key has left
	ahead     *atomic.Int64                   // of the clock
}

func newLevers() levers {
	return levers{suspended: &atomic.Pointer[string]{}, lowered: &atomic.Pointer[tenancy.Rights]{}, ahead: &atomic.Int64{}}
}

// reset puts the levers back.
func (l levers) reset() {
	l.suspended.Store(nil)
	l.lowered.Store(nil)
	l.ahead.Store(0)
}

func (l levers) wrap(s tenancytest.Store) tenancytest.Store { l.Store = s; return l }

func (l levers) now() time.Time { return time.Now().Add(time.Duration(l.ahead.Load())) }

func (l levers) pull(w tenancy.Workspace) tenancy.Workspace {
	if id := l.suspended.Load(); id != nil && *id == w.ID {
		w.SuspendedAt = new(time.Now())
	}
	return w
}

func (l levers) KeyByDigest(ctx context.Context, d tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	k, w, err := l.Store.KeyByDigest(ctx, d)
	if left := l.lowered.Load(); left != nil {
		k.Rights &= *left
	}
	return k, l.pull(w), err
}

func (l levers) Membership(ctx context.Context, slug, user string) (tenancy.Workspace, tenancy.Role, error) {
	w, role, err := l.Store.Membership(ctx, slug, user)
	return l.pull(w), role, err
}

// A person is a member of a tenant's workspace; a key's bearer is nobody.
const person = "person"

// An ending takes from a principal what it had.
type ending struct {
	name   string
	member bool // the principal is a member, not a key
	end    func(t *testing.T, h *tenancytest.House, l levers, x *tenancytest.Tenant, needs tenancy.Rights)
	want   tenancy.Code
}

var endings = []ending{
	{"key revoked", false, func(t *testing.T, h *tenancytest.House, _ levers, x *tenancytest.Tenant, _ tenancy.Rights) {
		must(t, h.Operator.RevokeKey(t.Context(), x.Workspace, x.KeyID))
	}, tenancy.Unauthorized},
	{"key expired", false, func(_ *testing.T, _ *tenancytest.House, l levers, _ *tenancytest.Tenant, _ tenancy.Rights) {
		l.ahead.Store(int64(keyLife))
	}, tenancy.Unauthorized},
	{"key with fewer rights", false, func(_ *testing.T, _ *tenancytest.House, l levers, _ *tenancytest.Tenant, needs tenancy.Rights) {
		l.lowered.Store(new(tenancy.AllRights &^ needs))
	}, tenancy.Forbidden},
	{"workspace suspended", false, suspend, tenancy.Forbidden},
	{"workspace deleted", false, remove, tenancy.Unauthorized},
	{"member removed", true, func(t *testing.T, h *tenancytest.House, _ levers, x *tenancytest.Tenant, _ tenancy.Rights) {
		must(t, h.DB.RemoveMember(t.Context(), x.ID, person, time.Now()))
	}, tenancy.NotFound},
	{"member with fewer rights", true, func(t *testing.T, h *tenancytest.House, _ levers, x *tenancytest.Tenant, _ tenancy.Rights) {
		must(t, h.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: x.ID, UserID: person, Role: "guest"}))
	}, tenancy.Forbidden},
	{"member's workspace suspended", true, suspend, tenancy.Forbidden},
	{"member's workspace deleted", true, remove, tenancy.NotFound},
}

func suspend(_ *testing.T, _ *tenancytest.House, l levers, x *tenancytest.Tenant, _ tenancy.Rights) {
	l.suspended.Store(&x.ID)
}

func remove(t *testing.T, h *tenancytest.House, _ levers, x *tenancytest.Tenant, _ tenancy.Rights) {
	must(t, h.Operator.DeleteWorkspace(t.Context(), x.Workspace))
}

const keyLife = time.Hour

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A bearer is a principal in the middle of something.
type bearer struct {
	*tenancytest.Tenant
	guard  *tenancy.Guard
	member bool
}

// begin begins a call, as a door would.
func (b bearer) begin(ctx context.Context, c tenancy.Call) (*tenancy.Scope, error) {
	var s *tenancy.Scope
	var err error
	if b.member {
		s, err = b.guard.OpenMember(ctx, person, b.Slug, time.Now())
	} else {
		s, err = b.guard.OpenKey(ctx, b.Key)
	}
	if err != nil {
		return nil, err
	}
	return s.Begin(ctx, c)
}

// run does a step in the background.
func (b bearer) run(ctx context.Context, st step) <-chan error {
	ended := make(chan error, 1)
	go func() {
		s, err := b.begin(ctx, tenancy.Call{Tool: "test", Needs: st.needs})
		if err == nil {
			err = st.do(ctx, s)
		}
		ended <- err
	}()
	return ended
}

// A moment is where in its work a principal loses what it had. It calls end at
// that moment, and returns the error that the principal was told then.
type moment func(t *testing.T, h *tenancytest.House, b bearer, end func(needs tenancy.Rights)) error

// TestRevocation ends every principal's rights in every way at every moment.
func TestRevocation(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]moment{
		"wait in flight": waitInFlight, "last look of a wait": lastLook, "time of a wait over": timeIsOver, "wait at a stop": atStop,
		"queued for a slow slot": queuedForSlot, "queued for a token": queuedForToken, "next call": nextCall,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLevers()
			w := world{sim: coolifytest.Config{RateLimit: -1}, budget: tenancy.DefaultBudget(), wrap: l.wrap, now: l.now}
			inBubble(t, w, func(t *testing.T, h *tenancytest.House) {
				w.store = h.DB
				for i, e := range endings {
					x := h.AddTenant(t, fmt.Sprint("tenant", i), "")
					x.Key, x.KeyID = h.AddKey(t, x, "builder", keyLife)
					must(t, h.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: x.ID, UserID: person, Role: tenancy.RoleMember}))
					h.Sim.Reset()
					err := at(t, h, bearer{x, newGuard(t, h, w), e.member}, func(needs tenancy.Rights) { e.end(t, h, l, x, needs) })
					if codeOf(err) != e.want {
						t.Errorf("%s: %v, want %q", e.name, err, e.want)
					}
					l.reset()
					h.Sim.Clear(lookOp)
					h.Sim.SlowSSH(nil)
					pass(5 * time.Second)
				}
			})
		})
	}
}

// wait begins a wait.
func (b bearer) wait(t *testing.T, id string, d time.Duration) <-chan outcome {
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		var s *tenancy.Scope
		s, o.err = b.begin(t.Context(), tenancy.Call{
			Tool: "test", Needs: tenancy.Read, Look: func(d tenancy.DeploymentInfo) { o.seen = append(o.seen, d.Status) },
		})
		began := time.Now()
		if o.err == nil {
			o.info, o.err = hosting.Wait(t.Context(), s, id, d)
		}
		o.took = since(began)
		ended <- o
	}()
	return ended
}

// checkSilent holds what a wait may tell that has told of its first look before
// the end: nothing more.
func (o outcome) checkSilent(t *testing.T, took time.Duration) error {
	t.Helper()
	if o.info != (tenancy.DeploymentInfo{}) || len(o.seen) != 1 || o.took != took {
		t.Errorf("told %+v and %v, after %v; want nothing after the first look, after %v", o.info, o.seen, o.took, took)
	}
	return o.err
}

// waitInFlight is a wait between two polls. The next one ends it without a look.
func waitInFlight(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	id := addRunning(h, b.Web)
	ended := b.wait(t, id, hosting.MaxWait)
	pass(time.Second)
	end(tenancy.Read)
	h.Sim.Finish(id, coolifytest.Finished)
	err := (<-ended).checkSilent(t, tick)
	if n := countOps(h.Requests())[lookOp]; n != 1 {
		t.Errorf("%d looks at the deployment, want the first alone", n)
	}
	return err
}

// lastLook is a wait whose look at how the deployment ended is on its way.
func lastLook(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	id, gate := addRunning(h, b.Web), make(chan struct{})
	ended := b.wait(t, id, hosting.MaxWait)
	pass(time.Second)
	h.Sim.Finish(id, coolifytest.Finished)
	h.Sim.Fail(lookOp, coolifytest.Fault{Gate: gate})
	pass(tick)
	if n := countOps(h.Requests())[lookOp]; n != 2 {
		t.Fatalf("%d looks at the deployment, want the last one under way", n)
	}
	end(tenancy.Read)
	close(gate)
	return (<-ended).checkSilent(t, time.Second+tick)
}

// timeIsOver is a wait that would answer, before the next poll, with what it knows.
func timeIsOver(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	ended := b.wait(t, addRunning(h, b.Web), 2*time.Second)
	pass(time.Second)
	end(tenancy.Read)
	return (<-ended).checkSilent(t, 2*time.Second)
}

// atStop is a wait that would answer as the process stops.
func atStop(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	ended := b.wait(t, addRunning(h, b.Web), hosting.MaxWait)
	pass(time.Second)
	end(tenancy.Read)
	b.guard.Stop()
	return (<-ended).checkSilent(t, time.Second)
}

// queuedForSlot is a log that waits for one of two others to end.
func queuedForSlot(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	const logs = "GET /applications/{uuid}/logs"
	gate := make(chan struct{})
	h.Sim.SlowSSH(gate)
	first, second := b.run(t.Context(), toReadLogs(b.Web.UUID)), b.run(t.Context(), toReadLogs(b.Web.UUID))
	pass(settled)
	third := b.run(t.Context(), toReadLogs(b.Web.UUID))
	pass(time.Second)
	end(tenancy.Read)
	close(gate)
	err := <-third
	if n := countOps(h.Requests())[logs]; n != 2 {
		t.Errorf("%d logs were asked for, want the two before", n)
	}
	<-first
	<-second
	return err
}

// queuedForToken is a deploy whose last request, the one that changes something,
// waits for its turn.
func queuedForToken(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	budget := tenancy.DefaultBudget()
	for i := range budget.WorkspaceBurst - 3 { // an app, its environments, its variables, and then the start
		s, err := b.begin(t.Context(), tenancy.Call{Tool: "test", Needs: tenancy.Read})
		must(t, err)
		if _, err := hosting.FindDeployment(t.Context(), s, nobody); codeOf(err) != tenancy.NotFound {
			t.Fatalf("look-up %d: %v", i, err)
		}
	}
	h.Sim.Reset()
	deploy := b.run(t.Context(), toDeploy(b.Web.UUID))
	pass(settled)
	if diff := cmp.Diff([]string{"GET /applications/{uuid}", "GET /applications/{uuid}/envs"}, h.Requests()); diff != "" {
		t.Fatalf("requests before the turn (-want +got)\n%s", diff)
	}
	end(tenancy.Deploy)
	err := <-deploy
	if n := len(h.Requests()); n != 2 {
		t.Errorf("requests: %v, want none after the end", h.Requests())
	}
	return err
}

// nextCall is a call after others that went well, so that all is warm.
func nextCall(t *testing.T, h *tenancytest.House, b bearer, end func(tenancy.Rights)) error {
	must(t, <-b.run(t.Context(), toDeploy(b.Web.UUID)))
	h.Sim.Reset()
	end(tenancy.Deploy)
	err := <-b.run(t.Context(), toDeploy(b.Web.UUID))
	if ops := h.Requests(); len(ops) > 0 {
		t.Errorf("requests: %v, want none", ops)
	}
	return err
}

// TestRevocationElsewhere: of two processes on one database, what one of them
// ends is over at the other's next look, warm as that may be.
func TestRevocationElsewhere(t *testing.T) {
	t.Parallel()
	t.Run("next call", func(t *testing.T) {
		t.Parallel()
		for _, dialect := range []string{"sqlite", "postgres"} {
			t.Run(dialect, func(t *testing.T) { testReplicas(t, tenancytest.New(t, tenancytest.Config{Database: dialect})) })
		}
	})
	inBubble(t, world{}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		var waits []<-chan outcome
		for _, g := range []*tenancy.Guard{h.Guard, newGuard(t, h, world{store: h.DB})} {
			waits = append(waits, waiter{g, h.A.Key, id, hosting.MaxWait}.start(t.Context()))
		}
		pass(time.Second)
		must(t, h.Operator.RevokeKey(t.Context(), h.A.Workspace, h.A.KeyID))
		for i, w := range waits {
			if o := <-w; codeOf(o.err) != tenancy.Unauthorized || len(o.seen) != 1 || o.took != tick {
				t.Errorf("the wait at process %d: %+v, want %q at the next poll", i, o, tenancy.Unauthorized)
			}
		}
	})
}

func testReplicas(t *testing.T, h *tenancytest.House) {
	one, other := h.Guard, newGuard(t, h, world{store: h.DB, budget: tenancytest.Unlimited()})
	for _, ending := range []struct {
		name string
		do   func(db *store.DB, x *tenancytest.Tenant) error
	}{
		{"revoked", func(_ *store.DB, x *tenancytest.Tenant) error {
			return h.Operator.RevokeKey(t.Context(), x.Workspace, x.KeyID)
		}},
		{"deleted", func(_ *store.DB, x *tenancytest.Tenant) error {
			return h.Operator.DeleteWorkspace(t.Context(), x.Workspace)
		}},
	} {
		x := h.AddTenant(t, ending.name, "")
		for _, g := range []*tenancy.Guard{one, other, one, other} {
			must(t, toDeploy(x.Web.UUID).try(t.Context(), g, x.Key))
		}
		must(t, ending.do(h.DB, x))
		for i, g := range []*tenancy.Guard{other, one} {
			if err := toGet(x.Web.UUID).try(t.Context(), g, x.Key); codeOf(err) != tenancy.Unauthorized {
				t.Errorf("%s: process %d: %v, want %q", ending.name, i, err, tenancy.Unauthorized)
			}
		}
	}
}

// TestRevocationIsPersonal: a wait whose look was another key's goes on when
// that key is revoked while the look waits for its turn.
func TestRevocationIsPersonal(t *testing.T) {
	t.Parallel()
	budget := tenancy.DefaultBudget()
	budget.WorkspaceBurst = 1
	inBubble(t, world{budget: budget}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		second, _ := h.AddKey(t, h.A, "viewer", 0)
		if err := toGet(nobody).try(t.Context(), h.Guard, h.A.Key); codeOf(err) != tenancy.NotFound { // takes the one token, and the next
			t.Fatal(err)
		}
		revoked := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
		pass(settled)
		other := waiter{h.Guard, second, id, hosting.MaxWait}.start(t.Context())
		pass(settled)
		must(t, h.Operator.RevokeKey(t.Context(), h.A.Workspace, h.A.KeyID))
		if o := <-revoked; codeOf(o.err) != tenancy.Unauthorized {
			t.Errorf("the revoked key's wait: %v, want %q", o.err, tenancy.Unauthorized)
		}
		h.Sim.Finish(id, coolifytest.Finished)
		if o := <-other; o.err != nil || o.info.Status != "finished" {
			t.Errorf("the other key's wait: %+v, want finished", o)
		}
	})
}
