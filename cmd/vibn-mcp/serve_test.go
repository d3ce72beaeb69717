package main

import (
	"maps"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
)

// TestServeStops stops a server while somebody waits for a deployment that does
// not end: the wait is answered with what is known, and the server ends well.
func TestServeStops(t *testing.T) {
	sim := coolifytest.New(coolifytest.Config{}) // nothing moves
	project := sim.AddProject("alpha")
	app := sim.AddApp(project.Environments[0].UUID, coolifytest.App{Name: "web"})
	deployment := sim.AddDeployment(app.UUID, coolifytest.Deployment{Status: "in_progress"}).UUID

	looked := make(chan struct{})
	signal := sync.OnceFunc(func() { close(looked) })
	env, stopCoolify := serveCoolify(sim, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		sim.ServeHTTP(w, r)
		if strings.HasSuffix(r.URL.Path, "/deployments/"+deployment) {
			signal()
		}
	}))
	defer stopCoolify()
	maps.Copy(env, map[string]string{"VIBN_DATA_DIR": t.TempDir(), "VIBN_LISTEN": "127.0.0.1:0"})
	must(t, env, "workspace", "create", "alpha", "--coolify-project", project.UUID)
	key := must(t, env, "key", "create", "alpha")

	r := begin(t, env, "serve")
	line, err := r.stderr.until(servingLine)
	if err != nil {
		t.Fatal(err)
	}
	addr := line[1]
	var status int
	var answer []byte
	waited := make(chan error, 1)
	go func() {
		var err error
		status, answer, err = call(t.Context(), key, http.MethodGet, "http://"+addr+"/api/workspaces/alpha/deployments/"+deployment+"/wait?wait_seconds=45", "")
		waited <- err
	}()
	select {
	case <-looked:
	case err := <-waited:
		t.Fatalf("the wait ended at once: %d %s %v", status, answer, err)
	}
	if got := r.end(); got != 0 {
		t.Errorf("serve ended with status %d, want 0\n%s", got, r.stderr)
	}
	if err := <-waited; err != nil || status != http.StatusOK || !strings.Contains(string(answer), `"status":"in_progress","done":false`) {
		t.Errorf("the wait = %d %s (error %v), want 200 and what is known", status, answer, err)
	}
	if conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", addr); err == nil {
		conn.Close()
		t.Errorf("%s still takes connections", addr)
	}
}

// TestSecondSignal stops a server that waits for a Coolify which does not
// answer. The first signal lets the call end; the second ends the program.
func TestSecondSignal(t *testing.T) {
	sim := coolifytest.New(coolifytest.Config{})
	project := sim.AddProject("alpha")
	sim.AddApp(project.Environments[0].UUID, coolifytest.App{Name: "web", Status: "running:healthy"})
	gate, asked := make(chan struct{}), make(chan struct{})
	sim.SlowSSH(gate)
	ask := sync.OnceFunc(func() { close(asked) })
	env, stopCoolify := serveCoolify(sim, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/logs") {
			ask()
		}
		sim.ServeHTTP(w, r)
	}))
	defer stopCoolify()
	defer close(gate)
	maps.Copy(env, map[string]string{"VIBN_DATA_DIR": t.TempDir(), "GORACE": "atexit_sleep_ms=10"})
	must(t, env, "workspace", "create", "alpha", "--coolify-project", project.UUID)
	key := must(t, env, "key", "create", "alpha")

	cmd := exec.CommandContext(t.Context(), "vibn-mcp", "serve", "--listen", "127.0.0.1:0")
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	r, err := start(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer r.end()
	line, err := r.stderr.until(servingLine)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		_, _, _ = call(t.Context(), key, http.MethodGet, "http://"+line[1]+"/api/workspaces/alpha/apps/web/logs", "")
	}()
	<-asked
	r.stop()
	if _, err := r.stderr.until(regexp.MustCompile(`"msg":"stopping"`)); err != nil {
		t.Fatal(err)
	}
	for r.stop(); !r.hasEnded(); r.stop() { // until the program has let go of the signal
		runtime.Gosched()
	}
	if r.status != -1 {
		t.Errorf("the server ended with status %d, want it killed by the second signal\n%s", r.status, r.stderr)
	}
}
