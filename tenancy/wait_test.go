package tenancy_test

import (
	"context"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

const (
	pollOp = "GET /deployments"
	lookOp = "GET /deployments/{uuid}"
	tick   = 3 * time.Second // between two polls
)

// addRunning adds a deployment of an app that is in progress.
func addRunning(h *tenancytest.House, app coolifytest.App) string {
	return h.Sim.AddDeployment(app.UUID, coolifytest.Deployment{Status: coolifytest.InProgress}).UUID
}

// countOps returns how often each operation was asked for.
func countOps(ops []string) map[string]int {
	n := map[string]int{}
	for _, op := range ops {
		n[op]++
	}
	return n
}

// TestWaitsShare: eight waits of a workspace for one deployment cost what one
// costs. The clock is exact, so the lists are compared as they are: the look
// that proves whose the deployment is, one poll for each tick of the process
// however many wait, and one look at the end, when the poll has it no more.
func TestWaitsShare(t *testing.T) {
	t.Parallel()
	requests := func(t *testing.T, waits int) (ops []string) {
		inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
			id := addRunning(h, h.A.Web)
			second, _ := h.AddKey(t, h.A, "viewer", 0)
			time.AfterFunc(10*time.Second, func() { h.Sim.Finish(id, coolifytest.Finished) })
			var all []<-chan outcome
			for i := range waits {
				all = append(all, waiter{h.Guard, []string{h.A.Key, second}[i%2], id, hosting.MaxWait}.start(t.Context()))
			}
			for _, w := range all {
				if o := <-w; o.err != nil || o.info.Status != "finished" || !o.info.Done || o.took != 4*tick {
					t.Errorf("a wait ended with %+v, %v after %v; want finished, at the fourth poll", o.info, o.err, o.took)
				}
			}
			ops = h.Requests()
		})
		return ops
	}
	one, eight := requests(t, 1), requests(t, 8)
	want := []string{lookOp, "GET /projects/{uuid}/environments", pollOp, pollOp, pollOp, pollOp, lookOp}
	if diff := cmp.Diff(want, one); diff != "" {
		t.Errorf("requests of one wait (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff(one, eight); diff != "" {
		t.Errorf("requests of eight waits (-one +eight)\n%s", diff)
	}
}

// TestWaitsApart: two workspaces share the poll and nothing else. What one has
// proved opens nothing to the other, which pays for its own look.
func TestWaitsApart(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		ofA, ofB := addRunning(h, h.A.Web), addRunning(h, h.B.Web)
		a := waiter{h.Guard, h.A.Key, ofA, 10 * time.Second}.start(t.Context())
		b := waiter{h.Guard, h.B.Key, ofB, 10 * time.Second}.start(t.Context())
		synctest.Wait()
		for _, ref := range []string{ofB, nobody} {
			h.Sim.Reset()
			o := <-waiter{h.Guard, h.A.Key, ref, 10 * time.Second}.start(t.Context())
			if codeOf(o.err) != tenancy.NotFound || o.took != 0 || o.info != (tenancy.DeploymentInfo{}) || len(o.seen) > 0 {
				t.Errorf("A waits for %s: %+v, want not found, at once", ref, o)
			}
			if diff := cmp.Diff([]string{lookOp}, h.Requests()); diff != "" {
				t.Errorf("A waits for %s: requests (-want +got)\n%s", ref, diff)
			}
		}
		h.Sim.Reset()
		for x, w := range map[*tenancytest.Tenant]<-chan outcome{h.A: a, h.B: b} {
			if o := <-w; o.err != nil || o.info.Done || o.info.App != x.Web.UUID || o.took != 10*time.Second {
				t.Errorf("%s: %+v, want its own deployment, not done, after 10 s", x.Slug, o)
			}
		}
		if diff := cmp.Diff([]string{pollOp, pollOp, pollOp}, h.Requests()); diff != "" {
			t.Errorf("both wait: requests (-want +got)\n%s", diff)
		}
	})
}

// TestWaitsApartAtOnce: A waits for what is B's while B's own look is on its way.
// Both looks go out, and A's shows nothing.
func TestWaitsApartAtOnce(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		ofB, gate := addRunning(h, h.B.Web), make(chan struct{})
		h.Sim.Fail(lookOp, coolifytest.Fault{Gate: gate})
		b := waiter{h.Guard, h.B.Key, ofB, time.Second}.start(t.Context())
		synctest.Wait()
		a := waiter{h.Guard, h.A.Key, ofB, time.Second}.start(t.Context())
		synctest.Wait()
		if diff := cmp.Diff([]string{lookOp, lookOp}, h.Requests()); diff != "" {
			t.Errorf("requests (-want +got)\n%s", diff)
		}
		close(gate)
		if o := <-a; codeOf(o.err) != tenancy.NotFound || o.info != (tenancy.DeploymentInfo{}) || len(o.seen) > 0 {
			t.Errorf("A waits for B's: %+v, want not found", o)
		}
		if o := <-b; o.err != nil || o.info.App != h.B.Web.UUID {
			t.Errorf("B waits for its own: %+v", o)
		}
	})
}

// TestWaitEnds tries every way in which a deployment that runs can come to an
// end while somebody waits.
func TestWaitEnds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(h *tenancytest.House, id string)
		status string // "" = not found
	}{
		"finished":  {func(h *tenancytest.House, id string) { h.Sim.Finish(id, coolifytest.Finished) }, "finished"},
		"failed":    {func(h *tenancytest.House, id string) { h.Sim.Finish(id, coolifytest.Failed) }, "failed"},
		"cancelled": {func(h *tenancytest.House, id string) { h.Sim.Finish(id, coolifytest.Cancelled) }, "cancelled-by-user"},
		"vanished": {func(h *tenancytest.House, id string) {
			h.Sim.Finish(id, coolifytest.Finished)
			h.Sim.Fail(lookOp, coolifytest.Fault{Status: 404, Body: `{"message":"Deployment not found."}`})
		}, ""},
		"moved to another's project": {func(h *tenancytest.House, id string) {
			h.Sim.MoveApp(h.A.Web.UUID, h.B.Project.Environments[0].UUID)
			h.Sim.Finish(id, coolifytest.Finished)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
				id := addRunning(h, h.A.Web)
				time.AfterFunc(4*time.Second, func() { tc.change(h, id) })
				o := <-waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
				if o.took != 2*tick || !slices.Equal(o.seen, []string{"in_progress", "in_progress"}) {
					t.Errorf("the wait took %v and saw %v, want the end at the second poll", o.took, o.seen)
				}
				switch {
				case tc.status == "" && (codeOf(o.err) != tenancy.NotFound || o.info != (tenancy.DeploymentInfo{})):
					t.Errorf("the wait ended with %+v, %v; want not found", o.info, o.err)
				case tc.status != "" && (o.err != nil || o.info.Status != tc.status || !o.info.Done):
					t.Errorf("the wait ended with %+v, %v; want %s", o.info, o.err, tc.status)
				}
			})
		})
	}
}

// TestWaitPhantom waits for what Coolify named although its queue was full.
func TestWaitPhantom(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		h.Sim.QueueLimit(0)
		app, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Deploy), h.A.Web.UUID)
		if err != nil {
			t.Fatal(err)
		}
		started, err := app.Deploy(t.Context(), false)
		if err != nil || started.Deployment == "" {
			t.Fatalf("Deploy = %+v, %v; want the name of a deployment", started, err)
		}
		o := <-waiter{h.Guard, h.A.Key, started.Deployment, hosting.MaxWait}.start(t.Context())
		if codeOf(o.err) != tenancy.NotFound || o.took != 0 {
			t.Errorf("the wait ended with %v after %v, want not found, at once", o.err, o.took)
		}
	})
}

// TestWaitProvesAgain: waits that overlap for longer than a minute do not live
// on the first one's proof.
func TestWaitProvesAgain(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		first := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
		pass(40 * time.Second)
		second := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
		if o := <-first; o.err != nil || o.info.Done {
			t.Errorf("the first wait ended with %+v, %v; want not done", o.info, o.err)
		}
		h.Sim.MoveApp(h.A.Web.UUID, h.B.Project.Environments[0].UUID)
		if o := <-second; codeOf(o.err) != tenancy.NotFound || o.took > 20*time.Second+tick {
			t.Errorf("the second wait ended with %+v, %v after %v; want not found, a minute after the proof", o.info, o.err, o.took)
		}
	})
}

// TestWaitPollFails: a poll that fails tells nothing, so the wait goes on.
func TestWaitPollFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]coolifytest.Fault{
		"500":            {Status: 500, Body: `{"message":"Server Error"}`},
		"429":            {Status: 429, Body: `{"message":"Too Many Attempts."}`, Header: http.Header{"Retry-After": {"2"}}},
		"401":            {Status: 401, Body: `{"message":"Unauthenticated."}`},
		"hang":           {Hang: true},
		"cut":            {Cut: true},
		"HTML":           {Status: 200, Body: "<html>"},
		"an empty thing": {Status: 200, Body: "{}"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, world{store: newMemory(), budget: tenancy.DefaultBudget()}, func(t *testing.T, h *tenancytest.House) {
				id := addRunning(h, h.A.Web)
				h.Sim.Fail(pollOp, fault)
				short := waiter{h.Guard, h.A.Key, id, 14 * time.Second}.start(t.Context())
				long := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
				if o := <-short; o.err != nil || o.info.Done || o.took != 14*time.Second {
					t.Errorf("a wait during the trouble: %+v, want not done after its time", o)
				}
				if n := countOps(h.Requests())[lookOp]; n != 1 {
					t.Errorf("%d looks at the deployment during the trouble, want the first alone", n)
				}
				h.Sim.Finish(id, coolifytest.Finished)
				h.Sim.Clear(pollOp)
				if o := <-long; o.err != nil || o.info.Status != "finished" {
					t.Errorf("a wait beyond the trouble: %+v, want finished", o)
				}
			})
		})
	}
}

// TestWaitLook: the caller is told of each look. Coolify's list is an object
// here, as several deployments run, and its word is enough until the end: the
// deployment itself is asked for at the beginning and at the end only.
func TestWaitLook(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		addRunning(h, h.B.Web)
		addRunning(h, h.A.API)
		id := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{}).UUID
		time.AfterFunc(4*time.Second, func() { h.Sim.Advance(id) })
		time.AfterFunc(7*time.Second, func() { h.Sim.Advance(id) })
		o := <-waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
		if o.err != nil || o.info.Status != "finished" {
			t.Errorf("the wait ended with %+v, %v; want finished", o.info, o.err)
		}
		if diff := cmp.Diff([]string{"queued", "queued", "in_progress"}, o.seen); diff != "" {
			t.Errorf("looks (-want +got)\n%s", diff)
		}
		if n := countOps(h.Requests()); n[lookOp] != 2 || n[pollOp] != 3 {
			t.Errorf("requests: %v, want 2 looks and 3 polls", n)
		}
	})
}

// TestWaitGivenUp: two waits share a look, and the one whose request it is goes
// away. The other looks for itself.
func TestWaitGivenUp(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		gate := make(chan struct{})
		h.Sim.Fail(lookOp, coolifytest.Fault{Gate: gate})
		ctx, cancel := context.WithCancel(t.Context())
		first := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(ctx)
		synctest.Wait()
		second := waiter{h.Guard, h.A.Key, id, hosting.MaxWait}.start(t.Context())
		synctest.Wait()
		if diff := cmp.Diff([]string{lookOp}, h.Requests()); diff != "" {
			t.Fatalf("the two do not share their look: requests (-want +got)\n%s", diff)
		}
		cancel()
		if o := <-first; codeOf(o.err) != tenancy.Timeout {
			t.Errorf("the wait that was given up ended with %v, want %q", o.err, tenancy.Timeout)
		}
		close(gate)
		h.Sim.Finish(id, coolifytest.Finished)
		if o := <-second; o.err != nil || o.info.Status != "finished" {
			t.Errorf("the other wait ended with %+v, %v; want finished", o.info, o.err)
		}
	})
}

// TestWaitStop: a process that stops keeps nobody waiting.
func TestWaitStop(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		ofA, ofB := addRunning(h, h.A.Web), addRunning(h, h.B.Web)
		waits := []<-chan outcome{
			waiter{h.Guard, h.A.Key, ofA, hosting.MaxWait}.start(t.Context()),
			waiter{h.Guard, h.A.Key, ofA, hosting.MaxWait}.start(t.Context()),
			waiter{h.Guard, h.B.Key, ofB, hosting.MaxWait}.start(t.Context()),
		}
		pass(5 * time.Second)
		h.Guard.Stop()
		late := waiter{h.Guard, h.A.Key, ofA, hosting.MaxWait}.start(t.Context())
		for _, w := range waits {
			if o := <-w; o.err != nil || o.info.Done || o.info.Status != "in_progress" || o.took != 5*time.Second {
				t.Errorf("a wait at the stop: %+v, want what is known, at once", o)
			}
		}
		if o := <-late; o.err != nil || o.info.Status != "in_progress" || o.took != 0 {
			t.Errorf("a wait after the stop: %+v, want what is known, at once", o)
		}
	})
}

// TestPollEnds: nobody waits, so nobody polls; the next wait begins anew.
func TestPollEnds(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		for range 2 {
			h.Sim.Reset()
			<-waiter{h.Guard, h.A.Key, id, 10 * time.Second}.start(t.Context())
			pass(5 * time.Minute)
			if n := countOps(h.Requests())[pollOp]; n != 3 {
				t.Errorf("%d polls for a wait of 10 s and five minutes after it, want 3", n)
			}
		}
	})
}

// TestWaitBounds: a wait takes no longer than it was asked for and than MaxWait,
// and a workspace has no more of them than its share.
func TestWaitBounds(t *testing.T) {
	t.Parallel()
	budget := tenancy.DefaultBudget()
	budget.Waits = 3
	inBubble(t, world{store: newMemory(), budget: budget}, func(t *testing.T, h *tenancytest.House) {
		id := addRunning(h, h.A.Web)
		var waits []<-chan outcome
		for range budget.Waits {
			waits = append(waits, waiter{h.Guard, h.A.Key, id, time.Hour}.start(t.Context()))
		}
		synctest.Wait()
		o := <-waiter{h.Guard, h.A.Key, id, time.Hour}.start(t.Context())
		if e := tenancy.Public(o.err); e.Code != tenancy.RateLimited || e.RetryAfter <= 0 || e.Hint == "" || o.took != 0 {
			t.Errorf("a wait too many: %+v, want %q at once, with a time and a hint", o, tenancy.RateLimited)
		}
		if o := <-(waiter{h.Guard, h.B.Key, h.B.Done.UUID, time.Hour}.start(t.Context())); o.err != nil || o.took != 0 {
			t.Errorf("a wait of B's: %+v, want an answer at once", o)
		}
		for _, w := range waits {
			if o := <-w; o.err != nil || o.took != hosting.MaxWait {
				t.Errorf("a wait of an hour: %+v, want %v", o, hosting.MaxWait)
			}
		}
		if o := <-(waiter{h.Guard, h.A.Key, id, time.Second}.start(t.Context())); o.err != nil || o.took != time.Second {
			t.Errorf("a wait when the others have ended: %+v, want a second", o)
		}
	})
}
