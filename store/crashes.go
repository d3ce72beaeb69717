package store

import (
	"context"
	"database/sql"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
)

const (
	// versionsKept is how many versions of an app are kept, the newest.
	versionsKept = 100
	// crashLogsKept is how long the log of an app that crashed is kept.
	crashLogsKept = 7 * 24 * time.Hour
)

// RecordVersion implements [verdict.Store].
func (db *DB) RecordVersion(ctx context.Context, workspaceID, app string, v hosting.AppVersion) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, workspaceID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into vibn_app_versions (workspace_id, app_uuid, commit_sha, deployment_uuid, live, seen_at)
			values ($1, $2, $3, $4, $5, $6)
			on conflict (workspace_id, app_uuid, commit_sha)
			do update set deployment_uuid = excluded.deployment_uuid, live = excluded.live, seen_at = excluded.seen_at
			where excluded.live or vibn_app_versions.deployment_uuid = excluded.deployment_uuid`,
			workspaceID, app, v.Commit, v.Deployment, v.Live, micros(v.At))
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `delete from vibn_app_versions where workspace_id = $1 and app_uuid = $2 and commit_sha not in (
			select commit_sha from vibn_app_versions where workspace_id = $1 and app_uuid = $2 order by seen_at desc limit $3)`,
			workspaceID, app, versionsKept)
		return err
	}), "version of app %q of workspace %q", app, workspaceID)
}

// AppVersions implements [verdict.Store].
func (db *DB) AppVersions(ctx context.Context, workspaceID, app string) ([]hosting.AppVersion, error) {
	versions, err := list(ctx, db, func(from row) (v hosting.AppVersion, err error) {
		err = from.Scan(&v.Commit, &v.Deployment, &v.Live, &v.At)
		return v, err
	}, `select commit_sha, deployment_uuid, live, seen_at from vibn_app_versions
		where workspace_id = $1 and app_uuid = $2 order by seen_at desc, commit_sha`, workspaceID, app)
	return versions, wrap(err, "versions of app %q of workspace %q", app, workspaceID)
}

// KeepLog implements [hosting.Store].
func (db *DB) KeepLog(ctx context.Context, workspaceID string, l hosting.KeptLog) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, workspaceID); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into vibn_crash_logs (id, workspace_id, app_uuid, log_encrypted, kept_at)
			values ($1, $2, $3, $4, $5)
			on conflict (workspace_id, app_uuid) do update set id = excluded.id, log_encrypted = excluded.log_encrypted, kept_at = excluded.kept_at`,
			l.ID, workspaceID, l.App, l.Sealed, micros(l.At))
		return err
	}), "log of app %q of workspace %q", l.App, workspaceID)
}

// KeptLog implements [hosting.Store].
func (db *DB) KeptLog(ctx context.Context, workspaceID, app string) (hosting.KeptLog, error) {
	l := hosting.KeptLog{App: app}
	err := db.sql.QueryRowContext(ctx, `select id, log_encrypted, kept_at from vibn_crash_logs
		where workspace_id = $1 and app_uuid = $2`, workspaceID, app).Scan(&l.ID, &l.Sealed, &l.At)
	return l, wrap(err, "log of app %q of workspace %q", app, workspaceID)
}

// ForgetApp implements [hosting.Store].
func (db *DB) ForgetApp(ctx context.Context, workspaceID, app string) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error { return forgetApp(ctx, tx, workspaceID, app) }),
		"forget app %q of workspace %q", app, workspaceID)
}

// forgetApp deletes what was seen of an app.
func forgetApp(ctx context.Context, tx *sql.Tx, workspaceID, app string) error {
	for _, query := range []string{
		`delete from vibn_app_versions where workspace_id = $1 and app_uuid = $2`,
		`delete from vibn_crash_logs where workspace_id = $1 and app_uuid = $2`,
		`delete from vibn_env_values where workspace_id = $1 and app_uuid = $2`,
	} {
		if _, err := tx.ExecContext(ctx, query, workspaceID, app); err != nil {
			return err
		}
	}
	return nil
}

// forgetApps deletes what was seen of a workspace's apps.
func forgetApps(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	for _, query := range []string{
		`delete from vibn_app_versions where workspace_id = $1`,
		`delete from vibn_crash_logs where workspace_id = $1`,
		`delete from vibn_env_values where workspace_id = $1`,
	} {
		if _, err := tx.ExecContext(ctx, query, workspaceID); err != nil {
			return err
		}
	}
	return nil
}
