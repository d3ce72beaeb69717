package gitea_test

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
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// shared is where the published document and the transcripts lie, if they do.
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

// unpublished are operations that the document, of a version before 1.27, does
// not have. Each must still be missing.
var unpublished = []string{
	"GET /token", // since 1.27
	// Forgejo's, since 16. Gitea has none like them.
	"GET /admin/users/{username}/tokens", "POST /admin/users/{username}/tokens", "DELETE /admin/users/{username}/tokens/{token}",
}

// unpublishedQueries are read by the server, and missing from the document.
var unpublishedQueries = map[string][]string{"GET /admin/actions/runners": {"page", "limit"}}

// notOfTheAPI are below the root, not below /api/v1.
var notOfTheAPI = []string{"GET /api/healthz", "GET /user/sign_up"}

// A document is Gitea's published description of its API.
type document struct {
	doc    *openapi3.T
	router routers.Router
}

var loadDocument = sync.OnceValues(func() (*document, error) {
	raw, err := os.ReadFile(filepath.Join(shared, "specs", "gitea-swagger.json"))
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
	var old openapi2.T
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, err
	}
	// What is answered is not judged, and some references to it are broken.
	old.Responses = nil
	for _, item := range old.Paths {
		for _, op := range item.Operations() {
			op.Responses = openapi2.NewResponsesWithCapacity(1)
			op.Responses.Set("default", &openapi2.Response{Description: "any"})
		}
	}
	doc, err := openapi2conv.ToV3(&old)
	if err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: basePath + "/api/v1"}}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if s := bodySchema(op); s != nil {
				s.WithoutAdditionalProperties() // Gitea ignores what it does not know
			}
		}
	}
	if err := addUnpublished(doc); err != nil {
		return nil, err
	}
	router, err := gorillamux.NewRouter(doc)
	return &document{doc, router}, err
}

// addUnpublished takes each operation's twin among the published ones, so that
// what is sent is judged all the same.
func addUnpublished(doc *openapi3.T) error {
	for _, name := range unpublished {
		if _, err := lookup(doc, name); err == nil {
			return fmt.Errorf("%s is in the document now, so it is no deviation", name)
		}
		method, path, _ := strings.Cut(name, " ")
		twin, err := lookup(doc, method+" "+strings.TrimPrefix(path, "/admin"))
		if err != nil {
			twin = &openapi3.Operation{Responses: openapi3.NewResponses()}
		}
		doc.AddOperation(path, method, twin)
	}
	for name, queries := range unpublishedQueries {
		op, err := lookup(doc, name)
		if err != nil {
			return err
		}
		for _, q := range queries {
			if op.Parameters.GetByInAndName("query", q) != nil {
				return fmt.Errorf("%s: %s is in the document now, so it is no deviation", name, q)
			}
			op.AddParameter(openapi3.NewQueryParameter(q).WithSchema(openapi3.NewIntegerSchema()))
		}
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

// lookup finds an operation such as "GET /orgs/{org}".
func lookup(doc *openapi3.T, operation string) (*openapi3.Operation, error) {
	method, path, _ := strings.Cut(operation, " ")
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
	for key := range r.URL.Query() {
		if route.Operation.Parameters.GetByInAndName("query", key) == nil {
			return fmt.Errorf("no query parameter %q", key)
		}
	}
	if len(body) > 0 && bodySchema(route.Operation) == nil {
		return errors.New("a body, where none is read")
	}
	copied := r.Clone(r.Context())
	copied.Body = io.NopCloser(bytes.NewReader(body))
	return openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: copied, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true},
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
		{"GET", "/orgs/vibn-acme", "", true},
		{"GET", "/orgs/vibn-acme?tag=x", "", false},
		{"GET", "/orgs/vibn-acme/nothing", "", false},
		{"PUT", "/orgs", "", false},
		{"POST", "/orgs", `{"username":"a","visibility":"private"}`, true},
		{"POST", "/orgs", `{"username":"a","visibility":"hidden"}`, false},
		{"POST", "/orgs", `{"username":7}`, false},
		{"POST", "/orgs", `{"name":"a"}`, false},
		{"POST", "/orgs", ``, false},
		{"DELETE", "/orgs/a", `{}`, false},
		{"PATCH", "/admin/users/a", `{"password":"x"}`, false},
		{"PATCH", "/admin/users/a", `{"login_name":"a","source_id":0,"password":"x"}`, true},
		{"GET", "/admin/actions/runners?page=1", "", true},
		{"GET", "/users/a/tokens?page=x", "", false},
	} {
		u, err := url.Parse(basePath + "/api/v1" + tc.target)
		if err != nil {
			t.Fatal(err)
		}
		r := &http.Request{Method: tc.method, URL: u, Header: http.Header{}, ContentLength: int64(len(tc.body))}
		if tc.body != "" {
			r.Header.Set("Content-Type", "application/json")
		}
		r.Body = io.NopCloser(strings.NewReader(tc.body))
		if err := d.validate(r, []byte(tc.body)); (err == nil) != tc.ok {
			t.Errorf("validate(%s %s %s) = %v, want ok = %v", tc.method, tc.target, tc.body, err, tc.ok)
		}
	}
}

// published reports whether an operation is in the document, or known not to be.
func (d *document) published(operation string) error {
	if slices.Contains(notOfTheAPI, operation) {
		return nil
	}
	_, err := lookup(d.doc, operation)
	return err
}
