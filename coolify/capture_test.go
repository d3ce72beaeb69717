package coolify_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// A capture is one request to a real Coolify and its raw answer.
type capture struct {
	Request struct{ Method, Path, Query string }
	Status  int
	Headers map[string]string
	Body    json.RawMessage
}

// replay serves the capture's answer as it came.
func (c capture) replay(t *testing.T) clients {
	t.Helper()
	return connect(t, serve(t, func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range c.Headers {
			w.Header().Set(k, v)
		}
		body := []byte(c.Body)
		if strings.HasPrefix(c.Headers["Content-Type"], "text/") {
			var s string
			if err := json.Unmarshal(body, &s); err != nil {
				t.Error(err)
			}
			body = []byte(s)
		}
		w.WriteHeader(c.Status)
		_, _ = w.Write(body)
	}))
}

func at(s string) time.Time {
	t, err := time.Parse(time.DateTime, s)
	if err != nil {
		panic(err)
	}
	return t
}

const (
	betaID     = "90sjjfvzd09ze4rtt9s8zkf0"
	betaAppID  = "b9jwfi6srtlfkilqa1qipujq"
	runningID  = "eblzln1yc3rrlchryb1dpr8r"
	pushedID   = "abcdcu8y5qqov8qr75koxq2l"
	finishedID = "fsuuhhkercwqw1dw7ngr3utx"
)

// What the captures hold.
var (
	unlimited = coolify.Limits{Memory: "0", MemorySwap: "0", CPUs: "0"}

	host = coolify.Server{UUID: server, Name: "host1", IP: "203.0.113.10", Reachable: true, Usable: true}

	alphaApp = coolify.Application{
		UUID: app, Name: "alpha-site", Description: "d", FQDN: "https://alpha.example.com,https://www.alpha.example.com", Status: "exited:unhealthy",
		EnvironmentID: 6, EnvironmentName: "production", ProjectUUID: projectID, BuildPack: "dockerfile",
		GitRepository: "git@gitea.example.com:2222/alpha/site.git", GitBranch: "main", GitCommitSHA: "HEAD", PortsExposes: "3000", BaseDirectory: "/",
		DockerComposeLocation: "/docker-compose.yaml", DestinationUUID: destination, ServerUUID: server, AutoDeploy: new(true), Limits: unlimited,
		CreatedAt: at("2026-11-23 19:20:14"), UpdatedAt: at("2026-11-23 19:32:40"), LastOnlineAt: at("2026-11-23 19:16:47"),
	}
	betaApp = coolify.Application{
		UUID: id(betaAppID), Name: "beta-site", Description: "hello", Status: "exited:unhealthy", EnvironmentID: 7, EnvironmentName: "production",
		ProjectUUID: betaID, BuildPack: "nixpacks", GitRepository: "ssh://git@gitea:2222/a/b", GitBranch: "main", GitCommitSHA: "HEAD",
		PortsExposes: "8080", BaseDirectory: "/", DockerComposeLocation: "/docker-compose.yaml", DestinationUUID: destination, ServerUUID: server, Limits: unlimited,
		CreatedAt: at("2026-11-23 19:20:15"), UpdatedAt: at("2026-11-23 19:26:40"), LastOnlineAt: at("2026-11-23 19:16:47"),
	}
	// A list tells neither project nor settings.
	alphaListed = changed(alphaApp, func(a *coolify.Application) { a.ProjectUUID, a.AutoDeploy = "", nil })
	otherListed = changed(alphaListed, func(a *coolify.Application) {
		a.UUID, a.Name, a.Description = id("1iqazc9n7qmhnhkqy7zou7ng"), "dockerfile-bznkpgowgwlqzymhvp9lhxwx", ""
		a.FQDN, a.GitRepository, a.PortsExposes = "http://1iqazc9n7qmhnhkqy7zou7ng.203.0.113.10.sslip.io", "coollabsio/coolify", "80"
		a.CreatedAt, a.UpdatedAt = at("2026-11-23 19:30:09"), at("2026-11-23 19:30:09")
	})

	alphaData = coolify.Database{
		UUID: database, Kind: coolify.PostgreSQL, Name: "pg-a", Status: "exited:unhealthy", Image: "postgres:16-alpine", EnvironmentID: 6,
		EnvironmentName: "production", ProjectUUID: projectID, DestinationUUID: destination, ServerUUID: server, Limits: unlimited,
		CreatedAt: at("2026-11-23 19:30:40"), UpdatedAt: at("2026-11-23 19:30:40"),
	}
	alphaService = coolify.Service{UUID: service, Name: "svc-a", ServerUUID: server, Status: "exited", CreatedAt: at("2026-11-23 19:31:08")}

	keys = []coolify.PrivateKey{{
		UUID: key, Name: "server-key", Description: "d", Fingerprint: "J6tAO990Ac+hJlLqNedxJEAX/rwf+JQMDOEc0+xjTug",
		PublicKey: "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKA/iW/3MPkIuLbPhN/S7J4Z6UqjQPBeG8EeXbXkVWI3 ",
	}}

	running = coolify.Deployment{
		UUID: id(runningID), Status: coolify.DeploymentInProgress, Commit: "HEAD", IsAPI: true, ApplicationUUID: id(betaAppID),
		ApplicationName: "site:main-axnu0zxsypuavqfxd2gtwgnh", CreatedAt: at("2026-11-23 19:22:05"), UpdatedAt: at("2026-11-23 19:24:51"),
	}
	single   = changed(running, func(d *coolify.Deployment) { d.Application = &betaApp })
	finished = changed(running, func(d *coolify.Deployment) {
		d.UUID, d.Status, d.ForceRebuild = id(finishedID), coolify.DeploymentFinished, true
		d.CreatedAt, d.UpdatedAt = at("2026-11-23 19:22:31"), at("2026-11-23 19:22:31")
	})
	pushed = coolify.Deployment{
		UUID: id(pushedID), Status: coolify.DeploymentInProgress, Commit: "0123456789abcdef0123456789abcdef01234567", IsWebhook: true,
		ApplicationUUID: app, ApplicationName: "alpha-site", CreatedAt: at("2026-11-23 19:32:40"), UpdatedAt: at("2026-11-23 19:32:40"),
	}
	page = coolify.DeploymentPage{Count: 2, Deployments: []coolify.Deployment{finished, running}}

	envs = []coolify.Env{
		plainEnv("l9yy8lvhfprrnlkhzdrkf9ky", "my.key", "2026-11-23 19:21:06", "2026-11-23 19:21:06"),
		plainEnv("3rmbk1oqonpoaidbbtvmcgop", "ML", "2026-11-23 19:21:06", "2026-11-23 19:21:34"),
		plainEnv("ylopkq4icmzqx42jpqjnv2ak", "BULK1", "2026-11-23 19:21:35", "2026-11-23 19:21:35"),
		plainEnv("fi5vilrtj3sqaivktz1x9knk", "BULK1", "2026-11-23 19:21:35", "2026-11-23 19:21:35"),
	}
)

// changed returns v with a change.
func changed[T any](v T, change func(*T)) T {
	change(&v)
	return v
}

func plainEnv(uuid, key, created, updated string) coolify.Env {
	return coolify.Env{UUID: id(uuid), Key: key, BuildTime: true, Runtime: true, CreatedAt: at(created), UpdatedAt: at(updated)}
}

func getApplication(ctx context.Context, c clients) (any, error) { return c.App(app).Get(ctx) }
func getRunning(ctx context.Context, c clients) (any, error)     { return c.RunningDeployments(ctx) }

func getPage(ctx context.Context, c clients) (any, error) {
	return c.App(id(betaAppID)).Deployments(ctx, 0, 10)
}

func getOne(ctx context.Context, c clients) (any, error)      { return c.Deployment(id(runningID)).Get(ctx) }
func getKeys(ctx context.Context, c clients) (any, error)     { return c.PrivateKeys(ctx) }
func getDatabase(ctx context.Context, c clients) (any, error) { return c.Database(database).Get(ctx) }

func listServices(ctx context.Context, c clients) (any, error) {
	return c.Services(ctx)
}
func getService(ctx context.Context, c clients) (any, error) { return c.Service(service).Get(ctx) }
func getEnvs(ctx context.Context, c clients) (any, error)    { return c.App(app).Envs(ctx) }

// decodes has, for each capture of an operation of ours, the call and what must
// come of it; an error instead of a result is what errors.Is must find.
var decodes = map[string]struct {
	run  func(context.Context, clients) (any, error)
	want any
}{
	"GET_version.read": {func(ctx context.Context, c clients) (any, error) { return c.Version(ctx) }, "4.3.11"},
	"GET_projects.read": {func(ctx context.Context, c clients) (any, error) { return c.Projects(ctx) }, []coolify.Project{
		{ID: 1, UUID: id("yyd4s1fitehu2pwarzuaj2i9"), Description: "Tenant A"},
		{ID: 2, UUID: id("etdgod9knwoangvz8nywyrrf"), Name: "tenant-a"},
		{ID: 3, UUID: project, Name: "alpha"},
		{ID: 4, UUID: id("90sjjfvzd09ze4rtt9s8zkf0"), Name: "beta"},
	}},
	"GET_projects_uuid.read": {func(ctx context.Context, c clients) (any, error) { return c.Project(project).Get(ctx) }, coolify.Project{
		ID: 3, UUID: project, Name: "alpha", Environments: []coolify.Environment{{ID: 6, UUID: environment, Name: "production"}},
	}},
	"GET_projects_uuid_environments.read": {
		func(ctx context.Context, c clients) (any, error) { return c.Project(project).Environments(ctx) },
		[]coolify.Environment{{ID: 6, UUID: environment, Name: "production"}},
	},
	"GET_projects_uuid_environment_name_or_uuid.read": {
		func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).Applications(ctx, environment)
		},
		[]coolify.Application{alphaListed, otherListed},
	},
	"POST_projects.full": {
		func(ctx context.Context, c clients) (any, error) {
			return c.CreateProject(ctx, coolify.NewProject{Name: "tmp-proj"})
		},
		id("bibymtla7lvlmnxzrqcy2vt2"),
	},
	"PATCH_projects_uuid.full": {func(ctx context.Context, c clients) (any, error) {
		return only(c.Project(project).Update(ctx, coolify.ProjectUpdate{Description: new("x")}))
	}, nil},
	"DELETE_projects_uuid.full": {func(ctx context.Context, c clients) (any, error) { return only(c.Project(project).Delete(ctx)) }, nil},
	"POST_projects_uuid_environments.full": {
		func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateEnvironment(ctx, "tmp-env")
		},
		id("awyiiruljicg7vswk0umw3ze"),
	},
	"DELETE_projects_uuid_environments_environment_name_or_uuid.full": {func(ctx context.Context, c clients) (any, error) {
		return only(c.Project(project).DeleteEnvironment(ctx, environment))
	}, nil},
	"GET_servers.read":      {func(ctx context.Context, c clients) (any, error) { return c.Servers(ctx) }, []coolify.Server{host}},
	"GET_servers_uuid.read": {func(ctx context.Context, c clients) (any, error) { return c.Server(server).Get(ctx) }, host},
	"GET_servers_server_uuid_destinations.read": {
		func(ctx context.Context, c clients) (any, error) { return c.Server(server).Destinations(ctx) },
		[]coolify.Destination{{UUID: destination, Name: "coolify", Network: "coolify", Server: server}},
	},
	"GET_security_keys.read":  {getKeys, keys},
	"GET_security_keys.rs":    {getKeys, keys},
	"GET_services.read":       {listServices, []coolify.Service{alphaService}},
	"GET_services.rs":         {listServices, []coolify.Service{alphaService}},
	"GET_services_uuid.read":  {getService, alphaService},
	"GET_services_uuid.rs":    {getService, alphaService},
	"GET_databases_uuid.read": {getDatabase, alphaData},
	"GET_databases_uuid.rs":   {getDatabase, alphaData},
	"POST_databases_postgresql.full": {
		func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateDatabase(ctx, coolify.PostgreSQL, coolify.NewDatabase{Environment: environment, Server: server})
		},
		coolify.CreatedDatabase{UUID: id("5qdcwnxf11nxfg1xinzmrpjb"), URL: secret.NewText("SAMPLE-internal_db_url")},
	},
	"POST_applications_private-deploy-key.full": {
		func(ctx context.Context, c clients) (any, error) { return c.Project(project).CreateApp(ctx, newApp) },
		id("ih3efjskichpvjfmdvrwztey"),
	},
	"PATCH_applications_uuid.full": {func(ctx context.Context, c clients) (any, error) {
		return only(c.App(app).Update(ctx, coolify.ApplicationUpdate{Description: new("x")}))
	}, nil},
	"GET_servers_uuid_domains.read": {
		func(ctx context.Context, c clients) (any, error) { return c.Server(server).Domains(ctx) },
		[]coolify.HostDomains{{IP: "203.0.113.10", Domains: []string{
			"alpha.example.com", "www.alpha.example.com", "1iqazc9n7qmhnhkqy7zou7ng.203.0.113.10.sslip.io", "web-soqvi1ncwedakwyg0z4kkgzq.203.0.113.10.sslip.io",
		}}},
	},
	"GET_destinations.read": {
		func(ctx context.Context, c clients) (any, error) { return c.Destinations(ctx) },
		[]coolify.Destination{{UUID: destination, Name: "coolify", Network: "coolify", Server: server}},
	},
	"GET_teams.read":             {func(ctx context.Context, c clients) (any, error) { return c.Team(ctx) }, coolify.Team{Name: "Root Team"}},
	"GET_applications_uuid.read": {getApplication, alphaApp},
	"GET_applications_uuid.rs":   {getApplication, alphaApp},
	"POST_applications_uuid_start.full": {
		func(ctx context.Context, c clients) (any, error) { return c.App(app).Start(ctx, true) },
		coolify.Queued{Deployment: deployment},
	},
	"POST_applications_uuid_restart.full":    {func(ctx context.Context, c clients) (any, error) { return c.App(app).Restart(ctx) }, coolify.Queued{Skipped: true}},
	"POST_applications_uuid_stop.full":       {func(ctx context.Context, c clients) (any, error) { return only(c.App(app).Stop(ctx)) }, nil},
	"GET_deployments.read":                   {getRunning, []coolify.Deployment{running, pushed}},
	"GET_deployments.rs":                     {getRunning, []coolify.Deployment{running, pushed}},
	"GET_deployments_applications_uuid.read": {getPage, page},
	"GET_deployments_applications_uuid.rs":   {getPage, page},
	"GET_deployments_uuid.read":              {getOne, single},
	"GET_deployments_uuid.rs":                {getOne, single},
	"GET_applications_uuid_envs.read":        {getEnvs, envs},
	"GET_applications_uuid_envs.rs":          {getEnvs, envs},
	"PATCH_applications_uuid_envs_bulk.full": {func(ctx context.Context, c clients) (any, error) {
		rows, err := c.App(app).SetEnvs(ctx, []coolify.EnvUpdate{{Key: "CMP2", Value: secret.NewText("v")}})
		if len(rows) != 1 {
			return nil, err
		}
		return []any{rows[0].UUID.String(), rows[0].Key, rows[0].BuildTime, rows[0].Runtime, rows[0].Preview}, err
	}, []any{"siocftcd63imhsali6erea8h", "CMP2", true, true, false}},
	"DELETE_applications_uuid_envs_env_uuid.full": {func(ctx context.Context, c clients) (any, error) {
		return only(c.App(app).DeleteEnv(ctx, env))
	}, nil},
}

// othersOperations are the captures of operations that the client does not have.
var othersOperations = []string{
	"GET_applications.read", "GET_applications.rs", "GET_applications_uuid_destinations.read", "GET_applications_uuid_scheduled-tasks.read",
	"GET_applications_uuid_storages.read", "GET_applications_uuid_tags.read", "GET_databases.read", "GET_databases.rs",
	"GET_databases_uuid_backups.read", "GET_databases_uuid_envs.read", "GET_resources.read",
	"GET_servers_uuid_resources.read",
	"GET_services_uuid_envs.read", "GET_tags.read", "GET_team.read", "GET_teams_id.read",
	"PATCH_applications_uuid_envs.full", "POST_applications_public.full", "POST_applications_uuid_envs.full", "POST_deploy.full",
	"POST_env_dup.full",
}

func readCaptures(t *testing.T) map[string]capture {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(shared, "captures", "coolify", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		documenttest.SkipWithout(t, "the directory of captures")
	}
	captures := map[string]capture{}
	for _, name := range files {
		raw, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var c capture
		if err := json.Unmarshal(raw, &c); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		captures[strings.TrimSuffix(filepath.Base(name), ".json")] = c
	}
	return captures
}

// TestCaptures proves that what a real Coolify answered comes out as it should.
func TestCaptures(t *testing.T) {
	captures := readCaptures(t)
	for name, row := range decodes {
		t.Run(name, func(t *testing.T) {
			c, ok := captures[name]
			if !ok {
				t.Fatalf("no capture %s", name)
			}
			got, err := row.run(t.Context(), c.replay(t))
			if kind, ok := row.want.(error); ok {
				if !errors.Is(err, kind) {
					t.Fatalf("error = %v, want %v", err, kind)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(row.want, got, same); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// TestSensitiveCaptures proves that the sensitive client reads what its token
// shows, and says so when the token shows nothing.
func TestSensitiveCaptures(t *testing.T) {
	captures := readCaptures(t)

	logs, err := captures["GET_deployments_uuid.rs"].replay(t).sensitive.Deployment(id(runningID)).Logs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := []coolify.LogEntry{{Output: "hello", Timestamp: at("2026-11-23 19:00:00"), Order: 1}}
	if diff := cmp.Diff(want, logs); diff != "" {
		t.Errorf("logs (-want +got):\n%s", diff)
	}
	values, err := captures["GET_applications_uuid_envs.rs"].replay(t).sensitive.App(app).EnvValues(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, v := range values {
		got[v.Key] += "[" + v.Value.Reveal() + "]"
	}
	if diff := cmp.Diff(map[string]string{"my.key": "[]", "ML": "[zz]", "BULK1": "[1][2]"}, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}

	address, err := captures["GET_databases_uuid.rs"].replay(t).sensitive.Database(database).URL(t.Context())
	if err != nil || !address.Equal("SAMPLE-internal_db_url") {
		t.Errorf("DatabaseURL: %v, %v", address, err)
	}
	_, err = captures["GET_databases_uuid.read"].replay(t).sensitive.Database(database).URL(t.Context())
	if !errors.Is(err, coolify.ErrForbidden) {
		t.Errorf("DatabaseURL without read:sensitive: %v, want %v", err, coolify.ErrForbidden)
	}

	_, err = captures["GET_deployments_uuid.read"].replay(t).sensitive.Deployment(id(runningID)).Logs(t.Context())
	if !errors.Is(err, coolify.ErrForbidden) {
		t.Errorf("DeploymentLogs without read:sensitive: %v, want %v", err, coolify.ErrForbidden)
	}
	_, err = captures["GET_applications_uuid_envs.read"].replay(t).sensitive.App(app).EnvValues(t.Context())
	if !errors.Is(err, coolify.ErrForbidden) {
		t.Errorf("EnvValues without read:sensitive: %v, want %v", err, coolify.ErrForbidden)
	}
}

// TestEnvironmentCapture proves that the databases and services of an environment are read
// from the same answer as its applications.
func TestEnvironmentCapture(t *testing.T) {
	got, err := readCaptures(t)["GET_projects_uuid_environment_name_or_uuid.read"].replay(t).Project(project).Databases(t.Context(), environment)
	if err != nil {
		t.Fatal(err)
	}
	listed := changed(alphaData, func(d *coolify.Database) { d.ProjectUUID = "" })
	if diff := cmp.Diff([]coolify.Database{listed}, got, same); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	services, err := readCaptures(t)["GET_projects_uuid_environment_name_or_uuid.read"].replay(t).Project(project).Services(t.Context(), environment)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]coolify.Service{changed(alphaService, func(s *coolify.Service) { s.ID = 1 })}, services, same); diff != "" {
		t.Errorf("services (-want +got):\n%s", diff)
	}
}

// TestEveryCaptureIsUsed proves that no capture of an operation of ours is
// forgotten.
func TestEveryCaptureIsUsed(t *testing.T) {
	captures := readCaptures(t)
	known := append(slices.Collect(maps.Keys(decodes)), othersOperations...)
	slices.Sort(known)
	if diff := cmp.Diff(slices.Sorted(maps.Keys(captures)), known); diff != "" {
		t.Errorf("captures and the tables of this test (-captures +tables):\n%s", diff)
	}
	d := publishedDocument(t)
	if d == nil {
		documenttest.SkipWithout(t, "the published document")
	}
	ours := slices.Concat(slices.Collect(maps.Values(directives(t)))...)
	for name, c := range captures {
		op, _, err := d.Operation(d.NewRequest(t, c.Request.Method, c.Request.Path, ""))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if slices.Contains(ours, op) == slices.Contains(othersOperations, name) {
			t.Errorf("%s is of %s and in the wrong table", name, op)
		}
	}
}
