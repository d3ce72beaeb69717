package coolify_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
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
	return c.method == "Client.Logs" || c.method == "Client.CancelDeployment"
}

// asks reports whether the method asks what the token may, and nothing more.
func (c call) asks() bool { return strings.Contains(c.method, ".May") }

// only turns a method that returns an error only into one that returns nothing.
func only(err error) (any, error) { return nil, err }

var created = time.Date(2026, 11, 23, 19, 20, 13, 0, time.UTC)

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
		"Client.Project", func(ctx context.Context, c clients) (any, error) { return c.Project(ctx, project) },
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
		"Client.UpdateProject", func(ctx context.Context, c clients) (any, error) {
			return only(c.UpdateProject(ctx, project, coolify.ProjectUpdate{Description: new("")}))
		},
		"PATCH /projects/" + projectID, `{"description":""}`, 201, `{"uuid":"` + projectID + `","name":"alpha","description":""}`, nil,
	},
	{
		"Client.DeleteProject", func(ctx context.Context, c clients) (any, error) { return only(c.DeleteProject(ctx, project)) },
		"DELETE /projects/" + projectID, "", 200, `{"message":"Project deleted."}`, nil,
	},
	{
		"Client.Environments", func(ctx context.Context, c clients) (any, error) { return c.Environments(ctx, project) },
		"GET /projects/" + projectID + "/environments", "", 200, `[{"id":6,"uuid":"` + environmentID + `","name":"production"}]`,
		[]coolify.Environment{{ID: 6, UUID: environment, Name: "production"}},
	},
	{
		"Client.CreateEnvironment", func(ctx context.Context, c clients) (any, error) {
			return c.CreateEnvironment(ctx, project, " Feature/X ")
		},
		"POST /projects/" + projectID + "/environments", `{"name":"feature-x"}`, 201, `{"uuid":"` + environmentID + `"}`, environment,
	},
	{
		"Client.DeleteEnvironment", func(ctx context.Context, c clients) (any, error) {
			return only(c.DeleteEnvironment(ctx, project, environment))
		},
		"DELETE /projects/" + projectID + "/environments/" + environmentID, "", 200, `{"message":"Environment deleted."}`, nil,
	},
	{
		"Client.EnvironmentApplications", func(ctx context.Context, c clients) (any, error) {
			return c.EnvironmentApplications(ctx, project, environment)
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
		"Client.Server", func(ctx context.Context, c clients) (any, error) { return c.Server(ctx, server) },
		"GET /servers/" + serverID, "", 200, `{"uuid":"` + serverID + `","name":"host1","settings":[]}`,
		coolify.Server{UUID: server, Name: "host1", CoolifyHost: true},
	},
	{
		"Client.ServerDomains", func(ctx context.Context, c clients) (any, error) { return c.ServerDomains(ctx, server) },
		"GET /servers/" + serverID + "/domains", "", 200, `[{"ip":"203.0.113.10","domains":["alpha.example.com","git.example.com"]},{"ip":"203.0.113.11","domains":[]}]`,
		[]coolify.HostDomains{{IP: "203.0.113.10", Domains: []string{"alpha.example.com", "git.example.com"}}, {IP: "203.0.113.11"}},
	},
	{
		"Client.Destinations", func(ctx context.Context, c clients) (any, error) { return c.Destinations(ctx) },
		"GET /destinations", "", 200, `[{"uuid":"` + destinationID + `","name":"coolify","network":"coolify","type":"standalone","server_uuid":"` + serverID + `"}]`,
		[]coolify.Destination{{UUID: destination, Name: "coolify", Server: server}},
	},
	{
		"Client.Team", func(ctx context.Context, c clients) (any, error) { return c.Team(ctx) },
		"GET /teams", "", 200, `[{"id":0,"name":"Root Team","description":null}]`, coolify.Team{Name: "Root Team"},
	},
	{
		"Client.Limit", func(ctx context.Context, c clients) (any, error) { return c.Limit(ctx) },
		"GET /version", "", 200, "4.3.11", coolify.Limit{},
	},
	{
		"Client.AddressLimit", func(ctx context.Context, c clients) (any, error) { return c.AddressLimit(ctx) },
		"GET /health", "", 200, "OK", coolify.Limit{},
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
		"Client.Application", func(ctx context.Context, c clients) (any, error) { return c.Application(ctx, app) },
		"GET /applications/" + appID, "", 200, `{"uuid":"` + appID + `","name":"web","environment_id":"6","fqdn":null,"settings":{"is_auto_deploy_enabled":false}}`,
		coolify.Application{UUID: app, Name: "web", EnvironmentID: 6, AutoDeploy: new(false)},
	},
	{
		"Client.Start", func(ctx context.Context, c clients) (any, error) { return c.Start(ctx, app, true) },
		"POST /applications/" + appID + "/start?force=true", "", 200, `{"message":"Deployment request queued.","deployment_uuid":"` + deploymentID + `"}`,
		coolify.Queued{Deployment: deployment},
	},
	{
		"Client.Start", func(ctx context.Context, c clients) (any, error) { return c.Start(ctx, app, false) },
		"POST /applications/" + appID + "/start", "", 200, `{"message":"Deployment already queued for this commit."}`,
		coolify.Queued{Skipped: true},
	},
	{
		"Client.Restart", func(ctx context.Context, c clients) (any, error) { return c.Restart(ctx, app) },
		"POST /applications/" + appID + "/restart", "", 200, `{"message":"Restart request queued.","deployment_uuid":"` + deploymentID + `"}`,
		coolify.Queued{Deployment: deployment},
	},
	{
		"Client.Stop", func(ctx context.Context, c clients) (any, error) { return only(c.Stop(ctx, app)) },
		"POST /applications/" + appID + "/stop", "", 200, `{"message":"Application stopping request queued."}`, nil,
	},
	{
		"Client.Logs", func(ctx context.Context, c clients) (any, error) { return c.Logs(ctx, app, 50) },
		"GET /applications/" + appID + "/logs?lines=50", "", 200, `{"logs":"one\ntwo"}`, "one\ntwo",
	},
	{
		"Client.RunningDeployments", func(ctx context.Context, c clients) (any, error) { return c.RunningDeployments(ctx) },
		"GET /deployments", "", 200, `{"1":{"deployment_uuid":"` + deploymentID + `","status":"queued","pull_request_id":"7"}}`,
		[]coolify.Deployment{{UUID: deployment, Status: coolify.DeploymentQueued, PullRequestID: 7}},
	},
	{
		"Client.Deployments", func(ctx context.Context, c clients) (any, error) { return c.Deployments(ctx, app, 5, 10) },
		"GET /deployments/applications/" + appID + "?skip=5&take=10", "", 200, `{"count":6,"deployments":[{"deployment_uuid":"` + deploymentID + `","status":"failed"}]}`,
		coolify.DeploymentPage{Count: 6, Deployments: []coolify.Deployment{{UUID: deployment, Status: coolify.DeploymentFailed}}},
	},
	{
		"Client.Deployment", func(ctx context.Context, c clients) (any, error) { return c.Deployment(ctx, deployment) },
		"GET /deployments/" + deploymentID, "", 200,
		`{"deployment_uuid":"` + deploymentID + `","finished_at":"2026-11-23 19:20:13","application":{"uuid":"` + appID + `","environment_id":6}}`,
		coolify.Deployment{UUID: deployment, ApplicationUUID: app, Application: &coolify.Application{UUID: app, EnvironmentID: 6}, FinishedAt: &created},
	},
	{
		"Client.CancelDeployment", func(ctx context.Context, c clients) (any, error) {
			return only(c.CancelDeployment(ctx, deployment))
		},
		"POST /deployments/" + deploymentID + "/cancel", "", 200, `{"message":"Deployment cancelled successfully.","deployment_uuid":"` + deploymentID + `","status":"cancelled-by-user"}`, nil,
	},
	{
		"Client.Envs", func(ctx context.Context, c clients) (any, error) { return c.Envs(ctx, app) },
		"GET /applications/" + appID + "/envs", "", 200,
		`[{"uuid":"` + envID + `","key":"A","is_runtime":false,"comment":"c","created_at":"2026-11-23T19:20:13.000000Z","value":"` + canaryValue + `"}]`,
		[]coolify.Env{{UUID: env, Key: "A", BuildTime: true, Comment: "c", CreatedAt: created}},
	},
	{
		"Client.CreateEnv", func(ctx context.Context, c clients) (any, error) {
			return c.CreateEnv(ctx, app, coolify.NewEnv{Key: "A", Value: secret.NewText(canaryValue), Runtime: true})
		},
		"POST /applications/" + appID + "/envs",
		`{"key":"A","value":"` + canaryValue + `","is_preview":false,"is_literal":false,"is_multiline":false,"is_shown_once":false,"is_buildtime":false,"is_runtime":true}`,
		201, `{"uuid":"` + envID + `"}`, env,
	},
	{
		"Client.UpdateEnv", func(ctx context.Context, c clients) (any, error) {
			return only(c.UpdateEnv(ctx, app, coolify.EnvUpdate{
				Key: "A", Value: secret.NewText(canaryValue), Preview: true, Literal: true, Multiline: true, ShownOnce: true, BuildTime: true, Comment: new("c"),
			}))
		},
		"PATCH /applications/" + appID + "/envs",
		`{"key":"A","value":"` + canaryValue + `","is_preview":true,"is_literal":true,"is_multiline":true,"is_shown_once":true,"is_buildtime":true,"is_runtime":false,"comment":"c"}`,
		201, `{"uuid":"` + envID + `","key":"A","value":"` + canaryValue + `"}`, nil,
	},
	{
		"Client.DeleteEnv", func(ctx context.Context, c clients) (any, error) { return only(c.DeleteEnv(ctx, app, env)) },
		"DELETE /applications/" + appID + "/envs/" + envID, "", 200, `{"message":"Environment variable deleted."}`, nil,
	},
	{
		"Sensitive.DeploymentLogs", func(ctx context.Context, c clients) (any, error) {
			return c.sensitive.DeploymentLogs(ctx, deployment)
		},
		"GET /deployments/" + deploymentID, "", 200,
		`{"deployment_uuid":"` + deploymentID + `","logs":"[{\"command\":\"secret\",\"output\":\"hello\",\"type\":\"stderr\",\"hidden\":false}]"}`,
		[]coolify.LogEntry{{Output: "hello", Stderr: true}},
	},
	{
		"Sensitive.EnvValues", func(ctx context.Context, c clients) (any, error) { return c.sensitive.EnvValues(ctx, app) },
		"GET /applications/" + appID + "/envs", "", 200,
		`[{"uuid":"` + envID + `","key":"A","value":"` + canaryValue + `","real_value":"'` + canaryValue + `'"},{"key":"B","is_shown_once":true,"is_preview":true},{"key":"C","value":null}]`,
		[]coolify.EnvValue{
			{UUID: env, Key: "A", Value: secret.NewText(canaryValue), RealValue: secret.NewText("'" + canaryValue + "'")},
			{Key: "B", Preview: true, ShownOnce: true},
			{Key: "C"},
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
