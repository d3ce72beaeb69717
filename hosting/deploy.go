package hosting

import (
	"context"
	"errors"
	"slices"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Started is the result of requesting a deployment.
type Started struct {
	Deployment string // uuid; empty if Coolify named none
	Already    bool   // nothing new was queued: this commit is queued or running already
}

// Deploy queues a deployment of the app; force builds without the cache. On a shared host
// it checks each time whether the app, as it is now, could reach the host, and refuses if
// so. When its queue is full, Coolify may report a deployment that does not exist; only
// [Wait] confirms it.
func (a *App) Deploy(ctx context.Context, force bool) (Started, error) {
	if err := a.checkBuild(ctx); err != nil {
		return Started{}, err
	}
	if err := a.refuseWithoutCode(ctx); err != nil {
		return Started{}, err
	}
	queued, err := a.app.Calls.Start(ctx, force)
	if err != nil {
		return Started{}, tenancy.UpstreamError("deploy the app", err)
	}
	return a.startedDeployment(ctx, queued)
}

// refuseWithoutCode refuses to deploy an app whose project's repository was deleted: the
// deployment could only fail. Where Gitea does not tell, Coolify finds out.
func (a *App) refuseWithoutCode(ctx context.Context) error {
	if inside(a.scope).GiteaReady() != nil {
		return nil //nolint:nilerr // without a Gitea there is no repository to look at
	}
	workspace := inside(a.scope).Workspace().ID
	apps, err := db(a.scope).AppRecords(ctx, workspace)
	if err != nil {
		return tenancy.StoreError("find the app", err)
	}
	i := slices.IndexFunc(apps, func(r tenancy.AppRecord) bool { return r.UUID == a.app.UUID.String() })
	if i < 0 {
		return nil
	}
	projects, err := db(a.scope).Projects(ctx, workspace)
	if err != nil {
		return tenancy.StoreError("list the projects", err)
	}
	p := slices.IndexFunc(projects, func(p tenancy.Project) bool {
		return p.ID == apps[i].ProjectID && p.RepositoryID != 0
	})
	if p < 0 {
		return nil
	}
	if _, err := repository.Open(ctx, inside(a.scope), projects[p]); errors.Is(err, repository.ErrDeleted) {
		return err
	}
	return nil
}

// Restart restarts the app's containers. It builds if the image is gone, so the rules of
// [App.Deploy] apply.
func (a *App) Restart(ctx context.Context) (Started, error) {
	if err := a.checkBuild(ctx); err != nil {
		return Started{}, err
	}
	queued, err := a.app.Calls.Restart(ctx)
	if err != nil {
		return Started{}, tenancy.UpstreamError("restart the app", err)
	}
	return a.startedDeployment(ctx, queued)
}

// Stop queues a stop of the app's containers. Coolify's answer is the same if they are
// already stopped.
func (a *App) Stop(ctx context.Context) error {
	if err := a.scope.Require(tenancy.Deploy); err != nil {
		return err
	}
	if err := a.app.Calls.Stop(ctx); err != nil {
		return tenancy.UpstreamError("stop the app", err)
	}
	return nil
}

// checkBuild checks the app as this call fetched it, and its current variables.
func (a *App) checkBuild(ctx context.Context) error {
	if err := a.scope.Require(tenancy.Deploy); err != nil {
		return err
	}
	placement := inside(a.scope).Workspace().Placement
	if !sharesBuildHost(placement, a.app.Application) {
		return nil
	}
	if err := refuseDeploy(placement, a.app.Application, nil); err != nil {
		return err
	}
	envs, err := a.presentRows(ctx)
	if err != nil {
		return err
	}
	return refuseDeploy(placement, a.app.Application, envs)
}

// startedDeployment returns the running deployment's uuid when Coolify queued no new one.
func (a *App) startedDeployment(ctx context.Context, q coolify.Queued) (Started, error) {
	if !q.Skipped && !q.Deployment.IsZero() {
		inside(a.scope).Announce(a.app, q.Deployment)
		return Started{Deployment: q.Deployment.String()}, nil
	}
	page, err := a.app.Calls.Deployments(ctx, 0, 5)
	if err != nil {
		return Started{Already: true}, nil //nolint:nilerr // the start itself was answered; only its name is not known
	}
	for _, d := range page.Deployments {
		if !d.Status.Terminal() {
			return Started{Deployment: d.UUID.String(), Already: true}, nil
		}
	}
	return Started{Already: true}, nil
}

var errNotCancellable = &tenancy.Error{
	Code: tenancy.Conflict, Msg: "this deployment has ended and cannot be cancelled",
	Hint: "deployments_get shows how it ended",
}

// Cancel stops a deployment that is queued or running. It returns a Conflict if the
// deployment has ended.
func (d *Deployment) Cancel(ctx context.Context) error {
	if err := d.scope.Require(tenancy.Deploy); err != nil {
		return err
	}
	err := d.deployment.Calls.Cancel(ctx)
	if errors.Is(err, coolify.ErrNotCancellable) {
		return errNotCancellable
	}
	if err != nil {
		return tenancy.UpstreamError("cancel the deployment", err)
	}
	return nil
}
