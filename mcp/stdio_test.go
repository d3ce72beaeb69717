package mcp_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	hello = `{"jsonrpc":"2.0","id":"hello","method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a-client","version":"1"}}}` +
		"\n" + `{"jsonrpc":"2.0","method":"notifications/initialized"}` + "\n"
	ping = `{"jsonrpc":"2.0","id":1,"method":"ping"}`
)

// A stdio is a server on two pipes.
type stdio struct {
	in    *io.PipeWriter
	out   *bufio.Reader
	ended chan error
	stop  context.CancelFunc
}

func (h *house) stdio(t *testing.T, key string) *stdio {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	s := &stdio{in: inWrite, out: bufio.NewReader(outRead), ended: make(chan error, 1), stop: cancel}
	go func() {
		err := mcp.ServeStdio(ctx, h.registry, h.Guard, secret.NewText(key), "test", h.Logger, inRead, outWrite)
		_ = outWrite.Close()
		s.ended <- err
	}()
	t.Cleanup(func() {
		cancel()
		_ = inWrite.Close()
	})
	return s
}

// An answer is a line that the server wrote.
type answer struct {
	ID     any
	Method string
	Result json.RawMessage
	Error  *jsonrpc.Error
}

func (s *stdio) send(t *testing.T, lines string) {
	t.Helper()
	if _, err := io.WriteString(s.in, lines); err != nil {
		t.Fatal(err)
	}
}

func (s *stdio) read(t *testing.T) answer {
	t.Helper()
	line, err := s.out.ReadString('\n')
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	var a answer
	if err := json.Unmarshal([]byte(line), &a); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return a
}

// pipe sends the whole input at once, ends it, and returns the answers by id.
func (h *house) pipe(t *testing.T, key, input string) (map[any]answer, error) {
	t.Helper()
	s := h.stdio(t, key)
	go func() {
		_, _ = io.WriteString(s.in, input) // the server may have ended before
		_ = s.in.Close()
	}()
	answers := map[any]answer{}
	for {
		line, err := s.out.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return answers, <-s.ended
		}
		var a answer
		if err != nil || json.Unmarshal([]byte(line), &a) != nil {
			t.Fatalf("%q: %v", line, err)
		}
		if _, twice := answers[a.ID]; twice && a.ID != nil {
			t.Errorf("id %v is answered twice", a.ID)
		}
		answers[a.ID] = a
	}
}

func toolCall(id, tool, args string) string {
	return fmt.Sprintf(`{"jsonrpc":"2.0","id":%s,"method":"tools/call","params":{"name":%q,"arguments":%s}}`, id, tool, args)
}

// TestStdioEnd: what was asked for is answered although the input has ended, with
// ids of every form, and although the last line lacks its end.
func TestStdioEnd(t *testing.T) {
	h := newHouse(t)
	app := `{"app":"` + h.A.Web.UUID + `"}`
	lines := []string{
		ping, "", " ", `{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"nobody"}}`,
		toolCall("2", "apps_get", app), toolCall(`"2"`, "apps.get", app), toolCall("-3", "apps_list", "{}"), toolCall("0", "envs_list", app),
		toolCall("9007199254740991", "apps_logs", app), toolCall("1e3", "projects_list", "{}"), toolCall("4.0", "apps_list", "{}"), toolCall("5.5", "apps_list", "{}"),
		toolCall(`"a \"quoted\" \u00e9 \\ id"`, "workspace_describe", "{}"), toolCall(`""`, "workspace_describe", "{}"),
		toolCall(`"slow"`, "deployments_wait", `{"deployment":"`+h.A.Done.UUID+`"}`),
		`{"jsonrpc":"2.0","id":"unknown","method":"no/such"}`, `{"jsonrpc":"2.0","id":"undeclared","method":"prompts/list"}`, toolCall(`"tool"`, "no_such", "{}"),
		`{"jsonrpc":"2.0","ID":"a notification","method":"notifications/initialized"}`, `{"jsonrpc":"2.0","id":null,"method":"notifications/initialized"}`,
		`{"jsonrpc":"2.0","id":"an answer","result":{}}`,
		toolCall(`"last"`, "apps_get", app),
	}
	answers, err := h.pipe(t, h.A.Key, hello+strings.Join(lines, "\r\n"))
	if err != nil {
		t.Fatalf("ServeStdio: %v", err)
	}
	for _, id := range []any{"hello", 1.0, 2.0, "2", -3.0, 0.0, 9007199254740991.0, 1000.0, 4.0, `a "quoted" é \ id`, "", "slow", "last"} {
		if a, ok := answers[id]; !ok || a.Error != nil {
			t.Errorf("id %v: %+v", id, a)
		}
	}
	for id, code := range map[any]int64{
		5.5: jsonrpc.CodeInvalidRequest, "unknown": jsonrpc.CodeMethodNotFound, "undeclared": jsonrpc.CodeMethodNotFound, "tool": jsonrpc.CodeInvalidParams,
	} {
		if a := answers[id]; a.Error == nil || a.Error.Code != code {
			t.Errorf("id %v: %+v, want code %d", id, a, code)
		}
	}
	if len(answers) != 17 {
		t.Errorf("%d answers, want 17", len(answers))
	}
}

// TestStdioWaits: the end of the input does not cut a wait short.
func TestStdioWaits(t *testing.T) {
	h := newHouse(t)
	dep := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
	s := h.stdio(t, h.A.Key)
	s.send(t, hello)
	s.read(t)
	s.send(t, strings.Replace(toolCall("1", "deployments_wait", `{"deployment":"`+dep.UUID+`"}`), `"arguments"`, `"_meta":{"progressToken":7},"arguments"`, 1)+"\n")
	if err := s.in.Close(); err != nil {
		t.Fatal(err)
	}
	if a := s.read(t); a.Method != "notifications/progress" {
		t.Fatalf("the wait began with %+v", a)
	}
	h.Sim.Finish(dep.UUID, coolifytest.Finished)
	for {
		a := s.read(t)
		if a.Method == "notifications/progress" {
			continue
		}
		if a.ID != 1.0 || !strings.Contains(string(a.Result), `"done":true`) {
			t.Errorf("the wait ended with %+v", a)
		}
		break
	}
	if err := <-s.ended; err != nil {
		t.Errorf("ServeStdio = %v", err)
	}
}

// TestStdioGarbage: a line that is no message is answered, and the session goes on.
func TestStdioGarbage(t *testing.T) {
	h := newHouse(t)
	for name, tc := range map[string]struct {
		line string
		code int64
		id   any
	}{
		"words":                      {"hello there", jsonrpc.CodeParseError, nil},
		"half a message":             {`{"jsonrpc":"2.0","id":1,`, jsonrpc.CodeParseError, nil},
		"two messages":               {ping + " " + ping, jsonrpc.CodeParseError, nil},
		"bytes":                      {"\x00\xff\xfe", jsonrpc.CodeParseError, nil},
		"a number":                   {"7", jsonrpc.CodeInvalidRequest, nil},
		"a batch":                    {"[" + ping + "]", jsonrpc.CodeInvalidRequest, nil},
		"no version":                 {`{"id":1,"method":"ping"}`, jsonrpc.CodeInvalidRequest, 1.0},
		"an id that is none":         {`{"jsonrpc":"2.0","id":{},"method":"ping"}`, jsonrpc.CodeInvalidRequest, nil},
		"a method that is none":      {`{"jsonrpc":"2.0","id":1,"method":7}`, jsonrpc.CodeInvalidRequest, 1.0},
		"a line that is too long":    {`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", mcp.MaxBody) + `"}}`, jsonrpc.CodeInvalidRequest, 1.0},
		"a long line that is none":   {strings.Repeat("x", 3*mcp.MaxBody), jsonrpc.CodeInvalidRequest, nil},
		"a line of the right length": {`{"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":"` + strings.Repeat("x", mcp.MaxBody-100) + `"}}`, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			answers, err := h.pipe(t, h.A.Key, hello+tc.line+"\n"+toolCall(`"after"`, "apps_get", `{"app":"`+h.A.Web.UUID+`"}`)+"\n")
			if err != nil || answers["after"].Result == nil || answers["hello"].Result == nil {
				t.Errorf("after it: %+v, %v", answers["after"], err)
			}
			if a := answers[tc.id]; tc.code != 0 && (a.Error == nil || a.Error.Code != tc.code) {
				t.Errorf("it is answered with %+v, want code %d", a, tc.code)
			}
			if tc.code == 0 && answers[1.0].Result == nil {
				t.Errorf("it is answered with %+v", answers)
			}
		})
	}
}

// TestStdioDuplicate: an id that is in use is refused, and keeps nobody waiting.
func TestStdioDuplicate(t *testing.T) {
	h := newHouse(t)
	gate := make(chan struct{})
	h.Sim.Fail("GET /applications/{uuid}", coolifytest.Fault{Gate: gate})
	s := h.stdio(t, h.A.Key)
	call := toolCall("1", "apps_get", `{"app":"`+h.A.Web.UUID+`"}`) + "\n"
	go func() {
		_, _ = io.WriteString(s.in, hello+call+call+`{"jsonrpc":"2.0","id":2,"method":"ping"}`)
		_ = s.in.Close()
	}()
	refused, answered := 0, 0
	for range 4 {
		switch a := s.read(t); {
		case a.Error != nil && a.ID == nil:
			refused++
			close(gate)
		case a.Error == nil:
			answered++
		}
	}
	if err := <-s.ended; err != nil || refused != 1 || answered != 3 {
		t.Errorf("%d refused, %d answered, %v; want 1 and 3", refused, answered, err)
	}
}

// TestStdioRevoked: a key that is revoked is refused at the next request.
func TestStdioRevoked(t *testing.T) {
	h := newHouse(t)
	key, id := h.AddKey(t, h.A, "builder", 0)
	s := h.stdio(t, key)
	s.send(t, hello)
	s.read(t)
	s.send(t, ping+"\n")
	if a := s.read(t); a.Error != nil {
		t.Fatalf("before: %+v", a)
	}
	if err := h.Operator.RevokeKey(t.Context(), h.A.Workspace, id); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{ping, `{"jsonrpc":"2.0","id":2,"method":"tools/list"}`, toolCall("3", "apps_list", "{}")} {
		s.send(t, line+"\n")
		a := s.read(t)
		var f mcp.Failure
		if a.Error == nil || a.Error.Code != 401 || json.Unmarshal(a.Error.Data, &f) != nil || f.Code != "unauthorized" {
			t.Errorf("%s: %+v", line, a)
		}
	}
	if err := s.in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-s.ended; err != nil {
		t.Errorf("ServeStdio = %v", err)
	}
}

// TestStdioStop: when the program is told to end, it does, whatever is in flight.
func TestStdioStop(t *testing.T) {
	h := newHouse(t)
	idle := h.stdio(t, h.A.Key)
	idle.send(t, hello)
	idle.read(t)
	idle.stop()
	if err := <-idle.ended; err != nil {
		t.Errorf("ServeStdio, idle = %v", err)
	}
	busy := h.stdio(t, h.A.Key)
	dep := h.Sim.AddDeployment(h.A.Web.UUID, coolifytest.Deployment{Status: coolifytest.InProgress})
	busy.send(t, hello)
	busy.read(t)
	busy.send(t, strings.Replace(toolCall("1", "deployments_wait", `{"deployment":"`+dep.UUID+`"}`), `"arguments"`, `"_meta":{"progressToken":7},"arguments"`, 1)+"\n")
	busy.read(t)
	busy.stop()
	go func() { _, _ = io.Copy(io.Discard, busy.out) }()
	if err := <-busy.ended; err != nil {
		t.Errorf("ServeStdio, busy = %v", err)
	}
	if strings.Contains(h.Log.String(), `"outcome":"ok"`) { // by itself the wait ends well, after 45 seconds
		t.Errorf("the server waited for what was in flight\n%s", h.Log)
	}
}

// TestStdioClient has a client that we did not write over a pipe.
func TestStdioClient(t *testing.T) {
	h := newHouse(t)
	inRead, inWrite := io.Pipe()
	outRead, outWrite := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- mcp.ServeStdio(t.Context(), h.registry, h.Guard, secret.NewText(h.A.Key), "test", h.Logger, inRead, outWrite)
	}()
	client := sdk.NewClient(&sdk.Implementation{Name: "a-client", Version: "1.0"}, nil)
	session, err := client.Connect(t.Context(), &sdk.IOTransport{Reader: outRead, Writer: inWrite}, nil)
	if err != nil {
		t.Fatal(err)
	}
	list, err := session.ListTools(t.Context(), nil)
	deletes := func(tool mcp.Tool) bool { return tool.Needs == tenancy.Danger } // a builder is not shown those
	if err != nil || len(list.Tools) != len(slices.DeleteFunc(h.registry.Tools(), deletes)) {
		t.Fatalf("ListTools = %v, %v", list, err)
	}
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: "apps_get", Arguments: map[string]any{"app": h.A.Web.UUID}})
	if err != nil || res.IsError {
		t.Fatalf("apps_get: %v, %v", res, err)
	}
	got, _ := res.StructuredContent.(map[string]any)
	if diff := cmp.Diff(h.A.Web.UUID, got["uuid"]); diff != "" {
		t.Errorf("apps_get (-want +got)\n%s", diff)
	}
	if err := session.Close(); err != nil {
		t.Errorf("Close = %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("ServeStdio = %v", err)
	}
}
