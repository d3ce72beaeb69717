package tenancy_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
	"github.com/vibnai/vibn-mcp/verdict"
)

// lagging is a house whose Coolify notices containers late, as a real one does.
func lagging() world {
	return world{store: newMemory(), sim: coolifytest.Config{StatusLag: 15 * time.Second}}
}

// newSite adds an app of A's that was never deployed. Over plain HTTP, the proxy's own
// answer looks like an app's.
func newSite(h *tenancytest.House, change func(*coolifytest.App)) coolifytest.App {
	a := coolifytest.App{Name: "site", FQDN: "http://site.alpha.example.com", GitRepository: "git@git.example.com:vibn-alpha/site.git"}
	change(&a)
	return h.Sim.AddApp(h.A.Project.Environments[0].UUID, a)
}

// TestCrashLoopIsNotLive: a container that ends again and again is deployed well by
// Coolify, and its proxy answers 404. The verdict is not that it is live, whenever it is
// asked for, and the diagnosis agrees.
func TestCrashLoopIsNotLive(t *testing.T) {
	t.Parallel()
	for name, fqdn := range map[string]string{"http": "http://site.alpha.example.com", "https": "https://site.alpha.example.com", "no domain": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, lagging(), func(t *testing.T, h *tenancytest.House) {
				site := newSite(h, func(a *coolifytest.App) { a.FQDN, a.Crash, a.Logs = fqdn, true, "boom\n" })
				id := build(h, site, newCommit, coolifytest.Finished)
				o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", 30*time.Second)
				if o.err != nil || o.Verdict == verdict.VerdictLive {
					t.Errorf("%+v, %v; want it not live", o.Waited, o.err)
				}
				for _, tc := range []struct {
					at   time.Duration
					says string
				}{{40 * time.Second, "its container crashes: it was restarted"}, {5 * time.Minute, "crashed 10 times, so Coolify stopped it"}} {
					pass(tc.at)
					o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
					if o.err != nil || o.Verdict != verdict.VerdictUnreachable || !strings.Contains(o.Reason, tc.says) {
						t.Errorf("%v later: %+v, %v; want unreachable, and %q", tc.at, o.Waited, o.err, tc.says)
					}
					d := diagnose(t, h, site.UUID)
					if len(d.Causes) == 0 || !strings.Contains(d.Causes[0].Cause, "crash") {
						t.Errorf("%v later, the causes are %+v; want that it crashes", tc.at, d.Causes)
					}
				}
			})
		})
	}
}

// TestFirstFailureIsNotStale: where no version was ever live, none is said to answer.
func TestFirstFailureIsNotStale(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*coolifytest.App)
		says   string
	}{
		"only the proxy answers": {func(*coolifytest.App) {}, "no container of it runs; the domain answers 404, and so does the proxy itself"},
		"something else answers": {func(a *coolifytest.App) { a.FQDN = "https://web.beta.example.com" }, "none of this app was ever live"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inBubble(t, lagging(), func(t *testing.T, h *tenancytest.House) {
				site := newSite(h, tc.change)
				id := build(h, site, newCommit, coolifytest.Failed)
				o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", 30*time.Second)
				if o.err != nil || o.Verdict != verdict.VerdictFailed || !strings.Contains(o.Reason, tc.says) || strings.Contains(o.Reason, "the version before it") {
					t.Errorf("%+v, %v; want failed with %q", o.Waited, o.err, tc.says)
				}
			})
		})
	}
}

// TestAppWithoutPage: an app that answers just as the proxy does is live, once its
// container has run for a minute without a restart; until then nothing is decided.
func TestAppWithoutPage(t *testing.T) {
	t.Parallel()
	inBubble(t, lagging(), func(t *testing.T, h *tenancytest.House) {
		site := newSite(h, func(a *coolifytest.App) { a.NoPage = true })
		id := build(h, site, newCommit, coolifytest.Finished)
		h.Sim.Reset()
		o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
		if o.err != nil || o.Verdict != verdict.VerdictStillRunning || !o.Done || !strings.Contains(o.Reason, "not certain yet") {
			t.Errorf("%+v, %v; want it undecided", o.Waited, o.err)
		}
		if n := countOps(h.Requests())[appOp]; n > 6 {
			t.Errorf("the app was looked at %d times", n)
		}
		o = <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
		if o.err != nil || o.Verdict != verdict.VerdictLive || !strings.Contains(o.Reason, "answers 404 at /, as the proxy itself does") {
			t.Errorf("%+v, %v; want it live, with a note", o.Waited, o.err)
		}
		if d := diagnose(t, h, site.UUID); len(d.Causes) > 0 || !strings.Contains(d.Note, "as the proxy itself does") {
			t.Errorf("the diagnosis is %+v, %q; want no cause, and the note", d.Causes, d.Note)
		}
		failed := build(h, site, oldCommit, coolifytest.Failed)
		o = <-verdictOn(t.Context(), h.Guard, h.A.Key, failed, "", hosting.MaxWait)
		if o.err != nil || o.Verdict != verdict.VerdictStale || !strings.Contains(o.Reason, "the version before it answers 404 at /, as the proxy") {
			t.Errorf("a failure later: %+v, %v; want stale", o.Waited, o.err)
		}
	})
}

// TestKeptLog: Coolify removes the container of an app that crashes, with its log. The end
// of it that a wait saw is shown instead, with the secrets of today taken out, to its own
// workspace only, for seven days.
func TestKeptLog(t *testing.T) {
	t.Parallel()
	w := lagging()
	w.store = nil
	inBubble(t, w, func(t *testing.T, h *tenancytest.House) {
		site := newSite(h, func(a *coolifytest.App) {
			a.Crash, a.Logs = true, strings.Repeat(strings.Repeat("x", 1000)+"\n", 1000)+"SITE_KEY=value-of-then\nnow: value-of-now\nboom\n"
		})
		h.Sim.AddEnv(site.UUID, coolifytest.Env{Key: "SITE_KEY", Value: "value-of-then", Runtime: true})
		id := build(h, site, newCommit, coolifytest.Finished)
		logs := func() (hosting.Logs, error) {
			a, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Read), site.UUID)
			if err != nil {
				t.Fatal(err)
			}
			return a.Logs(t.Context(), 3, "")
		}
		pass(10 * time.Second)
		for range 3 { // one of them sees it restart, while it is up
			<-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
			pass(5 * time.Second)
		}
		pass(5 * time.Minute)
		h.Sim.AddEnv(site.UUID, coolifytest.Env{Key: "OTHER_KEY", Value: "value-of-now", Runtime: true})
		got, err := logs()
		text := strings.Join(got.Lines, "\n")
		if err != nil || !strings.HasSuffix(text, "boom") || len(got.Lines) != 3 || !strings.Contains(got.Note, "from when it crashed, kept at 20") {
			t.Errorf("%q, %q, %v; want the last lines, and that they were kept", text, got.Note, err)
		}
		if strings.Contains(text, "value-of-") {
			t.Errorf("a secret is in %q", text)
		}
		if d := diagnose(t, h, site.UUID); !strings.Contains(strings.Join(d.Log, "\n"), "boom") || strings.Contains(strings.Join(d.Log, ""), "value-of-") {
			t.Errorf("the diagnosis shows %q", d.Log)
		}
		sealed, err := h.DB.SealedValues(t.Context())
		if n := len(sealed); err != nil || n == 0 || len(sealed[n-1].Value) > 90<<10 || len(sealed[n-1].Value) < 80<<10 || strings.Contains(sealed[n-1].Value, "boom") {
			t.Errorf("%d sealed values, %v", n, err)
		}
		if _, err := h.DB.KeptLog(t.Context(), h.B.ID, site.UUID); !errors.Is(err, tenancy.ErrNotFound) {
			t.Errorf("of B: %v, want nothing", err)
		}
		if err := h.DB.DropExpired(t.Context(), time.Now().Add(7*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, err := logs(); tenancy.Public(err).Code != tenancy.Conflict {
			t.Errorf("after seven days: %v, want no log", err)
		}
	})
}

// TestLateStart: an app whose first container is up late is waited for, though Coolify
// still says that none runs.
func TestLateStart(t *testing.T) {
	t.Parallel()
	inBubble(t, lagging(), func(t *testing.T, h *tenancytest.House) {
		site := newSite(h, func(a *coolifytest.App) { a.NoPage = true })
		id := build(h, site, newCommit, coolifytest.Finished)
		time.AfterFunc(20*time.Second, func() { h.Sim.SetApp(site.UUID, func(a *coolifytest.App) { a.NoPage = false }) })
		o := <-verdictOn(t.Context(), h.Guard, h.A.Key, id, "", hosting.MaxWait)
		if o.err != nil || o.Verdict != verdict.VerdictLive || o.HTTPStatus != 200 || o.took > 33*time.Second {
			t.Errorf("%+v, %v after %v; want it live when it answers", o.Waited, o.err, o.took)
		}
	})
}
