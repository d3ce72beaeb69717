package coolify_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// A call is one use of one method: what it sends, a good answer, and what comes
// of it.
type call struct {
	method string // type and method
	run    func(context.Context, clients) (any, error)
	sends  string // method, path below /api/v1, query
	body   string // JSON; empty = none
	status int
	answer string
	want   any // nil = the method returns an error only
}

func (c call) writes() bool { return !strings.HasPrefix(c.sends, "GET ") }

// slow reports whether the method is documented as slow.
func (c call) slow() bool {
	return slices.Contains([]string{
		"AppClient.Logs", "DeploymentClient.Cancel", "AppClient.RollbackImages", "ServerClient.CreateDestination", "DestinationClient.Delete",
	}, c.method)
}

// asks reports whether the method asks what the token may, and nothing more.
func (c call) asks() bool { return strings.Contains(c.method, ".May") }

// only turns a method that returns an error only into one that returns nothing.
func only(err error) (any, error) { return nil, err }

var created = time.Date(2026, 11, 23, 19, 20, 13, 0, time.UTC)

// newApp is an application with everything that can be said of one.
var newApp = coolify.NewApplication{
	Environment: environment, Server: server, Destination: destination, PrivateKey: key,
	Name: "web", Description: "the site", Repository: "git@gitea.example.com:2222/alpha/site.git", Branch: "main", BuildPack: "static",
	Ports: "80", BaseDirectory: "/site", DockerfileLocation: "/Dockerfile", PublishDirectory: "/dist", Domain: "https://web.example.com",
	Limits: coolify.Limits{Memory: "512m", MemorySwap: "512m", CPUs: "0.5"},
}

// createDatabase is a call of each kind.
func createDatabase(kind coolify.DatabaseKind) call {
	return call{
		"ProjectClient.CreateDatabase", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateDatabase(ctx, kind, coolify.NewDatabase{Environment: environment, Server: server, Name: "data"})
		},
		"POST /databases/" + string(kind),
		`{"project_uuid":"` + projectID + `","environment_uuid":"` + environmentID + `","server_uuid":"` + serverID + `","name":"data","is_public":false,"instant_deploy":false}`,
		201, `{"uuid":"` + databaseID + `","internal_db_url":"proto://user:` + canaryValue + `@` + databaseID + `:1"}`,
		coolify.CreatedDatabase{UUID: database, URL: secret.NewText("proto://user:" + canaryValue + "@" + databaseID + ":1")},
	}
}

// all are the options of a deletion that keeps nothing.
var all = coolify.DeleteOptions{Volumes: true, Networks: true, Configurations: true}

// calls has every method of both clients, at least once.
var calls = []call{
	{
		"Client.Version", func(ctx context.Context, c clients) (any, error) { return c.Version(ctx) },
		"GET /version", "", 200, "4.3.11", "4.3.11",
	},
	{
		"Client.Projects", func(ctx context.Context, c clients) (any, error) { return c.Projects(ctx) },
		"GET /projects", "", 200, `[{"id":3,"uuid":"` + projectID + `","name":"alpha","description":null}]`,
		[]coolify.Project{{ID: 3, UUID: project, Name: "alpha"}},
	},
	{
		"ProjectClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Project(project).Get(ctx) },
		"GET /projects/" + projectID, "", 200,
		`{"id":3,"uuid":"` + projectID + `","name":"alpha","description":"d","environments":[{"id":6,"uuid":"` + environmentID + `","name":"production"}]}`,
		coolify.Project{ID: 3, UUID: project, Name: "alpha", Description: "d", Environments: []coolify.Environment{{ID: 6, UUID: environment, Name: "production"}}},
	},
	{
		"Client.CreateProject", func(ctx context.Context, c clients) (any, error) {
			return c.CreateProject(ctx, coolify.NewProject{Name: "alpha", Description: "d"})
		},
		"POST /projects", `{"name":"alpha","description":"d"}`, 201, `{"uuid":"` + projectID + `"}`, project,
	},
	{
		"ProjectClient.Update", func(ctx context.Context, c clients) (any, error) {
			return only(c.Project(project).Update(ctx, coolify.ProjectUpdate{Description: new("")}))
		},
		"PATCH /projects/" + projectID, `{"description":""}`, 201, `{"uuid":"` + projectID + `","name":"alpha","description":""}`, nil,
	},
	{
		"ProjectClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.Project(project).Delete(ctx)) },
		"DELETE /projects/" + projectID, "", 200, `{"message":"Project deleted."}`, nil,
	},
	{
		"ProjectClient.Environments", func(ctx context.Context, c clients) (any, error) { return c.Project(project).Environments(ctx) },
		"GET /projects/" + projectID + "/environments", "", 200, `[{"id":6,"uuid":"` + environmentID + `","name":"production"}]`,
		[]coolify.Environment{{ID: 6, UUID: environment, Name: "production"}},
	},
	{
		"ProjectClient.CreateEnvironment", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateEnvironment(ctx, " Feature/X ")
		},
		"POST /projects/" + projectID + "/environments", `{"name":"feature-x"}`, 201, `{"uuid":"` + environmentID + `"}`, environment,
	},
	{
		"ProjectClient.DeleteEnvironment", func(ctx context.Context, c clients) (any, error) {
			return only(c.Project(project).DeleteEnvironment(ctx, environment))
		},
		"DELETE /projects/" + projectID + "/environments/" + environmentID, "", 200, `{"message":"Environment deleted."}`, nil,
	},
	{
		"ProjectClient.Applications", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).Applications(ctx, environment)
		},
		"GET /projects/" + projectID + "/" + environmentID, "", 200,
		`{"id":6,"uuid":"` + environmentID + `","name":"production","applications":[{"id":1,"uuid":"` + appID + `","name":"web","environment_id":6}]}`,
		[]coolify.Application{{UUID: app, Name: "web", EnvironmentID: 6, EnvironmentName: "production"}},
	},
	{
		"Client.Servers", func(ctx context.Context, c clients) (any, error) { return c.Servers(ctx) },
		"GET /servers", "", 200, `[{"uuid":"` + serverID + `","name":"host1","description":null,"ip":"203.0.113.10","is_coolify_host":false,"settings":{"is_usable":true}}]`,
		[]coolify.Server{{UUID: server, Name: "host1", IP: "203.0.113.10", Usable: true}},
	},
	{
		"ServerClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Server(server).Get(ctx) },
		"GET /servers/" + serverID, "", 200, `{"uuid":"` + serverID + `","name":"host1","settings":[]}`,
		coolify.Server{UUID: server, Name: "host1", CoolifyHost: true},
	},
	{
		"ServerClient.Domains", func(ctx context.Context, c clients) (any, error) { return c.Server(server).Domains(ctx) },
		"GET /servers/" + serverID + "/domains", "", 200, `[{"ip":"203.0.113.10","domains":["alpha.example.com","git.example.com"]},{"ip":"203.0.113.11","domains":[]}]`,
		[]coolify.HostDomains{{IP: "203.0.113.10", Domains: []string{"alpha.example.com", "git.example.com"}}, {IP: "203.0.113.11"}},
	},
	{
		"Client.Destinations", func(ctx context.Context, c clients) (any, error) { return c.Destinations(ctx) },
		"GET /destinations", "", 200, `[{"uuid":"` + destinationID + `","name":"coolify","network":"coolify","type":"standalone","server_uuid":"` + serverID + `"}]`,
		[]coolify.Destination{{UUID: destination, Name: "coolify", Network: "coolify", Server: server}},
	},
	{
		"Client.Team", func(ctx context.Context, c clients) (any, error) { return c.Team(ctx) },
		"GET /teams", "", 200, `[{"id":0,"name":"Root Team","description":null}]`,
		coolify.Team{Name: "Root Team"},
	},
	{
		"Client.Limit", func(ctx context.Context, c clients) (any, error) { return c.Limit(ctx) },
		"GET /version", "", 200, "4.3.11",
		coolify.Limit{},
	},
	{
		"Client.AddressLimit", func(ctx context.Context, c clients) (any, error) { return c.AddressLimit(ctx) },
		"GET /health", "", 200, "OK",
		coolify.Limit{},
	},
	{
		"Client.MayWrite", func(ctx context.Context, c clients) (any, error) { return only(c.MayWrite(ctx)) },
		"PATCH /projects/vibn-mcp-asks-what-it-may", "{}", 400, `{"message":"Invalid request.","error":"Empty JSON."}`, nil,
	},
	{
		"Client.MayDeploy", func(ctx context.Context, c clients) (any, error) { return only(c.MayDeploy(ctx)) },
		"POST /applications/vibn-mcp-asks-what-it-may/start", "", 404, `{"message":"Application not found."}`, nil,
	},
	{
		"Sensitive.MayWrite", func(ctx context.Context, c clients) (any, error) { return only(c.sensitive.MayWrite(ctx)) },
		"PATCH /projects/vibn-mcp-asks-what-it-may", "{}", 404, `{"message":"Project not found."}`, nil,
	},
	{
		"Sensitive.MayDeploy", func(ctx context.Context, c clients) (any, error) { return only(c.sensitive.MayDeploy(ctx)) },
		"POST /applications/vibn-mcp-asks-what-it-may/start", "", 404, `{"message":"Application not found."}`, nil,
	},
	{
		"AppClient.Get", func(ctx context.Context, c clients) (any, error) { return c.App(app).Get(ctx) },
		"GET /applications/" + appID, "", 200, `{"uuid":"` + appID + `","name":"web","environment_id":"6","fqdn":null,"settings":{"is_auto_deploy_enabled":false}}`,
		coolify.Application{UUID: app, Name: "web", EnvironmentID: 6, AutoDeploy: new(false)},
	},
	{
		"AppClient.Start", func(ctx context.Context, c clients) (any, error) { return c.App(app).Start(ctx, true) },
		"POST /applications/" + appID + "/start?force=true", "", 200, `{"message":"Deployment request queued.","deployment_uuid":"` + deploymentID + `"}`,
		coolify.Queued{Deployment: deployment},
	},
	{
		"AppClient.Start", func(ctx context.Context, c clients) (any, error) { return c.App(app).Start(ctx, false) },
		"POST /applications/" + appID + "/start", "", 200, `{"message":"Deployment already queued for this commit."}`,
		coolify.Queued{Skipped: true},
	},
	{
		"AppClient.Restart", func(ctx context.Context, c clients) (any, error) { return c.App(app).Restart(ctx) },
		"POST /applications/" + appID + "/restart", "", 200, `{"message":"Restart request queued.","deployment_uuid":"` + deploymentID + `"}`,
		coolify.Queued{Deployment: deployment},
	},
	{
		"AppClient.Stop", func(ctx context.Context, c clients) (any, error) { return only(c.App(app).Stop(ctx)) },
		"POST /applications/" + appID + "/stop?docker_cleanup=false", "", 200, `{"message":"Application stopping request queued."}`, nil,
	},
	{
		"AppClient.Logs", func(ctx context.Context, c clients) (any, error) { return c.App(app).Logs(ctx, 50) },
		"GET /applications/" + appID + "/logs?lines=50", "", 200, `{"logs":"one\ntwo"}`, "one\ntwo",
	},
	{
		"Client.RunningDeployments", func(ctx context.Context, c clients) (any, error) { return c.RunningDeployments(ctx) },
		"GET /deployments", "", 200, `{"1":{"deployment_uuid":"` + deploymentID + `","status":"queued","pull_request_id":"7"}}`,
		[]coolify.Deployment{{UUID: deployment, Status: coolify.DeploymentQueued, PullRequestID: 7}},
	},
	{
		"AppClient.Deployments", func(ctx context.Context, c clients) (any, error) { return c.App(app).Deployments(ctx, 5, 10) },
		"GET /deployments/applications/" + appID + "?skip=5&take=10", "", 200, `{"count":6,"deployments":[{"deployment_uuid":"` + deploymentID + `","status":"failed"}]}`,
		coolify.DeploymentPage{Count: 6, Deployments: []coolify.Deployment{{UUID: deployment, Status: coolify.DeploymentFailed}}},
	},
	{
		"DeploymentClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Deployment(deployment).Get(ctx) },
		"GET /deployments/" + deploymentID, "", 200,
		`{"deployment_uuid":"` + deploymentID + `","finished_at":"2026-11-23 19:20:13","application":{"uuid":"` + appID + `","environment_id":6}}`,
		coolify.Deployment{UUID: deployment, ApplicationUUID: app, Application: &coolify.Application{UUID: app, EnvironmentID: 6}, FinishedAt: &created},
	},
	{
		"DeploymentClient.Cancel", func(ctx context.Context, c clients) (any, error) {
			return only(c.Deployment(deployment).Cancel(ctx))
		},
		"POST /deployments/" + deploymentID + "/cancel", "", 200, `{"message":"Deployment cancelled successfully.","deployment_uuid":"` + deploymentID + `","status":"cancelled-by-user"}`, nil,
	},
	{
		"AppClient.Envs", func(ctx context.Context, c clients) (any, error) { return c.App(app).Envs(ctx) },
		"GET /applications/" + appID + "/envs", "", 200,
		`[{"uuid":"` + envID + `","key":"A","is_runtime":false,"comment":"c","created_at":"2026-11-23T19:20:13.000000Z","value":"` + canaryValue + `"}]`,
		[]coolify.Env{{UUID: env, Key: "A", BuildTime: true, Comment: "c", CreatedAt: created}},
	},
	{
		"AppClient.SetEnvs", func(ctx context.Context, c clients) (any, error) {
			return c.App(app).SetEnvs(ctx, []coolify.EnvUpdate{
				{Key: "A", Value: secret.NewText(canaryValue), Runtime: true},
				{Key: "A", Value: secret.NewText(canaryValue), Preview: true, Literal: true, Multiline: true, ShownOnce: true, BuildTime: true, Comment: new("c")},
			})
		},
		"PATCH /applications/" + appID + "/envs/bulk",
		`{"data":[{"key":"A","value":"` + canaryValue + `","is_preview":false,"is_literal":false,"is_multiline":false,"is_shown_once":false,"is_buildtime":false,"is_runtime":true},` +
			`{"key":"A","value":"` + canaryValue + `","is_preview":true,"is_literal":true,"is_multiline":true,"is_shown_once":true,"is_buildtime":true,"is_runtime":false,"comment":"c"}]}`,
		201, `[{"uuid":"` + envID + `","key":"A","is_buildtime":false,"value":"` + canaryValue + `"},{"uuid":"` + envID + `","key":"A","is_preview":true,"is_runtime":false}]`,
		[]coolify.Env{{UUID: env, Key: "A", Runtime: true}, {UUID: env, Key: "A", Preview: true, BuildTime: true}},
	},
	{
		"AppClient.DeleteEnv", func(ctx context.Context, c clients) (any, error) { return only(c.App(app).DeleteEnv(ctx, env)) },
		"DELETE /applications/" + appID + "/envs/" + envID, "", 200, `{"message":"Environment variable deleted."}`, nil,
	},
	{
		"ProjectClient.CreateApp", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateApp(ctx, newApp)
		},
		"POST /applications/private-deploy-key",
		`{"project_uuid":"` + projectID + `","environment_uuid":"` + environmentID + `","server_uuid":"` + serverID + `","destination_uuid":"` + destinationID +
			`","private_key_uuid":"` + keyID + `","name":"web","description":"the site","git_repository":"git@gitea.example.com:2222/alpha/site.git",` +
			`"git_branch":"main","build_pack":"static","ports_exposes":"80","base_directory":"/site","dockerfile_location":"/Dockerfile",` +
			`"publish_directory":"/dist","domains":"https://web.example.com","autogenerate_domain":false,"instant_deploy":false,"is_auto_deploy_enabled":false,` +
			`"limits_memory":"512m","limits_memory_swap":"512m","limits_cpus":"0.5"}`,
		201, `{"uuid":"` + appID + `","domains":"https:\/\/web.example.com"}`, app,
	},
	{
		"ProjectClient.CreateApp", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateApp(ctx, coolify.NewApplication{
				Environment: environment, Server: server, PrivateKey: key, Repository: "git@gitea:a/b.git", Branch: "main", BuildPack: "dockerfile",
			})
		},
		"POST /applications/private-deploy-key",
		`{"project_uuid":"` + projectID + `","environment_uuid":"` + environmentID + `","server_uuid":"` + serverID + `","private_key_uuid":"` + keyID +
			`","git_repository":"git@gitea:a/b.git","git_branch":"main","build_pack":"dockerfile","autogenerate_domain":false,"instant_deploy":false,"is_auto_deploy_enabled":false}`,
		201, `{"uuid":"` + appID + `","domains":null}`, app,
	},
	{
		"AppClient.Update", func(ctx context.Context, c clients) (any, error) {
			return only(c.App(app).Update(ctx, coolify.ApplicationUpdate{
				Name: new("web"), Description: new("d"), Branch: new("next"), BuildPack: new("static"), Ports: new("80"), BaseDirectory: new("/"),
				DockerfileLocation: new("/Dockerfile"), PublishDirectory: new("/dist"), CommitSHA: new("HEAD"), Domain: new("https://web.example.com"),
			}))
		},
		"PATCH /applications/" + appID,
		`{"name":"web","description":"d","git_branch":"next","build_pack":"static","ports_exposes":"80","base_directory":"/","dockerfile_location":"/Dockerfile",` +
			`"publish_directory":"/dist","git_commit_sha":"HEAD","domains":"https://web.example.com"}`,
		200, `{"uuid":"` + appID + `"}`, nil,
	},
	{
		"AppClient.Update", func(ctx context.Context, c clients) (any, error) {
			return only(c.App(app).Update(ctx, coolify.ApplicationUpdate{Domain: new("")}))
		},
		"PATCH /applications/" + appID, `{"domains":""}`, 200, `{"uuid":"` + appID + `"}`, nil,
	},
	{
		"AppClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.App(app).Delete(ctx, all)) },
		"DELETE /applications/" + appID + "?delete_configurations=true&delete_connected_networks=true&delete_volumes=true&docker_cleanup=false", "",
		200, `{"message":"Application deletion request queued."}`, nil,
	},
	{
		"AppClient.Delete", func(ctx context.Context, c clients) (any, error) {
			return only(c.App(app).Delete(ctx, coolify.DeleteOptions{Configurations: true}))
		},
		"DELETE /applications/" + appID + "?delete_configurations=true&delete_connected_networks=false&delete_volumes=false&docker_cleanup=false", "",
		200, `{"message":"Application deletion request queued."}`, nil,
	},
	{
		"AppClient.RollbackImages", func(ctx context.Context, c clients) (any, error) { return c.App(app).RollbackImages(ctx) },
		"GET /applications/" + appID + "/rollback-images", "", 200,
		`{"current":"c0ffee","images":[{"tag":"c0ffee","created_at":"2026-11-23 19:20:13 +0000 UTC","is_current":true},{"tag":"decade","is_current":false}]}`,
		coolify.RollbackImages{Current: "c0ffee", Images: []coolify.RollbackImage{{Tag: "c0ffee", Current: true}, {Tag: "decade"}}},
	},
	{
		"AppClient.Rollback", func(ctx context.Context, c clients) (any, error) { return c.App(app).Rollback(ctx, "c0ffee") },
		"POST /applications/" + appID + "/rollback", `{"commit":"c0ffee"}`, 200,
		`{"message":"Rollback deployment queued.","deployment_uuid":"` + deploymentID + `"}`,
		coolify.Queued{Deployment: deployment},
	},
	{
		"Client.PrivateKeys", func(ctx context.Context, c clients) (any, error) { return c.PrivateKeys(ctx) },
		"GET /security/keys", "", 200,
		`[{"id":2,"uuid":"` + keyID + `","name":"k","description":null,"fingerprint":"J6tA","is_git_related":true,"public_key":"ssh-ed25519 AAAA ","private_key":"` + canaryValue + `"}]`,
		[]coolify.PrivateKey{{UUID: key, Name: "k", Fingerprint: "J6tA", PublicKey: "ssh-ed25519 AAAA ", GitRelated: true}},
	},
	{
		"Client.CreatePrivateKey", func(ctx context.Context, c clients) (any, error) {
			return c.CreatePrivateKey(ctx, coolify.NewPrivateKey{Name: "k", Description: "d", Key: secret.NewText(canaryValue)})
		},
		"POST /security/keys", `{"name":"k","description":"d","private_key":"` + canaryValue + `"}`, 201, `{"uuid":"` + keyID + `"}`, key,
	},
	{
		"KeyClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.PrivateKey(key).Delete(ctx)) },
		"DELETE /security/keys/" + keyID, "", 200, `{"message":"Private Key deleted."}`, nil,
	},
	{
		"ServerClient.Destinations", func(ctx context.Context, c clients) (any, error) { return c.Server(server).Destinations(ctx) },
		"GET /servers/" + serverID + "/destinations", "", 200,
		`[{"uuid":"` + destinationID + `","name":"alpha","network":"vibn-alpha","type":"standalone","server_uuid":"` + serverID + `"}]`,
		[]coolify.Destination{{UUID: destination, Name: "alpha", Network: "vibn-alpha", Server: server}},
	},
	{
		"ServerClient.CreateDestination", func(ctx context.Context, c clients) (any, error) {
			return c.Server(server).CreateDestination(ctx, coolify.NewDestination{Name: "alpha", Network: "vibn-alpha"})
		},
		"POST /servers/" + serverID + "/destinations", `{"name":"alpha","network":"vibn-alpha"}`, 201,
		`{"uuid":"` + destinationID + `","name":"alpha","network":"vibn-alpha","type":"standalone","server_uuid":"` + serverID + `"}`, destination,
	},
	{
		"DestinationClient.Delete", func(ctx context.Context, c clients) (any, error) {
			return only(c.Destination(destination).Delete(ctx))
		},
		"DELETE /destinations/" + destinationID, "", 200, `{"message":"Deleted."}`, nil,
	},
	{
		"DatabaseClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Database(database).Get(ctx) },
		"GET /databases/" + databaseID, "", 200,
		`{"uuid":"` + databaseID + `","name":"data","database_type":"standalone-postgresql","environment_id":"6","status":"exited","internal_db_url":"` + canaryValue +
			`","environment":{"name":"production","project":{"uuid":"` + projectID + `"}},"backup_configs":[{"uuid":"x"}]}`,
		coolify.Database{UUID: database, Kind: coolify.PostgreSQL, Name: "data", Status: "exited", EnvironmentID: 6, EnvironmentName: "production", ProjectUUID: projectID},
	},
	{
		"ProjectClient.Databases", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).Databases(ctx, environment)
		},
		"GET /projects/" + projectID + "/" + environmentID, "", 200,
		`{"id":6,"uuid":"` + environmentID + `","name":"production","postgresqls":[],"mysqls":[],"mariadbs":[],"mongodbs":[],` +
			`"redis":[{"id":1,"uuid":"` + databaseID + `","name":"cache","environment_id":6,"limits_memory":"256m"}]}`,
		[]coolify.Database{{
			UUID: database, Kind: coolify.Redis, Name: "cache", EnvironmentID: 6, EnvironmentName: "production", Limits: coolify.Limits{Memory: "256m"},
		}},
	},
	{
		"ProjectClient.Contents", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).Contents(ctx, environment)
		},
		"GET /projects/" + projectID + "/" + environmentID, "", 200,
		`{"id":6,"uuid":"` + environmentID + `","name":"production","applications":[{"uuid":"` + appID + `","name":"web","environment_id":6}],` +
			`"postgresqls":[],"mysqls":[],"mariadbs":[],"mongodbs":[],"redis":[{"id":1,"uuid":"` + databaseID + `","name":"cache","environment_id":6}]}`,
		coolify.Contents{
			Applications: []coolify.Application{{UUID: app, Name: "web", EnvironmentID: 6, EnvironmentName: "production"}},
			Databases:    []coolify.Database{{UUID: database, Kind: coolify.Redis, Name: "cache", EnvironmentID: 6, EnvironmentName: "production"}},
		},
	},
	createDatabase(coolify.PostgreSQL),
	createDatabase(coolify.MySQL),
	createDatabase(coolify.MariaDB),
	createDatabase(coolify.MongoDB),
	createDatabase(coolify.Redis),
	{
		"ProjectClient.CreateDatabase", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateDatabase(ctx, coolify.MySQL, coolify.NewDatabase{
				Environment: environment, Server: server, Destination: destination, Name: "data", Description: "d", Image: "mysql:8",
				InstantDeploy: true, Limits: coolify.Limits{Memory: "512m", MemorySwap: "512m", CPUs: "0.5"},
			})
		},
		"POST /databases/mysql",
		`{"project_uuid":"` + projectID + `","environment_uuid":"` + environmentID + `","server_uuid":"` + serverID + `","destination_uuid":"` + destinationID +
			`","name":"data","description":"d","image":"mysql:8","is_public":false,"instant_deploy":true,"limits_memory":"512m","limits_memory_swap":"512m","limits_cpus":"0.5"}`,
		200, `{"uuid":"` + databaseID + `"}`,
		coolify.CreatedDatabase{UUID: database},
	},
	{
		"DatabaseClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.Database(database).Delete(ctx, all)) },
		"DELETE /databases/" + databaseID + "?delete_configurations=true&delete_connected_networks=true&delete_volumes=true&docker_cleanup=false", "",
		200, `{"message":"Database deletion request queued."}`, nil,
	},
	{
		"DatabaseClient.Start", func(ctx context.Context, c clients) (any, error) { return only(c.Database(database).Start(ctx)) },
		"POST /databases/" + databaseID + "/start", "", 200, `{"message":"Database starting request queued."}`, nil,
	},
	{
		"DatabaseClient.Stop", func(ctx context.Context, c clients) (any, error) { return only(c.Database(database).Stop(ctx)) },
		"POST /databases/" + databaseID + "/stop?docker_cleanup=false", "", 200, `{"message":"Database stopping request queued."}`, nil,
	},
	{
		"Client.Services", func(ctx context.Context, c clients) (any, error) { return c.Services(ctx) },
		"GET /services", "", 200, `[{"uuid":"` + serviceID + `","name":"net","description":"","status":"exited","server":{"uuid":"` + serverID + `"},"laravel_through_key":3}]`,
		[]coolify.Service{{UUID: service, Name: "net", ServerUUID: server, Status: "exited"}},
	},
	{
		"ProjectClient.Services", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).Services(ctx, environment)
		},
		"GET /projects/" + projectID + "/" + environmentID, "", 200,
		`{"id":6,"uuid":"` + environmentID + `","name":"production","services":[{"id":4,"uuid":"` + serviceID + `","name":"net","status":"running:unknown","created_at":"2026-11-23T19:20:13.000000Z"}]}`,
		[]coolify.Service{{ID: 4, UUID: service, Name: "net", Status: "running:unknown", CreatedAt: created}},
	},
	{
		"ProjectClient.CreateService", func(ctx context.Context, c clients) (any, error) {
			return c.Project(project).CreateService(ctx, coolify.NewService{
				Environment: environment, Server: server, Destination: destination, Name: "net", Description: "d", Compose: "services: {}", InstantDeploy: true,
			})
		},
		"POST /services",
		`{"project_uuid":"` + projectID + `","environment_uuid":"` + environmentID + `","server_uuid":"` + serverID + `","destination_uuid":"` + destinationID + `","name":"net","description":"d","instant_deploy":true,"docker_compose_raw":"c2VydmljZXM6IHt9"}`,
		201, `{"uuid":"` + serviceID + `","domains":[]}`, service,
	},
	{
		"ServiceClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Service(service).Get(ctx) },
		"GET /services/" + serviceID, "", 200, `{"uuid":"` + serviceID + `","name":"net","description":null,"status":"starting:unhealthy"}`,
		coolify.Service{UUID: service, Name: "net", Status: "starting:unhealthy"},
	},
	{
		"ServiceClient.SetCompose", func(ctx context.Context, c clients) (any, error) {
			return only(c.Service(service).SetCompose(ctx, "services: {}"))
		},
		"PATCH /services/" + serviceID, `{"docker_compose_raw":"c2VydmljZXM6IHt9"}`, 200, `{"uuid":"` + serviceID + `","domains":[]}`, nil,
	},
	{
		"ServiceClient.Start", func(ctx context.Context, c clients) (any, error) { return only(c.Service(service).Start(ctx)) },
		"POST /services/" + serviceID + "/start", "", 200, `{"message":"Service starting request queued."}`, nil,
	},
	{
		"ServiceClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.Service(service).Delete(ctx, all)) },
		"DELETE /services/" + serviceID + "?delete_configurations=true&delete_connected_networks=true&delete_volumes=true&docker_cleanup=false",
		"", 200, `{"message":"Service deletion request queued."}`, nil,
	},
	{
		"SensitiveDatabase.URL", func(ctx context.Context, c clients) (any, error) {
			return c.sensitive.Database(database).URL(ctx)
		},
		"GET /databases/" + databaseID, "", 200,
		`{"uuid":"` + databaseID + `","postgres_password":"p","internal_db_url":"postgres://postgres:` + canaryValue + `@` + databaseID + `:5432/postgres","external_db_url":null}`,
		secret.NewText("postgres://postgres:" + canaryValue + "@" + databaseID + ":5432/postgres"),
	},
	{
		"SensitiveDeployment.Logs", func(ctx context.Context, c clients) (any, error) {
			return c.sensitive.Deployment(deployment).Logs(ctx)
		},
		"GET /deployments/" + deploymentID, "", 200,
		`{"deployment_uuid":"` + deploymentID + `","logs":"[{\"command\":\"secret\",\"output\":\"hello\",\"type\":\"stderr\",\"hidden\":false}]"}`,
		[]coolify.LogEntry{{Output: "hello", Stderr: true}},
	},
	{
		"SensitiveDeployment.Get", func(ctx context.Context, c clients) (any, error) {
			return c.sensitive.Deployment(deployment).Get(ctx)
		},
		"GET /deployments/" + deploymentID, "", 200,
		`{"deployment_uuid":"` + deploymentID + `","status":"failed","logs":"[{\"command\":\"secret\",\"output\":\"hello\",\"hidden\":false}]"}`,
		coolify.LoggedDeployment{
			Deployment: coolify.Deployment{UUID: deployment, Status: coolify.DeploymentFailed}, Log: []coolify.LogEntry{{Output: "hello"}},
		},
	},
	{
		"SensitiveApp.EnvValues", func(ctx context.Context, c clients) (any, error) { return c.sensitive.App(app).EnvValues(ctx) },
		"GET /applications/" + appID + "/envs", "", 200,
		`[{"uuid":"` + envID + `","key":"A","value":"` + canaryValue + `","real_value":"'` + canaryValue + `'"},{"key":"B","is_shown_once":true,"is_preview":true},{"key":"C","value":null}]`,
		[]coolify.EnvValue{
			{
				Env:   coolify.Env{UUID: env, Key: "A", BuildTime: true, Runtime: true},
				Value: secret.NewText(canaryValue), RealValue: secret.NewText("'" + canaryValue + "'"),
			},
			{Env: coolify.Env{Key: "B", Preview: true, ShownOnce: true, BuildTime: true, Runtime: true}},
			{Env: coolify.Env{Key: "C", BuildTime: true, Runtime: true}},
		},
	},
}

// TestCalls proves what each method sends and what it makes of a good answer.
func TestCalls(t *testing.T) {
	for _, tc := range calls {
		t.Run(tc.method, func(t *testing.T) {
			sent := make(chan [2]string, 1)
			c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				sent <- [2]string{r.Method + " " + strings.TrimPrefix(r.URL.RequestURI(), basePath+"/api/v1"), string(bytes.TrimSpace(body))}
				answer(tc.status, tc.answer)(w, r)
			}))
			got, err := tc.run(t.Context(), c)
			if err != nil {
				t.Fatalf("%s: %v", tc.method, err)
			}
			if diff := cmp.Diff(tc.want, got, same); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.method, diff)
			}
			if diff := cmp.Diff([2]string{tc.sends, tc.body}, <-sent); diff != "" {
				t.Errorf("%s sends (-want +got):\n%s", tc.method, diff)
			}
			if n, done := c.meter.admitted.Load(), c.meter.done.Load(); n != 1 || done != 1 {
				t.Errorf("%s: %d requests admitted and %d done, want 1 and 1", tc.method, n, done)
			}
			if op := <-c.meter.ops; op.Slow != tc.slow() {
				t.Errorf("%s: %s slow = %v, want %v", tc.method, op, op.Slow, tc.slow())
			}
		})
	}
}
