package tenancy_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

const hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a-client","version":"1"}}}` +
	"\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"

// askFor is a message that calls a tool and asks for progress.
func askFor(tool, property, id string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":"asked","method":"tools/call","params":{"name":%q,"arguments":{%q:%q},"_meta":{"progressToken":1}}}`+"\n", tool, property, id)
}

// A visit opens a client at a door. What it asks, one message after the other, it
// gets all that it is told for.
type visit func(t *testing.T, h *tenancytest.House, key string) (ask func(message string) (told <-chan string))

// overHTTP sends requests to /mcp, which are answered with a stream of events.
func overHTTP(t *testing.T, h *tenancytest.House, key string) func(string) <-chan string {
	handler := sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: mcp.New(h.Logger), PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"},
		Ready: func(context.Context) error { return nil }, Version: "test", Log: h.Logger,
	})
	return func(message string) <-chan string {
		req := httptest.NewRequestWithContext(t.Context(), "POST", "https://vibn.example.com/mcp", strings.NewReader(message))
		req.Header.Set("Authorization", "Bearer "+key)
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Accept", "application/json, text/event-stream")
		told := make(chan string, 1)
		go func() {
			rec := httptest.NewRecorder()
			handler.ServeHTTP(rec, req)
			told <- rec.Body.String()
		}()
		return told
	}
}

// overStdio opens a session on two pipes.
func overStdio(t *testing.T, h *tenancytest.House, key string) func(string) <-chan string {
	in, client := io.Pipe()
	server, out := io.Pipe()
	go func() {
		_ = mcp.ServeStdio(t.Context(), mcp.New(h.Logger), h.Guard, secret.NewText(key), "test", h.Logger, in, out)
		_ = out.Close()
	}()
	t.Cleanup(func() { _ = client.Close() })
	lines := bufio.NewScanner(server)
	go func() { _, _ = io.WriteString(client, hello) }()
	lines.Scan() // the answer to it
	return func(message string) <-chan string {
		told := make(chan string, 1)
		go func() {
			_, _ = io.WriteString(client, message)
			var all strings.Builder
			for !strings.Contains(all.String(), `"id":"asked"`) && lines.Scan() {
				all.WriteString(lines.Text() + "\n")
			}
			told <- all.String()
		}()
		return told
	}
}

// checkRefused looks for the refusal that a client was told, and that it was
// told nothing else of the workspace after so many notifications.
func checkRefused(t *testing.T, what, told string, progress int, want tenancy.Code) {
	t.Helper()
	inResult, inError := `\"code\":\"`+string(want)+`\"`, `"code":"`+string(want)+`"`
	if !strings.Contains(told, inResult) && !strings.Contains(told, inError) {
		t.Errorf("%s: %s, want %q", what, told, want)
	}
	if n := strings.Count(told, `"notifications/progress"`); n != progress || strings.Contains(told, "canary") || strings.Contains(told, "structuredContent") {
		t.Errorf("%s: %s, want %d notifications and nothing else", what, told, progress)
	}
}

// TestRevocationAtTheDoors ends a key's rights while it waits, with progress,
// and between two of its calls.
func TestRevocationAtTheDoors(t *testing.T) {
	t.Parallel()
	for name, through := range map[string]visit{"http": overHTTP, "stdio": overStdio} {
		for _, e := range endings {
			if e.member { // they have no key
				continue
			}
			t.Run(name+"/"+e.name, func(t *testing.T) {
				t.Parallel()
				l := newLevers()
				inBubble(t, world{wrap: l.wrap, now: l.now}, func(t *testing.T, h *tenancytest.House) {
					h.A.Key, h.A.KeyID = h.AddKey(t, h.A, "builder", keyLife)
					id, began := addRunning(h, h.A.Web), time.Now()
					ask := through(t, h, h.A.Key)
					if told := <-ask(askFor("apps_get", "app", h.A.Web.UUID)); !strings.Contains(told, h.A.Canary) {
						t.Fatalf("before the end: %s", told)
					}
					wait := ask(askFor("deployments_wait", "deployment", id))
					pass(time.Second)
					e.end(t, h, l, h.A, tenancy.Read)
					h.Sim.Finish(id, coolifytest.Finished)
					checkRefused(t, "the wait in flight", <-wait, 1, e.want)
					if took := since(began); took != tick {
						t.Errorf("the wait in flight ended after %v, want the next poll", took)
					}
					h.Sim.Reset()
					checkRefused(t, "the next call", <-ask(askFor("apps_get", "app", h.A.Web.UUID)), 0, e.want)
					if ops := h.Requests(); len(ops) > 0 {
						t.Errorf("the next call asked Coolify: %v", ops)
					}
				})
			})
		}
	}
}
