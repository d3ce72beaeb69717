package push

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// A Pusher deploys what was pushed to a project's repository, and reports the result to
// Gitea as a commit status.
//
// It compares each app's newest branch commit with the commit last decided on, and
// continues from there. So of several pushes the newest counts. A repeated delivery, a
// crash at any point and a concurrent process need no special handling.
type Pusher struct {
	guard      *tenancy.Guard
	Deliveries *Deliveries // of this process, which Sweep writes down; may be nil
}

// New returns a Pusher. Each check counts against the budget of its workspace.
func New(g *tenancy.Guard) *Pusher { return &Pusher{guard: g} }

const (
	// pushAgain is the wait before the next check of a deployment that Coolify has not
	// started.
	pushAgain = 5 * time.Second
	// pushVisits is how long an app that was just deployed has to answer.
	pushVisits = 20 * time.Second
	// doubtEvery is how many poll intervals lie between two looks at an app of which it is
	// not certain yet whether it runs.
	doubtEvery = 3
	// pushTrouble is the minimum wait before the next check if an app failed.
	pushTrouble = 15 * time.Second
)

// Push checks what was pushed to a project's repository and deploys it. Call it again
// after the returned time if that is not 0, and after an error. The error does not name
// the cause, which is in the log.
func (p *Pusher) Push(ctx context.Context, workspaceID, projectID string) (again time.Duration, err error) {
	for more := true; more; {
		if more, again, err = p.once(ctx, workspaceID, projectID); err != nil || again > 0 {
			break
		}
	}
	if err == nil {
		return again, nil
	}
	if e := tenancy.Public(err); again == 0 && e.Code == tenancy.RateLimited {
		again = max(e.RetryAfter, time.Second)
	}
	outside(p.guard).Log().WarnContext(
		ctx, "push not yet seen to", "workspace_id", workspaceID, "project_id", projectID, "err", p.guard.ForLog(err),
	)
	if again > 0 {
		return max(again, pushTrouble), nil
	}
	return 0, fmt.Errorf("look at a push: %s", tenancy.Public(err).Code)
}

// once checks all apps of the project once.
func (p *Pusher) once(ctx context.Context, workspaceID, projectID string) (more bool, again time.Duration, err error) {
	projects, err := dbOf(p.guard).Projects(ctx, workspaceID)
	if err != nil {
		return false, 0, tenancy.StoreError("list the projects", err)
	}
	i := slices.IndexFunc(projects, func(x tenancy.Project) bool { return x.ID == projectID })
	if i < 0 {
		return false, 0, nil
	}
	l := &pushLook{guard: p.guard, project: projects[i], heads: map[string]gitea.Commit{}}
	l.scope, err = p.open(ctx, workspaceID)
	if code := tenancy.Public(err).Code; err != nil && (code == tenancy.NotFound || code == tenancy.Forbidden) {
		more, err = l.finish(ctx) // deleted or suspended; a resumed workspace's repositories are checked again
		return more, 0, err
	}
	if err != nil {
		return false, 0, err
	}
	decided, again, err := l.lookAtAll(ctx)
	if !decided {
		return false, again, err
	}
	more, failed := l.finish(ctx)
	return more, again, errors.Join(err, failed)
}

// open opens a workspace's Scope for reading.
func (p *Pusher) open(ctx context.Context, workspaceID string) (*tenancy.Scope, error) {
	s, err := outside(p.guard).OpenHook(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	return s.Begin(ctx, tenancy.Call{Tool: "push", Needs: tenancy.Read})
}

// A pushLook is one check of a project.
type pushLook struct {
	guard   *tenancy.Guard
	scope   *tenancy.Scope // for reading
	project tenancy.Project
	opened  repository.Opened       // its bot is nil until the repository has been proved
	apps    map[string]*hosting.App // of the workspace, by uuid; nil until first used
	heads   map[string]gitea.Commit // by branch
}

// finish records that everything pushed before the check began has been handled.
func (l *pushLook) finish(ctx context.Context) (more bool, err error) {
	more, err = dbOf(l.guard).FinishPush(ctx, l.project.WorkspaceID, l.project.ID, l.project.PushWanted)
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return false, tenancy.StoreError("record that a push was seen to", err)
	}
	return more, nil
}

// lookAtAll checks each app, until Coolify's budget for the workspace is used up. decided is
// true if nothing that has been pushed so far still needs to be deployed.
func (l *pushLook) lookAtAll(ctx context.Context) (decided bool, again time.Duration, err error) {
	records, err := dbOf(l.guard).AppRecords(ctx, l.project.WorkspaceID)
	if err != nil {
		return false, 0, tenancy.StoreError("list the apps", err)
	}
	decided = true
	var troubles []error
	for _, rec := range records {
		if !rec.Follows(l.project) {
			continue
		}
		settled, wait, err := l.lookAtApp(ctx, rec)
		decided = decided && settled
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
		troubles = append(troubles, err)
		if err != nil && tenancy.Public(err).Code == tenancy.RateLimited {
			return false, again, errors.Join(troubles...) // the other apps have not been looked at
		}
	}
	return decided, again, errors.Join(troubles...)
}

// lookAtApp looks at one app: at its branch if something was pushed, and at its
// deployment until that has ended.
func (l *pushLook) lookAtApp(
	ctx context.Context, rec tenancy.AppRecord,
) (decided bool, again time.Duration, err error) {
	if l.project.PushDone < l.project.PushWanted || rec.Head == "" {
		if rec.Reported == verdict.PushPending {
			// it may have ended, which counts for more than what has been pushed since
			if rec, _, err = l.followDeployment(ctx, rec); err != nil {
				return false, 0, err
			}
		}
		if rec, again, err = l.decide(ctx, rec); err != nil || again > 0 {
			return false, again, err
		}
	}
	_, again, err = l.followDeployment(ctx, rec)
	return !errors.Is(err, errPhantom), again, err
}

// decide deploys the newest commit of the app's branch, unless it has already been
// decided on. It records the decision together with its result, so that after a crash in
// between the commit is decided on again.
func (l *pushLook) decide(ctx context.Context, rec tenancy.AppRecord) (tenancy.AppRecord, time.Duration, error) {
	app, err := l.find(ctx, rec.UUID)
	if err != nil || app == nil {
		return rec, 0, err
	}
	head, err := l.head(ctx, foundOf(app).GitBranch)
	if err != nil {
		return rec, 0, err
	}
	branch := rec.Branch
	rec.Branch = repository.KeptBranch(l.scope, foundOf(app).GitBranch)
	if head.SHA == "" || head.SHA == rec.Head {
		if rec.Branch == branch {
			return rec, 0, nil
		}
		return l.recordPush(ctx, rec, rec.Head, rec.Deployment, rec.Reported)
	}
	if skipsDeployment(head.Message) {
		return l.recordPush(ctx, rec, head.SHA, "", "")
	}
	newest, err := l.newestDeployment(ctx, app)
	switch {
	case err != nil:
		return rec, 0, err
	case newest.Commit == head.SHA: // another caller was faster, or this job before a crash
		return l.recordPush(ctx, rec, head.SHA, newest.UUID.String(), "")
	case !newest.UUID.IsZero() && !newest.Status.Terminal() && !isResolved(newest.Commit):
		return rec, pushAgain, nil // it resolves to this commit or an earlier one; Coolify queues no other until then
	}
	return l.deploy(ctx, rec, head.SHA)
}

// find returns an app of the workspace; nil if it does not exist. It lists the apps once
// per check, which costs as much as two single requests.
func (l *pushLook) find(ctx context.Context, uuid string) (*hosting.App, error) {
	if l.apps == nil {
		list, err := hosting.AllApps(ctx, inside(l.scope))
		if err != nil {
			return nil, err
		}
		l.apps = map[string]*hosting.App{}
		for _, a := range list {
			l.apps[a.UUID()] = a
		}
	}
	return l.apps[uuid], nil
}

// deploy requests a deployment and records it.
func (l *pushLook) deploy(
	ctx context.Context, rec tenancy.AppRecord, commit string,
) (tenancy.AppRecord, time.Duration, error) {
	started, err := l.start(ctx, rec, commit)
	if reason := tenancy.Public(err); err != nil && l.isFinalRefusal(ctx, reason) {
		failed := rec
		failed.Head = commit
		if err := l.postStatus(ctx, failed, verdict.PushFailure, reason.Msg); err != nil {
			return rec, 0, err
		}
		return l.recordPush(ctx, rec, commit, "", verdict.PushFailure)
	}
	if err != nil {
		return rec, 0, err
	}
	if started.Already || started.Deployment == "" {
		return rec, pushAgain, nil // it is not known yet which commit the running deployment builds
	}
	return l.recordPush(ctx, rec, commit, started.Deployment, "")
}

// start opens its own Scope, so that it does not deploy for a workspace that was
// suspended meanwhile.
func (l *pushLook) start(
	ctx context.Context, rec tenancy.AppRecord, commit string,
) (started hosting.Started, err error) {
	args, err := json.Marshal(map[string]string{"app": rec.Name, "commit": commit})
	if err != nil {
		return hosting.Started{}, err
	}
	s, err := outside(l.guard).OpenHook(ctx, l.project.WorkspaceID)
	if err != nil {
		return hosting.Started{}, err
	}
	if s, err = s.Begin(
		ctx, tenancy.Call{Tool: "apps.deploy", Needs: tenancy.Deploy, Client: "push", Target: rec.UUID, Args: args},
	); err != nil {
		return hosting.Started{}, err
	}
	defer func() { s.End(ctx, err) }()
	app, err := hosting.FindApp(ctx, s, rec.UUID)
	if err != nil {
		return hosting.Started{}, err
	}
	return app.Deploy(ctx, false)
}

// isFinalRefusal reports whether a deployment was refused because of the app's state, so that a
// retry is useless. The rules for shared hosts and the suspension of a workspace give the
// same code, so it checks the rights again.
func (l *pushLook) isFinalRefusal(ctx context.Context, e *tenancy.Error) bool {
	switch e.Code { //nolint:exhaustive // the others may pass
	case tenancy.Invalid, tenancy.Conflict:
		return true
	case tenancy.Forbidden:
		return l.scope.Prove(ctx) == nil
	}
	return false
}

// recordPush replaces the record of a push. If Gitea still shows the replaced commit as pending,
// recordPush reports that a newer push overtook it.
func (l *pushLook) recordPush(
	ctx context.Context, rec tenancy.AppRecord, head, deployment, reported string,
) (tenancy.AppRecord, time.Duration, error) {
	if rec.Reported == verdict.PushPending && head != rec.Head && head != "" {
		if err := l.postStatus(ctx, rec, verdict.PushOvertaken, "a newer push took its place"); err != nil {
			// it may not exist any more
			outside(l.guard).Log().InfoContext(
				ctx, "commit not told that it was overtaken", "workspace_id", rec.WorkspaceID, "app_id", rec.ID, "err",
				l.guard.ForLog(err),
			)
		}
	}
	next := rec
	next.Head, next.Deployment, next.Reported = head, deployment, reported
	switch {
	case !isOutcome(reported):
		next.ReportedAt = nil
	case !isOutcome(rec.Reported) || rec.Head != head:
		next.ReportedAt = new(inside(l.scope).Now())
	}
	err := dbOf(l.guard).SetAppPush(ctx, rec, next)
	if errors.Is(err, tenancy.ErrConflict) || errors.Is(err, tenancy.ErrNotFound) {
		return rec, time.Second, nil // another process changed the record, or the app is being deleted
	}
	if err != nil {
		return rec, 0, tenancy.StoreError("record a push", err)
	}
	return next, 0, nil
}

// errPhantom says that Coolify reported a deployment that does not exist: its queue was
// full, or the deployment has been deleted. The app is decided on again.
var errPhantom = &tenancy.Error{
	Code: tenancy.Unavailable, Msg: "Coolify reported a deployment that does not exist", Retryable: true,
}

// followDeployment reports a deployment's state to Gitea until it has ended. It finds running
// deployments in the shared poll.
func (l *pushLook) followDeployment(
	ctx context.Context, rec tenancy.AppRecord,
) (next tenancy.AppRecord, again time.Duration, err error) {
	if rec.Deployment == "" {
		return rec, 0, nil
	}
	if isOutcome(rec.Reported) {
		return l.watch(ctx, rec)
	}
	if rec.Reported == "" {
		if rec, again, err = l.report(ctx, rec, verdict.PushPending, "waits for its deployment"); err != nil ||
			again > 0 {
			return rec, again, err
		}
	}
	id, err := coolify.ParseUUID(rec.Deployment)
	if err != nil {
		return rec, 0, err
	}
	running, err := outside(l.guard).Running(ctx)
	if err != nil {
		return rec, 0, tenancy.UpstreamError("look at the running deployments", err)
	}
	if _, ok := running[id]; ok {
		return rec, inside(l.scope).PollEvery(), nil
	}
	d, err := hosting.DeploymentByID(ctx, inside(l.scope), id)
	if tenancy.IsNotFound(err) {
		if rec, again, err = l.recordPush(ctx, rec, "", "", ""); err == nil && again == 0 {
			err = errPhantom
		}
		return rec, again, err
	}
	if err != nil {
		return rec, 0, err
	}
	if !deploymentOf(d).Status.Terminal() {
		return rec, inside(l.scope).PollEvery(), nil
	}
	w, err := verdict.Judge(ctx, inside(l.scope), deploymentOf(d), time.Time{})
	if err != nil {
		return rec, 0, err
	}
	ended := deploymentOf(d).FinishedAt
	switch { // the app may be starting; this delays no other push
	case w.Verdict == verdict.VerdictStillRunning:
		return rec, doubtEvery * inside(l.scope).PollEvery(), nil
	case w.Verdict == verdict.VerdictUnreachable && ended != nil && inside(l.scope).Now().Sub(*ended) < pushVisits:
		return rec, inside(l.scope).PollEvery(), nil
	}
	state, why := outcome(w, rec, deploymentOf(d))
	if rec, again, err = l.report(ctx, rec, state, why); err == nil && again == 0 {
		again = watchFor(rec, inside(l.scope).Now(), deploymentOf(d))
	}
	return rec, again, err
}

// report writes a status for the recorded commit to Gitea, and then records it.
func (l *pushLook) report(
	ctx context.Context, rec tenancy.AppRecord, state, why string,
) (tenancy.AppRecord, time.Duration, error) {
	if err := l.postStatus(ctx, rec, state, why); err != nil {
		return rec, 0, err
	}
	return l.recordPush(ctx, rec, rec.Head, rec.Deployment, state)
}

// maxStatus limits the description of a commit's status, in bytes.
const maxStatus = 255

// postStatus writes a commit's status to Gitea, as the workspace's bot.
func (l *pushLook) postStatus(ctx context.Context, rec tenancy.AppRecord, state, why string) error {
	repo, err := l.repository(ctx)
	if err != nil {
		return err
	}
	if err := l.scope.Prove(ctx); err != nil {
		return err
	}
	why = l.scope.Text(why).String()
	status := gitea.Status{
		State: state, Context: "vibn/" + rec.Name, Description: strings.ToValidUTF8(why[:min(len(why), maxStatus)], ""),
	}
	if inside(l.scope).PublicURL() != nil {
		status.TargetURL = inside(l.scope).PublicURL().JoinPath("w", l.scope.Slug(), "apps", rec.UUID).String()
	}
	if err := repo.Bot.CreateStatus(
		ctx, repo.Owner, repo.Name, rec.Head, status,
	); err != nil {
		return repo.Failed(ctx, "write a commit's status", err)
	}
	return nil
}

// repository opens and proves the project's repository, once per check.
func (l *pushLook) repository(ctx context.Context) (repository.Opened, error) {
	if l.opened.Bot != nil {
		return l.opened, nil
	}
	var err error
	l.opened, err = repository.Open(ctx, inside(l.scope), l.project)
	return l.opened, err
}

// head returns the newest commit of a branch; a zero Commit if there is none.
func (l *pushLook) head(ctx context.Context, branch string) (gitea.Commit, error) {
	if c, ok := l.heads[branch]; ok {
		return c, nil
	}
	repo, err := l.repository(ctx)
	if err != nil {
		return gitea.Commit{}, err
	}
	c, err := repo.Head(ctx, branch)
	if err != nil && !errors.Is(err, gitea.ErrInvalid) { // no branch can have such a name
		return gitea.Commit{}, err
	}
	l.heads[branch] = c
	return c, nil
}

// fewDeployments is how many of an app's deployments are read, so that other kinds do not
// hide the newest build of its branch.
const fewDeployments = 10

// newestDeployment returns the newest deployment that builds the app's branch; a zero one if there
// is none.
func (l *pushLook) newestDeployment(ctx context.Context, app *hosting.App) (coolify.Deployment, error) {
	page, err := foundOf(app).Calls.Deployments(ctx, 0, fewDeployments)
	if err != nil {
		return coolify.Deployment{}, tenancy.UpstreamError("list the app's deployments", err)
	}
	for _, d := range page.Deployments {
		if d.PullRequestID == 0 && !d.RestartOnly && !d.Rollback {
			return d, nil
		}
	}
	return coolify.Deployment{}, nil
}

// isResolved reports whether Coolify has determined which commit it deploys.
func isResolved(commit string) bool { return cmp.Or(commit, "HEAD") != "HEAD" }

// skipsDeployment reports whether a commit message asks for no deployment, with the
// markers that Coolify's own webhook accepts.
func skipsDeployment(message string) bool {
	message = strings.ToLower(message)
	return strings.Contains(message, "[skip ci]") || strings.Contains(message, "[skip cd]")
}
