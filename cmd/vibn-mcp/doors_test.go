package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// What a world has, the same in each.
const (
	worldSlug    = "alpha"
	worldApp     = "aaaaaaaaaaaaaaaaaaaaaaaa"
	worldDone    = "dddddddddddddddddddddddd" // a deployment that has ended
	worldData    = "bbbbbbbbbbbbbbbbbbbbbbbb" // a database
	worldProject = "vibn-alpha/web"
	worldCommit  = "2222222222222222222222222222222222222222" // of the newest deployment
	worldApps    = "apps.example.net"                         // where apps get their names
	worldNobody  = "zzzzzzzzzzzzzzzzzzzzzzzz"
)

// A world is a Coolify, a Gitea, a database and two keys. Each door has one of its own, so
// that a call finds what it would find had it come first through this door.
type world struct {
	sim  *coolifytest.Server
	home string // uuid of its environment
	env  map[string]string
	keys map[string]string // by preset
	url  string            // of its server, if it has one
}

// quickCoolify builds in no time: a build, or a deletion, is over at the next request,
// so that no answer depends on how fast the machine is.
func quickCoolify() *coolifytest.Server {
	return coolifytest.New(coolifytest.Config{BuildTime: time.Nanosecond, RateLimit: -1})
}

func newWorld(t *testing.T, database string, sim *coolifytest.Server) *world {
	t.Helper()
	do := func(env map[string]string, args ...string) string { return must(t, env, args...) }
	return newWorldBy(t, database, sim, do)
}

// newWorldBy makes a world with do, which runs the program to a good end.
func newWorldBy(
	t *testing.T, database string, sim *coolifytest.Server, do func(env map[string]string, args ...string) string,
) *world {
	t.Helper()
	env, stop := serveCoolify(sim, sim)
	t.Cleanup(stop)
	w := &world{sim: sim, env: env, keys: map[string]string{}}
	git := giteatest.New(giteatest.Config{RequireSignIn: true})
	gitServer := httptest.NewServer(git)
	t.Cleanup(func() {
		gitServer.Close()
		if err := git.Close(); err != nil {
			t.Error(err)
		}
	})
	env["GITEA_API_URL"], env["GITEA_API_TOKEN"] = gitServer.URL, git.AdminToken("all")
	env["VIBN_APP_DOMAIN"] = worldApps
	env["VIBN_DATA_DIR"], env["COOLIFY_SERVER_UUID"] = t.TempDir(), sim.Hosts()[0].UUID
	if database == "postgres" {
		env["DATABASE_URL"] = storetest.Postgres(t)
	}
	project := sim.AddProject(worldSlug)
	w.home = project.Environments[0].UUID
	w.addApp()
	do(env, "workspace", "create", worldSlug, "--coolify-project", project.UUID,
		"--coolify-server-uuid", sim.Hosts()[0].UUID, "--wait")
	for _, preset := range []string{"owner", "viewer"} {
		w.keys[preset] = do(env, "key", "create", worldSlug, "--preset", preset)
	}
	owner := maps.Clone(env)
	owner["VIBN_API_KEY"] = w.keys["owner"]
	do(owner, "call", "projects.create", "--name", path.Base(worldProject))
	return w
}

func (w *world) addApp() {
	w.sim.AddApp(w.home, coolifytest.App{
		UUID: worldApp, Name: "web", GitRepository: "git@git.example.com:" + worldProject + ".git", Logs: "hello\n",
	})
	w.sim.AddDeployment(worldApp, coolifytest.Deployment{Status: coolifytest.Finished, Commit: strings.Repeat("1", 40)})
	w.sim.AddDeployment(worldApp, coolifytest.Deployment{
		UUID: worldDone, Status: coolifytest.Finished, Commit: worldCommit, Logs: []coolifytest.LogLine{{Output: "built"}},
	})
}

// settle ends what runs, so that what a call finds is no matter of time; nor is
// what runs then.
func (w *world) settle() {
	w.sim.FinishDeletions()
	if _, there := w.sim.App(worldApp); !there {
		w.addApp()
	}
	begun := false
	for _, d := range w.sim.Deployments(worldApp) {
		if d.FinishedAt == nil {
			w.sim.Finish(d.UUID, coolifytest.Finished)
		}
		begun = d.Commit != worldCommit
	}
	if begun {
		w.sim.AddDeployment(worldApp, coolifytest.Deployment{Status: coolifytest.Finished, Commit: worldCommit})
	}
	w.sim.SetApp(worldApp, func(a *coolifytest.App) { a.Status = "running:healthy" })
	w.sim.FinishDeletions()
	if !slices.ContainsFunc(w.sim.Databases(), func(d coolifytest.Database) bool { return d.UUID == worldData }) {
		w.sim.AddDatabase(w.home, coolifytest.Database{UUID: worldData, Name: "web"})
	}
}

// serve puts the program together as serve does, on a budget that a thousand calls
// do not reach.
func (w *world) serve(t *testing.T, log *slog.Logger) {
	t.Helper()
	p := &program{stderr: t.Output(), flags: pflag.NewFlagSet("serve", pflag.ContinueOnError)}
	cfg, err := readConfig(func(name string) string { return w.env[name] }, p.flags, serveCommand)
	if err != nil {
		t.Fatal(err)
	}
	p.cfg = cfg
	db, err := p.openStore(t.Context(), func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	gc, err := cfg.tenancy(log)
	if err != nil {
		t.Fatal(err)
	}
	gc.Store = db
	gc.Budget, gc.PollEvery = tenancytest.Unlimited(), 5*time.Millisecond
	guard, err := tenancy.NewGuard(gc)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h := &server{db: db, guard: guard, provisioner: provision.New(gc, db, db, guard.Reserve()), registry: mcp.New(log), log: log, stopGreeting: func() {}}
	public := &url.URL{Scheme: "http", Host: ln.Addr().String()}
	w.url = public.String()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- h.serve(ctx, ln, public, nil) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.close()
	})
}

// A verdict is what a call came to, whatever door it came through.
type verdict struct {
	Fields []string // of the answer; nil = it failed
	mcp.Failure
}

func answered(t *testing.T, raw string) verdict {
	t.Helper()
	var answer map[string]json.RawMessage
	if err := json.Unmarshal([]byte(raw), &answer); err != nil || answer == nil {
		t.Fatalf("%q is no answer (%v)", raw, err)
	}
	return verdict{Fields: slices.Sorted(maps.Keys(answer))}
}

func failed(t *testing.T, raw string) verdict {
	t.Helper()
	var v verdict
	if err := json.Unmarshal([]byte(raw), &v.Failure); err != nil || v.Code == "" || v.Message == "" {
		t.Fatalf("%q is no failure (%v)", raw, err)
	}
	return v
}

// A trial is one call of a tool, to be made through every door.
type trial struct {
	op   *operation
	args map[string]any
	key  string // the preset
}

func (tr trial) String() string {
	raw, err := json.Marshal(tr.args)
	return fmt.Sprintf("%s of %s with %.300s %v", tr.op.tool.Name, tr.key, raw, err)
}

func (tr trial) json(t *testing.T) string {
	t.Helper()
	raw, err := json.Marshal(tr.args)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// A door carries a call and tells its verdict.
type door func(t *testing.T, w *world, x trial) verdict

// overMCP sends the call to the server's /mcp. The text and the structured content
// say the same, and of a failure there is text alone.
func overMCP(t *testing.T, w *world, x trial) verdict {
	t.Helper()
	status, raw, err := call(t.Context(), w.keys[x.key], http.MethodPost, w.url+"/mcp",
		`{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"`+x.op.tool.WireName()+`","arguments":`+x.json(t)+`}}`)
	if err != nil {
		t.Fatal(err)
	}
	var m struct {
		Result struct {
			IsError           bool
			Content           []struct{ Type, Text string }
			StructuredContent json.RawMessage
		}
		Error *struct{ Data json.RawMessage }
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatalf("%v: %s", x, raw)
	}
	if m.Error != nil {
		return failed(t, string(m.Error.Data))
	}
	if status != http.StatusOK || len(m.Result.Content) != 1 || m.Result.Content[0].Type != "text" || m.Result.IsError != (m.Result.StructuredContent == nil) {
		t.Fatalf("%v: %d %s", x, status, raw)
	}
	text := m.Result.Content[0].Text
	if m.Result.IsError {
		return failed(t, text)
	}
	if diff := cmp.Diff(decoded(t, text), decoded(t, string(m.Result.StructuredContent))); diff != "" {
		t.Errorf("%v: text and structured content differ:\n%s", x, diff)
	}
	return answered(t, text)
}

func decoded(t *testing.T, raw string) (v any) {
	t.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// overREST sends the call to the tool's twin, as the OpenAPI document has it.
func overREST(t *testing.T, w *world, x trial) verdict {
	t.Helper()
	method, path, body := x.op.request(t, x.args)
	status, raw, err := call(t.Context(), w.keys[x.key], method, w.url+path, body)
	if err != nil {
		t.Fatal(err)
	}
	if status == http.StatusOK {
		return answered(t, string(raw))
	}
	v := failed(t, string(raw))
	if status != v.Code.HTTPStatus() {
		t.Errorf("%v: %d %s", x, status, raw)
	}
	return v
}

// byCommand calls the tool from the command line: on the world's server, or in this
// process. Arguments are flags where flags can say them.
func byCommand(t *testing.T, w *world, x trial) verdict {
	t.Helper()
	env := maps.Clone(w.env)
	if w.url != "" {
		env = map[string]string{"VIBN_URL": w.url}
	}
	env["VIBN_API_KEY"] = w.keys[x.key]
	args, in := []string{"call", x.op.tool.Name, "--json"}, ""
	if flags, ok := x.op.flags(x.args); ok {
		args = append(args, flags...)
	} else {
		args, in = append(args, "--args", "-"), x.json(t)
	}
	var stdout, stderr bytes.Buffer
	status := run(t.Context(), args, func(name string) string { return env[name] }, strings.NewReader(in), &stdout, &stderr)
	switch {
	case status == 0 && stderr.Len() == 0:
		return answered(t, stdout.String())
	case status == 1 && stdout.Len() == 0 && strings.Count(stderr.String(), "\n") == 1:
		return failed(t, stderr.String())
	}
	t.Fatalf("%v: %q: status %d\n%s%s", x, args, status, &stdout, &stderr)
	return verdict{}
}

// TestDoorsAgree: MCP, REST and the command line, in this process and against a
// server, come to the same verdict on every tool, with the same code and words.
func TestDoorsAgree(t *testing.T) {
	doors := map[string]door{"call": byCommand, "call to a server": byCommand, "MCP": overMCP, "REST": overREST}
	trials := allTrials(t)
	verdicts := map[string][]verdict{}
	for name := range doors {
		verdicts[name] = make([]verdict, len(trials))
	}
	t.Run("doors", func(t *testing.T) {
		for name, door := range doors {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, "sqlite", quickCoolify())
				if name != "call" { // SQLite serves one process
					w.serve(t, slog.New(slog.DiscardHandler))
				}
				for i, x := range trials {
					w.settle()
					verdicts[name][i] = door(t, w, x)
				}
			})
		}
	})
	seen := map[string]map[tenancy.Code]int{}
	for i, x := range trials {
		want := verdicts["MCP"][i]
		for name := range doors {
			if diff := cmp.Diff(want, verdicts[name][i]); diff != "" {
				t.Errorf("%v: %s differs (-MCP +%s)\n%s", x, name, name, diff)
			}
		}
		if seen[x.op.tool.Name] == nil {
			seen[x.op.tool.Name] = map[tenancy.Code]int{}
		}
		seen[x.op.tool.Name][want.Code]++
	}
	for _, tool := range toolRegistry().Tools() {
		got := seen[tool.Name]
		if got[""]+got[tenancy.Conflict] == 0 || got[tenancy.Invalid] == 0 || got[tenancy.Internal] > 0 || (tool.Needs != tenancy.Read) != (got[tenancy.Forbidden] > 0) {
			t.Errorf("%s: verdicts %v, want good ones and bad ones of every kind", tool.Name, got)
		}
	}
	t.Logf("%d calls through each of %d doors: %v", len(trials), len(doors), seen)
}

// TestDoorsRefuse: who is not known hears the same at every door.
func TestDoorsRefuse(t *testing.T) {
	w := newWorld(t, "sqlite", quickCoolify())
	unknown, _ := tenancy.NewKey(&tenancy.Key{})
	w.keys["unknown"] = unknown.Reveal()
	x := trial{operations(t)["workspace_describe"], map[string]any{}, "unknown"}
	want := byCommand(t, w, x)
	w.serve(t, slog.New(slog.DiscardHandler))
	for name, door := range map[string]door{"call to a server": byCommand, "MCP": overMCP, "REST": overREST} {
		if diff := cmp.Diff(want, door(t, w, x)); diff != "" || want.Code != tenancy.Unauthorized {
			t.Errorf("%s differs from call in process (-want +got)\n%s", name, diff)
		}
	}
}
