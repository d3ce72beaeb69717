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

// ErrForeignRepository says that a repository of that name exists that is not the
// project's.
var ErrForeignRepository = errors.New("a repository of that name exists")

// ErrHidden says that a repository exists although Gitea answers that it does not.
var ErrHidden = fmt.Errorf("the repository exists, but is not shown: %w", gitea.ErrNotFound)

// EnsureRepository makes the repository of a project exist, private and with a first
// commit. The description holds the project's mark until the id is recorded. A repository
// of this name is recognised as the project's only by that mark. Then the description
// that people wrote replaces it, and the workspace's bot makes the first commit. Last,
// the name is recorded, which says that the setup is finished.
func EnsureRepository(
	ctx context.Context, org gitea.OrgClient, bot *gitea.Bot, store ProjectStore, w tenancy.Workspace,
	p tenancy.Project,
) (gitea.Repository, error) {
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
	if repo.ID != p.RepositoryID && (p.RepositoryID != 0 ||
		!tenancy.HasMark(repo.Description, tenancy.MarkText(p.Nonce, "repository"))) {
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
	return repo, tenancy.StoreError(
		"read or write the record", store.RecordRepository(ctx, w.ID, p.ID, repo.ID, repo.FullName),
	)
}

// firstCommit commits a README.md to an empty repository. Gitea could do so when it
// creates the repository, but as the administrator and with the description of that
// moment, which is the mark. The bot's own address contains a mark too, so the commit has
// another address. If another user has committed meanwhile, firstCommit does nothing.
func firstCommit(ctx context.Context, bot *gitea.Bot, repo gitea.Repository, p tenancy.Project, login string) error {
	if !repo.Empty {
		return nil
	}
	message := "Initial commit"
	if p.DeployKey != "" { // it had another repository, and may have apps: this is nothing to deploy
		message += " [skip cd]"
	}
	_, failed := bot.CreateFile(ctx, repo.Owner, repo.Name, gitea.NewFile{
		Name: "README.md", Content: strings.TrimSpace("# "+p.Name+"\n\n"+p.Description) + "\n", Branch: "main",
		Message: message, Author: gitea.Identity{Name: login, Email: login + "@vibn.invalid"},
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

// recordedMeanwhile returns [ErrForeignRepository] unless the store now records the
// repository as the project's. A repository without a mark may still be the project's: if
// a job and a call make it at the same time, the first one removes the mark.
func recordedMeanwhile(ctx context.Context, store ProjectStore, p tenancy.Project, repositoryID int64) error {
	list, err := store.Projects(ctx, p.WorkspaceID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if !slices.ContainsFunc(
		list, func(now tenancy.Project) bool { return now.ID == p.ID && now.RepositoryID == repositoryID },
	) {
		return ErrForeignRepository
	}
	return nil
}
