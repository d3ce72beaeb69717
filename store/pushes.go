package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/riverqueue/river"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// A pushJob holds ids only, as a provisionJob does.
type pushJob struct {
	WorkspaceID string `json:"workspace_id"`
	ProjectID   string `json:"project_id"`
}

func (pushJob) Kind() string { return "vibn_push" }

// pushQueue is separate from the other jobs' queue, so that neither waits for the other.
const (
	pushQueue   = "push"
	pushWorkers = 8
)

// InsertOpts keeps at most one job for a project. The project's row counts pushes that
// arrive while the job runs, and the job checks the count before it ends.
func (pushJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: pushQueue, MaxAttempts: jobAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	}
}

// RequestPush implements [provision.Store].
func (db *DB) RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		var project string
		err := tx.QueryRowContext(ctx, `update vibn_projects set push_wanted = push_wanted + 1, push_digest = $3
			where workspace_id = $1 and gitea_repo_id = $2 and push_digest <> $3 returning id`, workspaceID, repositoryID, digest).Scan(&project)
		if errors.Is(err, sql.ErrNoRows) {
			return exists(
				ctx, tx, `select 1 from vibn_projects where workspace_id = $1 and gitea_repo_id = $2`, workspaceID,
				repositoryID,
			)
		}
		if err != nil {
			return err
		}
		return db.queueNow(ctx, tx, pushJob{workspaceID, project})
	}), "push to repository %d of workspace %q", repositoryID, workspaceID)
}

// NextPushLooks implements [push.Store].
func (db *DB) NextPushLooks(ctx context.Context, now, before time.Time, limit int) ([]tenancy.Project, error) {
	var next []tenancy.Project
	err := db.inTx(ctx, func(tx *sql.Tx) (err error) {
		next, err = collect(ctx, tx, scanProject, `update vibn_projects set push_looked_at = $1 where id in (
				select p.id from vibn_projects p join vibn_workspaces w on w.id = p.workspace_id
				where p.push_looked_at < $2 and p.gitea_repo_id is not null and w.deleted_at is null and w.suspended_at is null
					and exists (select 1 from vibn_apps a
						where a.workspace_id = p.workspace_id and a.project_id = p.id and a.made and a.deleting_at is null)
				order by p.push_looked_at limit $3)
			returning `+projectColumns, micros(now), micros(before), limit)
		return err
	})
	return next, wrap(err, "repositories to look at")
}

// FinishPush implements [push.Store].
func (db *DB) FinishPush(ctx context.Context, workspaceID, projectID string, wanted int64) (more bool, err error) {
	var now int64
	err = db.inTx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `update vibn_projects set push_done = case when $3 > push_done then $3 else push_done end
			where workspace_id = $1 and id = $2 returning push_wanted`, workspaceID, projectID, wanted).Scan(&now)
	})
	return now > wanted, wrap(err, "pushes to project %q of workspace %q", projectID, workspaceID)
}

// ClaimKey implements [tenancy.Store].
func (db *DB) ClaimKey(ctx context.Context, workspaceID, tool, key, digest string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `insert into vibn_idempotency_keys (workspace_id, tool, idempotency_key, digest, created_at)
			values ($1, $2, $3, $4, $5) on conflict (workspace_id, tool, idempotency_key) do nothing`, workspaceID, tool, key, digest, micros(at))
		if err != nil {
			return err
		}
		err = exists(ctx, tx, `select 1 from vibn_idempotency_keys
			where workspace_id = $1 and tool = $2 and idempotency_key = $3 and digest = $4`, workspaceID, tool, key, digest)
		if errors.Is(err, sql.ErrNoRows) {
			return tenancy.ErrConflict
		}
		return err
	}), "idempotency key for %s in workspace %q", tool, workspaceID)
}
