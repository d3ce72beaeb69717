package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/vibnai/vibn-mcp/clients"
)

// TestBootstrap pastes the published line into every shell that people have, against
// a running demo, and then uses what it has written as the clients do.
func TestBootstrap(t *testing.T) {
	r := begin(t, nil, "demo", "--json", "--listen", "127.0.0.1:0")
	d := readDemo(t, r)
	w := d.Workspaces[0]
	t.Run("in", func(t *testing.T) {
		for i, shell := range []string{"dash", "bash", "busybox", "zsh", "ksh", "mksh"} {
			t.Run(shell, func(t *testing.T) {
				t.Parallel()
				dir := paste(t, d, shell)
				for _, c := range clients.All() {
					checkReaches(t, d, dir, c)
				}
				if i == 0 {
					session := connectAsCursor(t, dir)
					workDay(t, w, func(tool string, args map[string]any) string { return askTool(t, session, tool, args) })
					pushAll(t, dir, w)
				}
			})
		}
	})
	if status := r.end(); status != 0 {
		t.Errorf("the demo ended with status %d\n%s", status, r.stderr)
	}
	if log := r.stderr.String() + strings.Replace(r.stdout.String(), w.Key, "", 1); strings.Contains(log, w.Key) {
		t.Errorf("the server's log holds the key:\n%s", log)
	}
}

// recorder stands for a program: it notes the arguments of all that runs, its own
// included, and becomes the program.
const recorder = `#!/bin/sh
/bin/cat /proc/[0-9]*/cmdline >>"$ARGUMENTS" 2>/dev/null
exec %s "$@"
`

// functions have a shell run the programs of a folder, also one that has programs of
// its own and runs these whatever PATH says, as some builds of busybox do.
func functions(bin string, names []string) string {
	var all strings.Builder
	for _, name := range names {
		if strings.Contains(name, "-") { // no name for a function, nor that of an applet
			continue
		}
		fmt.Fprintf(&all, "%s() { '%s' \"$@\"; }\n", name, filepath.Join(bin, name))
	}
	return all.String()
}

// appletsFirst reports whether a shell, with its arguments, is one of those.
func appletsFirst(t *testing.T, shell []string) bool {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell[0], append(slices.Clone(shell[1:]), "-c", "command -v awk")...)
	cmd.Env = []string{"PATH=/nowhere"}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return err == nil
}

// mine is what a file of variables holds before.
const mine = "MINE=1\n"

// paste runs the line in a folder whose name is as strange as names get, for all
// clients, and checks that the key was in no process's arguments. It returns the
// folder; the home directory is the one beside it.
func paste(t *testing.T, d demoLine, shell string) string {
	t.Helper()
	line := []string{lookFor(t, shell)}
	if shell == "busybox" {
		line = append(line, "ash")
	}
	top := t.TempDir()
	dir, bin, arguments := filepath.Join(top, "it's \"$(touch pwned)\" `x`\n"), filepath.Join(top, "bin"), filepath.Join(top, "arguments")
	for _, name := range []string{dir, bin, filepath.Join(top, "home")} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	programs := []string{
		"awk", "chmod", "cmp", "cp", "curl", "diff", "git", "grep", "mkdir", "mv", "printf", "rm", "rmdir", "sed", "sh", "tail", "tr", "vibn-mcp",
	}
	sh, preamble := strings.Join(line, " "), "" // some systems have this one for sh
	if appletsFirst(t, line) {
		preamble = functions(bin, programs)
		file := filepath.Join(top, "preamble")
		if err := os.WriteFile(file, []byte(preamble), 0o600); err != nil {
			t.Fatal(err)
		}
		sh = "/bin/cat '" + file + "' - | " + sh // its script comes through a pipe
	}
	for _, name := range programs {
		is := lookFor(t, name)
		if name == "sh" {
			is = sh
		}
		if err := os.WriteFile(filepath.Join(bin, name), fmt.Appendf(nil, recorder, is), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	root, err := url.Parse(d.URL)
	if err != nil {
		t.Fatal(err)
	}
	w := d.Workspaces[0]
	cmd := exec.CommandContext(t.Context(), line[0], append(line[1:], "-eu")...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + bin, "HOME=" + filepath.Join(top, "home"), "ARGUMENTS=" + arguments, "TMPDIR=" + top}
	pasted := "git init -q\nVIBN_API_KEY=" + w.Key + "\n" + clients.OneLine(root, w.Slug) + " -s -- --client all\n"
	cmd.Stdin = strings.NewReader(preamble + pasted)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "is connected to the workspace alpha") || strings.Contains(string(out), w.Key) {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	raw, err := os.ReadFile(arguments)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"curl", "-fsS\x00-H\x00@-\x00", "awk", "mv\x00-f\x00"} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("%s: the arguments of what ran do not hold %q; were they noted?", shell, want)
		}
	}
	if strings.Contains(string(raw), w.Key) {
		t.Errorf("%s: the key was in the arguments of a process", shell)
	}
	if _, err := os.Stat(filepath.Join(dir, "pwned")); err == nil {
		t.Errorf("%s: the folder's name was run", shell)
	}
	return dir
}

// pushAll commits in the folder and pushes to the app's repository, with no other
// credentials than those that the script has set up.
func pushAll(t *testing.T, dir string, w demoWorkspace) {
	t.Helper()
	for _, args := range [][]string{
		{"fetch", "-q", w.Apps[0].Repository, "main"},
		{"checkout", "-q", "-b", "main", "FETCH_HEAD"},
		{"add", "-A"},
		{"commit", "-q", "-m", "Connect an agent"},
		{"push", "-q", w.Apps[0].Repository, "main"},
		{"grep", "-q", "This project runs on vibn", "main", "--", "AGENTS.md"},
	} {
		cmd := exec.CommandContext(t.Context(), lookFor(t, "git"), args...)
		cmd.Dir = dir
		cmd.Env = []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + filepath.Join(filepath.Dir(dir), "home"), "GIT_TERMINAL_PROMPT=0", "GORACE=atexit_sleep_ms=10",
			"GIT_AUTHOR_NAME=Agent", "GIT_AUTHOR_EMAIL=agent@example.com", "GIT_COMMITTER_NAME=Agent", "GIT_COMMITTER_EMAIL=agent@example.com",
		}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %s: %v\n%s", args, err, out)
		}
	}
	find := exec.CommandContext(t.Context(), lookFor(t, "git"), "-C", dir, "grep", "-f", "-", "main")
	find.Stdin = strings.NewReader(w.Key) // other shells look at the arguments of all that runs
	if kept, err := find.CombinedOutput(); err == nil {
		t.Errorf("the key was pushed:\n%s", kept)
	}
	config, err := os.ReadFile(filepath.Join(dir, ".git", "config"))
	if err != nil || strings.Contains(string(config), "token") || strings.Contains(string(config), w.Key) {
		t.Errorf("git's settings are %s (%v)", config, err)
	}
}

// lookFor returns the path of a program; the test is skipped without it, and fails
// in CI.
func lookFor(t *testing.T, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is required here; scripts/install-test-tools.sh installs it", program)
	}
	t.Skipf("there is no %s here", program)
	return ""
}

// serverEntry is what a client's file says of the server.
type serverEntry struct {
	URL       string            `json:"url"`
	ServerURL string            `json:"serverUrl"`
	HTTPURL   string            `json:"httpUrl"`
	Headers   map[string]string `json:"headers"`
}

// entryOf reads the server out of a client's file.
func entryOf(t *testing.T, dir string, c clients.Client) serverEntry {
	t.Helper()
	file := filepath.Join(dir, c.File)
	if rest, ok := strings.CutPrefix(c.File, "~/"); ok {
		file = filepath.Join(filepath.Dir(dir), "home", rest)
	}
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if c.Container == "" {
		m := regexp.MustCompile(`(?m)^\[mcp_servers\.vibn\]\nurl = "([^"]+)"\nhttp_headers = \{ "Authorization" = "([^"]+)" \}$`).FindStringSubmatch(string(raw))
		if m == nil {
			t.Fatalf("%s: %s", file, raw)
		}
		return serverEntry{URL: m[1], Headers: map[string]string{"Authorization": m[2]}}
	}
	var all map[string]map[string]serverEntry
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatalf("%s: %v\n%s", file, err, raw)
	}
	return all[c.Container]["vibn"]
}

// checkReaches sends what a client would send, to where it would.
func checkReaches(t *testing.T, d demoLine, dir string, c clients.Client) {
	t.Helper()
	e := entryOf(t, dir, c)
	if e.URL+e.ServerURL+e.HTTPURL != d.MCPURL {
		t.Errorf("%s is sent to %+v, want %s", c.Name, e, d.MCPURL)
	}
	key, ok := strings.CutPrefix(e.Headers["Authorization"], "Bearer ")
	status, answer, err := call(t.Context(), key, http.MethodPost, d.MCPURL, `{"jsonrpc":"2.0","id":1,"method":"tools/list"}`)
	if !ok || err != nil || status != http.StatusOK || !strings.Contains(string(answer), `"apps_deploy"`) {
		t.Errorf("%s gets %d %s (%v)", c.Name, status, answer, err)
	}
}

// cursorVariable is what Cursor replaces in a server's url and headers.
var cursorVariable = regexp.MustCompile(`\$\{(env:\w+|userHome|workspaceFolder|workspaceFolderBasename|pathSeparator|/)\}`)

// connectAsCursor reads .cursor/mcp.json as Cursor does, started from a desktop: its
// environment has no key.
func connectAsCursor(t *testing.T, dir string) *sdk.ClientSession {
	t.Helper()
	cursor, _ := clients.Named("cursor")
	e := entryOf(t, dir, cursor)
	interpolate := func(s string) string {
		return cursorVariable.ReplaceAllStringFunc(s, func(v string) string {
			switch name := v[2 : len(v)-1]; {
			case strings.HasPrefix(name, "env:"):
				return "" // not set
			case name == "userHome":
				return filepath.Join(filepath.Dir(dir), "home")
			case name == "workspaceFolder":
				return dir
			case name == "workspaceFolderBasename":
				return filepath.Base(dir)
			}
			return string(filepath.Separator)
		})
	}
	headers := http.Header{}
	for name, v := range e.Headers {
		headers.Set(name, interpolate(v))
	}
	client := sdk.NewClient(&sdk.Implementation{Name: "cursor-vscode", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{
		Endpoint: interpolate(e.URL), HTTPClient: &http.Client{Transport: sending(headers)},
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { session.Close() })
	list, err := session.ListTools(t.Context(), nil)
	if err != nil || !slices.ContainsFunc(list.Tools, func(tool *sdk.Tool) bool { return tool.Name == "apps_deploy" }) {
		t.Fatalf("the tools are %v (%v)", list, err)
	}
	return session
}

// sending sends requests with these headers, and past any proxy.
type sending http.Header

func (h sending) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	maps.Copy(req.Header, h)
	return direct.RoundTrip(req)
}

func askTool(t *testing.T, session *sdk.ClientSession, tool string, args map[string]any) string {
	t.Helper()
	res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	text, ok := res.Content[0].(*sdk.TextContent)
	if !ok {
		t.Fatalf("%s: the answer is %v, want a text", tool, res.Content)
	}
	return text.Text
}

// TestConnect: the program does what the script does, to the byte.
func TestConnect(t *testing.T) {
	d := readDemo(t, begin(t, nil, "demo", "--json", "--listen", "127.0.0.1:0"))
	byScript := paste(t, d, "dash")
	top := t.TempDir()
	dir, home := filepath.Join(top, "project"), filepath.Join(top, "home")
	for _, name := range []string{dir, home} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	server := d.URL
	vibn := func(args ...string) (status int, out, errout string) {
		cmd := exec.CommandContext(t.Context(), "vibn-mcp", append([]string{"connect"}, args...)...)
		cmd.Dir = dir
		cmd.Env = []string{"PATH=" + filepath.Dir(lookFor(t, "git")), "HOME=" + home, "VIBN_URL=" + server, "VIBN_API_KEY=" + d.Workspaces[0].Key, "GORACE=atexit_sleep_ms=10"}
		r, err := start(cmd)
		if err != nil {
			t.Fatal(err)
		}
		<-r.ended
		return r.status, r.stdout.String(), r.stderr.String()
	}
	if status, out, errout := vibn("--dry-run", "--client", "all"); status != 0 || !strings.Contains(out, "+VIBN_WORKSPACE=alpha\n") || strings.Contains(out+errout, d.Workspaces[0].Key) {
		t.Errorf("a dry run: status %d\n%s%s", status, out, errout)
	}
	checkEmpty(t, dir)
	if err := os.WriteFile(filepath.Join(dir, ".env.local"), []byte(mine), 0o644); err != nil {
		t.Fatal(err)
	}
	if status, _, errout := vibn("--client", "all"); status != 0 {
		t.Fatalf("status %d\n%s", status, errout)
	}
	files := []string{"project/.env.local", "project/.gitignore", "project/AGENTS.md", "project/.cursor/rules/vibn.mdc"}
	for _, c := range clients.All() {
		files = append(files, strings.Replace("project/"+c.File, "project/~", "home", 1))
	}
	for _, name := range files {
		there := filepath.Join(filepath.Dir(byScript), name)
		if rest, ok := strings.CutPrefix(name, "project/"); ok {
			there = filepath.Join(byScript, rest)
		}
		want, err := os.ReadFile(there)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(top, name)); err != nil || string(got) != string(want) {
			t.Errorf("%s is %q (%v), the script writes %q", name, got, err, want)
		}
	}
	if status, _, errout := vibn("--client", "all"); status != 0 || !strings.Contains(errout, "Nothing had to be changed") {
		t.Errorf("the second run: status %d\n%s", status, errout)
	}
	server = "https://127.0.0.1:1/mcp" // to take it out, nobody has to be there
	if status, _, errout := vibn("--uninstall", "--client", "all"); status != 0 {
		t.Errorf("status %d\n%s", status, errout)
	}
	if status, _, errout := vibn("--uninstall"); status != 0 {
		t.Errorf("status %d\n%s", status, errout)
	}
	server = d.MCPURL
	if raw, err := os.ReadFile(filepath.Join(dir, ".env.local")); err != nil || string(raw) != mine {
		t.Errorf(".env.local is %q (%v), want what it was", raw, err)
	}
	if err := os.Remove(filepath.Join(dir, ".env.local")); err != nil {
		t.Fatal(err)
	}
	checkEmpty(t, dir)
	checkEmpty(t, home)
	if status, _, errout := vibn("--client", "emacs"); status != 2 || !strings.Contains(errout, "there is no client") {
		t.Errorf("an unknown client: status %d\n%s", status, errout)
	}
	if err := os.Symlink("elsewhere", filepath.Join(dir, "AGENTS.md")); err != nil {
		t.Fatal(err)
	}
	if status, _, errout := vibn(); status != 1 || !strings.Contains(errout, "left AGENTS.md alone") || !strings.Contains(errout, "error: some files were left alone\nhint: ") {
		t.Errorf("with a link: status %d\n%s", status, errout)
	}
}
