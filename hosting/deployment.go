package hosting

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A Deployment is a deployment of an app in its Scope's workspace, as Coolify reported it
// when it was fetched. Creating the handle proved that the workspace owns it.
type Deployment struct {
	scope      *tenancy.Scope
	deployment tenancy.FoundDeployment
}

// FindDeployment finds a deployment by its uuid. A deployment of another workspace and
// one that does not exist give the same [NotFound] after the same requests.
func FindDeployment(ctx context.Context, s *tenancy.Scope, ref string) (*Deployment, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	id, err := tenancy.ParseDeployment(ref)
	if err != nil {
		return nil, err
	}
	return DeploymentByID(ctx, inside(s), id)
}

// DeploymentByID fetches a deployment afresh and proves that the workspace owns it.
func DeploymentByID(ctx context.Context, s tenancy.Inside, id coolify.UUID) (*Deployment, error) {
	found, ok, err := s.FindDeployment(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, tenancy.ErrNoDeployment
	}
	return &Deployment{s.Scope, found}, nil
}

// Info returns the fields of the deployment that a tenant may see.
func (d *Deployment) Info() tenancy.DeploymentInfo {
	app := d.deployment.Application
	return inside(d.scope).DeploymentInfo(d.deployment.Deployment, app.UUID.String(), app.Name)
}

// Deployments lists at most limit of the app's deployments, newest first, after skipping
// some. count is the total number.
func (a *App) Deployments(ctx context.Context, skip, limit int) (list []tenancy.DeploymentInfo, count int, err error) {
	if err := a.scope.Require(tenancy.Read); err != nil {
		return nil, 0, err
	}
	page, err := a.app.Calls.Deployments(ctx, skip, limit)
	if err != nil {
		return nil, 0, tenancy.UpstreamError("list the app's deployments", err)
	}
	list = []tenancy.DeploymentInfo{}
	for _, d := range page.Deployments[:min(len(page.Deployments), limit)] {
		list = append(list, inside(a.scope).DeploymentInfo(d, a.UUID(), a.app.Name))
	}
	return list, page.Count, nil
}

// MaxWait is the longest that [Wait] waits.
const MaxWait = 45 * time.Second

// Wait waits until the deployment has ended, for at most d and at most [MaxWait], and
// returns its state then. Package verdict says what the state means. Wait reads the
// principal's rights again before each poll and before the answer.
func Wait(ctx context.Context, s *tenancy.Scope, ref string, d time.Duration) (tenancy.DeploymentInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return tenancy.DeploymentInfo{}, err
	}
	id, err := tenancy.ParseDeployment(ref)
	if err != nil {
		return tenancy.DeploymentInfo{}, err
	}
	leave, err := inside(s).EnterWait()
	if err != nil {
		return tenancy.DeploymentInfo{}, err
	}
	defer leave()
	deployment, err := inside(s).Wait(ctx, id, min(d, MaxWait))
	if err != nil {
		return tenancy.DeploymentInfo{}, err
	}
	app := deployment.Application
	return inside(s).DeploymentInfo(deployment.Deployment, app.UUID.String(), app.Name), nil
}
