package sidecar_test

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// A question is a request with nothing in it that the test did not put there.
type question struct {
	method, path, body string
	host               string // empty = the server's address
	key                string // empty = no Authorization
	header             map[string]string
}

// A reply is what came back.
type reply struct {
	status int
	header http.Header
	body   string
}

// ask sends a question. A body is JSON unless the header says otherwise.
func (s *server) ask(t testing.TB, q question) reply {
	t.Helper()
	if q.method == "" {
		q.method = "GET"
	}
	req, err := http.NewRequestWithContext(t.Context(), q.method, s.url+q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Host = q.host
	if q.key != "" {
		req.Header.Set("Authorization", "Bearer "+q.key)
	}
	if q.body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, v := range q.header {
		req.Header.Set(name, v)
	}
	client := *s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	r := reply{resp.StatusCode, resp.Header, string(raw)}
	r.check(t, q)
	return r
}

// check holds for every answer of the server.
func (r reply) check(t testing.TB, q question) {
	t.Helper()
	if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("ETag") != "" {
		t.Errorf("%s %s: %d may be kept or sniffed: %v", q.method, q.path, r.status, r.header)
	}
	kind := r.header.Get("Content-Type")
	switch {
	case r.body == "", kind == "text/event-stream":
	case r.status == http.StatusOK && strings.HasPrefix(kind, "text/") && slices.Contains(slices.Collect(maps.Values(setupRoutes)), kind):
	case kind != "application/json" || !json.Valid([]byte(r.body)):
		t.Errorf("%s %s: %d is %s, not JSON: %.300s", q.method, q.path, r.status, kind, r.body)
	}
	if path, _, _ := strings.Cut(q.path, "?"); path != "/mcp" && path != "/api/mcp" && oauthRoutes[path] == 0 {
		r.checkPublished(t, q)
	}
}

// A rpc is a JSON-RPC answer.
type rpc struct {
	ID     any
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    struct {
			Code      tenancy.Code
			Message   string
			Hint      string
			Supported []string
		}
	}
}

// rpc reads a JSON-RPC answer.
func (r reply) rpc(t testing.TB) rpc {
	t.Helper()
	var m rpc
	if err := json.Unmarshal([]byte(r.body), &m); err != nil {
		t.Fatalf("%d %s: %v", r.status, r.body, err)
	}
	if (m.Result == nil) == (m.Error == nil) {
		t.Fatalf("%d %s: want a result or an error", r.status, r.body)
	}
	return m
}

// A failure is an error as REST shows it.
type failure struct {
	Code          tenancy.Code
	Message, Hint string
	Retryable     bool
	RetryAfter    int `json:"retry_after_seconds"`
}

// failure reads an error of REST.
func (r reply) failure(t testing.TB) failure {
	t.Helper()
	var f failure
	if err := json.Unmarshal([]byte(r.body), &f); err != nil || f.Code == "" || f.Message == "" {
		t.Fatalf("%d %s: no failure (%v)", r.status, r.body, err)
	}
	return f
}
