package push

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// Gitea delivers once. A push whose delivery was refused, or came while no process
// of ours was there, is found here.
const (
	looksAtOnce = 300              // repositories in one sweep
	looksApart  = 50 * time.Second // between two looks at one repository
	looksTime   = 40 * time.Second // of one sweep, as the next one comes in a minute
	oneLookTime = 2 * time.Second  // at one repository
)

// Sweep looks at the branches that apps are built from, of the repositories that
// were not looked at for the longest, and wants the job of a push where a branch has
// another commit than the one that was decided on. It asks Gitea only.
//
// It is to be called every minute. A workspace whose look fails is not looked at
// again in the same sweep, so that it does not take the time of the others.
func (p *Pusher) Sweep(ctx context.Context) error {
	now := outside(p.guard).Now()
	next, err := dbOf(p.guard).NextPushLooks(ctx, now, now.Add(-looksApart), looksAtOnce)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, looksTime)
	defer cancel()
	failed, left, last := map[string]bool{}, 0, error(nil)
	for _, project := range next {
		if failed[project.WorkspaceID] || ctx.Err() != nil {
			left++
			continue
		}
		if err := p.findMissed(ctx, project); err != nil {
			failed[project.WorkspaceID], last = true, err
			left++
		}
	}
	if left > 0 {
		outside(p.guard).Log().WarnContext(ctx, "repositories not looked at for pushes; their turn comes again",
			"left", left, "of", len(next), "workspaces_failed", len(failed), "last_err", p.guard.ForLog(cmp.Or(last, ctx.Err())))
	}
	return nil
}

// findMissed looks at one repository for a push that no delivery told of.
func (p *Pusher) findMissed(ctx context.Context, project tenancy.Project) error {
	ctx, cancel := context.WithTimeout(ctx, oneLookTime)
	defer cancel()
	s, err := p.open(ctx, project.WorkspaceID)
	if code := tenancy.Public(err).Code; err != nil && (code == tenancy.NotFound || code == tenancy.Forbidden) {
		return nil // deleted or suspended meanwhile
	}
	if err != nil {
		return err
	}
	records, err := verdict.AppRecords(ctx, inside(s), "")
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r tenancy.AppRecord) bool { return !r.Follows(project) })
	repo, err := repository.Open(ctx, inside(s), project)
	if err != nil {
		return err
	}
	heads, err := verdict.HeadsOf(ctx, repo, records)
	if err != nil {
		return err
	}
	return verdict.WantMoved(ctx, db(s), project, heads)
}
