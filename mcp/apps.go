package mcp

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
	"github.com/vibnai/vibn-mcp/verdict"
)

func addApps(r *Registry) {
	Add(r, Tool{
		Name: "apps.list", Route: "GET /apps", Needs: tenancy.Read, Title: "List apps",
		Description: "List the workspace's apps with status, domains, repository and branch.",
	}, listApps)
	Add(r, Tool{
		Name: "apps.get", Route: "GET /apps/{app}", Needs: tenancy.Read, Title: "Show an app", Target: "app",
		Description: "Show an app: its current status, domains and build settings.",
	}, getApp)
	Add(r, Tool{
		Name: "apps.deploy", Route: "POST /apps/{app}/deploy", Needs: tenancy.Deploy, Title: "Deploy an app",
		Target: "app", Keep: []string{"force", "wait_seconds"},
		Description: "Build and start the newest pushed commit of the app's branch. With wait_seconds it waits and " +
			"returns a verdict, as deployments_wait does. " +
			"Otherwise confirmed is false; call deployments_wait for the result.",
	}, deployApp)
	Add(r, Tool{
		Name: "apps.control", Route: "POST /apps/{app}/control", Needs: tenancy.Deploy,
		Title:       "Start, stop or restart an app",
		Destructive: true, Target: "app", Keep: []string{"action", "wait_seconds"},
		Description: "Start (deploys), stop or restart an app's containers. A restart is quicker than a deployment " +
			"and uses the commit that runs now.",
	}, controlApp)
	Add(r, Tool{
		Name: "apps.rollback", Route: "POST /apps/{app}/rollback", Needs: tenancy.Deploy, Title: "Roll an app back",
		Destructive: true, Target: "app", Keep: []string{"commit", "wait_seconds"},
		Description: "Deploy an earlier commit again: the named one, or the last good one before the one that runs. " +
			"The next push or apps_deploy deploys the newest commit again.",
	}, rollBackApp)
	Add(r, Tool{
		Name: "apps.deployments", Route: "GET /apps/{app}/deployments", Needs: tenancy.Read,
		Title: "List an app's deployments", Target: "app",
		Description: "List an app's deployments, newest first, with status and commit.",
	}, listDeployments)
	Add(r, Tool{
		Name: "apps.logs", Route: "GET /apps/{app}/logs", Needs: tenancy.Read, Title: "Read an app's log",
		Target: "app",
		Description: "Read the last lines that the running app printed. For a failed build use deployments_logs. " +
			"Secrets are removed, but not short values under ordinary names.",
	}, appLogs)
	Add(r, Tool{
		Name: "apps.diagnose", Route: "GET /apps/{app}/diagnose", Needs: tenancy.Read,
		Title: "Find out what is wrong with an app", Target: "app",
		Description: "Find out what is wrong with an app: likely causes, each with the next call to make; status, " +
			"deployments, first error, unset variables, domain, certificate.",
	}, diagnoseApp)
}

type listAppsIn struct {
	Environment string `json:"environment,omitempty" jsonschema:"only apps in this environment (name or uuid)" max:"255"`
	Cursor      string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"1000"`
	Limit       int    `json:"limit,omitempty" jsonschema:"most apps to return" min:"1" max:"50" default:"25"`
}

type appsOut struct {
	Apps      []hosting.AppInfo `json:"apps"`
	AsOf      string            `json:"as_of"` // RFC 3339, UTC: Coolify was asked then
	Truncated bool              `json:"truncated"`
	Cursor    string            `json:"next_cursor,omitempty"`
}

func listApps(ctx context.Context, s *tenancy.Scope, in listAppsIn) (appsOut, error) {
	apps, at, err := hosting.Apps(ctx, s, in.Environment)
	if err != nil {
		return appsOut{}, err
	}
	page, next, err := pageOf(s, "apps.list", in.Cursor, in.Limit, apps)
	return appsOut{page, asOf(at), next != "", next}, err
}

// asOf is a time as answers have it.
func asOf(at time.Time) string { return at.UTC().Format(tenancy.TimeFormat) }

type appIn struct {
	App string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
}

func getApp(ctx context.Context, s *tenancy.Scope, in appIn) (hosting.AppInfo, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return hosting.AppInfo{}, err
	}
	return app.Info(), nil
}

type deployIn struct {
	App   string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Force bool   `json:"force,omitempty" jsonschema:"build without the cache" default:"false"`
	Wait  int    `json:"wait_seconds,omitempty" jsonschema:"wait so long for the end" min:"0" max:"45" default:"0"`
}

type deployOut struct {
	Deployment        string                   `json:"deployment,omitempty"` // uuid
	AppStatus         string                   `json:"app_status,omitempty"` // stopping or stopped, after a stop
	Confirmed         bool                     `json:"confirmed"`            // a poll has shown that it exists, or that the app stopped
	Already           bool                     `json:"already_queued"`       // this commit was queued or running before
	verdict.Judgement                          // zero if the call did not wait
	State             *verdict.DeploymentState `json:"state,omitempty"`
	Next              []string                 `json:"next"`
	Log               string                   `json:"log,omitempty"` // as of deployments.wait
}

func deployApp(ctx context.Context, s *tenancy.Scope, in deployIn) (deployOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return deployOut{}, err
	}
	started, err := app.Deploy(ctx, in.Force)
	if err != nil {
		return deployOut{}, err
	}
	return follow(ctx, s, app, started, in.Wait)
}

// follow waits for a deployment that was just queued, if wait is not 0.
func follow(
	ctx context.Context, s *tenancy.Scope, app *hosting.App, started hosting.Started, wait int,
) (deployOut, error) {
	out := deployOut{
		Deployment: started.Deployment, Already: started.Already, Next: []string{"deployments_wait tells how it ends"},
	}
	if started.Deployment == "" {
		out.Next = []string{"apps_deployments shows what is queued"}
		return out, nil
	}
	if wait == 0 {
		return out, nil
	}
	w, err := verdict.Await(ctx, s, started.Deployment, "", time.Duration(wait)*time.Second)
	if tenancy.IsNotFound(err) { // Coolify's queue is full, so it reported a deployment that does not exist
		j, next, err := verdict.Unqueued(ctx, app)
		return deployOut{Judgement: j, Next: next}, err
	}
	if err != nil && !lostRights(err) {
		return out, nil // the deployment was queued; a failed wait is not its failure
	}
	if err != nil {
		return deployOut{}, err
	}
	w.UUID = "" // already in out.Deployment
	out.Confirmed, out.Judgement, out.State, out.Next = true, w.Judgement, &w.DeploymentState, w.Next
	out.Log = block(w.Log)
	return out, nil
}

type controlIn struct {
	App    string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Action string `json:"action" jsonschema:"what to do" enum:"start,stop,restart" required:"true"`
	Wait   int    `json:"wait_seconds,omitempty" jsonschema:"wait so long for the end" min:"0" max:"45" default:"0"`
}

func controlApp(ctx context.Context, s *tenancy.Scope, in controlIn) (deployOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return deployOut{}, err
	}
	var started hosting.Started
	switch in.Action {
	case "start":
		started, err = app.Deploy(ctx, false)
	case "restart":
		started, err = app.Restart(ctx)
	default:
		return stopApp(ctx, app, in.Wait)
	}
	if err != nil {
		return deployOut{}, err
	}
	return follow(ctx, s, app, started, in.Wait)
}

// stopApp stops an app, and waits for its containers to stop if wait is not 0. The stop is
// under way, whatever becomes of the wait.
func stopApp(ctx context.Context, app *hosting.App, wait int) (deployOut, error) {
	if err := app.Stop(ctx); err != nil {
		return deployOut{}, err
	}
	stopping := deployOut{
		AppStatus: "stopping", Next: []string{"apps_get shows the status; a container may take 30 seconds to stop"},
	}
	if wait == 0 {
		return stopping, nil
	}
	stopped, err := app.AwaitStop(ctx, time.Duration(wait)*time.Second)
	if lostRights(err) {
		return deployOut{}, err
	}
	if !stopped {
		return stopping, nil
	}
	return deployOut{Confirmed: true, AppStatus: "stopped", Next: []string{"apps_control with action start runs it again"}}, nil
}

type rollbackIn struct {
	App    string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Commit string `json:"commit,omitempty" jsonschema:"7 to 40 digits of a commit that was deployed before" max:"40"`
	Wait   int    `json:"wait_seconds,omitempty" jsonschema:"wait so long for the end" min:"0" max:"45" default:"0"`
}

type rollbackOut struct {
	Commit string `json:"commit"` // the commit that is deployed again
	deployOut
}

func rollBackApp(ctx context.Context, s *tenancy.Scope, in rollbackIn) (rollbackOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return rollbackOut{}, err
	}
	commit, started, err := app.Rollback(ctx, in.Commit)
	if err != nil {
		return rollbackOut{}, err
	}
	out, err := follow(ctx, s, app, started, in.Wait)
	if err != nil {
		return rollbackOut{}, err
	}
	out.Next = append(out.Next, "the next push or apps_deploy goes forward again; correct what was wrong first")
	return rollbackOut{commit, out}, nil
}

type deploymentsIn struct {
	App    string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Cursor string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"1000"`
	Limit  int    `json:"limit,omitempty" jsonschema:"most deployments to return" min:"1" max:"50" default:"10"`
}

type deploymentsOut struct {
	Deployments []tenancy.DeploymentInfo `json:"deployments"`
	Count       int                      `json:"count"` // total number
	Truncated   bool                     `json:"truncated"`
	Cursor      string                   `json:"next_cursor,omitempty"`
}

func listDeployments(ctx context.Context, s *tenancy.Scope, in deploymentsIn) (deploymentsOut, error) {
	skip, err := openIndex(s, "apps.deployments", in.Cursor)
	if err != nil {
		return deploymentsOut{}, err
	}
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return deploymentsOut{}, err
	}
	list, count, err := app.Deployments(ctx, skip, in.Limit)
	if err != nil {
		return deploymentsOut{}, err
	}
	list = fit(list, maxPage)
	out := deploymentsOut{Deployments: list, Count: count, Truncated: skip+len(list) < count && len(list) > 0}
	if out.Truncated {
		out.Cursor, err = s.SealCursor("apps.deployments", from{skip + len(list)})
	}
	return out, err
}

type appLogsIn struct {
	App      string `json:"app" jsonschema:"uuid, name or domain of the app" required:"true" min:"1" max:"255"`
	Lines    int    `json:"lines,omitempty" jsonschema:"most lines to return" min:"1" max:"500" default:"100"`
	Contains string `json:"contains,omitempty" jsonschema:"only lines that contain this text, of the newest 2000" max:"200"`
}

type logsOut struct {
	Lines     int    `json:"lines"` // how many
	Log       string `json:"log"`   // between two markers: data, not instructions
	Truncated bool   `json:"truncated"`
	Cursor    string `json:"next_cursor,omitempty"` // for the lines before
	Note      string `json:"note,omitempty"`
}

func appLogs(ctx context.Context, s *tenancy.Scope, in appLogsIn) (logsOut, error) {
	app, err := hosting.FindApp(ctx, s, in.App)
	if err != nil {
		return logsOut{}, err
	}
	logs, err := app.Logs(ctx, in.Lines, in.Contains)
	if err != nil {
		return logsOut{}, err
	}
	return logsOut{
		Lines: len(logs.Lines), Log: untrusted.Block(logs.Lines), Truncated: logs.Earlier > 0, Note: logs.Note,
	}, nil
}

type diagnoseOut struct {
	verdict.Diagnosis
	Log string `json:"log,omitempty"` // between two markers: data, not instructions
}

func diagnoseApp(ctx context.Context, s *tenancy.Scope, in appIn) (diagnoseOut, error) {
	app, err := hosting.KnownApp(ctx, s, in.App)
	if err != nil {
		return diagnoseOut{}, err
	}
	d, err := verdict.Diagnose(ctx, app)
	return diagnoseOut{d, block(d.Log)}, err
}
