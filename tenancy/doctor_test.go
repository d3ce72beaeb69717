package tenancy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A premises is a platform on which every prerequisite is met: a team of the
// tenants' own on Coolify, a closed Gitea, and a workspace with an app and a
// repository. A test breaks one thing of it.
type premises struct {
	*testing.T
	sim                            *coolifytest.Server
	git                            *giteatest.Server
	coolifyURL                     *url.URL
	gitURL                         *url.URL
	host                           coolifytest.Host
	db                             *store.DB
	operator                       *people.Operator
	workspace                      tenancy.Workspace
	app                            coolifytest.App
	token, sensitive, admin, seals string // empty sensitive = none
	oldSeals                       string
	known                          []string
	told                           tenancy.Premises
	log                            *tenancytest.Log
	now                            func() time.Time
	noDatabase                     bool
}

// closedGitea is Gitea as it is recommended.
func closedGitea() giteatest.Config {
	return giteatest.Config{Behaviour: giteatest.V127, RequireSignIn: true, NoUsersPage: true, ForksCounted: true}
}

const tenantsTeam = 5

func newPremises(t *testing.T, cfg giteatest.Config) *premises {
	t.Helper()
	began := time.Now() // a clock that stands, so that no minute ends between two requests
	sim := coolifytest.New(coolifytest.Config{RateLimit: 100_000, Now: func() time.Time { return began }})
	p := &premises{T: t, sim: sim, git: giteatest.New(cfg), log: &tenancytest.Log{}, now: time.Now}
	p.coolifyURL, p.gitURL = p.serve("/coolify", p.sim), p.serve("/gitea", p.git)
	t.Cleanup(func() { _ = p.git.Close() })
	p.git.SetUser(p.git.Admin(), func(u *giteatest.User) { u.TwoFactor, u.KeepEmailPrivate = true, true })
	p.host = p.sim.AddHost(coolifytest.Host{Name: "tenants1", Team: tenantsTeam})
	p.db = storetest.Open(t, "sqlite")
	p.operator = people.NewOperator(p.db)
	p.token, p.sensitive = p.mint("read", "write", "deploy"), p.mint("read", "read:sensitive")
	p.admin = p.git.AdminToken("all") // where basic authentication is off, the least is not enough
	p.seals = "sealing-key-of-the-premises-0123"
	p.told = tenancy.Premises{
		OwnURLs: []tenancy.OwnURL{
			{Variable: "VIBN_PUBLIC_URL", URL: parsed(t, "https://vibn.platform.example")},
			{Variable: "COOLIFY_URL", URL: p.coolifyURL},
			{Variable: "GITEA_PUBLIC_URL", URL: parsed(t, "https://git.platform.example")},
		},
		AppDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.net"},
		Placement: tenancy.Placement{Trust: tenancy.Shared, Server: p.host.UUID},
	}
	p.settle(cfg.TwoFactorEnforced)
	p.admin = p.git.AdminToken("write:admin", "write:organization", "write:repository", "write:package", "read:user")
	return p
}

// settle makes the workspace, its app and its repository, whatever the risks. Where
// the repository is hidden from the bot it has no first commit.
func (p *premises) settle(hidden bool) {
	p.Helper()
	asTold := p.told
	p.told.AcceptedRisks = provision.Risks()
	defer func() { p.told = asTold }()
	p.workspace = p.create("alpha")
	guard := p.guard()
	p.provision(guard, p.workspace)
	state, err := p.operator.Parts(p.Context(), p.workspace)
	if err != nil {
		p.Fatal(err)
	}
	p.workspace = state.Workspace
	p.app = p.sim.AddApp(p.project().Environments[0].UUID, coolifytest.App{Name: "web", FQDN: "https://web.alpha.apps.example.net", HostUUID: p.host.UUID})
	p.sim.AddEnv(p.app.UUID, coolifytest.Env{Key: "A", Value: "b"})
	key, err := p.keyScope(guard)
	if err != nil {
		p.Fatal(err)
	}
	if _, _, err := repository.CreateProject(p.Context(), key, "site", ""); (err != nil) != hidden {
		p.Fatal(err)
	}
}

func (p *premises) keyScope(guard service) (*tenancy.Scope, error) {
	rights, err := tenancy.PresetRights("builder")
	if err != nil {
		return nil, err
	}
	_, key, err := p.operator.CreateKey(p.Context(), p.workspace, "test", rights, 0)
	if err != nil {
		return nil, err
	}
	s, err := guard.OpenKey(p.Context(), key.Reveal())
	if err != nil {
		return nil, err
	}
	return s.Begin(p.Context(), tenancy.Call{Tool: "test", Needs: tenancy.Write})
}

// create stores a workspace without making its parts.
func (p *premises) create(slug string) tenancy.Workspace {
	p.Helper()
	w, err := p.operator.CreateWorkspace(p.Context(), people.NewWorkspace{Slug: slug, Placement: p.told.Placement})
	if err != nil {
		p.Fatal(err)
	}
	return w
}

func (p *premises) provision(guard service, w tenancy.Workspace) {
	p.Helper()
	if err := guard.provisioner.Provision(p.Context(), w.ID); err != nil {
		state, _ := p.operator.Parts(p.Context(), w)
		p.Fatalf("provision %s: %v\n%s", w.Slug, err, state.ProvisionError)
	}
}

func (p *premises) serve(path string, h http.Handler) *url.URL {
	srv := httptest.NewServer(http.StripPrefix(path, h))
	p.Cleanup(srv.Close)
	return parsed(p.T, srv.URL+path)
}

func parsed(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func (p *premises) mint(abilities ...string) string {
	return p.sim.Mint(coolifytest.TokenSpec{User: 7, Team: tenantsTeam, Abilities: abilities})
}

func (p *premises) project() coolifytest.Project {
	projects := p.sim.Projects()
	return projects[len(projects)-1]
}

// config is what the program would be made of as things stand.
func (p *premises) config() tenancy.Config {
	p.Helper()
	p.known = []string{p.token, p.sensitive, p.admin, p.seals, p.oldSeals}
	cc := coolify.Config{URL: p.coolifyURL, Token: secret.NewText(p.token), RetryWait: time.Millisecond, Timeout: 2 * time.Second}
	c := got(coolify.New(cc))(p.T)
	old := []secret.Text{}
	if p.oldSeals != "" {
		old = append(old, secret.NewText(p.oldSeals))
	}
	cfg := tenancy.Config{
		Coolify: c, Box: got(secret.NewBox(secret.NewText(p.seals), old...))(p.T), Log: slog.New(slog.NewJSONHandler(p.log, nil)),
		Now: p.now, Premises: p.told, GiteaURL: p.gitURL.String(), PublicURL: p.told.OwnURLs[0].URL,
	}
	if !p.noDatabase {
		cfg.Store = p.db
	}
	if p.sensitive != "" {
		cc.Token = secret.NewText(p.sensitive)
		cfg.Sensitive = got(coolify.NewSensitive(cc))(p.T)
	}
	if p.admin != "" {
		cfg.Gitea = got(gitea.New(gitea.Config{URL: p.gitURL, Token: secret.NewText(p.admin), RetryWait: time.Millisecond, Timeout: 2 * time.Second}))(p.T)
	}
	for _, k := range p.known {
		if k != "" {
			cfg.Known = append(cfg.Known, secret.NewText(k))
		}
	}
	return cfg
}

func got[V any](v V, err error) func(*testing.T) V {
	return func(t *testing.T) V {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// guard is a program on these premises, with a budget that no test reaches.
func (p *premises) guard() service {
	p.Helper()
	cfg := p.config()
	cfg.Budget = tenancytest.Unlimited()
	guard := got(tenancy.NewGuard(cfg))(p.T)
	return service{guard, provision.New(cfg, cfg.Store.(provision.Store), cfg.Store.(provision.TokenStore), guard.Reserve())}
}

// A service is what serve puts together.
type service struct {
	*tenancy.Guard
	provisioner *provision.Provisioner
}

// examine looks at everything, and proves that looking changes nothing and shows
// no secret.
func (p *premises) examine() []provision.Check {
	p.Helper()
	cfg := p.config()
	p.sim.Reset()
	p.git.Reset()
	git, projects := p.git.Snapshot(), p.sim.Projects()
	records, _ := cfg.Store.(provision.Store) // nil without a database
	checks := provision.Examine(p.Context(), cfg, records)
	if diff := cmp.Diff(git, p.git.Snapshot()); diff != "" {
		p.Errorf("looking changed Gitea (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(projects, p.sim.Projects()); diff != "" {
		p.Errorf("looking changed Coolify (-before +after):\n%s", diff)
	}
	p.readsOnly()
	for _, c := range checks {
		p.keepsIsolation(c.Fix)
	}
	for _, v := range slices.Concat(p.sim.Violations(), p.git.Violations()) {
		p.Errorf("simulator: %s", v)
	}
	p.showsNoSecret(checks)
	return checks
}

// weakening is advice that would join what separates workspaces.
var weakening = regexp.MustCompile(`(?i)ISOLATE_NETWORKS=false|(^|[^n])set COOLIFY_DESTINATION_UUID|trust[ =]trusted`)

// keepsIsolation: no advice joins what separates workspaces.
func (p *premises) keepsIsolation(fix string) {
	p.Helper()
	if weakening.MatchString(fix) {
		p.Errorf("the advice weakens isolation: %s", fix)
	}
}

// readsOnly: whatever is no GET is about what cannot exist.
func (p *premises) readsOnly() {
	p.Helper()
	harmless := map[string]string{
		"PATCH /projects/{uuid}":                           "/api/v1/projects/vibn-mcp-asks-what-it-may",
		"POST /applications/{uuid}/start":                  "/api/v1/applications/vibn-mcp-asks-what-it-may/start",
		"PATCH /admin/users/{username}":                    "/api/v1/admin/users/-nobody",
		"DELETE /orgs/{org}/members/{username}":            "/api/v1/orgs/-nobody/members/-nobody",
		"PATCH /repos/{owner}/{repo}":                      "/api/v1/repos/-nobody/-nobody",
		"DELETE /packages/{owner}/{type}/{name}/{version}": "/api/v1/packages/-nobody/generic/-nobody/-nobody",
	}
	site := "/api/v1/repos/" + p.workspace.GiteaOrg + "/site"
	harmless["POST /repos/{owner}/{repo}/forks"], harmless["POST /repos/{owner}/{repo}/keys"] = site+"/forks", site+"/keys"
	judge := func(method, operation, path string, status int) {
		if method != http.MethodGet && (harmless[operation] != path || status < 400) {
			p.Errorf("the doctor sent %s %s, which was answered with %d", method, path, status)
		}
	}
	for _, r := range p.sim.Requests() {
		judge(r.Method, r.Operation, r.Path, r.Status)
	}
	for _, r := range p.git.Requests() {
		judge(r.Method, r.Operation, r.Path, r.Status)
	}
}

func (p *premises) showsNoSecret(checks []provision.Check) {
	p.Helper()
	raw, err := json.Marshal(checks)
	if err != nil {
		p.Fatal(err)
	}
	for _, k := range p.known {
		if _, part, ok := strings.Cut(k, "|"); ok {
			k = part
		}
		if k != "" && strings.Contains(string(raw)+p.log.String(), k) {
			p.Errorf("the secret %s is shown: %s", k, raw)
		}
	}
}

// order is that of the checks, whatever becomes of them.
var order = []string{
	"workspaces", "secrets-key", "coolify", "coolify-token", "coolify-version", "coolify-user", "coolify-budget", "coolify-sensitive-token",
	"placements", "docker-networks", "coolify-host", "shared-proxy", "app-domain", "gitea", "gitea-token", "gitea-basic-auth", "gitea-pages", "instance-runners",
	"open-registration", "proxy-auth", "gitea-sign-in", "gitea-users-page", "gitea-webhooks", "gitea-deliveries", "gitea-version", "gitea-ssh", "gitea-bots", "gitea-forks", "gitea-administrator",
}

// A doctorCase is one thing that is wrong, and what is to be said of it.
type doctorCase struct {
	name   string
	gitea  func(*giteatest.Config)
	do     func(*premises)
	stays  bool // it leaves what [premises.heal] does not take away
	check  string
	state  provision.CheckState
	says   []string // in detail or fix
	unseen bool     // the look failed, so there is no risk to accept
	skips  []string // checks that cannot be looked at then
}

var (
	afterToken = []string{"coolify-version", "coolify-user", "coolify-budget", "coolify-sensitive-token", "placements", "docker-networks", "coolify-host", "shared-proxy"}
	withABot   = []string{"gitea-forks", "gitea-administrator"}
	withBots   = append([]string{"gitea-ssh", "gitea-bots"}, withABot...)
	afterAdmin = append([]string{"gitea-pages", "instance-runners", "proxy-auth", "gitea-users-page", "gitea-version"}, withBots...)
	afterGitea = append([]string{
		"gitea-token", "gitea-basic-auth", "gitea-pages", "instance-runners", "open-registration", "proxy-auth", "gitea-sign-in", "gitea-users-page",
		"gitea-version",
	}, withBots...)
)

var doctorCases = []doctorCase{
	{name: "another key", do: func(p *premises) { p.seals = "another-sealing-key-0123456789" }, check: "secrets-key", state: "fail", says: []string{"2 of 2 sealed", "VIBN_SECRETS_KEY_OLD"}, skips: withBots},
	{name: "an older key", do: func(p *premises) { p.oldSeals, p.seals = p.seals, "another-sealing-key-0123456789" }, check: "secrets-key", state: "warn", says: []string{"vibn-mcp secrets rotate"}},
	{name: "a workspace that is not as it should be", stays: true, do: func(p *premises) {
		w := p.create("broken")
		got(p.db.FinishProvision(p.Context(), w.ID, 1, tenancy.Outcome{Status: tenancy.Failed, Error: "no"}, time.Now()))(p.T)
	}, check: "workspaces", state: "warn", says: []string{"broken", "vibn-mcp workspace show"}},

	{name: "Coolify down", do: func(p *premises) { p.coolifyURL = parsed(p.T, "http://127.0.0.1:1") }, check: "coolify", state: "fail", says: []string{"COOLIFY_URL"}, skips: append([]string{"coolify-token"}, afterToken...)},
	{name: "an unknown token", do: func(p *premises) { p.token = "9|unheardof" }, check: "coolify-token", state: "fail", says: []string{"does not accept", "COOLIFY_API_TOKEN"}, skips: afterToken},
	{name: "a token that may not read", do: func(p *premises) { p.token = p.mint("write", "deploy") }, check: "coolify-token", state: "fail", says: []string{"may not read", "COOLIFY_API_TOKEN"}, skips: afterToken},
	{name: "a token that may not write", do: func(p *premises) { p.token = p.mint("read", "deploy") }, check: "coolify-token", state: "fail", says: []string{"may not write", "COOLIFY_API_TOKEN"}},
	{name: "a token that may not deploy", do: func(p *premises) { p.token = p.mint("read", "write") }, check: "coolify-token", state: "fail", says: []string{"may not deploy", "COOLIFY_API_TOKEN"}},
	{name: "a token that may read only", do: func(p *premises) { p.token = p.mint("read") }, check: "coolify-token", state: "fail", says: []string{"may not write nor deploy"}},
	{name: "a token of a member", do: func(p *premises) {
		p.token = p.sim.Mint(coolifytest.TokenSpec{User: 7, Team: tenantsTeam, Abilities: []string{"read", "write", "deploy"}, Member: true})
	}, check: "coolify-token", state: "fail", says: []string{"admin of the team"}, skips: afterToken},
	{name: "the API off", do: func(p *premises) { p.sim.DisableAPI(true) }, check: "coolify-token", state: "fail", says: []string{"switch it on"}, skips: afterToken},
	{name: "an address that is not let in", do: func(p *premises) { p.sim.RefuseIP(true) }, check: "coolify-token", state: "fail", says: []string{"allowed IPs"}, skips: afterToken},
	{name: "an old Coolify", do: func(p *premises) {
		p.sim.Fail("GET /version", coolifytest.Fault{Status: 200, Body: "4.1.2", Header: http.Header{"Content-Type": {"text/html"}}})
	}, check: "coolify-version", state: "fail", says: []string{"4.1.2", "4.2"}},
	{name: "a Coolify before networks without a job", do: func(p *premises) {
		p.sim.Fail("GET /version", coolifytest.Fault{Status: 200, Body: "4.2.1", Header: http.Header{"Content-Type": {"text/html"}}})
	}, check: "coolify-version", state: "ok", says: []string{"4.2.1; 4.3 lets apps be rolled back; from 4.3.8 on"}},
	{name: "the root user", do: func(p *premises) {
		p.token = p.sim.Mint(coolifytest.TokenSpec{Team: tenantsTeam, Abilities: []string{"read", "write", "deploy"}})
	}, check: "coolify-user", state: "warn", says: []string{"root", "COOLIFY_API_TOKEN"}},
	{name: "no room at Coolify", do: func(p *premises) {
		p.sim.Fail("GET /version", coolifytest.Fault{Status: 429, Body: `{"message":"Too Many Attempts."}`})
	}, check: "coolify-token", state: "fail", says: []string{"wait a minute"}, skips: afterToken},
	{name: "little room at Coolify", do: func(p *premises) {
		p.sim.Fail("GET /version", coolifytest.Fault{Header: http.Header{"X-Ratelimit-Limit": {"60"}, "X-Ratelimit-Remaining": {"59"}}})
	}, check: "coolify-budget", state: "warn", says: []string{"60", "API_RATE_LIMIT=200"}},
	{name: "no sensitive token", do: func(p *premises) { p.sensitive = "" }, check: "coolify-sensitive-token", state: "warn", says: []string{"COOLIFY_SENSITIVE_TOKEN"}},
	{name: "a sensitive token that may write", do: func(p *premises) { p.sensitive = p.mint("read", "read:sensitive", "write") }, check: "coolify-sensitive-token", state: "fail", says: []string{"may write too", "COOLIFY_SENSITIVE_TOKEN"}},
	{name: "a sensitive token that may deploy", do: func(p *premises) { p.sensitive = p.mint("read", "read:sensitive", "deploy") }, check: "coolify-sensitive-token", state: "fail", says: []string{"may deploy too"}},
	{name: "a sensitive token that is root", do: func(p *premises) { p.sensitive = p.mint("root") }, check: "coolify-sensitive-token", state: "fail", says: []string{"may write too"}},
	{name: "a sensitive token that sees nothing", do: func(p *premises) { p.sensitive = p.mint("read") }, check: "coolify-sensitive-token", state: "fail", says: []string{"not what is sensitive"}},
	{name: "a sensitive token that reads nothing", do: func(p *premises) { p.sensitive = p.mint("read:sensitive") }, check: "coolify-sensitive-token", state: "fail", says: []string{"may not read"}},
	{name: "a sensitive token of a member", do: func(p *premises) {
		p.sensitive = p.sim.Mint(coolifytest.TokenSpec{User: 8, Team: tenantsTeam, Abilities: []string{"read", "read:sensitive"}, Member: true})
	}, check: "coolify-sensitive-token", state: "fail", says: []string{"admin of the team"}},
	{name: "an unknown sensitive token", do: func(p *premises) { p.sensitive = "9|unheardof" }, check: "coolify-sensitive-token", state: "fail", says: []string{"does not accept COOLIFY_SENSITIVE_TOKEN", "with read and read:sensitive, and nothing else"}},

	{name: "no server for new workspaces", do: func(p *premises) { p.told.Placement = tenancy.Placement{Trust: tenancy.Shared} }, check: "placements", state: "warn", says: []string{"new workspaces: no server", "COOLIFY_SERVER_UUID"}},
	{
		name: "one network for all workspaces", do: func(p *premises) { p.told.Placement.Destination = p.host.DestinationUUID },
		check: "placements", state: "warn", says: []string{"new workspaces: they share the network", "unset COOLIFY_DESTINATION_UUID"},
	},
	{
		name: "workspaces in one network", stays: true, do: func(p *premises) {
			own := tenancy.Placement{Trust: tenancy.Shared, Server: p.host.UUID, Destination: p.host.DestinationUUID}
			p.place(own)
			if err := p.operator.Place(p.Context(), p.create("beta"), own); err != nil {
				p.Fatal(err)
			}
		},
		check: "placements", state: "warn", says: []string{"alpha, beta: they share the network", "--coolify-destination-uuid ''"},
	},
	{
		name: "isolation switched off", do: func(p *premises) { p.told.SharedNetworks = true },
		check: "placements", state: "warn", says: []string{"share the network of their server", "leave VIBN_ISOLATE_NETWORKS at its default"},
	},
	{name: "a server that is not there", do: func(p *premises) { p.told.Placement.Server = "nosuchserver" }, check: "placements", state: "fail", says: []string{"no server nosuchserver", "COOLIFY_SERVER_UUID"}},
	{name: "a server of another team", do: func(p *premises) { p.told.Placement.Server = p.sim.Hosts()[0].UUID }, check: "placements", state: "fail", says: []string{"no server"}},
	{name: "a workspace on a server that is not there", do: func(p *premises) {
		p.place(tenancy.Placement{Trust: tenancy.Dedicated, Server: "nosuchserver", Destination: p.host.DestinationUUID})
	}, check: "placements", state: "fail", says: []string{"alpha: the team has no server nosuchserver", "vibn-mcp workspace place"}},
	{
		name: "nearly no addresses for networks left", stays: true, do: func(p *premises) {
			for i := range 27 {
				p.sim.AddDestination(coolifytest.Destination{HostUUID: p.host.UUID, Network: fmt.Sprintf("net-%d", i)})
			}
		},
		check: "docker-networks", state: "warn", says: []string{"tenants1 has 29 networks", "default-address-pools", "daemon.json"},
	},
	{name: "a destination that is not there", do: func(p *premises) { p.told.Placement.Destination = "nosuchdestination" }, check: "placements", state: "fail", says: []string{"no destination nosuchdestination"}},
	{name: "a destination elsewhere", do: func(p *premises) {
		p.told.Placement.Destination = p.sim.AddHost(coolifytest.Host{Team: tenantsTeam}).DestinationUUID
	}, check: "placements", state: "fail", says: []string{"on another server"}},
	{name: "a server out of reach", do: func(p *premises) { p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.Unreachable = true }) }, check: "placements", state: "fail", says: []string{"tenants1 is not reachable"}},
	{name: "a server without Docker", do: func(p *premises) { p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.Unusable = true }) }, check: "placements", state: "fail", says: []string{"tenants1 is not usable"}},
	{name: "a build server", do: func(p *premises) { p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.BuildServer = true }) }, check: "placements", state: "fail", says: []string{"build server"}},

	{name: "Coolify's own host", do: func(p *premises) { p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.IsCoolifyHost = true }) }, check: "coolify-host", state: "fail", says: []string{"tenants1", "VIBN_ACCEPT_RISKS=coolify-host", "COOLIFY_SERVER_UUID"}},
	{name: "a dedicated host that is Coolify's", do: func(p *premises) {
		own := p.sim.AddHost(coolifytest.Host{Name: "own", Team: tenantsTeam, IsCoolifyHost: true})
		p.place(tenancy.Placement{Trust: tenancy.Dedicated, Server: own.UUID, Destination: own.DestinationUUID})
	}, check: "coolify-host", state: "fail", says: []string{"own is Coolify's own host"}},
	{name: "Gitea behind the tenants' proxy", do: func(p *premises) {
		p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.Domains = []string{"GIT.platform.example"} })
	}, check: "shared-proxy", state: "fail", says: []string{"git.platform.example (GITEA_PUBLIC_URL)", "VIBN_ACCEPT_RISKS=shared-proxy"}},
	{name: "vibn-mcp behind the tenants' proxy", stays: true, do: func(p *premises) {
		p.sim.AddApp(p.project().Environments[0].UUID, coolifytest.App{FQDN: "https://x.example.net,https://vibn.platform.example:443/", HostUUID: p.host.UUID})
	}, check: "shared-proxy", state: "fail", says: []string{"vibn.platform.example (VIBN_PUBLIC_URL)"}},
	{name: "Coolify on the tenants' address", do: func(p *premises) {
		p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.IP = p.coolifyURL.Hostname() })
	}, check: "shared-proxy", state: "fail", says: []string{"(COOLIFY_URL)"}},
	{name: "apps beside vibn-mcp", do: func(p *premises) { p.told.AppDomain.Host = "apps.platform.example" }, check: "app-domain", state: "fail", says: []string{"VIBN_PUBLIC_URL", "VIBN_APP_DOMAIN", "VIBN_ACCEPT_RISKS=app-domain"}},
	{name: "apps above Gitea", do: func(p *premises) {
		p.told.AppDomain.Host = "platform.github.io"
		p.told.OwnURLs[2].URL = parsed(p.T, "https://git.platform.github.io")
	}, check: "app-domain", state: "fail", says: []string{"GITEA_PUBLIC_URL"}},

	{name: "Gitea down", do: func(p *premises) { p.gitURL = parsed(p.T, "http://127.0.0.1:1") }, check: "gitea", state: "fail", says: []string{"GITEA_API_URL"}, skips: afterGitea},
	{name: "a Gitea that is not well", do: func(p *premises) {
		p.git.Fail("GET /api/healthz", giteatest.Fault{Status: 503, Body: `{"status":"fail"}`})
	}, check: "gitea", state: "fail", says: []string{"GITEA_API_URL"}, skips: afterGitea},
	{name: "an unknown admin token", do: func(p *premises) { p.admin = strings.Repeat("0", 40) }, check: "gitea-token", state: "fail", says: []string{"does not accept GITEA_API_TOKEN"}, skips: afterAdmin},
	{name: "a token of no admin", do: func(p *premises) {
		p.git.AddUser(giteatest.User{Login: "bob", Email: "bob@example.com"})
		p.admin = p.git.AddToken("bob", "all")
	}, check: "gitea-token", state: "fail", says: []string{"bob", "site administrator"}, skips: afterAdmin},
	{name: "a token without write:admin", do: adminScopes("write:organization", "write:repository", "write:package", "read:user"), check: "gitea-token", state: "fail", says: []string{"lacks write:admin", "GITEA_API_TOKEN"}, skips: afterAdmin},
	{name: "a token without write:organization", do: adminScopes("write:admin", "write:repository", "write:package", "read:user"), check: "gitea-token", state: "fail", says: []string{"lacks write:organization"}},
	{name: "a token without write:repository", do: adminScopes("write:admin", "write:organization", "write:package", "read:user"), check: "gitea-token", state: "fail", says: []string{"lacks write:repository"}, skips: []string{"gitea-ssh"}},
	{name: "a token without write:package", do: adminScopes("write:admin", "write:organization", "write:repository", "read:user"), check: "gitea-token", state: "fail", says: []string{"lacks write:package"}},
	{name: "a token without read:user", do: adminScopes("write:admin", "write:organization", "write:repository", "write:package"), check: "gitea-token", state: "fail", says: []string{"lacks read:user"}, skips: afterAdmin},
	{name: "no basic authentication", gitea: func(c *giteatest.Config) { c.NoBasicAuth = true }, check: "gitea-basic-auth", state: "fail", says: []string{"ENABLE_BASIC_AUTHENTICATION=true"}},
	{name: "small pages", do: func(p *premises) {
		p.git.Fail("GET /settings/api", giteatest.Fault{Status: 200, Body: `{"max_response_items":10,"default_paging_num":10}`})
	}, check: "gitea-pages", state: "warn", says: []string{"MAX_RESPONSE_ITEMS=50"}},
	{name: "a runner", stays: true, do: func(p *premises) { p.git.AddRunner(giteatest.Runner{Name: "shared-runner"}) }, check: "instance-runners", state: "fail", says: []string{"shared-runner", "VIBN_ACCEPT_RISKS=instance-runners"}},
	{name: "no word about runners", do: func(p *premises) {
		p.git.Fail("GET /admin/actions/runners", giteatest.Fault{Status: 404, Body: `{"message":"not found"}`})
	}, check: "instance-runners", state: "warn", says: []string{"not reported"}},
	{name: "open registration", gitea: func(c *giteatest.Config) { c.OpenRegistration = true }, check: "open-registration", state: "fail", says: []string{"DISABLE_REGISTRATION=true", "VIBN_ACCEPT_RISKS=open-registration"}},
	{name: "a page of registration that says nothing", do: func(p *premises) { p.git.Fail("GET /user/sign_up", giteatest.Fault{Status: 200, Body: `<html>`}) }, check: "open-registration", state: "fail", says: []string{"gave an unusable answer", "GITEA_API_URL"}, unseen: true},
	{name: "trust in a proxy", gitea: func(c *giteatest.Config) { c.ProxyAuth = true }, check: "proxy-auth", state: "fail", says: []string{"ENABLE_REVERSE_PROXY_AUTHENTICATION=false", "VIBN_ACCEPT_RISKS=proxy-auth"}},
	{name: "no sign-in needed", gitea: func(c *giteatest.Config) { c.RequireSignIn = false }, check: "gitea-sign-in", state: "warn", says: []string{"REQUIRE_SIGNIN_VIEW=true"}},
	{name: "a page of users", gitea: func(c *giteatest.Config) { c.NoUsersPage = false }, check: "gitea-users-page", state: "warn", says: []string{"DISABLE_USERS_PAGE=true"}},
	{name: "webhooks switched off", do: func(p *premises) {
		p.git.Fail("GET /orgs/{org}/hooks", giteatest.Fault{Status: 403, Body: `{"message":"webhooks disabled by administrator"}`})
	}, check: "gitea-webhooks", state: "fail", says: []string{"once a minute", "DISABLE_WEBHOOKS=false"}},
	{name: "SSH switched off", gitea: func(c *giteatest.Config) { c.NoSSH = true }, check: "gitea-ssh", state: "fail", says: []string{"DISABLE_SSH=false"}},
	{name: "an old Gitea", gitea: func(c *giteatest.Config) { c.Version = "1.26.1+3-gabcdef" }, check: "gitea-version", state: "warn", says: []string{"1.26.1", "1.26.2 or newer"}},
	{name: "forks that count nothing", gitea: func(c *giteatest.Config) { c.ForksCounted = false }, check: "gitea-forks", state: "warn", says: []string{"within a minute", "ALLOW_FORK_WITHOUT_MAXIMUM_LIMIT=false"}},
	{name: "an address of a person's", do: func(p *premises) {
		p.git.SetUser(p.git.Admin(), func(u *giteatest.User) { u.KeepEmailPrivate = false })
	}, check: "gitea-administrator", state: "warn", says: []string{"siteadmin", "Hide Email Address"}},
	{name: "two-factor authentication enforced", skips: withABot, gitea: func(c *giteatest.Config) { c.TwoFactorEnforced = true }, check: "gitea-bots", state: "fail", says: []string{"TWO_FACTOR_AUTH"}},
	{name: "a webhook to this machine", do: postingTo("http://127.0.0.1:8080"), check: "gitea-webhooks", state: "warn", says: []string{"[webhook] ALLOWED_HOST_LIST=127.0.0.1 ", "[security] ALLOWED_HOST_LIST=127.0.0.1 ", "VIBN_PUBLIC_URL"}},
	{name: "a webhook to a private address", do: postingTo("https://[fd00::1]"), check: "gitea-webhooks", state: "warn", says: []string{"ALLOWED_HOST_LIST=fd00::1"}},
	{name: "a webhook to a container", do: postingTo("http://vibn:8080"), check: "gitea-webhooks", state: "warn", says: []string{"ALLOWED_HOST_LIST=vibn"}},
	{name: "a webhook to a name of one's own network", do: postingTo("https://vibn.Corp.Internal."), check: "gitea-webhooks", state: "warn", says: []string{"ALLOWED_HOST_LIST"}},
	{name: "a bot that is shut out", do: func(p *premises) {
		p.git.SetUser(p.workspace.GiteaBot, func(u *giteatest.User) { u.ProhibitLogin = true })
	}, check: "gitea-bots", state: "fail", says: []string{"vibn-mcp workspace rotate alpha"}, skips: withABot},
}

func postingTo(url string) func(*premises) {
	return func(p *premises) { p.told.OwnURLs[0].URL = parsed(p.T, url) }
}

func adminScopes(scopes ...string) func(*premises) {
	return func(p *premises) { p.admin = p.git.AdminToken(scopes...) }
}

func (p *premises) place(to tenancy.Placement) {
	p.Helper()
	if err := p.operator.Place(p.Context(), p.workspace, to); err != nil {
		p.Fatal(err)
	}
}

// TestDoctorFindsNothing: where everything is as it should be, it says so.
func TestDoctorFindsNothing(t *testing.T) {
	p := newPremises(t, closedGitea())
	var names []string
	for _, c := range p.examine() {
		names = append(names, c.Name)
		if c.State != provision.CheckOK || c.Detail == "" || c.Fix != "" || c.Risk != "" {
			t.Errorf("%+v", c)
		}
	}
	if diff := cmp.Diff(order, names); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// TestDoctor breaks one thing after the other: that one is found, with what to do
// about it, and nothing else is.
func TestDoctor(t *testing.T) {
	whole := newPremises(t, closedGitea())
	for _, a := range doctorCases {
		t.Run(a.name, func(t *testing.T) {
			p := *whole
			p.T = t
			p.told.OwnURLs = slices.Clone(whole.told.OwnURLs)
			if a.gitea != nil || a.stays {
				p = *a.premises(t)
			}
			defer whole.heal()
			if a.do != nil {
				a.do(&p)
			}
			a.checkReport(t, p.examine())
		})
	}
	for _, c := range whole.examine() {
		if c.State != provision.CheckOK {
			t.Errorf("at last: %+v", c)
		}
	}
}

// premises are those of the case, before it sets in.
func (a doctorCase) premises(t *testing.T) *premises {
	t.Helper()
	cfg := closedGitea()
	if a.gitea != nil {
		a.gitea(&cfg)
	}
	return newPremises(t, cfg)
}

// heal brings back what was broken on Coolify, Gitea and in the database.
func (p *premises) heal() {
	p.Helper()
	p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { *h = p.host })
	p.sim.DisableAPI(false)
	p.sim.RefuseIP(false)
	p.sim.Clear("GET /version")
	for _, op := range []string{"GET /api/healthz", "GET /settings/api", "GET /admin/actions/runners", "GET /user/sign_up", "GET /orgs/{org}/hooks"} {
		p.git.Clear(op)
	}
	p.git.SetUser(p.workspace.GiteaBot, func(u *giteatest.User) { u.ProhibitLogin = false })
	p.git.SetUser(p.git.Admin(), func(u *giteatest.User) { u.KeepEmailPrivate = true })
	p.place(p.told.Placement)
}

func (a doctorCase) checkReport(t *testing.T, checks []provision.Check) {
	t.Helper()
	var skipped []string
	for _, c := range checks {
		switch {
		case c.Name == a.check:
			if c.State != a.state || (c.Fix == "") != (c.State == provision.CheckOK) {
				t.Errorf("%+v, want the state %s and a fix", c, a.state)
			}
			for _, s := range a.says {
				if !strings.Contains(c.Detail+"\n"+c.Fix, s) {
					t.Errorf("%+v does not say %q", c, s)
				}
			}
			if risky := !a.unseen && c.State == provision.CheckFail && slices.Contains(provision.Risks(), c.Name); (c.Risk == c.Name) != risky {
				t.Errorf("%+v: risk %q", c, c.Risk)
			}
		case c.State == provision.CheckSkip:
			skipped = append(skipped, c.Name)
		case c.State != provision.CheckOK:
			t.Errorf("%+v, though only %s is broken", c, a.check)
		}
	}
	if diff := cmp.Diff(a.skips, skipped); diff != "" {
		t.Errorf("skipped (-want +got):\n%s", diff)
	}
}

// TestDoctorWithoutDatabase: the rest is looked at all the same.
func TestDoctorWithoutDatabase(t *testing.T) {
	p := newPremises(t, closedGitea())
	p.noDatabase = true
	p.git.AddRunner(giteatest.Runner{Name: "r"})
	states := map[string]provision.CheckState{}
	for _, c := range p.examine() {
		states[c.Name] = c.State
	}
	for name, want := range map[string]provision.CheckState{
		"workspaces": "skip", "secrets-key": "skip", "gitea-bots": "skip", "coolify-token": "ok", "placements": "ok", "instance-runners": "fail",
	} {
		if states[name] != want {
			t.Errorf("%s = %s, want %s", name, states[name], want)
		}
	}
	if len(states) != len(order) {
		t.Errorf("%d checks, want %d", len(states), len(order))
	}
}

// TestDoctorWithoutGitea says in one line that there is none.
func TestDoctorWithoutGitea(t *testing.T) {
	p := newPremises(t, closedGitea())
	p.admin = ""
	checks := p.examine()
	last := checks[len(checks)-1]
	if last.Name != "gitea" || last.State != provision.CheckSkip || !strings.Contains(last.Detail, "GITEA_API_URL") {
		t.Errorf("the last check is %+v", last)
	}
}

// TestDoctorEverythingBroken: failures do not hide each other, and what hangs does
// not hold up the rest.
func TestDoctorEverythingBroken(t *testing.T) {
	cfg := closedGitea()
	cfg.OpenRegistration, cfg.ProxyAuth, cfg.NoBasicAuth, cfg.RequireSignIn = true, true, true, false
	p := newPremises(t, cfg)
	p.seals = "another-sealing-key-0123456789"
	p.token, p.sensitive = p.mint("read"), ""
	p.told.AppDomain.Host = "platform.example"
	p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) {
		h.IsCoolifyHost, h.Unusable, h.Domains = true, true, []string{"git.platform.example"}
	})
	p.git.AddRunner(giteatest.Runner{Name: "r"})
	p.git.Fail("GET /settings/api", giteatest.Fault{Hang: true})
	var wrong []string
	for _, c := range p.examine() {
		if c.State == provision.CheckFail {
			wrong = append(wrong, c.Name)
		}
	}
	want := []string{
		"secrets-key", "coolify-token", "placements", "coolify-host", "shared-proxy", "app-domain", "gitea-basic-auth", "gitea-pages", "instance-runners",
		"open-registration", "proxy-auth",
	}
	if diff := cmp.Diff(want, wrong); diff != "" {
		t.Errorf("failed checks (-want +got):\n%s", diff)
	}
}

// TestDoctorCleans: what others wrote comes out as one line of harmless text.
func TestDoctorCleans(t *testing.T) {
	p := newPremises(t, closedGitea())
	p.sim.SetHost(p.host.UUID, func(h *coolifytest.Host) { h.Name, h.IsCoolifyHost = "\x1b[31mred\u202e\nhost "+p.token, true })
	p.git.AddRunner(giteatest.Runner{Name: "run\x07ner\r\n" + p.admin})
	for _, c := range p.examine() {
		if strings.ContainsAny(c.Detail+c.Fix, "\x1b\x07\r\n\u202e") {
			t.Errorf("%q", c)
		}
	}
}

// dangerous are the ways in which tenants are endangered, each with its risk.
func dangerous() []doctorCase {
	return slices.DeleteFunc(slices.Clone(doctorCases), func(a doctorCase) bool {
		return a.state != provision.CheckFail || a.unseen || !slices.Contains(provision.Risks(), a.check) || a.name == "a dedicated host that is Coolify's"
	})
}

// parts runs provisioning for a new workspace and returns what is wrong with it,
// and what was changed on Coolify and Gitea.
func (p *premises) parts(guard service, slug string, place tenancy.Placement) (wrong tenancy.PartErrors, changed []string) {
	p.Helper()
	p.sim.Reset()
	p.git.Reset()
	w, err := p.operator.AnyWorkspace(p.Context(), slug)
	if tenancy.IsNotFound(err) {
		w, err = p.operator.CreateWorkspace(p.Context(), people.NewWorkspace{Slug: slug, Placement: place})
	}
	if err != nil {
		p.Fatal(err)
	}
	_ = guard.provisioner.Provision(p.Context(), w.ID) // the parts tell
	state, err := p.operator.Parts(p.Context(), w)
	if err != nil {
		p.Fatal(err)
	}
	for _, r := range p.sim.Requests() {
		if r.Method != http.MethodGet {
			changed = append(changed, r.Operation)
		}
	}
	for _, r := range p.git.Requests() {
		if r.Write {
			changed = append(changed, r.Operation)
		}
	}
	wrong = tenancy.ParsePartErrors(state.ProvisionError)
	for _, e := range wrong {
		p.keepsIsolation(e.Fix)
	}
	return wrong, changed
}

// TestNetworkOfAnOldCoolify: where no network can be made, the advice is an update,
// not to do without.
func TestNetworkOfAnOldCoolify(t *testing.T) {
	p := newPremises(t, closedGitea())
	p.sim.Fail("GET /servers/{server_uuid}/destinations", coolifytest.Fault{
		Status: 404, Body: `{"message":"Not found.","docs":"https://coolify.io/docs"}`,
	})
	wrong, _ := p.parts(p.guard(), "new", p.told.Placement)
	if len(wrong) != 1 || wrong[0].Part != tenancy.PartNetwork || !strings.Contains(wrong[0].Fix, "update Coolify") {
		t.Errorf("%+v", wrong)
	}
}

// TestDangersAreRefused: with a danger nothing is made, and it is said which, why,
// and how to accept it; accepted, it is made.
func TestDangersAreRefused(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range dangerous() {
		seen[a.check] = true
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			p := a.premises(t)
			if a.do != nil {
				a.do(p)
			}
			wrong, changed := p.parts(p.guard(), "new", p.told.Placement)
			if len(wrong) != 1 || len(changed) > 0 {
				t.Fatalf("wrong: %v; changed: %q", wrong, changed)
			}
			e := wrong[0]
			if e.Part != tenancy.PartHost || !strings.Contains(e.Why, a.check) || !strings.Contains(e.Fix, "VIBN_ACCEPT_RISKS="+a.check) {
				t.Errorf("%+v", e)
			}
			p.told.AcceptedRisks = slices.DeleteFunc(provision.Risks(), func(r string) bool { return r == a.check })
			if wrong, changed := p.parts(p.guard(), "new", p.told.Placement); len(wrong) != 1 || len(changed) > 0 {
				t.Errorf("every other risk accepted: %v; changed: %q", wrong, changed)
			}
			p.told.AcceptedRisks = []string{a.check}
			if wrong, _ := p.parts(p.guard(), "new", p.told.Placement); len(wrong) > 0 {
				t.Errorf("accepted, and yet wrong: %v", wrong)
			}
			for _, c := range p.examine() {
				if c.Name == a.check && (c.State != provision.CheckWarn || c.Risk != a.check || !strings.Contains(c.Detail, "accepted")) {
					t.Errorf("accepted: %+v", c)
				}
			}
		})
	}
	for _, r := range provision.Risks() {
		if !seen[r] {
			t.Errorf("no case for the risk %s", r)
		}
	}
}

// TestDangersOfOneServer: a workspace is judged by its own server.
func TestDangersOfOneServer(t *testing.T) {
	p := newPremises(t, closedGitea())
	own := p.sim.AddHost(coolifytest.Host{Name: "coolify", Team: tenantsTeam, IsCoolifyHost: true})
	guard := p.guard()
	for slug, tc := range map[string]struct {
		place  tenancy.Placement
		refuse bool
	}{
		"good":      {p.told.Placement, false},
		"shared":    {tenancy.Placement{Server: own.UUID}, true},
		"dedicated": {tenancy.Placement{Server: own.UUID, Trust: tenancy.Dedicated}, true},
		"trusted":   {tenancy.Placement{Server: own.UUID, Trust: tenancy.Trusted}, false},
		"nowhere":   {tenancy.Placement{}, false},
	} {
		wrong, changed := p.parts(guard, slug, tc.place)
		if (len(wrong) > 0) != tc.refuse || tc.refuse == (len(changed) > 0) {
			t.Errorf("%s: %v; changed: %q", slug, wrong, changed)
		}
	}
	wrong, changed := p.parts(guard, "lost", tenancy.Placement{Server: "nosuchserver"})
	if len(wrong) != 1 || len(changed) > 0 || wrong[0].Part != tenancy.PartHost || !strings.Contains(wrong[0].Fix, "workspace place") {
		t.Errorf("a server that is not there: %v; changed: %q", wrong, changed)
	}
}

// TestDangersUnseen: what cannot be looked at counts as dangerous, and is tried
// again by itself.
func TestDangersUnseen(t *testing.T) {
	for _, op := range []string{"GET /servers/{uuid}", "GET /servers/{uuid}/domains", "GET /user", "GET /admin/actions/runners", "GET /user/sign_up"} {
		t.Run(strings.ReplaceAll(op, "/", "_"), func(t *testing.T) {
			p := newPremises(t, closedGitea())
			now := time.Now()
			p.now = func() time.Time { return now }
			guard := p.guard()
			p.sim.Fail(op, coolifytest.Fault{Status: 503})
			p.git.Fail(op, giteatest.Fault{Status: 503})
			wrong, changed := p.parts(guard, "new", p.told.Placement)
			if len(wrong) != 1 || !wrong[0].Again || wrong[0].Part != tenancy.PartHost || len(changed) > 0 {
				t.Fatalf("wrong: %+v; changed: %q", wrong, changed)
			}
			invitesNobody(t, wrong[0].Why+wrong[0].Fix)
			p.sim.Clear(op)
			p.git.Clear(op)
			now = now.Add(time.Minute)
			if wrong, _ := p.parts(guard, "new", p.told.Placement); len(wrong) > 0 {
				t.Errorf("up again: %v", wrong)
			}
		})
	}
}

// dangerLooks are the requests that only a look at the dangers sends.
func (p *premises) dangerLooks() int {
	n := 0
	for _, r := range p.sim.Requests() {
		if r.Operation == "GET /servers/{uuid}" || r.Operation == "GET /servers/{uuid}/domains" {
			n++
		}
	}
	for _, r := range p.git.Requests() {
		if r.Operation == "GET /admin/actions/runners" || r.Operation == "GET /user/sign_up" {
			n++
		}
	}
	return n
}

// TestDangersAreRemembered: many workspaces at the same time share one look, which
// is good for ten minutes unless it found something.
func TestDangersAreRemembered(t *testing.T) {
	p := newPremises(t, closedGitea())
	var mu sync.Mutex
	now := time.Now()
	p.now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	pass := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); now = now.Add(d) }
	guard := p.guard()
	const looks = 4
	p.sim.Reset()
	p.git.Reset()
	var wg sync.WaitGroup
	for i := range 6 {
		w := p.create(fmt.Sprintf("w%d", i))
		wg.Go(func() {
			if err := guard.provisioner.Provision(p.Context(), w.ID); err != nil {
				t.Errorf("%s: %v", w.Slug, err)
			}
		})
	}
	wg.Wait()
	if n := p.dangerLooks(); n != looks {
		t.Errorf("%d requests for six workspaces, want %d", n, looks)
	}
	for _, tc := range []struct {
		after time.Duration
		do    func()
		looks int
	}{
		{9 * time.Minute, nil, 0},
		{2 * time.Minute, nil, looks},
		{time.Minute, func() { p.git.AddRunner(giteatest.Runner{Name: "r"}) }, 0},
		{10 * time.Minute, nil, looks},
		{time.Second, nil, 0},
		{time.Minute, nil, looks - 2}, // what was found is looked at again soon, the server is not
	} {
		if tc.do != nil {
			tc.do()
		}
		pass(tc.after)
		p.parts(guard, "w0", p.told.Placement)
		if n := p.dangerLooks(); n != tc.looks {
			t.Errorf("after %s: %d requests, want %d", tc.after, n, tc.looks)
		}
	}
}

// TestDangersOfACancelledRun: a run that is ended leaves nothing behind that others
// would take for a look.
func TestDangersOfACancelledRun(t *testing.T) {
	p := newPremises(t, closedGitea())
	guard := p.guard()
	w := p.create("new")
	gate := make(chan struct{})
	p.git.Fail("GET /admin/actions/runners", giteatest.Fault{Gate: gate, Times: 1})
	ctx, cancel := context.WithCancel(p.Context())
	ended := make(chan error, 1)
	go func() { ended <- guard.provisioner.Provision(ctx, w.ID) }()
	cancel()
	if err := <-ended; err == nil {
		t.Error("a cancelled run ended well")
	}
	close(gate)
	p.provision(guard, w)
}

// invitesNobody: what could not be looked at is no risk that anybody may accept.
func invitesNobody(t *testing.T, text string) {
	t.Helper()
	if regexp.MustCompile(`(?i)accept (the|a) risk|VIBN_ACCEPT_RISKS`).MatchString(text) {
		t.Errorf("this invites to accept a risk: %s", text)
	}
}

// TestOutageTokenAndRights: a server that is away, a token that it does not accept
// and one whose user or scopes do not suffice are told apart, by provisioning and by
// the doctor. Nothing is made, and nobody is invited to accept a risk.
func TestOutageTokenAndRights(t *testing.T) {
	nowhere := func(t *testing.T) *url.URL { return parsed(t, "http://127.0.0.1:1") }
	for _, tc := range []struct {
		name  string
		do    func(*premises)
		says  string // by both
		again bool   // it is tried again by itself
	}{
		{"Coolify is away", func(p *premises) { p.coolifyURL = nowhere(p.T) }, "Coolify does not answer", true},
		{"Coolify's proxy is alone", func(p *premises) {
			for _, op := range []string{"GET /servers/{uuid}", "GET /version", "GET /projects"} {
				p.sim.Fail(op, coolifytest.Fault{Status: 502, Body: "<html>Bad Gateway</html>"})
			}
		}, "Coolify answers with the status 502", true},
		{"Coolify is broken", func(p *premises) {
			for _, op := range []string{"GET /servers/{uuid}", "GET /version"} {
				p.sim.Fail(op, coolifytest.Fault{Status: 500, Body: "<html>Server Error</html>"})
			}
		}, "Coolify answers with the status 500", true},
		{"Coolify is silent", func(p *premises) {
			p.sim.Fail("GET /servers/{uuid}", coolifytest.Fault{Hang: true})
			p.sim.Fail("GET /version", coolifytest.Fault{Hang: true})
		}, "Coolify does not answer", true},
		{"Coolify does not know the token", func(p *premises) { p.token = "9|unheardof" }, "Coolify does not accept COOLIFY_API_TOKEN", false},
		{"the token of a member of the team", func(p *premises) {
			p.token = p.sim.Mint(coolifytest.TokenSpec{User: 7, Team: tenantsTeam, Abilities: []string{"read", "write", "deploy"}, Member: true})
		}, "the user of COOLIFY_API_TOKEN is not an admin of the team", false},
		{"a token that may not read", func(p *premises) { p.token = p.mint("write", "deploy") }, "COOLIFY_API_TOKEN", false},
		{"the API is off", func(p *premises) { p.sim.DisableAPI(true) }, "Coolify's API is switched off", false},
		{"the address is not let in", func(p *premises) { p.sim.RefuseIP(true) }, "does not let in this machine's address", false},

		{"Gitea is away", func(p *premises) { p.gitURL = nowhere(p.T) }, "Gitea does not answer", true},
		{"Gitea's proxy is alone", func(p *premises) {
			p.git.Fail("GET /user", giteatest.Fault{Status: 502, Body: "<html>Bad Gateway</html>"})
		}, "Gitea answers with the status 502", true},
		{"Gitea is silent", func(p *premises) { p.git.Fail("GET /user", giteatest.Fault{Hang: true}) }, "Gitea does not answer", true},
		{"Gitea does not know the token", func(p *premises) { p.admin = strings.Repeat("0", 40) }, "Gitea does not accept GITEA_API_TOKEN", false},
		{"the token of a user", func(p *premises) {
			p.admin = p.git.AddToken(p.git.AddUser(giteatest.User{Login: "somebody"}).Login, "all")
		}, "not a site administrator", false},
		{"a token without a scope", adminScopes("write:organization", "write:repository", "write:package", "read:user"), "GITEA_API_TOKEN", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newPremises(t, closedGitea())
			tc.do(p)
			wrong, changed := p.parts(p.guard(), "new", p.told.Placement)
			if len(wrong) != 1 || len(changed) > 0 {
				t.Fatalf("wrong: %s; changed: %q", wrong, changed)
			}
			if e := wrong[0]; !strings.Contains(e.Why, tc.says) || e.Again != tc.again || e.Fix == "" {
				t.Errorf("provisioning says %+v, want %q", e, tc.says)
			}
			invitesNobody(t, wrong[0].Why+wrong[0].Fix)
			said := false
			for _, c := range p.examine() {
				invitesNobody(t, c.Detail+c.Fix+c.Risk)
				said = said || c.State == provision.CheckFail && strings.Contains(c.Detail, tc.says)
			}
			if !said {
				t.Errorf("the doctor does not say %q", tc.says)
			}
			p.told.AcceptedRisks = provision.Risks()
			if wrong, _ := p.parts(p.guard(), "other", p.told.Placement); len(wrong) != 1 {
				t.Errorf("with every risk accepted, what is wrong is %s", wrong)
			}
			for _, c := range p.examine() {
				invitesNobody(t, c.Detail+c.Fix)
			}
		})
	}
}

// TestFaultsOfThePlatform: which token of the platform's is at fault is the
// operator's to know, also where it holds up a part of the workspace's own.
func TestFaultsOfThePlatform(t *testing.T) {
	p := newPremises(t, closedGitea())
	adminScopes("write:admin", "write:repository", "write:package", "read:user")(p)
	guard := p.guard()
	wrong, _ := p.parts(guard, "new", p.told.Placement)
	if len(wrong) != 1 || wrong[0].Part != tenancy.PartOrg || !strings.Contains(wrong[0].Why, "GITEA_API_TOKEN lacks write:organization") {
		t.Fatalf("%s", wrong)
	}
	p.workspace = got(p.operator.Workspace(t.Context(), "new"))(t)
	scope, err := p.keyScope(guard)
	if err != nil {
		t.Fatal(err)
	}
	parts, err := people.PartsOf(t.Context(), scope)
	if err != nil {
		t.Fatal(err)
	}
	seen := false
	for _, part := range parts.Parts {
		seen = seen || part.Part == tenancy.PartOrg && part.State == "wrong"
		if text := part.Why.String() + part.Fix.String(); strings.Contains(text, "_API_TOKEN") || strings.Contains(text, "scope") {
			t.Errorf("a member reads: %s", text)
		}
	}
	if !seen {
		t.Errorf("the organisation is not said to be wrong: %+v", parts)
	}
}
