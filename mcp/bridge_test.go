package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

func newBridge(t *testing.T, root, key string) *mcp.Bridge {
	t.Helper()
	u, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	b, err := mcp.NewBridge(u, secret.NewText(key), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// remote serves a house's tools over HTTP at /mcp.
func remote(t *testing.T, h *tenancytest.House) *httptest.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.Handle("/mcp", mcp.Handler(mcp.New(h.Logger), h.Guard, "test", h.Logger))
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	return srv
}

// runBridge pipes lines through a bridge and returns the answers by id.
func runBridge(t *testing.T, b *mcp.Bridge, lines ...string) map[string]string {
	t.Helper()
	var out bytes.Buffer
	if err := b.Run(t.Context(), strings.NewReader(strings.Join(lines, "\n")), &out); err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for line := range strings.Lines(out.String()) {
		var m struct {
			ID json.RawMessage `json:"id"`
		}
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("not a message: %q", line)
		}
		answers[string(m.ID)] = line
	}
	return answers
}

const (
	legacyInit = `{"jsonrpc":"2.0","id":"i","method":"initialize","params":{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}}`
	legacyList = `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`
	modernCall = `{"jsonrpc":"2.0","id":3,"method":"tools/call","params":{"name":"workspace_describe","arguments":{},"_meta":{` +
		`"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}`
)

// TestBridgeEras: both eras pass, and everything in flight is answered at the
// end of the input.
func TestBridgeEras(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	b := newBridge(t, remote(t, h).URL, h.A.Key)
	got := runBridge(t, b, legacyInit, `{"jsonrpc":"2.0","method":"notifications/initialized"}`, legacyList, modernCall)
	for id, want := range map[string]string{`"i"`: `"protocolVersion":"2025-06-18"`, "2": `"apps_deploy"`, "3": `"workspace":"alpha"`} {
		if !strings.Contains(got[id], want) {
			t.Errorf("answer %s = %s, want %s in it", id, got[id], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("%d answers, want 3: %v", len(got), got)
	}
}

// TestBridgeClient puts the SDK's own client before a bridge: progress and errors
// come through.
func TestBridgeClient(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	b := newBridge(t, remote(t, h).URL, h.A.Key)
	clientReads, bridgeWrites := io.Pipe()
	bridgeReads, clientWrites := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- b.Run(t.Context(), bridgeReads, bridgeWrites) }()
	looks := make(chan string, 1000)
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) { looks <- r.Params.Message },
	})
	session, err := client.Connect(t.Context(), &sdk.IOTransport{Reader: clientReads, Writer: clientWrites}, nil)
	if err != nil {
		t.Fatal(err)
	}
	running := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
	params := &sdk.CallToolParams{Name: "deployments_wait", Arguments: map[string]any{"deployment": running.UUID}}
	params.SetProgressToken("p")
	done := make(chan *sdk.CallToolResult, 1)
	go func() {
		res, err := session.CallTool(t.Context(), params)
		if err != nil {
			t.Error(err)
		}
		done <- res
	}()
	if look := <-looks; !strings.Contains(look, running.UUID) {
		t.Errorf("progress = %q, want the deployment in it", look)
	}
	h.Sim.Finish(running.UUID, "finished")
	if res := <-done; res == nil || res.IsError {
		t.Errorf("wait = %+v, want it to end well", res)
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "apps_get", Arguments: map[string]any{"app": h.B.Web.UUID}})
	if err != nil || !res.IsError {
		t.Errorf("B's app = %+v, %v; want an error result", res, err)
	}
	_ = clientWrites.Close()
	if err := <-ended; err != nil {
		t.Errorf("Run = %v", err)
	}
}

// TestBridgeRefusals: whatever the server says, the client gets JSON-RPC with the
// id of its request.
func TestBridgeRefusals(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	var stolen atomic.Bool
	thief := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { stolen.Store(true) }))
	defer thief.Close()
	answerWith := func(f http.HandlerFunc) string {
		srv := httptest.NewServer(f)
		t.Cleanup(srv.Close)
		return srv.URL
	}
	for name, tc := range map[string]struct{ root, key, want string }{
		"unknown key": {remote(t, h).URL, strings.Repeat("x", 57), `"unauthorized"`},
		"redirect": {answerWith(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, thief.URL, http.StatusTemporaryRedirect)
		}), h.A.Key, "status 307"},
		"a page":        {answerWith(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>") }), h.A.Key, "no message"},
		"an error page": {answerWith(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) }), h.A.Key, "status 502"},
		"a broken stream": {answerWith(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			_, _ = io.WriteString(w, ": hi\n\n")
		}), h.A.Key, "no message"},
	} {
		got := runBridge(t, newBridge(t, tc.root, tc.key), legacyList)
		if !strings.Contains(got["2"], tc.want) || !strings.Contains(got["2"], `"error"`) || len(got) != 1 {
			t.Errorf("%s: %v, want an error with %s", name, got, tc.want)
		}
	}
	if stolen.Load() {
		t.Error("the key was sent where a redirect led")
	}
	if got := runBridge(t, newBridge(t, "http://127.0.0.1:1", h.A.Key), "not json"); !strings.Contains(got["null"], "-32700") {
		t.Errorf("a line that is no message: %v", got)
	}
}

// TestBridgeLongLine: a message that is too large is refused under its id, wherever
// it stands, and what comes after it is carried.
func TestBridgeLongLine(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	b := newBridge(t, remote(t, h).URL, h.A.Key)
	long := strings.Repeat("x", 3*mcp.MaxBody)
	got := runBridge(t, b,
		`{"jsonrpc":"2.0","id":1,"method":"`+long+`"}`,
		`{"method":"ping","params":{"x":"`+long+`"},"jsonrpc":"2.0","id":"<3>"}`, legacyList)
	for _, id := range []string{"1", `"<3>"`} {
		if !strings.Contains(got[id], "the message is larger than") {
			t.Errorf("answer %s = %s", id, got[id])
		}
	}
	if !strings.Contains(got["2"], "apps_deploy") {
		t.Errorf("what comes after: %v", got)
	}
}

// TestBridgeRestart: a server that is not there yet is waited for.
func TestBridgeRestart(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	first := remote(t, h)
	addr := first.Listener.Addr().String()
	b := newBridge(t, first.URL, h.A.Key)
	if got := runBridge(t, b, legacyList); !strings.Contains(got["2"], "apps_deploy") {
		t.Fatalf("before the restart: %v", got)
	}
	first.Close()
	back := time.AfterFunc(300*time.Millisecond, func() {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", addr)
		if err != nil {
			t.Error(err)
			return
		}
		again := &http.Server{Handler: mcp.Handler(mcp.New(h.Logger), h.Guard, "test", h.Logger), ReadHeaderTimeout: time.Second}
		t.Cleanup(func() { _ = again.Close() })
		_ = again.Serve(ln)
	})
	defer back.Stop()
	if got := runBridge(t, b, legacyList); !strings.Contains(got["2"], "apps_deploy") {
		t.Errorf("after the restart: %v", got)
	}
}

// TestBridgeCancel: a cancelled request hangs up, and is not answered.
func TestBridgeCancel(t *testing.T) {
	arrived, left := make(chan struct{}), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if bytes.Contains(body, []byte("tools/call")) {
			close(arrived)
			<-r.Context().Done()
			close(left)
		}
	}))
	defer srv.Close()
	reads, writes := io.Pipe()
	var out bytes.Buffer
	ended := make(chan error, 1)
	go func() { ended <- newBridge(t, srv.URL, "k").Run(t.Context(), reads, &out) }()
	_, _ = io.WriteString(writes, modernCall+"\n")
	<-arrived
	_, _ = io.WriteString(writes, `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":3}}`+"\n")
	<-left
	_ = writes.Close()
	if err := <-ended; err != nil || out.Len() > 0 {
		t.Errorf("Run = %v, wrote %q; want nothing", err, out.String())
	}
}

func TestNewBridgeRefuses(t *testing.T) {
	for _, bad := range []string{"http://vibn.example.com", "http://10.0.0.1:8080", "https://user:pass@vibn.example.com", "https://vibn.example.com/?key=1", "ftp://127.0.0.1"} {
		u, err := url.Parse(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := mcp.NewBridge(u, secret.NewText("k"), slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("NewBridge(%s) took it", bad)
		}
	}
}
