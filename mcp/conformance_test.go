package mcp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// fixtureMethods are what the fixtures serve beyond the program's own methods.
var fixtureMethods = []string{
	"completion/complete", "logging/setLevel", "prompts/get", "prompts/list", "subscriptions/listen",
	"resources/list", "resources/read", "resources/subscribe", "resources/templates/list", "resources/unsubscribe",
}

// TestConformance runs the protocol's conformance suite: all that a version of
// the protocol requires against the HTTP stack with fixtures in it, and what
// needs no fixture against the binary.
func TestConformance(t *testing.T) {
	s := findSuite(t)
	h := tenancytest.New(t, tenancytest.Config{})
	program := sidecar.Handler(sidecar.Config{
		Guard: h.Guard, Registry: mcp.New(h.Logger), PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"},
		Ready: func(context.Context) error { return nil }, Version: "test", Log: h.Logger,
	})
	stack := serveWithKey(t, h.A.Key, behind(program, mcp.HandlerOf(fixtures(), slices.Concat(mcp.Served, fixtureMethods), h.Guard, h.Logger)))
	t.Run("required at 2026-07-28", func(t *testing.T) {
		s.run(t, stack, 50, "--requirements", "2026-07-28")
	})
	t.Run("required at 2025-11-25", func(t *testing.T) {
		s.run(t, stack, 33, "--requirements", "2025-11-25", "--expected-failures", "testdata/conformance-baseline.yml")
	})
	binary := startBinary(t)
	for version, scenarios := range map[string][]string{
		"2026-07-28": {"server-stateless", "tools-list", "caching", "http-header-validation", "server-sse-multiple-streams", "dns-rebinding-protection"},
		"2025-11-25": {"server-initialize", "ping", "tools-list", "dns-rebinding-protection"},
	} {
		for _, scenario := range scenarios {
			t.Run("program at "+version+" "+scenario, func(t *testing.T) {
				t.Parallel()
				s.run(t, binary, 1, "--scenario", scenario, "--spec-version", version, "--expected-failures", "testdata/conformance-program.yml")
			})
		}
	}
}

// behind puts the program's look at Host and Origin before a handler: what the
// program does not refuse, but finds no route for, goes on to next.
func behind(program, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probe := r.Clone(r.Context())
		probe.URL, probe.Body = &url.URL{Path: "/no-such-route"}, http.NoBody
		verdict := httptest.NewRecorder()
		program.ServeHTTP(verdict, probe)
		if verdict.Code != http.StatusNotFound {
			w.WriteHeader(verdict.Code)
			_, _ = w.Write(verdict.Body.Bytes())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serveWithKey serves on loopback and adds a key to each request, as the suite
// has no way to send one. It returns the URL of the server's MCP.
func serveWithKey(t *testing.T, key string, next http.Handler) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Header.Set("Authorization", "Bearer "+key)
		next.ServeHTTP(w, r)
	}))
	t.Cleanup(srv.Close)
	return srv.URL + "/mcp"
}

// startBinary builds the program, runs its demo, and returns the URL of its MCP
// behind a proxy that adds the key.
func startBinary(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "vibn-mcp")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", file, "../cmd/vibn-mcp").CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), file, "demo", "--json", "--listen", "127.0.0.1:0")
	cmd.Env, cmd.Stderr = []string{"TMPDIR=" + t.TempDir()}, t.Output()
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() }) // the end of the test's context interrupts it
	var demo struct {
		URL        string
		Workspaces []struct{ Key string }
	}
	if err := json.NewDecoder(stdout).Decode(&demo); err != nil || len(demo.Workspaces) == 0 {
		t.Fatalf("the demo says %+v, %v", demo, err)
	}
	target, err := url.Parse(demo.URL)
	if err != nil {
		t.Fatal(err)
	}
	return serveWithKey(t, demo.Workspaces[0].Key, passOn(target))
}

// passOn sends requests on to a server, under the Host that they came for, and its
// answers back as they come. A reverse proxy would close the request's body when
// the answer begins, at which some streams end early.
func passOn(to *url.URL) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		out := r.Clone(r.Context())
		out.URL.Scheme, out.URL.Host, out.RequestURI, out.Body = to.Scheme, to.Host, "", io.NopCloser(bytes.NewReader(body))
		resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		maps.Copy(w.Header(), resp.Header)
		w.WriteHeader(resp.StatusCode)
		part := make([]byte, 4096)
		for err == nil {
			var n int
			n, err = resp.Body.Read(part)
			_, _ = w.Write(part[:n])
			_ = http.NewResponseController(w).Flush()
		}
	})
}

// A suite is where the conformance suite is installed.
type suite struct{ node, script string }

func findSuite(t *testing.T) suite {
	t.Helper()
	dir := os.Getenv("VIBN_CONFORMANCE")
	if dir == "" {
		t.Skip("VIBN_CONFORMANCE names no folder with the conformance suite; make conformance installs it and runs this")
	}
	modules := filepath.Join(dir, "node_modules")
	s := suite{filepath.Join(modules, ".bin", "node"), filepath.Join(modules, "@modelcontextprotocol", "conformance", "dist", "index.js")}
	for _, path := range []string{s.node, s.script} {
		if _, err := os.Stat(path); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// run runs the suite, which says by its exit status whether all is well. It has
// to have run so many scenarios: none would be well too.
func (s suite) run(t *testing.T, url string, scenarios int, args ...string) {
	t.Helper()
	results := t.TempDir()
	cmd := exec.CommandContext(t.Context(), s.node, append([]string{s.script, "server", "--url", url, "--output-dir", results}, args...)...)
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	out, err := cmd.CombinedOutput()
	files, globErr := filepath.Glob(filepath.Join(results, "*", "checks.json"))
	if err != nil || globErr != nil || len(files) != scenarios {
		t.Errorf("%v: %v; %d scenarios, want %d\n%s", args, err, len(files), scenarios, out)
	}
	passed, all := 0, 0
	for _, file := range files {
		p, n := countChecks(t, file)
		passed, all = passed+p, all+n
	}
	t.Logf("%d scenarios, %d of %d checks passed", len(files), passed, all)
}

// countChecks counts the checks of a scenario and those that passed. Of a run
// that failed it logs those that did not.
func countChecks(t *testing.T, file string) (passed, all int) {
	t.Helper()
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var checks []struct{ ID, Status, ErrorMessage string }
	if err := json.Unmarshal(raw, &checks); err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if c.Status == "SUCCESS" {
			passed++
		} else if t.Failed() {
			t.Logf("%s %s: %s", c.Status, c.ID, c.ErrorMessage)
		}
	}
	return passed, len(checks)
}
