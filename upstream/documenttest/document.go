// Package documenttest judges, in tests, requests and answers by the document
// that a server publishes of its API. No program imports it.
package documenttest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi2"
	"github.com/getkin/kin-openapi/openapi2conv"
	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// SkipWithout skips the test for want of published material that does not come
// with the repository. Where CI or VIBN_REQUIRE_SPECS requires it, the test fails.
func SkipWithout(tb testing.TB, what string) {
	tb.Helper()
	if os.Getenv("CI") == "true" || os.Getenv("VIBN_REQUIRE_SPECS") == "1" {
		tb.Fatalf("%s is not there, and must be", what)
	}
	tb.Skipf("%s is not there", what)
}

// A Document is a published description of an API. Make it with [New].
type Document struct {
	// API is the description. Changes to its operations count.
	API *openapi3.T
	// AnyFailure takes every body of an answer of status 400 and above.
	AnyFailure bool

	base   string
	router routers.Router
}

// New returns the document of an API whose paths begin at base, for example
// "/api/v1".
func New(api *openapi3.T, base string) (*Document, error) {
	api.Servers = openapi3.Servers{{URL: base}}
	router, err := gorillamux.NewRouter(api)
	return &Document{API: api, base: base, router: router}, err
}

// ReadOpenAPI reads a document of OpenAPI 3.
func ReadOpenAPI(raw []byte) (*openapi3.T, error) {
	var tree any
	if err := json.Unmarshal(raw, &tree); err != nil {
		return nil, err
	}
	mendNullable(tree)
	raw, err := json.Marshal(tree)
	if err != nil {
		return nil, err
	}
	return openapi3.NewLoader().LoadFromData(raw)
}

// mendNullable turns "nullable" of 3.0, which Coolify's document uses though it
// calls itself 3.1, into a type of 3.1.
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

// ReadSwagger reads a document of Swagger 2, the one before OpenAPI 3.
func ReadSwagger(raw []byte) (*openapi3.T, error) {
	var old openapi2.T
	if err := json.Unmarshal(raw, &old); err != nil {
		return nil, err
	}
	mendResponses(&old)
	return openapi2conv.ToV3(&old)
}

// mendResponses mends the responses of Gitea's document that name a definition in
// the place of a response.
func mendResponses(old *openapi2.T) {
	for _, path := range old.Paths {
		for _, operation := range path.Operations() {
			for _, response := range operation.Responses.Map() {
				if strings.HasPrefix(response.Ref, "#/definitions/") {
					response.Schema = &openapi2.SchemaRef{Ref: response.Ref}
					response.Ref = ""
				}
			}
		}
	}
}

// Lookup finds an operation of the document, for example "GET /orgs/{org}".
func Lookup(api *openapi3.T, operation string) (*openapi3.Operation, error) {
	method, path, _ := strings.Cut(operation, " ")
	if item := api.Paths.Value(path); item != nil && item.GetOperation(method) != nil {
		return item.GetOperation(method), nil
	}
	return nil, fmt.Errorf("the published document has no %s", operation)
}

// BodySchema returns what a JSON body of the operation has to be; nil = it takes
// none.
func BodySchema(op *openapi3.Operation) *openapi3.Schema {
	if op.RequestBody == nil || op.RequestBody.Value == nil {
		return nil
	}
	media := op.RequestBody.Value.Content.Get("application/json")
	if media == nil || media.Schema == nil {
		return nil
	}
	return media.Schema.Value
}

// NewRequest returns a request of the API: target is its path below the base, with
// the query, and body is JSON or empty.
func (d *Document) NewRequest(tb testing.TB, method, target, body string) *http.Request {
	tb.Helper()
	r, err := http.NewRequestWithContext(tb.Context(), method, d.base+target, strings.NewReader(body))
	if err != nil {
		tb.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

// Operation finds the operation of a request, and names it as [Lookup] does.
func (d *Document) Operation(r *http.Request) (name string, op *openapi3.Operation, err error) {
	route, _, err := d.router.FindRoute(r)
	if err != nil {
		return "", nil, err
	}
	return route.Method + " " + route.Path, route.Operation, nil
}

// CheckRequest returns an error if a request with that body is not one of the
// document's, down to each parameter of the query.
func (d *Document) CheckRequest(r *http.Request, body []byte) error {
	r = r.Clone(r.Context())
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	in, err := d.input(r)
	if err != nil {
		return err
	}
	for key := range r.URL.Query() {
		if in.Route.Operation.Parameters.GetByInAndName(openapi3.ParameterInQuery, key) == nil {
			return fmt.Errorf("no query parameter %q", key)
		}
	}
	in.Options.RejectWhenRequestBodyNotSpecified = true
	return openapi3filter.ValidateRequest(r.Context(), in)
}

func (d *Document) input(r *http.Request) (*openapi3filter.RequestValidationInput, error) {
	route, params, err := d.router.FindRoute(r)
	return &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true,
		},
	}, err
}
