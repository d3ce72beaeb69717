package tenancy_test

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// find looks an app up with A's key, and returns its uuid.
func find(t *testing.T, h *tenancytest.House, ref string) (string, error) {
	t.Helper()
	app, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Read), ref)
	if err != nil {
		return "", err
	}
	return app.UUID(), nil
}

func wantFound(t *testing.T, h *tenancytest.House, ref, uuid string) {
	t.Helper()
	if got, err := find(t, h, ref); got != uuid || err != nil {
		t.Errorf("App(%q) = %q, %v; want %q", ref, got, err, uuid)
	}
}

// wantNoApp holds the one answer to everything that is not there, whoever has it.
func wantNoApp(t *testing.T, h *tenancytest.House, refs ...string) {
	t.Helper()
	for _, ref := range refs {
		got, err := find(t, h, ref)
		e := tenancy.Public(err)
		if err == nil || e.Code != tenancy.NotFound || err.Error() != "no such app in this workspace" || e.Hint != "apps_list shows the apps and their uuids" {
			t.Errorf("App(%q) = %q, %v; want the answer to what is not there", ref, got, err)
		}
	}
}

func TestFindApp(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		h := tenancytest.New(t, tenancytest.Config{Simulator: cfg})
		two := newApp(h, coolifytest.App{Name: "two domains", FQDN: "https://one.example.org, http://Two.example.org:8080/path"})
		for ref, uuid := range map[string]string{
			h.A.Web.UUID:                               h.A.Web.UUID,
			h.A.Web.Name:                               h.A.Web.UUID,
			h.A.API.Name:                               h.A.API.UUID,
			"web.alpha.example.com":                    h.A.Web.UUID,
			"WEB.Alpha.Example.COM":                    h.A.Web.UUID,
			"https://web.alpha.example.com":            h.A.Web.UUID,
			"http://WEB.alpha.example.com:81/a?b#c":    h.A.Web.UUID,
			"https://user@api.alpha.example.com/":      h.A.API.UUID,
			" web.alpha.example.com ":                  h.A.Web.UUID,
			"two domains":                              two,
			"one.example.org":                          two,
			"two.example.org":                          two,
			"https://two.example.org:8080/path":        two,
			"TWO.EXAMPLE.ORG/elsewhere/in/the/path":    two,
			"one.example.org:443":                      two,
			strings.ToUpper("https://ONE.example.org"): two,
			strings.ToUpper(h.A.Web.Name):              h.A.Web.UUID,
			strings.ToUpper(h.A.Web.UUID):              h.A.Web.UUID,
		} {
			wantFound(t, h, ref, uuid)
		}
		wantNoApp(t, h, "", " ", "web", h.A.Web.UUID+",", h.A.Web.UUID+"/", "../"+h.A.Web.UUID, h.A.Web.UUID[:23], strings.Repeat("z", 24),
			strings.ToUpper(h.B.Web.Name), strings.ToUpper(h.B.Web.UUID), "example.com", "alpha.example.com", "x.web.alpha.example.com", "web.alpha.example.com.", "https://", "://", "%zz", "\x00", "*",
			h.A.Project.UUID, h.A.Done.UUID, strings.Repeat("a", 256),
			h.B.Web.UUID, h.B.Web.Name, "web.beta.example.com", "https://web.beta.example.com", h.B.API.UUID, h.B.Project.UUID)
		h.Fine(t)
	})
}

// TestAmbiguousName lists the workspace's own candidates, and no others.
func TestAmbiguousName(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	staging := h.Sim.AddEnvironment(h.A.Project.UUID, "staging")
	same := coolifytest.App{Name: "same", FQDN: "https://same.example.org"}
	mine := []string{newApp(h, same), h.Sim.AddApp(staging.UUID, same).UUID}
	theirs := h.Sim.AddApp(h.B.Project.Environments[0].UUID, same).UUID
	for _, ref := range []string{"same", "same.example.org", "https://SAME.example.org/"} {
		_, err := find(t, h, ref)
		e := tenancy.Public(err)
		if e.Code != tenancy.Conflict || !strings.Contains(e.Msg, mine[0]+" (in production)") || !strings.Contains(e.Msg, mine[1]+" (in staging)") {
			t.Errorf("App(%q): %v, want a conflict that lists %q", ref, err, mine)
		}
		if text := err.Error() + e.Hint; strings.Contains(text, theirs) || strings.Contains(text, h.B.Canary) {
			t.Errorf("App(%q): %q tells of another workspace", ref, text)
		}
	}
	h.Sim.MoveApp(mine[1], h.B.Project.Environments[0].UUID)
	wantFound(t, h, "same", mine[0])
}

// TestExactUUIDWins: a name cannot draw a call that was meant for an app.
func TestExactUUIDWins(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	old := newApp(h, coolifytest.App{UUID: "old_Short-1"})
	newApp(h, coolifytest.App{Name: old})
	newApp(h, coolifytest.App{Name: h.A.Web.UUID})
	newApp(h, coolifytest.App{Name: h.B.Web.UUID})
	wantFound(t, h, old, old)
	wantFound(t, h, h.A.Web.UUID, h.A.Web.UUID)
	wantNoApp(t, h, h.B.Web.UUID) // also not the app of that name: it looks like an id
	named := newApp(h, coolifytest.App{Name: "web.alpha.example.com"})
	wantFound(t, h, "web.alpha.example.com", named) // and a name wins over a domain
	h.Sim.AddApp(h.B.Project.Environments[0].UUID, coolifytest.App{UUID: "their_Short-1", Name: "x"})
	wantNoApp(t, h, "their_Short-1")
}

// TestMovedApp: an operator may move an app at any time.
func TestMovedApp(t *testing.T) {
	clock := newHandClock()
	h := tenancytest.New(t, tenancytest.Config{Now: clock.Now})
	web := h.A.Web
	wantFound(t, h, web.UUID, web.UUID)
	h.Sim.MoveApp(web.UUID, h.B.Project.Environments[0].UUID)
	wantNoApp(t, h, web.UUID, web.Name, "web.alpha.example.com")
	s := h.Open(t, h.B.Key, tenancy.Read)
	if _, err := hosting.FindApp(t.Context(), s, web.UUID); err != nil {
		t.Errorf("its new owner's look: %v, want it found", err)
	}

	later := h.Sim.AddEnvironment(h.A.Project.UUID, "later")
	h.Sim.MoveApp(web.UUID, later.UUID)
	wantNoApp(t, h, web.UUID) // a miss asks for the environments at most every 30 s
	clock.forward(30 * time.Second)
	wantFound(t, h, web.UUID, web.UUID)

	even := h.Sim.AddEnvironment(h.A.Project.UUID, "even-later")
	h.Sim.MoveApp(web.UUID, even.UUID)
	wantFound(t, h, web.Name, web.UUID) // a name goes down from the project each time
	h.Fine(t)
}

// TestProof doctors what Coolify says of an app of A's, or of B's.
func TestProof(t *testing.T) {
	for name, tc := range map[string]struct {
		theirs bool
		change func(h *tenancytest.House, app map[string]any)
		found  bool
	}{
		"as it is":          {false, func(*tenancytest.House, map[string]any) {}, true},
		"no environment":    {false, func(_ *tenancytest.House, app map[string]any) { delete(app, "environment") }, true},
		"environment null":  {false, func(_ *tenancytest.House, app map[string]any) { app["environment"] = nil }, true},
		"no project":        {false, func(_ *tenancytest.House, app map[string]any) { delete(app["environment"].(map[string]any), "project") }, true},
		"id as text":        {false, func(_ *tenancytest.House, app map[string]any) { app["environment_id"] = "1" }, true},
		"another's project": {false, func(h *tenancytest.House, app map[string]any) { projectOf(app)["uuid"] = h.B.Project.UUID }, false},
		"nobody's project":  {false, func(_ *tenancytest.House, app map[string]any) { projectOf(app)["uuid"] = "x" }, false},
		"project a list":    {false, func(_ *tenancytest.House, app map[string]any) { projectOf(app)["uuid"] = []string{"x"} }, false},
		"no id":             {false, func(_ *tenancytest.House, app map[string]any) { delete(app, "environment_id") }, false},
		"id null":           {false, func(_ *tenancytest.House, app map[string]any) { app["environment_id"] = nil }, false},
		"id zero":           {false, func(_ *tenancytest.House, app map[string]any) { app["environment_id"] = 0 }, false},
		"id of another's": {false, func(h *tenancytest.House, app map[string]any) {
			app["environment_id"] = h.B.Project.Environments[0].ID
		}, false},
		"id of the project": {true, func(h *tenancytest.House, app map[string]any) { projectOf(app)["uuid"] = h.A.Project.UUID }, false},
		"theirs, no environment": {true, func(_ *tenancytest.House, app map[string]any) {
			delete(app, "environment")
		}, false},
		"theirs, our id": {true, func(h *tenancytest.House, app map[string]any) {
			app["environment_id"] = h.A.Project.Environments[0].ID
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := tenancytest.New(t, tenancytest.Config{})
			uuid := h.A.Web.UUID
			if tc.theirs {
				uuid = h.B.Web.UUID
			}
			tell(t, h, uuid, func(app map[string]any) { tc.change(h, app) })
			if tc.found {
				wantFound(t, h, uuid, uuid)
				return
			}
			wantNoApp(t, h, uuid)
		})
	}
}

// TestEnvironmentsWithoutIDs: an id that is missing is not equal to another that
// is missing.
func TestEnvironmentsWithoutIDs(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	env := h.A.Project.Environments[0]
	h.Sim.Fail("GET /projects/{uuid}/environments", coolifytest.Fault{Status: 200, Body: `[{"uuid":"` + env.UUID + `","name":"production"}]`})
	for _, x := range []*tenancytest.Tenant{h.A, h.B} {
		tell(t, h, x.Web.UUID, func(app map[string]any) {
			delete(app, "environment_id")
			delete(app, "environment")
		})
		wantNoApp(t, h, x.Web.UUID)
	}
}

// TestListThatHoldsOthers: what is listed is judged one by one.
func TestListThatHoldsOthers(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	at := func(x *tenancytest.Tenant) string {
		return "/projects/" + x.Project.UUID + "/" + x.Project.Environments[0].UUID
	}
	var ours, theirs map[string]any
	ask(t, h, at(h.A), &ours, "read")
	ask(t, h, at(h.B), &theirs, "read")
	ours["applications"] = slices.Concat(theirs["applications"].([]any), ours["applications"].([]any))
	body, err := json.Marshal(ours)
	if err != nil {
		t.Fatal(err)
	}
	h.Sim.Fail("GET /projects/{uuid}/{environment_name_or_uuid}", coolifytest.Fault{Status: 200, Body: string(body)})
	infos, _, err := hosting.Apps(t.Context(), h.Open(t, h.A.Key, tenancy.Read), "")
	if err != nil || len(infos) != 2 || infos[0].UUID != h.A.API.UUID || infos[1].UUID != h.A.Web.UUID {
		t.Errorf("Apps = %v, %v; want A's two", infos, err)
	}
	wantNoApp(t, h, h.B.Web.Name, "web.beta.example.com")
}

func projectOf(app map[string]any) map[string]any {
	return app["environment"].(map[string]any)["project"].(map[string]any)
}

// TestAnswerAboutAnotherApp: an answer that is about something else grants
// nothing.
func TestAnswerAboutAnotherApp(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	tell(t, h, h.A.API.UUID, func(map[string]any) {})
	for _, uuid := range []string{h.A.Web.UUID, h.B.Web.UUID, strings.Repeat("z", 24)} {
		if got, err := find(t, h, uuid); tenancy.Public(err).Code != tenancy.Unavailable {
			t.Errorf("App(%q) = %q, %v; want unavailable", uuid, got, err)
		}
	}
}

// TestTroubleWhileProving: what cannot be proved is refused, and a refusal for
// trouble is not remembered.
func TestTroubleWhileProving(t *testing.T) {
	for _, op := range []string{"GET /applications/{uuid}", "GET /projects/{uuid}/environments", "GET /projects/{uuid}/{environment_name_or_uuid}"} {
		for name, f := range map[string]coolifytest.Fault{
			"500":             {Status: 500, Body: `{"message":"Server Error"}`},
			"503":             {Status: 503, Body: `{"message":"Service Unavailable"}`},
			"502 of a proxy":  {Status: 502, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}},
			"404 of a proxy":  {Status: 404, Body: "<html>", Header: http.Header{"Content-Type": {"text/html"}}},
			"401":             {Status: 401, Body: `{"message":"Unauthenticated."}`},
			"403":             {Status: 403, Body: `{"message":"API is disabled."}`},
			"nothing":         {Status: 200},
			"null":            {Status: 200, Body: "null"},
			"an empty object": {Status: 200, Body: "{}"},
			"cut":             {Cut: true},
			"a redirect":      {Status: 302, Header: http.Header{"Location": {"/"}}},
		} {
			h := tenancytest.New(t, tenancytest.Config{})
			ref := h.A.Web.UUID
			if strings.Contains(op, "environment_name_or_uuid") {
				ref = h.A.Web.Name
			}
			h.Sim.Fail(op, f)
			if got, err := find(t, h, ref); tenancy.Public(err).Code != tenancy.Unavailable {
				t.Errorf("%s, %s: %q, %v; want unavailable", op, name, got, err)
			}
			h.Sim.Clear(op)
			wantFound(t, h, ref, h.A.Web.UUID)
			wantNoApp(t, h, h.B.Web.UUID)
		}
	}
}

func TestListOfApps(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		h := tenancytest.New(t, tenancytest.Config{Simulator: cfg})
		dev := h.Sim.AddEnvironment(h.A.Project.UUID, "dev")
		empty := h.Sim.AddEnvironment(h.A.Project.UUID, "empty")
		for _, a := range []coolifytest.App{{UUID: "u2", Name: "b"}, {UUID: "u1", Name: "b"}, {UUID: "u3", Name: "a"}} {
			h.Sim.AddApp(dev.UUID, a)
		}
		h.Sim.AddEnvironment(h.B.Project.UUID, "beta-only")
		names := func(environment string) []string {
			infos, _, err := hosting.Apps(t.Context(), h.Open(t, h.A.Key, tenancy.Read), environment)
			if err != nil || infos == nil {
				t.Errorf("Apps(%q) = %v, %v", environment, infos, err)
			}
			out := []string{}
			for _, i := range infos {
				out = append(out, i.Environment.String()+"/"+i.Name.String()+"/"+i.UUID)
			}
			return out
		}
		inDev := []string{"dev/a/u3", "dev/b/u1", "dev/b/u2"}
		production := []string{"production/" + h.A.API.Name + "/" + h.A.API.UUID, "production/" + h.A.Web.Name + "/" + h.A.Web.UUID}
		for environment, want := range map[string][]string{
			"": slices.Concat(inDev, production), "dev": inDev, dev.UUID: inDev, "production": production, "empty": {}, empty.UUID: {},
		} {
			if diff := cmp.Diff(want, names(environment)); diff != "" {
				t.Errorf("Apps(%q) (-want +got)\n%s", environment, diff)
			}
		}
		for _, environment := range []string{"beta-only", h.B.Project.Environments[0].UUID, h.B.Project.UUID, "Dev", "nothing", "../dev"} {
			infos, _, err := hosting.Apps(t.Context(), h.Open(t, h.A.Key, tenancy.Read), environment)
			if !tenancy.IsNotFound(err) || err.Error() != "no such environment in this workspace" {
				t.Errorf("Apps(%q) = %v, %v; want not found", environment, infos, err)
			}
		}
		h.Fine(t)
	})
}

// infoFields are all that a tenant is told of an app.
var infoFields = []string{
	"base_directory", "branch", "build_pack", "commit", "description", "domains", "environment", "name", "ports", "repository", "status", "updated_at", "uuid",
}

// TestInfo: an app's description is of the app, not of the host it is on.
func TestInfo(t *testing.T) {
	onVersions(t, func(t *testing.T, cfg coolifytest.Config) {
		h := tenancytest.New(t, tenancytest.Config{Simulator: cfg})
		host := h.Sim.Hosts()[0]
		h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) {
			a.CustomDockerRunOptions, a.FQDN = "--privileged", "https://user:token-of-a@web.example.org, https://b.example.org"
		})
		s := h.Open(t, h.A.Key, tenancy.Read)
		app, err := hosting.FindApp(t.Context(), s, h.A.Web.UUID)
		if err != nil {
			t.Fatal(err)
		}
		list, _, err := hosting.Apps(t.Context(), s, "")
		if err != nil {
			t.Fatal(err)
		}
		for _, info := range append(list, app.Info()) {
			raw, err := json.Marshal(info)
			if err != nil {
				t.Fatal(err)
			}
			var fields map[string]any
			if err := json.Unmarshal(raw, &fields); err != nil {
				t.Fatal(err)
			}
			for f := range fields {
				if !slices.Contains(infoFields, f) {
					t.Errorf("the field %s is told: %s", f, raw)
				}
			}
			for _, secret := range []string{host.UUID, host.DestinationUUID, host.IP, host.Name, "privileged", "token-of-a", h.B.Canary} {
				if strings.Contains(string(raw), secret) {
					t.Errorf("%q is told: %s", secret, raw)
				}
			}
		}
		if diff := cmp.Diff([]string{"https://web.example.org", "https://b.example.org"}, app.Info().Domains); diff != "" {
			t.Errorf("domains (-want +got)\n%s", diff)
		}
	})
}

// TestRepositoryWithoutCredentials: a clone URL may carry a token.
func TestRepositoryWithoutCredentials(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	for url, want := range map[string]string{
		"git@git.example.com:alpha/web.git":                     "git@git.example.com:alpha/web.git",
		"user:token-a@git.example.com:alpha/web.git":            "git.example.com:alpha/web.git",
		"https://git.example.com/alpha/web.git":                 "https://git.example.com/alpha/web.git",
		"https://user:token-a@git.example.com/alpha/web.git":    "https://git.example.com/alpha/web.git",
		"https://token-a@git.example.com/alpha/web.git":         "https://git.example.com/alpha/web.git",
		"http://user:token-a@git.example.com:3000/alpha/web":    "http://git.example.com:3000/alpha/web",
		"HTTPS://USER:token-a@git.example.com/alpha/web.git":    "https://git.example.com/alpha/web.git",
		"https://user:token-a@x@git.example.com/alpha/web.git":  "https://git.example.com/alpha/web.git",
		"ssh://git:token-a@git.example.com:22/alpha/web.git":    "ssh://git.example.com:22/alpha/web.git",
		"https://user:token-a%zz@git.example.com/alpha/web.git": "",
		"https://user:token-a/b@git.example.com/alpha/web.git":  "",
		"alpha/web": "alpha/web",
	} {
		h.Sim.SetApp(h.A.Web.UUID, func(a *coolifytest.App) { a.GitRepository = url })
		app, err := hosting.FindApp(t.Context(), h.Open(t, h.A.Key, tenancy.Read), h.A.Web.UUID)
		if err != nil {
			t.Fatal(err)
		}
		if got := app.Info().Repository.String(); got != want {
			t.Errorf("repository %q is told as %q, want %q", url, got, want)
		}
	}
}
