package push

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// Gitea delivers a push once. The sweep finds a push whose delivery was rejected, or
// arrived while no vibn-mcp process was running.
const (
	looksAtOnce = 300              // repositories in one sweep
	looksApart  = 50 * time.Second // minimum time between two checks of one repository
	looksTime   = 40 * time.Second // for one sweep; the next one starts in a minute
	oneLookTime = 2 * time.Second  // for one repository
	looksSoon   = 50               // repositories after refused deliveries
)

// LookAt checks the repositories of the workspaces with these slugs now, at most 50 of them,
// because their deliveries were refused. Nobody has proved that the slugs are right. What
// it leaves, [Pusher.Sweep] finds.
func LookAt(ctx context.Context, g *tenancy.Guard, slugs map[string]bool) {
	p := New(g)
	ctx, cancel := context.WithTimeout(ctx, looksTime)
	defer cancel()
	left := looksSoon
	for slug := range slugs {
		n, err := p.lookAt(ctx, slug, left)
		if left -= n; err != nil && !errors.Is(err, tenancy.ErrNotFound) {
			outside(p.guard).Log().WarnContext(ctx, "no look after refused deliveries", "err", p.guard.ForLog(err))
		}
	}
}

// lookAt checks at most most repositories of one workspace, and returns how many it
// checked.
func (p *Pusher) lookAt(ctx context.Context, slug string, most int) (looked int, err error) {
	w, err := dbOf(p.guard).Workspace(ctx, slug)
	if err != nil {
		return 0, err
	}
	projects, err := dbOf(p.guard).Projects(ctx, w.ID)
	if err != nil {
		return 0, err
	}
	apps, err := dbOf(p.guard).AppRecords(ctx, w.ID)
	if err != nil {
		return 0, err
	}
	for _, project := range projects {
		if looked == most {
			break
		}
		if !project.Made() || !tenancy.BuiltFrom(project, apps) {
			continue
		}
		looked++
		if err := p.findMissed(ctx, project); err != nil {
			return looked, err
		}
	}
	return looked, nil
}

// Sweep checks the branches from which apps are built, least recently checked
// repositories first. It requests the push job where a branch has another commit than the
// one last decided on. It calls only Gitea.
//
// Call it every minute. If the check of one of a workspace's repositories fails, Sweep
// skips the workspace's others, so that they do not take the time of other workspaces.
func (p *Pusher) Sweep(ctx context.Context) error {
	now := outside(p.guard).Now()
	if err := p.Deliveries.flush(ctx, dbOf(p.guard)); err != nil {
		return err
	}
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
			"left", left, "of", len(next), "workspaces_failed", len(failed), "last_err", p.guard.ForLog(
				cmp.Or(last, ctx.Err()),
			))
	}
	return nil
}

// findMissed checks one repository for a push whose delivery did not arrive.
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
	if errors.Is(err, repository.ErrDeleted) {
		return nil // there is nothing to deploy, and the tools say so
	}
	if err != nil {
		return err
	}
	heads, err := verdict.HeadsOf(ctx, repo, records)
	if err != nil {
		return err
	}
	pushed, err := verdict.RequestMovedPush(ctx, db(s), project, heads)
	if err != nil || !pushed {
		return err
	}
	now := outside(p.guard).Now()
	return db(s).NoteDeliveries(ctx, project.WorkspaceID, tenancy.Deliveries{Missed: &now})
}
