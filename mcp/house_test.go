package mcp_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

// A house is a program with its registry, and MCP over HTTP.
type house struct {
	*tenancytest.House
	registry *mcp.Registry
	url      string
}

func newHouse(t testing.TB) *house {
	t.Helper()
	h := &house{House: tenancytest.New(t, tenancytest.Config{})}
	h.registry = mcp.New(h.Logger)
	srv := httptest.NewServer(mcp.Handler(h.registry, h.Guard, "test", h.Logger))
	t.Cleanup(srv.Close)
	h.url = srv.URL
	return h
}

// call calls a tool of the registry with A's key.
func (h *house) call(t testing.TB, tool, args string) (json.RawMessage, error) {
	t.Helper()
	scope, err := h.Guard.OpenKey(t.Context(), h.A.Key)
	if err != nil {
		t.Fatal(err)
	}
	return h.registry.Call(t.Context(), scope, mcp.Request{Tool: tool, Args: json.RawMessage(args)})
}

// refusal calls a tool and returns the code and the message of its failure.
func (h *house) refusal(t testing.TB, tool, args string) (tenancy.Code, string) {
	t.Helper()
	out, err := h.call(t, tool, args)
	if err == nil {
		t.Errorf("%s %.200s = %.200s, want a refusal", tool, args, out)
		return "", ""
	}
	e, ok := errors.AsType[*tenancy.Error](err)
	if !ok {
		t.Fatalf("%s %.200s: %T, want a *tenancy.Error", tool, args, err)
	}
	return e.Code, e.Msg
}

// result sends a JSON-RPC request with a key and returns its result.
func (h *house) result(t testing.TB, key, body string) json.RawMessage {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, h.url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+key)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var answer struct{ Result, Error json.RawMessage }
	if err := json.Unmarshal(raw, &answer); err != nil || answer.Error != nil {
		t.Fatalf("%s: %d %s (%v)", body, resp.StatusCode, raw, err)
	}
	return answer.Result
}

// A listing is a tool as tools/list shows it.
type listing struct {
	Name, Title, Description string
	InputSchema              map[string]any
	OutputSchema             json.RawMessage
	Annotations              map[string]any
	raw                      json.RawMessage
}

// list returns what tools/list shows to a key, and the size of the answer.
func (h *house) list(t testing.TB, key string) ([]listing, int) {
	t.Helper()
	raw := h.result(t, key, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	var result struct{ Tools []json.RawMessage }
	if err := json.Unmarshal(raw, &result); err != nil {
		t.Fatal(err)
	}
	tools := make([]listing, len(result.Tools))
	for i, tool := range result.Tools {
		if err := json.Unmarshal(tool, &tools[i]); err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		tools[i].raw = tool
	}
	return tools, len(raw)
}
