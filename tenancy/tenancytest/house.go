// Package tenancytest puts a whole house together for tests: a simulated
// Coolify, a database, a Guard, and two tenants who know nothing of each other.
package tenancytest

import (
	"bytes"
	"cmp"
	"context"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/probe"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Config changes a house. The zero value is a shared host, SQLite, both tokens
// of Coolify, no limit on requests, a look at running deployments every 5 ms, and nothing
// known from before: a test changes what there is behind the program's back.
type Config struct {
	Simulator   coolifytest.Config
	Database    string // "sqlite" (default) or "postgres"
	Trust       tenancy.Trust
	NoSensitive bool           // no token that may read values and build logs
	Budget      tenancy.Budget // zero fields are practically unlimited
	PollEvery   time.Duration
	KnownFor    time.Duration // as in [tenancy.Config]; 0 = nothing is known from before
	Timeout     time.Duration // of a request to Coolify; slow ones too
	Now         func() time.Time
	Wrap        func(Store) Store // between Guard and database
	GiteaServer giteatest.Config  // what kind of Gitea to simulate
	NoGitea     bool              // a platform without Gitea
	Gitea       *gitea.Admin      // a real one instead; with GiteaURL, its root
	GiteaURL    string
	Admin       string // the operator's token; empty = no operator over the network
	Premises    tenancy.Premises
	PublicURL   *url.URL      // of the server; nil = https://vibn.example.com
	Probe       *probe.Prober // nil = one that reaches the simulator's proxies by any name, and no network

	PlatformHosts []string
	LookupTXT     func(ctx context.Context, name string) ([]string, error) // nil = there is no record
}

// A House is a program with everything around it.
type House struct {
	Sim         *coolifytest.Server
	Git         *giteatest.Server // nil where there is no simulated Gitea
	GitURL      string            // root of it
	DB          *store.DB
	Guard       *tenancy.Guard
	Provisioner *provision.Provisioner
	Operator    *people.Operator
	Log         *Log
	Logger      *slog.Logger
	A, B        *Tenant
	// Secrets are the platform's own, none of which may ever be seen.
	Secrets []string
	cfg     Config
}

// Restart has the program start again where the operator tells it other things, and returns
// its Provisioner.
func (h *House) Restart(t testing.TB, told tenancy.Premises) *provision.Provisioner {
	t.Helper()
	h.cfg.Premises = told
	h.Guard, h.Provisioner = h.guard(t, h.cfg)
	return h.Provisioner
}

// A Tenant is a workspace with two apps.
type Tenant struct {
	tenancy.Workspace
	Project  coolifytest.Project
	Web, API coolifytest.App
	Done     coolifytest.Deployment // a finished deployment of Web
	Data     coolifytest.Database   // that the operator made for them
	Holder   coolifytest.Service    // the platform's, which holds their network; zero without Gitea
	Key      string                 // with the rights of a builder
	KeyID    string
	Canary   string // stands in every name of the tenant's
}

// Unlimited is a budget that no test reaches.
func Unlimited() tenancy.Budget {
	const n = 1_000_000
	return tenancy.Budget{
		TenantsPerMinute: n, TenantsBurst: n, WorkspacePerMinute: n, WorkspaceBurst: n, ReservePerMinute: n,
		ReserveBurst: n,
		Slow:         100, Waits: 1000, CallsPerMinute: n, CallsBurst: n, InFlight: 1000, PushesPerMinute: n,
		PushesBurst: n,
	}
}

// New builds a house that lasts as long as the test.
func New(t testing.TB, cfg Config) *House {
	t.Helper()
	if cfg.Simulator.RateLimit == 0 {
		cfg.Simulator.RateLimit = -1
	}
	if cfg.Budget == (tenancy.Budget{}) {
		cfg.Budget = Unlimited()
	}
	if cfg.PollEvery == 0 {
		cfg.PollEvery = 5 * time.Millisecond
	}
	if cfg.PublicURL == nil {
		cfg.PublicURL = &url.URL{Scheme: "https", Host: "vibn.example.com"}
	}
	if cfg.Database == "" {
		cfg.Database = "sqlite"
	}
	if cfg.Simulator.Version == coolifytest.Version41 { // it cannot make networks
		cfg.Premises.SharedNetworks = true
	}
	h := &House{Sim: coolifytest.New(cfg.Simulator), DB: storetest.Open(t, cfg.Database), Log: &Log{}}
	h.Logger = slog.New(slog.NewJSONHandler(h.Log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	h.Operator = people.NewOperator(h.DB)
	if cfg.Gitea == nil && !cfg.NoGitea {
		cfg.Gitea, cfg.GiteaURL = h.gitea(t, cfg)
	}
	h.cfg = cfg
	h.Guard, h.Provisioner = h.guard(t, cfg)
	h.A, h.B = h.AddTenant(t, "alpha", cfg.Trust), h.AddTenant(t, "beta", cfg.Trust)
	return h
}

// gitea serves a simulated Gitea below a path.
func (h *House) gitea(t testing.TB, cfg Config) (*gitea.Admin, string) {
	t.Helper()
	h.Git = giteatest.New(cfg.GiteaServer)
	srv := httptest.NewServer(http.StripPrefix("/gitea", h.Git))
	t.Cleanup(func() {
		srv.Close()
		if err := h.Git.Close(); err != nil {
			t.Error(err)
		}
	})
	root, err := url.Parse(srv.URL + "/gitea")
	if err != nil {
		t.Fatal(err)
	}
	h.GitURL = root.String()
	token := h.Git.AdminToken(provision.GiteaTokenScopes()...)
	h.Secrets = append(h.Secrets, token)
	admin, err := gitea.New(
		gitea.Config{URL: root, Token: secret.NewText(token), Timeout: cfg.Timeout, RetryWait: time.Millisecond},
	)
	if err != nil {
		t.Fatal(err)
	}
	return admin, h.GitURL
}

// guard puts the Guard before a simulator that is mounted below a path, so that
// a client which builds addresses of its own misses it.
func (h *House) guard(t testing.TB, cfg Config) (*tenancy.Guard, *provision.Provisioner) {
	t.Helper()
	srv := httptest.NewServer(http.StripPrefix("/coolify", h.Sim))
	t.Cleanup(srv.Close)
	root, err := url.Parse(srv.URL + "/coolify")
	if err != nil {
		t.Fatal(err)
	}
	ordinary, sensitive := h.Sim.Token("read", "write", "deploy"), h.Sim.Token("read", "read:sensitive")
	sealing := "sealing-key-of-the-house-0123456789"
	h.Secrets = append([]string{ordinary, sensitive, sealing}, h.Secrets...)
	if cfg.Admin != "" {
		h.Secrets = append(h.Secrets, cfg.Admin)
	}
	client := coolify.Config{
		URL: root, Token: secret.NewText(ordinary), Timeout: cfg.Timeout, SlowTimeout: cfg.Timeout,
		RetryWait: time.Millisecond,
	}
	c, err := coolify.New(client)
	if err != nil {
		t.Fatal(err)
	}
	client.Token = secret.NewText(sensitive)
	s, err := coolify.NewSensitive(client)
	if err != nil {
		t.Fatal(err)
	}
	box, err := secret.NewBox(secret.NewText(sealing))
	if err != nil {
		t.Fatal(err)
	}
	gc := tenancy.Config{
		Store: h.DB, Coolify: c, Sensitive: s, Gitea: cfg.Gitea, GiteaURL: cfg.GiteaURL, Box: box, Log: h.Logger,
		Budget: cfg.Budget, PollEvery: cfg.PollEvery, Now: cfg.Now, Admin: secret.NewText(cfg.Admin),
		Premises: cfg.Premises, PublicURL: cfg.PublicURL, Probe: cfg.Probe, PlatformHosts: cfg.PlatformHosts,
		LookupTXT: cfg.LookupTXT, KnownFor: cmp.Or(cfg.KnownFor, -1),
	}
	if gc.Probe == nil {
		gc.Probe = h.Prober()
	}
	if gc.LookupTXT == nil { // a test asks nobody outside
		gc.LookupTXT = func(_ context.Context, name string) ([]string, error) {
			return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
		}
	}
	for _, k := range h.Secrets {
		gc.Known = append(gc.Known, secret.NewText(k))
	}
	if cfg.NoSensitive {
		gc.Sensitive = nil
	}
	if cfg.Wrap != nil {
		gc.Store = cfg.Wrap(h.DB)
	}
	g, err := tenancy.NewGuard(gc)
	if err != nil {
		t.Fatal(err)
	}
	return g, provision.New(gc, gc.Store.(Store), gc.Store.(Store), g.Reserve())
}

// Prober returns one that reaches the proxies of the simulator by any name, and no
// network: what answers is what [coolifytest.Server.Serving] says.
func (h *House) Prober() *probe.Prober {
	return probe.New(probe.Config{Dial: h.Sim.DialApp, RootCAs: h.Sim.Roots()})
}

// AddTenant adds a workspace with its project, two apps and a deployment. Every
// name in it holds its canary.
func (h *House) AddTenant(t testing.TB, slug string, trust tenancy.Trust) *Tenant {
	t.Helper()
	x := &Tenant{Canary: "canary-" + slug}
	x.Project = h.Sim.AddProject("vibn-ws-" + slug)
	w, err := h.Operator.CreateWorkspace(t.Context(), people.NewWorkspace{
		Slug: slug, Name: "Workspace " + x.Canary, CoolifyProject: x.Project.UUID, OwnerUserID: "user-" + slug,
		Placement: tenancy.Placement{Trust: trust, Server: h.Sim.Hosts()[0].UUID},
	})
	if err != nil {
		t.Fatal(err)
	}
	x.Workspace = w
	network := "" // the workspace's own
	if h.Git != nil {
		network = h.Provision(t, x).Destination
		for _, v := range h.Sim.Services() {
			if v.EnvironmentUUID == x.Project.Environments[0].UUID {
				x.Holder = v
			}
		}
	}
	x.Key, x.KeyID = h.AddKey(t, x, "builder", 0)
	env := x.Project.Environments[0].UUID
	app := func(name string) coolifytest.App {
		a := h.Sim.AddApp(env, coolifytest.App{
			Name: name + "-" + x.Canary, FQDN: "https://" + name + "." + slug + ".example.com",
			Status: "running:healthy", Description: x.Canary,
			GitRepository: "git@git.example.com:vibn-" + slug + "/" + name + "-" + x.Canary + ".git",
			Logs:          "hello from " + x.Canary + "\n",
			CommitMessage: "change by " + x.Canary, DestinationUUID: network,
		})
		h.Sim.AddEnv(
			a.UUID,
			coolifytest.Env{
				Key: "SECRET_OF_" + strings.ToUpper(slug), Value: "value-" + x.Canary, Runtime: true, Literal: true,
			},
		)
		return a
	}
	x.Web, x.API = app("web"), app("api")
	x.Data = h.Sim.AddDatabase(
		env, coolifytest.Database{Name: "data-" + x.Canary, Description: x.Canary, Status: "running:healthy"},
	)
	x.Done = h.Sim.AddDeployment(x.Web.UUID, coolifytest.Deployment{
		Status: "finished", Message: "change by " + x.Canary,
		Logs: []coolifytest.LogLine{{Output: "built " + x.Canary}},
	})
	return x
}

// Provision sees to a tenant's parts, which must come out as they should be, and
// reads the workspace anew.
func (h *House) Provision(t testing.TB, x *Tenant) tenancy.Provision {
	t.Helper()
	err := h.Provisioner.Provision(t.Context(), x.ID)
	state, stateErr := h.Operator.Parts(t.Context(), x.Workspace)
	if err != nil || stateErr != nil {
		t.Fatalf("provision %s: %v %v\n%s", x.Slug, err, stateErr, state.ProvisionError)
	}
	x.Workspace = state.Workspace
	h.Sim.Reset()
	h.Git.Reset()
	return state
}

// AddRepository creates a project with a repository in a tenant's workspace.
func (h *House) AddRepository(t testing.TB, x *Tenant, name string) {
	t.Helper()
	if _, _, err := repository.CreateProject(
		t.Context(), h.Open(t, x.Key, tenancy.Write), name, "of "+x.Canary,
	); err != nil {
		t.Fatal(err)
	}
	h.Git.Reset()
}

// AddKey mints a key with the rights of a preset; life 0 never expires.
func (h *House) AddKey(t testing.TB, x *Tenant, preset string, life time.Duration) (key, id string) {
	t.Helper()
	rights, err := tenancy.PresetRights(preset)
	if err != nil {
		t.Fatal(err)
	}
	k, text, err := h.Operator.CreateKey(t.Context(), x.Workspace, preset+" of "+x.Slug, rights, life)
	if err != nil {
		t.Fatal(err)
	}
	return text.Reveal(), k.ID
}

// Open opens the Scope of a key, and begins a call that needs a right.
func (h *House) Open(t testing.TB, key string, needs tenancy.Rights) *tenancy.Scope {
	t.Helper()
	s, err := h.Guard.OpenKey(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = s.Begin(t.Context(), tenancy.Call{Tool: "test", Needs: needs}); err != nil {
		t.Fatal(err)
	}
	return s
}

// NeedGit skips a test where there is no git, but not in CI.
func NeedGit(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("git is required here: %v", err)
		}
		t.Skipf("git is not installed: %v", err)
	}
}

// Requests returns the operations that Coolify was asked for since the last
// [coolifytest.Server.Reset], in order.
func (h *House) Requests() []string {
	var ops []string
	for _, r := range h.Sim.Requests() {
		ops = append(ops, r.Operation)
	}
	return ops
}

// Fine fails the test if a tripwire of the simulator fired.
func (h *House) Fine(t testing.TB) {
	t.Helper()
	for _, v := range h.Sim.Violations() {
		t.Errorf("simulator: %s", v)
	}
}

// A Log keeps what was logged.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write implements [io.Writer].
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

// String returns all that was logged so far.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
