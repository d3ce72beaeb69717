package coolifytest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// allowances are where the real Coolify, and so the simulator, is not as its
// published document says. Each must be needed.
var allowances = []struct {
	operation string // pattern
	problem   string // pattern; "/place: reason" for a body
	why       string
}{
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
	{`^POST /(applications/private-deploy-key|databases/redis)$`, `^request: [^{]*missing property 'environment_name'`, "its uuid will do"},
	{`^POST /applications/private-deploy-key$`, `^no status (404|422)$`, "unknown key, validation"},
	{`^POST /databases/redis$`, `^no status 201$`, "called a 200"},
	{`^POST /databases/redis$`, `^/errors: `, "a list of names"},
	{`^GET /databases(/\{uuid\}(/backups)?)?$`, `^: .* want string$`, "too complex for the document"},
}

// TestAnswersAreAsPublished validates requests and answers against the
// published document.
func TestAnswersAreAsPublished(t *testing.T) {
	openapi3filter.RegisterBodyDecoder("text/html", openapi3filter.PlainBodyDecoder)
	router := published(t)
	s := newSim(t, Config{})
	s.AddEnv(s.web.UUID, Env{Key: "EMPTY"})
	d := s.AddDeployment(s.web.UUID, Deployment{UUID: "running", Status: InProgress})
	gone := s.AddProject("gone")
	s.AddEnvironment(s.alpha.UUID, "gone")
	app, project, host := "/applications/"+s.web.UUID, "/projects/"+s.alpha.UUID, s.Hosts()[0]
	database := "/databases/" + s.AddDatabase(s.alpha.Environments[0].UUID, Database{}).UUID
	used := make([]bool, len(allowances))
	judge := func(token *sim, method, path, body string) {
		t.Helper()
		s.checkPublished(router, token, method, path, body, used)
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
		{"DELETE", app, ""},
		{"DELETE", "/applications/nope", ""},
	} {
		judge(s, step.method, step.path, step.body)
	}
	s.QueueLimit(0)
	judge(s, "POST", "/deploy?uuid="+s.web.UUID, "")
	judge(s.as(write), "GET", "/projects", "")
	for i, a := range allowances {
		if !used[i] {
			t.Errorf("nothing needs the allowance %s %s (%s)", a.operation, a.problem, a.why)
		}
	}
}

// TestDocumentNotices keeps the judge itself honest.
func TestDocumentNotices(t *testing.T) {
	router := published(t)
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
		got := result{t, tc.status, http.Header{"Content-Type": {typeJSON}}, tc.answer}
		if problems := publishedProblems(t, router, "GET", tc.path, "", got); len(problems) != 1 {
			t.Errorf("problems of GET %s = %d %s: %q, want one", tc.path, tc.status, tc.answer, problems)
		}
	}
}

func (s *sim) checkPublished(router routers.Router, as *sim, method, path, body string, used []bool) {
	s.t.Helper()
	got := as.do(method, path, body)
	rt, _ := s.routeOf(method, prefix+strings.SplitN(path, "?", 2)[0])
	operation := method + " " + rt.pattern
	for _, problem := range publishedProblems(s.t, router, method, path, body, got) {
		allowed := false
		for i, a := range allowances {
			if regexp.MustCompile(a.operation).MatchString(operation) && regexp.MustCompile(a.problem).MatchString(problem) {
				allowed, used[i] = true, true
				break
			}
		}
		if !allowed {
			s.t.Errorf("%s %s %s = %d: %s", operation, path, body, got.status, problem)
		}
	}
}

// publishedProblems are the ways in which an exchange is not as published.
func publishedProblems(t *testing.T, router routers.Router, method, path, body string, got result) []string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, prefix+path, bytes.NewReader([]byte(body)))
	if err != nil {
		t.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", typeJSON)
	}
	rt, params, err := router.FindRoute(req)
	if err != nil {
		return []string{"no operation"}
	}
	options := &openapi3filter.Options{
		MultiError: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true,
	}
	in := &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: rt, Options: options}
	var out []string
	if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil && got.status < 400 {
		out = append(out, "request: "+err.Error())
	}
	if rt.Operation.Responses.Status(got.status) == nil {
		return append(out, "no status "+strconv.Itoa(got.status))
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: got.status, Header: got.header, Body: io.NopCloser(strings.NewReader(got.text)), Options: options,
	})
	return append(out, flatten(err)...)
}

// flatten lists the schema errors in err as "/place: reason".
func flatten(err error) []string {
	var multi openapi3.MultiError
	if schema, ok := errors.AsType[*openapi3.SchemaError](err); ok && !errors.As(err, &multi) {
		place := ""
		if at := schema.JSONPointer(); len(at) > 0 {
			place = "/" + strings.Join(at, "/")
		}
		return []string{place + ": " + schema.Reason}
	}
	if errors.As(err, &multi) {
		var out []string
		for _, e := range multi {
			out = append(out, flatten(e)...)
		}
		return out
	}
	if err != nil {
		return []string{err.Error()}
	}
	return nil
}

// published routes by the published document.
func published(t *testing.T) routers.Router {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "specs"), "coolify-openapi.json"))
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		t.Fatal(err)
	}
	mendNullable(tree)
	if raw, err = json.Marshal(tree); err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: prefix}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return router
}

// mendNullable turns "nullable" of 3.0, which the document uses though it calls
// itself 3.1, into a type of 3.1.
func mendNullable(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			mendNullable(e)
		}
	case map[string]any:
		if kind, ok := v["type"].(string); ok && v["nullable"] == true {
			v["type"] = []any{kind, "null"}
		}
		delete(v, "nullable")
		for _, e := range v {
			mendNullable(e)
		}
	}
}
