package tenancy_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// wantOvertaken holds that a wait for a commit ends with the newer one.
func (s *subject) wantOvertaken(what string, w verdict.Waited, newer string) {
	s.Helper()
	if w.Verdict != verdict.VerdictStale || !strings.Contains(w.Reason, "a newer push overtook this commit: "+newer) ||
		len(w.Next) != 1 || !strings.Contains(w.Next[0], "deployments_wait with "+newer) {
		s.Errorf("%s: %+v, want stale, and %s named", what, w, newer)
	}
}

// TestWaitOvertaken: a wait for a commit that a newer push took the place of ends
// with that one, whatever had been done with it until then. A commit that was
// deployed has the verdict of its deployment.
func TestWaitOvertaken(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p)) // the app's branch is recorded

	never, newest := s.push("main"), s.push("main")
	s.wantOvertaken("before anybody looked", s.waited(p, never, ""), newest)
	s.told(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{newest}, s.deployed("web"))
	s.wantOvertaken("when the newer one is deployed", s.waited(p, never, ""), newest)
	s.wantOvertaken("of that app", s.waited(p, never, s.record("web").UUID), newest)
	if w := s.waited(p, newest, ""); w.Verdict != verdict.VerdictLive || w.Commit.String() != newest {
		t.Errorf("the newer one: %+v", w)
	}

	queued := s.push("main")
	s.told(p)
	if _, err := s.look(p); err != nil {
		t.Fatal(err)
	}
	built := s.push("main")
	for range 5 {
		s.build() // Coolify takes the newest commit there is
	}
	want(s, "deployments", []string{newest, built}, s.deployed("web"))
	want(s, "the commit that is recorded", queued, s.record("web").Head)
	s.wantOvertaken("its deployment built the newer one", s.waited(p, queued, ""), built)
	s.told(p)
	must(t, s.settle(p))
	s.wantOvertaken("the newer one took over its deployment", s.waited(p, queued, ""), built)

	if w := s.waited(p, newest, ""); w.Commit.String() != newest || w.UUID == "" || strings.Contains(w.Reason, "overtook") {
		t.Errorf("a commit that was deployed before: %+v, want its deployment", w)
	}
	if w := s.waited(p, s.push("elsewhere"), ""); w.Verdict != verdict.VerdictStillRunning {
		t.Errorf("a commit of a branch that no app is built from: %+v", w)
	}
	s.fine()
}

// TestWaitIsOvertaken: a wait that has begun before the pushes ends with the newer
// one, too.
func TestWaitIsOvertaken(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p))
	base := s.git.Head(s.repo(), "main")
	commit := s.push("main") // it is made, and not pushed yet
	s.force(base)
	began, done := make(chan struct{}), make(chan verdict.Waited, 1)
	var once sync.Once
	open, err := p.guard.OpenKey(t.Context(), s.key)
	must(t, err)
	scope, err := open.Begin(t.Context(), tenancy.Call{
		Tool: "deployments.wait", Needs: tenancy.Read, Look: func(tenancy.DeploymentInfo) { once.Do(func() { close(began) }) },
	})
	must(t, err)
	go func() {
		w, err := verdict.Await(t.Context(), scope, commit, "", hosting.MaxWait)
		if err != nil {
			t.Error(err)
		}
		done <- w
	}()
	<-began
	s.force(commit)
	newer := s.push("main")
	s.told(p)
	must(t, s.settle(p))
	s.wantOvertaken("while it waits", <-done, newer)
}
