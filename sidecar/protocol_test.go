package sidecar_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// method makes a JSON-RPC request with id 1.
func method(name, params string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q,"params":%s}`, name, params)
}

// callOf makes a call of a tool.
func callOf(tool, args string) string {
	return method("tools/call", fmt.Sprintf(`{"name":%q,"arguments":%s}`, tool, args))
}

const modern = "2026-07-28"

// meta is what every request of the modern protocol carries.
const meta = `"_meta":{"io.modelcontextprotocol/protocolVersion":"` + modern + `","io.modelcontextprotocol/clientCapabilities":{},` +
	`"io.modelcontextprotocol/clientInfo":{"name":"modern-client","version":"1"}}`

// modernly is a question of the modern protocol.
func modernly(key, name, params, toolName string) question {
	q := question{method: "POST", path: "/mcp", key: key, body: method(name, params), header: map[string]string{"MCP-Protocol-Version": modern, "Mcp-Method": name}}
	if toolName != "" {
		q.header["Mcp-Name"] = toolName
	}
	return q
}

// toolNames returns the names in the answer to tools/list.
func toolNames(t *testing.T, result json.RawMessage) []string {
	t.Helper()
	var list struct{ Tools []struct{ Name string } }
	if err := json.Unmarshal(result, &list); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, tool := range list.Tools {
		names = append(names, tool.Name)
	}
	return names
}

// TestLegacy: clients of the three older versions get what they ask for.
func TestLegacy(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.A.Key, _ = s.AddKey(t, s.A, "owner", 0)
	for _, version := range []string{"2025-11-25", "2025-06-18", "2025-03-26"} {
		ask := func(body string) reply {
			return s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: body, header: map[string]string{
				"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": version, "Mcp-Session-Id": "stale",
			}})
		}
		first := ask(method("initialize", `{"protocolVersion":"`+version+`","capabilities":{},"clientInfo":{"name":"legacy-client","version":"1"}}`))
		var hello struct {
			ProtocolVersion string
			Capabilities    map[string]any
			ServerInfo      struct{ Name, Version string }
			Instructions    string
		}
		if err := json.Unmarshal(first.rpc(t).Result, &hello); err != nil {
			t.Fatal(err)
		}
		if hello.ProtocolVersion != version || hello.ServerInfo.Name != "vibn-mcp" || hello.ServerInfo.Version != "test" || !strings.Contains(hello.Instructions, "apps_deploy") {
			t.Errorf("initialize %s: %s", version, first.body)
		}
		if diff := cmp.Diff(map[string]any{"tools": map[string]any{}}, hello.Capabilities); diff != "" || first.header.Get("Mcp-Session-Id") != "" {
			t.Errorf("initialize %s: capabilities or a session (-want +got)\n%s", version, diff)
		}
		if r := ask(`{"jsonrpc":"2.0","method":"notifications/initialized"}`); r.status != http.StatusAccepted || r.body != "" {
			t.Errorf("initialized %s: %d %s", version, r.status, r.body)
		}
		if names := toolNames(t, ask(listTools).rpc(t).Result); len(names) != len(s.registry.Tools()) {
			t.Errorf("tools/list %s: %v", version, names)
		}
		if r := ask(callOf("apps_get", `{"app":"`+s.A.Web.UUID+`"}`)); r.status != 200 || !strings.Contains(r.body, s.A.Canary) {
			t.Errorf("tools/call %s: %d %s", version, r.status, r.body)
		}
		if r := ask(method("ping", "{}")); r.status != 200 || string(r.rpc(t).Result) != "{}" {
			t.Errorf("ping %s: %d %s", version, r.status, r.body)
		}
	}
	q := question{method: "POST", path: "/mcp", key: s.A.Key, body: listTools, header: map[string]string{"MCP-Protocol-Version": "2020-01-01"}}
	if r := s.ask(t, q); r.status != http.StatusBadRequest || !strings.Contains(r.rpc(t).Error.Message, "2025-11-25") {
		t.Errorf("a version of nobody's: %d %s", r.status, r.body)
	}
}

// TestModern: a client of the present version needs no handshake.
func TestModern(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.A.Key, _ = s.AddKey(t, s.A, "owner", 0)
	discovered := s.ask(t, modernly(s.A.Key, "server/discover", `{`+meta+`}`, ""))
	var d struct {
		SupportedVersions        []string
		Capabilities             map[string]any
		Instructions, CacheScope string
		TTLMs                    int `json:"ttlMs"`
		ResultType               string
	}
	if err := json.Unmarshal(discovered.rpc(t).Result, &d); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(d.SupportedVersions, modern) || !slices.Contains(d.SupportedVersions, "2025-11-25") || d.CacheScope != "private" || d.TTLMs <= 0 || d.ResultType != "complete" {
		t.Errorf("server/discover: %s", discovered.body)
	}
	if got := slices.Collect(maps.Keys(d.Capabilities)); !slices.Equal(got, []string{"tools"}) {
		t.Errorf("capabilities %v, want tools alone", got)
	}
	listed := s.ask(t, modernly(s.A.Key, "tools/list", `{`+meta+`}`, ""))
	if m := listed.rpc(t); len(toolNames(t, m.Result)) != len(s.registry.Tools()) || !strings.Contains(string(m.Result), `"cacheScope":"private"`) {
		t.Errorf("tools/list: %s", listed.body)
	}
	for _, name := range []string{"apps_get", "apps.get"} {
		q := modernly(s.A.Key, "tools/call", fmt.Sprintf(`{"name":%q,"arguments":{"app":%q},%s}`, name, s.A.Web.UUID, meta), name)
		r := s.ask(t, q)
		var result struct {
			StructuredContent struct{ UUID string }
			Content           []struct{ Type, Text string }
			ResultType        string
		}
		if err := json.Unmarshal(r.rpc(t).Result, &result); err != nil || result.StructuredContent.UUID != s.A.Web.UUID || result.ResultType != "complete" || len(result.Content) != 1 {
			t.Errorf("%s: %v %s", name, err, r.body)
		}
		q.header["Mcp-Name"] = "apps_list"
		if r := s.ask(t, q); r.status != 400 || r.rpc(t).Error.Code != -32020 {
			t.Errorf("%s under another name in the header: %d %s", name, r.status, r.body)
		}
	}
	q := modernly(s.A.Key, "tools/list", `{}`, "")
	if r := s.ask(t, q); r.status != 400 || r.rpc(t).Error.Code != -32602 {
		t.Errorf("without _meta: %d %s", r.status, r.body)
	}
	later := strings.ReplaceAll(meta, modern, "2099-01-01")
	q = modernly(s.A.Key, "tools/list", `{`+later+`}`, "")
	q.header["MCP-Protocol-Version"] = "2099-01-01"
	if r := s.ask(t, q); r.rpc(t).Error.Code != -32022 || !slices.Contains(r.rpc(t).Error.Data.Supported, modern) {
		t.Errorf("a version that is to come: %d %s", r.status, r.body)
	}
}

// TestInstructions name the tools that the key has, and no others.
func TestInstructions(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, preset := range tenancy.Presets() {
		key, _ := s.AddKey(t, s.A, preset.Name, 0)
		mine := toolNames(t, s.ask(t, modernly(key, "tools/list", `{`+meta+`}`, "")).rpc(t).Result)
		var d struct{ Instructions string }
		if err := json.Unmarshal(s.ask(t, modernly(key, "server/discover", `{`+meta+`}`, "")).rpc(t).Result, &d); err != nil {
			t.Fatal(err)
		}
		for _, tool := range s.registry.Tools() {
			if strings.Contains(d.Instructions, tool.WireName()) && !slices.Contains(mine, tool.WireName()) {
				t.Errorf("%s is told of %s, which it does not have", preset.Name, tool.Name)
			}
		}
		if has := strings.Contains(d.Instructions, "- apps_deploy "); has != preset.Rights.Has(tenancy.Deploy) || !strings.Contains(d.Instructions, "never instructions") {
			t.Errorf("%s: %s", preset.Name, d.Instructions)
		}
	}
}

// TestUndeclared: what the server does not declare it does not answer, in either
// era, although the SDK would.
func TestUndeclared(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for name, params := range map[string]string{
		"prompts/list": "", "prompts/get": `"name":"x"`, "resources/list": "", "resources/templates/list": "", "resources/read": `"uri":"x:y"`,
		"resources/subscribe": `"uri":"x:y"`, "completion/complete": `"ref":{"type":"ref/prompt","name":"x"},"argument":{"name":"a","value":"b"}`,
		"logging/setLevel": `"level":"debug"`, "subscriptions/listen": `"notifications":{}`, "no/such": "", "tools/Call": "",
	} {
		legacy := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: method(name, "{"+params+"}")})
		if m := legacy.rpc(t); m.Error == nil || m.Error.Code != -32601 || m.ID != 1.0 {
			t.Errorf("%s, legacy: %d %s", name, legacy.status, legacy.body)
		}
		if params != "" {
			params += ","
		}
		q := modernly(s.A.Key, name, "{"+params+meta+"}", "")
		switch name {
		case "prompts/get":
			q.header["Mcp-Name"] = "x"
		case "resources/read":
			q.header["Mcp-Name"] = "x:y"
		}
		if r := s.ask(t, q); r.status != http.StatusNotFound || r.rpc(t).Error.Code != -32601 {
			t.Errorf("%s, modern: %d %s", name, r.status, r.body)
		}
	}
}

// TestProtocolErrors: what is no request that we take is a JSON-RPC error.
func TestProtocolErrors(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, tc := range []struct {
		name, body   string
		status, code int
		id           any
	}{
		{"an unknown tool", callOf("no_such_tool", "{}"), 200, -32602, 1.0},
		{"a name of another case", callOf("Apps_Get", "{}"), 200, -32602, 1.0},
		{"no name", method("tools/call", `{}`), 200, -32602, 1.0},
		{"no params", `{"jsonrpc":"2.0","id":1,"method":"tools/call"}`, 400, -32600, 1.0},
		{"a bad cursor", method("tools/list", `{"cursor":"rubbish"}`), 200, -32602, 1.0},
		{"a cursor that is no text", method("tools/list", `{"cursor":7}`), 200, -32602, 1.0},
		{"no JSON", `{"jsonrpc":`, 400, -32700, nil},
		{"two messages", listTools + listTools, 400, -32700, nil},
		{"another version of JSON-RPC", `{"jsonrpc":"1.0","id":1,"method":"ping"}`, 400, -32600, 1.0},
		{"an id that is none", `{"jsonrpc":"2.0","id":true,"method":"ping"}`, 400, -32600, nil},
		{"a text", `"x"`, 400, -32600, nil},
		{"a batch", "[" + listTools + "]", 400, -32600, nil},
		{"an empty batch", " []", 400, -32600, nil},
		{"a request without an id", `{"jsonrpc":"2.0","method":"tools/list"}`, 400, -32600, nil},
		{"a text for an id", `{"jsonrpc":"2.0","id":"a \"b\"","method":"no/such"}`, 200, -32601, `a "b"`},
	} {
		r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: tc.body})
		if m := r.rpc(t); r.status != tc.status || m.Error == nil || m.Error.Code != tc.code || m.ID != tc.id {
			t.Errorf("%s: %d %s, want %d and %d", tc.name, r.status, r.body, tc.status, tc.code)
		}
	}
	for _, method := range []string{"GET", "DELETE", "PUT", "HEAD"} {
		r := s.ask(t, question{method: method, path: "/mcp", key: s.A.Key, header: map[string]string{"Accept": "text/event-stream"}})
		if r.status != http.StatusMethodNotAllowed || r.header.Get("Allow") != "POST" {
			t.Errorf("%s: %d %v", method, r.status, r.header)
		}
	}
	r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: listTools, header: map[string]string{"Content-Type": "text/plain"}})
	if r.status != http.StatusUnsupportedMediaType || r.rpc(t).Error.Code != 415 {
		t.Errorf("plain text: %d %s", r.status, r.body)
	}
	if r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key}); r.status/100 != 4 || r.rpc(t).Error == nil {
		t.Errorf("no body: %d %s", r.status, r.body)
	}
}

// TestAccept: people's own clients name what they like.
func TestAccept(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, accept := range []string{"", "*/*", "application/json", "application/json;q=0.9, */*;q=0.1", "application/json, text/event-stream", "text/event-stream, application/json"} {
		q := question{method: "POST", path: "/mcp", key: s.A.Key, body: callOf("apps.get", `{"app":"`+s.A.Web.UUID+`"}`)}
		if accept != "" {
			q.header = map[string]string{"Accept": accept}
		}
		if r := s.ask(t, q); r.status != 200 || r.header.Get("Content-Type") != "application/json" || !strings.Contains(r.body, s.A.Canary) {
			t.Errorf("Accept %q: %d %v %.200s", accept, r.status, r.header, r.body)
		}
	}
	r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: listTools, header: map[string]string{"Accept": "text/html"}})
	if r.status/100 != 4 || r.rpc(t).Error == nil {
		t.Errorf("Accept text/html: %d %s", r.status, r.body)
	}
}

// TestStream: a call that asks for progress gets an event stream, any other JSON.
func TestStream(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, tc := range []struct {
		name, meta, accept string
		stream             bool
	}{
		{"a token", `{"progressToken":"t1"}`, "application/json, text/event-stream", true},
		{"a number", `{"progressToken":7}`, "application/json, text/event-stream", true},
		{"no token", `{}`, "application/json, text/event-stream", false},
		{"a null token", `{"progressToken":null}`, "application/json, text/event-stream", false},
		{"a client that takes no stream", `{"progressToken":"t1"}`, "application/json", false},
	} {
		dep := s.Sim.AddDeployment(s.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
		gate := make(chan struct{})
		s.Sim.Fail("GET /deployments", coolifytest.Fault{Gate: gate})
		go func() {
			gate <- struct{}{} // one look at it while it runs
			s.Sim.Finish(dep.UUID, coolifytest.Finished)
			close(gate)
		}()
		body := method("tools/call", fmt.Sprintf(`{"name":"deployments_wait","arguments":{"deployment":%q},"_meta":%s}`, dep.UUID, tc.meta))
		r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: body, header: map[string]string{"Accept": tc.accept}})
		if r.status != 200 || !strings.Contains(r.body, `"status":"finished"`) {
			t.Errorf("%s: %d %s", tc.name, r.status, r.body)
		}
		events := strings.Count(r.body, `"notifications/progress"`)
		if got := r.header.Get("Content-Type") == "text/event-stream"; got != tc.stream || (events > 0) != tc.stream {
			t.Errorf("%s: %s with %d notifications: %s", tc.name, r.header.Get("Content-Type"), events, r.body)
		}
		if tc.stream && (r.header.Get("X-Accel-Buffering") != "no" || strings.LastIndex(r.body, `"notifications/progress"`) > strings.Index(r.body, `"result"`)) {
			t.Errorf("%s: buffered, or the result is not the last: %s", tc.name, r.body)
		}
		s.Sim.Clear("GET /deployments")
	}
}

// TestNoOAuth: nothing makes a client believe that it must sign in elsewhere.
func TestNoOAuth(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, path := range []string{
		"/sse", "/mcp/", "/api", "/api/workspaces/" + s.A.Slug + "/", "/favicon.ico", "/.well-known/", "/register/x",
		"/.well-known/oauth-protected-resource/other",
		"/apps/../healthz", "//healthz", "/api/./workspaces", "/healthz/",
	} {
		for _, key := range []string{"", s.A.Key} {
			if r := s.ask(t, question{path: path, key: key}); r.status != 404 || r.failure(t).Code != tenancy.NotFound {
				t.Errorf("%s: %d %s, want 404", path, r.status, r.body)
			}
		}
	}
}

// oauthRoutes are where clients look for OAuth once a key was refused, with the
// status that they are answered.
var oauthRoutes = map[string]int{
	"/.well-known/oauth-protected-resource":         404,
	"/.well-known/oauth-protected-resource/mcp":     404,
	"/.well-known/oauth-protected-resource/api/mcp": 404,
	"/.well-known/oauth-authorization-server":       404,
	"/.well-known/oauth-authorization-server/mcp":   404,
	"/.well-known/openid-configuration":             404,
	"/.well-known/openid-configuration/mcp":         404,
	"/mcp/.well-known/openid-configuration":         404,
	"/mcp/.well-known/oauth-authorization-server":   404,
	"/register":  403,
	"/authorize": 403,
	"/token":     403,
}

// TestOAuthIsRefused: what a client is answered where it looks for OAuth is an error
// of OAuth's that says how to give the key, as clients show it to people and models.
// A key that is sent along changes nothing.
func TestOAuthIsRefused(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	plain := regexp.MustCompile(`^[ !#-\[\]-~]+$`) // RFC 6749, section 5.2
	for path, status := range oauthRoutes {
		for _, method := range []string{"GET", "POST"} {
			first := s.ask(t, question{method: method, path: path})
			var e struct {
				Error       string
				Description string `json:"error_description"`
			}
			err := json.Unmarshal([]byte(first.body), &e)
			if err != nil || first.status != status || e.Error != "access_denied" {
				t.Errorf("%s %s: %d %s, want %d (%v)", method, path, first.status, first.body, status, err)
			}
			if !plain.MatchString(e.Description) || !strings.Contains(e.Description, "Authorization: Bearer vibn_sk_") {
				t.Errorf("%s %s says %q", method, path, e.Description)
			}
			for _, key := range []string{"rubbish", s.A.Key} {
				got := s.ask(t, question{method: method, path: path, key: key, body: `{"redirect_uris":["http://127.0.0.1:1/cb"]}`})
				if got.status != first.status || got.body != first.body {
					t.Errorf("%s %s with the key %.10s: %d %s", method, path, key, got.status, got.body)
				}
			}
			for name := range first.header {
				if strings.HasPrefix(name, "Access-Control-") || name == "Www-Authenticate" || name == "Location" {
					t.Errorf("%s %s answers with %s", method, path, name)
				}
			}
		}
	}
}
