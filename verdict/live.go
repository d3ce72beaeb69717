package verdict

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// lookBack finds out whether a version of the app was live before a deployment, if that
// matters.
func (o *observation) lookBack(ctx context.Context, a *hosting.App, deployment coolify.UUID) error {
	if o.status == coolify.DeploymentFinished || o.status != "" && !o.status.Terminal() || !o.serves() {
		return nil
	}
	had, err := hadVersion(ctx, a, deployment)
	o.had = had
	return err
}

// hadVersion reports whether a version of the app was live before a deployment: by our own
// records or, where there are none, because Coolify deployed one well.
func hadVersion(ctx context.Context, a *hosting.App, deployment coolify.UUID) (bool, error) {
	s := scopeOf(a)
	versions, err := db(s).AppVersions(ctx, inside(s).Workspace().ID, a.UUID())
	if err != nil {
		return false, tenancy.StoreError("list the app's versions", err)
	}
	if slices.ContainsFunc(versions, func(v hosting.AppVersion) bool { return v.Live }) {
		return true, nil
	}
	page, err := foundOf(a).Calls.Deployments(ctx, 0, readDeploys)
	if err != nil {
		return false, tenancy.UpstreamError("list the app's deployments", err)
	}
	return slices.ContainsFunc(page.Deployments, func(d coolify.Deployment) bool {
		judged := slices.ContainsFunc(versions, func(v hosting.AppVersion) bool { return v.Deployment == d.UUID.String() })
		return d.Status == coolify.DeploymentFinished && d.PullRequestID == 0 && d.UUID != deployment && !judged
	}), nil
}

// Watch is how long after its deployment a verdict may turn out to be wrong. A version
// that crashes later was live all the same.
const Watch = 10 * time.Minute

// remember records whether the version that a deployment deployed is live. That nothing
// answers at a domain, or that the app was stopped, is no reason to say that it is not.
func remember(ctx context.Context, a *hosting.App, o observation, d coolify.Deployment, v Verdict) error {
	s, live := scopeOf(a), v == VerdictLive
	late := d.FinishedAt != nil && inside(s).Now().Sub(*d.FinishedAt) > Watch
	if d.Status != coolify.DeploymentFinished || d.PullRequestID != 0 || o.commit == "" ||
		!live && (v != VerdictUnreachable || !o.crashes() || late) {
		return nil
	}
	err := db(s).RecordVersion(ctx, inside(s).Workspace().ID, a.UUID(), hosting.AppVersion{
		Commit: o.commit, Deployment: d.UUID.String(), Live: live, At: inside(s).Now(),
	})
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("record whether a version is live", err)
	}
	return nil
}
