package main

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/provision"
)

// TestWaitTriesAgain: --wait of a creation waits for what is tried again automatically, and
// each command that changes what is in Gitea sees it through.
func TestWaitTriesAgain(t *testing.T) {
	sim := quickCoolify()
	env, stop := serveCoolify(sim, sim)
	t.Cleanup(stop)
	git := giteatest.New(giteatest.Config{})
	srv := httptest.NewServer(git)
	t.Cleanup(func() {
		srv.Close()
		if err := git.Close(); err != nil {
			t.Error(err)
		}
	})
	env["GITEA_API_URL"], env["GITEA_API_TOKEN"] = srv.URL, git.AdminToken(provision.GiteaTokenScopes()...)
	env["VIBN_DATA_DIR"] = t.TempDir()
	git.Fail("GET /users/{username}/tokens", giteatest.Fault{Status: 200, Body: "[]", Times: 2}) // not shown yet
	said := must(t, env, "workspace", "create", "acme", "--wait")
	if len(git.Snapshot().Orgs) != 1 {
		t.Errorf("created: %s; organisations %+v", said, git.Snapshot().Orgs)
	}
	for _, args := range [][]string{{"rename-in-gitea"}, {"allow", "--kind", "hook", "--ref", "7"}} {
		must(t, env, append([]string{"workspace", args[0], "acme", "--wait"}, args[1:]...)...)
	}
	must(t, env, "workspace", "delete", "acme", "--confirm", "acme", "--wait")
	if left := git.Snapshot(); len(left.Orgs) > 0 || strings.Contains(left.Users[len(left.Users)-1].Login, "acme") {
		t.Errorf("left: %+v %+v", left.Orgs, left.Users)
	}
}
