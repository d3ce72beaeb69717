package sidecar_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// TestWallLies: where what Coolify says contradicts itself, nothing of B's is A's. It
// says that a thing of B's is in A's environment, and yet in B's project; it shows A's
// own thing in the place of another; and among what is in A's environment it lists what
// is in B's.
func TestWallLies(t *testing.T) {
	s, _ := newOwner(t)
	for _, tc := range []struct{ tool, property, path, theirs, own string }{
		{"apps.get", "app", "/applications/", s.B.Web.UUID, s.A.Web.UUID},
		{"deployments.get", "deployment", "/deployments/", s.B.Done.UUID, s.A.Done.UUID},
		{"databases.get", "database", "/databases/", s.B.Data.UUID, s.A.Data.UUID},
	} {
		t.Run(tc.tool, func(t *testing.T) {
			tool, op := toolNamed(t, s.registry, tc.tool), "GET "+tc.path+"{uuid}"
			ask := func(id string) string {
				return s.overREST(t, tool, s.A.Slug, s.A.Key, map[string]any{tc.property: id})
			}
			own, theirs := s.saidOf(t, tc.path+tc.own), s.saidOf(t, tc.path+tc.theirs)
			s.say(t, op, own)
			if got := ask(tc.own); !well(got) {
				t.Errorf("A's own, as it is: %s", got)
			}
			if got := ask(nobody); !isCode(got, tenancy.Unavailable) || strings.Contains(got, s.A.Canary) {
				t.Errorf("A's own in the place of another: %s", got)
			}
			thing := theirs
			if app, ok := theirs["application"].(map[string]any); ok {
				thing = app
			}
			thing["environment_id"] = s.A.Project.Environments[0].ID
			s.say(t, op, theirs)
			if got := ask(tc.theirs); !isCode(got, tenancy.NotFound) || strings.Contains(got, s.B.Canary) {
				t.Errorf("B's in A's environment: %s", got)
			}
			s.Sim.Clear(op)
		})
	}
	t.Run("lists", func(t *testing.T) {
		const path, op = "/projects/", "GET /projects/{uuid}/{environment_name_or_uuid}"
		list := s.saidOf(t, path+s.A.Project.UUID+"/"+s.A.Project.Environments[0].UUID)
		for kind, v := range s.saidOf(t, path+s.B.Project.UUID+"/"+s.B.Project.Environments[0].UUID) {
			if theirs, ok := v.([]any); ok {
				own, _ := list[kind].([]any)
				list[kind] = append(own, theirs...)
			}
		}
		s.say(t, op, list)
		for _, tool := range []string{"apps.list", "databases.list", "domains.list", "projects.list"} {
			got := s.overREST(t, toolNamed(t, s.registry, tool), s.A.Slug, s.A.Key, map[string]any{})
			if !well(got) || strings.Contains(got, s.B.Canary) || !strings.Contains(got, s.A.Canary) {
				t.Errorf("%s: %s", tool, got)
			}
		}
	})
}

// saidOf is what Coolify says of a path.
func (s *server) saidOf(t *testing.T, path string) map[string]any {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1"+path, nil)
	req.Header.Set("Authorization", "Bearer "+s.Secrets[0])
	w := httptest.NewRecorder()
	s.Sim.ServeHTTP(w, req)
	var said map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &said); err != nil || w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s (%v)", path, w.Code, w.Body, err)
	}
	return said
}

// say has Coolify answer an operation with something.
func (s *server) say(t *testing.T, op string, what map[string]any) {
	t.Helper()
	s.Sim.Fail(op, coolifytest.Fault{
		Status: http.StatusOK, Body: encode(t, what), Header: http.Header{"Content-Type": {"application/json"}},
	})
}
