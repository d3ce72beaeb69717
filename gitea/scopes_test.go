package gitea_test

import (
	"errors"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/secret"
)

// TestScopes: each scope shows itself, and asking leaves everything as it was.
func TestScopes(t *testing.T) {
	all := []string{"write:admin", "write:organization", "write:repository", "write:package"}
	for _, behaviour := range []giteatest.Behaviour{giteatest.V121, giteatest.V126, giteatest.V127, giteatest.Forgejo} {
		sim := giteatest.New(giteatest.Config{Behaviour: behaviour})
		srv := httptest.NewServer(sim)
		t.Cleanup(srv.Close)
		root, err := url.Parse(srv.URL)
		if err != nil {
			t.Fatal(err)
		}
		for _, scope := range append(all, "all", "read:misc") {
			c := connect(t, gitea.Config{URL: root, Token: secret.NewText(sim.AdminToken(scope))})
			before := sim.Snapshot()
			for name, err := range map[string]error{
				all[0]: c.MayWriteAdmin(t.Context()), all[1]: c.MayWriteOrganization(t.Context()),
				all[2]: c.MayWriteRepository(t.Context()), all[3]: c.MayWritePackage(t.Context()),
			} {
				may := scope == name || scope == "all"
				if may != (err == nil) || !may && !errors.Is(err, gitea.ErrScope) {
					t.Errorf("%s: with the scope %s, asking for %s: %v", behaviour, scope, name, err)
				}
			}
			if diff := cmp.Diff(before, sim.Snapshot()); diff != "" {
				t.Errorf("%s: asking changed something (-before +after):\n%s", behaviour, diff)
			}
		}
		if got := sim.Violations(); len(got) > 0 {
			t.Errorf("%s: %q", behaviour, got)
		}
	}
}
