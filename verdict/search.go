package verdict

import (
	"context"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	// maxAsked limits how many apps are checked for an earlier deployment of a commit.
	maxAsked = 3
	// maxSearched limits how many apps' branches a wait for a commit searches, and
	// maxSearches how often.
	maxSearched = 5
	maxSearches = 5
)

// A commitSearch looks for a commit whose push has not been seen, in the branches from
// which apps of the workspace are built.
type commitSearch struct {
	*tenancy.Scope
	commit string

	searches int
	decided  []string // commits of the apps at the last search
	pushed   bool     // the commit is the newest of a branch
	newer    AppHead  // of a branch that has a newer commit on top of it; zero = none
	looked   []string // names of the apps whose newest commit is another
}

// look searches the branches on the first call, and again after an app's commit was
// decided on. If the commit is a branch's newest, its delivery is late or lost, so look
// requests the push job as a delivery does. It skips projects that it cannot read.
func (c *commitSearch) look(ctx context.Context, records []tenancy.AppRecord) error {
	var decided []string
	for _, r := range records {
		decided = append(decided, r.Head)
	}
	if c.searches == maxSearches || c.searches > 0 && slices.Equal(decided, c.decided) {
		return nil
	}
	c.searches++
	c.decided, c.pushed, c.looked = decided, false, nil
	projects, err := db(c.Scope).Projects(ctx, inside(c.Scope).Workspace().ID)
	if err != nil {
		return tenancy.StoreError("list the projects", err)
	}
	records = records[:min(len(records), maxSearched)]
	for _, p := range projects {
		of := slices.DeleteFunc(
			slices.Clone(records), func(r tenancy.AppRecord) bool { return !r.Follows(p) || r.Branch == "" },
		)
		if len(of) == 0 || !p.Made() {
			continue
		}
		if err := c.project(ctx, p, of); err != nil {
			inside(c.Scope).Log().WarnContext(
				ctx, "branches not searched for a commit", "workspace", c.Slug(), "project_id", p.ID, "err",
				c.ForLog(err),
			)
		}
		if c.pushed { // an app that builds this commit takes precedence over one whose branch has moved on
			c.newer = AppHead{}
			return nil
		}
	}
	return nil
}

// project searches the branches of one project's apps.
func (c *commitSearch) project(ctx context.Context, p tenancy.Project, records []tenancy.AppRecord) error {
	repo, err := repository.Open(ctx, inside(c.Scope), p)
	if err != nil {
		return err
	}
	heads, err := HeadsOf(ctx, repo, records)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(heads, func(h AppHead) bool { return h.head == c.commit }) {
		c.pushed = true
		_, err = RequestMovedPush(ctx, db(c.Scope), p, heads)
		return err
	}
	for _, h := range heads {
		c.looked = append(c.looked, c.Text(h.app.Name).String())
		if h.head == "" || c.newer.head != "" {
			continue
		}
		in, err := repo.Contains(ctx, h.head, c.commit)
		if err != nil {
			return err
		}
		if in {
			c.newer = h
		}
	}
	return nil
}

// answerOvertaken answers a wait for a commit whose branch has moved on. It returns the
// commit's deployment if there is one.
func (c *commitSearch) answerOvertaken(ctx context.Context) (deployment string, answer Waited, err error) {
	if deployment, err = recentDeploymentOf(ctx, c.Scope, c.newer.app, c.commit); err != nil || deployment != "" {
		return deployment, Waited{}, err
	}
	x := observation{commit: c.newer.head, wanted: c.commit, overtaken: true}
	w := Waited{Judgement: x.judge()}
	w.App, w.Commit, w.Next = c.newer.app.UUID, c.Text(c.commit), x.next(w.Verdict)
	return "", w, c.Prove(ctx)
}

// answerUnseen answers a wait that saw no push of the commit. The branch may have moved on
// before the wait began, so it first looks for an earlier deployment.
func (c *commitSearch) answerUnseen(
	ctx context.Context, records []tenancy.AppRecord,
) (deployment string, answer Waited, err error) {
	for _, r := range records[:min(len(records), maxAsked)] {
		deployment, err := recentDeploymentOf(ctx, c.Scope, r, c.commit)
		if err != nil || deployment != "" {
			return deployment, Waited{}, err
		}
	}
	w := Waited{
		Next: []string{"deployments_wait waits on", "apps_deploy builds the branch's newest commit without a push"},
	}
	w.Verdict, w.Commit, w.Reason = VerdictStillRunning, c.Text(c.commit), c.reason()
	return "", w, c.Prove(ctx)
}

// reason says where the commit was searched for.
func (c *commitSearch) reason() string {
	switch {
	case c.pushed:
		return "this commit has been pushed, and its deployment is not queued yet"
	case len(c.looked) > 0:
		return "no push of this commit has been seen yet; it was not the newest commit of the branches of " + strings.Join(
			c.looked, ", ",
		) + ": was it pushed?"
	}
	return "no push of this commit has been seen yet; was it pushed to the branch of an app that apps_create made?"
}
