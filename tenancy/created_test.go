package tenancy_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// A shop is a house whose tenant A has a repository "site".
type shop struct {
	*testing.T
	*tenancytest.House
}

func newShop(t *testing.T, cfg tenancytest.Config) *shop {
	t.Helper()
	h := tenancytest.New(t, cfg)
	h.AddRepository(t, h.A, "site")
	h.Sim.Reset()
	return &shop{t, h}
}

// siteApp is what an app of the site is created from.
func siteApp(change ...func(*hosting.NewApp)) hosting.NewApp {
	n := hosting.NewApp{Project: "site", Spec: hosting.BuildSpec{Build: new("static")}, Description: "a site"}
	for _, c := range change {
		c(&n)
	}
	return n
}

func (s *shop) create(n hosting.NewApp) (hosting.CreatedApp, error) {
	s.Helper()
	return hosting.CreateApp(s.Context(), s.Open(s.T, s.A.Key, tenancy.Write), n)
}

func (s *shop) remove(ref, confirm string) (hosting.DeletedApp, error) {
	s.Helper()
	key, _ := s.AddKey(s.T, s.A, "owner", 0)
	return hosting.DeleteApp(s.Context(), s.Open(s.T, key, tenancy.Danger), ref, confirm)
}

// made are the apps in A's project but for those that the house came with.
func (s *shop) made() []coolifytest.App {
	s.Helper()
	return madeIn(s.Sim, s.A.Project.UUID, s.A.Web.UUID, s.A.API.UUID)
}

func madeIn(sim *coolifytest.Server, project string, but ...string) (apps []coolifytest.App) {
	for _, p := range sim.Projects() {
		if p.UUID != project {
			continue
		}
		for _, a := range sim.Snapshot().Apps {
			inProject := slices.ContainsFunc(p.Environments, func(e coolifytest.Environment) bool { return e.UUID == a.EnvironmentUUID })
			if inProject && !slices.Contains(but, a.UUID) {
				apps = append(apps, a)
			}
		}
	}
	return apps
}

// onCoolify does something on Coolify as an operator does.
func (s *shop) onCoolify(method, path, body string) {
	s.Helper()
	onCoolify(s.T, s.Sim, method, path, body)
}

func onCoolify(t testing.TB, sim *coolifytest.Server, method, path, body string) {
	t.Helper()
	if rec := onCoolifyAs(t, sim, sim.Token("read", "write"), method, path, body); rec.Code/100 != 2 {
		t.Fatalf("%s %s: %d %s", method, path, rec.Code, rec.Body)
	}
}

func onCoolifyAs(t testing.TB, sim *coolifytest.Server, token, method, path, body string) *httptest.ResponseRecorder {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "/api/v1"+path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	sim.ServeHTTP(rec, req)
	return rec
}

// leaveOneNetwork takes away what the tenants have on their server but for its first
// network and what holds their own.
func leaveOneNetwork(t *testing.T, h *tenancytest.House) {
	t.Helper()
	for _, x := range []*tenancytest.Tenant{h.A, h.B} {
		for _, app := range []string{x.Web.UUID, x.API.UUID} {
			onCoolify(t, h.Sim, http.MethodDelete, "/applications/"+app+"?docker_cleanup=false", "")
		}
	}
	for _, v := range h.Sim.Services() {
		onCoolify(t, h.Sim, http.MethodDelete, "/services/"+v.UUID+"?docker_cleanup=false", "")
	}
	h.Sim.FinishDeletions()
	for _, d := range h.Sim.Destinations()[1:] {
		onCoolify(t, h.Sim, http.MethodDelete, "/destinations/"+d.UUID, "")
	}
}

// keysOn are the deploy keys of a repository.
func (s *shop) keysOn(repo string) []giteatest.DeployKey {
	s.Helper()
	for _, r := range s.Git.Snapshot().Repos {
		if r.Owner+"/"+r.Name == repo {
			return r.Keys
		}
	}
	s.Fatalf("no repository %s", repo)
	return nil
}

// dropKeys takes every deploy key off a repository.
func (s *shop) dropKeys(repo string) {
	s.Helper()
	root, err := url.Parse(s.GitURL)
	must(s.T, err)
	for _, k := range s.keysOn(repo) {
		if got := asBot(s.T, root, secret.NewText(s.Git.AdminToken("all")), http.MethodDelete, fmt.Sprintf("/repos/%s/keys/%d", repo, k.ID), ""); got != http.StatusNoContent {
			s.Fatalf("delete a key: %d", got)
		}
	}
}

// deployKeys are the keys on Coolify but for that of the servers.
func (s *shop) deployKeys() []coolifytest.PrivateKey { return s.Sim.PrivateKeys()[1:] }

func (s *shop) records() []tenancy.AppRecord {
	s.Helper()
	list, err := s.DB.AppRecords(s.Context(), s.A.ID)
	must(s.T, err)
	return list
}

func (s *shop) network() string {
	s.Helper()
	p, err := s.Operator.Parts(s.Context(), s.A.Workspace)
	must(s.T, err)
	if p.Destination == "" {
		s.Fatal("the workspace has no network")
	}
	return p.Destination
}

// TestCreateApp: an app is made where the workspace is placed, with what its plan
// allows, and nothing is deployed.
func TestCreateApp(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	env := map[string]secret.Text{"GREETING": secret.NewText("hello, world")}
	app, err := s.create(siteApp(func(n *hosting.NewApp) { n.Env = env }))
	must(t, err)
	repo := s.repo()
	want := hosting.CreatedApp{UUID: app.UUID, Name: "site", Branch: "main", Created: true}
	if diff := cmp.Diff(want, app); diff != "" {
		t.Errorf("the answer (-want +got)\n%s", diff)
	}
	made := s.made()
	if len(made) != 1 {
		t.Fatalf("apps %+v", made)
	}
	host := s.Sim.Hosts()[0]
	keys := s.deployKeys()
	if len(keys) != 1 {
		t.Fatalf("deploy keys %+v", keys)
	}
	wantApp := coolifytest.App{
		UUID: app.UUID, Name: "site", Description: "a site", BuildPack: "static", GitRepository: "git@127.0.0.1:" + s.A.GiteaOrg + "/site.git", GitBranch: "main",
		GitCommitSHA: "HEAD", BaseDirectory: "/", DockerComposeLocation: "/docker-compose.yaml", PortsExposes: "80", Status: "exited:unhealthy",
		NoAutoDeploy: true, Limits: coolifytest.Limits{Memory: "512m", MemorySwap: "512m", CPUs: "1"}, HostUUID: host.UUID,
		DestinationUUID: s.network(), PrivateKeyUUID: keys[0].UUID, EnvironmentUUID: s.A.Project.Environments[0].UUID, HTTPStatus: http.StatusOK, HealthCheckPath: "/",
	}
	if diff := cmp.Diff(wantApp, made[0]); diff != "" {
		t.Errorf("the app on Coolify (-want +got)\n%s", diff)
	}
	if envs := s.Sim.Envs(app.UUID); len(envs) != 2 || envs[0].Key != "GREETING" || envs[0].BuildTime || envs[0].Value != "hello, world" {
		t.Errorf("variables %+v", envs)
	}
	if d := s.Sim.Deployments(app.UUID); len(d) != 0 {
		t.Errorf("deployments %+v", d)
	}
	wantKey := strings.TrimSpace(keys[0].PublicKey)
	if on := s.keysOn(s.A.GiteaOrg + "/site"); len(on) != 1 || on[0].Key != wantKey || !on[0].ReadOnly {
		t.Errorf("deploy keys of the repository %+v, want %q", on, wantKey)
	}
	if s.Git.SSHFetch(wantKey, s.A.GiteaOrg+"/site") != nil || s.Git.SSHPush(wantKey, s.A.GiteaOrg+"/site") == nil {
		t.Error("the key does not just read")
	}
	record := s.records()[0]
	record.ID, record.Nonce, record.ProjectID, record.CreatedAt = "", "", "", app0(t, s).CreatedAt
	if diff := cmp.Diff(tenancy.AppRecord{WorkspaceID: s.A.ID, Name: "site", UUID: app.UUID, Made: true, Branch: "main", Head: repo.Heads["main"], CreatedAt: record.CreatedAt}, record); diff != "" {
		t.Errorf("the row (-want +got)\n%s", diff)
	}
	again, err := s.create(siteApp(func(n *hosting.NewApp) { n.Description = "another" }))
	want.Created = false
	if diff := cmp.Diff(want, again); diff != "" || err != nil {
		t.Errorf("again (-want +got) %v\n%s", err, diff)
	}
	if diff := cmp.Diff(made, s.made()); diff != "" {
		t.Errorf("what is there after the second call\n%s", diff)
	}
	s.Fine(t)
}

func app0(t *testing.T, s *shop) tenancy.AppRecord {
	t.Helper()
	return s.records()[0]
}

func (s *shop) repo() giteatest.Repo {
	s.Helper()
	repos := s.Git.Snapshot().Repos
	return repos[slices.IndexFunc(repos, func(r giteatest.Repo) bool { return r.Owner == s.A.GiteaOrg && r.Name == "site" })]
}

// TestCreateAppFields: what is said goes to Coolify in the form that it keeps.
func TestCreateAppFields(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	must(t, s.Operator.SetPlan(t.Context(), s.A.Workspace, tenancy.Plan{Memory: "1g", CPUs: "0.25"}))
	if _, err := s.Git.Push(s.A.GiteaOrg+"/site", "feature/x", "more", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	_, err := s.create(siteApp(func(n *hosting.NewApp) {
		n.Name, n.Description = "api", ""
		n.Spec = hosting.BuildSpec{
			Branch: new("feature/x"), Build: new("dockerfile"), Port: new(8080), BaseDirectory: new("apps//api/./"), Dockerfile: new("docker/Dockerfile.api"),
		}
	}))
	must(t, err)
	a := s.made()[0]
	if a.Name != "api" || a.Description != "" || a.GitBranch != "feature/x" || a.BuildPack != "dockerfile" || a.PortsExposes != "8080" ||
		a.BaseDirectory != "/apps/api" || a.DockerfileLocation != "/docker/Dockerfile.api" || a.Limits != (coolifytest.Limits{Memory: "1g", MemorySwap: "1g", CPUs: "0.25"}) {
		t.Errorf("%+v", a)
	}
	if head := app0(t, s).Head; head != s.repo().Heads["feature/x"] || head == "" {
		t.Errorf("head %q of %v", head, s.repo().Heads)
	}
	_, err = s.create(siteApp(func(n *hosting.NewApp) { n.Name, n.Spec.Branch = "later", new("not-there-yet") }))
	must(t, err)
	if r := s.records(); r[1].Name != "later" || r[1].Head != "" || !r[1].Made {
		t.Errorf("%+v", r[1])
	}
	if keys := s.deployKeys(); len(keys) != 1 {
		t.Errorf("%d deploy keys of one project", len(keys))
	}
	s.Fine(t)
}

// TestCreateAppPacks tries each build pack on each kind of host.
func TestCreateAppPacks(t *testing.T) {
	t.Parallel()
	for _, trust := range []tenancy.Trust{tenancy.Shared, tenancy.Dedicated, tenancy.Trusted} {
		s := newShop(t, tenancytest.Config{Trust: trust})
		for _, pack := range []string{"static", "dockerfile", "nixpacks", "railpack", "dockercompose", "dockerimage", "", "Static", "static,dockerfile"} {
			s.Sim.Reset()
			app, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name, n.Spec.Build = "app-"+fmt.Sprint(len(s.records())), &pack }))
			known := slices.Contains(hosting.BuildPacks(), pack)
			allowed := known && (trust != tenancy.Shared || pack == "static" || pack == "dockerfile")
			switch {
			case allowed && (err != nil || !app.Created):
				t.Errorf("%s on %s: %v", pack, trust, err)
			case !allowed && known && (codeOf(err) != tenancy.Forbidden || !strings.Contains(tenancy.Public(err).Hint, "static, dockerfile")):
				t.Errorf("%s on %s: %v, want it forbidden, and what is allowed", pack, trust, err)
			case !known && codeOf(err) != tenancy.Invalid:
				t.Errorf("%s on %s: %v, want invalid", pack, trust, err)
			}
			if !allowed && len(s.Requests()) > 0 {
				t.Errorf("%s on %s: Coolify was asked %v", pack, trust, s.Requests())
			}
		}
		s.Fine(t)
	}
}

// TestCreateAppSmuggling puts what Docker, a shell, git, Coolify or the proxy would
// read as more into each field. All of it is refused before anything is made.
func TestCreateAppSmuggling(t *testing.T) {
	t.Parallel()
	for _, trust := range []tenancy.Trust{tenancy.Shared, tenancy.Trusted} {
		s := newShop(t, tenancytest.Config{Trust: trust})
		for name, change := range smuggled() {
			t.Run(string(trust)+" "+name, func(t *testing.T) {
				s.Sim.Reset()
				s.Git.Reset()
				_, err := s.create(siteApp(change))
				if c := codeOf(err); c != tenancy.Invalid && c != tenancy.NotFound && c != tenancy.Forbidden {
					t.Errorf("%v, want it refused", err)
				}
				for _, r := range s.Sim.Requests() {
					if r.Write {
						t.Errorf("Coolify was told %s %s", r.Operation, r.Body)
					}
				}
				for _, r := range s.Git.Requests() {
					if r.Method != http.MethodGet {
						t.Errorf("Gitea was told %s", r.Operation)
					}
				}
			})
		}
		if r := s.records(); len(r) > 0 {
			t.Errorf("rows were written: %+v", r)
		}
		s.Fine(t)
	}
}

var smuggle = []string{
	"a\nb", "a\r", "\x00", "a b", "a;b", "$(id)", "${PATH}", "`id`", `a"b`, "a'b", "a|b", "a&b", "--privileged", "-v/:/host", "-", "../x", "a/../../x", "..", "~/x", "~",
	"a@b", "{{team.SECRET}}", "{{server.SECRET}}", "a:b", "a,b", "a\u202eb", "a\u200bb", "a\\b", "a*", "a?b", "a#b", "a%2e%2e", "<b>", "a=b", "a{b,c}",
}

// smuggled are the changes to an app by what they smuggle.
func smuggled() map[string]func(*hosting.NewApp) {
	all := map[string]func(*hosting.NewApp){}
	fields := map[string]func(*hosting.NewApp, string){
		"project": func(n *hosting.NewApp, v string) { n.Project = v },
		"name":    func(n *hosting.NewApp, v string) { n.Name = v },
		"branch":  func(n *hosting.NewApp, v string) { n.Spec.Branch = &v },
		"build":   func(n *hosting.NewApp, v string) { n.Spec.Build = &v },
		"base":    func(n *hosting.NewApp, v string) { n.Spec.BaseDirectory = &v },
		"publish": func(n *hosting.NewApp, v string) { n.Spec.PublishDirectory = &v },
		"docker":  func(n *hosting.NewApp, v string) { n.Spec.Dockerfile = &v },
		"key":     func(n *hosting.NewApp, v string) { n.Env = map[string]secret.Text{v: secret.NewText("x")} },
	}
	for field, set := range fields {
		for _, v := range smuggle {
			all[field+" "+fmt.Sprintf("%q", v)] = func(n *hosting.NewApp) { set(n, v) }
		}
	}
	for _, v := range []string{"HEAD", "a..b", "a//b", "/a", "a/", ".a", "a.", "a.lock", "a.lock/b", "a/.b", "-a", strings.Repeat("a", 300)} {
		all["branch "+v] = func(n *hosting.NewApp) { n.Spec.Branch = &v }
	}
	for _, v := range []string{"{{team.SECRET}}", "{{\u200bteam.SECRET}}", "a\x00b", "\xff", strings.Repeat("x", 70_000)} {
		all["value "+fmt.Sprintf("%.20q", v)] = func(n *hosting.NewApp) { n.Env = map[string]secret.Text{"A": secret.NewText(v)} }
	}
	all["21 variables"] = func(n *hosting.NewApp) {
		n.Env = map[string]secret.Text{}
		for i := range 21 {
			n.Env[fmt.Sprint("A", i)] = secret.NewText("x")
		}
	}
	for _, v := range []int{-1, 0, 65_536, 1 << 40} {
		all[fmt.Sprint("port ", v)] = func(n *hosting.NewApp) { n.Spec.Port = &v }
	}
	all["description too long"] = func(n *hosting.NewApp) { n.Description = strings.Repeat("a ", 200) }
	all["name too long"] = func(n *hosting.NewApp) { n.Name = strings.Repeat("a", 41) }
	all["name of a credential"] = func(n *hosting.NewApp) { n.Name = "ghp-" + strings.Repeat("a1b2", 12) }
	all["directory too long"] = func(n *hosting.NewApp) { n.Spec.BaseDirectory = new(strings.Repeat("a/", 200)) }
	return all
}

// TestCreateAppArguments: a field that the tool does not have is refused, whatever
// Coolify would make of it.
func TestCreateAppArguments(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	registry := mcp.New(s.Logger)
	for _, tool := range []string{"apps.create", "apps.update"} {
		for _, field := range []string{
			"custom_docker_run_options", "custom_labels", "ports_mappings", "host_path", "force_domain_override", "pre_deployment_command",
			"post_deployment_command", "private_key_uuid", "server_uuid", "destination_uuid", "project_uuid", "environment_uuid", "instant_deploy", "docker_compose_raw",
			"git_repository", "install_command", "limits_memory", "is_auto_deploy_enabled",
		} {
			s.Sim.Reset()
			args := map[string]any{"project": "site", "build": "static", field: "x"}
			if tool == "apps.update" {
				args = map[string]any{"app": s.A.Web.UUID, "port": 80, field: "x"}
			}
			if err := call(t, s.House, registry, s.A.Key, tool, args); codeOf(err) != tenancy.Invalid || len(s.Requests()) > 0 {
				t.Errorf("%s with %s: %v, Coolify was asked %v", tool, field, err, s.Requests())
			}
		}
	}
	s.Fine(t)
}

func call(t *testing.T, h *tenancytest.House, r *mcp.Registry, key, tool string, args map[string]any) error {
	t.Helper()
	raw, err := json.Marshal(args)
	must(t, err)
	scope, err := h.Guard.OpenKey(t.Context(), key)
	if err != nil {
		return err
	}
	_, err = r.Call(t.Context(), scope, mcp.Request{Tool: tool, Args: raw})
	return err
}

// TestCreateAppRefusals: what stands in the way is said, and nothing is made.
func TestCreateAppRefusals(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		before func(t *testing.T, s *shop)
		change func(*hosting.NewApp)
		code   tenancy.Code
		says   string
	}{
		"another's project": {
			before: func(t *testing.T, s *shop) { s.AddRepository(t, s.B, "theirs") },
			change: func(n *hosting.NewApp) { n.Project = "vibn-beta/theirs" }, code: tenancy.NotFound, says: "no such project",
		},
		"project of an app that was not created with apps_create": {
			change: func(n *hosting.NewApp) { n.Project = "vibn-alpha/web-canary-alpha" }, code: tenancy.NotFound, says: "no such project",
		},
		"project without its repository": {
			before: func(t *testing.T, s *shop) {
				must(t, s.DB.CreateProject(t.Context(), tenancy.Project{ID: nobody, WorkspaceID: s.A.ID, Slug: "unmade", Nonce: "n"}))
			},
			change: func(n *hosting.NewApp) { n.Project = "unmade" }, code: tenancy.Conflict, says: "not created yet",
		},
		"no server": {
			before: func(t *testing.T, s *shop) {
				must(t, s.Operator.Place(t.Context(), s.A.Workspace, tenancy.Placement{}))
			},
			code: tenancy.Unavailable, says: "not placed on a server",
		},
		"no network yet": {
			before: func(t *testing.T, s *shop) {
				is, err := s.Operator.Parts(t.Context(), s.A.Workspace)
				must(t, err)
				without := is.Parts
				without.Destination = ""
				must(t, s.DB.SetParts(t.Context(), s.A.ID, is.Parts, without))
			},
			code: tenancy.Unavailable, says: "own network does not exist yet",
		},
		"name of an app that was not created with apps_create": {
			before: func(_ *testing.T, s *shop) {
				s.Sim.AddApp(s.A.Project.Environments[0].UUID, coolifytest.App{Name: "site"})
			},
			code: tenancy.Conflict, says: "was not created with apps_create",
		},
		"name of another project's app": {
			before: func(t *testing.T, s *shop) {
				s.AddRepository(t, s.A, "other")
				_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Project, n.Name = "other", "site" }))
				must(t, err)
			},
			code: tenancy.Conflict, says: "another project",
		},
		"plan": {
			before: func(t *testing.T, s *shop) {
				must(t, s.Operator.SetPlan(t.Context(), s.A.Workspace, tenancy.Plan{Apps: 1}))
				_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name = "first" }))
				must(t, err)
			},
			code: tenancy.Forbidden, says: "the plan allows 1 app, and 1 exists",
		},
		"repository deleted, and another of its name": {
			before: func(_ *testing.T, s *shop) {
				s.Git.DeleteRepo(s.A.GiteaOrg + "/site")
				s.Git.AddRepo(s.A.GiteaOrg, giteatest.Repo{Name: "site", Private: true})
			},
			code: tenancy.NotFound, says: "was deleted in Gitea",
		},
		"no environment production, and several": {
			before: func(_ *testing.T, s *shop) { s.otherEnvironments() },
			code:   tenancy.Unavailable, says: `no environment "production"`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newShop(t, tenancytest.Config{})
			s.T = t
			if tc.before != nil {
				tc.before(t, s)
			}
			before, rows := s.made(), len(s.records())
			n := siteApp()
			if tc.change != nil {
				tc.change(&n)
				n.Project = strings.Replace(n.Project, "vibn-beta/", s.B.GiteaOrg+"/", 1)
			}
			_, err := s.create(n)
			if codeOf(err) != tc.code || !strings.Contains(tenancy.Public(err).Msg, tc.says) || tenancy.Public(err).Hint == "" {
				t.Errorf("%v (%q), want %s: %s", err, tenancy.Public(err).Hint, tc.code, tc.says)
			}
			if diff := cmp.Diff(before, s.made()); diff != "" || len(s.records()) != rows {
				t.Errorf("something was made\n%s%+v", diff, s.records())
			}
			s.Fine(t)
		})
	}
}

// otherEnvironments moves A to a project with several environments, none of which
// is called production.
func (s *shop) otherEnvironments() {
	s.Helper()
	p := s.A.Project
	s.Sim.AddEnvironment(p.UUID, "one")
	s.Sim.AddEnvironment(p.UUID, "two")
	s.onCoolify(http.MethodPatch, "/projects/"+p.UUID+"/environments/"+p.Environments[0].UUID, `{"name":"three"}`)
}

// TestCreateAppNetworkIgnored: Coolify takes no notice of the network that is asked
// for on a server that has one only. Such an app is taken away again.
func TestCreateAppNetworkIgnored(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	leaveOneNetwork(s.T, s.House)
	_, err := s.create(siteApp())
	if codeOf(err) != tenancy.Unavailable || !strings.Contains(err.Error(), "another network") {
		t.Errorf("%v, want it refused", err)
	}
	s.Sim.FinishDeletions()
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	if made := s.made(); len(made) > 0 || len(s.records()) > 0 {
		t.Errorf("left: %+v %+v", made, s.records())
	}
	_, err = s.create(siteApp()) // the network is there again
	must(t, err)
	if got := s.made(); len(got) != 1 || got[0].DestinationUUID != s.network() {
		t.Errorf("%+v", got)
	}
	s.Fine(t)
}

// TestCreateAppAtOnce: of several who ask for one app at once all are told of the
// same one.
func TestCreateAppAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	var all sync.WaitGroup
	got := make([]string, 6)
	for i := range got {
		scope := s.Open(t, s.A.Key, tenancy.Write)
		all.Go(func() {
			for range 5 { // another may have taken away what this one was about to use
				app, err := hosting.CreateApp(context.WithoutCancel(t.Context()), scope, siteApp())
				if err == nil {
					got[i] = app.UUID
					return
				}
			}
		})
	}
	all.Wait()
	s.Sim.FinishDeletions()
	made, keys := s.made(), s.deployKeys()
	if len(made) != 1 || len(keys) != 1 || len(s.keysOn(s.A.GiteaOrg+"/site")) != 1 {
		t.Fatalf("apps %+v, keys %+v", made, keys)
	}
	for _, uuid := range got {
		if uuid != made[0].UUID {
			t.Errorf("one was told of %q, want %q", uuid, made[0].UUID)
		}
	}
	if r := s.records(); len(r) != 1 || !r[0].Made || r[0].UUID != made[0].UUID || made[0].Description != "a site" {
		t.Errorf("%+v %+v", r, made)
	}
	s.Fine(t)
}

// TestCreateAppFaults lets each operation of Coolify's fail in each way. A second
// try comes to what the first was meant to, and nothing is there twice.
func TestCreateAppFaults(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{Simulator: coolifytest.Config{RateLimit: -1}})
	must(t, s.Operator.SetPlan(t.Context(), s.A.Workspace, tenancy.Plan{Apps: 1000}))
	env := map[string]secret.Text{"A": secret.NewText("b")}
	_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Env = env }))
	must(t, err)
	ops := s.Requests()
	slices.Sort(ops)
	n := 0
	for _, op := range slices.Compact(ops) {
		for _, x := range troubles {
			if x.fault.Hang || x.attempts > 0 {
				continue // the crash matrix has answers that never come; waiting takes long
			}
			n++
			name := fmt.Sprintf("app-%d", n)
			ask := siteApp(func(a *hosting.NewApp) { a.Name, a.Env = name, env })
			fault := x.fault
			fault.Times = 1 + x.attempts
			s.Sim.Fail(op, fault)
			_, err := s.create(ask)
			s.Sim.Clear(op)
			if told := tenancy.Public(err); err != nil && (told.Code == tenancy.Internal || strings.Contains(told.Msg+told.Hint, said)) {
				t.Errorf("%s %s: %v", x.name, op, err)
			}
			s.Sim.FinishDeletions()
			if app, err := s.create(ask); err != nil || app.Name != name {
				t.Errorf("%s %s: the second try: %v", x.name, op, err)
			}
			s.Sim.FinishDeletions()
			if got := slices.DeleteFunc(s.made(), func(a coolifytest.App) bool { return a.Name != name }); len(got) != 1 || got[0].Description != "a site" {
				t.Errorf("%s %s: %+v", x.name, op, got)
			}
			if keys := s.deployKeys(); len(keys) != 1 {
				t.Fatalf("%s %s: %d keys", x.name, op, len(keys))
			}
			if t.Failed() {
				return
			}
			for range 2 { // the second call finds it gone, and forgets it: each app makes every list longer
				if _, err := s.remove(name, name); err != nil {
					t.Fatal(err)
				}
				s.Sim.FinishDeletions()
			}
		}
	}
	s.Fine(t)
}

// TestCreateAppDomain: an app gets a name under the workspace's part of the apps'
// domain unless it asks for another. Who has one already is not told, and the name
// of the app is free again.
func TestCreateAppDomain(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{Premises: tenancy.Premises{AppDomain: tenancy.AppDomain{Scheme: "https", Host: "apps.example.net"}}})
	app, err := s.create(siteApp())
	if err != nil || app.URL != "https://site.alpha.apps.example.net" || s.made()[0].FQDN != app.URL {
		t.Errorf("%+v %v", app, err)
	}
	for _, domain := range []string{
		"shop.beta.apps.example.net", "shop.example.com", "a,b", "https://x.alpha.apps.example.net/x", "x.alpha.apps.example.net:80", "*.alpha.apps.example.net",
		"alpha.apps.example.net", "apps.example.net", "`x`.alpha.apps.example.net", "user@x.alpha.apps.example.net", "127.0.0.1", "localhost",
	} {
		s.Sim.Reset()
		if _, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name, n.Domain = "shop", domain })); err == nil {
			t.Errorf("%s: it is made", domain)
		}
		for _, r := range s.Sim.Requests() {
			if r.Write {
				t.Errorf("%s: Coolify was told %s", domain, r.Operation)
			}
		}
	}
	taken := s.Sim.AddApp(s.B.Project.Environments[0].UUID, coolifytest.App{Name: "thief-canary-beta", FQDN: "https://shop.alpha.apps.example.net"})
	ask := siteApp(func(n *hosting.NewApp) { n.Name = "shop" })
	_, err = s.create(ask)
	if told := tenancy.Public(err); told.Code != tenancy.Conflict || strings.Contains(told.Msg+told.Hint, "beta") || len(s.records()) != 1 {
		t.Errorf("%v (%q), rows %+v", err, told.Hint, s.records())
	}
	s.Sim.SetApp(taken.UUID, func(a *coolifytest.App) { a.FQDN = "https://other.alpha.apps.example.net" })
	s.Sim.Fail("PATCH /applications/{uuid}", coolifytest.Fault{Status: 500, Body: "{}", Times: 1})
	if _, err := s.create(ask); err == nil {
		t.Error("it is made")
	}
	_, err = s.create(siteApp(func(n *hosting.NewApp) { n.Name, n.Domain = "shop", "other.alpha.apps.example.net" }))
	if codeOf(err) != tenancy.Conflict || strings.Contains(tenancy.Public(err).Msg, "beta") {
		t.Errorf("going on with another domain, which somebody has: %v", err)
	}
	s.Sim.FinishDeletions()
	if app, err := s.create(ask); err != nil || app.URL != "https://shop.alpha.apps.example.net" || len(s.made()) != 2 {
		t.Errorf("%+v %v", app, err)
	}
	s.Fine(t)
}

// TestCreateAppAddress: Coolify takes the address of a repository in two forms only,
// which are not both Gitea's.
func TestCreateAppAddress(t *testing.T) {
	t.Parallel()
	for want, cfg := range map[string]giteatest.Config{
		"git@127.0.0.1:%s/site.git":       {},
		"git@127.0.0.1:2222/%s/site.git":  {SSHPort: 2222},
		"git@git.example.com:%s/site.git": {PublicURL: "https://git.example.com/below"},
	} {
		s := newShop(t, tenancytest.Config{GiteaServer: cfg})
		want = strings.ReplaceAll(want, "%s", s.A.GiteaOrg)
		if _, err := s.create(siteApp()); err != nil || s.made()[0].GitRepository != want {
			t.Errorf("%+v, want %s: %v", s.made(), want, err)
		}
		s.Fine(t)
	}
	for _, cfg := range []giteatest.Config{
		{SSHUser: "gitea"}, {SSHUser: "gitea", SSHPort: 2222}, {SSHUser: "git:password", SSHPort: 2222}, {PublicURL: "https://[::1]:3000"}, {PublicURL: "https://git_.example.com"},
	} {
		s := newShop(t, tenancytest.Config{GiteaServer: cfg})
		_, err := s.create(siteApp())
		if told := tenancy.Public(err); told.Code != tenancy.Unavailable || !strings.Contains(told.Hint, "SSH_USER must be git") {
			t.Errorf("%+v: %v (%s)", cfg, err, told.Hint)
		}
		if len(s.made())+len(s.records())+len(s.deployKeys()) > 0 {
			t.Errorf("%+v: something was made", cfg)
		}
	}
}

// TestCreateAppSuspended: a suspended workspace gets nothing.
func TestCreateAppSuspended(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	scope := s.Open(t, s.A.Key, tenancy.Write)
	must(t, s.Operator.Suspend(t.Context(), s.A.Workspace))
	if _, err := s.Guard.OpenKey(t.Context(), s.A.Key); codeOf(err) != tenancy.Forbidden {
		t.Errorf("a key: %v", err)
	}
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	if _, err := hosting.CreateApp(t.Context(), scope, siteApp()); err == nil { // it had begun before; its bot is shut out now
		t.Error("a call that goes on has made an app")
	}
	if made := s.made(); len(made) > 0 {
		t.Errorf("%+v", made)
	}
}

// TestReconcileDeployKeys: the project's own key stays on its repository, and comes
// back when it is lost; any other goes, the same one where it may write, and on
// another repository.
func TestReconcileDeployKeys(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	s.AddRepository(t, s.A, "other")
	_, err := s.create(siteApp())
	must(t, err)
	own := s.keysOn(s.A.GiteaOrg + "/site")
	s.Git.AddDeployKey(s.A.GiteaOrg+"/site", giteatest.DeployKey{Title: "back door", Key: publicKey(t), ReadOnly: true})
	s.Git.AddDeployKey(s.A.GiteaOrg+"/other", giteatest.DeployKey{Title: "copy", Key: own[0].Key, ReadOnly: true})
	job := func() {
		t.Helper()
		must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	}
	job()
	if diff := cmp.Diff(own, s.keysOn(s.A.GiteaOrg+"/site")); diff != "" || len(s.keysOn(s.A.GiteaOrg+"/other")) != 0 {
		t.Errorf("keys of the site (-want +got)\n%s\nof the other: %+v", diff, s.keysOn(s.A.GiteaOrg+"/other"))
	}
	for name, mischief := range map[string]func(){
		"lost": func() { s.dropKeys(s.A.GiteaOrg + "/site") },
		"may write": func() {
			s.dropKeys(s.A.GiteaOrg + "/site")
			s.Git.AddDeployKey(s.A.GiteaOrg+"/site", giteatest.DeployKey{Title: "mine", Key: own[0].Key})
		},
	} {
		mischief()
		job()
		if got := s.keysOn(s.A.GiteaOrg + "/site"); len(got) != 1 || got[0].Key != own[0].Key || !got[0].ReadOnly {
			t.Errorf("%s: %+v", name, got)
		}
	}
	s.Fine(t)
}

// TestDeployKeyGone: Coolify has a button that deletes keys which nothing uses.
func TestDeployKeyGone(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	_, err := s.create(siteApp())
	must(t, err)
	first := s.deployKeys()[0]
	_, err = s.remove("site", "site")
	must(t, err)
	s.Sim.FinishDeletions()
	s.onCoolify(http.MethodDelete, "/security/keys/"+first.UUID, "")
	_, err = s.create(siteApp())
	must(t, err)
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	second := s.deployKeys()
	on := s.keysOn(s.A.GiteaOrg + "/site")
	if len(second) != 1 || second[0].UUID == first.UUID || len(on) != 1 || on[0].Key != strings.TrimSpace(second[0].PublicKey) {
		t.Errorf("on Coolify %+v, on Gitea %+v", second, on)
	}
	s.Fine(t)
}

// TestDeleteApp: nothing goes without a person's word, which is the app's name.
func TestDeleteApp(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	app, err := s.create(siteApp(func(n *hosting.NewApp) { n.Env = map[string]secret.Text{"A": secret.NewText("b")} }))
	must(t, err)
	for _, confirm := range []string{"", "Site", app.UUID, "yes", "site "} {
		s.Sim.Reset()
		_, err := s.remove("site", confirm)
		told := tenancy.Public(err)
		if told.Code != tenancy.Conflict || told.Confirm == nil || told.Confirm.Name != "site" || !strings.Contains(told.Msg, "1 variables; its repository stays") {
			t.Errorf("confirm %q: %+v", confirm, told)
		}
		for _, r := range s.Sim.Requests() {
			if r.Write {
				t.Errorf("confirm %q: Coolify was told %s", confirm, r.Operation)
			}
		}
	}
	if err := call(t, s.House, mcp.New(s.Logger), s.A.Key, "apps.delete", map[string]any{"app": "site", "confirm": "site"}); codeOf(err) != tenancy.Forbidden {
		t.Errorf("by a builder: %v", err)
	}
	s.Sim.Reset()
	done, err := s.remove("site", "site")
	if diff := cmp.Diff(hosting.DeletedApp{UUID: app.UUID, Name: "site"}, done); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	for _, r := range s.Sim.Requests() {
		if r.Write && (r.Operation != "DELETE /applications/{uuid}" || r.Query != "delete_configurations=true&delete_connected_networks=false&delete_volumes=true&docker_cleanup=false") {
			t.Errorf("Coolify was told %s?%s", r.Operation, r.Query)
		}
	}
	if _, err := s.create(siteApp()); codeOf(err) != tenancy.Conflict || !tenancy.Public(err).Retryable {
		t.Errorf("the same name while it is being deleted: %v", err)
	}
	s.Sim.FinishDeletions()
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	if made := s.made(); len(made) > 0 || len(s.records()) > 0 {
		t.Errorf("left: %+v %+v", made, s.records())
	}
	if _, err := s.remove("site", "site"); codeOf(err) != tenancy.NotFound {
		t.Errorf("again: %v", err)
	}
	s.Fine(t)
}

// TestDeleteOthersApp: an app that an operator made goes without a row, and one of
// another workspace does not.
func TestDeleteOthersApp(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	for _, ref := range []string{s.B.Web.UUID, s.B.Web.Name, "web.beta.example.com"} {
		if _, err := s.remove(ref, s.B.Web.Name); codeOf(err) != tenancy.NotFound {
			t.Errorf("%s of B: %v", ref, err)
		}
	}
	if done, err := s.remove(s.A.Web.UUID, s.A.Web.Name); err != nil || done.Gone || done.UUID != s.A.Web.UUID {
		t.Errorf("%+v %v", done, err)
	}
	s.Sim.FinishDeletions()
	_, there := s.Sim.App(s.A.Web.UUID)
	_, theirs := s.Sim.App(s.B.Web.UUID)
	if there || !theirs {
		t.Errorf("A's app is there: %v; B's is: %v", there, theirs)
	}
	s.Fine(t)
}

// TestUpdateApp changes what may be changed, and judges what would come of it.
func TestUpdateApp(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	created, err := s.create(siteApp())
	must(t, err)
	if _, err := s.Git.Push(s.A.GiteaOrg+"/site", "next", "more", map[string]string{"a": "b"}); err != nil {
		t.Fatal(err)
	}
	update := func(spec hosting.BuildSpec, description *string) error {
		scope := s.Open(t, s.A.Key, tenancy.Write)
		app, err := hosting.FindApp(t.Context(), scope, created.UUID)
		must(t, err)
		_, err = app.Update(t.Context(), spec, description)
		return err
	}
	must(t, update(hosting.BuildSpec{Branch: new("next"), Build: new("dockerfile"), Port: new(8080), BaseDirectory: new("api"), Dockerfile: new("Dockerfile.api")}, new("the api")))
	a := s.made()[0]
	if a.GitBranch != "next" || a.BuildPack != "dockerfile" || a.PortsExposes != "8080" || a.BaseDirectory != "/api" || a.DockerfileLocation != "/Dockerfile.api" || a.Description != "the api" {
		t.Errorf("%+v", a)
	}
	if r := app0(t, s); r.Head != s.repo().Heads["next"] || r.Head == "" {
		t.Errorf("head %q, want that of the new branch", r.Head)
	}
	for name, spec := range map[string]hosting.BuildSpec{
		"nothing": {}, "pack": {Build: new("nixpacks")}, "unknown pack": {Build: new("dockercompose")}, "port": {Port: new(0)}, "branch": {Branch: new("--upload-pack=x")},
		"base": {BaseDirectory: new("../..")}, "publish": {PublishDirectory: new("~")}, "dockerfile": {Dockerfile: new("-f")},
	} {
		s.Sim.Reset()
		if err := update(spec, nil); codeOf(err) != tenancy.Invalid && codeOf(err) != tenancy.Forbidden {
			t.Errorf("%s: %v", name, err)
		}
		if slices.Contains(s.Requests(), "PATCH /applications/{uuid}") {
			t.Errorf("%s: it was changed", name)
		}
	}
	s.Sim.AddEnv(created.UUID, coolifytest.Env{Key: "PATH", Value: ".", BuildTime: true, Literal: true})
	if err := update(hosting.BuildSpec{Port: new(81)}, nil); codeOf(err) != tenancy.Forbidden {
		t.Errorf("with a variable that no build may see: %v", err)
	}
	s.Fine(t)
}

// TestAppBeingMade does not show what stands in its description until it is made.
func TestAppBeingMade(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	s.Sim.Fail("PATCH /applications/{uuid}", coolifytest.Fault{Status: 500, Body: "{}"})
	if _, err := s.create(siteApp()); err == nil {
		t.Fatal("it is made")
	}
	s.Sim.Clear("PATCH /applications/{uuid}")
	if made := s.made(); len(made) != 1 || !strings.HasPrefix(made[0].Description, "vibn-") {
		t.Fatalf("%+v", made)
	}
	app, err := hosting.FindApp(t.Context(), s.Open(t, s.A.Key, tenancy.Read), "site")
	must(t, err)
	if d := app.Info().Description; !d.IsZero() {
		t.Errorf("the description is shown: %s", d)
	}
	if done, err := s.remove("site", "site"); err != nil || done.Name != "site" {
		t.Errorf("%+v %v", done, err)
	}
	s.Sim.FinishDeletions()
	must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	if len(s.records()) > 0 {
		t.Errorf("%+v", s.records())
	}
}

// TestDeleteWorkspaceWithApps: the apps that were created here go first, then their
// keys, the network and the project.
func TestDeleteWorkspaceWithApps(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	ws, err := s.Operator.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: "gamma", Placement: tenancy.Placement{Server: s.Sim.Hosts()[0].UUID}})
	must(t, err)
	must(t, s.Provisioner.Provision(t.Context(), ws.ID))
	before := s.left()
	is, err := s.Operator.Parts(t.Context(), ws)
	must(t, err)
	gamma := &tenancytest.Tenant{Workspace: is.Workspace}
	gamma.Key, _ = s.AddKey(t, gamma, "builder", 0)
	s.AddRepository(t, gamma, "site")
	if _, err := hosting.CreateApp(t.Context(), s.Open(t, gamma.Key, tenancy.Write), siteApp()); err != nil {
		t.Fatal(err)
	}
	must(t, s.Operator.DeleteWorkspace(t.Context(), is.Workspace))
	if err := s.Provisioner.Provision(t.Context(), ws.ID); err == nil || !strings.Contains(err.Error(), tenancy.PartApps) {
		t.Errorf("while Coolify is at it: %v", err)
	}
	s.Sim.FinishDeletions()
	if err := s.Provisioner.Provision(t.Context(), ws.ID); err == nil || !strings.HasSuffix(err.Error(), ": "+tenancy.PartNetwork) {
		t.Errorf("while Coolify deletes what holds the network: %v", err)
	}
	s.Sim.FinishDeletions()
	must(t, s.Provisioner.Provision(t.Context(), ws.ID))
	delete(before, "networks of gamma")
	delete(before, "services of gamma")
	delete(before, "projects of gamma")
	if diff := cmp.Diff(before, s.left()); diff != "" {
		t.Errorf("what is there, but for gamma's (-want +got)\n%s", diff)
	}
	if is, err = s.Operator.Parts(t.Context(), ws); err != nil || is.Destination != "" {
		t.Errorf("recorded: %+v %v", is.Parts, err)
	}
	s.Fine(t)
}

// left counts what there is, by kind and workspace.
func (s *shop) left() map[string]int {
	n := map[string]int{}
	of := func(kind, name string) {
		for _, slug := range []string{"alpha", "beta", "gamma"} {
			if strings.Contains(name, slug) {
				n[kind+" of "+slug]++
			}
		}
	}
	for _, d := range s.Sim.Destinations() {
		of("networks", d.Name)
	}
	for _, v := range s.Sim.Services() {
		of("services", v.Name)
	}
	for _, p := range s.Sim.Projects() {
		of("projects", p.Name)
	}
	for _, k := range s.Sim.PrivateKeys() {
		of("keys", k.Name)
	}
	for _, a := range s.Sim.Snapshot().Apps {
		of("apps", a.GitRepository)
	}
	return maps.Clone(n)
}

// TestNetwork: a workspace has one network of its own on the server that it is
// placed on.
func TestNetwork(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	first := s.network()
	count := func() map[string]int {
		n := map[string]int{}
		for _, d := range s.Sim.Destinations() {
			if strings.HasPrefix(d.Name, "vibn-alpha-") {
				n[d.HostUUID]++
			}
		}
		for _, v := range s.Sim.Services() {
			if strings.HasPrefix(v.Name, "vibn-alpha-") && v.Running {
				n["service on "+v.HostUUID]++
			}
		}
		return n
	}
	job := func() {
		t.Helper()
		must(t, s.Provisioner.Provision(t.Context(), s.A.ID))
	}
	job()
	want := map[string]int{s.Sim.Hosts()[0].UUID: 1, "service on " + s.Sim.Hosts()[0].UUID: 1}
	if diff := cmp.Diff(want, count()); diff != "" || s.network() != first {
		t.Errorf("after another run\n%s", diff)
	}
	other := s.Sim.AddHost(coolifytest.Host{Name: "other"})
	must(t, s.Operator.Place(t.Context(), s.A.Workspace, tenancy.Placement{Server: other.UUID}))
	job()
	want[other.UUID], want["service on "+other.UUID] = 1, 1
	if diff := cmp.Diff(want, count()); diff != "" || s.network() == first {
		t.Errorf("on another server\n%s", diff)
	}
	must(t, s.Operator.Place(t.Context(), s.A.Workspace, tenancy.Placement{Server: s.Sim.Hosts()[0].UUID}))
	job()
	if s.network() != first {
		t.Error("back on the first server it has not its first network")
	}
	must(t, s.Operator.Place(t.Context(), s.A.Workspace, tenancy.Placement{Server: other.UUID, Destination: other.DestinationUUID}))
	s.Sim.Reset()
	job()
	if slices.ContainsFunc(s.Requests(), func(op string) bool { return strings.Contains(op, "destinations") }) {
		t.Errorf("with a network that the operator named: %v", s.Requests())
	}
	s.Fine(t)
}

// TestNetworkSwitchedOff: without networks of their own workspaces get none, and apps
// go into that of the server.
func TestNetworkSwitchedOff(t *testing.T) {
	t.Parallel()
	for _, version := range []string{coolifytest.Version41, coolifytest.Version43} {
		s := newShop(t, tenancytest.Config{Simulator: coolifytest.Config{Version: version}, Premises: tenancy.Premises{SharedNetworks: true}})
		if n := len(s.Sim.Destinations()); n != 1 {
			t.Errorf("%s: %d networks", version, n)
		}
		_, err := s.create(siteApp())
		must(t, err)
		if a := s.made()[0]; a.DestinationUUID != s.Sim.Hosts()[0].DestinationUUID {
			t.Errorf("%s: %+v", version, a)
		}
		s.Fine(t)
	}
}

// TestDeleteAppWithoutAName: what has a name that nobody can see is confirmed by its
// uuid, not by nothing.
func TestDeleteAppWithoutAName(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	app := s.Sim.AddApp(s.A.Project.Environments[0].UUID, coolifytest.App{Name: "\u200b"})
	_, err := s.remove(app.UUID, "")
	if told := tenancy.Public(err); told.Confirm == nil || told.Confirm.Name != app.UUID {
		t.Errorf("nothing was confirmed: %v", err)
	}
	_, err = s.remove(app.UUID, app.UUID)
	must(t, err)
}

// TestCreateAppsAtOnce: several calls at once do not get past what the plan allows,
// and an app is not called as ids are.
func TestCreateAppsAtOnce(t *testing.T) {
	t.Parallel()
	s := newShop(t, tenancytest.Config{})
	must(t, s.DB.SetPlan(t.Context(), s.A.ID, tenancy.Plan{Apps: 2}, time.Now()))
	var all sync.WaitGroup
	for i := range 6 {
		scope := s.Open(t, s.A.Key, tenancy.Write)
		all.Go(func() {
			_, err := hosting.CreateApp(context.WithoutCancel(t.Context()), scope, siteApp(func(n *hosting.NewApp) { n.Name = fmt.Sprintf("site-%d", i) }))
			if code := codeOf(err); err != nil && code != tenancy.Forbidden && code != tenancy.Conflict {
				t.Errorf("site-%d: %v", i, err)
			}
		})
	}
	all.Wait()
	if n := len(s.records()); n > 2 {
		t.Errorf("%d apps are recorded, want at most 2", n)
	}
	_, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name = strings.Repeat("a", 24) }))
	if codeOf(err) != tenancy.Invalid {
		t.Errorf("a name of the form of an id: %v", err)
	}
}
