package sidecar_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// bearer adds a key to each request.
type bearer struct {
	key  string
	next http.RoundTripper
}

func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+b.key)
	return b.next.RoundTrip(r)
}

// connect opens a session of the SDK's own client; told gets its progress.
func (s *server) connect(t *testing.T, key string, told chan<- *sdk.ProgressNotificationParams) (*sdk.ClientSession, error) {
	t.Helper()
	client := sdk.NewClient(&sdk.Implementation{Name: "a-client", Version: "1.0"}, &sdk.ClientOptions{
		ProgressNotificationHandler: func(_ context.Context, r *sdk.ProgressNotificationClientRequest) {
			select {
			case told <- r.Params:
			default: // the test has seen enough
			}
		},
	})
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: s.url + "/mcp", HTTPClient: &http.Client{Transport: bearer{key, s.client.Transport}},
	}, nil)
	if err == nil {
		t.Cleanup(func() { _ = session.Close() })
	}
	return session, err
}

// TestClient has a client that we did not write list and call the tools.
func TestClient(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	owner, _ := s.AddKey(t, s.A, "owner", 0)
	session, err := s.connect(t, owner, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := session.ListTools(t.Context(), nil)
	if err != nil || len(list.Tools) != len(s.registry.Tools()) {
		t.Fatalf("ListTools = %v, %v", list, err)
	}
	if hello := session.InitializeResult(); !strings.Contains(hello.Instructions, "apps_deploy") || hello.ServerInfo.Name != "vibn-mcp" {
		t.Errorf("the server says hello with %+v", hello)
	}
	for _, name := range []string{"apps_get", "apps.get"} {
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: name, Arguments: map[string]any{"app": s.A.Web.UUID}})
		if err != nil || res.IsError {
			t.Fatalf("%s: %v, %v", name, res, err)
		}
		if app, _ := res.StructuredContent.(map[string]any); app["uuid"] != s.A.Web.UUID {
			t.Errorf("%s = %v", name, res.StructuredContent)
		}
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "apps_get", Arguments: map[string]any{"app": nobody}})
	if err != nil || !res.IsError || res.StructuredContent != nil {
		t.Fatalf("nobody's app: %v, %v", res, err)
	}
	var f failure
	if text, ok := res.Content[0].(*sdk.TextContent); !ok || json.Unmarshal([]byte(text.Text), &f) != nil || f.Code != tenancy.NotFound || f.Hint == "" {
		t.Errorf("nobody's app: %+v", f)
	}
	_, err = session.CallTool(t.Context(), &sdk.CallToolParams{Name: "no_such"})
	if e, ok := errors.AsType[*jsonrpc.Error](err); !ok || e.Code != jsonrpc.CodeInvalidParams {
		t.Errorf("no such tool: %v", err)
	}
	if _, err := session.ListPrompts(t.Context(), nil); err == nil {
		t.Error("the server lists prompts")
	}
	if _, err := session.ListTools(t.Context(), nil); err != nil {
		t.Errorf("after the errors: %v", err)
	}
	if log := s.Log.String(); !strings.Contains(log, `"client":"a-client 1.0"`) {
		t.Errorf("the log does not name the client: %s", log)
	}
}

// TestClientRefused: without a good key a client gets nothing, also later.
func TestClientRefused(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	if _, err := s.connect(t, "rubbish", nil); err == nil || !strings.Contains(err.Error(), "Unauthorized") {
		t.Errorf("Connect with rubbish: %v", err)
	}
	key, id := s.AddKey(t, s.A, "viewer", 0)
	session, err := s.connect(t, key, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Operator.RevokeKey(t.Context(), s.A.Workspace, id); err != nil {
		t.Fatal(err)
	}
	if _, err := session.ListTools(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "Unauthorized") {
		t.Errorf("ListTools with a key revoked meanwhile: %v", err)
	}
}

// TestClientProgress: a client that asks for it hears of a wait, with a number
// that rises.
func TestClientProgress(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	told := make(chan *sdk.ProgressNotificationParams, 100)
	session, err := s.connect(t, s.A.Key, told)
	if err != nil {
		t.Fatal(err)
	}
	dep := s.Sim.AddDeployment(s.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
	type outcome struct {
		res *sdk.CallToolResult
		err error
	}
	ended := make(chan outcome, 1)
	go func() {
		params := &sdk.CallToolParams{Name: "deployments_wait", Arguments: map[string]any{"deployment": dep.UUID}}
		params.SetProgressToken("token-7")
		res, err := session.CallTool(t.Context(), params)
		ended <- outcome{res, err}
	}()
	last := 0.0
	for range 3 {
		p := <-told
		if p.ProgressToken != "token-7" || p.Progress <= last || !strings.Contains(p.Message, dep.UUID) {
			t.Errorf("told %+v after %v", p, last)
		}
		last = p.Progress
	}
	s.Sim.Finish(dep.UUID, coolifytest.Finished)
	if o := <-ended; o.err != nil || o.res.IsError || o.res.StructuredContent.(map[string]any)["done"] != true {
		t.Errorf("the wait came to %v, %v", o.res, o.err)
	}
}

// TestClientCancels: who hangs up ends the call on the server too. The workspace
// may wait once, so that another wait shows whether the first has ended.
func TestClientCancels(t *testing.T) {
	budget := tenancytest.Unlimited()
	budget.Waits = 1
	s := newServer(t, tenancytest.Config{Budget: budget})
	told := make(chan *sdk.ProgressNotificationParams, 1)
	session, err := s.connect(t, s.A.Key, told)
	if err != nil {
		t.Fatal(err)
	}
	dep := s.Sim.AddDeployment(s.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		params := &sdk.CallToolParams{Name: "deployments_wait", Arguments: map[string]any{"deployment": dep.UUID}}
		params.SetProgressToken("t")
		_, err := session.CallTool(ctx, params)
		ended <- err
	}()
	<-told
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("the call came to %v", err)
	}
	for { // by itself the first wait ends after 45 seconds, and otherwise
		r := s.ask(t, question{path: "/api/workspaces/" + s.A.Slug + "/deployments/" + s.A.Done.UUID + "/wait", key: s.A.Key})
		if r.status == http.StatusOK {
			break
		}
		if r.status != http.StatusTooManyRequests {
			t.Fatalf("another wait: %d %s", r.status, r.body)
		}
	}
	if !strings.Contains(s.Log.String(), context.Canceled.Error()) {
		t.Errorf("the wait that nobody wants went on to its end\n%s", s.Log)
	}
}
