package hosting

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// rollbackDepth is how many of an app's newest deployments are searched for a commit to
// roll back to.
const rollbackDepth = 100

// Rollback deploys an earlier commit again, without a build if the host still has its
// image. With commit "" it takes the commit that was live before the running one.
// Otherwise it takes the commit that was live and whose hexadecimal id begins with commit
// (7 to 40 digits). The rules of [App.Deploy] apply. The app stays on
// its branch, so the next deployment goes forward again.
func (a *App) Rollback(ctx context.Context, commit string) (target string, started Started, err error) {
	if err := a.checkBuild(ctx); err != nil {
		return "", Started{}, err
	}
	page, err := a.app.Calls.Deployments(ctx, 0, rollbackDepth)
	if err != nil {
		return "", Started{}, tenancy.UpstreamError("list the app's deployments", err)
	}
	versions, err := db(a.scope).AppVersions(ctx, inside(a.scope).Workspace().ID, a.UUID())
	if err != nil {
		return "", Started{}, tenancy.StoreError("list the app's versions", err)
	}
	past := slices.DeleteFunc(page.Deployments, func(d coolify.Deployment) bool { return d.PullRequestID != 0 })
	if target, err = rollbackTarget(past, versions, strings.ToLower(commit)); err != nil {
		return "", Started{}, err
	}
	queued, err := a.app.Calls.Rollback(ctx, target)
	if err != nil {
		return "", Started{}, rollbackError(err)
	}
	started, err = a.startedDeployment(ctx, queued)
	return target, started, err
}

// These match whole and shortened commits. Coolify stores HEAD where it did not determine
// the commit.
var (
	wholeCommit = regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)
	shortCommit = regexp.MustCompile(`^[0-9a-f]{7,40}$`)
)

// rollbackTarget finds the commit to roll back to among an app's deployments, which are
// sorted newest first. A deployment that finished need not have been live: Coolify
// finishes that of an app whose container ends at once. So a commit counts only if it is
// recorded as live, or older than the records.
func rollbackTarget(past []coolify.Deployment, versions []AppVersion, commit string) (string, error) {
	good := slices.DeleteFunc(slices.Clone(past), func(d coolify.Deployment) bool {
		return d.Status != coolify.DeploymentFinished || !wholeCommit.MatchString(d.Commit)
	})
	runs := ""
	if len(good) > 0 {
		runs = good[0].Commit
	}
	good = slices.DeleteFunc(good, func(d coolify.Deployment) bool { return !wasLive(d, versions) })
	if commit != "" {
		return namedCommit(good, commit)
	}
	// A caller that repeats a request whose answer was lost must not go back twice.
	if slices.ContainsFunc(past, func(d coolify.Deployment) bool { return !d.Status.Terminal() }) {
		return "", &tenancy.Error{
			Code: tenancy.Conflict,
			Msg:  "a deployment of this app is queued or running, so what runs is about to change",
			Hint: "deployments_wait for it or deployments_cancel it, then call again; or name the commit",
		}
	}
	if target := previousCommit(good, runs); target != "" {
		return target, nil
	}
	return "", &tenancy.Error{
		Code: tenancy.Conflict,
		Msg: "among the app's last 100 deployments, no other commit is known to have been live before the " +
			"one that runs now",
		Hint: "push a commit that corrects what is wrong",
	}
}

// wasLive reports whether the commit of a deployment that finished was live: by the
// records or, if it is older than they are, as far as can be known.
func wasLive(d coolify.Deployment, versions []AppVersion) bool {
	for _, v := range versions {
		if v.Commit == d.Commit {
			return v.Live
		}
	}
	return len(versions) == 0 || d.CreatedAt.Before(versions[len(versions)-1].At)
}

// previousCommit returns the commit deployed before the one that runs, as far as it was
// live. It searches only deployments that went forward: after a rollback, the newest other
// deployment is the commit that was rolled back from.
func previousCommit(good []coolify.Deployment, runs string) string {
	forward := slices.DeleteFunc(
		slices.Clone(good), func(d coolify.Deployment) bool { return d.Rollback || d.RestartOnly },
	)
	from := max(slices.IndexFunc(forward, func(d coolify.Deployment) bool { return d.Commit == runs }), 0)
	for _, d := range forward[from:] {
		if d.Commit != runs {
			return d.Commit
		}
	}
	return ""
}

func namedCommit(good []coolify.Deployment, commit string) (string, error) {
	if !shortCommit.MatchString(commit) {
		return "", &tenancy.Error{
			Code: tenancy.Invalid, Msg: "a commit is given as 7 to 40 hexadecimal digits",
			Hint: "apps_deployments shows the commits that were deployed",
		}
	}
	found := ""
	for _, d := range good {
		switch {
		case !strings.HasPrefix(d.Commit, commit) || d.Commit == found:
		case found != "":
			return "", &tenancy.Error{
				Code: tenancy.Conflict, Msg: "several deployed commits begin with these digits",
				Hint: "give more digits",
			}
		default:
			found = d.Commit
		}
	}
	if found == "" {
		return "", &tenancy.Error{
			Code: tenancy.NotFound, Msg: "that commit is not known to have been live, among the app's last " +
				"100 deployments",
			Hint: "apps_deployments shows what was deployed; push to deploy another commit",
		}
	}
	return found, nil
}

func rollbackError(err error) error {
	switch {
	case errors.Is(err, coolify.ErrQueueFull):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "Coolify's queue is full, so nothing was queued",
			Hint:      "wait for running deployments to end, then call again",
			Retryable: true, RetryAfter: time.Minute, Err: err,
		}
	case errors.Is(err, coolify.ErrRouteMissing):
		return &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "this platform's Coolify cannot roll back: that needs version 4.3",
			Err:  err,
			Hint: "push a commit that reverts the change, or ask the operator to update Coolify",
		}
	}
	return tenancy.UpstreamError("roll the app back", err)
}
