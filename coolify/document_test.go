package coolify_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// shared is where the published document and the captures lie, if they do.
var shared = filepath.Join("..", "..", "shared")

// specsRequired says that tests that need them must not be skipped.
func specsRequired() bool {
	return os.Getenv("CI") == "true" || os.Getenv("VIBN_REQUIRE_SPECS") == "1"
}

func skipWithout(tb testing.TB, what string) {
	tb.Helper()
	if specsRequired() {
		tb.Fatalf("%s is not there, and must be", what)
	}
	tb.Skipf("%s is not there", what)
}

// deviations are what the real server does and the document leaves out. Each
// must still be missing from the document.
var deviations = []struct{ operation, field string }{
	// Accepted since 4.0.0-beta.435. Without them a variable would be given to
	// the build, and a comment could not be kept.
	{"POST /applications/{uuid}/envs", "is_buildtime"},
	{"POST /applications/{uuid}/envs", "is_runtime"},
	{"POST /applications/{uuid}/envs", "comment"},
	{"PATCH /applications/{uuid}/envs", "is_buildtime"},
	{"PATCH /applications/{uuid}/envs", "is_runtime"},
	{"PATCH /applications/{uuid}/envs", "comment"},
}

// optional are fields that the document requires and the real server does not.
// Each must still be required by the document. An environment is told by its id
// or its name, and the name wins.
var optional = []struct{ operation, field string }{
	{"POST /applications/private-deploy-key", "environment_name"},
	{"POST /databases/postgresql", "environment_name"},
	{"POST /databases/mysql", "environment_name"},
	{"POST /databases/mariadb", "environment_name"},
	{"POST /databases/mongodb", "environment_name"},
	{"POST /databases/redis", "environment_name"},
}

// A document is Coolify's published description of its API.
type document struct {
	doc    *openapi3.T
	router routers.Router
}

var loadDocument = sync.OnceValues(func() (*document, error) {
	raw, err := os.ReadFile(filepath.Join(shared, "specs", "coolify-openapi.json"))
	if os.IsNotExist(err) {
		return nil, nil //nolint:nilnil // nil = it is not there
	}
	if err != nil {
		return nil, err
	}
	return parseDocument(raw)
})

// publishedDocument returns nil if it is not there.
func publishedDocument(tb testing.TB) *document {
	tb.Helper()
	d, err := loadDocument()
	if err != nil {
		tb.Fatalf("published document: %v", err)
	}
	return d
}

func parseDocument(raw []byte) (*document, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	nullableToType(tree)
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	doc, err := openapi3.NewLoader().LoadFromData(raw)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: basePath + "/api/v1"}}
	if err := tighten(doc); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	return &document{doc, router}, err
}

// nullableToType mends a mixture: the document calls itself 3.1, in which
// "nullable" of 3.0 means nothing.
func nullableToType(v any) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			nullableToType(e)
		}
	case map[string]any:
		if t, ok := v["type"].(string); ok && v["nullable"] == true {
			v["type"] = []any{t, "null"}
		}
		delete(v, "nullable")
		for _, e := range v {
			nullableToType(e)
		}
	}
}

// tighten refuses fields that the document does not name: Coolify answers 422
// to them. The deviations are added.
func tighten(doc *openapi3.T) error {
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if s := bodySchema(op); s != nil {
				s.WithoutAdditionalProperties()
			}
		}
	}
	for _, d := range deviations {
		op, err := lookup(doc, d.operation)
		if err != nil {
			return err
		}
		s := bodySchema(op)
		if s.Properties[d.field] != nil {
			return fmt.Errorf("%s: %s is in the document now, so it is no deviation", d.operation, d.field)
		}
		s.Properties[d.field] = openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{"boolean", "string", "null"}})
	}
	for _, o := range optional {
		op, err := lookup(doc, o.operation)
		if err != nil {
			return err
		}
		s := bodySchema(op)
		at := slices.Index(s.Required, o.field)
		if at < 0 {
			return fmt.Errorf("%s: %s is optional in the document too", o.operation, o.field)
		}
		s.Required = slices.Delete(s.Required, at, at+1)
	}
	return nil
}

func bodySchema(op *openapi3.Operation) *openapi3.Schema {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	media := op.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	return media.Schema.Value
}

// lookup finds an operation such as "GET /applications/{uuid}".
func lookup(doc *openapi3.T, operation string) (*openapi3.Operation, error) {
	var method, path string
	if _, err := fmt.Sscan(operation, &method, &path); err != nil {
		return nil, fmt.Errorf("%q is no operation", operation)
	}
	if item := doc.Paths.Value(path); item != nil && item.GetOperation(method) != nil {
		return item.GetOperation(method), nil
	}
	return nil, fmt.Errorf("the published document has no %s", operation)
}

// operation names the operation of a request.
func (d *document) operation(r *http.Request) (string, *routers.Route, map[string]string, error) {
	route, params, err := d.router.FindRoute(r)
	if err != nil {
		return "", nil, nil, err
	}
	return route.Method + " " + route.Path, route, params, nil
}

func (d *document) validate(r *http.Request, body []byte) error {
	_, route, params, err := d.operation(r)
	if err != nil {
		return err
	}
	// Where it is not said, Coolify cleans up the whole server, other tenants' images
	// included.
	cleans := slices.ContainsFunc(route.Operation.Parameters, func(p *openapi3.ParameterRef) bool { return p.Value.Name == "docker_cleanup" })
	if cleans && r.URL.Query().Get("docker_cleanup") != "false" {
		return errors.New("no docker_cleanup=false")
	}
	for key := range r.URL.Query() {
		if !slices.ContainsFunc(route.Operation.Parameters, func(p *openapi3.ParameterRef) bool {
			return p.Value.In == "query" && p.Value.Name == key
		}) {
			return fmt.Errorf("no query parameter %q", key)
		}
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, RejectWhenRequestBodyNotSpecified: true, SkipSettingDefaults: true,
		},
	})
}

// TestDocumentJudges proves that the judge can say no.
func TestDocumentJudges(t *testing.T) {
	d := publishedDocument(t)
	if d == nil {
		skipWithout(t, "the published document")
	}
	for _, tc := range []struct {
		method, target, body string
		ok                   bool
	}{
		{"GET", "/applications/" + appID, "", true},
		{"GET", "/applications/" + appID + "?tag=x", "", false},
		{"GET", "/applications/" + appID + "/nothing", "", false},
		{"PUT", "/projects", "", false},
		{"POST", "/projects", `{"name":"web"}`, true},
		{"POST", "/projects", `{"name":7}`, false},
		{"POST", "/projects", `{"name":"web","uuid":"` + projectID + `"}`, false},
		{"POST", "/projects", ``, false},
		{"POST", "/applications/" + appID + "/stop?docker_cleanup=false", `{}`, false},
		{"PATCH", "/applications/" + appID + "/envs", `{"key":"A"}`, false},
		{"PATCH", "/applications/" + appID + "/envs", `{"key":"A","value":"b","is_buildtime":false}`, true},
		{"GET", "/deployments/applications/" + appID + "?take=0", "", false},
		{"POST", "/databases/redis", `{"project_uuid":"a","environment_uuid":"b","server_uuid":"c"}`, true},
		{"POST", "/databases/redis", `{"project_uuid":"a","environment_uuid":"b"}`, false},
		{"POST", "/databases/redis", `{"project_uuid":"a","environment_uuid":"b","server_uuid":"c","mysql_user":"d"}`, false},
		{"DELETE", "/applications/" + appID + "?delete_volumes=maybe&docker_cleanup=false", "", false},
		{"DELETE", "/applications/" + appID + "?delete_volumes=true&docker_cleanup=false", "", true},
		{"DELETE", "/applications/" + appID + "?delete_volumes=true", "", false},
		{"POST", "/databases/" + databaseID + "/stop?docker_cleanup=true", "", false},
		{"POST", "/services/" + appID + "/stop", "", false},
	} {
		u, err := url.Parse(basePath + "/api/v1" + tc.target)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: tc.method, URL: u, Header: http.Header{}, ContentLength: int64(len(tc.body))}
		if tc.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		r.Body = io.NopCloser(bytes.NewReader([]byte(tc.body)))
		if err := d.validate(r, []byte(tc.body)); (err == nil) != tc.ok {
			t.Errorf("validate(%s %s %s) = %v, want ok = %v", tc.method, tc.target, tc.body, err, tc.ok)
		}
	}
}
