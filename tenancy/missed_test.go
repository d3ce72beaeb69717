package tenancy_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// lookForMissed is what a sweep does a minute later.
func (s *subject) lookForMissed(p *process) {
	s.Helper()
	s.clock.forward(time.Minute)
	must(s, push.New(p.guard).Sweep(s.Context()))
}

// TestMissedPush: a push that no delivery told of is deployed after the next sweep,
// also by another process. A branch that is where it was costs Coolify
// nothing.
func TestMissedPush(t *testing.T) {
	t.Parallel()
	s := newPushing(t)
	p := s.start(t, nothing, 0)
	s.lookForMissed(p) // the app's branch is not recorded yet
	must(t, s.settle(p))
	want(s, "branch", "main", s.record("web").Branch)
	before := len(p.asked("coolify"))
	for range 3 {
		s.lookForMissed(p)
		want(s, "pushes that are wanted", int64(0), s.wanted())
	}
	want(s, "requests to Coolify for nothing new", before, len(p.asked("coolify")))

	head := s.push("main")
	again := s.start(t, nothing, 0) // a process that begins anew
	for range 3 {                   // the job has not run yet
		s.lookForMissed(again)
		want(s, "pushes that are wanted", int64(1), s.wanted())
	}
	must(t, s.settle(again))
	want(s, "deployments", []string{head}, s.deployed("web"))
	want(s, "states", []string{"pending", "success"}, s.states("web", head))
	s.lookForMissed(again)
	want(s, "pushes that are wanted when all is deployed", int64(0), s.wanted())
	s.fine()
}

// asked lists what the process asked of a server.
func (p *process) asked(where string) []op {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(p.ops), func(o op) bool { return o.where != where })
}

// TestMissedPushAfterOutage: what was pushed while Gitea did not answer is found when
// it does, also of a workspace whose neighbour has no repository any more.
func TestMissedPushAfterOutage(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, broken := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	f.git.SetRepo(broken.repo(), func(r *giteatest.Repo) { r.Name = "renamed" })
	s.lookForMissed(p)
	must(t, s.settle(p))
	head := s.push("main")
	f.git.Fail("GET /repos/{owner}/{repo}", giteatest.Fault{Status: 502, Body: "<html>"})
	s.lookForMissed(p)
	want(s, "pushes that are wanted in an outage", int64(0), s.wanted())
	f.git.Clear("GET /repos/{owner}/{repo}")
	s.lookForMissed(p)
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
}

// TestLookAfterRefusal: a push whose delivery was refused is found at once where its
// workspace is named; another workspace's is not.
func TestLookAfterRefusal(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	s.lookForMissed(p)
	must(t, s.settle(p))
	must(t, other.settle(p))
	s.push("main")
	other.push("main")
	before := other.wanted()
	push.LookAt(t.Context(), p.guard, map[string]bool{s.slug: true, "nobody": true})
	want(s, "pushes that are wanted", int64(1), s.wanted())
	want(s, "pushes of the other's that are wanted", before, other.wanted())
}

// waited asks what became of a commit, and waits for nothing.
func (s *subject) waited(p *process, commit, app string) verdict.Waited {
	s.Helper()
	var w verdict.Waited
	must(s, step{tenancy.Read, func(ctx context.Context, sc *tenancy.Scope) (err error) {
		w, err = verdict.Await(ctx, sc, commit, app, time.Nanosecond)
		return err
	}}.try(s.Context(), p.guard, s.key))
	return w
}

// TestWaitFindsMissedPush: a wait for a commit that no delivery told of has it
// deployed. Of a commit that is no branch's newest, and of another workspace's, it
// says what was looked at, in the same words.
func TestWaitFindsMissedPush(t *testing.T) {
	t.Parallel()
	f := newPlatform(t, storetest.Open(t, "sqlite"), giteatest.Config{})
	s, other := pushing(t, f, "acme"), pushing(t, f, "beta")
	p := s.start(t, nothing, 0)
	s.told(p)
	must(t, s.settle(p)) // the app's branch is recorded

	theirs, unknown := other.push("main"), strings.Repeat("0", 40)
	var answers []string
	for _, commit := range []string{theirs, unknown} {
		w := s.waited(p, commit, "")
		answers = append(answers, strings.ReplaceAll(fmt.Sprintf("%+v", w), commit, "COMMIT"))
		if w.Verdict != verdict.VerdictStillRunning || !strings.Contains(w.Reason, "not the newest commit of the branches of web") {
			t.Errorf("a commit that is not there: %+v", w)
		}
	}
	want(s, "what is said of another's commit, as of none", answers[1], answers[0])
	want(s, "pushes that are wanted", int64(0), s.wanted())
	want(s, "pushes of the other's that are wanted", int64(0), other.wanted())

	head := s.push("main")
	for range 2 {
		if w := s.waited(p, head, ""); w.Verdict != verdict.VerdictStillRunning || !strings.Contains(w.Reason, "has been pushed") {
			t.Errorf("a push that was missed: %+v", w)
		}
		want(s, "pushes that are wanted", int64(1), s.wanted())
	}
	must(t, s.settle(p))
	want(s, "deployments", []string{head}, s.deployed("web"))
	if w := s.waited(p, head, ""); w.Verdict != verdict.VerdictLive || w.Commit.String() != head {
		t.Errorf("after the missed push: %+v", w)
	}
}
