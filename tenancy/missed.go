package tenancy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"
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
	now := p.guard.now()
	next, err := p.guard.store.NextPushLooks(ctx, now, now.Add(-looksApart), looksAtOnce)
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
		if err := p.missed(ctx, project); err != nil {
			failed[project.WorkspaceID], last = true, err
			left++
		}
	}
	if left > 0 {
		p.guard.log.WarnContext(ctx, "repositories not looked at for pushes; their turn comes again",
			"left", left, "of", len(next), "workspaces_failed", len(failed), "last_err", p.guard.ForLog(cmp.Or(last, ctx.Err())))
	}
	return nil
}

// missed looks at one repository for a push that no delivery told of.
func (p *Pusher) missed(ctx context.Context, project Project) error {
	ctx, cancel := context.WithTimeout(ctx, oneLookTime)
	defer cancel()
	s, err := p.open(ctx, project.WorkspaceID)
	if code := Public(err).Code; err != nil && (code == NotFound || code == Forbidden) {
		return nil // deleted or suspended meanwhile
	}
	if err != nil {
		return err
	}
	records, err := s.appRecords(ctx, "")
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(r AppRecord) bool { return !r.follows(project) })
	repo, err := s.openRepository(ctx, project)
	if err != nil {
		return err
	}
	heads, err := repo.headsOf(ctx, records)
	if err != nil {
		return err
	}
	return s.guard.wantMoved(ctx, project, heads)
}

// keptBranch is what is recorded of a branch's name: all of it, or nothing if it may
// hold a credential.
func (s *Scope) keptBranch(name string) string {
	if s.text(name).String() != name {
		return ""
	}
	return name
}

// An appHead is an app with the newest commit of its branch; empty = there is no
// such branch, or the branch is not known yet.
type appHead struct {
	app  AppRecord
	head string
}

// moved reports whether there is something to decide on.
func (h appHead) moved() bool { return h.app.Branch == "" || h.head != "" && h.head != h.app.Head }

// headsOf asks Gitea for the branches of apps that are built from the repository.
func (r openRepository) headsOf(ctx context.Context, records []AppRecord) ([]appHead, error) {
	known := map[string]string{"": ""}
	var heads []appHead
	for _, rec := range records {
		head, ok := known[rec.Branch]
		if !ok {
			c, err := r.head(ctx, rec.Branch)
			if err != nil {
				return nil, err
			}
			head = c.SHA
			known[rec.Branch] = head
		}
		heads = append(heads, appHead{rec, head})
	}
	return heads, nil
}

// wantMoved wants the job of a push if a branch has moved: once for what the
// branches have now, as the job then goes on until that is decided on.
func (g *Guard) wantMoved(ctx context.Context, p Project, heads []appHead) error {
	if !slices.ContainsFunc(heads, appHead.moved) {
		return nil
	}
	digest := sha256.New()
	for _, h := range heads {
		_, _ = fmt.Fprintf(digest, "%s %q %s\n", h.app.ID, h.app.Branch, h.head) // never fails; see hash.Hash
	}
	err := g.store.WantPush(ctx, p.WorkspaceID, p.RepositoryID, "heads "+hex.EncodeToString(digest.Sum(nil)))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return StoreError("write down a push", err)
	}
	return nil
}
