package tenancy_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// TestPushCorrected: an outcome that turns out to be another within ten minutes is
// corrected in Gitea, whichever process looks, and nothing is looked at after that.
func TestPushCorrected(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	head := s.push("main")
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p))
	state := func(status string, restarts int) {
		s.cool.SetApp(s.record("web").UUID, func(a *coolifytest.App) { a.Status, a.Restarts = status, restarts })
	}
	looks := func(want ...string) {
		t.Helper()
		s.clock.forward(watching)
		again, err := s.look(s.start(t, nothing, 0)) // another process: the first one is gone
		var states []string
		for _, status := range s.said("web", head) {
			states = append(states, status.State)
		}
		if err != nil || again != watching || !slices.Equal(states, want) {
			t.Errorf("said %v, again after %v, %v; want %v", states, again, err, want)
		}
	}
	looks("pending", "success")
	state("restarting:unknown", 3)
	looks("pending", "success", "failure")
	said := s.said("web", head)
	if last := said[len(said)-1]; !strings.Contains(last.Description, "its container crashes: it was restarted 3 times") {
		t.Errorf("said %+v", last)
	}
	looks("pending", "success", "failure")
	state("running:unknown", 0)
	looks("pending", "success", "failure", "success")
	if at := s.record("web").ReportedAt; at == nil || s.clock.Now().Sub(*at) < 2*watching {
		t.Errorf("reported at %v, want when it was first", at)
	}
	s.clock.forward(10 * time.Minute)
	state("restarting:unknown", 3)
	s.cool.Reset()
	again, err := s.look(p)
	if n := len(s.said("web", head)); err != nil || again != 0 || n != 4 || len(s.cool.Requests()) > 0 {
		t.Errorf("after ten minutes: %d states, again after %v, %v, %v", n, again, err, s.cool.Requests())
	}
}

// TestPushOfCrashLoop: Coolify finishes the deployment of an app that crashes; Gitea is
// not told that it is live.
func TestPushOfCrashLoop(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	s.cool.SetApp(s.record("web").UUID, func(a *coolifytest.App) { a.Crash = true })
	head := s.push("main")
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p))
	for range 3 {
		s.clock.forward(watching)
		_, err := s.look(p)
		must(t, err)
	}
	said := s.said("web", head)
	if last := said[len(said)-1]; last.State != "failure" || !strings.Contains(last.Description, "its container crash") {
		t.Errorf("said %+v, want a failure", said)
	}
}
