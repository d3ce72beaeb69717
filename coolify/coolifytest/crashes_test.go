package coolifytest

import (
	"context"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// TestCrashLoop: an application whose containers end is deployed well, restarts, and is
// stopped after ten restarts; Coolify notices each late, and then there is no log.
func TestCrashLoop(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	s.SetApp(s.web.UUID, func(a *App) { a.Crash, a.Logs = true, "boom\n" })
	d := s.deploy(s.web)
	begun := now.at
	if d.Status != Finished {
		t.Fatalf("the deployment is %s, want it finished", d.Status)
	}
	path := "/applications/" + s.web.UUID
	for _, tc := range []struct {
		after    time.Duration
		status   string
		restarts float64
		log      int // status of the request for it
		serves   int
	}{
		{0, "exited:unhealthy", 0, 200, 502},
		{14 * time.Second, "exited:unhealthy", 0, 200, 502},
		{16 * time.Second, "running:unknown", 0, 200, 502},
		{20 * time.Second, "running:unknown", 1, 400, 503},
		{25 * time.Second, "running:unknown", 2, 400, 503},
		{35 * time.Second, "restarting:unknown", 5, 400, 503},
		{time.Minute, "restarting:unknown", 8, 400, 503},
		{100 * time.Second, "running:unknown", 9, 400, 503},
		{2 * time.Minute, "restarting:unknown", 10, 400, 503},
		{4 * time.Minute, "exited:unhealthy", 10, 400, 503},
		{time.Hour, "exited:unhealthy", 10, 400, 503},
	} {
		now.at = begun.Add(tc.after)
		got := s.do("GET", path, "").ok(200).object()
		if got["status"] != tc.status || got["restart_count"] != tc.restarts || (got["last_restart_type"] == "crash") != (tc.restarts > 0) {
			t.Errorf("after %v: %v, %v restarts; want %s, %v", tc.after, got["status"], got["restart_count"], tc.status, tc.restarts)
		}
		s.do("GET", path+"/logs", "").ok(tc.log)
		s.serves("web.example.com", "", tc.serves)
	}
	s.SetApp(s.web.UUID, func(a *App) { a.Crash = false })
	s.deploy(s.web)
	now.at = now.at.Add(time.Minute)
	if got := s.do("GET", path, "").ok(200).object(); got["status"] != "running:unknown" || got["restart_count"] != 0.0 {
		t.Errorf("mended: %v, %v restarts", got["status"], got["restart_count"])
	}
}

// TestHealthStates: with a health check the deployment of such a container fails, and a
// good one seems degraded for a moment.
func TestHealthStates(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	s.SetApp(s.web.UUID, func(a *App) { a.HealthCheck = true })
	s.deploy(s.web)
	now.at = now.at.Add(time.Minute)
	s.SetApp(s.web.UUID, func(a *App) { a.Crash = true })
	if d := s.deploy(s.web); d.Status != Failed || !logged(d, "New container is unhealthy.") {
		t.Errorf("deployment = %s, want it failed by its health check", d.Status)
	}
	s.SetApp(s.web.UUID, func(a *App) { a.Crash = false })
	s.deploy(s.web)
	begun := now.at
	for after, want := range map[time.Duration]string{
		14 * time.Second: "running:healthy", 16 * time.Second: "degraded:unhealthy", time.Minute: "running:healthy",
	} {
		now.at = begun.Add(after)
		if got := s.do("GET", "/applications/"+s.web.UUID, "").object()["status"]; got != want {
			t.Errorf("after %v: %v, want %s", after, got, want)
		}
	}
}

// TestProxysOwnAnswers: over plain HTTP the proxy answers as a server in Go without a
// page does, for a name that nothing runs for and for one that never was.
func TestProxysOwnAnswers(t *testing.T) {
	s := newSim(t, Config{})
	ask := func(address string) string {
		client := &http.Client{Transport: &http.Transport{
			DialContext: func(ctx context.Context, _, address string) (net.Conn, error) { return s.DialApp(ctx, address) }, DisableKeepAlives: true,
		}}
		resp, err := client.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status + " " + resp.Header.Get("Content-Type") + " " + resp.Header.Get("X-Content-Type-Options") + " " + string(body)
	}
	const own = "404 Not Found text/plain; charset=utf-8 nosniff 404 page not found\n"
	for _, address := range []string{"http://web.example.com", "http://nobody.example.com"} {
		if got := ask(address); got != own {
			t.Errorf("%s answers %q, want %q", address, got, own)
		}
	}
	s.SetApp(s.web.UUID, func(a *App) { a.NoPage = true })
	s.deploy(s.web)
	if got := ask("http://web.example.com"); got != own {
		t.Errorf("an app without a page answers %q, want %q", got, own)
	}
}

// TestImagesOfFailedDeployments: an image that was built is offered, whatever came of
// its deployment.
func TestImagesOfFailedDeployments(t *testing.T) {
	s := newSim(t, Config{})
	s.SetApp(s.web.UUID, func(a *App) { a.Commit, a.FailNext, a.FailAs = "c1", true, FailStart })
	s.deploy(s.web)
	s.do("GET", "/applications/"+s.web.UUID+"/rollback-images", "").ok(200)
	if got := s.Images(s.web.UUID); len(got) != 1 || got[0] != "c1" {
		t.Errorf("images = %v, want that of the failed deployment", got)
	}
}

// TestFinishedLate: when a deployment failed is not shown at once.
func TestFinishedLate(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	s.SetApp(s.web.UUID, func(a *App) { a.FailNext = true })
	d := s.deploy(s.web)
	finished := func() any { return s.do("GET", "/deployments/"+d.UUID, "").ok(200).object()["finished_at"] }
	if got := finished(); d.Status != Failed || got != nil {
		t.Errorf("%s, finished_at %v", d.Status, got)
	}
	now.at = now.at.Add(15 * time.Second)
	if finished() == nil {
		t.Error("finished_at stays null")
	}
}
