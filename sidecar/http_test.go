package sidecar_test

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

const listTools = `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`

// guardedRoutes are one of each kind of route that wants a key.
func guardedRoutes(s *server) []question {
	return []question{
		{method: "POST", path: "/mcp", body: listTools},
		{method: "POST", path: "/api/mcp", body: listTools},
		{method: "GET", path: "/mcp"},
		{path: "/api/workspaces"},
		{path: "/api/workspaces/" + s.A.Slug},
		{path: "/api/workspaces/" + s.A.Slug + "/apps"},
		{path: "/api/workspaces/" + s.A.Slug + "/bootstrap.sh"},
		{path: "/api/workspaces/" + s.A.Slug + "/agents.md"},
		{path: "/api/workspaces/" + s.A.Slug + "/setup"},
		{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/apps/" + s.A.Web.UUID + "/deploy", body: "{}"},
		{method: "PATCH", path: "/api/workspaces/" + s.A.Slug + "/apps/" + s.A.Web.UUID + "/envs", body: `{"set":{"A":"1"}}`},
	}
}

func isRPC(q question) bool { return strings.HasSuffix(q.path, "/mcp") }

// TestUnauthorized: every reason not to know somebody has one answer.
func TestUnauthorized(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	unknown, _ := tenancy.NewKey(&tenancy.Key{})
	expired, _ := s.AddKey(t, s.A, "owner", time.Nanosecond)
	revoked, id := s.AddKey(t, s.A, "owner", 0)
	if err := s.Operator.RevokeKey(t.Context(), s.A.Workspace, id); err != nil {
		t.Fatal(err)
	}
	basic := base64.StdEncoding.EncodeToString([]byte("key:" + s.A.Key))
	for _, q := range guardedRoutes(s) {
		first := s.ask(t, q)
		if first.status != http.StatusUnauthorized || first.header.Get("WWW-Authenticate") != `Bearer realm="vibn", error="invalid_token"` {
			t.Errorf("%s %s without a key: %d %v", q.method, q.path, first.status, first.header)
		}
		if isRPC(q) {
			if m := first.rpc(t); m.Error == nil || m.Error.Code != 401 || m.Error.Data.Code != tenancy.Unauthorized {
				t.Errorf("%s %s: %s, want a JSON-RPC error 401", q.method, q.path, first.body)
			}
		} else if f := first.failure(t); f.Code != tenancy.Unauthorized || f.Hint == "" || f.Retryable {
			t.Errorf("%s %s: %s", q.method, q.path, first.body)
		}
		for name, authorization := range map[string]string{
			"no scheme": s.A.Key, "another scheme": "Basic " + basic, "a token scheme": "Token " + s.A.Key, "no key": "Bearer", "an empty key": "Bearer ",
			"rubbish": "Bearer rubbish", "two keys": "Bearer " + s.A.Key + " " + s.B.Key, "a key and more": "Bearer " + s.A.Key + "x",
			"a key in lower case": "Bearer " + strings.ToLower(s.A.Key), "a comma": "Bearer " + s.A.Key + ",Bearer x", "a long one": "Bearer " + strings.Repeat("a", 9000),
			"unknown": "Bearer " + unknown.Reveal(), "revoked": "Bearer " + revoked, "expired": "Bearer " + expired,
		} {
			q.header = map[string]string{"Authorization": authorization}
			if got := s.ask(t, q); got.status != first.status || got.body != first.body || got.header.Get("WWW-Authenticate") == "" {
				t.Errorf("%s %s with %s: %d %s, want as without a key: %s", q.method, q.path, name, got.status, got.body, first.body)
			}
		}
		q.path += "?key=" + s.A.Key + "&access_token=" + s.A.Key
		q.header = map[string]string{"X-Api-Key": s.A.Key, "Cookie": "key=" + s.A.Key}
		if got := s.ask(t, q); got.status != http.StatusUnauthorized {
			t.Errorf("%s with the key elsewhere: %d", q.path, got.status)
		}
	}
	if ops := s.Requests(); len(ops) > 0 {
		t.Errorf("Coolify was asked: %v", ops)
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
		if got := s.ask(t, question{path: "/api/workspaces", header: map[string]string{"Authorization": scheme + s.A.Key}}); got.status != 200 {
			t.Errorf("%q before the key: %d %s", scheme, got.status, got.body)
		}
	}
}

// TestForeignOrigin: a page of another origin gets nothing done through a browser.
func TestForeignOrigin(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, q := range guardedRoutes(s) {
		if q.method != "POST" && q.method != "PATCH" {
			continue // what changes nothing is kept from pages by the browser: no answer allows them to read it
		}
		q.key = s.A.Key
		for _, header := range []map[string]string{
			{"Origin": "https://example.org"},
			{"Origin": "null"},
			{"Origin": "http://vibn.example.com"},
			{"Origin": "https://vibn.example.com:8443"},
			{"Origin": "https://vibn.example.com.example.org"},
			{"Sec-Fetch-Site": "cross-site"},
			{"Sec-Fetch-Site": "same-site"},
			{"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site"},
		} {
			q.header = header
			checkForbidden(t, q, s.ask(t, q))
		}
		for _, header := range []map[string]string{
			{"Origin": "https://vibn.example.com"},
			{"Origin": "https://vibn.example.com", "Sec-Fetch-Site": "same-origin"},
			{"Sec-Fetch-Site": "none"},
			{"Origin": s.url},
		} {
			q.header = header
			if got := s.ask(t, q); got.status != 200 {
				t.Errorf("%s %s with %v: %d %s", q.method, q.path, header, got.status, got.body)
			}
		}
	}
	preflight := question{method: "OPTIONS", path: "/mcp", header: map[string]string{"Origin": "https://example.org", "Access-Control-Request-Method": "POST"}}
	for name := range s.ask(t, preflight).header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("a preflight request is answered with %s", name)
		}
	}
}

// checkForbidden: a refusal before anybody is known, in the form of the route.
func checkForbidden(t *testing.T, q question, got reply) {
	t.Helper()
	if got.status != http.StatusForbidden {
		t.Errorf("%s %s, host %q, %v: %d %s, want 403", q.method, q.path, q.host, q.header, got.status, got.body)
		return
	}
	if isRPC(q) {
		if m := got.rpc(t); m.Error == nil || m.Error.Code != 403 || m.Error.Data.Code != tenancy.Forbidden {
			t.Errorf("%s: %s", q.path, got.body)
		}
	} else if f := got.failure(t); f.Code != tenancy.Forbidden {
		t.Errorf("%s: %s", q.path, got.body)
	}
}

// TestHost: the server answers to its own names only, but tells its health to all.
func TestHost(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, q := range guardedRoutes(s) {
		q.key = s.A.Key
		for _, host := range []string{
			"example.org", "example.org:8080", "EXAMPLE.ORG", "example.org.", "vibn.example.com.example.org", "xvibn.example.com", "192.0.2.1", "[2001:db8::1]:80",
			"[::2]", "localhost.example.org", "127.0.0.1.example.org", "0.0.0.0", "[::ffff:7f00:1]:80", "vibn.example.com:80:80",
		} {
			q.host = host
			checkForbidden(t, q, s.ask(t, q))
		}
	}
	for _, host := range []string{
		"vibn.example.com", "vibn.example.com:443", "VIBN.Example.COM", "vibn.example.com.", "localhost", "localhost:8080", "LOCALHOST", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080",
	} {
		if got := s.ask(t, question{path: "/api/workspaces", key: s.A.Key, host: host}); got.status != 200 {
			t.Errorf("host %q: %d %s", host, got.status, got.body)
		}
	}
	for _, path := range []string{"/healthz", "/readyz"} {
		if got := s.ask(t, question{path: path, host: "10.0.0.1:8080"}); got.status != 200 || got.body != "{\"ok\":true}\n" {
			t.Errorf("%s under an unknown name: %d %s", path, got.status, got.body)
		}
	}
}

// TestAllowedHosts: the operator's further names.
func TestAllowedHosts(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	handler := sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: mcp.New(h.Logger), PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com:8443"}, Log: h.Logger, Version: "test",
		AllowedHosts: []string{"Inner.Example.com", "2001:db8::1"}, Ready: func(context.Context) error { return errors.New("cause-of-it") },
	})
	get := func(path, host string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), "GET", path, nil)
		r.Host = host
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		return w
	}
	for host, want := range map[string]int{
		"inner.example.com": 200, "INNER.example.com:80": 200, "[2001:db8::1]:80": 200, "vibn.example.com": 200, "vibn.example.com:8443": 200,
		"[2001:db8::2]:80": 403, "other.example.com": 403, "": 403,
	} {
		if w := get("/", host); w.Code != want {
			t.Errorf("host %q: %d %s, want %d", host, w.Code, w.Body, want)
		}
	}
	if w := get("/", "vibn.example.com"); w.Body.String() != `{"name":"vibn-mcp","version":"test","mcp_url":"https://vibn.example.com:8443/mcp"}`+"\n" {
		t.Errorf("the root says %s", w.Body)
	}
	if w := get("/readyz", "vibn.example.com"); w.Code != 503 || strings.Contains(w.Body.String(), "cause-of-it") || !strings.Contains(w.Body.String(), `"unavailable"`) {
		t.Errorf("readyz: %d %s, want 503 without the cause", w.Code, w.Body)
	}
	if w := get("/healthz", "vibn.example.com"); w.Code != 200 {
		t.Errorf("healthz of a server that is not ready: %d", w.Code)
	}
	if !strings.Contains(h.Log.String(), "cause-of-it") {
		t.Error("the log does not say why the server is not ready")
	}
}

// TestTooLarge: a body over the limit is refused through every door.
func TestTooLarge(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	pad := strings.Repeat("x", mcp.MaxBody)
	for _, q := range guardedRoutes(s) {
		if q.body == "" {
			continue
		}
		q.key, q.body = s.A.Key, `{"pad":"`+pad+`"}`
		got := s.ask(t, q)
		if got.status != http.StatusRequestEntityTooLarge || strings.Contains(got.body, "xxx") {
			t.Errorf("%s %s: %d %.300s", q.method, q.path, got.status, got.body)
		}
		if isRPC(q) && got.rpc(t).Error.Code != 413 || !isRPC(q) && got.failure(t).Code != tenancy.Invalid {
			t.Errorf("%s %s: %s", q.method, q.path, got.body)
		}
	}
}

// TestRateLimited: who sends too many calls is told when to come back.
func TestRateLimited(t *testing.T) {
	budget := tenancytest.Unlimited()
	budget.CallsPerMinute, budget.CallsBurst = 1, 3
	s := newServer(t, tenancytest.Config{Budget: budget})
	for range 3 {
		if got := s.ask(t, question{path: "/api/workspaces", key: s.A.Key}); got.status != 200 {
			t.Fatalf("within the limit: %d %s", got.status, got.body)
		}
	}
	for _, q := range guardedRoutes(s) {
		q.key = s.A.Key
		got := s.ask(t, q)
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") == "" || got.header.Get("Retry-After") == "0" {
			t.Errorf("%s %s: %d %v %s", q.method, q.path, got.status, got.header, got.body)
		}
		if isRPC(q) && got.rpc(t).Error.Code != 429 || !isRPC(q) && got.failure(t) != (failure{
			tenancy.RateLimited, "this workspace makes too many calls", "wait a little, then call again", true, 1,
		}) {
			t.Errorf("%s %s: %s", q.method, q.path, got.body)
		}
	}
	if got := s.ask(t, question{path: "/api/workspaces", key: s.B.Key}); got.status != 200 {
		t.Errorf("another workspace: %d %s", got.status, got.body)
	}
}

// A brokenStore fails to look keys up while broken.
type brokenStore struct {
	tenancytest.Store
	broken atomic.Bool
}

func (s *brokenStore) KeyByDigest(ctx context.Context, d tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	if s.broken.Load() {
		return tenancy.Key{}, tenancy.Workspace{}, errors.New("connection to db.example.com refused")
	}
	return s.Store.KeyByDigest(ctx, d)
}

// TestStoreDown: a database that is away proves nothing about a key.
func TestStoreDown(t *testing.T) {
	store := &brokenStore{}
	s := newServer(t, tenancytest.Config{Wrap: func(inner tenancytest.Store) tenancytest.Store { store.Store = inner; return store }})
	store.broken.Store(true)
	for _, q := range guardedRoutes(s) {
		q.key = s.A.Key
		got := s.ask(t, q)
		if got.status != http.StatusServiceUnavailable || got.header.Get("Retry-After") != "2" || strings.Contains(got.body, "db.example.com") {
			t.Errorf("%s %s: %d %v %s", q.method, q.path, got.status, got.header, got.body)
		}
		if isRPC(q) && got.rpc(t).Error.Data.Code != tenancy.Unavailable || !isRPC(q) && !got.failure(t).Retryable {
			t.Errorf("%s %s: %s", q.method, q.path, got.body)
		}
	}
	store.broken.Store(false)
	if got := s.ask(t, question{path: "/api/workspaces", key: s.A.Key}); got.status != 200 {
		t.Errorf("with the database back: %d %s", got.status, got.body)
	}
}
