package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// ErrForeignRepository says that a repository of that name is there which is not
// the project's.
var ErrForeignRepository = errors.New("a repository of that name is there already")

// ErrHidden says that a repository is there and Gitea says it is not.
var ErrHidden = fmt.Errorf("the repository is there, and not shown: %w", gitea.ErrNotFound)

// EnsureRepository makes the repository of a project that has none, private and
// with a first commit. The project's nonce stands in the description until the
// id is recorded: whoever made a repository of this name, only with it is it taken
// for ours. Then the description that people wrote replaces it, the workspace's bot
// makes the first commit, and at last the name is recorded, which says that nothing
// is left to do.
func EnsureRepository(ctx context.Context, org gitea.OrgClient, bot *gitea.Bot, store ProjectStore, w tenancy.Workspace, p tenancy.Project) (gitea.Repository, error) {
	repo, err := org.Repo(p.Slug).Get(ctx)
	if errors.Is(err, gitea.ErrNotFound) && p.RepositoryID == 0 {
		_, failed := org.CreateRepository(ctx, gitea.NewRepository{
			Name: p.Slug, Description: tenancy.MarkText(p.Nonce, "repository"), DefaultBranch: "main",
		})
		repo, err = org.Repo(p.Slug).Get(ctx)
		if errors.Is(err, gitea.ErrNotFound) {
			err = ErrHidden
			if failed != nil && !errors.Is(failed, gitea.ErrConflict) {
				err = failed
			}
		}
	}
	if err != nil {
		return gitea.Repository{}, err
	}
	if repo.OwnerID != w.GiteaOrgID {
		return gitea.Repository{}, fmt.Errorf("the repository is not the organisation's")
	}
	if repo.ID != p.RepositoryID && (p.RepositoryID != 0 || !tenancy.HasMark(repo.Description, tenancy.MarkText(p.Nonce, "repository"))) {
		if err := recordedMeanwhile(ctx, store, p, repo.ID); err != nil {
			return gitea.Repository{}, err
		}
	}
	if err := store.RecordRepository(ctx, w.ID, p.ID, repo.ID, ""); err != nil {
		return gitea.Repository{}, tenancy.StoreError("read or write the record", err)
	}
	repo, err = org.Repo(repo.Name).Update(ctx, gitea.RepositoryUpdate{
		Description: &p.Description, Private: new(true), HasActions: new(false),
	})
	if err != nil {
		return gitea.Repository{}, err
	}
	if err := firstCommit(ctx, bot, repo, p, w.GiteaBot); err != nil {
		return gitea.Repository{}, err
	}
	return repo, tenancy.StoreError("read or write the record", store.RecordRepository(ctx, w.ID, p.ID, repo.ID, repo.FullName))
}

// firstCommit commits a README.md to a repository that is empty. Gitea would do
// so itself when it makes the repository, with the description of that moment,
// which is our mark, and as the administrator. The bot's own address bears a mark
// too, so the commit has another. If somebody else has committed meanwhile, nothing
// is left to do.
func firstCommit(ctx context.Context, bot *gitea.Bot, repo gitea.Repository, p tenancy.Project, login string) error {
	if !repo.Empty {
		return nil
	}
	_, failed := bot.CreateFile(ctx, repo.Owner, repo.Name, gitea.NewFile{
		Name: "README.md", Content: strings.TrimSpace("# "+p.Name+"\n\n"+p.Description) + "\n", Branch: "main",
		Message: "Initial commit", Author: gitea.Identity{Name: login, Email: login + "@vibn.invalid"},
	})
	if failed == nil {
		return nil
	}
	now, err := bot.Repository(ctx, repo.Owner, repo.Name)
	switch {
	case err == nil && now.ID == repo.ID && !now.Empty:
		return nil
	case errors.Is(failed, gitea.ErrNotFound) && errors.Is(err, gitea.ErrNotFound):
		return ErrHidden
	}
	return failed
}

// recordedMeanwhile refuses a repository that is not the project's. One without a
// mark may be the project's all the same: a job and a call that make it at once
// see each other's work, and the one that is first takes the mark away.
func recordedMeanwhile(ctx context.Context, store ProjectStore, p tenancy.Project, repositoryID int64) error {
	list, err := store.Projects(ctx, p.WorkspaceID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if !slices.ContainsFunc(list, func(now tenancy.Project) bool { return now.ID == p.ID && now.RepositoryID == repositoryID }) {
		return ErrForeignRepository
	}
	return nil
}
