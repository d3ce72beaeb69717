package tenancy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestOthersKeepTheirImages: whatever a tenant stops or deletes, the images of the
// others on that server stay, and a rollback to one needs no build.
func TestOthersKeepTheirImages(t *testing.T) {
	for name, act := range map[string]func(t *testing.T, h *dataHouse){
		"apps.control stop": func(t *testing.T, h *dataHouse) {
			h.call(t, "apps.control", map[string]any{"app": h.A.Web.UUID, "action": "stop"})
		},
		"apps.delete": func(t *testing.T, h *dataHouse) {
			h.AddRepository(t, h.A, "site")
			h.call(t, "apps.create", map[string]any{"project": "site", "build": "static"})
			h.call(t, "apps.delete", map[string]any{"app": "site", "confirm": "site"})
		},
		"apps.delete of the operator's": func(t *testing.T, h *dataHouse) {
			h.call(t, "apps.delete", map[string]any{"app": h.A.Web.UUID, "confirm": h.A.Web.Name})
		},
		"databases.delete": func(t *testing.T, h *dataHouse) {
			h.call(t, "databases.create", map[string]any{"name": "data", "engine": "redis"})
			h.call(t, "databases.delete", map[string]any{"database": "data", "confirm": "data"})
		},
		"a deleted workspace": func(t *testing.T, h *dataHouse) {
			person := tenancy.Person{UserID: "user-gamma", Email: "gamma@example.com"}
			w, _, err := h.Operator.EnsureWorkspace(t.Context(), person, tenancy.Placement{Server: h.Sim.Hosts()[0].UUID})
			must(t, err)
			x := &tenancytest.Tenant{Workspace: w}
			h.Provision(t, x)
			x.Key, _ = h.AddKey(t, x, "owner", 0)
			h.AddRepository(t, x, "site")
			for tool, args := range map[string]map[string]any{
				"apps.create":      {"project": "site", "build": "static"},
				"databases.create": {"name": "data", "engine": "redis"},
			} {
				must(t, call(t, h.House, mcp.New(h.Logger), x.Key, tool, args))
			}
			must(t, h.Operator.DeleteWorkspace(t.Context(), x.Workspace))
			for range 3 { // its parts go one after the other
				if err := h.Provisioner.Provision(t.Context(), x.ID); err != nil {
					t.Log(err)
				}
				h.Sim.FinishDeletions()
			}
			if is, err := h.DB.Provision(t.Context(), x.ID); err != nil || is.Parts.CoolifyProject != "" {
				t.Errorf("left: %+v, %v", is, err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newDataHouse(t, coolifytest.Config{})
			theirs := history(h.House, h.B, "c1", "c2")
			h.Sim.Reset()
			act(t, h)
			h.Sim.FinishDeletions()
			if diff := cmp.Diff([]string{commitOf("c2"), commitOf("c1")}, h.Sim.Images(theirs)); diff != "" {
				t.Errorf("the other's images (-want +got)\n%s", diff)
			}
			key, _ := h.AddKey(t, h.B, "owner", 0)
			back := map[string]any{"app": theirs, "commit": commitOf("c1"), "wait_seconds": 0}
			must(t, call(t, h.House, mcp.New(h.Logger), key, "apps.rollback", back))
			h.Sim.SetApp(theirs, func(a *coolifytest.App) { a.FailNext = true })
			if got := drive(h.House, theirs); got != coolifytest.Finished {
				t.Errorf("the other's rollback is %s, want it finished without a build", got)
			}
			h.Fine(t)
		})
	}
}

// call calls a tool with the key of A's owner.
func (h *dataHouse) call(t *testing.T, tool string, args map[string]any) {
	t.Helper()
	must(t, call(t, h.House, mcp.New(h.Logger), h.owner, tool, args))
}
