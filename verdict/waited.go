package verdict

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// DeploymentState is a deployment in short; [tenancy.DeploymentInfo] has the rest.
type DeploymentState struct {
	UUID   string         `json:"uuid,omitempty"`
	App    string         `json:"app,omitempty"`    // uuid
	Status string         `json:"status,omitempty"` // queued, in_progress, finished, failed, cancelled-by-user
	Done   bool           `json:"done"`             // the status is final
	Commit untrusted.Text `json:"commit,omitzero"`
}

// Waited is the result of a wait.
type Waited struct {
	Judgement
	DeploymentState
	Next []string `json:"next"` // calls to make
	// Log is the first error of a failed deployment with two lines before it, and the last
	// lines of its log: at most 2 KB, for [untrusted.Block].
	Log []string `json:"-"`
}

const (
	// maxVisits limits how often a wait probes an app that does not answer yet.
	maxVisits = 4
	// comingUp is how long after its deployment an app gets time to answer, and Coolify
	// to notice what became of its container.
	comingUp = time.Minute
	// doubtEvery is how many poll intervals lie between two probes of an app whose answer
	// may be the proxy's: each of them asks Coolify too.
	doubtEvery = 3
)

// Await waits as [hosting.Wait] does and judges the deployment. ref is the deployment's
// uuid, or the whole id of a pushed commit. For a commit it first waits until a push of
// that commit has queued a deployment of an app that vibn-mcp created. app names that
// app. It may be empty unless several apps deploy the commit, which is a [Conflict]. A
// deployment of another app is [NotFound].
func Await(ctx context.Context, s *tenancy.Scope, ref, app string, d time.Duration) (Waited, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return Waited{}, err
	}
	leave, err := inside(s).EnterWait()
	if err != nil {
		return Waited{}, err
	}
	defer leave()
	until := time.Now().Add(min(d, hosting.MaxWait))
	of := ""
	if app != "" {
		a, err := hosting.FindApp(ctx, s, app)
		if err != nil {
			return Waited{}, err
		}
		of = a.UUID()
	}
	if commitForm.MatchString(ref) {
		found, answer, err := awaitPush(ctx, s, ref, of, until)
		if err != nil || found == "" {
			return answer, err
		}
		ref = found
	}
	id, err := tenancy.ParseDeployment(ref)
	if err != nil {
		return Waited{}, err
	}
	deployment, err := inside(s).Wait(ctx, id, time.Until(until))
	if err != nil {
		return Waited{}, err
	}
	if of != "" && deployment.Application.UUID.String() != of {
		return Waited{}, tenancy.ErrNoDeployment
	}
	return Judge(ctx, inside(s), deployment, until)
}

// awaitPush waits until a deployment of a pushed commit is recorded, and returns its
// uuid. If the wait ends without one, it returns the answer to give.
func awaitPush(
	ctx context.Context, s *tenancy.Scope, commit, app string, until time.Time,
) (deployment string, answer Waited, err error) {
	again := time.NewTicker(inside(s).PollEvery())
	defer again.Stop()
	end := time.NewTimer(time.Until(until))
	defer end.Stop()
	search := &commitSearch{Scope: s, commit: commit}
	for {
		records, err := AppRecords(ctx, inside(s), app)
		if err != nil {
			return "", Waited{}, err
		}
		at := slices.Collect(func(yield func(tenancy.AppRecord) bool) {
			for _, r := range records {
				if r.Head == commit && !yield(r) {
					return
				}
			}
		})
		switch {
		case len(at) > 1:
			return "", Waited{}, severalDeployError(s, at)
		case len(at) == 1 && at[0].Deployment != "":
			return at[0].Deployment, Waited{}, nil
		case len(at) == 1:
			return answerUndeployed(ctx, s, at[0])
		}
		if err := search.look(ctx, records); err != nil {
			return "", Waited{}, err
		}
		if search.newer.head != "" {
			return search.answerOvertaken(ctx)
		}
		inside(s).Looked(tenancy.DeploymentInfo{UUID: short(commit), Status: "waiting for its push to arrive"})
		select {
		case <-again.C:
		case <-end.C:
			return search.answerUnseen(ctx, records)
		case <-inside(s).Closing():
			return search.answerUnseen(ctx, records)
		case <-ctx.Done():
			return "", Waited{}, tenancy.UpstreamError("wait for the push", ctx.Err())
		}
		if err := s.Prove(ctx); err != nil {
			return "", Waited{}, err
		}
	}
}

// AppRecords lists the apps that vibn-mcp created and that exist on Coolify, except those
// marked for deletion: all, or the one with a uuid.
func AppRecords(ctx context.Context, s tenancy.Inside, app string) ([]tenancy.AppRecord, error) {
	records, err := db(s.Scope).AppRecords(ctx, s.Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the apps", err)
	}
	return slices.DeleteFunc(records, func(r tenancy.AppRecord) bool {
		return r.DeletingAt != nil || r.UUID == "" || (app != "" && r.UUID != app)
	}), nil
}

func severalDeployError(s *tenancy.Scope, records []tenancy.AppRecord) error {
	var names []string
	for _, r := range records[:min(len(records), 10)] {
		names = append(names, s.Text(r.Name).String()+" ("+r.UUID+")")
	}
	return &tenancy.Error{
		Code: tenancy.Conflict, Msg: "several apps of this workspace deploy that commit: " + strings.Join(names, ", "),
		Hint: "name one of them with app",
	}
}

// answerUndeployed answers a wait for a commit that the push job decided not to deploy, and
// says why. A caller may have deployed it without a push, so it first looks for that
// deployment.
func answerUndeployed(
	ctx context.Context, s *tenancy.Scope, r tenancy.AppRecord,
) (deployment string, answer Waited, err error) {
	if deployment, err = recentDeploymentOf(ctx, s, r, r.Head); err != nil || deployment != "" {
		return deployment, Waited{}, err
	}
	w := Waited{Next: []string{"apps_deploy builds the branch's newest commit"}}
	w.Verdict, w.Commit = VerdictFailed, s.Text(r.Head)
	w.Reason = "this commit was not deployed: it is older than the app, or its message says [skip ci]"
	if r.Reported == PushFailure {
		w.Reason = "the app's present settings may not be deployed, so this push was not deployed"
		w.Next = []string{"apps_deploy says what prevents it", "apps_diagnose looks at the app"}
	}
	return "", w, s.Prove(ctx)
}

// recentDeploymentOf finds an app's last deployment of a commit among its 10 newest; "" if there is
// none.
func recentDeploymentOf(
	ctx context.Context, s *tenancy.Scope, r tenancy.AppRecord, commit string,
) (deployment string, err error) {
	app, err := inside(s).AppOfRecord(r)
	if err != nil {
		return "", nil //nolint:nilerr // it has deployed nothing
	}
	page, err := app.Deployments(ctx, 0, 10)
	if err != nil {
		return "", tenancy.UpstreamError("list the app's deployments", err)
	}
	for _, d := range page.Deployments {
		if d.Commit == commit {
			return d.UUID.String(), nil
		}
	}
	return "", nil
}

// Judge returns the verdict on a deployment, and records whether the version that it
// deployed is live. It waits until the given time for an app that was just deployed to
// answer. It reads the principal's rights again before each poll and before the answer.
func Judge(ctx context.Context, s tenancy.Inside, d tenancy.FoundDeployment, until time.Time) (Waited, error) {
	app := hosting.Handle(s, d.App)
	x := observation{status: d.Status, commit: whole(d.Commit)}
	if d.Status == coolify.DeploymentFinished {
		wanted, project, err := wanted(ctx, s.Scope, d.Deployment)
		if err != nil {
			return Waited{}, err
		}
		x.wanted = wanted
		if x.otherCommit() && whole(d.Application.GitCommitSHA) == "" {
			x.overtaken = contains(ctx, s.Scope, project, d.Application.GitRepository, x.commit, x.wanted)
		}
	}
	x.settling, x.stuck = settles(s, d.Deployment), isStuck(d.Deployment, s.Now())
	if !x.settling {
		until = time.Time{}
	}
	if err := visitUntil(ctx, app, &x, d.Deployment, until); err != nil {
		return Waited{}, err
	}
	if err := x.lookBack(ctx, app, d.UUID); err != nil {
		return Waited{}, err
	}
	w := Waited{Judgement: x.judge(), DeploymentState: shortState(s.Scope, d.Deployment)}
	if d.Status == coolify.DeploymentFailed {
		failureLog(ctx, s.Scope, d, &w)
	}
	w.Next = x.next(w.Verdict)
	if err := remember(ctx, app, x, d.Deployment, w.Verdict); err != nil {
		return Waited{}, err
	}
	return w, s.Prove(ctx)
}

// shortState returns a deployment in short.
func shortState(s *tenancy.Scope, d coolify.Deployment) DeploymentState {
	return DeploymentState{
		UUID: d.UUID.String(), App: d.Application.UUID.String(), Status: s.Text(string(d.Status)).String(),
		Done: d.Status.Terminal(), Commit: s.Text(d.Commit),
	}
}

// settles reports whether a deployment ended so recently that its app may still be
// starting, and Coolify may not have noticed what became of its container. Coolify reports
// when a deployment ended some time after it did.
func settles(s tenancy.Inside, d coolify.Deployment) bool {
	if d.FinishedAt == nil {
		return true
	}
	return s.Now().Sub(*d.FinishedAt).Abs() < comingUp
}

// visitUntil adds the app's response at its domain to an observation. It polls again,
// until a given time, while the result may improve: a few times if nothing answers, and
// more slowly for as long as it is uncertain what the answer means.
func visitUntil(
	ctx context.Context, a *hosting.App, o *observation, d coolify.Deployment, until time.Time,
) error {
	s := inside(scopeOf(a))
	for visits := 1; ; visits++ {
		visit(ctx, a, o, d.PullRequestID != 0)
		hosting.KeepCrashLog(ctx, a)
		every := s.PollEvery()
		if o.undecided() {
			every *= doubtEvery
		}
		if !o.mayMend() || visits >= maxVisits && !o.undecided() || time.Until(until) < every {
			return nil
		}
		if on, err := hosting.Pause(ctx, scopeOf(a), every, "wait for the app to answer"); err != nil || !on {
			return err
		}
		o.settling = settles(s, d)
		now, err := hosting.AppByID(ctx, s, foundOf(a).UUID) // only Coolify knows the state
		if tenancy.Public(err).Code == tenancy.RateLimited {
			return nil // the next wait looks again; what is uncertain is said to be
		}
		if err != nil {
			return err
		}
		a = now
	}
}

// visit probes the first domain of an app whose deployment has ended.
func visit(ctx context.Context, a *hosting.App, o *observation, preview bool) {
	o.appStatus, o.restarts = foundOf(a).Status, foundOf(a).Restarts
	site := siteOf(foundOf(a).FQDN)
	switch {
	case o.status != "" && !o.status.Terminal():
		return
	case preview:
		o.unprobed = "the domain of a preview is not probed"
	case site == nil:
		o.unprobed = "it has no domain, so none was probed"
	case inside(scopeOf(a)).Prober() == nil:
		o.unprobed = "this server probes no domains"
	default:
		o.url, o.seen = scopeOf(a).Text(site.String()).String(), inside(scopeOf(a)).Prober().Get(ctx, site)
	}
}

// wanted returns the commit that should have been deployed; "" if it is unknown. For a
// rollback, a restart and a preview it is "", because they deploy what they name. project
// is the id of the project from which the app is built; "" if vibn-mcp did not create the
// app.
func wanted(ctx context.Context, s *tenancy.Scope, d coolify.Deployment) (commit, project string, err error) {
	if d.Rollback || d.RestartOnly || d.PullRequestID != 0 {
		return "", "", nil
	}
	app := d.Application
	if pinned := whole(app.GitCommitSHA); pinned != "" {
		return pinned, "", nil
	}
	records, err := AppRecords(ctx, inside(s), app.UUID.String())
	if err != nil {
		return "", "", err
	}
	for _, r := range records {
		project = r.ProjectID
		if r.Deployment == d.UUID.String() {
			return whole(r.Head), project, nil
		}
	}
	head, err := wantedHead(ctx, s, project, app.GitRepository, app.GitBranch)
	if err != nil {
		inside(s).Log().WarnContext(
			ctx, "head of a branch not read", "workspace", inside(s).Workspace().Slug, "err", s.ForLog(err),
		)
		return "", project, nil // an unknown commit is not compared
	}
	return head, project, nil
}

// wantedHead reads a branch's newest commit from Gitea. It is "" if the branch does not
// exist, or if [repositoryOf] finds no repository.
func wantedHead(ctx context.Context, s *tenancy.Scope, projectID, address, branch string) (string, error) {
	if branch == "" {
		return "", nil
	}
	repo, err := repositoryOf(ctx, s, projectID, address)
	if err != nil || repo.Bot == nil {
		return "", err
	}
	c, err := repo.Head(ctx, branch)
	return c.SHA, err
}

// contains asks Gitea whether head is a descendant of commit. It returns false if that
// cannot be determined.
func contains(ctx context.Context, s *tenancy.Scope, projectID, address, head, commit string) bool {
	repo, err := repositoryOf(ctx, s, projectID, address)
	if err == nil && repo.Bot != nil {
		var in bool
		if in, err = repo.Contains(ctx, head, commit); err == nil {
			return in
		}
	}
	if err != nil {
		inside(s).Log().WarnContext(
			ctx, "history of a branch not read", "workspace", inside(s).Workspace().Slug, "err", s.ForLog(err),
		)
	}
	return false
}

// repositoryOf opens the repository of a project that vibn-mcp created, found by its id
// or, without an id, by its clone address. If there is none, the result's Bot is nil.
func repositoryOf(ctx context.Context, s *tenancy.Scope, projectID, address string) (repository.Opened, error) {
	if ready := inside(s).GiteaReady() == nil; !ready {
		return repository.Opened{}, nil
	}
	list, err := db(s).Projects(ctx, inside(s).Workspace().ID)
	if err != nil {
		return repository.Opened{}, tenancy.StoreError("list the projects", err)
	}
	i := slices.IndexFunc(list, func(p tenancy.Project) bool {
		return p.RepositoryID != 0 && (p.ID == projectID || projectID == "" &&
			address == repository.CloneURL(s, p.GiteaName()))
	})
	if i < 0 {
		return repository.Opened{}, nil
	}
	return repository.Open(ctx, inside(s), list[i])
}

// next returns the calls to make after a verdict.
func (o observation) next(v Verdict) []string {
	switch {
	case o.stuck:
		return []string{"deployments_cancel ends it", "apps_deploy deploys again"}
	case v == VerdictStillRunning:
		return []string{"deployments_wait waits on"}
	case v == VerdictLive:
		return []string{}
	case v == VerdictUnreachable:
		return []string{"apps_diagnose names likely causes"}
	case o.overtaken:
		return []string{"deployments_wait with " + o.commit + " waits for the newer push"}
	case o.status == coolify.DeploymentFinished:
		return []string{"apps_deploy builds the newest commit, if none is in progress"}
	case o.status == coolify.DeploymentFailed:
		return []string{"deployments_logs shows why it failed", "apps_diagnose names likely causes"}
	case o.status == "":
		return []string{"apps_deploy again when running deployments have ended"}
	}
	return []string{"apps_deploy deploys again"}
}

// Unqueued judges a deployment that Coolify reported and did not queue. It also returns
// the calls to make next.
func Unqueued(ctx context.Context, a *hosting.App) (Judgement, []string, error) {
	var x observation
	visit(ctx, a, &x, false)
	if err := x.lookBack(ctx, a, coolify.UUID{}); err != nil {
		return Judgement{}, nil, err
	}
	j := x.judge()
	return j, x.next(j.Verdict), scopeOf(a).Prove(ctx)
}
