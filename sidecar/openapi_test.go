package sidecar_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A contract is the server's own OpenAPI document, as a library reads it that we
// did not write.
type contract struct {
	doc    *openapi3.T
	router routers.Router
}

// published is the document as a server serves it to whoever asks.
var published = sync.OnceValues(func() (*contract, error) {
	w := httptest.NewRecorder()
	sidecar.Handler(sidecar.Config{
		Guard: &tenancy.Guard{}, Registry: mcp.New(slog.New(slog.DiscardHandler)), PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"}, Version: "test",
		Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return nil },
	}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "https://vibn.example.com/api/openapi.json", nil))
	doc, err := openapi3.NewLoader().LoadFromData(w.Body.Bytes())
	if err != nil {
		return nil, err
	}
	if err := doc.Validate(context.Background()); err != nil {
		return nil, err
	}
	doc.Servers = nil // a test's server is elsewhere
	closeAnswers(doc)
	router, err := gorillamux.NewRouter(doc)
	return &contract{doc, router}, err
})

// closeAnswers refuses fields that the document does not name. It allows for them
// in later releases, but this release has to name its own.
func closeAnswers(doc *openapi3.T) {
	for _, schema := range doc.Components.Schemas {
		closeSchema(schema)
	}
	for _, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			for _, r := range op.Responses.Map() {
				closeSchema(r.Value.Content["application/json"].Schema)
			}
		}
	}
}

func closeSchema(s *openapi3.SchemaRef) {
	if s == nil {
		return
	}
	if len(s.Value.Properties) > 0 {
		s.Value.WithoutAdditionalProperties()
	}
	for _, p := range s.Value.Properties {
		closeSchema(p)
	}
	closeSchema(s.Value.Items)
	closeSchema(s.Value.AdditionalProperties.Schema)
}

var errUndocumented = errors.New("the document has no such operation")

// find returns the operation that a question is for; nil if it is for none.
func (c *contract) find(q question) (*openapi3filter.RequestValidationInput, error) {
	method := q.method
	if method == http.MethodHead { // the document has none
		method = http.MethodGet
	}
	req, err := http.NewRequestWithContext(context.Background(), method, "https://vibn.example.com"+plainly(q.path), strings.NewReader(q.body))
	if err != nil {
		return nil, err
	}
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	route, params, err := c.router.FindRoute(req)
	if err != nil {
		return nil, nil //nolint:nilnil,nilerr // nil = there is none
	}
	return &openapi3filter.RequestValidationInput{Request: req, PathParams: params, Route: route, Options: &openapi3filter.Options{
		AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, SkipSettingDefaults: true, IncludeResponseStatus: true,
		ExcludeResponseBody: q.method == http.MethodHead,
	}}, nil
}

// plainly escapes in a path what has to be and no more: the server takes /%61pps
// for /apps.
func plainly(path string) string {
	path, query, asks := strings.Cut(path, "?")
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if text, err := url.PathUnescape(s); err == nil {
			segments[i] = url.PathEscape(text)
		}
	}
	if path = strings.Join(segments, "/"); asks {
		path += "?" + query
	}
	return path
}

// judge says how an answer is not as the document has it.
func (c *contract) judge(q question, r reply) error {
	in, err := c.find(q)
	if err != nil || in == nil {
		return errors.Join(err, c.judgeElsewhere(q, r))
	}
	return openapi3filter.ValidateResponse(context.Background(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: r.status, Header: r.header, Body: io.NopCloser(strings.NewReader(r.body)), Options: in.Options,
	})
}

// judgeRequest says how a request is not as the document has it.
func (c *contract) judgeRequest(q question) error {
	in, err := c.find(q)
	if err != nil || in == nil {
		return errors.Join(err, errUndocumented)
	}
	return openapi3filter.ValidateRequest(context.Background(), in)
}

// judgeElsewhere judges an answer to what is no operation: it is a failure.
func (c *contract) judgeElsewhere(q question, r reply) error {
	if r.status != http.StatusNotFound && r.status != http.StatusForbidden {
		return errUndocumented
	}
	if q.method == http.MethodHead {
		return nil
	}
	var v any
	if err := json.Unmarshal([]byte(r.body), &v); err != nil {
		return err
	}
	return c.doc.Components.Schemas["Failure"].Value.VisitJSON(v, openapi3.EnableJSONSchema2020())
}

// checkPublished holds for every answer of REST: it is as the OpenAPI document of
// this server says, and a failure says the same in its headers and its body.
func (r reply) checkPublished(t testing.TB, q question) {
	t.Helper()
	c, err := published()
	if err != nil {
		t.Fatalf("the OpenAPI document: %v", err)
	}
	if err := c.judge(q, r); err != nil {
		t.Errorf("%s %s: %d %.300s is not as published: %v", q.method, q.path, r.status, r.body, err)
	}
	if r.status == http.StatusOK || r.body == "" {
		return
	}
	f := r.failure(t)
	want := ""
	if f.RetryAfter > 0 {
		want = strconv.Itoa(f.RetryAfter)
	}
	if got := r.header.Get("Retry-After"); got != want || want != "" && !f.Retryable {
		t.Errorf("%s %s: Retry-After %q of %s", q.method, q.path, got, r.body)
	}
}

// checkRequest fails the test if the document does not take a request. It has no
// null, which the server takes for what is left out.
func checkRequest(t *testing.T, q question) {
	t.Helper()
	c, err := published()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.judgeRequest(q); err != nil && !strings.Contains(q.body, "null") {
		t.Errorf("%s %s %s is not as published: %v", q.method, q.path, q.body, err)
	}
}

// TestPublishedJudges proves that the judge of all answers can say no.
func TestPublishedJudges(t *testing.T) {
	c, err := published()
	if err != nil {
		t.Fatal(err)
	}
	if !c.doc.IsOpenAPI31OrLater() || c.doc.OpenAPI != "3.1.0" {
		t.Errorf("the document is of version %q, want 3.1.0", c.doc.OpenAPI)
	}
	const app, good = "/api/workspaces/alpha/apps/web", `{"code":"not_found","message":"m","retryable":false}`
	for _, tc := range []struct {
		what, method, path, body string
		status                   int
		answer                   string
		header                   http.Header
		ok                       bool
	}{
		{"a failure", "GET", app, "", 404, good, nil, true},
		{"a failure without a code", "GET", app, "", 404, `{"message":"m","retryable":false}`, nil, false},
		{"a failure that says more", "GET", app, "", 404, `{"code":"not_found","message":"m","retryable":false,"cause":"x"}`, nil, false},
		{"an answer that says more", "GET", "/healthz", "", 200, `{"ok":true,"more":1}`, nil, false},
		{"an answer", "GET", "/healthz", "", 200, `{"ok":true}`, nil, true},
		{"an answer that may be kept", "GET", "/healthz", "", 200, `{"ok":true}`, http.Header{"Cache-Control": {"max-age=60"}}, false},
		{"a field of another type", "GET", "/healthz", "", 200, `{"ok":"true"}`, nil, false},
		{"no field", "GET", "/healthz", "", 200, `{}`, nil, false},
		{"a status", "GET", "/healthz", "", 418, good, nil, false},
		{"a refusal without a challenge", "GET", app, "", 401, good, nil, false},
		{"a refusal with one", "GET", app, "", 401, good, http.Header{"Www-Authenticate": {"Bearer"}}, true},
		{"a time to wait that is none", "GET", app, "", 429, good, http.Header{"Retry-After": {"soon"}}, false},
		{"a body that is too large", "POST", app + "/deploy", "", 413, good, nil, true},
		{"an answer of another operation", "GET", app, "", 200, `{"ok":true}`, nil, false},
		{"no route", "GET", "/nothing", "", 404, good, nil, true},
		{"no route that answers", "GET", "/nothing", "", 200, "{}", nil, false},
		{"another method", "PUT", app, "", 200, "{}", nil, false},
	} {
		header := http.Header{"Content-Type": {"application/json"}, "Cache-Control": {"no-store"}}
		maps.Copy(header, tc.header)
		err := c.judge(question{method: tc.method, path: tc.path, body: tc.body}, reply{tc.status, header, tc.answer})
		if (err == nil) != tc.ok {
			t.Errorf("%s: %v, want ok = %v", tc.what, err, tc.ok)
		}
	}
	for body, ok := range map[string]bool{"": true, `{"force":true}`: true, `{"force":1}`: false, `{"more":1}`: false} {
		if err := c.judgeRequest(question{method: "POST", path: app + "/deploy", body: body}); (err == nil) != ok {
			t.Errorf("a deployment with %q: %v, want ok = %v", body, err, ok)
		}
	}
}

// TestPublishedIsServed: each operation of the document is one of the server's.
func TestPublishedIsServed(t *testing.T) {
	c, err := published()
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, tenancytest.Config{Admin: "token-of-the-operator-0123456789"})
	n := 0
	for path, item := range c.doc.Paths.Map() {
		path = strings.NewReplacer("{slug}", s.A.Slug, "{", "", "}", "").Replace(path)
		for method := range item.Operations() {
			n++
			r := s.ask(t, question{method: method, path: path, key: s.A.Key})
			if strings.Contains(r.body, "no such route") {
				t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
			}
		}
	}
	if want := len(s.registry.Tools()); n <= want {
		t.Errorf("the document has %d operations, want more than the %d of the tools", n, want)
	}
}
