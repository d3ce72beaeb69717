package gitea_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// shared is where the published document and the transcripts lie, if they do.
var shared = filepath.Join("..", "..", "shared")

// unpublished are operations that the document, of a version before 1.27, does
// not have. Each must still be missing.
var unpublished = []string{
	"GET /token", // since 1.27
	// Forgejo's, since 16. Gitea has none like them.
	"GET /admin/users/{username}/tokens", "POST /admin/users/{username}/tokens", "DELETE /admin/users/{username}/tokens/{token}",
}

// unpublishedQueries are read by the server, and missing from the document.
var unpublishedQueries = map[string][]string{
	"GET /admin/actions/runners": {"page", "limit"}, "GET /repos/{owner}/{repo}/actions/runners": {"page", "limit"},
}

// notOfTheAPI are below the root, not below /api/v1.
var notOfTheAPI = []string{"GET /api/healthz", "GET /user/sign_up"}

var loadDocument = sync.OnceValues(func() (*documenttest.Document, error) {
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
func publishedDocument(tb testing.TB) *documenttest.Document {
	tb.Helper()
	d, err := loadDocument()
	if err != nil {
		tb.Fatalf("published document: %v", err)
	}
	return d
}

func parseDocument(raw []byte) (*documenttest.Document, error) {
	doc, err := documenttest.ReadSwagger(raw)
	if err != nil {
		return nil, err
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			if s := documenttest.BodySchema(op); s != nil {
				s.WithoutAdditionalProperties() // Gitea ignores what it does not know
			}
		}
	}
	if err := addUnpublished(doc); err != nil {
		return nil, err
	}
	return documenttest.New(doc, basePath+"/api/v1")
}

// addUnpublished takes each operation's twin among the published ones, so that
// what is sent is judged all the same.
func addUnpublished(doc *openapi3.T) error {
	for _, name := range unpublished {
		if _, err := documenttest.Lookup(doc, name); err == nil {
			return fmt.Errorf("%s is in the document now, so it is no deviation", name)
		}
		method, path, _ := strings.Cut(name, " ")
		twin, err := documenttest.Lookup(doc, method+" "+strings.TrimPrefix(path, "/admin"))
		if err != nil {
			twin = &openapi3.Operation{Responses: openapi3.NewResponses()}
		}
		doc.AddOperation(path, method, twin)
	}
	for name, queries := range unpublishedQueries {
		op, err := documenttest.Lookup(doc, name)
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
		r := d.NewRequest(t, tc.method, tc.target, tc.body)
		if err := d.CheckRequest(r, []byte(tc.body)); (err == nil) != tc.ok {
			t.Errorf("CheckRequest(%s %s %s) = %v, want ok = %v", tc.method, tc.target, tc.body, err, tc.ok)
		}
	}
}

// published reports whether an operation is in the document, or known not to be.
func published(d *documenttest.Document, operation string) error {
	if slices.Contains(notOfTheAPI, operation) {
		return nil
	}
	_, err := documenttest.Lookup(d.API, operation)
	return err
}
