package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// liveVariables are the variables of the program that name real servers, by the variables
// of the test that give them. The last ones may be left out.
var liveVariables = []struct {
	test, program string
	needed        bool
}{
	{"VIBN_TEST_COOLIFY_URL", "COOLIFY_URL", true},
	{"VIBN_TEST_COOLIFY_TOKEN", "COOLIFY_API_TOKEN", true},
	{"VIBN_TEST_COOLIFY_SERVER_UUID", "COOLIFY_SERVER_UUID", true},
	{"VIBN_TEST_COOLIFY_SENSITIVE_TOKEN", "COOLIFY_SENSITIVE_TOKEN", true},
	{"VIBN_TEST_GITEA_URL", "GITEA_API_URL", true},
	{"VIBN_TEST_GITEA_ADMIN_TOKEN", "GITEA_API_TOKEN", true},
	{"VIBN_TEST_APP_DOMAIN", "VIBN_APP_DOMAIN", true},
	{"VIBN_TEST_PUBLIC_URL", "VIBN_PUBLIC_URL", false},
	{"VIBN_TEST_LISTEN", "VIBN_LISTEN", false},
	{"VIBN_TEST_PROBE_ALLOW", "VIBN_PROBE_ALLOW", false},
	{"VIBN_TEST_NETWORK_IMAGE", "VIBN_NETWORK_IMAGE", false},
}

// liveConfig returns the configuration that the test's variables give.
func liveConfig(t *testing.T) config {
	t.Helper()
	cfg := config{listen: "127.0.0.1:0", dataDir: t.TempDir()}
	for _, l := range liveVariables {
		value := os.Getenv(l.test)
		if value == "" && l.needed {
			t.Skipf("%s is not set: there are no real servers to try this on", l.test)
		}
		for _, v := range variables() {
			if v.name != l.program || value == "" {
				continue
			}
			if err := v.set(&cfg, value); err != nil {
				t.Fatalf("%s: %v", l.test, err)
			}
		}
	}
	return cfg
}

// TestLiveJourney takes a workspace from nothing to its end, on real servers.
func TestLiveJourney(t *testing.T) {
	cfg := liveConfig(t)
	tenancytest.NeedGit(t)
	image := os.Getenv("VIBN_TEST_IMAGE")
	if image == "" {
		image = "busybox:1.36"
	}
	tryJourney(t, &program{stdout: io.Discard, stderr: t.Output(), cfg: cfg}, image, func(string, bool) {})
}

// TestLiveJourneySimulated takes the same way with simulated servers on ports of this
// machine, so that it works when somebody wants it.
func TestLiveJourneySimulated(t *testing.T) {
	tenancytest.NeedGit(t)
	sim := coolifytest.New(coolifytest.Config{BuildTime: 100 * time.Millisecond, RateLimit: -1})
	git := giteatest.New(giteatest.Config{RequireSignIn: true, LoopbackHooks: true})
	p := &program{stdout: io.Discard, stderr: t.Output(), cfg: config{listen: "127.0.0.1:0"}}
	stop, err := p.simulate(context.WithoutCancel(t.Context()), t.TempDir(), sim, git)
	if err != nil {
		t.Fatal(err)
	}
	p.cfg.placement.Server = sim.Hosts()[0].UUID
	t.Cleanup(func() {
		stop()
		if err := git.Close(); err != nil {
			t.Error(err)
		}
	})
	tryJourney(t, p, "busybox", func(app string, crashes bool) { // the simulator reads no Dockerfile
		sim.SetApp(app, func(a *coolifytest.App) { a.Crash = crashes })
	})
	if n := len(sim.Projects()); n != 0 {
		t.Errorf("%d projects are left on Coolify", n)
	}
	for _, v := range append(sim.Violations(), git.Violations()...) {
		t.Errorf("simulator: %s", v)
	}
}

// A liveJourney is an agent's way through a workspace that the test made.
type liveJourney struct {
	*traveller
	image string
	clone string // address of the repository
}

// tryJourney creates a project, pushes, has it live, breaks it, rolls it back, adds a
// database, and deletes all. It tells crash before a push
// that makes the app crash, and after it.
func tryJourney(t *testing.T, p *program, image string, crash func(app string, crashes bool)) {
	t.Helper()
	w := newLiveWorkspace(t, p)
	j := liveJourney{traveller: newTraveller(t, w.public, w.key), image: image}
	project := j.call("projects_create", map[string]any{"name": "shop"})
	j.clone = project["clone_url"].(string)
	app := j.call("apps_create", map[string]any{"project": "shop", "build": "dockerfile", "port": 3000})
	good := j.change("Open the shop", `["httpd","-f","-p","3000","-h","/www"]`)
	j.live(j.await(good), good)

	crash(app["app"].(string), true)
	bad := j.change("Close the shop", `["sh","-c","echo the shop cannot open; exit 3"]`)
	if w := j.await(bad); w["verdict"] == "live" {
		t.Errorf("what crashes is called live: %v", w)
	}
	crash(app["app"].(string), false)
	if causes, _ := j.call("apps_diagnose", map[string]any{"app": "shop"})["causes"].([]any); len(causes) == 0 {
		t.Error("apps_diagnose names no cause")
	}
	back := j.call("apps_rollback", map[string]any{"app": "shop"})
	if back["commit"] != good {
		t.Errorf("rolled back to %v, want %s", back["commit"], good)
	}
	j.live(j.await(back["deployment"].(string)), good)

	data := j.call("databases_create", map[string]any{"name": "shop", "engine": "redis", "attach_to": "shop"})
	if attached, _ := data["attached"].(map[string]any); attached["key"] != "REDIS_URL" {
		t.Errorf("the database is %v, want it attached", data)
	}
	again := j.change("Open the shop again", `["httpd","-f","-p","3000","-h","/www"]`)
	j.live(j.await(again), again)

	j.call("databases_delete", map[string]any{"database": "shop", "confirm": "shop"})
	j.call("apps_delete", map[string]any{"app": "shop", "confirm": "shop"})
	j.gone("apps_list", "apps", app["app"])
	w.end()
}

// call waits as it is told to where the workspace has used up its share of Coolify.
func (j *liveJourney) call(tool string, args map[string]any) map[string]any {
	j.t.Helper()
	for {
		answer, failed := j.try(tool, args)
		if !failed {
			return answer
		}
		if answer["code"] != "rate_limited" {
			j.t.Fatalf("%s %v: %v", tool, args, answer)
		}
		pause(j.t, "%s: %v", tool, answer)
	}
}

// change pushes a program that is started by a command, and returns the commit.
func (j *liveJourney) change(message, command string) string {
	j.t.Helper()
	return j.push(j.clone, map[string]string{
		"Dockerfile": fmt.Sprintf(
			"FROM %s\nRUN mkdir /www && echo '%s' > /www/index.html\nCMD %s\n", j.image, message, command,
		),
	})
}

// await waits for a verdict of a deployment or a commit, however often it takes.
func (j *liveJourney) await(deployment string) map[string]any {
	j.t.Helper()
	for {
		w := j.call("deployments_wait", map[string]any{"deployment": deployment, "wait_seconds": 45})
		if w["verdict"] != "still_running" {
			j.t.Logf("%s: %v, %v", deployment, w["verdict"], w["reason"])
			return w
		}
		pause(j.t, "no verdict of %s: %v", deployment, w)
	}
}

func (j *liveJourney) live(w map[string]any, commit string) {
	j.t.Helper()
	if w["verdict"] != "live" || w["commit"] != commit {
		j.t.Fatalf("%v, want %s live", w, commit)
	}
}

// gone waits until a list does not have an id any more.
func (j *liveJourney) gone(tool, field string, id any) {
	j.t.Helper()
	for {
		list, _ := j.call(tool, map[string]any{})[field].([]any)
		if !strings.Contains(fmt.Sprint(list), fmt.Sprint(id)) {
			return
		}
		pause(j.t, "%s still has %v", tool, id)
	}
}

// pause waits a second, or ends the test at its last moment.
func pause(t *testing.T, format string, args ...any) {
	t.Helper()
	select {
	case <-time.After(time.Second):
	case <-storetest.LastMoment(t):
		t.Fatalf(format, args...)
	}
}

// A liveWorkspace is a workspace of a program that serves.
type liveWorkspace struct {
	t *testing.T
	*served
	operator *people.Operator
	tenancy.Workspace
	key string
}

// newLiveWorkspace starts the program and makes a workspace, with a key that may do
// everything.
func newLiveWorkspace(t *testing.T, p *program) *liveWorkspace {
	t.Helper()
	w := &liveWorkspace{t: t, served: serveProgram(t, p)}
	w.operator = people.NewOperator(w.server.db)
	slug := "live-" + strings.ToLower(time.Now().UTC().Format("0102-150405"))
	var err error
	if w.Workspace, err = w.operator.CreateWorkspace(t.Context(), people.NewWorkspace{
		Slug: slug, Placement: p.cfg.placement,
	}); err != nil {
		t.Fatal(err)
	}
	if err := w.server.provisioner.Provision(t.Context(), w.ID); err != nil {
		t.Fatal(err)
	}
	_, key, err := w.operator.CreateKey(t.Context(), w.Workspace, "journey", tenancy.AllRights, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	w.key = key.Reveal()
	return w
}

// end deletes the workspace, and waits until what was made for it is gone.
func (w *liveWorkspace) end() {
	w.t.Helper()
	if err := w.operator.DeleteWorkspace(w.t.Context(), w.Workspace); err != nil {
		w.t.Fatal(err)
	}
	for {
		err := w.server.provisioner.Provision(w.t.Context(), w.ID)
		if err == nil {
			return
		}
		pause(w.t, "the workspace is not gone: %v", err)
	}
}

// A served program serves until the test ends.
type served struct {
	server *server
	public string
}

func serveProgram(t *testing.T, p *program) *served {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ln, err := p.cfg.startListening(ctx)
	if err != nil {
		t.Fatal(err)
	}
	h, err := p.openServer(ctx, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	public := p.cfg.reachedAt()
	ended := make(chan error, 1)
	go func() { ended <- h.serve(ctx, ln, public, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		h.close()
	})
	return &served{h, public.String()}
}
