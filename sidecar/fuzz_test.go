package sidecar_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A target is a whole server without a network, before a Coolify that builds at
// once, so that no wait is long.
type target struct {
	*tenancytest.House
	handler  http.Handler
	panicked *atomic.Bool
}

// A panicLog is a log that only tells of panics.
type panicLog struct{ *atomic.Bool }

func (l panicLog) Write(p []byte) (int, error) {
	if bytes.Contains(p, []byte("panicked")) {
		l.Store(true)
	}
	return len(p), nil
}

func newTarget(f *testing.F) *target {
	f.Helper()
	h := tenancytest.New(f, tenancytest.Config{Simulator: coolifytest.Config{BuildTime: time.Microsecond}})
	panicked := &atomic.Bool{}
	log := slog.New(slog.NewTextHandler(panicLog{panicked}, nil))
	return &target{h, sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: mcp.New(log), PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"}, Log: log, Version: "test",
		Ready: func(context.Context) error { return nil },
	}), panicked}
}

// do makes a request, and checks what holds for every answer.
func (x *target) do(t testing.TB, method string, u *url.URL, header http.Header, body string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	r.URL, r.Host, r.Header = u, "localhost", header
	w := httptest.NewRecorder()
	x.handler.ServeHTTP(w, r)
	got := reply{w.Code, w.Header(), w.Body.String()}
	got.check(t, question{method: method, path: u.EscapedPath()})
	if got.status >= 500 {
		t.Errorf("%s %s %q: %d %s", method, u, body, got.status, got.body)
	}
	if strings.Contains(got.body, x.B.Canary) || x.panicked.Load() {
		t.Errorf("%s %s %q: B is seen, or something panicked: %s", method, u, body, got.body)
	}
	for _, v := range x.Sim.Violations() {
		t.Errorf("%s %s %q: %s", method, u, body, v)
	}
	for _, r := range x.Sim.Requests() {
		if r.Method != http.MethodGet && strings.Contains(r.Path, x.B.Web.UUID) {
			t.Errorf("%s %s %q: wrote to B: %s", method, u, body, r.Path)
		}
	}
	x.Sim.Reset()
	return got
}

func jsonOf(key string) http.Header {
	return http.Header{"Authorization": {"Bearer " + key}, "Content-Type": {"application/json"}}
}

// FuzzHTTPBody: whatever is posted to /mcp is answered in JSON-RPC.
func FuzzHTTPBody(f *testing.F) {
	x := newTarget(f)
	app := `{"app":"` + x.A.Web.UUID + `"}`
	for _, seed := range []string{
		"", "{}", "[]", "null", "7", listTools, "[" + listTools + "]", listTools + listTools, callOf("apps.get", app), callOf("apps_logs", app), callOf("no", "{}"),
		callOf("envs_upsert", `{"app":"`+x.A.Web.UUID+`","set":{"A":"1"}}`), callOf("apps_get", `{"app":"`+x.B.Web.UUID+`"}`), callOf("apps_list", "null"), callOf("apps_list", "[]"),
		method("initialize", `{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"x","version":"1"}}`), method("initialize", "{}"),
		method("tools/list", `{"cursor":"x"}`), method("tools/call", `{}`), method("subscriptions/listen", `{"notifications":{}}`), method("ping", `{`+meta+`}`),
		`{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}`, `{"jsonrpc":"2.0","id":1,"result":{}}`,
		method("tools/call", `{"name":"deployments_wait","arguments":{"deployment":"`+x.A.Done.UUID+`"},"_meta":{"progressToken":1}}`),
	} {
		f.Add(seed, "", false)
		f.Add(seed, modern, true)
	}
	f.Fuzz(func(t *testing.T, body, version string, streams bool) {
		header := jsonOf(x.A.Key)
		if version != "" {
			header["Mcp-Protocol-Version"] = []string{version}
			header["Mcp-Method"] = []string{"tools/list"}
		}
		if streams {
			header["Accept"] = []string{"application/json, text/event-stream"}
		}
		r := x.do(t, http.MethodPost, &url.URL{Path: "/mcp"}, header, body)
		switch {
		case r.status == http.StatusAccepted && r.body == "":
		case strings.HasPrefix(r.body, "event: message\ndata: {"):
		case !strings.Contains(r.body, `"jsonrpc":"2.0"`):
			t.Errorf("%q: %d %s, want JSON-RPC", body, r.status, r.body)
		}
	})
}

// FuzzAuthorization: only the key opens, and nothing makes an error of ours.
func FuzzAuthorization(f *testing.F) {
	x := newTarget(f)
	for _, seed := range []string{
		"", "Bearer", "Bearer ", "Bearer " + x.A.Key, "bearer   " + x.A.Key + " ", "Bearer " + x.A.Key[:40], "Bearer " + x.A.Key + x.A.Key, "Basic " + x.A.Key, x.A.Key,
		"Bearer\t" + x.A.Key, "Bearer vibn_sk_", "Bearer \x00", "Bearer " + strings.Repeat("0", 57), "Bearer vibn_sk_" + strings.Repeat("0", 49),
	} {
		f.Add(seed)
	}
	refused := map[string]string{ // what nobody gets: nothing of what was sent may change it
		"/mcp":            x.do(f, http.MethodPost, &url.URL{Path: "/mcp"}, jsonOf(""), listTools).body,
		"/api/workspaces": x.do(f, http.MethodGet, &url.URL{Path: "/api/workspaces"}, jsonOf(""), "").body,
	}
	f.Fuzz(func(t *testing.T, authorization string) {
		scheme, key, _ := strings.Cut(authorization, " ")
		opens := strings.EqualFold(scheme, "bearer") && strings.TrimSpace(key) == x.A.Key
		for _, path := range []string{"/mcp", "/api/workspaces"} {
			method, body := http.MethodGet, ""
			if path == "/mcp" {
				method, body = http.MethodPost, listTools
			}
			header := jsonOf("")
			header["Authorization"] = []string{authorization}
			r := x.do(t, method, &url.URL{Path: path}, header, body)
			if opens != (r.status == http.StatusOK) || !opens && r.status != http.StatusUnauthorized {
				t.Errorf("%s with %q: %d %s", path, authorization, r.status, r.body)
			}
			if !opens && r.body != refused[path] {
				t.Errorf("%s with %q is refused with %s, without a key with %s", path, authorization, r.body, refused[path])
			}
		}
	})
}

// FuzzREST: whatever stands in the path, the query and the body is answered in
// JSON, and nothing of B's is touched.
func FuzzREST(f *testing.F) {
	x := newTarget(f)
	for _, app := range []string{x.A.Web.UUID, x.B.Web.UUID, "web.alpha.example.com", "..", ".", "", "a/b", "%2e%2e", "\x00", "\u202e", "a,b", "*", " "} {
		f.Add(0, app, "/logs", "lines=5", "")
		f.Add(1, app, "/deploy", "", `{"force":true}`)
		f.Add(2, app, "/envs", "", `{"set":{"A":"1"}}`)
		f.Add(3, app, "/envs", "", `{"keys":["A"]}`)
	}
	f.Add(0, "", "", "limit=1&limit=2&cursor=%zz;x", "")
	f.Add(1, "x", "/../"+x.B.Web.UUID+"/deploy", "a=b", "[]")
	f.Add(2, x.A.Web.UUID, "/envs", "", `{"set":null,"app":"`+x.B.Web.UUID+`"}`)
	methods := []string{http.MethodGet, http.MethodPost, http.MethodPatch, http.MethodDelete, http.MethodHead, http.MethodTrace}
	f.Fuzz(func(t *testing.T, method int, app, rest, query, body string) {
		path := "/api/workspaces/" + x.A.Slug + "/apps/" + app + rest
		u := &url.URL{Path: path, RawPath: "/api/workspaces/" + x.A.Slug + "/apps/" + url.PathEscape(app) + rest, RawQuery: query}
		verb := methods[uint(method)%uint(len(methods))]
		r := x.do(t, verb, u, jsonOf(x.A.Key), body)
		if r.status/100 == 3 || r.status != http.StatusOK && verb != http.MethodHead && r.failure(t).Code.HTTPStatus() != r.status {
			t.Errorf("%s %s %q: %d %s", verb, u, body, r.status, r.body)
		}
	})
}
