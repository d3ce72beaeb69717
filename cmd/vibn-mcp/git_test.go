package main

import (
	"bytes"
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // to look at what the program wrote
	_ "modernc.org/sqlite"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A gitHouse is the program, as an operator runs it, on a simulated Coolify and a
// simulated Gitea with real git behind it.
type gitHouse struct {
	t      *testing.T
	gitea  *giteatest.Server
	root   string // Gitea's address
	env    map[string]string
	server *running
	url    string // the program's, through what notes the paths
	key    string
	home   string // of git

	mu    sync.Mutex
	asked []string
}

// newGitHouse starts it on a database of the dialect, with a workspace "acme" and
// its repository "site".
func newGitHouse(t *testing.T, dialect string) *gitHouse {
	t.Helper()
	tenancytest.NeedGit(t)
	h := &gitHouse{t: t, gitea: giteatest.New(giteatest.Config{LoopbackHooks: true}), home: t.TempDir()}
	srv := httptest.NewServer(http.StripPrefix("/gitea", h.gitea))
	t.Cleanup(func() {
		srv.Close()
		if err := h.gitea.Close(); err != nil {
			t.Error(err)
		}
	})
	h.root = srv.URL + "/gitea"
	sim := coolifytest.New(coolifytest.Config{})
	env, stop := serveCoolify(sim, sim)
	t.Cleanup(stop)
	maps.Copy(env, map[string]string{
		"GITEA_API_URL": h.root, "GITEA_API_TOKEN": h.gitea.AdminToken(provision.GiteaTokenScopes()...), "VIBN_LISTEN": "127.0.0.1:0",
		"VIBN_ADMIN_TOKEN": "an-operator-of-these-tests-0123456789", "GORACE": "atexit_sleep_ms=10", "PATH": os.Getenv("PATH"),
	})
	if dialect == "postgres" {
		env["DATABASE_URL"] = storetest.Postgres(t)
	} else {
		env["VIBN_DATA_DIR"] = t.TempDir()
	}
	h.env = env
	h.serve()
	h.rest(env["VIBN_ADMIN_TOKEN"], "POST", "/api/admin/workspaces", `{"user_id":"u1","email":"acme@example.com","wait_seconds":45}`, nil)
	var minted struct{ Key string }
	h.rest(env["VIBN_ADMIN_TOKEN"], "POST", "/api/admin/workspaces/acme/keys", `{"name":"agent","preset":"builder"}`, &minted)
	h.key = minted.Key
	h.rest(h.key, "POST", "/api/workspaces/acme/projects", `{"name":"site"}`, nil)
	return h
}

// org is the name of the workspace's organisation.
func (h *gitHouse) org() string { return h.gitea.Snapshot().Orgs[0].Name }

// serve starts the program in a process of its own.
func (h *gitHouse) serve() {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), "vibn-mcp", "serve")
	for name, value := range h.env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	r, err := start(cmd)
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { r.end() })
	line, err := r.stderr.until(servingLine)
	if err != nil {
		h.t.Fatal(err)
	}
	to := &url.URL{Scheme: "http", Host: line[1]}
	front := httptest.NewServer(&httputil.ReverseProxy{Transport: direct, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		h.mu.Lock()
		h.asked = append(h.asked, r.In.Method+" "+r.In.URL.RequestURI())
		h.mu.Unlock()
	}})
	h.t.Cleanup(front.Close)
	h.server, h.url = r, front.URL
}

// questions are the paths that the program was asked for since the last time.
func (h *gitHouse) questions() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	asked := h.asked
	h.asked = nil
	return asked
}

// rest asks the program, which has to answer well.
func (h *gitHouse) rest(key, method, path, body string, out any) []byte {
	h.t.Helper()
	status, answer, err := call(h.t.Context(), key, method, h.url+path, body)
	if err != nil || status/100 != 2 {
		h.t.Fatalf("%s %s: %d %s %v\n%s", method, path, status, answer, err, h.server.stderr)
	}
	if out != nil {
		if err := json.Unmarshal(answer, out); err != nil {
			h.t.Fatal(err)
		}
	}
	return answer
}

// git runs git as an agent does that has the helper and its key in the
// environment, and nothing else.
func (h *gitHouse) git(dir, in string, args ...string) (string, error) {
	h.t.Helper()
	cmd := exec.CommandContext(h.t.Context(), "git", append([]string{"-C", dir, "-c", "credential.helper=!vibn-mcp git-credential"}, args...)...)
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_TERMINAL_PROMPT=0", "LC_ALL=C", "GORACE=atexit_sleep_ms=10",
		"GIT_AUTHOR_NAME=agent", "GIT_AUTHOR_EMAIL=agent@x.invalid", "GIT_COMMITTER_NAME=agent", "GIT_COMMITTER_EMAIL=agent@x.invalid",
		"VIBN_URL=" + h.url, "VIBN_API_KEY=" + h.key,
	}
	cmd.Stdin = strings.NewReader(in)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (h *gitHouse) mustGit(dir string, args ...string) {
	h.t.Helper()
	if out, err := h.git(dir, "", args...); err != nil {
		h.t.Fatalf("git %s: %v\n%s\n%s", strings.Join(args, " "), err, out, h.server.stderr)
	}
}

// commit writes a file and commits it.
func (h *gitHouse) commit(dir, name string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
		h.t.Fatal(err)
	}
	h.mustGit(dir, "add", name)
	h.mustGit(dir, "commit", "-q", "-m", "add "+name)
}

// TestGit lets real git clone, commit, push and pull with the program as its
// helper. The token is then nowhere but, sealed, in the database.
func TestGit(t *testing.T) {
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			h := newGitHouse(t, dialect)
			transcript := h.rest(h.key, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"gitea_credentials","arguments":{}}}`, nil)
			if !bytes.Contains(transcript, []byte("vibn-mcp git-credential")) {
				t.Errorf("the transcript has no helper line: %s", transcript)
			}

			one, other := filepath.Join(h.home, "one"), filepath.Join(h.home, "other")
			h.mustGit(h.home, "clone", "-q", h.root+"/"+h.org()+"/site.git", one)
			h.mustGit(h.home, "clone", "-q", h.root+"/"+h.org()+"/site.git", other)
			var given struct{ Token string }
			h.rest(h.key, "GET", "/api/workspaces/acme/gitea-credentials?reveal=true", "", &given)
			secrets := map[string]string{"the token": given.Token, "Gitea's admin token": h.env["GITEA_API_TOKEN"], "the key": h.key}
			for name, s := range secrets {
				if s == "" {
					t.Fatalf("%s is not known", name)
				}
			}

			h.commit(one, "first")
			h.pushWhileLooking(one, secrets)
			h.mustGit(other, "pull", "-q")
			if got, err := os.ReadFile(filepath.Join(other, "first")); err != nil || string(got) != "first" {
				t.Errorf("what was pulled: %q %v", got, err)
			}
			if s := h.gitea.Snapshot(); h.gitea.Head(h.org()+"/site", "main") == "" || len(s.Repos) != 1 {
				t.Errorf("on Gitea: %+v", s.Repos)
			}

			if status := h.server.end(); status != 0 {
				t.Errorf("serve ended with status %d", status)
			}
			delete(secrets, "the key") // git's helper has it from the environment, as everybody knows
			for name, s := range secrets {
				for where, text := range map[string]string{"the transcript": string(transcript), "the log": h.server.stderr.String(), "git's files": files(t, h.home)} {
					if strings.Contains(text, s) {
						t.Errorf("%s is in %s", name, where)
					}
				}
			}
			secrets["the key"] = h.key
			h.checkDatabase(dialect, secrets)
		})
	}
}

// pushWhileLooking pushes, and looks at every process while Gitea is slow to take
// it.
func (h *gitHouse) pushWhileLooking(dir string, secrets map[string]string) {
	h.t.Helper()
	gate, reached := make(chan struct{}), make(chan struct{})
	const push = "POST /{owner}/{repo}/git-receive-pack"
	var once sync.Once
	h.gitea.OnRequest(func(r giteatest.Request) error {
		if r.Operation == push {
			once.Do(func() { close(reached) })
		}
		return nil
	})
	h.gitea.Fail(push, giteatest.Fault{Gate: gate})
	pushed := make(chan error, 1)
	go func() {
		out, err := h.git(dir, "", "push", "-q", "origin", "HEAD")
		if err != nil {
			err = fmt.Errorf("push: %w\n%s", err, out)
		}
		pushed <- err
	}()
	select {
	case <-reached:
	case err := <-pushed:
		h.t.Fatalf("the push ended at once: %v", err)
	}
	seen := commandLines()
	close(gate)
	if err := <-pushed; err != nil {
		h.t.Error(err)
	}
	h.gitea.Clear(push)
	h.gitea.OnRequest(nil)
	if len(seen) > 0 && !strings.Contains(seen, "push") {
		h.t.Errorf("git is not among the processes:\n%s", seen)
	}
	for name, s := range secrets {
		if strings.Contains(seen, s) {
			h.t.Errorf("%s is in the arguments of a process", name)
		}
	}
}

// commandLines are the arguments of every process; empty where no /proc tells.
func commandLines() string {
	var all strings.Builder
	found, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range found {
		line, err := os.ReadFile(file)
		if err == nil { // it may have ended
			fmt.Fprintf(&all, "%q\n", line)
		}
	}
	return all.String()
}

// files is the content of all files below a directory.
func files(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		fmt.Fprintf(&all, "%s\n%s\n", path, content)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// checkDatabase looks for secrets in every column of every table, River's too.
func (h *gitHouse) checkDatabase(dialect string, secrets map[string]string) {
	h.t.Helper()
	driver, address := "pgx", h.env["DATABASE_URL"]
	tables := `select quote_ident(schemaname) || '.' || quote_ident(tablename) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')`
	if dialect == "sqlite" {
		driver, address = "sqlite", filepath.Join(h.env["VIBN_DATA_DIR"], "vibn.db")
		tables = `select name from sqlite_master where type = 'table'`
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		h.t.Fatal(err)
	}
	defer db.Close()
	dump, rows := dumpTables(h.t, db, tables), map[string]int{}
	for table, text := range dump {
		rows[strings.TrimPrefix(table, "public.")] = strings.Count(text, "\n")
		for name, s := range secrets {
			if strings.Contains(text, s) {
				h.t.Errorf("%s is in table %s", name, table)
			}
		}
	}
	for _, table := range []string{"vibn_workspaces", "vibn_bot_tokens", "vibn_api_keys", "vibn_audit", "vibn_projects", "river_job"} {
		if rows[table] == 0 {
			h.t.Errorf("table %s is empty, of %v", table, rows)
		}
	}
	if dialect == "sqlite" {
		if text := files(h.t, h.env["VIBN_DATA_DIR"]); strings.Contains(text, cmp.Or(secrets["the token"], "\x00")) {
			h.t.Error("the token is in the database's file")
		}
	}
	for name, s := range map[string]string{"vibn_workspaces": "v1.", "vibn_bot_tokens": "v1."} {
		if !strings.Contains(cmp.Or(dump[name], dump["public."+name]), s) {
			h.t.Errorf("table %s has nothing sealed", name)
		}
	}
}

// dumpTables writes each table as text, one line for each row.
func dumpTables(t *testing.T, db *sql.DB, query string) map[string]string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	dump := map[string]string{}
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		dump[table] = dumpTable(t, db, table)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return dump
}

func dumpTable(t *testing.T, db *sql.DB, table string) string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "select * from "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	columns, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for rows.Next() {
		values := make([]any, len(columns))
		for i := range values {
			values[i] = new(any)
		}
		if err := rows.Scan(values...); err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			v := *v.(*any)
			if raw, ok := v.([]byte); ok {
				v = string(raw)
			}
			fmt.Fprintf(&all, "%q ", fmt.Sprint(v))
		}
		all.WriteByte('\n')
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestGitElsewhere asks for credentials of everything that is not the workspace's
// Gitea. Git is given none, and no token is even asked for; and a Gitea that sends
// git away sends no token along.
func TestGitElsewhere(t *testing.T) {
	h := newGitHouse(t, "sqlite")
	own, err := url.Parse(h.root)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var presented []string
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		presented = append(presented, r.Header.Get("Authorization"))
		mu.Unlock()
		w.Header().Set("WWW-Authenticate", `Basic realm="Gitea"`)
		w.WriteHeader(http.StatusUnauthorized)
	}))
	defer elsewhere.Close()
	h.questions()

	other, err := url.Parse(elsewhere.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, question := range map[string]string{
		"another host":     "protocol=http\nhost=git.example.com\n",
		"another port":     "protocol=http\nhost=" + other.Host + "\n",
		"another protocol": "protocol=https\nhost=" + own.Host + "\n",
		"another name":     "protocol=http\nhost=localhost:" + own.Port() + "\n",
		"another path":     "protocol=http\nhost=" + own.Host + "\npath=elsewhere/site.git\n",
		"another user":     "protocol=http\nhost=" + own.Host + "\nusername=siteadmin\n",
	} {
		out, err := h.git(h.home, question+"\n", "-c", "credential.useHttpPath=true", "credential", "fill")
		if err == nil || strings.Contains(out, "password=") {
			t.Errorf("%s: git is given %q", name, out)
		}
		for _, q := range h.questions() {
			if strings.Contains(q, "gitea-credentials") && name != "another user" {
				t.Errorf("%s: the helper asks %s", name, q)
			}
		}
	}
	// The same question, about the right server, is answered.
	if out, err := h.git(h.home, "protocol=http\nhost="+own.Host+"\n\n", "credential", "fill"); err != nil || !regexp.MustCompile("username=vibn-bot-acme-[a-z2-7]{8}\npassword=").MatchString(out) {
		t.Errorf("git is given %q (%v)", out, err)
	}

	if out, err := h.git(h.home, "", "clone", "-q", elsewhere.URL+"/"+h.org()+"/site.git", "a"); err == nil {
		t.Errorf("a clone from elsewhere: %s", out)
	}
	const advertise = "GET /{owner}/{repo}/info/refs"
	away := http.Header{"Location": {elsewhere.URL + "/" + h.org() + "/site.git/info/refs?service=git-upload-pack"}}
	for name, skip := range map[string]int{"at once": 0, "once it has the token": 1} {
		h.gitea.Fail(advertise, giteatest.Fault{Status: http.StatusFound, Header: away, Skip: skip})
		if out, err := h.git(h.home, "", "clone", "-q", h.root+"/"+h.org()+"/site.git", "b"); err == nil {
			t.Errorf("a clone that is sent away %s: %s", name, out)
		}
		h.gitea.Clear(advertise)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(presented) < 3 {
		t.Errorf("elsewhere was asked %d times", len(presented))
	}
	for _, p := range presented {
		if p != "" {
			t.Error("elsewhere was shown a credential")
		}
	}
}

// TestGitHelperLine: the line that gitea.credentials gives leaves the token to no
// other helper that is configured for all hosts, also where an older line of ours
// stands before that, and where it is run twice. And when the key is revoked, or the
// server is away, git ends by itself: it asks nobody.
func TestGitHelperLine(t *testing.T) {
	h := newGitHouse(t, "sqlite")
	var minted struct{ ID, Key string }
	const keys = "/api/admin/workspaces/acme/keys"
	h.rest(h.env["VIBN_ADMIN_TOKEN"], "POST", keys, `{"name":"line","preset":"builder"}`, &minted)
	var given struct{ Helper string }
	h.rest(minted.Key, "GET", "/api/workspaces/acme/gitea-credentials", "", &given)
	stored, called := filepath.Join(h.home, "it's stored"), filepath.Join(h.home, "called")
	askpass := filepath.Join(h.home, "askpass")
	if err := os.WriteFile(askpass, []byte("#!/bin/sh\necho \"$1\" >>'"+called+"'\necho x\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	run := func(program string, args ...string) (string, error) {
		cmd := exec.CommandContext(t.Context(), program, args...)
		cmd.Dir = h.home
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + h.home, "GIT_CONFIG_NOSYSTEM=1", "GIT_ASKPASS=" + askpass, "LC_ALL=C",
			"GORACE=atexit_sleep_ms=10", "VIBN_URL=" + h.url, "VIBN_API_KEY=" + minted.Key,
		}
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	good := func(program string, args ...string) string {
		t.Helper()
		out, err := run(program, args...)
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
		return out
	}
	good("git", "config", "--global", "credential."+h.root+".helper", "!vibn-mcp git-credential")
	good("git", "config", "--global", "credential.helper", `store --file "`+stored+`"`)
	good("git", "config", "--global", "user.name", "agent")
	if strings.Contains(given.Helper, "\n") {
		t.Errorf("the line has several lines: %s", given.Helper)
	}
	good("sh", "-euc", given.Helper)
	once := good("git", "config", "--global", "--list")
	good("sh", "-euc", given.Helper)
	if twice := good("git", "config", "--global", "--list"); twice != once {
		t.Errorf("a second run makes\n%s\nof\n%s", twice, once)
	}

	site := h.root + "/" + h.org() + "/site.git"
	good("git", "clone", "-q", site, "one")
	if text, err := os.ReadFile(stored); err == nil {
		t.Errorf("the other helper was told %q", text)
	}
	h.rest(h.env["VIBN_ADMIN_TOKEN"], "DELETE", keys+"/"+minted.ID, "", nil)
	quits := func(when, reason string) {
		t.Helper()
		for _, args := range [][]string{{"clone", "-q", site, "two"}, {"-C", "one", "fetch", "-q"}} {
			out, err := run("git", args...)
			if err == nil || !strings.Contains(out, "told us to quit") || !strings.Contains(out, reason) {
				t.Errorf("%s, git %s: %v, want it to quit and say %q\n%s", when, args[0], err, reason, out)
			}
		}
		if text, err := os.ReadFile(called); err == nil {
			t.Errorf("%s git asks somebody for %q", when, text)
		}
	}
	quits("with a revoked key", "error: ")
	if status := h.server.end(); status != 0 {
		t.Errorf("serve ended with status %d", status)
	}
	quits("without a server", "error: ")
}

// TestWebhook: the webhook that serve makes posts to where serve is, also if that
// is a port that it chose itself.
func TestWebhook(t *testing.T) {
	h := newGitHouse(t, "sqlite")
	if _, err := h.gitea.Push(h.org()+"/site", "main", "change", map[string]string{"index.html": "hello"}); err != nil {
		t.Fatal(err)
	}
	if err := h.gitea.WaitDeliveries(t.Context()); err != nil {
		t.Fatal(err)
	}
	deliveries := h.gitea.Deliveries()
	for _, d := range deliveries {
		if d.Status != http.StatusAccepted {
			t.Errorf("delivery to %s: %d %v", d.URL, d.Status, d.Err)
		}
	}
	if len(deliveries) == 0 {
		t.Error("nothing was delivered")
	}
}
