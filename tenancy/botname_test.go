package tenancy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestBotsNameOfAnother: the way to a token leads through a new password, so a user
// who has come to have the bot's name must not be taken for it.
func TestBotsNameOfAnother(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Git.RenameUser(h.A.GiteaBot, "elsewhere")
	h.Git.AddUser(giteatest.User{Login: h.A.GiteaBot, Email: "somebody@example.com"})
	before := h.Git.Snapshot()
	h.Git.Reset()
	c, err := repository.Credentials(t.Context(), h.Open(t, h.A.Key, tenancy.Git), true)
	if codeOf(err) != tenancy.Unavailable || !c.Token.IsZero() {
		t.Errorf("GitCredentials: %v, want %s and no token", err, tenancy.Unavailable)
	}
	for _, r := range h.Git.Requests() {
		if r.Write {
			t.Errorf("%s changed something", r.Operation)
		}
	}
	if diff := cmp.Diff(before, h.Git.Snapshot()); diff != "" {
		t.Errorf("Gitea changed (-before +after)\n%s", diff)
	}
}

// TestTakenNameGivesWay: a project whose name a repository has that was not made
// here is refused, and leaves nothing that would hold up the workspace.
func TestTakenNameGivesWay(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.AddRepository(t, h.A, "site")
	if _, err := h.Git.AddFork(h.A.GiteaOrg+"/site", h.A.GiteaOrg, "taken", h.A.GiteaBot); err != nil {
		t.Fatal(err)
	}
	_, _, err := repository.CreateProject(t.Context(), h.Open(t, h.A.Key, tenancy.Write), "taken", "")
	if codeOf(err) != tenancy.Conflict {
		t.Errorf("CreateProject: %v, want %s", err, tenancy.Conflict)
	}
	h.Provision(t, h.A) // reconcile takes the fork away
	if _, created, err := repository.CreateProject(t.Context(), h.Open(t, h.A.Key, tenancy.Write), "taken", ""); err != nil || !created {
		t.Errorf("CreateProject after reconcile: %v, %v", created, err)
	}
}
