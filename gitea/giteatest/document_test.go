package giteatest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// allowances are where the real Gitea, and so the simulator, is not as its
// published document says. Each must be needed.
var allowances = documenttest.Allowances{
	{`.*`, `^no status (401|403|404|409|422|500)$`, "what the middleware and mistakes answer is documented for few operations"},
	{
		`.*`, `/(organization|last_update|status_check_contexts|submodule_git_url|target|signer|added|modified|removed|repository|statuses): Value is not nullable$`,
		"what there is none of is null: the document knows no null",
	},
	{`^GET /repos/[^/]+/[^/]+/commits/main/status$`, `^/state: value is not one of the allowed`, "empty where nobody said anything"},
}

// TestAnswersAreAsPublished validates requests and answers against the
// published document.
func TestAnswersAreAsPublished(t *testing.T) {
	s := newSim(t, Config{})
	head, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"a.txt": "x", "dir/b.txt": "y"})
	if err != nil {
		t.Fatal(err)
	}
	s.AddPackage(Package{Owner: "vibn-acme", Name: "p"})
	s.AddRunner(Runner{Name: "r", Labels: []string{"linux"}})
	s.AddSSHKey("vibn-bot-acme", "k", keyC)
	m := s.AddMirror("vibn-acme/app", Mirror{Address: "https://x.example/r.git"})
	team := "/teams/" + itoa(teamID(s, "vibn-acme", "Writers"))
	const app = "/repos/vibn-acme/app"
	docJudge := documenttest.NewJudge(published(t), allowances)
	judge := func(method, path, body string) {
		t.Helper()
		as := s
		if strings.HasPrefix(path, "/users/") && strings.Contains(path, "/tokens") {
			as = s.with(basic("x", s.secret()))
		}
		docJudge.Check(t, method+" "+path, as.exchange(method, path, body))
	}
	for _, step := range []struct{ method, path, body string }{
		{"POST", "/orgs", `{"username":"new","visibility":"private","description":"d"}`},
		{"POST", "/orgs", `{"username":"new"}`},
		{"PATCH", "/orgs/new", `{"description":"d"}`},
		{"POST", "/orgs/new/rename", `{"new_name":"newer"}`},
		{"DELETE", "/orgs/newer", ""},
		{"DELETE", "/orgs/vibn-acme", ""},
		{"POST", "/orgs/vibn-acme/teams", `{"name":"T","permission":"write","units_map":{"repo.code":"write"}}`},
		{"POST", "/orgs/vibn-acme/teams", `{"name":"T","permission":"write"}`},
		{"PATCH", team, `{"name":"Writers","permission":"write","includes_all_repositories":true}`},
		{"PUT", team + "/members/vibn-bot-other", ""},
		{"DELETE", team + "/members/vibn-bot-other", ""},
		{"POST", "/admin/users", `{"username":"u","email":"u@x.invalid","password":"Str0ng-passw0rd","must_change_password":false}`},
		{"POST", "/admin/users", `{"username":"u","email":"u@x.invalid","password":"x"}`},
		{"PATCH", "/admin/users/u", `{"login_name":"u","source_id":0,"restricted":true}`},
		{"POST", "/admin/users/u/orgs", `{"username":"us-org"}`},
		{"POST", "/admin/users/u/repos", `{"name":"r"}`},
		{"POST", "/admin/users/u/keys", `{"title":"k","key":"` + keyB + `"}`},
		{"DELETE", "/admin/users/u", ""},
		{"DELETE", "/admin/users/u?purge=true", ""},
		{"POST", "/users/vibn-bot-acme/tokens", `{"name":"t","scopes":["read:misc"]}`},
		{"POST", "/users/vibn-bot-acme/tokens", `{"name":"t","scopes":["nonsense"]}`},
		{"DELETE", "/users/vibn-bot-acme/tokens/2", ""},
		{"POST", "/orgs/vibn-acme/repos", `{"name":"site","private":true,"auto_init":true}`},
		{"POST", "/orgs/vibn-acme/repos", `{"name":"site"}`},
		{"PATCH", "/repos/vibn-acme/site", `{"has_actions":false}`},
		{"DELETE", "/repos/vibn-acme/site", ""},
		{"POST", app + "/keys", `{"title":"k","key":"` + keyA + `","read_only":true}`},
		{"GET", app + "/keys/1", ""},
		{"POST", app + "/hooks", `{"type":"gitea","active":true,"config":{"url":"http://127.0.0.1:9/","content_type":"json"}}`},
		{"GET", app + "/hooks/1", ""},
		{"PATCH", app + "/hooks/1", `{"active":false}`},
		{"POST", app + "/hooks/1/tests", ""},
		{"POST", "/orgs/vibn-acme/hooks", `{"type":"gitea","active":true,"config":{"url":"http://127.0.0.1:9/","content_type":"json"}}`},
		{"GET", "/orgs/vibn-acme/hooks/2", ""},
		{"PATCH", "/orgs/vibn-acme/hooks/2", `{"active":false}`},
		{"PUT", app + "/collaborators/vibn-bot-other", `{"permission":"read"}`},
		{"GET", app + "/collaborators/vibn-bot-other/permission", ""},
		{"POST", app + "/push_mirrors", `{"remote_address":"https://x.example/r.git","interval":"8h"}`},
		{"POST", app + "/forks", `{"organization":"vibn-other","name":"fork"}`},
		{"POST", app + "/branch_protections", `{"rule_name":"main","enable_push":true}`},
		{"POST", app + "/branch_protections", `{"rule_name":"main"}`},
		{"PATCH", app + "/branch_protections/main", `{"required_approvals":1}`},
		{"POST", app + "/statuses/" + head, `{"state":"success","context":"c"}`},
		{"POST", app + "/contents/c.txt", `{"content":"eA==","message":"m","branch":"main"}`},
	} {
		judge(step.method, step.path, step.body)
	}
	for _, path := range []string{
		"/version", "/settings/api", "/user", "/user/keys", "/user/orgs", "/user/teams", "/user/repos", "/user/applications/oauth2",
		"/users/search?uid=1", "/users/vibn-bot-acme", "/users/nope", "/users/vibn-bot-acme/keys", "/users/vibn-bot-acme/orgs",
		"/users/vibn-bot-acme/repos", "/users/vibn-bot-acme/orgs/vibn-acme/permissions", "/users/vibn-bot-acme/tokens?page=1", "/orgs",
		"/orgs/vibn-acme", "/orgs/nope", "/orgs/vibn-acme/repos?page=1", "/orgs/vibn-acme/members", "/orgs/vibn-acme/teams",
		"/orgs/vibn-acme/teams/search?q=w", "/orgs/vibn-acme/hooks", "/orgs/vibn-acme/actions/runners", team, team + "/members",
		team + "/members/vibn-bot-acme", team + "/repos", "/admin/orgs", "/admin/users?page=1&limit=50", "/admin/actions/runners",
		"/repos/search?uid=3&exclusive=true", app, app + "/keys", app + "/hooks", app + "/collaborators", app + "/push_mirrors",
		app + "/push_mirrors/" + m.Name, app + "/forks", app + "/branch_protections", app + "/branch_protections/main",
		app + "/statuses/" + head, app + "/commits", app + "/commits/main/status", app + "/commits/main/statuses",
		app + "/git/commits/" + head, app + "/branches", app + "/branches/main", app + "/contents/a.txt", app + "/actions/runners",
		"/packages/vibn-acme", "/packages/vibn-acme/generic/p/1.0.0", "/repos/vibn-other/fork",
	} {
		judge("GET", path, "")
	}
	for _, path := range []string{
		app + "/keys/1", app + "/hooks/1", "/orgs/vibn-acme/hooks/2", app + "/collaborators/vibn-bot-other", app + "/push_mirrors/" + m.Name,
		app + "/branch_protections/main", "/packages/vibn-acme/generic/p/1.0.0", team,
	} {
		judge("DELETE", path, "")
	}
	docJudge.CheckNeeded(t)
}

// TestDocumentNotices keeps the judge itself honest.
func TestDocumentNotices(t *testing.T) {
	d := published(t)
	for _, tc := range []struct {
		path, answer string
		status       int
	}{
		{"/orgs/x", `{"id":"1"}`, 200},
		{"/orgs", `{}`, 200},
		{"/orgs", `[]`, 418},
		{"/nothing", `[]`, 200},
	} {
		e := documenttest.Exchange{
			Method: "GET", Target: tc.path, Status: tc.status, Header: http.Header{"Content-Type": {typeJSON}}, Answer: tc.answer,
		}
		if problems := d.Problems(t, e); len(problems) != 1 {
			t.Errorf("problems of GET %s = %d %s: %q, want one", tc.path, tc.status, tc.answer, problems)
		}
	}
}

// exchange sends a request and returns it with its answer.
func (s *sim) exchange(method, path, body string) documenttest.Exchange {
	s.t.Helper()
	got := s.do(method, path, body)
	return documenttest.Exchange{
		Method: method, Target: path, Body: body, Status: got.status, Header: got.header,
		Answer: got.text,
	}
}

// published is the published document.
func published(t *testing.T) *documenttest.Document {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "specs"), "gitea-swagger.json"))
	if err != nil {
		t.Fatal(err)
	}
	api, err := documenttest.ReadSwagger(raw)
	if err != nil {
		t.Fatal(err)
	}
	d, err := documenttest.New(api, prefix)
	if err != nil {
		t.Fatal(err)
	}
	d.AnyFailure = true // failures are documented as headers
	return d
}
