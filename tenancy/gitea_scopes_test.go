package tenancy_test

import (
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestSuspensionEnds: with the scopes that the README names, nobody can delete the tokens
// of a user who may not sign in. They open nothing, so the suspension is done; they go
// with the resume, or with the bot.
func TestSuspensionEnds(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	c, err := repository.Credentials(t.Context(), h.Open(t, h.A.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	old := c.Token.Reveal()[32:]
	tokens := func() (there, live bool) {
		for _, token := range h.Git.Snapshot().Tokens {
			if token.User == h.A.GiteaBot && token.LastEight == old {
				return true, token.Live
			}
		}
		return false, false
	}
	if there, live := tokens(); !there || !live {
		t.Fatalf("the key's token before: %v %v", there, live)
	}
	for _, step := range []struct {
		name  string
		act   func() error
		there bool
	}{
		{"suspend", func() error { return h.Operator.Suspend(t.Context(), h.A.Workspace) }, true},
		{"resume", func() error { return h.Operator.Resume(t.Context(), h.A.Workspace) }, false},
		{"suspend again", func() error { return h.Operator.Suspend(t.Context(), h.A.Workspace) }, false},
		{"delete", func() error { return h.Operator.DeleteWorkspace(t.Context(), h.A.Workspace) }, false},
	} {
		if err := step.act(); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		if err := h.Provisioner.Provision(t.Context(), h.A.ID); err != nil && step.name != "delete" {
			t.Errorf("%s: %v", step.name, err)
		}
		state, err := h.Operator.Parts(t.Context(), h.A.Workspace)
		if err != nil || strings.Contains(state.ProvisionError, "gitea") {
			t.Errorf("%s: %v %s", step.name, err, state.ProvisionError)
		}
		if there, live := tokens(); there != step.there || live {
			t.Errorf("%s: the key's token is there %v, live %v", step.name, there, live)
		}
	}
}
