package main

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// A demoLine is the line that "demo --json" prints.
type demoLine struct {
	URL        string          `json:"url"`
	MCPURL     string          `json:"mcp_url"`
	Workspaces []demoWorkspace `json:"workspaces"`
}

// TestDemo uses the demo as a program does: it reads one line of JSON, and goes
// through a day of an agent's with an MCP client and with plain HTTP.
func TestDemo(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	// What is set for a server of the operator's must not disturb the demo.
	env := map[string]string{"VIBN_SECRETS_KEY": "short", "COOLIFY_URL": "nowhere", "DATABASE_URL": "nowhere", "VIBN_API_KEY": "nothing"}
	r := begin(t, env, "demo", "--json", "--listen", "127.0.0.1:0")
	d := readDemo(t, r)
	t.Run("with", func(t *testing.T) {
		t.Run("MCP", func(t *testing.T) { t.Parallel(); agentOverMCP(t, d) })
		t.Run("REST", func(t *testing.T) { t.Parallel(); agentOverREST(t, d) })
	})
	if status := r.end(); status != 0 {
		t.Errorf("the demo ended with status %d, want 0\n%s", status, r.stderr)
	}
	if got := strings.Count(r.stdout.String(), "\n"); got != 1 {
		t.Errorf("the demo printed %d lines, want 1", got)
	}
	checkEmpty(t, tmp)
}

func readDemo(t *testing.T, r *running) demoLine {
	t.Helper()
	line, err := r.stdout.until(regexp.MustCompile(`^\{.*\}\n`))
	if err != nil {
		t.Fatalf("%v\n%s", err, r.stderr)
	}
	var d demoLine
	dec := json.NewDecoder(strings.NewReader(line[0]))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		t.Fatalf("%s: %v", line[0], err)
	}
	if d.MCPURL != d.URL+"/mcp" || len(d.Workspaces) != 2 || len(d.Workspaces[0].Apps) != 2 || len(d.Workspaces[1].Apps) != 2 {
		t.Fatalf("the demo says %s, want two workspaces with two apps each", line[0])
	}
	return d
}

// checkEmpty fails the test if something was left in a directory.
func checkEmpty(t *testing.T, dir string) {
	t.Helper()
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("the temporary directory holds %v (error %v), want nothing", left, err)
	}
}

func agentOverMCP(t *testing.T, d demoLine) {
	w := d.Workspaces[0]
	client := sdk.NewClient(&sdk.Implementation{Name: "test", Version: "1"}, nil)
	session, err := client.Connect(t.Context(), &sdk.StreamableClientTransport{Endpoint: d.MCPURL, HTTPClient: &http.Client{Transport: bearer(w.Key)}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	list, err := session.ListTools(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(list.Tools, func(tool *sdk.Tool) bool { return tool.Name == "apps_deploy" }) {
		t.Error("apps_deploy is not in the list of tools")
	}
	workDay(t, w, func(tool string, args map[string]any) string {
		res, err := session.CallTool(t.Context(), &sdk.CallToolParams{Name: tool, Arguments: args})
		if err != nil {
			t.Fatalf("%s: %v", tool, err)
		}
		text, ok := res.Content[0].(*sdk.TextContent)
		if !ok || len(res.Content) != 1 {
			t.Fatalf("%s: the answer is %v, want one text", tool, res.Content)
		}
		return text.Text
	})
}

// bearer sends requests with a key, and past any proxy.
type bearer string

func (key bearer) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("Authorization", "Bearer "+string(key))
	return direct.RoundTrip(req)
}

func agentOverREST(t *testing.T, d demoLine) {
	w := d.Workspaces[1]
	routes := map[string]string{
		"apps_list": "GET /apps", "apps_deploy": "POST /apps/{app}/deploy", "deployments_wait": "GET /deployments/{deployment}/wait",
		"apps_logs": "GET /apps/{app}/logs", "envs_upsert": "PATCH /apps/{app}/envs", "envs_list": "GET /apps/{app}/envs", "activity_list": "GET /activity",
	}
	workDay(t, w, func(tool string, args map[string]any) string {
		method, path, _ := strings.Cut(routes[tool], " ")
		for _, name := range []string{"app", "deployment"} {
			if v, ok := args[name].(string); ok {
				path = strings.Replace(path, "{"+name+"}", v, 1)
				delete(args, name)
			}
		}
		body := ""
		if method != http.MethodGet {
			raw, err := json.Marshal(args)
			if err != nil {
				t.Fatal(err)
			}
			body = string(raw)
		}
		_, answer, err := call(t.Context(), w.Key, method, d.URL+"/api/workspaces/"+w.Slug+path, body)
		if err != nil {
			t.Fatal(err)
		}
		return string(answer)
	})
	other := d.Workspaces[0]
	for _, url := range []string{"/api/workspaces/" + other.Slug + "/apps", "/api/workspaces/" + w.Slug + "/apps/" + other.Apps[0].UUID} {
		if status, answer, err := call(t.Context(), w.Key, http.MethodGet, d.URL+url, ""); err != nil || status != http.StatusNotFound {
			t.Errorf("GET %s with the key of %s = %d %s (error %v), want 404", url, w.Slug, status, answer, err)
		}
	}
}

// workDay does what an agent does with one app: find it, set a variable, deploy,
// wait, wait on, read the log, and look back.
func workDay(t *testing.T, w demoWorkspace, use func(tool string, args map[string]any) string) {
	app := w.Apps[0].UUID
	const value = "a value that nobody may read"
	step := func(tool string, args map[string]any, want string) string {
		got := use(tool, args)
		if !strings.Contains(got, want) || strings.Contains(got, value) {
			t.Fatalf("%s = %s\nwant it to hold %s, and not the value", tool, got, want)
		}
		return got
	}
	step("apps_list", nil, `"uuid":"`+w.Apps[1].UUID+`","name":"`+w.Apps[1].Name+`"`)
	step("envs_upsert", map[string]any{"app": app, "set": map[string]string{"GREETING": value}}, `"key":"GREETING","action":"created"`)
	step("envs_list", map[string]any{"app": app}, `"key":"GREETING"`)
	var started struct{ Deployment string }
	if err := json.Unmarshal([]byte(step("apps_deploy", map[string]any{"app": app, "wait_seconds": 1}, `"done":false`)), &started); err != nil {
		t.Fatal(err)
	}
	step("deployments_wait", map[string]any{"deployment": started.Deployment}, `"status":"finished","done":true`)
	step("apps_logs", map[string]any{"app": app}, `listening on :3000`)
	step("activity_list", map[string]any{}, `"tool":"apps.deploy","target":"`+app+`"`)
}

// TestDemoText pastes the lines that the demo prints for people into the shells
// that people have.
func TestDemoText(t *testing.T) {
	for _, shell := range []string{"sh", "dash", "bash", "zsh"} {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			for _, program := range []string{"curl", shell} {
				if _, err := exec.LookPath(program); err == nil {
					continue
				}
				if os.Getenv("CI") == "true" && (program == "curl" || program == "sh") {
					t.Fatalf("%s is required here", program)
				}
				t.Skipf("there is no %s here", program)
			}
			pasteDemo(t, shell)
		})
	}
}

func pasteDemo(t *testing.T, shell string) {
	tmp := t.TempDir()
	demo := exec.CommandContext(t.Context(), "vibn-mcp", "demo", "--listen", "127.0.0.1:0")
	demo.Env = append(os.Environ(), "TMPDIR="+tmp, "GORACE=atexit_sleep_ms=10", "COOLIFY_URL=nowhere")
	r, err := start(demo)
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	lines, err := r.stdout.until(regexp.MustCompile(`(?ms)^export VIBN_API_KEY=.*tools/list.*?\n`))
	if err != nil {
		t.Fatalf("%v\n%s", err, r.stderr)
	}
	sh := exec.CommandContext(t.Context(), shell, "-eu")
	sh.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()} // no proxy
	sh.Stdin = strings.NewReader(lines[0])
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", shell, err, out)
	}
	for _, want := range []string{`"name":"web"`, `"status":"finished"`, `listening on :3000`, `"tool":"apps.deploy"`, `"name":"apps_deploy"`} {
		if !strings.Contains(string(out), want) {
			t.Errorf("no line answered with %s:\n%s", want, out)
		}
	}
	if status := r.end(); status != 0 || r.stderr.String() != "" {
		t.Errorf("the demo ended with status %d and said %q, want 0 and nothing", status, r.stderr)
	}
	checkEmpty(t, tmp)
}
