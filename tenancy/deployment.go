package tenancy

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Deployment is a deployment that was proved to be of an app in its Scope's
// workspace, as Coolify knew it at that moment.
type Deployment struct {
	scope *Scope
	is    FoundDeployment
}

// DeploymentInfo is what a tenant may know of a deployment.
type DeploymentInfo struct {
	UUID       string         `json:"uuid"`
	App        string         `json:"app,omitempty"` // uuid
	AppName    untrusted.Text `json:"app_name,omitzero"`
	Status     string         `json:"status"` // queued, in_progress, finished, failed, cancelled-by-user
	Done       bool           `json:"done"`   // the status is final
	Commit     untrusted.Text `json:"commit,omitzero"`
	Message    untrusted.Text `json:"commit_message,omitzero"`
	Trigger    string         `json:"trigger"` // api, push or other
	Force      bool           `json:"force,omitempty"`
	Restart    bool           `json:"restart,omitempty"`  // containers only, no build
	Rollback   bool           `json:"rollback,omitempty"` // to an earlier image
	Preview    int            `json:"pull_request,omitempty"`
	CreatedAt  string         `json:"created_at,omitempty"` // RFC 3339, UTC
	FinishedAt string         `json:"finished_at,omitempty"`
}

var errNoDeployment = &Error{
	Code: NotFound, Msg: "no such deployment in this workspace",
	Hint: "apps_deployments lists an app's deployments; one that Coolify just named may not exist when its queue is full",
}

// Deployment finds a deployment by its uuid. One of another workspace and one
// that does not exist are the same [NotFound] after the same requests.
func (s *Scope) Deployment(ctx context.Context, ref string) (*Deployment, error) {
	if err := s.need(Read); err != nil {
		return nil, err
	}
	id, err := deploymentID(ref)
	if err != nil {
		return nil, err
	}
	return s.deployment(ctx, id)
}

// deployment fetches a deployment afresh and proves that it is the workspace's own.
func (s *Scope) deployment(ctx context.Context, id coolify.UUID) (*Deployment, error) {
	is, ok, err := s.findDeployment(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoDeployment
	}
	return &Deployment{s, is}, nil
}

// Info returns what may be told of the deployment.
func (d *Deployment) Info() DeploymentInfo {
	return d.scope.deploymentInfo(d.is.Deployment, d.is.Application.UUID.String(), d.is.Application.Name)
}

func (s *Scope) deploymentInfo(d coolify.Deployment, app, appName string) DeploymentInfo {
	info := DeploymentInfo{
		UUID: d.UUID.String(), App: app, AppName: s.text(appName), Status: s.text(string(d.Status)).String(),
		Done: d.Status.Terminal(), Commit: s.text(d.Commit), Message: s.text(d.CommitMessage), Trigger: "other",
		Force: d.ForceRebuild, Restart: d.RestartOnly, Rollback: d.Rollback, Preview: d.PullRequestID,
	}
	switch {
	case d.IsWebhook:
		info.Trigger = "push"
	case d.IsAPI:
		info.Trigger = "api"
	}
	if !d.CreatedAt.IsZero() {
		info.CreatedAt = d.CreatedAt.UTC().Format(timeFormat)
	}
	if d.FinishedAt != nil {
		info.FinishedAt = d.FinishedAt.UTC().Format(timeFormat)
	}
	return info
}

// Deployments lists the app's deployments, newest first, after skipping some;
// count is how many there are in all.
func (a *App) Deployments(ctx context.Context, skip, limit int) (list []DeploymentInfo, count int, err error) {
	if err := a.scope.need(Read); err != nil {
		return nil, 0, err
	}
	page, err := a.is.Calls.Deployments(ctx, skip, limit)
	if err != nil {
		return nil, 0, upstream("list the app's deployments", err)
	}
	list = []DeploymentInfo{}
	for _, d := range page.Deployments[:min(len(page.Deployments), limit)] {
		list = append(list, a.scope.deploymentInfo(d, a.UUID(), a.is.Name))
	}
	return list, page.Count, nil
}

// MaxWait is the longest that [Scope.Wait] waits.
const MaxWait = 45 * time.Second

// Wait waits until the deployment has ended, for at most d (and [MaxWait]), and
// returns what is known of it then; [Scope.Verdict] says what that means. The
// principal's rights are read again before each look and before the answer.
func (s *Scope) Wait(ctx context.Context, ref string, d time.Duration) (DeploymentInfo, error) {
	if err := s.need(Read); err != nil {
		return DeploymentInfo{}, err
	}
	id, err := deploymentID(ref)
	if err != nil {
		return DeploymentInfo{}, err
	}
	leave, err := s.guard.budget.enterWait(s.grant.workspace.ID)
	if err != nil {
		return DeploymentInfo{}, err
	}
	defer leave()
	is, err := s.wait(ctx, id, min(d, MaxWait))
	if err != nil {
		return DeploymentInfo{}, err
	}
	return s.deploymentInfo(is.Deployment, is.Application.UUID.String(), is.Application.Name), nil
}
