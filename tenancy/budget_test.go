package tenancy_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A flood is a tenant who calls again and again, from many goroutines.
type flood struct {
	stop context.CancelFunc
	wg   sync.WaitGroup
	mu   sync.Mutex
	errs map[tenancy.Code][]*tenancy.Error
}

func startFlood(t *testing.T, g *tenancy.Guard, key string, each int, steps ...step) *flood {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	f := &flood{stop: cancel, errs: map[tenancy.Code][]*tenancy.Error{}}
	for _, st := range steps {
		for range each {
			f.wg.Go(func() {
				for ctx.Err() == nil {
					f.note(st.try(ctx, g, key))
					select {
					case <-time.After(2 * time.Second):
					case <-ctx.Done():
					}
				}
			})
		}
	}
	return f
}

func (f *flood) note(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs[codeOf(err)] = append(f.errs[codeOf(err)], tenancy.Public(err))
}

func (f *flood) end() {
	f.stop()
	f.wg.Wait()
}

// TestFlood has A call without end what costs most: unknown ids, logs of a host
// that never answers, and waits. B deploys all the while, and the operator asks
// for the version, as if A were not there.
func TestFlood(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name string
		each int // goroutines for each step
		of   func(a, b *tenancytest.Tenant, running string) []step
		logs int // that A gets through at least
	}{
		{"everything", 3, func(a, b *tenancytest.Tenant, running string) []step {
			return []step{
				toGet(nobody), toGet(b.Web.UUID), toReadLogs(a.Web.UUID), toReadLogs(a.API.UUID),
				toWait(running, hosting.MaxWait), toWait(nobody, hosting.MaxWait),
			}
		}, 2},
		{"logs", 2, func(a, _ *tenancytest.Tenant, _ string) []step { return []step{toReadLogs(a.Web.UUID)} }, 4},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, world{budget: tenancy.DefaultBudget(), store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
				h.Sim.SlowSSH(make(chan struct{}))
				running := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: "in_progress"})
				f := startFlood(t, h.Guard, h.A.Key, tc.each, tc.of(h.A, h.B, running.UUID)...)
				for range 8 {
					deployB(t, h)
					pass(15*time.Second + 70*time.Millisecond)
				}
				f.end()
				f.check(t)
				checkCoolify(t, h, tc.logs)
			})
		})
	}
}

// deployB deploys an app of B's and asks for the version, both without delay.
func deployB(t *testing.T, h *tenancytest.House) {
	t.Helper()
	quick(t, tenancy.DefaultBudget().MaxWait, "B's deploy", func() error { return toDeploy(h.B.Web.UUID).try(t.Context(), h.Guard, h.B.Key) })
	quick(t, 0, "the operator's look at the version", func() error { _, err := h.Provisioner.CoolifyVersion(t.Context()); return err })
	for _, d := range h.Sim.Deployments(h.B.Web.UUID) {
		h.Sim.Finish(d.UUID, coolifytest.Finished)
	}
}

// quick fails the test if a call is refused, or takes longer than it may.
func quick(t *testing.T, limit time.Duration, what string, call func() error) {
	t.Helper()
	began := time.Now()
	if err := call(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if took := since(began); took > limit {
		t.Errorf("%s took %v, want at most %v", what, took, limit)
	}
}

// checkCoolify looks at what came of it there: its own limit was never reached,
// and never more than two SSH commands of A's ran. Such a command ends after
// 67 s on a host that does not answer, whether or not its caller has hung up.
func checkCoolify(t *testing.T, h *tenancytest.House, wantLogs int) {
	t.Helper()
	var logs []time.Time
	for _, r := range h.Sim.Requests() {
		if r.Status == http.StatusTooManyRequests {
			t.Fatalf("Coolify's own limit was reached by %s at %v", r.Operation, r.At)
		}
		if strings.HasSuffix(r.Path, "/logs") {
			logs = append(logs, r.At)
		}
	}
	if len(logs) < wantLogs {
		t.Errorf("A got %d logs through, want at least %d: the flood does not try what it should", len(logs), wantLogs)
	}
	for i := 2; i < len(logs); i++ {
		if gap := logs[i].Sub(logs[i-2]); gap < 67*time.Second {
			t.Errorf("three logs of A's within %v: more than two slow operations at once at Coolify", gap)
		}
	}
}

// check looks at what the flood was told.
func (f *flood) check(t *testing.T) {
	t.Helper()
	if n := len(f.errs[tenancy.RateLimited]); n < 20 {
		t.Errorf("the flood was refused %d times, want many", n)
	}
	for _, err := range f.errs[tenancy.RateLimited] {
		if err.RetryAfter <= 0 || err.RetryAfter > time.Minute || !err.Retryable || err.Hint == "" {
			t.Fatalf("refusal %+v, want one that is retryable, says when and what to do", err)
		}
	}
	for code, errs := range f.errs {
		if code != "" && code != tenancy.RateLimited && code != tenancy.NotFound && code != tenancy.Timeout {
			t.Errorf("the flood met %q: %v", code, errs[0])
		}
	}
}

// TestRefusalsCostNothing: whoever is refused may come back when it was told to,
// however many others were refused at the same moment.
func TestRefusalsCostNothing(t *testing.T) {
	t.Parallel()
	budget := tenancy.DefaultBudget()
	budget.WorkspaceBurst, budget.WorkspacePerMinute, budget.MaxWait = 5, 60, time.Second
	inBubble(t, world{store: newMemory(), budget: budget}, func(t *testing.T, h *tenancytest.House) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		var longest time.Duration
		refused := 0
		for range 100 {
			wg.Go(func() {
				err := toGet(h.A.Web.UUID).try(t.Context(), h.Guard, h.A.Key)
				if err == nil {
					return
				}
				mu.Lock()
				defer mu.Unlock()
				refused, longest = refused+1, max(longest, tenancy.Public(err).RetryAfter)
			})
		}
		wg.Wait()
		if refused < 80 || longest > 5*time.Second {
			t.Errorf("%d of 100 calls refused, for up to %v; want over 80, for some seconds", refused, longest)
		}
		pass(longest)
		quick(t, 0, "a call after the time that it was told", func() error { return toGet(h.A.Web.UUID).try(t.Context(), h.Guard, h.A.Key) })
	})
}

// TestProbesCostAlike: an id of another's and one of nobody's are charged the
// same, so what is left of the budget tells nothing.
func TestProbesCostAlike(t *testing.T) {
	t.Parallel()
	inBubble(t, world{budget: tenancy.DefaultBudget(), store: newMemory()}, func(t *testing.T, h *tenancytest.House) {
		admitted := map[string]int{}
		for _, ref := range []string{nobody, h.B.Web.UUID, h.B.Done.UUID} {
			pass(5 * time.Minute)                                         // every bucket is full again
			for began := time.Now(); since(began) == 0; admitted[ref]++ { // then calls have to wait
				if code := codeOf(toGet(ref).try(t.Context(), h.Guard, h.A.Key)); code != tenancy.NotFound {
					t.Fatalf("looked %s up: %q, want %q", ref, code, tenancy.NotFound)
				}
			}
		}
		if n := admitted[nobody]; n < 2 || n > 100 || admitted[h.B.Web.UUID] != n || admitted[h.B.Done.UUID] != n {
			t.Errorf("look-ups at once: %v, want as many for each", admitted)
		}
	})
}

// TestHangingUp: a slow request that its caller gave up keeps its slot as long
// as Coolify keeps its worker; one that was answered gives it back at once.
func TestHangingUp(t *testing.T) {
	t.Parallel()
	inBubble(t, world{store: newMemory(), budget: tenancy.DefaultBudget()}, func(t *testing.T, h *tenancytest.House) {
		logs := func(ctx context.Context) error { return toReadLogs(h.A.Web.UUID).try(ctx, h.Guard, h.A.Key) }
		for range 3 {
			quick(t, 0, "a log of a host that answers", func() error { return logs(t.Context()) })
		}
		h.Sim.SlowSSH(make(chan struct{}))
		for range 2 {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
			if code := codeOf(logs(ctx)); code != tenancy.Timeout {
				t.Errorf("a log that was given up: %q, want %q", code, tenancy.Timeout)
			}
			cancel()
		}
		h.Sim.SlowSSH(nil)
		h.Sim.Reset()
		if code := codeOf(logs(t.Context())); code != tenancy.RateLimited || strings.Contains(strings.Join(h.Requests(), " "), "/logs") {
			t.Errorf("a third log while Coolify works on two: %q after %v, want %q and no request for it", code, h.Requests(), tenancy.RateLimited)
		}
		quick(t, 0, "B's log", func() error { return toReadLogs(h.B.Web.UUID).try(t.Context(), h.Guard, h.B.Key) })
		pass(70 * time.Second)
		quick(t, 0, "a log after Coolify has given up too", func() error { return logs(t.Context()) })
	})
}

// TestAdmit: calls to this server are counted for each workspace.
func TestAdmit(t *testing.T) {
	t.Parallel()
	budget := tenancy.DefaultBudget()
	budget.CallsBurst, budget.CallsPerMinute = 3, 80 // of which one key has sixty
	inBubble(t, world{store: newMemory(), budget: budget}, func(t *testing.T, h *tenancytest.House) {
		a, b := h.Open(t, h.A.Key, tenancy.Read), h.Open(t, h.B.Key, tenancy.Read)
		for i, want := range []tenancy.Code{"", "", "", tenancy.RateLimited, tenancy.RateLimited} {
			err := a.Admit()
			if codeOf(err) != want {
				t.Errorf("call %d: %v, want %q", i, err, want)
			}
			if want != "" && (tenancy.Public(err).RetryAfter <= 0 || tenancy.Public(err).Hint == "") {
				t.Errorf("call %d: %+v, want a time to wait and a hint", i, err)
			}
		}
		if err := b.Admit(); err != nil {
			t.Errorf("B's call: %v", err)
		}
		pass(time.Second)
		if err := a.Admit(); err != nil {
			t.Errorf("a call after a second: %v", err)
		}
	})
}
