package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// CreateDatabase implements [hosting.Store]. A deleted workspace is not found.
func (db *DB) CreateDatabase(ctx context.Context, d tenancy.DatabaseRecord) error {
	return wrap(change(ctx, db.sql, `insert into vibn_databases (id, workspace_id, name, engine, nonce, created_at)
		select $1, w.id, $3, $4, $5, $6 from vibn_workspaces w where w.id = $2 and w.deleted_at is null`,
		d.ID, d.WorkspaceID, d.Name, d.Engine, d.Nonce, micros(d.CreatedAt)), "create database %q in workspace %q", d.Name, d.WorkspaceID)
}

// DatabaseRecords implements [tenancy.Store].
func (db *DB) DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error) {
	all, err := list(ctx, db, func(from row) (d tenancy.DatabaseRecord, err error) {
		err = from.Scan(
			&d.ID, &d.WorkspaceID, &d.Name, &d.Engine, &d.Nonce, &d.UUID, &d.URLSealed, &d.DeletingAt, &d.CreatedAt,
		)
		return d, err
	}, `select id, workspace_id, name, engine, nonce, coalesce(coolify_uuid, ''), url_encrypted, deleting_at, created_at
		from vibn_databases where workspace_id = $1 order by name`, workspaceID)
	return all, wrap(err, "databases of workspace %q", workspaceID)
}

const thisDatabase = `select 1 from vibn_databases where workspace_id = $1 and id = $2`

// RecordDatabase implements [hosting.Store].
func (db *DB) RecordDatabase(ctx context.Context, was tenancy.DatabaseRecord, uuid, urlSealed string) error {
	err := change(ctx, db.sql, `update vibn_databases set coolify_uuid = $3, url_encrypted = $4
		where workspace_id = $1 and id = $2 and coolify_uuid is null and deleting_at is null and created_at = $5`,
		was.WorkspaceID, was.ID, uuid, urlSealed, micros(was.CreatedAt))
	err = failedCondition(ctx, db.sql, err, thisDatabase, was.WorkspaceID, was.ID)
	return wrap(err, "uuid of database %q of workspace %q", was.ID, was.WorkspaceID)
}

// TakeOverDatabase implements [provision.Store].
func (db *DB) TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error {
	err := change(ctx, db.sql, `update vibn_databases set created_at = $4
		where workspace_id = $1 and id = $2 and coolify_uuid is null and deleting_at is null and created_at = $3`,
		was.WorkspaceID, was.ID, micros(was.CreatedAt), micros(at))
	err = failedCondition(ctx, db.sql, err, thisDatabase, was.WorkspaceID, was.ID)
	return wrap(err, "take over database %q of workspace %q", was.ID, was.WorkspaceID)
}

// MarkDatabaseDeleting implements [provision.Store].
func (db *DB) MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		err := change(
			ctx, tx,
			`update vibn_databases set deleting_at = coalesce(deleting_at, $3) where workspace_id = $1 and id = $2`,
			workspaceID, id, micros(at),
		)
		if err != nil {
			return err
		}
		return db.want(ctx, tx, workspaceID)
	}), "delete database %q of workspace %q", id, workspaceID)
}

// DropDatabase implements [provision.Store].
func (db *DB) DropDatabase(ctx context.Context, workspaceID, id string) error {
	return wrap(change(ctx, db.sql, `delete from vibn_databases where workspace_id = $1 and id = $2`, workspaceID, id),
		"drop database %q of workspace %q", id, workspaceID)
}
