package tenancy

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
)

// A Deployment is a deployment that was proved to be of an app in its Scope's
// workspace, as Coolify knew it at that moment.
type Deployment struct {
	scope *Scope
	is    FoundDeployment
}

// Deployment finds a deployment by its uuid. One of another workspace and one
// that does not exist are the same [NotFound] after the same requests.
func (s *Scope) Deployment(ctx context.Context, ref string) (*Deployment, error) {
	if err := s.Require(Read); err != nil {
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
	is, ok, err := inside(s).FindDeployment(ctx, id)
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
	return inside(d.scope).DeploymentInfo(d.is.Deployment, d.is.Application.UUID.String(), d.is.Application.Name)
}

// Deployments lists the app's deployments, newest first, after skipping some;
// count is how many there are in all.
func (a *App) Deployments(ctx context.Context, skip, limit int) (list []DeploymentInfo, count int, err error) {
	if err := a.scope.Require(Read); err != nil {
		return nil, 0, err
	}
	page, err := a.is.Calls.Deployments(ctx, skip, limit)
	if err != nil {
		return nil, 0, upstream("list the app's deployments", err)
	}
	list = []DeploymentInfo{}
	for _, d := range page.Deployments[:min(len(page.Deployments), limit)] {
		list = append(list, inside(a.scope).DeploymentInfo(d, a.UUID(), a.is.Name))
	}
	return list, page.Count, nil
}

// MaxWait is the longest that [Scope.Wait] waits.
const MaxWait = 45 * time.Second

// Wait waits until the deployment has ended, for at most d (and [MaxWait]), and
// returns what is known of it then; [Scope.Verdict] says what that means. The
// principal's rights are read again before each look and before the answer.
func (s *Scope) Wait(ctx context.Context, ref string, d time.Duration) (DeploymentInfo, error) {
	if err := s.Require(Read); err != nil {
		return DeploymentInfo{}, err
	}
	id, err := deploymentID(ref)
	if err != nil {
		return DeploymentInfo{}, err
	}
	leave, err := inside(s).EnterWait()
	if err != nil {
		return DeploymentInfo{}, err
	}
	defer leave()
	is, err := inside(s).Wait(ctx, id, min(d, MaxWait))
	if err != nil {
		return DeploymentInfo{}, err
	}
	return inside(s).DeploymentInfo(is.Deployment, is.Application.UUID.String(), is.Application.Name), nil
}
