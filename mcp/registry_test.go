package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	wireName  = regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	routeForm = regexp.MustCompile(`^(GET|POST|PATCH|DELETE) (/|(/[a-z]+(-[a-z]+)*|/\{[a-z]+\})+)$`)
)

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}

// revealing is the one tool that only shows something and still needs more than
// the right to read: what it shows opens the repositories. So it is audited, and
// no client may take it for one that can be called unasked.
const revealing = "gitea.credentials"

// TestRevealing holds what makes that one GET different from the others.
func TestRevealing(t *testing.T) {
	h := newHouse(t)
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	tools, _ := h.list(t, owner)
	for _, tool := range h.registry.Tools() {
		if tool.Name == revealing && (tool.Needs != tenancy.Git || !slices.Equal(tool.Keep, []string{"reveal"}) || tool.Destructive) {
			t.Errorf("%+v: want the right git, and the wish to reveal kept", tool)
		}
	}
	i := slices.IndexFunc(tools, func(l listing) bool { return l.Name == "gitea_credentials" })
	if i < 0 || tools[i].Annotations["readOnlyHint"] != false {
		t.Errorf("gitea_credentials is listed as what only reads: %v", tools)
	}
	for args, kept := range map[string]string{`{}`: `{"reveal":false}`, `{"reveal":true}`: `{"reveal":true}`} {
		out, err := h.call(t, revealing, args)
		if err != nil || strings.Contains(string(out), `"token"`) != strings.Contains(args, "true") {
			t.Errorf("%s: %s, %v", args, out, err)
		}
		entries, err := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Tool: revealing, Limit: 1})
		if err != nil || len(entries) != 1 || entries[0].Args != kept || entries[0].Outcome != "ok" || entries[0].Principal != "key:"+h.A.KeyID {
			t.Errorf("%s: on record: %+v, %v", args, entries, err)
		}
	}
}

// TestTools: what is said of every tool holds for every client that we know of.
func TestTools(t *testing.T) {
	h := newHouse(t)
	routes, names := map[string]string{}, map[string]bool{}
	for _, tool := range h.registry.Tools() {
		if name := tool.WireName(); !wireName.MatchString(name) || len(name) > 45 || names[name] {
			t.Errorf("WireName of %s = %q: not a name that every client takes, too long, or there twice", tool.Name, name)
		}
		names[tool.WireName()] = true
		if !routeForm.MatchString(tool.Route) {
			t.Errorf("%s: route %q does not match %s", tool.Name, tool.Route, routeForm)
		}
		if other, twice := routes[tool.Route]; twice {
			t.Errorf("%s and %s have one route: %s", tool.Name, other, tool.Route)
		}
		routes[tool.Route] = tool.Name
		if !isASCII(tool.Title) || !isASCII(tool.Description) || len(tool.Description) > 400 || len(tool.Title) > 60 {
			t.Errorf("%s: title or description is not ASCII or too long: %q %q", tool.Name, tool.Title, tool.Description)
		}
		if strings.Count(tool.Needs.String(), ",") > 0 || tool.Needs == 0 {
			t.Errorf("%s needs %q, want one right", tool.Name, tool.Needs)
		}
		if reads := strings.HasPrefix(tool.Route, "GET "); reads != (tool.Needs == tenancy.Read || tool.Name == revealing) {
			t.Errorf("%s: route %q, needs %s: only what reads is a GET", tool.Name, tool.Route, tool.Needs)
		}
		if tool.Needs == tenancy.Read && (tool.Destructive || tool.Keep != nil) {
			t.Errorf("%s only reads, but destroys or is audited", tool.Name)
		}
	}
}

// TestListings compares what each tool costs every user for ever with what is
// on record.
func TestListings(t *testing.T) {
	h := newHouse(t)
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	tools, _ := h.list(t, owner)
	golden := map[string]bool{}
	for _, tool := range tools {
		path := filepath.Join("testdata", "tools", tool.Name+".json")
		golden[path] = true
		checkGolden(t, path, tool.raw)
		want := []string{"destructiveHint", "idempotentHint", "openWorldHint", "readOnlyHint", "title"}
		if got := slices.Sorted(maps.Keys(tool.Annotations)); !slices.Equal(got, want) {
			t.Errorf("%s: annotations %v, want %v", tool.Name, got, want)
		}
		if tool.OutputSchema != nil || tool.Title == "" || tool.Annotations["title"] != tool.Title {
			t.Errorf("%s: lists an output schema, or has no title: %s", tool.Name, tool.raw)
		}
		if tool.Annotations["readOnlyHint"] == true && tool.Annotations["destructiveHint"] != false {
			t.Errorf("%s reads only, and destroys", tool.Name)
		}
	}
	files, err := filepath.Glob(filepath.Join("testdata", "tools", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !golden[f] {
			t.Errorf("%s is of no tool", f)
		}
	}
}

func checkGolden(t *testing.T, path string, raw []byte) {
	t.Helper()
	var got bytes.Buffer
	if err := json.Indent(&got, raw, "", "  "); err != nil {
		t.Fatal(err)
	}
	got.WriteByte('\n')
	if *update {
		if err := os.WriteFile(path, got.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./mcp -update makes it", err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got); go test ./mcp -update writes it anew\n%s", path, diff)
	}
}

// TestListPerPreset: a key sees what it may use, and the whole list stays small.
func TestListPerPreset(t *testing.T) {
	h := newHouse(t)
	reads := []string{
		"activity_list", "apps_deployments", "apps_diagnose", "apps_get", "apps_list", "apps_logs", "databases_get", "databases_list", "deployments_get",
		"deployments_logs", "deployments_wait", "domains_list", "envs_list", "projects_get", "projects_list", "workspace_describe",
	}
	deploys := append([]string{"apps_control", "apps_deploy", "apps_rollback", "deployments_cancel"}, reads...)
	writes := append([]string{
		"apps_create", "apps_update", "databases_create", "domains_set", "envs_delete", "envs_upsert", "gitea_credentials", "projects_create",
	}, deploys...)
	all := append([]string{"apps_delete", "databases_delete"}, writes...)
	for preset, want := range map[string][]string{"viewer": reads, "deployer": deploys, "builder": writes, "owner": all} {
		key, _ := h.AddKey(t, h.A, preset, 0)
		tools, size := h.list(t, key)
		var got []string
		for _, tool := range tools {
			got = append(got, tool.Name)
		}
		slices.Sort(want)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s is shown (-want +got)\n%s", preset, diff)
		}
		t.Logf("%s: %d tools, %d bytes", preset, len(tools), size)
		if len(tools) > 30 || size > 24_000 {
			t.Errorf("%s is shown %d tools in %d bytes, want at most 30 in 24000", preset, len(tools), size)
		}
	}
}

// TestCallWithoutRight: what is not listed is refused, with the right's name.
func TestCallWithoutRight(t *testing.T) {
	h := newHouse(t)
	key, _ := h.AddKey(t, h.A, "viewer", 0)
	scope, err := h.Guard.OpenKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range h.registry.Tools() {
		if tool.Needs == tenancy.Read {
			continue
		}
		_, err := h.registry.Call(t.Context(), scope, mcp.Request{Tool: tool.Name, Args: json.RawMessage(`{"rubbish":1}`)})
		if f := mcp.FailureOf(err); f.Code != tenancy.Forbidden || !strings.Contains(f.Message, `"`+tool.Needs.String()+`"`) {
			t.Errorf("%s: %+v, want forbidden for want of %q", tool.Name, f, tool.Needs)
		}
	}
	if ops := h.Requests(); len(ops)+len(h.Git.Requests()) > 0 {
		t.Errorf("Coolify was asked %v, Gitea %v", ops, h.Git.Requests())
	}
}

type testIn struct{}

// addTest adds a tool that only the test has.
func addTest(h *house, name string, fn mcp.Func[testIn, any]) {
	mcp.Add(h.registry, mcp.Tool{
		Name: name, Route: "POST /" + name, Needs: tenancy.Deploy, Title: "A test", Description: "Of a test.",
	}, fn)
}

// TestPanic: a panic in a tool ends the call only, and what it was about is in no
// answer, log or audit entry.
func TestPanic(t *testing.T) {
	h := newHouse(t)
	const value = "panic-value-0123456789"
	addTest(h, "test.panic", func(context.Context, *tenancy.Scope, testIn) (any, error) { panic(value) })
	addTest(h, "test.nil", func(_ context.Context, s *tenancy.Scope, _ testIn) (any, error) {
		var nothing *hosting.App
		return nothing.Info(), s.Admit()
	})
	for _, tool := range []string{"test.panic", "test.nil"} {
		_, err := h.call(t, tool, "{}")
		f := mcp.FailureOf(err)
		if f.Code != tenancy.Internal || strings.Contains(string(f.JSON()), value) {
			t.Errorf("%s: %s, want internal without the value", tool, f.JSON())
		}
	}
	if _, err := h.call(t, "apps.list", ""); err != nil {
		t.Errorf("the next call: %v", err)
	}
	if log := h.Log.String(); strings.Contains(log, value) || !strings.Contains(log, `"tool panicked"`) || !strings.Contains(log, `"outcome":"internal"`) {
		t.Errorf("the log shows the value, or not the panic: %s", log)
	}
	entries, err := h.DB.Audit(t.Context(), h.A.ID, tenancy.AuditQuery{Principal: "key:" + h.A.KeyID, Limit: 10})
	if err != nil || len(entries) != 2 || entries[0].Outcome != "internal" {
		t.Errorf("Audit = %+v, %v, want two that ended internal", entries, err)
	}
}

// TestMaxAnswer: an answer that is too large is refused and not cut.
func TestMaxAnswer(t *testing.T) {
	h := newHouse(t)
	for size, want := range map[int]tenancy.Code{mcp.MaxAnswer - 2: "", mcp.MaxAnswer - 1: tenancy.Invalid} {
		name := "test.size" + strings.Repeat("x", len(want))
		addTest(h, name, func(context.Context, *tenancy.Scope, testIn) (any, error) { return strings.Repeat("<", size), nil })
		out, err := h.call(t, name, "{}")
		if err == nil && len(out) > mcp.MaxAnswer || err != nil && mcp.FailureOf(err).Code != want || (err == nil) != (want == "") {
			t.Errorf("an answer of %d bytes: %d bytes, %v", size+2, len(out), err)
		}
	}
}

// TestAddTwice: a mistake in the program shows at its start.
func TestAddTwice(t *testing.T) {
	fn := func(context.Context, *tenancy.Scope, testIn) (any, error) { return struct{}{}, nil }
	whole := mcp.Tool{Name: "test.one", Route: "GET /test", Needs: tenancy.Read, Title: "One", Description: "One."}
	for name, broken := range map[string]func(*mcp.Tool){
		"a name that is taken": func(tool *mcp.Tool) { tool.Name = "apps.list" },
		"no title":             func(tool *mcp.Tool) { tool.Title = "" },
		"no description":       func(tool *mcp.Tool) { tool.Description = "" },
		"no route":             func(tool *mcp.Tool) { tool.Route = "" },
		"no right":             func(tool *mcp.Tool) { tool.Needs = 0 },
	} {
		tool := whole
		broken(&tool)
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("Add took a tool with %s", name)
				}
			}()
			mcp.Add(mcp.New(slog.New(slog.DiscardHandler)), tool, fn)
		}()
	}
}
