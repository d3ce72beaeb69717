package dockertest_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/internal/dockertest"
)

// A phase is a state of a container that ends again and again.
type phase struct {
	status   string
	restarts int
	lasted   time.Duration
}

func names(phases []phase) (names []string) {
	for _, p := range phases {
		names = append(names, fmt.Sprint(p.status, " ", p.restarts))
	}
	return names
}

// simulated returns the phases that the simulator gives such a container.
func simulated(t *testing.T, restarts int) []phase {
	t.Helper()
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	sim := coolifytest.New(coolifytest.Config{RateLimit: -1, Now: func() time.Time { return now }})
	uuid := sim.AddApp(sim.AddProject("alpha").Environments[0].UUID, coolifytest.App{Crash: true}).UUID
	sim.AddDeployment(uuid, coolifytest.Deployment{})
	sim.Advance(sim.Deployments(uuid)[0].UUID)
	sim.Advance(sim.Deployments(uuid)[0].UUID)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	token := sim.Token("read")
	const step = 50 * time.Millisecond
	var phases []phase
	for {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/api/v1/applications/"+uuid, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		var app struct {
			Status   string `json:"status"`
			Restarts int    `json:"restart_count"`
		}
		err = json.NewDecoder(resp.Body).Decode(&app)
		if err := errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp.Status, err)
		}
		status, _, _ := strings.Cut(app.Status, ":")
		if n := len(phases); n == 0 || phases[n-1].status != status || phases[n-1].restarts != app.Restarts {
			if app.Restarts > restarts {
				return phases
			}
			phases = append(phases, phase{status: status, restarts: app.Restarts})
		}
		phases[len(phases)-1].lasted += step
		now = now.Add(step)
	}
}

// TestCrashLoopAsSimulated: a container whose process ends is restarted by the engine in
// the phases that the simulator goes through, and no sooner. Its log stays, all runs of it,
// until it is removed.
func TestCrashLoopAsSimulated(t *testing.T) {
	h := newHost(t, "echo started; echo boom >&2; exit 1")
	app := h.sim.AddApp(h.env, coolifytest.App{DestinationUUID: h.dest})
	_, err := h.engine.Up(t, h.sim.ComposeFile(app.UUID, h.image), h.sim.DotEnv(app.UUID, false), nil)
	if err != nil {
		t.Fatal(err)
	}
	state, restarts := dockertest.State{}, 5
	for ; state.Status != "restarting"; restarts++ { // a slow machine sees it later
		h.engine.Await(t, app.UUID, "die", restarts)
		if state, err = h.engine.Inspect(app.UUID); err != nil {
			t.Fatal(err)
		}
	}
	if state.ExitCode != 1 || state.Restart != "unless-stopped" || state.OOMKilled {
		t.Errorf("the container is %+v", state)
	}
	var real []phase
	since := int64(0)
	for _, e := range h.engine.Events(t, app.UUID) {
		if e.Action != "start" && e.Action != "die" {
			continue
		}
		if n := len(real); n > 0 {
			real[n-1].lasted = time.Duration(e.Nanos - since)
		}
		since = e.Nanos
		deaths := len(real) / 2
		if e.Action == "die" {
			real = append(real, phase{status: "restarting", restarts: deaths + 1})
		} else {
			real = append(real, phase{status: "running", restarts: deaths})
		}
	}
	if !slices.ContainsFunc(real, func(p phase) bool { return p.status == state.Status && p.restarts == state.Restarts }) {
		t.Errorf("the engine says %+v, and went through %v", state, real)
	}
	want := simulated(t, state.Restarts)[:2*state.Restarts] // until it waits for that restart
	if diff := cmp.Diff(names(want), names(real[:len(want)])); diff != "" {
		t.Errorf("phases (-simulator +engine)\n%s", diff)
	}
	for i, p := range want[:len(want)-1] {
		if p.status == "restarting" && real[i].lasted < p.lasted-100*time.Millisecond {
			t.Errorf("%v lasted %v, in the simulator %v", p, real[i].lasted, p.lasted)
		}
	}
	log, err := h.engine.Logs(app.UUID, 1000)
	if err != nil || strings.Count(log, "started\n") < state.Restarts || strings.Count(log, "boom\n") < state.Restarts {
		t.Errorf("after %d restarts the log is %q, %v", state.Restarts, log, err)
	}
	if err := h.engine.Remove(app.UUID); err != nil {
		t.Fatal(err)
	}
	if log, err := h.engine.Logs(app.UUID, 1000); !errors.Is(err, dockertest.ErrNotFound) {
		t.Errorf("after its removal the log is %q, %v", log, err)
	}
}
