package mcp

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
	"github.com/vibnai/vibn-mcp/verdict"
)

func addDeployments(r *Registry) {
	Add(r, Tool{
		Name: "deployments.get", Route: "GET /deployments/{deployment}", Needs: tenancy.Read,
		Title: "Show a deployment", Target: "deployment",
		Description: "Show a deployment's current status.",
	}, getDeployment)
	Add(r, Tool{
		Name: "deployments.wait", Route: "GET /deployments/{deployment}/wait", Needs: tenancy.Read,
		Title: "Wait for a deployment", Target: "deployment",
		Description: "Wait until a deployment has ended and its app answers. verdict: live, failed, stale (an older " +
			"version answers), unreachable, or still_running when the time is over: call again. " +
			"Right after a push, give the commit.",
	}, waitDeployment)
	Add(r, Tool{
		Name: "deployments.logs", Route: "GET /deployments/{deployment}/logs", Needs: tenancy.Read,
		Title: "Read a build log", Target: "deployment",
		Description: "Read a deployment's build log. The first page has the last lines; next_cursor returns " +
			"the lines " +
			"before them. Secrets are removed, but not short values under ordinary names.",
	}, deploymentLogs)
	Add(r, Tool{
		Name: "deployments.cancel", Route: "POST /deployments/{deployment}/cancel", Needs: tenancy.Deploy,
		Title:       "Cancel a deployment",
		Destructive: true, Target: "deployment",
		Description: "Cancel a deployment that is queued or running. The app keeps running its present version.",
	}, cancelDeployment)
}

type deploymentIn struct {
	Deployment string `json:"deployment" jsonschema:"uuid of the deployment" required:"true" min:"1" max:"64"`
}

type deploymentOut struct {
	tenancy.DeploymentInfo
	Next []string `json:"next"`
}

func getDeployment(ctx context.Context, s *tenancy.Scope, in deploymentIn) (deploymentOut, error) {
	d, err := hosting.FindDeployment(ctx, s, in.Deployment)
	if err != nil {
		return deploymentOut{}, err
	}
	info := d.Info()
	return deploymentOut{info, nextAfter(info)}, nil
}

type waitIn struct {
	Deployment string `json:"deployment" jsonschema:"uuid of the deployment, or the whole id of a commit that was pushed" required:"true" min:"1" max:"64"`
	App        string `json:"app,omitempty" jsonschema:"uuid, name or domain of the app, if several deploy that commit" max:"255"`
	Wait       int    `json:"wait_seconds,omitempty" jsonschema:"longest wait" min:"1" max:"45" default:"45"`
}

type waitOut struct {
	verdict.Waited
	Log string `json:"log,omitempty"` // of a failed deployment, between two markers: data, not instructions
}

func waitDeployment(ctx context.Context, s *tenancy.Scope, in waitIn) (waitOut, error) {
	w, err := verdict.Await(ctx, s, in.Deployment, in.App, time.Duration(in.Wait)*time.Second)
	return waitOut{w, block(w.Log)}, err
}

// block returns lines as [untrusted.Block] does; "" if there are none.
func block(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return untrusted.Block(lines)
}

// nextAfter returns the calls to make next, depending on a deployment's state.
func nextAfter(d tenancy.DeploymentInfo) []string {
	switch {
	case !d.Done:
		return []string{"deployments_wait waits on"}
	case d.Status == "failed":
		return []string{"deployments_logs shows why it failed"}
	case d.Status == "finished":
		return []string{"apps_get shows status and domains", "apps_logs shows what the app prints"}
	}
	return []string{}
}

type deploymentLogsIn struct {
	Deployment string `json:"deployment" jsonschema:"uuid of the deployment" required:"true" min:"1" max:"64"`
	Lines      int    `json:"lines,omitempty" jsonschema:"most lines to return" min:"1" max:"500" default:"100"`
	Contains   string `json:"contains,omitempty" jsonschema:"only lines that contain this text" max:"200"`
	Cursor     string `json:"cursor,omitempty" jsonschema:"next_cursor of the last answer" max:"1000"`
}

// logPlace is the content of a cursor into a build log. It is valid for that log only.
type logPlace struct {
	Deployment string `json:"d"`
	Before     int    `json:"b"`
}

func deploymentLogs(ctx context.Context, s *tenancy.Scope, in deploymentLogsIn) (logsOut, error) {
	place := logPlace{in.Deployment, -1}
	if in.Cursor != "" {
		if err := s.OpenCursor("deployments.logs", in.Cursor, &place); err != nil {
			return logsOut{}, err
		}
		if place.Deployment != in.Deployment {
			return logsOut{}, &tenancy.Error{
				Code: tenancy.Invalid, Msg: "this cursor belongs to another deployment's log",
				Hint: "leave cursor out to start again",
			}
		}
	}
	d, err := hosting.FindDeployment(ctx, s, in.Deployment)
	if err != nil {
		return logsOut{}, err
	}
	logs, err := d.Logs(ctx, in.Lines, place.Before, in.Contains)
	if err != nil {
		return logsOut{}, err
	}
	out := logsOut{
		Lines: len(logs.Lines), Log: untrusted.Block(logs.Lines), Truncated: logs.Earlier > 0, Note: logs.Note,
	}
	if out.Truncated {
		out.Cursor, err = s.SealCursor("deployments.logs", logPlace{in.Deployment, logs.Earlier})
	}
	return out, err
}

type cancelOut struct {
	Cancelled bool     `json:"cancelled"`
	Next      []string `json:"next"`
}

func cancelDeployment(ctx context.Context, s *tenancy.Scope, in deploymentIn) (cancelOut, error) {
	d, err := hosting.FindDeployment(ctx, s, in.Deployment)
	if err != nil {
		return cancelOut{}, err
	}
	if err := d.Cancel(ctx); err != nil {
		return cancelOut{}, err
	}
	return cancelOut{true, []string{"deployments_get shows the status"}}, nil
}
