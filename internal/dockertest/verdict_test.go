package dockertest_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/internal/dockertest"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
	"github.com/vibnai/vibn-mcp/verdict"
)

// A site is an app of a workspace whose container is a real one, behind a proxy that
// answers as Traefik does. The simulated Coolify is told what the engine says.
type site struct {
	*testing.T
	house  *tenancytest.House
	engine *dockertest.Engine
	uuid   string // of the app, and the container's name
}

func newSite(t *testing.T, script string) *site {
	e := dockertest.Get(t)
	s := &site{T: t, engine: e}
	proxy := httptest.NewServer(http.HandlerFunc(s.route))
	t.Cleanup(proxy.Close)
	s.house = tenancytest.New(t, tenancytest.Config{Probe: probe.New(probe.Config{
		Dial: func(ctx context.Context, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", proxy.Listener.Addr().String())
		},
	})})
	sim := s.house.Sim
	dest := sim.AddDestination(coolifytest.Destination{Network: e.Network(t), HostUUID: sim.Hosts()[0].UUID})
	s.uuid = sim.AddApp(s.house.A.Project.Environments[0].UUID, coolifytest.App{
		Name: "site", FQDN: "http://site.alpha.example.com", DestinationUUID: dest.UUID, PortsExposes: "3000",
	}).UUID
	if _, err := e.Up(t, sim.ComposeFile(s.uuid, e.Image(t, script)), sim.DotEnv(s.uuid, false), nil); err != nil {
		t.Fatal(err)
	}
	return s
}

// route is the proxy: to the container while that runs, and what Traefik answers of its
// own otherwise.
func (s *site) route(w http.ResponseWriter, r *http.Request) {
	state, err := s.engine.Inspect(s.uuid) //nolint:contextcheck // the engine ends with the test
	if err != nil || state.Status != "running" || r.Host != "site.alpha.example.com" {
		http.NotFound(w, r)
		return
	}
	to := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: state.Address + ":3000"})
	to.ErrorHandler = func(w http.ResponseWriter, _ *http.Request, _ error) {
		http.Error(w, http.StatusText(http.StatusBadGateway), http.StatusBadGateway)
	}
	to.ServeHTTP(w, r)
}

// deployed tells Coolify that a deployment has finished, and what it sees of the container.
func (s *site) deployed() (deployment string) {
	d := s.house.Sim.AddDeployment(s.uuid, coolifytest.Deployment{
		Status: coolifytest.InProgress, Commit: strings.Repeat("ab", 20),
	}).UUID
	s.house.Sim.Finish(d, coolifytest.Finished)
	s.look()
	return d
}

// look is Coolify's look at the container.
func (s *site) look() {
	s.Helper()
	state, err := s.engine.Inspect(s.uuid)
	log := ""
	if err == nil {
		log, err = s.engine.Logs(s.uuid, 1000)
	}
	s.house.Sim.SetApp(s.uuid, func(a *coolifytest.App) {
		switch {
		case errors.Is(err, dockertest.ErrNotFound):
			a.Status = "exited:unhealthy"
		case err != nil:
			s.Error(err)
		default:
			a.Status, a.Restarts, a.Logs = state.Status+":unknown", state.Restarts, log
		}
	})
}

func (s *site) verdict(deployment string) verdict.Waited {
	s.Helper()
	scope := s.house.Open(s, s.house.A.Key, tenancy.Read)
	waited, err := verdict.Await(s.Context(), scope, deployment, "", hosting.MaxWait)
	if err != nil {
		s.Fatal(err)
	}
	return waited
}

// TestRealAppIsLive: a container that answers, with a page or with none, is live.
func TestRealAppIsLive(t *testing.T) {
	for script, status := range map[string]int{
		"echo hello >/tmp/index.html; exec httpd -f -p 3000 -h /tmp": http.StatusOK,
		"exec httpd -f -p 3000 -h /tmp":                              http.StatusNotFound, // in its own words
	} {
		s := newSite(t, script)
		if got := s.verdict(s.deployed()); got.Verdict != verdict.VerdictLive || got.HTTPStatus != status {
			t.Errorf("%s: %+v, want it live with %d", script, got, status)
		}
	}
}
