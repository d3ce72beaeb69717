package sidecar_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// initialize begins a session of stdio.
const initialize = `{"jsonrpc":"2.0","id":"begin","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"test","version":"1"}}}
{"jsonrpc":"2.0","method":"notifications/initialized"}
`

// mcpDoors send one message to MCP, and return the answer as bytes.
func (s *server) mcpDoors() map[string]func(*testing.T, string) []byte {
	over := func(accept string) func(*testing.T, string) []byte {
		return func(t *testing.T, message string) []byte {
			t.Helper()
			r := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: message, header: map[string]string{"Accept": accept}})
			if _, data, ok := strings.Cut(r.body, "data: "); ok {
				return []byte(strings.TrimSpace(data))
			}
			return []byte(r.body)
		}
	}
	return map[string]func(*testing.T, string) []byte{
		"json": over("application/json"), "stream": over("application/json, text/event-stream"),
		"stdio": func(t *testing.T, message string) []byte {
			t.Helper()
			var out bytes.Buffer
			in := strings.NewReader(initialize + message + "\n")
			if err := mcp.ServeStdio(t.Context(), s.registry, s.Guard, secret.NewText(s.A.Key), "test", s.Logger, in, &out); err != nil {
				t.Fatal(err)
			}
			for line := range bytes.Lines(out.Bytes()) {
				if !bytes.Contains(line, []byte(`"id":"begin"`)) {
					return line
				}
			}
			return nil
		},
	}
}

// TestIDsComeBackAsSent: a client that compares bytes finds its answer, an error's too.
func TestIDsComeBackAsSent(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for door, send := range s.mcpDoors() {
		for _, id := range []string{`7`, `1.0`, `1e2`, `-0`, `0.1e1`, `"a"`, `"\u0061\/\u003c"`, `"\ud800"`, `"<&>\u2028"`, `9007199254740991`, `9007199254740993`, `1.5`} {
			for _, message := range []string{
				`"method":"ping"`, `"method":"tools/call","params":{"name":"apps_list","_meta":{"progressToken":1}}`,
				`"method":"tools/list","params":7`, `"method":"no/such"`,
			} {
				got := send(t, `{"jsonrpc":"2.0","id":`+id+`,`+message+`}`)
				var m struct{ ID json.RawMessage }
				if err := json.Unmarshal(got, &m); err != nil || string(m.ID) != id {
					t.Errorf("%s: the id %s of %s came back as %s (%v)", door, id, message, m.ID, err)
				}
			}
		}
	}
}

// TestErrorsNameNoTypes: what is wrong with a message is said without the program's
// types and without the message.
func TestErrorsNameNoTypes(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for door, send := range s.mcpDoors() {
		for _, message := range []string{
			`"id":9,"method":"ping","params":"marker"`, `"id":9,"method":"tools/call","params":["marker"]`, `"id":9,"method":"tools/call","params":{"name":7}`,
			`"id":9,"method":"tools/call","params":{"name":"apps_list","_meta":"marker"}`, `"id":9,"method":"tools/list","params":{"cursor":{}}`,
			`"id":9,"method":"tools/call","params":{"name":"apps_list","inputResponses":{"confirm":"marker"}}`,
			`"id":9,"method":"initialize","params":{"protocolVersion":7}`, `"id":["marker"],"method":"ping"`, `"id":9,"method":{"marker":1}`, `"id":9,"method":"ping","jsonrpc":7`,
			`"id":9,"method":"tools/call","params":{"name":"apps_list","arguments":"marker"}`, `"id":9,"method":"tools/call","params":{"name":"apps_list","arguments":{"limit":"marker"}}`,
		} {
			got := string(send(t, `{"jsonrpc":"2.0",`+message+`}`))
			for _, word := range []string{"mcp.", "jsonrpc2", "interface", "Go ", "unmarshal", "json:", "struct", "marker"} {
				if strings.Contains(got, word) {
					t.Errorf("%s: %s is answered with %q in\n%s", door, message, word, got)
				}
			}
			if !strings.Contains(got, "error") && !strings.Contains(got, "isError") || strings.Contains(got, `"code":0,`) {
				t.Errorf("%s: %s is answered with %s", door, message, got)
			}
		}
		r := s.ask(t, question{method: "POST", path: "/api/workspaces/" + s.A.Slug + "/keys", key: s.A.Key, body: `{"name":["marker"]}`})
		if r.status < http.StatusBadRequest || strings.Contains(r.body, "Go ") || strings.Contains(r.body, "unmarshal") {
			t.Errorf("REST: %d %s", r.status, r.body)
		}
	}
}
