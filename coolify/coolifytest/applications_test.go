package coolifytest

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestApplicationByVersion(t *testing.T) {
	for version, nested := range map[string]bool{Version41: false, Version43: true} {
		s := newSim(t, Config{Version: version})
		got := s.do("GET", "/applications/"+s.web.UUID, "").ok(200).object()
		if _, there := got["environment"]; there != nested {
			t.Errorf("%s: environment is there: %v, want %v", version, there, nested)
		}
		if nested && at(t, got, "environment", "project", "uuid") != s.alpha.UUID {
			t.Errorf("%s: project = %v, want %s", version, at(t, got, "environment", "project", "uuid"), s.alpha.UUID)
		}
		d := s.AddDeployment(s.web.UUID, Deployment{})
		if got := at(t, s.do("GET", "/deployments/"+d.UUID, "").json(), "application", "environment", "project", "uuid"); got != s.alpha.UUID {
			t.Errorf("%s: project of the deployment's application = %v, want %s", version, got, s.alpha.UUID)
		}
	}
}

func TestApplicationListIsForAll(t *testing.T) {
	s := newSim(t, Config{})
	var names []any
	for _, a := range s.do("GET", "/applications?tag=site", "").list() {
		names = append(names, a["name"])
		if a["settings"] != nil || a["environment"] != nil || a["id"] != nil {
			t.Errorf("application of the list has settings, environment or id")
		}
	}
	if diff := cmp.Diff([]any{"api", "web"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if got := s.do("GET", "/applications?tag=Site", "").list(); len(got) != 0 {
		t.Errorf("tag in another case found %d applications, want 0", len(got))
	}
	if got := s.do("GET", "/applications/", "").list(); len(got) != 2 {
		t.Errorf("an empty uuid answered %d applications, want the list of both", len(got))
	}
}

func TestApplicationSecrets(t *testing.T) {
	s := newSim(t, Config{})
	path := "/applications/" + s.web.UUID
	for _, key := range []string{"custom_labels", "manual_webhook_secret_gitea", "private_key_id"} {
		if _, there := s.do("GET", path, "").object()[key]; there {
			t.Errorf("%s is there for an ordinary token", key)
		}
		if _, there := s.as(revealer...).do("GET", path, "").object()[key]; !there {
			t.Errorf("%s is missing for a token that sees secrets", key)
		}
	}
	token := at(t, s.as(revealer...).do("GET", path, "").json(), "destination", "server", "settings", "sentinel_token")
	if token != "sentinel-of-host1" {
		t.Errorf("sentinel_token = %v, want it in plain", token)
	}
}

func TestUpdateApplication(t *testing.T) {
	s := newSim(t, Config{})
	path := "/applications/" + s.web.UUID
	s.do("PATCH", path, `{"name":"site","description":"","domains":" https://WEB.example.com , https://www.example.com/x,",
		"build_pack":"static","git_branch":"next","base_directory":"/../.."}`).is(200, `{"uuid":"`+s.web.UUID+`"}`)
	got, _ := s.App(s.web.UUID)
	want := s.web
	want.Name, want.Description, want.FQDN = "site", "", "https://web.example.com,https://www.example.com/x"
	want.BuildPack, want.GitBranch, want.BaseDirectory = "static", "next", "/../.."
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
	s.do("PATCH", path, `{"domains":null}`).ok(200)
	if got, _ := s.App(s.web.UUID); got.FQDN != "" {
		t.Errorf("domains after null = %q, want none", got.FQDN)
	}
	if got := s.do("GET", path, "").object(); got["description"] != nil || got["fqdn"] != nil {
		t.Errorf("description %v, fqdn %v, want null for both", got["description"], got["fqdn"])
	}
	s.do("PATCH", path, `{"instant_deploy":true}`).is(200, `{"uuid":"`+s.web.UUID+`"}`)
	s.do("PATCH", path, `{"instant_deploy":true}`).is(200, `{"message":"`+alreadyQueued+`"}`)
}

func TestUpdateApplicationRefuses(t *testing.T) {
	s := newSim(t, Config{})
	path := "/applications/" + s.web.UUID
	for _, tc := range []struct{ body, errors string }{
		{`{"name":null}`, `{"name":["The name field must be a string."]}`},
		{`{"fqdn":"https://x.example.com"}`, `{"fqdn":["This field is not allowed."]}`},
		{`{"uuid":"` + s.api.UUID + `"}`, `{"uuid":["This field is not allowed."]}`},
		{`{"build_pack":"dockerimage"}`, `{"build_pack":["The selected build pack is invalid."]}`},
		{`{"git_branch":"a;b"}`, `{"git_branch":["The git branch contains invalid characters."]}`},
		{`{"git_branch":"a..b"}`, `{"git_branch":["The git branch contains invalid patterns."]}`},
		{`{"git_branch":"/a"}`, `{"git_branch":["The git branch cannot start or end with / or ."]}`},
		{`{"git_branch":"HEAD"}`, `{"git_branch":["The git branch cannot be HEAD."]}`},
		{`{"base_directory":"web"}`, `{"base_directory":["The base directory field format is invalid."]}`},
		{`{"domains":"web.example.com"}`, `["Invalid URL: web.example.com"]`},
		{`{"domains":"https://a.example.com,ftp://b.example.com"}`, `["Invalid URL: ftp://b.example.com"]`},
		{`{"domains":7}`, `["The domains field must be a string."]`},
	} {
		s.do("PATCH", path, tc.body).is(422, `{"message":"Validation failed.","errors":`+tc.errors+`}`)
	}
	s.do("PATCH", path, fmt.Sprintf(`{"description":%q}`, strings.Repeat("a", 256))).is(500, `{"message":"Server Error"}`)
	s.SetApp(s.web.UUID, func(a *App) { a.BuildPack = "dockercompose" })
	got := s.do("PATCH", path, `{"domains":"https://x.example.com"}`).ok(422).object()
	if _, isText := at(t, got, "errors", "domains").(string); !isText {
		t.Errorf("errors = %v, want an object of one string", got["errors"])
	}
}

func TestDomainConflictNamesTheOther(t *testing.T) {
	s := newSim(t, Config{})
	path := "/applications/" + s.web.UUID
	s.do("PATCH", path, `{"domains":"https://API.example.org/"}`).is(409, `{
		"message":"Domain conflicts detected. Use force_domain_override=true to proceed.",
		"conflicts":[{"domain":"https://api.example.org","resource_name":"api","resource_uuid":"`+s.api.UUID+`","resource_type":"application",
			"message":"Domain https://api.example.org is already in use by application 'api'"}],
		"warning":"Using the same domain for multiple resources can cause routing conflicts and unpredictable behavior."}`)
	for _, free := range []string{"http://api.example.org", "https://api.example.org:8443", "https://api.example.org/x"} {
		s.do("PATCH", path, `{"domains":"`+free+`"}`).ok(200)
	}
	s.do("PATCH", path, `{"domains":"https://api.example.org","force_domain_override":true}`).ok(200)
	if got, _ := s.App(s.web.UUID); got.FQDN != "https://api.example.org" {
		t.Errorf("fqdn after force_domain_override = %q, want the other tenant's", got.FQDN)
	}
}

func TestDeletionIsNotAtOnce(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, BuildTime: time.Minute})
	path := "/applications/" + s.web.UUID
	d := s.AddDeployment(s.web.UUID, Deployment{Status: Finished})
	s.do("DELETE", path+"?delete_volumes=false", "").is(200, `{"message":"Application deletion request queued."}`)
	s.do("GET", path, "").ok(200)
	s.do("DELETE", "/projects/"+s.alpha.UUID, "").ok(400)
	now.at = now.at.Add(time.Minute)
	s.do("GET", path, "").is(404, `{"message":"Application not found."}`)
	s.do("DELETE", path, "").is(404, `{"message":"Application not found"}`)
	s.do("GET", "/deployments/"+d.UUID, "").is(404, `{"message":"Deployment not found."}`)
	s.do("DELETE", "/projects/"+s.alpha.UUID, "").ok(200)

	still := newSim(t, Config{})
	still.do("DELETE", "/applications/"+still.web.UUID, "").ok(200)
	if _, there := still.App(still.web.UUID); !there {
		t.Error("without a clock, the deletion did not wait for FinishDeletions")
	}
	still.FinishDeletions()
	if _, there := still.App(still.web.UUID); there {
		t.Error("FinishDeletions left the application")
	}
	if _, there := still.App(still.api.UUID); !there {
		t.Error("FinishDeletions took another application")
	}
}

func TestContainerLogs(t *testing.T) {
	s := newSim(t, Config{})
	path := "/applications/" + s.web.UUID + "/logs"
	s.do("GET", path, "").is(400, `{"message":"Application is not running."}`)
	s.SetApp(s.web.UUID, func(a *App) {
		a.Status, a.Logs = "running:unhealthy", "one\n\x1b[31mtwo\x1b[0m\n\x1b]0;title\athree SECRET=plain\n"
	})
	for query, want := range map[string]string{
		"":         "one\ntwo\n\x1b]0;title\athree SECRET=plain",
		"?lines=1": "\x1b]0;title\athree SECRET=plain",
		"?lines=0": "one\ntwo\n\x1b]0;title\athree SECRET=plain",
		"?lines=x": "one\ntwo\n\x1b]0;title\athree SECRET=plain",
	} {
		if got := s.do("GET", path+query, "").ok(200).object()["logs"]; got != want {
			t.Errorf("logs%s = %q, want %q", query, got, want)
		}
	}
	s.SetApp(s.web.UUID, func(a *App) { a.Logs = strings.Repeat("x\n", 20000) })
	for query, want := range map[string]int{"": 100, "?lines=20000": 10000} {
		if got := strings.Count(s.do("GET", path+query, "").object()["logs"].(string), "x"); got != want {
			t.Errorf("logs%s has %d lines, want %d", query, got, want)
		}
	}
	if got := s.do("GET", path+"?lines=1&show_timestamps=true", "").object()["logs"].(string); !strings.HasPrefix(got, "20") {
		t.Errorf("logs with timestamps = %q, want one in front", got)
	}
	if got := s.do("GET", path+"?uuid="+s.api.UUID, ""); got.status != http.StatusOK {
		t.Errorf("logs with another uuid in the query = %d, want this application's: they go by the path", got.status)
	}
}

func TestUnknownIDsPanic(t *testing.T) {
	s := New(Config{})
	for name, f := range map[string]func(){
		"AddApp": func() { s.AddApp("x", App{}) }, "SetApp": func() { s.SetApp("x", func(*App) {}) },
		"AddEnvironment": func() { s.AddEnvironment("x", "y") }, "Advance": func() { s.Advance("x") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s of an unknown uuid did not panic", name)
				}
			}()
			f()
		}()
		s.Projects() // the lock is free again
	}
}
