package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// An interopServer is a way to the program, as interop.mjs takes it.
type interopServer struct {
	URL     string            `json:"url,omitempty"`
	Key     string            `json:"key,omitempty"`
	Command string            `json:"command,omitempty"`
	Args    []string          `json:"args,omitempty"`
	Env     map[string]string `json:"env,omitempty"`
	Foreign string            `json:"foreign"`    // an app of another workspace
	Unknown string            `json:"unknownKey"` // a key of a server elsewhere
}

// interopClients is how many clients interop.mjs has that each want a database.
const interopClients = 4

// TestInterop lets clients that are not ours use the program: over HTTP, over
// stdio to a server elsewhere, and over stdio in process.
func TestInterop(t *testing.T) {
	dir := os.Getenv("VIBN_INTEROP")
	if dir == "" {
		t.Skip("VIBN_INTEROP names no folder with the clients; make interop installs them and runs this")
	}
	program, err := exec.LookPath("vibn-mcp")
	if err != nil {
		t.Fatal(err)
	}
	d := readDemo(t, begin(t, nil, "demo", "--json", "--listen", "127.0.0.1:0"))
	alpha, beta := d.Workspaces[0], d.Workspaces[1]
	bridged := map[string]string{"VIBN_URL": d.URL, "VIBN_API_KEY": beta.Key, "GORACE": "atexit_sleep_ms=10"}
	inProcess := serveInProcess(t, program, alpha.Key)
	elsewhere := inProcess[0].Env["VIBN_API_KEY"]
	input, err := json.Marshal(map[string]any{
		"http":      interopServer{URL: d.MCPURL, Key: alpha.Key, Foreign: beta.Apps[0].UUID, Unknown: elsewhere},
		"bridge":    interopServer{Command: program, Args: []string{"stdio"}, Env: bridged, Foreign: alpha.Apps[0].UUID, Unknown: elsewhere},
		"inProcess": inProcess,
	})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(t.Context(), filepath.Join(dir, "node_modules", ".bin", "node"), filepath.Join(dir, "interop.mjs"))
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "NO_COLOR=1") // the Inspector writes to its home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &out, &out
	err = cmd.Run()
	t.Logf("\n%s", &out)
	if err != nil || !regexp.MustCompile(`(?m)^[1-9]\d* passed, 0 failed$`).Match(out.Bytes()) {
		t.Errorf("interop.mjs: %v", err)
	}
}

// serveInProcess returns the program on a simulated Coolify, once for each client:
// a SQLite database serves one process at a time.
func serveInProcess(t *testing.T, program, unknown string) []interopServer {
	t.Helper()
	sim := coolifytest.New(coolifytest.Config{BuildTime: demoBuild})
	coolify, stop := serveCoolify(sim, sim)
	t.Cleanup(stop)
	foreign := sim.AddApp(sim.AddProject("foreign").Environments[0].UUID, coolifytest.App{Name: "web"})
	var servers []interopServer
	for i := range interopClients {
		project := sim.AddProject(fmt.Sprintf("own-%d", i))
		for _, name := range []string{"web", "api"} {
			sim.AddApp(project.Environments[0].UUID, coolifytest.App{Name: name})
		}
		env := maps.Clone(coolify)
		maps.Copy(env, map[string]string{"VIBN_DATA_DIR": t.TempDir(), "GORACE": "atexit_sleep_ms=10"})
		must(t, env, "workspace", "create", "own", "--coolify-project", project.UUID)
		env["VIBN_API_KEY"] = must(t, env, "key", "create", "own")
		servers = append(servers, interopServer{Command: program, Args: []string{"stdio"}, Env: env, Foreign: foreign.UUID, Unknown: unknown})
	}
	return servers
}
