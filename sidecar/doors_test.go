package sidecar_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A verdict is what a call came to, whatever door it came through.
type verdict struct {
	OK     bool
	Fields []string // of the answer
	failure
}

func verdictOf(t *testing.T, ok bool, raw string) verdict {
	t.Helper()
	v := verdict{OK: ok}
	if !ok {
		if err := json.Unmarshal([]byte(raw), &v.failure); err != nil || v.Code == "" {
			t.Fatalf("%s is no failure (%v)", raw, err)
		}
		return v
	}
	var answer map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		t.Fatalf("%s is no answer (%v)", raw, err)
	}
	v.Fields = slices.Sorted(maps.Keys(answer))
	return v
}

// viaMCP is the verdict of a call over MCP. The text and the structured content
// must say the same, and of a failure there is text only.
func (s *server) viaMCP(t *testing.T, tool mcp.Tool, key string, args map[string]any) verdict {
	t.Helper()
	r := s.ask(t, question{method: "POST", path: "/mcp", key: key, body: callOf(tool.Name, encode(t, args))})
	var result struct {
		IsError           bool
		Content           []struct{ Type, Text string }
		StructuredContent json.RawMessage
	}
	if err := json.Unmarshal(r.rpc(t).Result, &result); err != nil || r.status != 200 || len(result.Content) != 1 || result.Content[0].Type != "text" {
		t.Fatalf("%s: %d %s (%v)", tool.Name, r.status, r.body, err)
	}
	text := result.Content[0].Text
	if result.IsError != (result.StructuredContent == nil) || !result.IsError && !sameJSON(t, text, string(result.StructuredContent)) {
		t.Errorf("%s: text and structured content differ: %s", tool.Name, r.body)
	}
	return verdictOf(t, !result.IsError, text)
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		t.Fatalf("not JSON: %s or %s", a, b)
	}
	return cmp.Equal(x, y)
}

// viaREST is the verdict of a call to the tool's twin.
func (s *server) viaREST(t *testing.T, tool mcp.Tool, key string, args map[string]any) verdict {
	t.Helper()
	method, path, body := twinOf(t, tool, s.A.Slug, args)
	r := s.ask(t, question{method: method, path: path, body: body, key: key})
	v := verdictOf(t, r.status == http.StatusOK, r.body)
	if !v.OK && r.status != v.Code.HTTPStatus() {
		t.Errorf("%s %s: %d %s", method, path, r.status, r.body)
	}
	return v
}

// viaCall is the verdict of a call that no protocol carries, as the command line
// makes it.
func (s *server) viaCall(t *testing.T, tool mcp.Tool, key string, args map[string]any) verdict {
	t.Helper()
	scope, err := s.Guard.OpenKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.registry.Call(t.Context(), scope, mcp.Request{Tool: tool.WireName(), Args: json.RawMessage(encode(t, args))})
	if err != nil {
		return verdictOf(t, false, string(mcp.FailureOf(err).JSON()))
	}
	return verdictOf(t, true, string(out))
}

// inputsOf are good and bad arguments of a tool. Of what its route has in the
// path, only texts that are not empty can be said in every door.
func inputsOf(tool mcp.Tool, good map[string]any) []map[string]any {
	inputs := []map[string]any{good, with(good, "nonsense", "1"), with(good, "\u202enonsense", "1")}
	for name, bad := range map[string][]any{
		"app":          {nobody, "no-such-app", "https://x.example.com/", strings.Repeat("a", 255), strings.Repeat("a", 256), "\u202e", "a b", "%2e", ".."},
		"deployment":   {nobody, "x", strings.Repeat("a", 65), "..%2f"},
		"project":      {"x/y", strings.Repeat("a", 256)},
		"environment":  {"no-such", strings.Repeat("a", 256)},
		"limit":        {1, 50, 0, -1, 51, 1.5, "ten"},
		"lines":        {1, 500, 501, "x"},
		"contains":     {"hello", strings.Repeat("a", 201)},
		"cursor":       {"rubbish", strings.Repeat("a", 1001)},
		"wait_seconds": {1, 46, -1, 0.5, "x"},
		"scope":        {"production", "preview", "staging", ""},
		"tool":         {"apps.deploy", "apps_deploy", "x", strings.Repeat("a", 65)},
		"target":       {"x", strings.Repeat("a", 256)},
		"action":       {"start", "restart", "stop", "delete", "", 7},
		"force":        {true, false, "yes"},
		"set":          {map[string]any{}, map[string]any{"A": 1}, map[string]any{"1A": "x"}, map[string]any{"A": "{{team.X}}"}, map[string]any{"A": "1", "B": "2"}, "x"},
		"keys":         {[]string{}, []any{1}, []string{"1A"}, []string{"A", "B"}, "A"},
		"build_time":   {true, false, "x"},
		"literal":      {true, nil, 1},
		"multiline":    {true, "x"},
		"reveal":       {true, false, "x"},
		"name":         {"Shop", "a--b", "-a", "a-", "1a", strings.Repeat("a", 41), "a/b", "../a", "\u202e", "", 7},
		"description":  {"for people", strings.Repeat("d", 256), "\u202e", 7},
	} {
		if _, ok := good[name]; !ok && !slices.Contains(tool.Keep, name) && !slices.Contains(optional[tool.Name], name) {
			continue
		}
		for _, v := range bad {
			if text, ok := v.(string); ok && text == ".." && strings.Contains(tool.Route, "{"+name+"}") {
				continue // a path cannot say it
			}
			inputs = append(inputs, with(good, name, v))
		}
	}
	for name := range good {
		if !strings.Contains(tool.Route, "{"+name+"}") {
			without := maps.Clone(good)
			delete(without, name)
			inputs = append(inputs, without)
		}
	}
	return inputs
}

// optional are arguments that a tool takes and its good call does without.
var optional = map[string][]string{
	"activity.list": {"limit", "cursor", "tool"}, "apps.list": {"limit", "cursor"}, "apps.deployments": {"limit", "cursor"}, "apps.logs": {"lines", "contains"},
	"deployments.logs": {"lines", "contains", "cursor"}, "envs.list": {"scope"}, "projects.list": {"limit", "cursor"}, "projects.create": {"description"},
}

// TestDoorsAgree: MCP, REST and the call that the command line makes come to the
// same verdict on every tool, with the same code and the same words.
func TestDoorsAgree(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	viewer, _ := s.AddKey(t, s.A, "viewer", 0)
	good := probesOf(s.A)
	for _, tool := range s.registry.Tools() {
		s.Sim.SetApp(s.A.Web.UUID, func(a *coolifytest.App) { a.Status = "running:healthy" }) // some other tool may have stopped it
		seen := map[tenancy.Code]int{}
		for _, args := range inputsOf(tool, or(good[tool.Name].args)) {
			for _, key := range []string{s.A.Key, viewer} {
				want := s.viaCall(t, tool, key, args)
				seen[want.Code]++
				for name, got := range map[string]verdict{"MCP": s.viaMCP(t, tool, key, args), "REST": s.viaREST(t, tool, key, args)} {
					if diff := cmp.Diff(want, got, cmp.AllowUnexported(verdict{})); diff != "" {
						t.Errorf("%s %.200s: %s differs (-the command line +%s)\n%s", tool.Name, encode(t, args), name, name, diff)
					}
				}
			}
		}
		if seen[""]+seen[tenancy.Conflict] == 0 || seen[tenancy.Invalid] == 0 || seen[tenancy.Internal] > 0 || (tool.Needs != tenancy.Read) != (seen[tenancy.Forbidden] > 0) {
			t.Errorf("%s: verdicts %v, want good ones and bad ones of every kind", tool.Name, seen)
		}
	}
}

// or is no arguments for a tool that needs none.
func or(args map[string]any) map[string]any {
	if args == nil {
		return map[string]any{}
	}
	return args
}
