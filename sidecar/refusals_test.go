package sidecar_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A refusal is one way in which a POST to MCP is refused. What is not given is that
// of a call which would be carried out.
type refusal struct {
	name         string
	status, code int
	at           *server
	key          string
	host         string
	header       map[string]string
	verb         string // of HTTP
	method       string // of the message
	params       string
	version      string // of JSON-RPC
}

// decoys are params that hold what must not be taken for the id.
const decoys = `{"id":99,"name":"apps_list","arguments":{},"x":"}],\"id\":98,\"method\":{",` +
	`"y":[{"id":97,"method":"z"}]}`

// message writes the message, with its id first or last: clients do either.
func (r refusal) message(id string, last bool) string {
	rest := `"method":"` + given(r.method, "tools/call") + `","params":` + given(r.params, decoys)
	version := `"jsonrpc":"` + given(r.version, "2.0") + `"`
	if last {
		return "{" + rest + "," + version + ` , "id" : ` + id + "\n}"
	}
	return "{" + version + `,"id":` + id + "," + rest + "}"
}

func given(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func (r refusal) question(path, body string) question {
	return question{method: given(r.verb, "POST"), path: path, host: r.host, key: r.key, header: r.header, body: body}
}

// A panickyStore panics when a key is looked up.
type panickyStore struct{ tenancytest.Store }

func (panickyStore) KeyByDigest(context.Context, tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	panic("in the store")
}

// refusals are all ways in which the server refuses a POST to MCP.
func refusals(t *testing.T) []refusal {
	t.Helper()
	s := newServer(t, tenancytest.Config{})
	down := &brokenStore{}
	away := newServer(t, tenancytest.Config{Wrap: func(inner tenancytest.Store) tenancytest.Store {
		down.Store = inner
		return down
	}})
	down.broken.Store(true)
	panics := newServer(t, tenancytest.Config{Wrap: func(inner tenancytest.Store) tenancytest.Store {
		return panickyStore{inner}
	}})
	budget := tenancytest.Unlimited()
	budget.CallsPerMinute, budget.CallsBurst = 1, 1
	limited := newServer(t, tenancytest.Config{Budget: budget})
	limited.ask(t, question{path: "/api/workspaces", key: limited.A.Key})
	budget = tenancytest.Unlimited()
	budget.InFlight = 1
	full := newServer(t, tenancytest.Config{Budget: budget})
	scope, err := full.Guard.OpenKey(t.Context(), full.A.Key)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := scope.Enter(); err != nil {
		t.Fatal(err)
	}
	if err := s.Operator.Suspend(t.Context(), s.B.Workspace); err != nil {
		t.Fatal(err)
	}
	key, long := s.A.Key, `{"pad":"`+strings.Repeat("x", mcp.MaxBody)+`"}`
	modernly := func(version, name string) map[string]string {
		return map[string]string{"MCP-Protocol-Version": version, "Mcp-Method": name}
	}
	header := func(name, value string) map[string]string { return map[string]string{name: value} }
	later := strings.ReplaceAll(meta, modern, "2099-01-01")
	return []refusal{
		{name: "no key", at: s, status: 401, code: 401},
		{name: "an unknown key", at: s, key: "rubbish", status: 401, code: 401},
		{name: "a suspended workspace", at: s, key: s.B.Key, status: 403, code: 403},
		{name: "another host", at: s, key: key, host: "example.org", status: 403, code: 403},
		{name: "another host and no key", at: s, host: "example.org", status: 403, code: 403},
		{name: "another origin", at: s, key: key, header: header("Origin", "https://example.org"), status: 403, code: 403},
		{name: "a body that is too large", at: s, key: key, params: long, status: 413, code: 413},
		{name: "too many calls", at: limited, key: limited.A.Key, status: 429, code: 429},
		{name: "too many at the same time", at: full, key: full.A.Key, status: 429, code: 429},
		{name: "a database that is away", at: away, key: away.A.Key, status: 503, code: 503},
		{name: "a panic", at: panics, key: panics.A.Key, status: 500, code: 500},
		{name: "not said to be JSON", at: s, key: key, header: header("Content-Type", "text/plain"), status: 415, code: 415},
		{name: "no JSON wanted", at: s, key: key, header: header("Accept", "text/html"), status: 400, code: -32600},
		{name: "an old version", at: s, key: key, header: modernly("2020-01-01", ""), status: 400, code: -32600},
		{
			name: "a version that is to come", at: s, key: key, header: modernly("2099-01-01", "tools/list"),
			method: "tools/list", params: `{` + later + `}`, status: 400, code: -32022,
		},
		{name: "a stream to go on with", at: s, key: key, header: header("Last-Event-ID", "1"), status: 400, code: -32600},
		{name: "another version of JSON-RPC", at: s, key: key, version: "1.0", status: 400, code: -32600},
		{name: "no params", at: s, key: key, params: "null", status: 200, code: -32600},
		{
			name: "no version in the message", at: s, key: key, header: modernly(modern, "tools/list"),
			method: "tools/list", params: `{}`, status: 400, code: -32602,
		},
		{
			name: "another method in the header", at: s, key: key, header: modernly(modern, "tools/call"),
			method: "tools/list", params: `{` + meta + `}`, status: 400, code: -32020,
		},
		{name: "an unknown method", at: s, key: key, method: "no/such", status: 200, code: -32601},
		{
			name: "an unknown method, modern", at: s, key: key, header: modernly(modern, "no/such"),
			method: "no/such", params: `{` + meta + `}`, status: 404, code: -32601,
		},
		{name: "an unknown tool", at: s, key: key, params: `{"name":"no_such"}`, status: 200, code: -32602},
		{name: "a PUT", at: s, key: key, verb: "PUT", status: 405, code: 405},
		{name: "a DELETE without a key", at: s, verb: "DELETE", status: 401, code: 401},
	}
}

// answeredID returns the id of a JSON-RPC error, as it came, and the error's code.
func answeredID(t *testing.T, r reply) (id string, code int) {
	t.Helper()
	var m struct {
		ID    json.RawMessage
		Error struct{ Code int }
	}
	if err := json.Unmarshal([]byte(r.body), &m); err != nil || m.Error.Code == 0 {
		t.Fatalf("%d %s: no JSON-RPC error (%v)", r.status, r.body, err)
	}
	return string(m.ID), m.Error.Code
}

// TestRefusalsHaveTheID: whatever a POST to MCP is refused for, the answer has the
// id of the request, byte for byte: clients wait for minutes for one that has it.
func TestRefusalsHaveTheID(t *testing.T) {
	for _, r := range refusals(t) {
		for _, id := range []string{`7`, `-3`, `0`, `9007199254740991`, `"7"`, `"a <b> & é"`, `""`} {
			for _, path := range []string{"/mcp", "/api/mcp"} {
				for _, last := range []bool{false, true} {
					got := r.at.ask(t, r.question(path, r.message(id, last)))
					answered, code := answeredID(t, got)
					if answered != id {
						t.Errorf("%s, id last = %v: answered under %s, want %s", r.name, last, answered, id)
					}
					if got.status != r.status || code != r.code {
						t.Errorf("%s: %d %s, want %d and %d", r.name, got.status, got.body, r.status, r.code)
					}
					if challenged := got.header.Get("WWW-Authenticate") != ""; challenged != (r.status == http.StatusUnauthorized) {
						t.Errorf("%s: %v", r.name, got.header)
					}
				}
			}
		}
	}
}

// TestRefusalsWithoutAnID: what is no request is refused under no id of its own.
func TestRefusalsWithoutAnID(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for name, body := range map[string]string{
		"nothing":                 "",
		"a notification":          `{"jsonrpc":"2.0","method":"notifications/initialized"}`,
		"a batch":                 "[" + listTools + "]",
		"a response":              `{"jsonrpc":"2.0","id":1,"result":{}}`,
		"no JSON":                 `id=1&method=ping`,
		"a text":                  `"id"`,
		"an id of null":           `{"id":null,"method":"x"}`,
		"an id that is true":      `{"id":true,"method":"x"}`,
		"an id that is an object": `{"id":{"id":1},"method":"x"}`,
		"an id that is a list":    `{"id":[1],"method":"x"}`,
		"an id further in":        `{"method":"x","params":{"id":1}}`,
		"an id that is too long":  `{"id":"` + strings.Repeat("i", 2000) + `","method":"x"}`,
		"an id that breaks off":   `{"method":"x","id":"1`,
		"two values":              `{"method":"x","id":1 2}`,
		"a number that is none":   `{"method":"x","id":1-}`,
		"bytes that are no text":  "{\"method\":\"x\",\"id\":\"\xff\"}",
		"an id too far behind":    `{"method":"x","params":"` + strings.Repeat("x", mcp.MaxBody) + `","id":1}`,
	} {
		got := s.ask(t, question{method: "POST", path: "/mcp", body: body})
		if id, _ := answeredID(t, got); got.status != http.StatusUnauthorized || id != "null" {
			t.Errorf("%s: %d %s, want 401 under null", name, got.status, got.body)
		}
	}
}

// TestInexactID: an id that would be answered as another one is refused, under the
// one that it is.
func TestInexactID(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, id := range []string{"1.5", "9007199254740993", "-12345678901234567890", "1e999"} {
		body := `{"jsonrpc":"2.0","id":` + id + `,"method":"tools/list"}`
		got := s.ask(t, question{method: "POST", path: "/mcp", key: s.A.Key, body: body})
		if answered, code := answeredID(t, got); got.status != http.StatusBadRequest || code != -32600 || answered != id {
			t.Errorf("the id %s: %d %s", id, got.status, got.body)
		}
	}
}

// A tap is an endless body that counts what is read of it.
type tap struct {
	head io.Reader
	read int
}

func (b *tap) Read(p []byte) (int, error) {
	n, err := b.head.Read(p)
	if err == io.EOF {
		n, err = len(p), nil
		for i := range p {
			p[i] = 'x'
		}
	}
	b.read += n
	return n, err
}

// TestRefusalsReadLittle: a body that is refused is read no further than the id can
// be, and for nobody who is unknown further than a body may be.
func TestRefusalsReadLittle(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	const chunk = 64 << 10
	for _, tc := range []struct {
		name, key, head string
		status, most    int
	}{
		{"the id comes first", "", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":"`, 401, chunk},
		{"a batch", "", `[`, 401, chunk},
		{"the id never comes", "", `{"method":"tools/call","params":"`, 401, mcp.MaxBody},
		{"the id never comes, with a key", s.A.Key, `{"method":"tools/call","params":"`, 413, 1<<20 + chunk},
	} {
		body := &tap{head: strings.NewReader(tc.head)}
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "https://vibn.example.com/mcp", body)
		r.Header.Set("Authorization", "Bearer "+tc.key)
		w := httptest.NewRecorder()
		s.handler.ServeHTTP(w, r)
		if w.Code != tc.status || body.read > tc.most {
			t.Errorf("%s: %d after %d bytes, want %d after at most %d", tc.name, w.Code, body.read, tc.status, tc.most)
		}
	}
}
