package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// CreateApp implements [hosting.Store]. A deleted workspace is not found.
func (db *DB) CreateApp(ctx context.Context, a tenancy.AppRecord) error {
	return wrap(change(ctx, db.sql, `insert into vibn_apps (id, workspace_id, project_id, name, nonce, created_at, head, branch)
		select $1, p.workspace_id, p.id, $4, $5, $6, $7, $8 from vibn_projects p join vibn_workspaces w on w.id = p.workspace_id
		where p.workspace_id = $2 and p.id = $3 and w.deleted_at is null`,
		a.ID, a.WorkspaceID, a.ProjectID, a.Name, a.Nonce, micros(a.CreatedAt), a.Head, a.Branch), "create app %q in workspace %q", a.Name, a.WorkspaceID)
}

// AppRecords implements [tenancy.Store].
func (db *DB) AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error) {
	apps, err := list(ctx, db, scanApp, `select id, workspace_id, project_id, name, nonce, coalesce(coolify_uuid, ''), made, deleting_at,
		branch, head, deployment, reported, reported_at, created_at from vibn_apps where workspace_id = $1 order by name`, workspaceID)
	return apps, wrap(err, "apps of workspace %q", workspaceID)
}

func scanApp(from row) (a tenancy.AppRecord, err error) {
	err = from.Scan(&a.ID, &a.WorkspaceID, &a.ProjectID, &a.Name, &a.Nonce, &a.UUID, &a.Made, &a.DeletingAt,
		&a.Branch, &a.Head, &a.Deployment, &a.Reported, &a.ReportedAt, &a.CreatedAt)
	return a, err
}

const thisApp = `select 1 from vibn_apps where workspace_id = $1 and id = $2`

// RecordApp implements [hosting.Store].
func (db *DB) RecordApp(ctx context.Context, workspaceID, id, uuid string, made bool) error {
	err := change(ctx, db.sql, `update vibn_apps set coolify_uuid = $3, made = $4
		where workspace_id = $1 and id = $2 and (coolify_uuid is null or coolify_uuid = $3)`, workspaceID, id, uuid, made)
	err = failedCondition(ctx, db.sql, err, thisApp, workspaceID, id)
	return wrap(err, "uuid of app %q of workspace %q", id, workspaceID)
}

// SetAppPush implements [hosting.Store].
func (db *DB) SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error {
	err := change(ctx, db.sql, `update vibn_apps set head = $3, deployment = $4, reported = $5, branch = $9, reported_at = $10
		where workspace_id = $1 and id = $2 and head = $6 and deployment = $7 and reported = $8`,
		was.WorkspaceID, was.ID, is.Head, is.Deployment, is.Reported, was.Head, was.Deployment, was.Reported, is.Branch,
		microsOrNil(is.ReportedAt))
	err = failedCondition(ctx, db.sql, err, thisApp, was.WorkspaceID, was.ID)
	return wrap(err, "push to app %q of workspace %q", was.ID, was.WorkspaceID)
}

// MarkAppDeleting implements [hosting.Store].
func (db *DB) MarkAppDeleting(ctx context.Context, workspaceID, id string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		err := change(
			ctx, tx, `update vibn_apps set deleting_at = coalesce(deleting_at, $3) where workspace_id = $1 and id = $2`,
			workspaceID, id, micros(at),
		)
		if err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "delete app %q of workspace %q", id, workspaceID)
}

// DropApp implements [provision.Store].
func (db *DB) DropApp(ctx context.Context, workspaceID, id string) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		var uuid sql.NullString
		err := tx.QueryRowContext(
			ctx, `delete from vibn_apps where workspace_id = $1 and id = $2 returning coolify_uuid`, workspaceID, id,
		).Scan(&uuid)
		if err != nil || !uuid.Valid {
			return err
		}
		return forgetApp(ctx, tx, workspaceID, uuid.String)
	}), "drop app %q of workspace %q", id, workspaceID)
}
