package tenancy_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// answer calls a tool and returns its answer.
func answer(t *testing.T, h *tenancytest.House, key, tool string, args map[string]any) map[string]any {
	t.Helper()
	raw, err := json.Marshal(args)
	must(t, err)
	scope, err := h.Guard.OpenKey(t.Context(), key)
	must(t, err)
	raw, err = mcp.New(h.Logger).Call(t.Context(), scope, mcp.Request{Tool: tool, Args: raw})
	if err != nil {
		t.Fatalf("%s: %v", tool, err)
	}
	var out map[string]any
	must(t, json.Unmarshal(raw, &out))
	return out
}

// TestChangedPort: the proxy sends requests to the new port from the next deployment on.
func TestChangedPort(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	web := h.A.Web.UUID
	h.Sim.SetApp(web, func(a *coolifytest.App) { a.Listens = "8080" })
	deploy := func() (status int) {
		id := answer(t, h, h.A.Key, "apps.deploy", map[string]any{"app": web})["deployment"].(string)
		h.Sim.Advance(id)
		h.Sim.Advance(id)
		_, status = h.Sim.Serving(domainOf(t, h, web))
		return status
	}
	if got := deploy(); got != 502 {
		t.Fatalf("on the wrong port: %d, want the proxy's 502", got)
	}
	answer(t, h, h.A.Key, "apps.update", map[string]any{"app": web, "port": 8080})
	if got := deploy(); got != 200 {
		t.Errorf("on the port that was set: %d", got)
	}
	h.Fine(t)
}

// domainOf returns the host name of an app's first domain.
func domainOf(t *testing.T, h *tenancytest.House, app string) string {
	t.Helper()
	a, _ := h.Sim.App(app)
	_, rest, _ := strings.Cut(a.FQDN, "://")
	host, _, _ := strings.Cut(rest, ",")
	return host
}

// TestDeleteWhileDeploying leaves no helper container on the host: it holds the deploy key and
// the socket of Docker.
func TestDeleteWhileDeploying(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	web := h.A.Web.UUID
	id := answer(t, h, owner, "apps.deploy", map[string]any{"app": web})["deployment"].(string)
	h.Sim.Advance(id)
	if err := call(t, h, mcp.New(h.Logger), owner, "apps.delete", map[string]any{"app": web, "confirm": h.A.Web.Name}); err != nil {
		t.Fatal(err)
	}
	h.Sim.FinishDeletions()
	if d, _ := h.Sim.Deployment(id); d.Status != coolifytest.Cancelled {
		t.Errorf("the deployment is %s", d.Status)
	}
	if left := h.Sim.HelpersLeft(); len(left) != 0 {
		t.Errorf("helpers left on the host: %v", left)
	}
	h.Fine(t)
}

// TestDatabaseWithoutItsImage: a database that never starts is said to be down, and since when.
func TestDatabaseWithoutItsImage(t *testing.T) {
	t.Parallel()
	h := newDataHouse(t, coolifytest.Config{})
	for _, host := range h.Sim.Hosts() {
		h.Sim.SetHost(host.UUID, func(h *coolifytest.Host) { h.NoPull = true })
	}
	began := h.clock.Now().UTC().Format(tenancy.TimeFormat)
	got := answer(t, h.House, h.A.Key, "databases.create", map[string]any{"name": "data", "engine": "postgresql"})
	if got["created"] != true || got["started"] != false {
		t.Errorf("created %v, started %v", got["created"], got["started"])
	}
	if next, _ := json.Marshal(got["next"]); !strings.Contains(string(next), "can pull the image postgres:") {
		t.Errorf("next: %s", next)
	}
	h.clock.forward(time.Hour)
	info := answer(t, h.House, h.A.Key, "databases.get", map[string]any{"database": "DATA"})
	if info["down_since"] != began {
		t.Errorf("down since %v, want %s", info["down_since"], began)
	}
	h.Fine(t)
}

// TestDatabaseStarts waits until Coolify says that it runs.
func TestDatabaseStarts(t *testing.T) {
	t.Parallel()
	h := newDataHouse(t, coolifytest.Config{StatusLag: 15 * time.Second})
	onEach(h.Sim, "GET /databases/{uuid}", func() { h.clock.forward(5 * time.Second) })
	got := answer(t, h.House, h.A.Key, "databases.create", map[string]any{"name": "data", "engine": "redis"})
	if status := got["database"].(map[string]any)["status"]; got["started"] != true || status != "running:starting" {
		t.Errorf("started %v, status %v", got["started"], status)
	}
	h.Fine(t)
}

// TestStopWaits says that the app stops, and after a wait that it has.
func TestStopWaits(t *testing.T) {
	t.Parallel()
	clock := newHandClock()
	h := tenancytest.New(t, tenancytest.Config{
		Simulator: coolifytest.Config{Now: clock.Now, StatusLag: 15 * time.Second}, Now: clock.Now,
	})
	stop := func(wait int) map[string]any {
		return answer(t, h, h.A.Key, "apps.control", map[string]any{"app": h.A.Web.UUID, "action": "stop", "wait_seconds": wait})
	}
	if got := stop(0); got["app_status"] != "stopping" || got["confirmed"] != false {
		t.Errorf("at once: %v", got)
	}
	onEach(h.Sim, "GET /applications/{uuid}", func() { clock.forward(5 * time.Second) })
	if got := stop(45); got["app_status"] != "stopped" || got["confirmed"] != true {
		t.Errorf("after a wait: %v", got)
	}
	h.Fine(t)
}

// TestHealthCheck is proposed, set, and ended.
func TestHealthCheck(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	args := map[string]any{"project": "site", "name": "shop", "build": "dockerfile", "port": 8080}
	if got := answer(t, s.House, s.A.Key, "apps.create", args); !strings.Contains(str(got["proposal"]), "health_check") {
		t.Errorf("proposal: %v", got["proposal"])
	}
	args["name"], args["health_check"] = "shop2", "/up"
	if got := answer(t, s.House, s.A.Key, "apps.create", args); got["proposal"] != nil {
		t.Errorf("proposal beside a health check: %v", got["proposal"])
	}
	check := func() (bool, string) {
		for _, a := range s.made() {
			if a.Name == "shop2" {
				return a.HealthCheck, a.HealthCheckPath
			}
		}
		return false, "no app"
	}
	if on, path := check(); !on || path != "/up" {
		t.Errorf("health check %v at %s", on, path)
	}
	if got := answer(t, s.House, s.A.Key, "apps.get", map[string]any{"app": "shop2"}); got["health_check"] != "/up" {
		t.Errorf("apps.get shows %v", got["health_check"])
	}
	for _, bad := range []string{"up", "/up?x", "/$(id)", "/a b", "/'"} {
		err := call(t, s.House, mcp.New(s.Logger), s.A.Key, "apps.update", map[string]any{"app": "shop2", "health_check": bad})
		if codeOf(err) != tenancy.Invalid {
			t.Errorf("%q: %v", bad, err)
		}
	}
	answer(t, s.House, s.A.Key, "apps.update", map[string]any{"app": "SHOP2", "health_check": ""})
	if on, _ := check(); on {
		t.Error("it was not ended")
	}
	s.Fine(t)
}

func str(v any) string { s, _ := v.(string); return s }

// TestImageApp shows what an app runs that was made by hand, and not the repository that
// Coolify fills in.
func TestImageApp(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{})
	made := h.Sim.AddApp(h.A.Project.Environments[0].UUID, coolifytest.App{
		Name: "Cache", BuildPack: "dockerimage", Image: "registry.example.com/cache:1.2", GitRepository: "coollabsio/coolify",
	})
	got := answer(t, h, h.A.Key, "apps.get", map[string]any{"app": "cache"})
	if got["uuid"] != made.UUID || got["image"] != "registry.example.com/cache:1.2" || got["repository"] != nil {
		t.Errorf("%v", got)
	}
	h.Fine(t)
}

// TestScopedDirectory: a package's directory may begin with an at sign.
func TestScopedDirectory(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	created, err := s.create(siteApp(func(n *hosting.NewApp) { n.Spec.BaseDirectory = new("packages/@acme/web") }))
	must(t, err)
	if a, _ := s.Sim.App(created.UUID); a.BaseDirectory != "/packages/@acme/web" {
		t.Errorf("base directory %q", a.BaseDirectory)
	}
	s.Fine(t)
}

// onEach calls f before each request of an operation.
func onEach(sim *coolifytest.Server, operation string, f func()) {
	sim.OnRequest(func(r coolifytest.Request) error {
		if r.Operation == operation {
			f()
		}
		return nil
	})
}

// TestDomainNotDeployed: a domain that was set and not deployed is named as such, until a
// deployment brings it into effect.
func TestDomainNotDeployed(t *testing.T) {
	t.Parallel()
	h := tenancytest.New(t, tenancytest.Config{Premises: tenancy.Premises{AppDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.com"}}})
	web := h.A.Web.UUID
	h.Sim.SetApp(web, func(a *coolifytest.App) { a.Status = "running:healthy" })
	deploy := func() {
		id := answer(t, h, h.A.Key, "apps.deploy", map[string]any{"app": web})["deployment"].(string)
		h.Sim.Advance(id)
		h.Sim.Advance(id)
	}
	causes := func() string {
		raw, _ := json.Marshal(answer(t, h, h.A.Key, "apps.diagnose", map[string]any{"app": web})["causes"])
		return string(raw)
	}
	deploy()
	answer(t, h, h.A.Key, "domains.set", map[string]any{"app": web, "domain": "new.alpha.apps.example.com"})
	if got := causes(); !strings.Contains(got, "its domain was set after its last deployment") {
		t.Errorf("before the deployment: %s", got)
	}
	deploy()
	if got := causes(); strings.Contains(got, "its domain was set") {
		t.Errorf("after it: %s", got)
	}
	h.Fine(t)
}
