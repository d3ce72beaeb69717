package sidecar_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// TestREST calls twins with arguments where they belong.
func TestREST(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	root := "/api/workspaces/" + s.A.Slug
	app := root + "/apps/" + s.A.Web.UUID
	for _, tc := range []struct {
		method, path, body string
		wants              []string
	}{
		{"GET", root, "", []string{`"workspace":"alpha"`, `"rights":"read,deploy,write,git"`}},
		{"GET", root + "/apps", "", []string{`"apps":[`, s.A.API.UUID, `"truncated":false`}},
		{"GET", root + "/apps?limit=1", "", []string{`"truncated":true`, `"next_cursor":"`}},
		{"GET", root + "/apps?environment=production&limit=2", "", []string{s.A.Web.UUID}},
		{"GET", app, "", []string{`"uuid":"` + s.A.Web.UUID + `"`}},
		{"GET", root + "/apps/web.alpha.example.com", "", []string{`"uuid":"` + s.A.Web.UUID + `"`}},
		{"GET", root + "/apps/web%2Dcanary-alpha", "", []string{`"uuid":"` + s.A.Web.UUID + `"`}},
		{"GET", root + "/apps/https%3A%2F%2Fweb.alpha.example.com%2F", "", []string{`"uuid":"` + s.A.Web.UUID + `"`}},
		{"GET", app + "/logs?lines=5&contains=hello", "", []string{"hello from canary-alpha", `"lines":1`}},
		{"GET", root + "/projects/vibn-alpha%2Fweb-canary-alpha", "", []string{`"project":"vibn-alpha/web-canary-alpha"`}},
		{"GET", root + "/deployments/" + s.A.Done.UUID + "/wait?wait_seconds=1", "", []string{`"done":true`}},
		{"PATCH", app + "/envs", `{"set":{"A":"1"},"build_time":false}`, []string{`"action":"created"`}},
		{"DELETE", app + "/envs", `{"keys":["A"]}`, []string{`"action":"deleted"`}},
		{"POST", app + "/control", `{"action":"stop"}`, []string{`"confirmed":false`}},
		{"POST", app + "/deploy", "", []string{`"deployment":"`}},
		{"POST", app + "/deploy", `{"force":true,"wait_seconds":null}`, []string{`"deployment":"`}},
		{"GET", "/api/workspaces", "", []string{`{"workspaces":[{"slug":"alpha"`}},
		{"GET", "/", "", []string{`"mcp_url":"https://vibn.example.com/mcp"`}},
		{"GET", root + "/gitea-credentials", "", []string{`"username":"` + s.A.GiteaBot + `"`, `"clone_url":"` + s.GitURL + "/" + s.A.GiteaOrg + `/{repository}.git"`, `"helper":"git config --global --unset-all 'credential.` + s.GitURL + `.helper' || true; git config --global --add 'credential.` + s.GitURL + `.helper' ''`}},
		{"GET", root + "/gitea-credentials?reveal=true", "", []string{`"token":"`}},
		{"POST", root + "/projects", `{"name":"site","description":"for people"}`, []string{`"project":"` + s.A.GiteaOrg + `/site"`, `"created":true`}},
		{"POST", root + "/projects", `{"name":"site"}`, []string{`"created":false`}},
		{"GET", root + "/projects/site", "", []string{`"description":"for people"`, `"clone_url":"` + s.GitURL + "/" + s.A.GiteaOrg + `/site.git"`, `"default_branch":"main"`, `"empty":false`, `"last_commit":{"sha":"`}},
		{"GET", root + "/projects/" + s.A.GiteaOrg + "%2Fsite", "", []string{`"project":"` + s.A.GiteaOrg + `/site"`}},
		{"GET", "/api/workspaces", "", []string{`"git_server":"` + s.GitURL + `"`}},
		{"POST", root + "/provision", "", []string{`{"status":"ready"}`}},
	} {
		q := question{method: tc.method, path: tc.path, body: tc.body, key: s.A.Key}
		checkRequest(t, q)
		r := s.ask(t, q)
		for _, want := range tc.wants {
			if r.status != 200 || !strings.Contains(r.body, want) {
				t.Errorf("%s %s %s: %d %s, want %s", tc.method, tc.path, tc.body, r.status, r.body, want)
			}
		}
	}
	if r := s.ask(t, question{method: "HEAD", path: root + "/apps", key: s.A.Key}); r.status != 200 || r.body != "" {
		t.Errorf("HEAD: %d %q", r.status, r.body)
	}
}

// TestRESTRefusals: arguments elsewhere than where they belong are told so.
func TestRESTRefusals(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	root := "/api/workspaces/" + s.A.Slug
	app := root + "/apps/" + s.A.Web.UUID
	for _, tc := range []struct {
		name, method, path, body, want string
	}{
		{"no JSON", "POST", app + "/deploy", "{", "the body is not a JSON object"},
		{"a list", "POST", app + "/deploy", "[]", "the body is not a JSON object"},
		{"null", "POST", app + "/deploy", "null", "the body is not a JSON object"},
		{"two objects", "POST", app + "/deploy", "{}{}", "the body is not a JSON object"},
		{"query", "POST", app + "/deploy?force=true", "{}", "this route takes its arguments in a JSON body, not in the query"},
		{"app twice", "POST", app + "/deploy", `{"app":"x"}`, "app is given by the path; leave it out of the query and the body"},
		{"app twice", "GET", app + "?app=x", "", "app is given by the path; leave it out of the query and the body"},
		{"unknown", "POST", app + "/deploy", `{"now":true}`, `there is no argument "now"; the arguments are: app, force, wait_seconds`},
		{"unknown", "GET", root + "/apps?page=2", "", `there is no argument "page"; the arguments are: cursor, environment, limit`},
		{"slug", "GET", root + "/apps?slug=x", "", `there is no argument "slug"; the arguments are: cursor, environment, limit`},
		{"a number", "GET", root + "/apps?limit=ten", "", "limit must be a whole number"},
		{"no number", "GET", root + "/apps?limit=", "", "limit must be a whole number"},
		{"a large number", "GET", root + "/apps?limit=51", "", "limit must be at most 50"},
		{"a very large number", "GET", root + "/apps?limit=99999999999999999999", "", "limit must be a whole number"},
		{"twice", "GET", root + "/apps?limit=1&limit=2", "", "limit must be a whole number"},
		{"escapes", "GET", root + "/apps?limit=%zz", "", "the query is not well-formed"},
		{"semicolons", "GET", root + "/apps?limit=1;cursor=x", "", "the query is not well-formed"},
		{"a cursor", "GET", root + "/apps?cursor=x", "", "this cursor did not come from this tool"},
	} {
		r := s.ask(t, question{method: tc.method, path: tc.path, body: tc.body, key: s.A.Key})
		if f := r.failure(t); r.status != http.StatusUnprocessableEntity || f.Code != tenancy.Invalid || f.Message != tc.want {
			t.Errorf("%s: %d %s, want 422 %q", tc.name, r.status, r.body, tc.want)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "application/jsonp", "/", ";"} {
		r := s.ask(t, question{method: "POST", path: app + "/deploy", body: "{}", key: s.A.Key, header: map[string]string{"Content-Type": kind}})
		if f := r.failure(t); f.Code != tenancy.Invalid || f.Hint != "send Content-Type: application/json" {
			t.Errorf("Content-Type %q: %d %s", kind, r.status, r.body)
		}
	}
	r := s.ask(t, question{method: "POST", path: app + "/deploy", body: "{}", key: s.A.Key, header: map[string]string{"Content-Type": "Application/JSON; charset=utf-8"}})
	if r.status != 200 {
		t.Errorf("JSON with a character set: %d %s", r.status, r.body)
	}
	if w := writes(s.Requests()); len(w) != 1 {
		t.Errorf("Coolify was asked to change: %v, want one deployment", w)
	}
}

// TestNoRoute: what is no route is one answer, whoever asks.
func TestNoRoute(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	root := "/api/workspaces/" + s.A.Slug
	app := root + "/apps/" + s.A.Web.UUID
	for _, q := range []question{
		{path: "/nothing"},
		{path: root + "/nothing"},
		{path: app + "/nothing"},
		{path: root + "/apps/"},
		{path: root + "/apps//logs"},
		{path: root + "/apps/../apps"},
		{path: root + "/apps/./logs"},
		{path: app + "/deploy"},
		{method: "POST", path: app, body: "{}"},
		{method: "PUT", path: app, body: "{}"},
		{method: "PUT", path: app + "/envs", body: "{}"},
		{method: "POST", path: app + "/deploy/", body: "{}"},
		{method: "POST", path: root + "/apps/../deploy", body: "{}"},
		{method: "POST", path: "/healthz", body: "{}"},
		{method: "OPTIONS", path: app},
		{method: "TRACE", path: app},
		{path: "/api/admin/workspaces"},
	} {
		for _, key := range []string{"", s.A.Key} {
			q.key = key
			r := s.ask(t, q)
			want := failure{Code: tenancy.NotFound, Message: "there is no such route", Hint: "MCP is served at /mcp"}
			if diff := cmp.Diff(want, r.failure(t)); diff != "" || r.status != 404 || r.header.Get("Location") != "" {
				t.Errorf("%s %s: %d (-want +got)\n%s", q.method, q.path, r.status, diff)
			}
		}
	}
	if ops := s.Requests(); len(ops) > 0 {
		t.Errorf("Coolify was asked: %v", ops)
	}
}

// TestStatuses: a code has one HTTP status.
func TestStatuses(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	viewer, _ := s.AddKey(t, s.A, "viewer", 0)
	root := "/api/workspaces/" + s.A.Slug
	for _, tc := range []struct {
		q      question
		status int
		code   tenancy.Code
	}{
		{question{path: root}, 401, tenancy.Unauthorized},
		{question{method: "POST", path: root + "/apps/" + s.A.Web.UUID + "/deploy", key: viewer}, 403, tenancy.Forbidden},
		{question{path: root + "/apps/" + nobody, key: viewer}, 404, tenancy.NotFound},
		{question{path: "/api/workspaces/" + s.B.Slug, key: viewer}, 404, tenancy.NotFound},
		{question{method: "POST", path: root + "/deployments/" + s.A.Done.UUID + "/cancel", key: s.A.Key}, 409, tenancy.Conflict},
		{question{path: root + "/apps?limit=0", key: viewer}, 422, tenancy.Invalid},
	} {
		r := s.ask(t, tc.q)
		if r.status != tc.status || r.failure(t).Code != tc.code {
			t.Errorf("%s %s: %d %s, want %d %s", tc.q.method, tc.q.path, r.status, r.body, tc.status, tc.code)
		}
	}
}

// TestEveryToolHasATwin: the route of each tool is served, and wants a key.
func TestEveryToolHasATwin(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.A.Key, _ = s.AddKey(t, s.A, "owner", 0)
	for _, tool := range s.registry.Tools() {
		method, path, _ := strings.Cut(tool.Route, " ")
		path = strings.NewReplacer("{app}", s.A.Web.UUID, "{deployment}", s.A.Done.UUID, "{project}", "x", "{database}", "x").Replace(path)
		q := question{method: method, path: "/api/workspaces/" + s.A.Slug + strings.TrimSuffix(path, "/")}
		if r := s.ask(t, q); r.status != 401 {
			t.Errorf("%s without a key: %d %s", tool.Route, r.status, r.body)
		}
		q.key = s.A.Key
		if r := s.ask(t, q); r.status != 200 && !slices.Contains([]tenancy.Code{tenancy.Invalid, tenancy.NotFound, tenancy.Conflict}, r.failure(t).Code) ||
			strings.Contains(r.body, "no such route") {
			t.Errorf("%s: %d %s", tool.Route, r.status, r.body)
		}
		if method == "GET" {
			continue // it has no body
		}
		q.header, q.body = map[string]string{"Content-Type": "text/plain"}, `{"x":"`+strings.Repeat("y", 100)+`"}`
		if r := s.ask(t, q); !json.Valid([]byte(r.body)) || r.status != 422 {
			t.Errorf("%s with plain text: %d %s", tool.Route, r.status, r.body)
		}
	}
}
