package coolify_test

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// shared is where the published document and the captures lie, if they do.
var shared = filepath.Join("..", "..", "shared")

// deviations are what the real server does and the document leaves out. Each
// must still be missing from the document.
var deviations = []struct{ operation, field string }{
	// Accepted since 4.0.0-beta.435. Without them a variable would be given to
	// the build, and a comment could not be kept.
	{"PATCH /applications/{uuid}/envs/bulk", "is_buildtime"},
	{"PATCH /applications/{uuid}/envs/bulk", "is_runtime"},
	{"PATCH /applications/{uuid}/envs/bulk", "comment"},
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
	{"POST /services", "environment_name"},
}

var loadDocument = sync.OnceValues(func() (*documenttest.Document, error) {
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
func publishedDocument(tb testing.TB) *documenttest.Document {
	tb.Helper()
	d, err := loadDocument()
	if err != nil {
		tb.Fatalf("published document: %v", err)
	}
	return d
}

func parseDocument(raw []byte) (*documenttest.Document, error) {
	doc, err := documenttest.ReadOpenAPI(raw)
	if err != nil {
		return nil, err
	}
	if err := tighten(doc); err != nil {
		return nil, err
	}
	return documenttest.New(doc, basePath+"/api/v1")
}

// tighten refuses fields that the document does not name: Coolify answers 422
// to them. The deviations are added.
func tighten(doc *openapi3.T) error {
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if s := documenttest.BodySchema(op); s != nil {
				s.WithoutAdditionalProperties()
			}
		}
	}
	for _, d := range deviations {
		op, err := documenttest.Lookup(doc, d.operation)
		if err != nil {
			return err
		}
		s := documenttest.BodySchema(op)
		if s.Properties[d.field] != nil {
			return fmt.Errorf("%s: %s is in the document now, so it is no deviation", d.operation, d.field)
		}
		s.Properties[d.field] = openapi3.NewSchemaRef("", &openapi3.Schema{Type: &openapi3.Types{"boolean", "string", "null"}})
	}
	for _, o := range optional {
		op, err := documenttest.Lookup(doc, o.operation)
		if err != nil {
			return err
		}
		s := documenttest.BodySchema(op)
		at := slices.Index(s.Required, o.field)
		if at < 0 {
			return fmt.Errorf("%s: %s is optional in the document too", o.operation, o.field)
		}
		s.Required = slices.Delete(s.Required, at, at+1)
	}
	return nil
}

// checkRequest returns an error if a request is not one of the document's, or
// leaves out what Coolify does to others' things unless it is told not to.
func checkRequest(d *documenttest.Document, r *http.Request, body []byte) error {
	_, op, err := d.Operation(r)
	if err != nil {
		return err
	}
	// Where it is not said, Coolify cleans up the whole server, other tenants' images
	// included.
	cleans := op.Parameters.GetByInAndName("query", "docker_cleanup") != nil
	if cleans && r.URL.Query().Get("docker_cleanup") != "false" {
		return errors.New("no docker_cleanup=false")
	}
	return d.CheckRequest(r, body)
}

// TestDocumentJudges proves that the judge can say no.
func TestDocumentJudges(t *testing.T) {
	d := publishedDocument(t)
	if d == nil {
		documenttest.SkipWithout(t, "the published document")
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
		{"PATCH", "/applications/" + appID + "/envs/bulk", `{}`, false},
		{"PATCH", "/applications/" + appID + "/envs/bulk", `{"data":[{"key":"A","value":"b","is_buildtime":false}]}`, true},
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
		r := d.NewRequest(t, tc.method, tc.target, tc.body)
		if err := checkRequest(d, r, []byte(tc.body)); (err == nil) != tc.ok {
			t.Errorf("checkRequest(%s %s %s) = %v, want ok = %v", tc.method, tc.target, tc.body, err, tc.ok)
		}
	}
}
