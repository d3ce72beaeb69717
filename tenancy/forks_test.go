package tenancy_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// forkAs has a bot fork its own project, and register a runner for the fork.
func forkAs(t *testing.T, h *tenancytest.House, x *tenancytest.Tenant) string {
	t.Helper()
	h.AddRepository(t, x, "site")
	token := h.Git.AddToken(x.GiteaBot, "write:repository")
	status := asBot(t, parsed(t, h.GitURL), secret.NewText(token), "POST", "/repos/"+x.GiteaOrg+"/site/forks",
		`{"name":"mine"}`)
	if status != 202 {
		t.Fatalf("the fork: %d", status)
	}
	fork := x.GiteaBot + "/mine"
	h.Git.AddRunner(giteatest.Runner{Name: "theirs", Repo: fork})
	return fork
}

func hasRepo(git *giteatest.Server, name string) bool {
	return slices.ContainsFunc(git.Snapshot().Repos, func(r giteatest.Repo) bool { return r.Owner+"/"+r.Name == name })
}

// TestForksAreFound: the sweep of each minute queues the workspace whose bot forked, and no
// other; its run deletes the fork, with its runner, and leaves a trace.
func TestForksAreFound(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Provision(t, h.B)
	fork := forkAs(t, h, h.A)
	var queued []string
	queue := func(_ context.Context, id string) error {
		queued = append(queued, id)
		return nil
	}
	if err := h.Provisioner.Sweep(t.Context(), queue); err != nil || !slices.Equal(queued, []string{h.A.ID}) {
		t.Fatalf("queued %v: %v", queued, err)
	}
	h.Provision(t, h.A)
	if hasRepo(h.Git, fork) || len(h.Git.Snapshot().Runners) > 0 {
		t.Error("the fork or its runner is there still")
	}
	trail, err := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Limit: 50})
	if err != nil || !slices.ContainsFunc(trail, func(e tenancy.AuditEntry) bool {
		return e.Tool == "platform.reconcile" && e.Target == fork && strings.Contains(e.Args, "bot's own")
	}) {
		t.Errorf("the trail: %v %v", trail, err)
	}
	queued = nil
	if err := h.Provisioner.Sweep(t.Context(), queue); err != nil || len(queued) > 0 {
		t.Errorf("queued %v after all: %v", queued, err)
	}
	h.Git.Fail("GET /repos/search", giteatest.Fault{Status: 503})
	if err := h.Provisioner.Sweep(t.Context(), queue); err != nil {
		t.Errorf("a sweep that cannot look for forks: %v", err)
	}
}

// TestRunnerOfAForkIsNoRisk: what one tenant registers for a fork of its own holds up
// nobody, and one of the instance's does.
func TestRunnerOfAForkIsNoRisk(t *testing.T) {
	clock := newHandClock()
	h := tenancytest.New(t, tenancytest.Config{Now: clock.Now})
	forkAs(t, h, h.A)
	clock.forward(time.Hour) // what was seen of dangers is forgotten
	h.Provision(t, h.B)
	clock.forward(time.Hour)
	h.Git.AddRunner(giteatest.Runner{Name: "everybody's"})
	c, err := h.Operator.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: "gamma"})
	if err != nil {
		t.Fatal(err)
	}
	err = h.Provisioner.Provision(t.Context(), c.ID)
	state, stateErr := h.Operator.Parts(t.Context(), c)
	if err == nil || stateErr != nil || !strings.Contains(state.ProvisionError, "everybody's") {
		t.Errorf("with a runner of the instance's: %v %v %s", err, stateErr, state.ProvisionError)
	}
	if strings.Contains(state.ProvisionError, "theirs") {
		t.Errorf("a tenant's runner is told to the others' operator as a risk: %s", state.ProvisionError)
	}
}

// TestForksAreTriedOnceAnHour: a bot's attempt leaves nothing, but shows in Gitea's log.
func TestForksAreTriedOnceAnHour(t *testing.T) {
	p := newPremises(t, closedGitea())
	now := time.Now()
	p.now = func() time.Time { return now }
	guard := p.guard()
	for _, want := range []int{1, 1, 2} {
		for _, c := range guard.provisioner.Examine(t.Context()) {
			if c.Name == "gitea-forks" && c.State != provision.CheckOK {
				t.Errorf("%+v", c)
			}
		}
		tried := 0
		for _, r := range p.git.Requests() {
			if strings.HasSuffix(r.Operation, "/forks") {
				tried++
			}
		}
		if tried != want {
			t.Errorf("%d attempts, want %d", tried, want)
		}
		now = now.Add(40 * time.Minute)
	}
}

// TestTwoFactorBeforeTheFirstRepository: doctor finds it before a tenant does, where any
// repository is there at all.
func TestTwoFactorBeforeTheFirstRepository(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{GiteaServer: enforced(giteatest.V127)})
	h.Git.AddRepo(h.Git.Admin(), giteatest.Repo{Name: "handbook"})
	for _, c := range h.Provisioner.Examine(t.Context()) {
		if c.Name == "gitea-bots" && (c.State != provision.CheckFail || !strings.Contains(c.Fix, "TWO_FACTOR_AUTH")) {
			t.Errorf("%+v", c)
		}
	}
}
