package dockertest_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// crash ends the container's process for the n-th time, and returns when it runs again. A
// signal by way of the engine would keep that from starting it again.
func (s *site) crash(n int) {
	s.Helper()
	s.engine.AwaitLog(s, s.uuid, "started\n", n)
	if err := s.engine.Exec(s.uuid, "busybox", "kill", "-USR1", "1"); err != nil {
		s.Fatal(err)
	}
	s.engine.Await(s, s.uuid, "die", n)
	s.engine.Await(s, s.uuid, "start", n+1)
}

func (s *site) logs() hosting.Logs {
	s.Helper()
	app, err := hosting.FindApp(s.Context(), s.house.Open(s, s.house.A.Key, tenancy.Read), s.uuid)
	if err != nil {
		s.Fatal(err)
	}
	logs, err := app.Logs(s.Context(), 100, "")
	if err != nil {
		s.Fatal(err)
	}
	return logs
}

// TestRealCrashLoop: a container that crashes is not live, whether it waits or is up
// with nobody listening. The end of its log is kept and shown once Coolify has removed it.
func TestRealCrashLoop(t *testing.T) {
	s := newSite(t, `trap 'echo boom >&2; exit 1' USR1; echo started; while :; do sleep 0.1; done`)
	deployment := s.deployed()
	const crashes = 3
	for n := range crashes {
		s.crash(n + 1)
	}
	s.look()
	got := s.verdict(deployment)
	if got.Verdict != verdict.VerdictUnreachable || !strings.Contains(got.Reason, "it was restarted 3 times") {
		t.Errorf("while it crashes: %+v, want unreachable after %d restarts", got, crashes)
	}
	last := s.logs().Lines
	if !slices.Contains(last, "boom") {
		t.Errorf("its log is %q", last)
	}
	if err := s.engine.Remove(s.uuid); err != nil {
		t.Fatal(err)
	}
	s.look()
	got = s.verdict(deployment)
	if got.Verdict != verdict.VerdictUnreachable || !strings.Contains(got.Reason, "crashed 3 times, so Coolify stopped it") {
		t.Errorf("once it is removed: %+v", got)
	}
	if kept := s.logs(); !slices.Equal(kept.Lines, last) || !strings.Contains(kept.Note, "kept") {
		t.Errorf("once it is removed, its log is %q (%s), want %q", kept.Lines, kept.Note, last)
	}
}
