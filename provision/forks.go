package provision

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// maxForkPages bounds how many pages of forks are read. Where bots may not fork, one is.
const maxForkPages = 20

// A fork is one that a tenant made: in its bot's space, or in its organisation.
type fork struct {
	gitea.Repository
	workspaceID string
}

// forksOfTenants lists the newest forks that are tenants'. It reads on as long as a page has
// any, so that nobody's many forks hide another's.
func (d *doctor) forksOfTenants(ctx context.Context) ([]fork, error) {
	if d.store == nil {
		return nil, nil
	}
	workspaces, err := d.store.Workspaces(ctx)
	if err != nil {
		return nil, tenancy.StoreError("list the workspaces", err)
	}
	var found []fork
	for page := 1; page <= maxForkPages; page++ {
		forks, err := d.gitea.NewestForks(ctx, page)
		if err != nil {
			return nil, err
		}
		before := len(found)
		for _, f := range forks {
			i := slices.IndexFunc(workspaces, func(w tenancy.Workspace) bool {
				return strings.EqualFold(f.Owner, w.GiteaBot) || f.OwnerID == w.GiteaOrgID
			})
			if i < 0 {
				continue
			}
			known, err := d.isProject(ctx, workspaces[i], f)
			if err != nil {
				return nil, err
			}
			if !known {
				found = append(found, fork{f, workspaces[i].ID})
			}
		}
		if len(found) == before {
			break
		}
	}
	return found, nil
}

// isProject reports whether a fork is a project's repository, which reconcile lets be.
func (d *doctor) isProject(ctx context.Context, w tenancy.Workspace, f gitea.Repository) (bool, error) {
	if f.OwnerID != w.GiteaOrgID {
		return false, nil
	}
	projects, err := d.store.Projects(ctx, w.ID)
	if err != nil {
		return false, tenancy.StoreError("list the projects", err)
	}
	return slices.ContainsFunc(projects, func(p tenancy.Project) bool { return p.RepositoryID == f.ID }), nil
}

// queueForked queues the workspaces that have forks, whose run deletes them.
func (p *Provisioner) queueForked(
	ctx context.Context, queued []string, queue func(context.Context, string) error,
) error {
	if p.gitea == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	forks, err := p.dangers.forksOfTenants(ctx)
	if err != nil {
		p.log.WarnContext(ctx, "forks not looked for; the next sweep does", "err", tenancy.ForLog(p.shown, err))
	}
	for _, f := range forks {
		if slices.Contains(queued, f.workspaceID) {
			continue
		}
		queued = append(queued, f.workspaceID)
		if err := queue(ctx, f.workspaceID); err != nil {
			return err
		}
	}
	return nil
}

// withoutTenants leaves out the runners that tenants registered for forks: they run nothing
// of anybody else's, and end with the fork.
func (d *doctor) withoutTenants(ctx context.Context, runners []gitea.Runner) ([]gitea.Runner, error) {
	forks, err := d.forksOfTenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range forks {
		theirs, err := d.gitea.Repo(f.Owner, f.Name).Runners(ctx)
		if errors.Is(err, gitea.ErrNotFound) || errors.Is(err, gitea.ErrRouteMissing) {
			continue
		}
		if err != nil {
			return nil, err
		}
		runners = slices.DeleteFunc(runners, func(r gitea.Runner) bool {
			return slices.ContainsFunc(theirs, func(t gitea.Runner) bool { return t.ID == r.ID })
		})
	}
	return runners, nil
}
