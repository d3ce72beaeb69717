package push

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// watchEvery is the wait between two looks at an app whose outcome was reported and may
// turn out to be another.
const watchEvery = 30 * time.Second

// isOutcome reports whether a state of a commit says how its deployment ended.
func isOutcome(reported string) bool {
	return reported == verdict.PushSuccess || reported == verdict.PushFailure
}

// outcome returns the state of a commit after a verdict, and why.
func outcome(w verdict.Waited, rec tenancy.AppRecord, d tenancy.FoundDeployment) (state, why string) {
	state, why = verdict.PushFailure, w.Reason
	switch {
	case w.Verdict == verdict.VerdictLive && d.Commit != rec.Head:
		why = "another commit was deployed: is the app kept at one?"
	case w.Verdict == verdict.VerdictLive:
		state = verdict.PushSuccess
	}
	if !w.FirstError.IsZero() {
		why += ": " + w.FirstError.String()
	}
	return state, why
}

// watchFor returns the wait before an outcome that was reported is looked at again; 0 if
// it is final. Only a deployment that finished can turn out otherwise.
func watchFor(rec tenancy.AppRecord, now time.Time, d tenancy.FoundDeployment) time.Duration {
	if rec.ReportedAt == nil || now.Sub(*rec.ReportedAt) >= verdict.Watch || d.Status != coolify.DeploymentFinished {
		return 0
	}
	return watchEvery
}

// watch looks again at the app of a commit whose outcome was reported less than ten
// minutes ago, and reports the new one if it turned out to be another: a container that
// crashes may live for some minutes, and one that starts slowly may need them.
func (l *pushLook) watch(
	ctx context.Context, rec tenancy.AppRecord,
) (next tenancy.AppRecord, again time.Duration, err error) {
	if rec.ReportedAt == nil || inside(l.scope).Now().Sub(*rec.ReportedAt) >= verdict.Watch {
		return rec, 0, nil
	}
	id, err := coolify.ParseUUID(rec.Deployment)
	if err != nil {
		return rec, 0, err
	}
	d, err := hosting.DeploymentByID(ctx, inside(l.scope), id)
	if tenancy.IsNotFound(err) {
		return rec, 0, nil
	}
	if err != nil {
		return rec, 0, err
	}
	again = watchFor(rec, inside(l.scope).Now(), deploymentOf(d))
	if again == 0 {
		return rec, 0, nil
	}
	w, err := verdict.Judge(ctx, inside(l.scope), deploymentOf(d), time.Time{})
	if err != nil {
		return rec, 0, err
	}
	state, why := outcome(w, rec, deploymentOf(d))
	if state == rec.Reported || w.Verdict == verdict.VerdictStillRunning || w.Verdict == verdict.VerdictStale {
		return rec, again, nil
	}
	if rec, wait, err := l.report(ctx, rec, state, why); err != nil || wait > 0 {
		return rec, wait, err
	}
	return rec, again, nil
}
