package mcp_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

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
// needs no fixture against the whole program.
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
	whole := serveWithKey(t, h.A.Key, program)
	for version, scenarios := range map[string][]string{
		"2026-07-28": {"server-stateless", "tools-list", "caching", "http-header-validation", "server-sse-multiple-streams", "dns-rebinding-protection"},
		"2025-11-25": {"server-initialize", "ping", "tools-list", "dns-rebinding-protection"},
	} {
		for _, scenario := range scenarios {
			t.Run("program at "+version+" "+scenario, func(t *testing.T) {
				t.Parallel()
				s.run(t, whole, 1, "--scenario", scenario, "--spec-version", version, "--expected-failures", "testdata/conformance-program.yml")
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
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	results := t.TempDir()
	cmd := exec.CommandContext(ctx, s.node, append([]string{s.script, "server", "--url", url, "--output-dir", results}, args...)...)
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
