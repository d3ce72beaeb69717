package tenancy_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// onApp opens A's workspace afresh, as every call does, and acts on its app.
func onApp(t testing.TB, h *tenancytest.House, uuid string, need tenancy.Rights, do func(*hosting.App) error) error {
	t.Helper()
	app, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, need), uuid)
	if err != nil {
		t.Fatal(err)
	}
	return do(app)
}

// starts are the two acts that may build.
var starts = map[string]func(testing.TB, *tenancytest.House, string) error{
	"Deploy": deployNow,
	"Restart": func(t testing.TB, h *tenancytest.House, uuid string) error {
		return onApp(t, h, uuid, tenancy.Deploy, func(a *hosting.App) error {
			_, err := a.Restart(t.Context())
			return err
		})
	},
}

func deployNow(t testing.TB, h *tenancytest.House, uuid string) error {
	t.Helper()
	return onApp(t, h, uuid, tenancy.Deploy, func(a *hosting.App) error {
		_, err := a.Deploy(t.Context(), false)
		return err
	})
}

// place puts A's workspace on another kind of host: the one that all apps are on.
func place(t testing.TB, h *tenancytest.House, trust tenancy.Trust) {
	t.Helper()
	if err := h.Operator.Place(t.Context(), h.A.Workspace, tenancy.Placement{Trust: trust, Server: h.Sim.Hosts()[0].UUID}); err != nil {
		t.Fatal(err)
	}
}

// newApp adds an app that builds from a Dockerfile to A's project.
func newApp(h *tenancytest.House, a coolifytest.App) string {
	return h.Sim.AddApp(h.A.Project.Environments[0].UUID, a).UUID
}

// changes returns the requests to Coolify that are no GET.
func changes(h *tenancytest.House) []string {
	return slices.DeleteFunc(h.Requests(), func(op string) bool { return strings.HasPrefix(op, "GET ") })
}

// tell makes Coolify say of an app, and of every other, what it says of this one
// with some fields changed.
func tell(t *testing.T, h *tenancytest.House, uuid string, change func(app map[string]any)) {
	t.Helper()
	const op = "GET /applications/{uuid}"
	h.Sim.Clear(op)
	app := map[string]any{}
	ask(t, h, "/applications/"+uuid, &app, "read")
	change(app)
	body, err := json.Marshal(app)
	if err != nil {
		t.Fatal(err)
	}
	h.Sim.Fail(op, coolifytest.Fault{Status: http.StatusOK, Body: string(body)})
}

// ask reads from the simulator directly, with a token of these abilities.
func ask(t testing.TB, h *tenancytest.House, path string, into any, abilities ...string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), "GET", "/api/v1"+path, http.NoBody)
	r.Header.Set("Accept", "application/json")
	r.Header.Set("Authorization", "Bearer "+h.Sim.Token(abilities...))
	w := httptest.NewRecorder()
	h.Sim.ServeHTTP(w, r)
	if err := json.Unmarshal(w.Body.Bytes(), into); w.Code != http.StatusOK || err != nil {
		t.Fatalf("GET %s: %d, %v", path, w.Code, err)
	}
}

// wantRefused holds a refusal by the host's rules: it names what is wrong and a
// remedy, and nothing was asked of Coolify but reading.
func wantRefused(t *testing.T, h *tenancytest.House, what string, err error, names ...string) {
	t.Helper()
	e := tenancy.Public(err)
	if err == nil || e.Code != tenancy.Forbidden || !strings.Contains(e.Hint, "operator") {
		t.Errorf("%s: %v (hint %q), want forbidden and whom to ask", what, err, e.Hint)
		return
	}
	for _, name := range names {
		if !strings.Contains(e.Msg+"\n"+e.Hint, name) {
			t.Errorf("%s: %q, hint %q: neither says %q", what, e.Msg, e.Hint, name)
		}
	}
	if got := changes(h); len(got) > 0 {
		t.Errorf("%s: refused, and yet Coolify was asked to %q", what, got)
	}
}

var (
	sharedTrusts = []tenancy.Trust{tenancy.Shared, "", "galactic", "Dedicated", "trusted "}
	ownTrusts    = []tenancy.Trust{tenancy.Dedicated, tenancy.Trusted}
	sharedPacks  = []string{"static", "dockerfile"}
	otherPacks   = []string{"nixpacks", "railpack", "dockercompose", "dockerimage", "", "Dockerfile", "static ", "spaceship"}
)

// TestPacksAndPlacements tries every build pack on every kind of host, both
// changed by the operator between the calls on one Guard.
func TestPacksAndPlacements(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Sim.QueueLimit(1000)
	uuid := newApp(h, coolifytest.App{})
	for _, trust := range slices.Concat(sharedTrusts, ownTrusts, sharedTrusts[:1]) {
		place(t, h, trust)
		for _, pack := range slices.Concat(sharedPacks, otherPacks, sharedPacks) {
			tell(t, h, uuid, func(app map[string]any) { app["build_pack"] = pack })
			for act, start := range starts {
				what := act + " of " + pack + " on " + string(trust)
				h.Sim.Reset()
				err := start(t, h, uuid)
				if slices.Contains(sharedPacks, pack) || slices.Contains(ownTrusts, trust) {
					if got := changes(h); err != nil || len(got) != 1 {
						t.Errorf("%s: %v, Coolify was asked to %q; want it asked to start", what, err, got)
					}
					continue
				}
				wantRefused(t, h, what, err, `the build pack "`+strings.ReplaceAll(pack, " ", "?")+`"`, "static, dockerfile")
			}
		}
	}
	h.Fine(t)
}

// TestDedicatedIsOneServer: the host of a workspace's own is the one that its
// placement names. An app that Coolify has elsewhere builds beside others.
func TestDedicatedIsOneServer(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		h := tenancytest.New(t, tenancytest.Config{Simulator: cfg})
		own := h.Sim.AddHost(coolifytest.Host{Name: "own"})
		here := newApp(h, coolifytest.App{HostUUID: own.UUID, BuildPack: "nixpacks"})
		elsewhere := newApp(h, coolifytest.App{BuildPack: "nixpacks"})
		if err := h.Operator.Place(t.Context(), h.A.Workspace, tenancy.Placement{Trust: tenancy.Dedicated}); tenancy.Public(err).Code != tenancy.Invalid {
			t.Errorf("a dedicated placement without a server: %v, want invalid", err)
		}
		if err := h.Operator.Place(t.Context(), h.A.Workspace, tenancy.Placement{Trust: tenancy.Dedicated, Server: own.UUID}); err != nil {
			t.Fatal(err)
		}
		build := hosting.EnvSet{Values: texts("PATH", "."), BuildTime: new(true)}
		if err := errors.Join(deployNow(t, h, here), setEnvs(t, h, here, build)); err != nil {
			t.Errorf("on the workspace's own host: %v, want it done", err)
		}
		h.Sim.Reset()
		wantRefused(t, h, "deploy elsewhere", deployNow(t, h, elsewhere), "nixpacks")
		wantRefused(t, h, "set elsewhere", setEnvs(t, h, elsewhere, build), "PATH")
		for name, change := range map[string]func(map[string]any){
			"no destination": func(app map[string]any) { delete(app, "destination") },
			"no server":      func(app map[string]any) { delete(app["destination"].(map[string]any), "server") },
			"no server uuid": func(app map[string]any) { app["destination"].(map[string]any)["server"].(map[string]any)["uuid"] = nil },
		} {
			tell(t, h, here, change)
			h.Sim.Reset()
			wantRefused(t, h, name, deployNow(t, h, here), "nixpacks")
		}
	})
}

// A pack that Coolify does not tell is no pack that is allowed.
func TestPackThatIsNotTold(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	for name, change := range map[string]func(map[string]any){
		"absent": func(app map[string]any) { delete(app, "build_pack") },
		"null":   func(app map[string]any) { app["build_pack"] = nil },
		"a list": func(app map[string]any) { app["build_pack"] = []string{"static"} },
	} {
		tell(t, h, h.A.Web.UUID, change)
		h.Sim.Reset()
		wantRefused(t, h, name, deployNow(t, h, h.A.Web.UUID), "the build pack")
	}
}

func TestStopNeedsNoPack(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.BuildPack = "nixpacks" })
	if err := onApp(t, h, h.A.Web.UUID, tenancy.Deploy, func(a *hosting.App) error { return a.Stop(t.Context()) }); err != nil {
		t.Errorf("Stop of an app that may not be built: %v, want it stopped", err)
	}
}

func TestDirectories(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Sim.QueueLimit(1000)
	uuid := newApp(h, coolifytest.App{})
	fields := map[string]func(*coolifytest.App) *string{
		"base_directory":      func(a *coolifytest.App) *string { return &a.BaseDirectory },
		"publish_directory":   func(a *coolifytest.App) *string { return &a.PublishDirectory },
		"dockerfile_location": func(a *coolifytest.App) *string { return &a.DockerfileLocation },
	}
	deployWith := func(field, path string) error {
		var before string
		h.Sim.SetApp(uuid, func(a *coolifytest.App) { before, *fields[field](a) = *fields[field](a), path })
		defer h.Sim.SetApp(uuid, func(a *coolifytest.App) { *fields[field](a) = before })
		h.Sim.Reset()
		return deployNow(t, h, uuid)
	}
	for field := range fields {
		for _, path := range []string{"", "/", "/apps/web", "apps/web/", "//web", "/.config/a_b-1.2+3", "/a..b", "/...", "/./web", "/web/Dockerfile.prod"} {
			if err := deployWith(field, path); err != nil {
				t.Errorf("%s %q: %v, want it deployed", field, path, err)
			}
		}
		for _, path := range []string{
			"..", "/..", "/../..", "/web/..", "/web/../../..", "../web", "/~", "/~root", "~/web", "/@", "/web@1", "-web", "/-web", "/web/--help",
			`/web\..`, `\..\..`, "/web\x00", "/web\n/..", "/\x1b", "/\x7f", "/we b", "/web;id", "/$(id)", "/`id`", "/$HOME", "/web&", "/web|id", "/*",
			"/{a,..}", "/'web'", `/"web"`, "/web#", "/\u202e", "/\u2025", "/\u00a0", "/w\u00e9b",
		} {
			wantRefused(t, h, field+" "+path, deployWith(field, path), field)
		}
	}
}

// TestRowsOfOthers puts variables past our own writes, as the operator's page
// does, and reads them afresh on each deployment.
func TestRowsOfOthers(t *testing.T) {
	const value = "value-that-nobody-sees"
	h := tenancytest.New(t, tenancytest.Config{})
	for _, tc := range []struct {
		key     string
		literal bool
		refused bool
	}{
		{"KEY", true, false},
		{"_KEY_1", true, false},
		{"PATHS", true, false},
		{"MAIL_HOST", true, false},
		{"KEY", false, true},
		{"PATH", true, true},
		{"path", true, true},
		{"Ld_PreLoad", true, true},
		{"nixpacks_node_version", true, true},
		{"SERVICE_FQDN_WEB", true, true},
		{"my.key", true, true},
		{"my-key", true, true},
		{"MY KEY", true, true},
		{"KEY[$(id)]", true, true},
		{"KEY\nPATH", true, true},
		{"", true, true},
		{"\u212aEY", true, true}, // the Kelvin sign, which is K to some
		{"\u017fHELL", true, true},
	} {
		for _, preview := range []bool{false, true} {
			e := coolifytest.Env{Key: tc.key, Value: value, Literal: tc.literal, Preview: preview, BuildTime: true, Runtime: true}
			uuid := newApp(h, coolifytest.App{})
			h.Sim.AddEnv(uuid, e)
			h.Sim.Reset()
			switch err := deployNow(t, h, uuid); {
			case !tc.refused && err != nil:
				t.Errorf("%+v: %v, want it deployed", e, err)
			case tc.refused:
				names := []string{"build-time variable", "build_time false"}
				if preview {
					names = append(names, "of previews", "with scope preview")
				}
				wantRefused(t, h, tc.key, err, names...)
				if strings.Contains(err.Error(), value) || strings.ContainsAny(err.Error(), "\n") {
					t.Errorf("%q: the refusal says %q", tc.key, err)
				}
			}
		}
	}
	uuid := newApp(h, coolifytest.App{})
	h.Sim.AddEnv(uuid, coolifytest.Env{Key: "PATH", Value: value, Runtime: true})
	if err := deployNow(t, h, uuid); err != nil {
		t.Errorf("a variable of the container alone: %v, want it deployed", err)
	}
	h.Fine(t)
}

// TestVariablesThatBashSets refuses each name that bash gives a meaning on this
// machine: to assign to some of them is to run what is in the value.
func TestVariablesThatBashSets(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), "bash", "--noprofile", "--norc", "-c", "compgen -v")
	cmd.Env = []string{}
	out, err := cmd.Output()
	if err != nil {
		t.Skipf("no bash: %v", err)
	}
	names := strings.Fields(string(out))
	if !slices.Contains(names, "RANDOM") {
		t.Fatalf("bash says that it knows %q only", names)
	}
	h := tenancytest.New(t, tenancytest.Config{})
	for _, name := range names {
		h.Sim.Reset()
		wantRefused(t, h, name, setEnvs(t, h, h.A.Web.UUID, hosting.EnvSet{Values: texts(name, "1"), BuildTime: new(true)}), name, "build_time false")
	}
}

// If the variables cannot be read, nobody knows that they are harmless.
func TestNoDeployWithoutTheVariables(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	h.Sim.Fail("GET /applications/{uuid}/envs", coolifytest.Fault{Status: 500, Body: `{"message":"Server Error"}`})
	for act, start := range starts {
		h.Sim.Reset()
		if err := start(t, h, h.A.Web.UUID); tenancy.Public(err).Code != tenancy.Unavailable || len(changes(h)) > 0 {
			t.Errorf("%s: %v, Coolify was asked to %q; want unavailable and nothing", act, err, changes(h))
		}
	}
}
