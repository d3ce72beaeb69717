package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/store/storetest"
)

// TestMain makes the program itself a command: of the scripts, and in PATH. It
// leaves out storetest.Main, which exits as testscript.Main does: a cluster ends
// with this process anyway.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"vibn-mcp": main})
}

func TestCommands(t *testing.T) { runScripts(t, "testdata/command", "sqlite") }

// TestDatabases runs each script on each kind of database.
func TestDatabases(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) { runScripts(t, "testdata/database", database) })
	}
}

// runScripts runs the scripts of a directory, each with a database of its own.
func runScripts(t *testing.T, dir, database string) {
	testscript.Run(t, testscript.Params{
		Dir: dir, RequireExplicitExec: true, RequireUniqueNames: true,
		Setup: func(env *testscript.Env) error { return setUpScript(env, database) },
		Condition: func(name string) (bool, error) {
			if name != "postgres" {
				return false, fmt.Errorf("unknown condition %q", name)
			}
			return name == database, nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"coolify": scriptCoolify, "gitea": scriptGitea, "upstream": scriptUpstream, "ask": scriptAsk, "serving": scriptServing, "stopped": scriptStopped, "fails": scriptFails, "quits": scriptQuits, "get": scriptGet, "json": scriptJSON, "setenv": scriptSetenv,
		},
	})
}

func setUpScript(env *testscript.Env, database string) error {
	env.Values[servingKey{}] = &serving{}
	env.Values[giteaKey{}] = &scriptsGitea{}
	env.Values[coolifyKey{}] = &scriptsCoolify{}
	env.Setenv("HOME", env.WorkDir+"/home")
	if env.Getenv("GORACE") == "" {
		env.Setenv("GORACE", "atexit_sleep_ms=10") // otherwise each command takes a second
	}
	if database != "postgres" {
		return nil
	}
	t, ok := env.T().(testing.TB)
	if !ok {
		return errors.New("the script's T is no testing.TB")
	}
	env.Setenv("DATABASE_URL", storetest.Postgres(t))
	return nil
}

// scriptCoolify is the command "coolify": it starts a simulated Coolify with two
// projects and an app, and sets the variables of a program that uses it.
func scriptCoolify(ts *testscript.TestScript, _ bool, _ []string) {
	sim := coolifytest.New(coolifytest.Config{BuildTime: time.Millisecond, CheckEvery: time.Nanosecond})
	env, stop := serveCoolify(sim, sim)
	ts.Defer(stop)
	ts.Value(coolifyKey{}).(*scriptsCoolify).Server = sim
	alpha, beta := sim.AddProject("alpha"), sim.AddProject("beta")
	sim.AddApp(alpha.Environments[0].UUID, coolifytest.App{Name: "web"})
	env["ALPHA"], env["BETA"] = alpha.UUID, beta.UUID
	host := sim.Hosts()[0]
	env["HOST"] = host.UUID
	for name, value := range env {
		ts.Setenv(name, value)
	}
}

// The simulators of a script.
type (
	scriptsGitea   struct{ *giteatest.Server }
	giteaKey       struct{}
	scriptsCoolify struct{ *coolifytest.Server }
	coolifyKey     struct{}
)

// scriptGitea is "gitea [scope...]": it starts a simulated Gitea, and sets the
// variables of a program that uses it, with a token of these scopes (all if there
// are none), and GITEA_HOST.
func scriptGitea(ts *testscript.TestScript, _ bool, scopes []string) {
	if len(scopes) == 0 {
		scopes = []string{"all"}
	}
	g := ts.Value(giteaKey{}).(*scriptsGitea)
	if g.Server == nil {
		g.Server = giteatest.New(giteatest.Config{})
		srv := httptest.NewServer(http.StripPrefix("/gitea", g.Server))
		ts.Defer(func() {
			srv.Close()
			ts.Check(g.Close())
		})
		ts.Setenv("GITEA_API_URL", srv.URL+"/gitea")
		ts.Setenv("GITEA_HOST", strings.TrimPrefix(srv.URL, "http://"))
	}
	ts.Setenv("GITEA_API_TOKEN", g.AdminToken(scopes...))
}

// scriptUpstream is "upstream": it prints what is there on Gitea and Coolify, a
// line for each thing, without what the simulators are born with.
func scriptUpstream(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout()
	for _, p := range ts.Value(coolifyKey{}).(*scriptsCoolify).Projects() {
		fmt.Fprintf(out, "project %s\n", p.Name)
	}
	g := ts.Value(giteaKey{}).(*scriptsGitea)
	state := g.Snapshot()
	for _, o := range state.Orgs {
		fmt.Fprintf(out, "org %s %s\n", o.Name, o.Visibility)
	}
	for _, u := range state.Users {
		if u.Login == g.Admin() {
			continue
		}
		live := 0
		for _, t := range state.Tokens {
			if t.User == u.Login && t.Live {
				live++
			}
		}
		fmt.Fprintf(out, "user %s, live tokens: %d\n", u.Login, live)
	}
	for _, r := range state.Repos {
		fmt.Fprintf(out, "repository %s/%s\n", r.Owner, r.Name)
	}
}

// scriptAsk is "ask METHOD URL [BODY]": it prints the body of the answer to the
// bearer of KEY.
func scriptAsk(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 && len(args) != 3 {
		ts.Fatalf("usage: ask METHOD URL [BODY]")
	}
	_, body, err := call(context.Background(), ts.Getenv("KEY"), args[0], args[1], strings.Join(args[2:], ""))
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// serving is the process that the script's command "serving" started.
type (
	serving    struct{ *running }
	servingKey struct{}
)

var servingLine = regexp.MustCompile(`"msg":"serving","listen":"([^"]+)"`)

// scriptServing is "serving [flags]": it starts "vibn-mcp serve" in the background
// on a free port, waits until it serves, and sets ADDR to where.
func scriptServing(ts *testscript.TestScript, _ bool, args []string) {
	cmd := exec.Command("vibn-mcp", append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...)
	cmd.Dir = ts.MkAbs(".")
	names := []string{"PATH", "HOME", "TMPDIR", "GORACE", "GOCOVERDIR"}
	for _, v := range variables() {
		names = append(names, v.name, v.name+"_FILE")
	}
	for _, name := range names {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	r, err := start(cmd)
	ts.Check(err)
	ts.Defer(func() { r.end() })
	ts.Value(servingKey{}).(*serving).running = r
	line, err := r.stderr.until(servingLine)
	ts.Check(err)
	ts.Setenv("ADDR", line[1])
}

// scriptStopped is "stopped": it ends what "serving" started as an operator does,
// and fails if the exit status is not 0.
func scriptStopped(ts *testscript.TestScript, _ bool, _ []string) {
	r := ts.Value(servingKey{}).(*serving)
	if status := r.end(); status != 0 {
		ts.Fatalf("vibn-mcp serve ended with status %d, want 0\n%s", status, r.stderr)
	}
}

// scriptGet is "get URL": it prints the body of what is there for the key in KEY.
func scriptGet(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: get URL")
	}
	_, body, err := call(context.Background(), ts.Getenv("KEY"), http.MethodGet, args[0], "")
	ts.Check(err)
	_, err = ts.Stdout().Write(body)
	ts.Check(err)
}

// scriptFails is "fails STATUS PROGRAM [args]": the program ends with the status,
// and prints no data.
func scriptFails(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: fails STATUS PROGRAM [args]")
	}
	failing(ts, args[0], "", args[1:])
}

// scriptQuits is "quits PROGRAM [args]": the program fails with status 1, and has
// git quit.
func scriptQuits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 1 {
		ts.Fatalf("usage: quits PROGRAM [args]")
	}
	failing(ts, "1", "quit=1\n", args)
}

// failing runs a program that has to end with a status and a standard output.
func failing(ts *testscript.TestScript, status, stdout string, args []string) {
	got := "0"
	if err := ts.Exec(args[0], args[1:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = strconv.Itoa(exit.ExitCode())
	}
	if got != status {
		ts.Fatalf("exit status = %s, want %s", got, status)
	}
	if data := ts.ReadFile("stdout"); data != stdout {
		ts.Fatalf("standard output = %q, want %q", data, stdout)
	}
}

// scriptJSON is "json FILE PATH VALUE": the file is one JSON value, and what is
// at the path ("0.name"; an empty one is all of it) prints as VALUE. A list
// prints as its length.
func scriptJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 || neg {
		ts.Fatalf("usage: json FILE PATH VALUE")
	}
	if got := jsonAt(ts, args[0], args[1]); got != args[2] {
		ts.Fatalf("%q of %s = %q, want %q", args[1], args[0], got, args[2])
	}
}

// jsonAt prints what is at a path in a file of JSON.
func jsonAt(ts *testscript.TestScript, file, path string) string {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(file)), &v))
	v, ok := at(v, strings.FieldsFunc(path, func(r rune) bool { return r == '.' }))
	if !ok {
		ts.Fatalf("there is no %q in %s", path, file)
	}
	return fmt.Sprint(v)
}

// at returns what is at a path of names and indexes in a JSON value.
func at(v any, path []string) (any, bool) {
	list, isList := v.([]any)
	if len(path) == 0 {
		if isList {
			return len(list), true
		}
		return v, true
	}
	if i, err := strconv.Atoi(path[0]); isList && err == nil && i < len(list) {
		return at(list[i], path[1:])
	}
	object, _ := v.(map[string]any)
	v, ok := object[path[0]]
	if !ok {
		return nil, false
	}
	return at(v, path[1:])
}

// scriptSetenv is "setenv NAME FILE [PATH]": it sets NAME to the text of the file,
// or to what is at the path in its JSON.
func scriptSetenv(ts *testscript.TestScript, _ bool, args []string) {
	switch len(args) {
	case 2:
		ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
	case 3:
		ts.Setenv(args[0], jsonAt(ts, args[1], args[2]))
	default:
		ts.Fatalf("usage: setenv NAME FILE [PATH]")
	}
}

// TestCommandTable checks what the commands say of themselves.
func TestCommandTable(t *testing.T) {
	var known []string
	for _, v := range variables() {
		known = append(known, v.name)
	}
	seen := map[string]bool{}
	for _, c := range commands() {
		if seen[c.name] || c.about == "" || c.run == nil {
			t.Errorf("command %q is there twice or lacks a part", c.name)
		}
		seen[c.name] = true
		for _, name := range slices.Concat(c.reads, c.needs) {
			if !slices.Contains(known, name) {
				t.Errorf("command %q reads %s, which is no variable", c.name, name)
			}
		}
		for _, name := range c.needs {
			if c.reads != nil && !slices.Contains(c.reads, name) {
				t.Errorf("command %q needs %s and does not read it", c.name, name)
			}
		}
	}
}
