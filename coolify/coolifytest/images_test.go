package coolifytest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestCleanUp: a stop or a deletion that does not say docker_cleanup=false takes the
// images of the whole server that no container uses, of every tenant.
func TestCleanUp(t *testing.T) {
	const app, database = "/applications/{app}", "/databases/{database}"
	kept, gone := []string{"c2", "c1"}, []string{"c2"}
	for name, tc := range map[string]struct {
		method, path, body string
		left               []string // images of another tenant's application
	}{
		"stop":                        {"POST", app + "/stop", "", gone},
		"stop, true":                  {"POST", app + "/stop?docker_cleanup=true", "", gone},
		"stop, false":                 {"POST", app + "/stop?docker_cleanup=false", "", kept},
		"stop, false in JSON":         {"POST", app + "/stop", `{"docker_cleanup":false}`, kept},
		"delete":                      {"DELETE", app, "", gone},
		"delete, false":               {"DELETE", app + "?docker_cleanup=false", "", kept},
		"stop of a database":          {"POST", database + "/stop", "", gone},
		"stop of a database, false":   {"POST", database + "/stop?docker_cleanup=false", "", kept},
		"delete of a database":        {"DELETE", database, "", gone},
		"delete of a database, false": {"DELETE", database + "?docker_cleanup=false", "", kept},
		"stop on another server":      {"POST", "/applications/{elsewhere}/stop", "", kept},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSim(t, Config{})
			head := ""
			s.OnResolve(func(string, string) string { return head })
			for _, head = range []string{"c1", "c2"} {
				s.deploy(s.api)
			}
			env := s.alpha.Environments[0].UUID
			data := s.AddDatabase(env, Database{Status: "running:healthy"})
			elsewhere := s.AddApp(env, App{HostUUID: s.AddHost(Host{Name: "other"}).UUID})
			ids := strings.NewReplacer("{app}", s.web.UUID, "{database}", data.UUID, "{elsewhere}", elsewhere.UUID)
			s.do(tc.method, ids.Replace(tc.path), tc.body).ok(200)
			s.FinishDeletions()
			if diff := cmp.Diff(tc.left, s.Images(s.api.UUID)); diff != "" {
				t.Errorf("images of the other tenant (-want +got):\n%s", diff)
			}
			if got := s.Violations(); len(tc.left) == len(gone) && len(got) != 1 {
				t.Errorf("violations: %q, want the clean-up", got)
			}
		})
	}
}

// TestRollbackWithoutImage: what is gone has to be built again, and that may fail.
func TestRollbackWithoutImage(t *testing.T) {
	s := newSim(t, Config{})
	head := ""
	s.OnResolve(func(string, string) string { return head })
	for _, head = range []string{"c1", "c2"} {
		s.deploy(s.api)
	}
	roll := func(commit string) Deployment {
		answer := s.do("POST", "/applications/"+s.api.UUID+"/rollback", `{"commit":"`+commit+`"}`).ok(200).object()
		uuid := answer["deployment_uuid"].(string)
		s.SetApp(s.api.UUID, func(a *App) { a.FailNext = true })
		s.Advance(uuid)
		s.Advance(uuid)
		d, _ := s.Deployment(uuid)
		return d
	}
	if d := roll("c1"); d.Status != Finished || !logged(d, "Build step skipped.") {
		t.Errorf("with its image: %s %+v, want it finished without a build", d.Status, d.Logs)
	}
	s.do("POST", "/applications/"+s.web.UUID+"/stop", "").ok(200)
	if d := roll("c2"); d.Status != Failed || !logged(d, "Image not found ("+s.api.UUID+":c2). Building new image.") {
		t.Errorf("without its image: %s %+v, want a build that fails", d.Status, d.Logs)
	}
	if d := roll("c9"); d.Status != Failed || !logged(d, "not our ref c9") {
		t.Errorf("to what never was: %s %+v, want it failed", d.Status, d.Logs)
	}
	s.do("GET", "/applications/"+s.api.UUID+"/rollback-images", "").ok(200)
	s.serves("api.example.org", "c1", 200)
}

func logged(d Deployment, text string) bool {
	for _, l := range d.Logs {
		if strings.Contains(l.Output, text) {
			return true
		}
	}
	return false
}

// saidAtTheEnd is the entry that says why a deployment failed.
func saidAtTheEnd(d Deployment) string {
	for _, l := range d.Logs {
		if strings.HasPrefix(l.Output, "Deployment failed: ") {
			return l.Output
		}
	}
	return ""
}
