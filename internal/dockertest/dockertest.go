// Package dockertest gives tests a Docker engine and Docker Compose v2, to prove what
// real containers do with what Coolify writes.
//
// VIBN_TEST_DOCKER names the socket of a running engine, as unix:///var/run/docker.sock.
// Without it the package starts one of its own, which takes root and dockerd: with data,
// socket and process file in a directory that is removed at the end, and without any rule
// of the firewall. Images are made of the host's static busybox, as there is no registry.
//
// Tests are skipped where there is no engine; with VIBN_REQUIRE_DOCKER=1 they fail.
package dockertest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// An Engine is a running Docker engine with Docker Compose. Everything that a test makes
// with it is removed at the test's end.
type Engine struct {
	api   api
	atEnd func() error
}

// live is what running returned, for Main: the tests are over when it looks.
var live *Engine

// running finds or starts the engine, once.
var running = sync.OnceValues(func() (e *Engine, err error) {
	if named := os.Getenv("VIBN_TEST_DOCKER"); named != "" {
		e, err = namedEngine(named)
	} else {
		e, err = startEngine()
	}
	live = e
	return e, err
})

// Main runs the tests of a package, then ends the engine if one was started. TestMain
// calls it.
func Main(m *testing.M) {
	code := m.Run()
	if live != nil {
		if err := live.atEnd(); err != nil {
			fmt.Fprintln(os.Stderr, "ending the Docker engine:", err)
			code = 1
		}
	}
	os.Exit(code)
}

// Get returns the engine that the tests of this process share. It skips the test where
// there is none, or fails it if VIBN_REQUIRE_DOCKER is 1.
func Get(t testing.TB) *Engine {
	t.Helper()
	e, err := running()
	require(t, "a Docker engine", err)
	return e
}

// require skips the test if there was an error, or fails it if Docker is required.
func require(t testing.TB, what string, err error) {
	t.Helper()
	switch {
	case err == nil:
	case os.Getenv("VIBN_REQUIRE_DOCKER") == "1":
		t.Fatalf("VIBN_REQUIRE_DOCKER is 1, and there is not %s: %v", what, err)
	default:
		t.Skipf("there is not %s: %v", what, err)
	}
}

// Image makes an image of busybox that runs a shell script, and returns its name.
func (e *Engine) Image(t testing.TB, script string) string {
	t.Helper()
	files, err := busyboxTar()
	if err != nil {
		t.Fatal(err)
	}
	name := random() + ":latest"
	if err := e.api.importImage(name, files, []string{"/bin/busybox", "sh", "-c", script}); err != nil {
		t.Fatal(err)
	}
	cleanup(t, func() error { return e.api.remove("/images/" + name + "?force=1") })
	return name
}

// Network makes a network and returns its name.
func (e *Engine) Network(t testing.TB) string {
	t.Helper()
	name := random()
	if err := e.api.do("POST", "/networks/create", map[string]any{"Name": name, "Attachable": true}, nil); err != nil {
		t.Fatal(err)
	}
	cleanup(t, func() error { return e.api.remove("/networks/" + name) })
	return name
}

// Run starts a container of an image with a restart policy, such as unless-stopped, and
// no network, and returns its name.
func (e *Engine) Run(t testing.TB, image, restart string) string {
	t.Helper()
	name := random()
	spec := map[string]any{"Image": image, "HostConfig": map[string]any{
		"NetworkMode": "none", "RestartPolicy": map[string]any{"Name": restart},
	}}
	cleanup(t, func() error { return e.Remove(name) })
	err := e.api.do("POST", "/containers/create?name="+name, spec, nil)
	if err == nil {
		err = e.api.do("POST", "/containers/"+name+"/start", nil, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// State is what the engine says of a container.
type State struct {
	Status    string // created, running, restarting, exited …
	ExitCode  int
	OOMKilled bool
	Restarts  int    // since it was created
	Restart   string // policy, such as unless-stopped
	Address   string // in its network; empty while it does not run
}

// Inspect returns the state of a container; [ErrNotFound] if there is none.
func (e *Engine) Inspect(container string) (State, error) {
	var out struct {
		State struct {
			Status    string
			ExitCode  int
			OOMKilled bool
		}
		RestartCount int
		HostConfig   struct{ RestartPolicy struct{ Name string } }

		NetworkSettings struct {
			Networks map[string]struct{ IPAddress string }
		}
	}
	err := e.api.do("GET", "/containers/"+container+"/json", nil, &out)
	s := State{
		Status: out.State.Status, ExitCode: out.State.ExitCode, OOMKilled: out.State.OOMKilled,
		Restarts: out.RestartCount, Restart: out.HostConfig.RestartPolicy.Name,
	}
	for _, network := range out.NetworkSettings.Networks {
		s.Address = network.IPAddress
	}
	return s, err
}

// Logs returns the last lines that a container printed, on both streams.
func (e *Engine) Logs(container string, lines int) (string, error) {
	never := func(string) bool { return false }
	return e.api.logs(context.Background(), container, strconv.Itoa(lines), false, never)
}

// AwaitLog returns once a running container has printed a text n times since it was created.
func (e *Engine) AwaitLog(t testing.TB, container, text string, n int) {
	t.Helper()
	enough := func(log string) bool { return strings.Count(log, text) >= n }
	log, err := e.api.logs(t.Context(), container, "all", true, enough)
	if err != nil || !enough(log) {
		t.Fatalf("waiting for %d × %q of %s: %v; it printed %q", n, text, container, err, log)
	}
}

// Exec starts a command in a running container, and does not wait for it.
func (e *Engine) Exec(container string, command ...string) error {
	var made struct{ ID string }
	err := e.api.do("POST", "/containers/"+container+"/exec", map[string]any{"Cmd": command}, &made)
	if err != nil {
		return err
	}
	return e.api.do("POST", "/exec/"+made.ID+"/start", map[string]any{"Detach": true}, nil)
}

// Remove stops a container at once and removes it, as Coolify does with one that it gave
// up on.
func (e *Engine) Remove(container string) error {
	return e.api.remove("/containers/" + container + "?force=1&v=1")
}

// Await returns once the engine has told of n events of a container, such as "die" and
// "start", since it was created.
func (e *Engine) Await(t testing.TB, container, action string, n int) {
	t.Helper()
	seen := 0
	err := e.api.events(t.Context(), container, "", func(event Event) bool {
		if event.Action == action {
			seen++
		}
		return seen == n
	})
	if err != nil {
		t.Fatalf("waiting for %d × %q of %s: %v", n, action, container, err)
	}
}

// Events returns what has happened to a container until now.
func (e *Engine) Events(t testing.TB, container string) []Event {
	t.Helper()
	var events []Event
	until := fmt.Sprintf("%.9f", float64(time.Now().UnixNano())/1e9)
	err := e.api.events(t.Context(), container, until, func(event Event) bool {
		events = append(events, event)
		return false
	})
	if err != nil {
		t.Fatal(err)
	}
	return events
}

// cleanup runs f at the end of the test. What is gone already is fine.
func cleanup(t testing.TB, f func() error) {
	t.Cleanup(func() {
		if err := f(); err != nil && !errors.Is(err, ErrNotFound) {
			t.Error(err)
		}
	})
}

func random() string { return "vibn-test-" + strings.ToLower(rand.Text()[:12]) }
