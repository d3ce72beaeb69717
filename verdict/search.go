package verdict

import (
	"context"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const (
	// maxAsked is how many apps are asked whether they have deployed a commit before.
	maxAsked = 3
	// maxSearched is how many apps' branches a wait for a commit looks at, and
	// maxSearches how often.
	maxSearched = 5
	maxSearches = 5
)

// A commitSearch looks for a commit of which no push has been seen, in the branches
// that apps of the workspace are built from.
type commitSearch struct {
	*tenancy.Scope
	commit string

	searches int
	decided  []string // commits of the apps at the last look
	pushed   bool     // it is the newest commit of a branch
	newer    AppHead  // of a branch that has gone on from it; zero = none
	looked   []string // names of the apps whose branches do not have it as their newest
}

// look looks at the branches when it is called first, and when something was decided
// on since. Of a commit that is a branch's newest the delivery has not come yet, or
// never will: so it wants the job of a push, as a delivery does. What cannot be read
// is left out.
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
		of := slices.DeleteFunc(slices.Clone(records), func(r tenancy.AppRecord) bool { return !r.Follows(p) || r.Branch == "" })
		if len(of) == 0 || !p.Made() {
			continue
		}
		if err := c.project(ctx, p, of); err != nil {
			inside(c.Scope).Log().WarnContext(ctx, "branches not searched for a commit", "workspace", c.Slug(), "project_id", p.ID, "err", c.ForLog(err))
		}
		if c.pushed { // what it is to one app counts for more than that another has gone on
			c.newer = AppHead{}
			return nil
		}
	}
	return nil
}

// project looks at the branches of one project's apps.
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
		return WantMoved(ctx, db(c.Scope), p, heads)
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

// answerOvertaken answers a wait for a commit that a branch has gone on from: the
// deployment of the commit if there is one.
func (c *commitSearch) answerOvertaken(ctx context.Context) (deployment string, answer Waited, err error) {
	if deployment, err = recentDeploymentOf(ctx, c.Scope, c.newer.app, c.commit); err != nil || deployment != "" {
		return deployment, Waited{}, err
	}
	x := observation{commit: c.newer.head, wanted: c.commit, overtaken: true}
	w := Waited{Judgement: x.judge()}
	w.App, w.Commit, w.Next = c.newer.app.UUID, c.Text(c.commit), x.next(w.Verdict)
	return "", w, c.Prove(ctx)
}

// answerUnseen answers a wait that saw no push of a commit: the branch may have
// moved on from it before the wait began.
func (c *commitSearch) answerUnseen(ctx context.Context, records []tenancy.AppRecord) (deployment string, answer Waited, err error) {
	for _, r := range records[:min(len(records), maxAsked)] {
		deployment, err := recentDeploymentOf(ctx, c.Scope, r, c.commit)
		if err != nil || deployment != "" {
			return deployment, Waited{}, err
		}
	}
	w := Waited{Next: []string{"deployments_wait waits on", "apps_deploy builds the branch's newest commit without a push"}}
	w.Verdict, w.Commit, w.Reason = VerdictStillRunning, c.Text(c.commit), c.reason()
	return "", w, c.Prove(ctx)
}

// reason says what was looked at when the wait began.
func (c *commitSearch) reason() string {
	switch {
	case c.pushed:
		return "this commit has been pushed, and its deployment is not queued yet"
	case len(c.looked) > 0:
		return "no push of this commit has been seen yet; it was not the newest commit of the branches of " + strings.Join(c.looked, ", ") + ": was it pushed?"
	}
	return "no push of this commit has been seen yet; was it pushed, to the branch of an app that was created here?"
}
