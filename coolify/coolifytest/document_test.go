package coolifytest

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3filter"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// allowances are where the real Coolify, and so the simulator, is not as its
// published document says. Each must be needed.
var allowances = documenttest.Allowances{
	{`.*`, `^no status (403|429|500)$`, "statuses of the middleware are documented nowhere"},
	{`^(PATCH|POST) /applications/\{uuid\}/envs(/bulk)?$`, `^no status (409|422)$`, "duplicates and validation of variables"},
	{`^PATCH /applications/\{uuid\}$`, `^no status 422$`, "validation of an application"},
	{`^GET /deployments/applications/\{uuid\}$`, `^no status (404|422)$`, "unknown application, bad page"},
	{`^GET /servers/\{uuid\}/domains$`, `^no status 404$`, "unknown server"},
	{`^POST /deploy$`, `^no status (404|429)$`, "nothing found, queue full"},
	{`^GET /teams/current$`, `^request: parameter "id"`, "the old name of GET /team, taken for GET /teams/{id}"},
	{`^GET /deployments$`, `^: value must be an array$`, "an object when the rows came in another order"},
	{`^GET /deployments/applications/\{uuid\}$`, `^: value must be an array$`, "count and deployments"},
	{`^GET /deployments(/\{uuid\})?$`, `^(/\d+)?/(current_process_id|git_type|commit_message|logs): `, "null"},
	{
		`^GET /applications(/\{uuid\})?$`,
		`^(/\d+)?/(install_command|build_command|start_command|publish_directory|dockerfile_location|docker_compose_raw|docker_compose|dockerfile|http_basic_auth_password): `,
		"null",
	},
	{`^GET /projects/\{uuid\}/\{environment_name_or_uuid\}$`, `^/description: `, "null"},
	{`^GET /teams?(/\{id\}|/current)?$`, `^(/\d+)?/description: `, "null"},
	{`^GET /servers(/\{uuid\})?$`, `^(/\d+)?/(description|validation_logs|swarm_cluster|settings/(wildcard_domain|logdrain_\w+)): `, "null"},
	{`^(GET|PATCH) /applications/\{uuid\}/envs(/bulk)?$`, `^(/\d+)?/value: `, "an empty value is null"},
	{`^PATCH /projects/\{uuid\}/environments/`, `^/description: `, "null until somebody sets one"},
	{`^GET /services(/\{uuid\})?$`, `^(/\d+)?/(config_hash|deleted_at|service_type): `, "null"},
	{`^POST /services$`, `^no status 404$`, "unknown project"},
	{`^POST /services$`, `^/errors/docker_compose_raw: `, "a text that is no list"},
	{`^POST /(applications/private-deploy-key|databases/redis|services)$`, `^request: [^{]*missing property 'environment_name'`, "its uuid will do"},
	{`^POST /applications/private-deploy-key$`, `^no status (404|422)$`, "unknown key, validation"},
	{`^POST /databases/redis$`, `^no status 201$`, "called a 200"},
	{`^POST /databases/redis$`, `^/errors: `, "a list of names"},
	{`^GET /databases(/\{uuid\}(/backups)?)?$`, `^: .* want string$`, "too complex for the document"},
}

// TestAnswersAreAsPublished validates requests and answers against the
// published document.
func TestAnswersAreAsPublished(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "EMPTY"})
	d := s.AddDeployment(s.web.UUID, Deployment{UUID: "running", Status: InProgress})
	gone := s.AddProject("gone")
	s.AddEnvironment(s.alpha.UUID, "gone")
	app, project, host := "/applications/"+s.web.UUID, "/projects/"+s.alpha.UUID, s.Hosts()[0]
	database := "/databases/" + s.AddDatabase(s.alpha.Environments[0].UUID, Database{}).UUID
	service := "/services/" + s.newService(nil)
	docJudge := documenttest.NewJudge(published(t), allowances)
	judge := func(token *sim, method, path, body string) {
		t.Helper()
		rt, _ := s.routeOf(method, prefix+strings.SplitN(path, "?", 2)[0])
		docJudge.Check(t, method+" "+rt.pattern, token.exchange(method, path, body))
	}
	for _, token := range []*sim{s, s.as(operator...)} {
		for _, path := range []string{
			"/health", "/version", "/teams", "/team", "/teams/0", "/teams/1", "/teams/current", "/projects", project, "/projects/nope",
			project + "/environments", project + "/production", project + "/nope", "/servers", "/servers/" + s.Hosts()[0].UUID,
			"/servers/nope", "/servers/" + s.Hosts()[0].UUID + "/domains", "/servers/nope/domains", "/destinations", "/applications", app, "/applications/nope", app + "/logs", app + "/envs", "/deployments",
			"/deployments/" + d.UUID, "/deployments/nope", "/deployments/applications/" + s.web.UUID, "/deployments/applications/nope",
			"/deployments/applications/" + s.web.UUID + "?take=0", app + "/rollback-images", "/applications/nope/rollback-images",
			"/servers/" + host.UUID + "/destinations", "/servers/nope/destinations", "/security/keys", "/security/keys/" + s.PrivateKeys()[0].UUID,
			"/security/keys/nope", "/databases", database, "/databases/nope", database + "/backups", "/databases/nope/backups",
			"/services", service, "/services/nope",
		} {
			judge(token, "GET", path, "")
		}
	}
	pem, _ := pkcs8(t)
	s.AddDeployment(s.api.UUID, Deployment{Status: InProgress})
	s.SetApp(s.web.UUID, func(a *App) { a.Status = "running:healthy" })
	for _, step := range []struct{ method, path, body string }{
		{"GET", "/deployments", ""},
		{"GET", app + "/logs?lines=5", ""},
		{"POST", "/projects", `{"name":"gamma","description":"d"}`},
		{"POST", "/projects", `{"name":"x"}`},
		{"POST", "/projects", `{}`},
		{"PATCH", project, `{"description":"d"}`},
		{"PATCH", project, `{"name":""}`},
		{"PATCH", project, `{"name":"x"}`},
		{"POST", project + "/environments", `{"name":"staging"}`},
		{"POST", project + "/environments", `{"name":"staging"}`},
		{"POST", project + "/environments", `{"name":"Staging"}`},
		{"PATCH", project + "/environments/staging", `{"name":"next"}`},
		{"PATCH", project + "/environments/nope", `{"name":"next"}`},
		{"DELETE", project + "/environments/gone", ""},
		{"DELETE", project + "/environments/production", ""},
		{"DELETE", "/projects/" + gone.UUID, ""},
		{"DELETE", project, ""},
		{"DELETE", "/projects/nope", ""},
		{"PATCH", app, `{"description":"d"}`},
		{"PATCH", app, `{"name":null}`},
		{"PATCH", app, `{"domains":"https://api.example.org"}`},
		{"PATCH", "/applications/nope", `{"description":"d"}`},
		{"POST", app + "/envs", `{"key":"A","value":"b"}`},
		{"POST", app + "/envs", `{"key":"A","value":"b"}`},
		{"POST", app + "/envs", `{"key":"-"}`},
		{"PATCH", app + "/envs", `{"key":"A","value":"c"}`},
		{"PATCH", app + "/envs", `{"key":"NONE","value":"c"}`},
		{"PATCH", app + "/envs/bulk", `{"data":[{"key":"A","value":"d"},{"key":"B","value":"e"}]}`},
		{"PATCH", app + "/envs/bulk", `{"data":[]}`},
		{"DELETE", app + "/envs/nope", ""},
		{"POST", app + "/start", ""},
		{"POST", app + "/start?force=true", ""},
		{"POST", app + "/restart", ""},
		{"POST", app + "/stop", ""},
		{"POST", "/applications/nope/start", ""},
		{"POST", "/deploy?uuid=" + s.web.UUID, ""},
		{"POST", "/deploy?tag=site", ""},
		{"POST", "/deploy", ""},
		{"POST", "/deploy?tag=none", ""},
		{"POST", "/deployments/" + d.UUID + "/cancel", ""},
		{"POST", "/deployments/" + d.UUID + "/cancel", ""},
		{"POST", "/deployments/nope/cancel", ""},
		{"POST", app + "/rollback", `{"commit":"c0ffee"}`},
		{"POST", app + "/rollback", `{"commit":"c0ffee"}`},
		{"POST", app + "/rollback", `{"commit":"-"}`},
		{"POST", "/applications/nope/rollback", `{"commit":"c0ffee"}`},
		{"POST", "/applications/private-deploy-key", s.newAppBody(object{"environment_name": "production"})},
		{"POST", "/applications/private-deploy-key", s.newAppBody(nil)},
		{"POST", "/applications/private-deploy-key", s.newAppBody(object{"git_branch": nil})},
		{"POST", "/applications/private-deploy-key", s.newAppBody(object{"private_key_uuid": "nope"})},
		{"POST", "/applications/private-deploy-key", s.newAppBody(object{"domains": "https://api.example.org"})},
		{"POST", "/servers/" + host.UUID + "/destinations", `{"network":"own"}`},
		{"POST", "/servers/" + host.UUID + "/destinations", `{"network":"own"}`},
		{"POST", "/servers/" + host.UUID + "/destinations", `{"network":"-"}`},
		{"POST", "/servers/nope/destinations", `{"network":"own"}`},
		{"POST", "/applications/private-deploy-key", s.newAppBody(nil)},
		{"DELETE", "/destinations/" + s.AddHost(Host{Name: "bare"}).DestinationUUID, ""},
		{"DELETE", "/destinations/" + host.DestinationUUID, ""},
		{"DELETE", "/destinations/nope", ""},
		{"POST", "/security/keys", keyBody(t, pem, nil)},
		{"POST", "/security/keys", keyBody(t, pem, nil)},
		{"POST", "/security/keys", `{"name":"x"}`},
		{"DELETE", "/security/keys/" + s.newKey(), ""},
		{"DELETE", "/security/keys/" + s.PrivateKeys()[0].UUID, ""},
		{"DELETE", "/security/keys/nope", ""},
		{"POST", "/databases/redis", s.newDatabaseBody(object{"environment_name": "production", "destination_uuid": host.DestinationUUID})},
		{"POST", "/databases/redis", s.newDatabaseBody(object{"destination_uuid": host.DestinationUUID})},
		{"POST", "/databases/redis", s.newDatabaseBody(object{"foo": "bar"})},
		{"POST", database + "/start", ""},
		{"POST", database + "/start", ""},
		{"POST", database + "/stop", ""},
		{"POST", "/databases/nope/stop", ""},
		{"DELETE", database + "?delete_volumes=true", ""},
		{"DELETE", "/databases/nope", ""},
		{"POST", "/services", s.serviceBody(object{"environment_name": "production"})},
		{"POST", "/services", s.serviceBody(nil)},
		{"POST", "/services", s.serviceBody(object{"docker_compose_raw": "?"})},
		{"POST", "/services", s.serviceBody(object{"project_uuid": "nope"})},
		{"PATCH", service, `{"description":"d"}`},
		{"PATCH", "/services/nope", `{"description":"d"}`},
		{"POST", service + "/start", ""},
		{"POST", service + "/stop", ""},
		{"POST", service + "/stop", ""},
		{"POST", "/services/nope/start", ""},
		{"DELETE", service, ""},
		{"DELETE", "/services/nope", ""},
		{"DELETE", app, ""},
		{"DELETE", "/applications/nope", ""},
	} {
		judge(s, step.method, step.path, step.body)
	}
	s.QueueLimit(0)
	judge(s, "POST", "/deploy?uuid="+s.web.UUID, "")
	judge(s.as(write), "GET", "/projects", "")
	docJudge.CheckNeeded(t)
}

// TestDocumentNotices keeps the judge itself honest.
func TestDocumentNotices(t *testing.T) {
	d := published(t)
	for _, tc := range []struct {
		path, answer string
		status       int
	}{
		{"/projects/x", `{"id":"1"}`, 200},
		{"/projects", `{}`, 200},
		{"/projects", `[{"name":null}]`, 200},
		{"/projects", `[]`, 418},
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
	return documenttest.Exchange{Method: method, Target: path, Body: body, Status: got.status, Header: got.header, Answer: got.text}
}

// published is the published document.
func published(t *testing.T) *documenttest.Document {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "specs"), "coolify-openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	api, err := documenttest.ReadOpenAPI(raw)
	if err != nil {
		t.Fatal(err)
	}
	d, err := documenttest.New(api, prefix)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
