package tenancy_test

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// liveApp is what the name of an app begins with that tests may use: they deploy
// it, and set a variable. No other is touched.
const liveApp = "vibn-test"

// A liveCoolify is a Coolify, and the program on it.
type liveCoolify struct {
	*testing.T
	client      *coolify.Client
	server      string // uuid of the server that workspaces are placed on
	guard       *tenancy.Guard
	provisioner *provision.Provisioner
	operator    *people.Operator
}

// TestLiveCoolify tries what tenants do with their apps on a real Coolify.
func TestLiveCoolify(t *testing.T) {
	root, token, server := os.Getenv("VIBN_TEST_COOLIFY_URL"), os.Getenv("VIBN_TEST_COOLIFY_TOKEN"), os.Getenv("VIBN_TEST_COOLIFY_SERVER_UUID")
	if root == "" || token == "" || server == "" {
		t.Skip("VIBN_TEST_COOLIFY_URL, VIBN_TEST_COOLIFY_TOKEN and VIBN_TEST_COOLIFY_SERVER_UUID name no Coolify to try this on")
	}
	tryCoolify(t, root, token, server, 0)
}

// TestLiveCoolifySimulated tries the same on a simulated one, so that it works when
// somebody wants it.
func TestLiveCoolifySimulated(t *testing.T) {
	t.Parallel()
	sim := coolifytest.New(coolifytest.Config{RateLimit: -1, BuildTime: time.Millisecond})
	srv := httptest.NewServer(http.StripPrefix("/coolify", sim))
	t.Cleanup(srv.Close)
	sim.AddApp(sim.AddProject("an operator's").Environments[0].UUID, coolifytest.App{Name: "shop", Status: "running:healthy", Logs: "not to be seen\n"})
	sim.AddApp(sim.AddProject("for tests").Environments[0].UUID, coolifytest.App{Name: liveApp + "-app", Status: "running:healthy", Logs: "hello\n"})
	t.Run("try", func(t *testing.T) {
		tryCoolify(t, srv.URL+"/coolify", sim.Token("read", "write", "deploy"), sim.Hosts()[0].UUID, 5*time.Millisecond)
	})
	if n := len(sim.Projects()); n != 2 {
		t.Errorf("%d projects are left, want the two from before", n)
	}
	for _, v := range sim.Violations() {
		t.Errorf("simulator: %s", v)
	}
}

// tryCoolify looks at running deployments every pollEvery; 0 = as the program does.
func tryCoolify(t *testing.T, root, token, server string, pollEvery time.Duration) {
	t.Helper()
	u, err := url.Parse(root)
	must(t, err)
	c, err := coolify.New(coolify.Config{URL: u, Token: secret.NewText(token)})
	must(t, err)
	db := storetest.Open(t, "sqlite")
	cfg := tenancy.Config{
		Store: db, Coolify: c, Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
		Box: (&platform{sealed: []string{rand.Text()}}).box(t), Premises: tenancy.Premises{AcceptedRisks: provision.Risks()},
		Budget: tenancytest.Unlimited(), PollEvery: pollEvery,
	}
	guard, err := tenancy.NewGuard(cfg)
	must(t, err)
	l := &liveCoolify{
		T: t, server: server, guard: guard, provisioner: provision.New(cfg, cfg.Store.(provision.Store), cfg.Store.(provision.TokenStore), guard.Reserve()), operator: people.NewOperator(db),
		client: c.Metered(func(context.Context, coolify.Operation) (func(), error) { return func() {}, nil }),
	}
	a, b := l.workspace("a", ""), l.workspace("b", "")
	l.apart(a, b)
	project, app := l.find()
	if app.Name == "" {
		t.Skipf("no app there has a name that begins with %q and runs on the server, so none is deployed", liveApp)
	}
	mine := l.workspace("c", project)
	l.variables(mine, app.UUID.String())
	l.deploy(mine, app.UUID.String())
	for _, key := range []string{a, b} {
		l.notThere(key, app.UUID.String())
		l.notThere(key, app.Name)
	}
}

// workspace makes a workspace, with a project of its own unless one is given, and
// returns a key of it. It goes with the test, and so does its own project.
func (l *liveCoolify) workspace(name, project string) (key string) {
	l.Helper()
	ctx := l.Context()
	w, err := l.operator.CreateWorkspace(ctx, people.NewWorkspace{
		Slug: "live-" + name + "-" + strings.ToLower(rand.Text()[:8]), CoolifyProject: project,
		Placement: tenancy.Placement{Server: l.server, Trust: tenancy.Trusted},
	})
	must(l, err)
	l.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Minute)
		defer cancel()
		must(l, l.operator.DeleteWorkspace(ctx, w))
		if err := l.provisioner.Settle(ctx, w.ID); err != nil {
			l.Errorf("something is left of %s: %v", w.Slug, err)
		}
	})
	if err := l.provisioner.Settle(ctx, w.ID); err != nil {
		is, _ := l.operator.Parts(ctx, w)
		l.Fatalf("provision %s: %v\n%s", w.Slug, err, is.ProvisionError)
	}
	rights, err := tenancy.PresetRights("builder")
	must(l, err)
	_, text, err := l.operator.CreateKey(ctx, w, "live", rights, time.Hour)
	must(l, err)
	return text.Reveal()
}

// try does a step with a key.
func (l *liveCoolify) try(key string, needs tenancy.Rights, do func(ctx context.Context, s *tenancy.Scope) error) error {
	l.Helper()
	return step{needs, do}.try(l.Context(), l.guard, key)
}

// apart holds that two new workspaces have what they should, and have nothing in
// common.
func (l *liveCoolify) apart(keys ...string) {
	l.Helper()
	seen := map[string]bool{}
	for _, key := range keys {
		must(l, l.try(key, tenancy.Read, func(ctx context.Context, s *tenancy.Scope) error {
			d, err := hosting.Describe(ctx, s)
			if err != nil {
				return err
			}
			if d.Status != string(tenancy.Ready) || !slices.Contains(d.Environments, "production") || seen[d.Workspace] {
				l.Errorf("described as %+v", d)
			}
			seen[d.Workspace] = true
			apps, _, err := hosting.Apps(ctx, s, "")
			if len(apps) > 0 {
				l.Errorf("a new workspace has the apps %+v", apps)
			}
			return err
		}))
	}
	ours := 0
	list, err := l.client.Projects(l.Context())
	must(l, err)
	for _, p := range list {
		if seen[strings.TrimPrefix(p.Name, "vibn-ws-")] {
			ours++
		}
	}
	if ours != len(keys) {
		l.Errorf("%d projects of %d workspaces", ours, len(keys))
	}
}

// find returns an app that tests may use, with its project; a zero one if there is
// none.
func (l *liveCoolify) find() (project string, app coolify.Application) {
	l.Helper()
	list, err := l.client.Projects(l.Context())
	must(l, err)
	for _, p := range list {
		environments, err := l.client.Project(p.UUID).Environments(l.Context())
		must(l, err)
		for _, e := range environments {
			apps, err := l.client.Project(p.UUID).Applications(l.Context(), e.UUID)
			must(l, err)
			for _, a := range apps {
				if !strings.HasPrefix(a.Name, liveApp) {
					continue
				}
				a, err := l.client.App(a.UUID).Get(l.Context())
				must(l, err)
				if a.ServerUUID.String() == l.server {
					return p.UUID.String(), a
				}
			}
		}
	}
	return "", coolify.Application{}
}

// variables sets a variable, sees it, and deletes it.
func (l *liveCoolify) variables(key, app string) {
	l.Helper()
	const name = "VIBN_LIVE_TEST"
	listed := func(s *tenancy.Scope, ctx context.Context) bool {
		a, err := hosting.FindApp(ctx, s, app)
		must(l, err)
		list, err := a.Envs(ctx, false)
		must(l, err)
		return slices.ContainsFunc(list.Envs, func(e hosting.EnvInfo) bool { return e.Key == name })
	}
	must(l, l.try(key, tenancy.Write, func(ctx context.Context, s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, app)
		if err != nil {
			return err
		}
		if _, err := a.SetEnvs(ctx, hosting.EnvSet{Values: texts(name, "of a test")}); err != nil {
			return err
		}
		if !listed(s, ctx) {
			l.Error("the variable that was set is not listed")
		}
		if _, err := a.DeleteEnvs(ctx, []string{name}, false); err != nil {
			return err
		}
		if listed(s, ctx) {
			l.Error("the variable that was deleted is listed")
		}
		return nil
	}))
}

// deploy deploys the app, waits until that is done, and reads what the app says.
func (l *liveCoolify) deploy(key, app string) {
	l.Helper()
	var id string
	must(l, l.try(key, tenancy.Deploy, func(ctx context.Context, s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, app)
		if err != nil {
			return err
		}
		started, err := a.Deploy(ctx, false)
		id = started.Deployment
		return err
	}))
	var last tenancy.DeploymentInfo
	for end := time.Now().Add(15 * time.Minute); !last.Done && time.Now().Before(end); {
		must(l, l.try(key, tenancy.Read, func(ctx context.Context, s *tenancy.Scope) (err error) {
			last, err = hosting.Wait(ctx, s, id, hosting.MaxWait)
			return err
		}))
	}
	if last.Status != "finished" {
		l.Errorf("the deployment: %+v", last)
	}
	must(l, l.try(key, tenancy.Read, func(ctx context.Context, s *tenancy.Scope) error {
		a, err := hosting.FindApp(ctx, s, app)
		if err != nil {
			return err
		}
		logs, err := a.Logs(ctx, 10, "")
		l.Logf("%d lines of its log", len(logs.Lines))
		return err
	}))
}

// notThere holds that an app is not there for a key.
func (l *liveCoolify) notThere(key, app string) {
	l.Helper()
	if err := l.try(key, tenancy.Read, toGet(app).do); codeOf(err) != tenancy.NotFound {
		l.Errorf("another workspace's app: %v, want %q", err, tenancy.NotFound)
	}
}
