package store

import (
	"context"
	"database/sql"

	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// CreateProject implements [repository.Store]. A deleted workspace is not found. It locks
// the workspace's row, so that concurrent calls do not exceed [repository.MaxProjects].
func (db *DB) CreateProject(ctx context.Context, p tenancy.Project) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, p.WorkspaceID); err != nil {
			return err
		}
		err := fewerThan(ctx, tx, repository.MaxProjects,
			`select count(*) from vibn_projects where workspace_id = $1 and slug <> $2`, p.WorkspaceID, p.Slug)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `insert into vibn_projects
			(id, workspace_id, slug, name, description, provision_nonce, created_at) values ($1, $2, $3, $4, $5, $6, $7)`,
			p.ID, p.WorkspaceID, p.Slug, p.Name, p.Description, p.Nonce, micros(p.CreatedAt))
		return err
	}), "create project %q in workspace %q", p.Slug, p.WorkspaceID)
}

// fewerThan returns ErrFull unless a query counts fewer than most. The caller must hold
// the workspace's row, so that the count stays true until tx ends.
func fewerThan(ctx context.Context, tx *sql.Tx, most int, query string, args ...any) error {
	var n int
	err := tx.QueryRowContext(ctx, query, args...).Scan(&n)
	if err == nil && n >= most {
		return tenancy.ErrFull
	}
	return err
}

// Projects implements [provision.Store].
func (db *DB) Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error) {
	projects, err := list(
		ctx, db, scanProject, `select `+projectColumns+` from vibn_projects where workspace_id = $1 order by slug`,
		workspaceID,
	)
	return projects, wrap(err, "projects of workspace %q", workspaceID)
}

const projectColumns = `id, workspace_id, slug, name, description, coalesce(gitea_repo_id, 0), coalesce(gitea_repo, ''), provision_nonce,
	created_at, coalesce(coolify_key_uuid, ''), coalesce(deploy_key, ''), push_wanted, push_done`

func scanProject(from row) (tenancy.Project, error) {
	var p tenancy.Project
	err := from.Scan(&p.ID, &p.WorkspaceID, &p.Slug, &p.Name, &p.Description, &p.RepositoryID, &p.Repository, &p.Nonce, &p.CreatedAt,
		&p.CoolifyKey, &p.DeployKey, &p.PushWanted, &p.PushDone)
	return p, err
}

// RecordRepository implements [provision.Store].
func (db *DB) RecordRepository(
	ctx context.Context, workspaceID, projectID string, repositoryID int64, name string,
) error {
	err := change(ctx, db.sql, `update vibn_projects set gitea_repo_id = $3, gitea_repo = $4
		where workspace_id = $1 and id = $2 and (gitea_repo_id is null or gitea_repo_id = $3)`,
		workspaceID, projectID, repositoryID, name)
	err = failedCondition(ctx, db.sql, err, thisProject, workspaceID, projectID)
	return wrap(err, "repository of project %q of workspace %q", projectID, workspaceID)
}

const thisProject = `select 1 from vibn_projects where workspace_id = $1 and id = $2`

// RecordDeployKey implements [provision.Store].
func (db *DB) RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error {
	err := change(ctx, db.sql, `update vibn_projects set coolify_key_uuid = $3, deploy_key = $4
		where workspace_id = $1 and id = $2 and (coolify_key_uuid is null or (coolify_key_uuid = $3 and deploy_key = $4))`,
		workspaceID, projectID, coolifyKey, publicKey)
	err = failedCondition(ctx, db.sql, err, thisProject, workspaceID, projectID)
	return wrap(err, "deploy key of project %q of workspace %q", projectID, workspaceID)
}

// ForgetDeployKey implements [provision.Store].
func (db *DB) ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error {
	err := change(ctx, db.sql, `update vibn_projects set coolify_key_uuid = null, deploy_key = null
		where workspace_id = $1 and id = $2 and coolify_key_uuid = $3`, workspaceID, projectID, coolifyKey)
	err = failedCondition(ctx, db.sql, err, thisProject, workspaceID, projectID)
	return wrap(err, "lost deploy key of project %q of workspace %q", projectID, workspaceID)
}

// ForgetRepository implements [repository.Store].
func (db *DB) ForgetRepository(
	ctx context.Context, workspaceID, projectID string, repositoryID int64, nonce string,
) error {
	err := change(ctx, db.sql, `update vibn_projects set gitea_repo_id = null, gitea_repo = null, provision_nonce = $4
		where workspace_id = $1 and id = $2 and gitea_repo_id = $3`, workspaceID, projectID, repositoryID, nonce)
	err = failedCondition(ctx, db.sql, err, thisProject, workspaceID, projectID)
	return wrap(err, "deleted repository of project %q of workspace %q", projectID, workspaceID)
}

// DropProject implements [repository.Store].
func (db *DB) DropProject(ctx context.Context, workspaceID, projectID string) error {
	return wrap(change(ctx, db.sql, `delete from vibn_projects where workspace_id = $1 and id = $2 and gitea_repo_id is null`,
		workspaceID, projectID), "drop project %q of workspace %q", projectID, workspaceID)
}

// RepositoryAccess implements [provision.Store].
func (db *DB) RepositoryAccess(ctx context.Context, workspaceID string) ([]tenancy.RepositoryAccess, error) {
	all, err := list(ctx, db, func(from row) (tenancy.RepositoryAccess, error) {
		var a tenancy.RepositoryAccess
		err := from.Scan(&a.RepositoryID, &a.Kind, &a.Ref)
		return a, err
	}, `select gitea_repo_id, kind, ref from vibn_repository_access where workspace_id = $1 order by gitea_repo_id, kind, ref`, workspaceID)
	return all, wrap(err, "access to repositories of workspace %q", workspaceID)
}
