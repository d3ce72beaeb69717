package store

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// StartAudit implements [tenancy.Store]. It also works for a deleted workspace, so that
// the deletion itself is recorded. It does not read e's Outcome, Duration and
// UpstreamCalls. ErrNotFound if there is no such workspace.
func (db *DB) StartAudit(ctx context.Context, e tenancy.AuditEntry) error {
	return wrap(startAudit(ctx, db.sql, e), "start audit entry %q of workspace %q", e.ID, e.WorkspaceID)
}

// maxAuditArgs bounds the arguments that an entry keeps, in bytes. The other columns are
// bounded by those who fill them.
const maxAuditArgs = 8 << 10

func startAudit(ctx context.Context, on execer, e tenancy.AuditEntry) error {
	if len(e.Args) > maxAuditArgs {
		e.Args = `{"too_long":true}`
	}
	_, err := on.ExecContext(ctx, `insert into vibn_audit
		(id, workspace_id, at, principal, client, tool, target, args, outcome)
		values ($1, $2, $3, $4, $5, $6, $7, $8, 'started')`,
		e.ID, e.WorkspaceID, micros(e.At), e.Principal, e.Client, e.Tool, e.Target, e.Args)
	return err
}

// startAuditOf starts an entry of a workspace that tx has just stored. It replaces the
// entry's WorkspaceID and Target.
func startAuditOf(ctx context.Context, tx *sql.Tx, w tenancy.Workspace, e tenancy.AuditEntry) error {
	e.WorkspaceID, e.Target = w.ID, w.Slug
	return startAudit(ctx, tx, e)
}

// FinishAudit implements [tenancy.Store]. Durations are kept in milliseconds.
func (db *DB) FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error {
	return wrap(change(ctx, db.sql, `update vibn_audit set outcome = $3, duration_ms = $4, upstream_calls = $5,
		target = case when cast($6 as text) = '' then target else $6 end
		where workspace_id = $1 and id = $2`,
		workspaceID, id, f.Outcome, f.Duration.Milliseconds(), f.UpstreamCalls, f.Target),
		"finish audit entry %q of workspace %q", id, workspaceID)
}

// auditBatch is how many entries DropAudit deletes at most.
const auditBatch = 10_000

// DropAudit deletes entries that began before a time, oldest first, and the names of keys
// that ended before it. Ids begin with their time, so the primary key finds the oldest
// without an index of its own.
func (db *DB) DropAudit(ctx context.Context, before time.Time) error {
	ms := fmt.Sprintf("%012x", max(0, before.UnixMilli()))
	_, err := db.sql.ExecContext(ctx, `delete from vibn_audit where id in (
			select id from vibn_audit where id < $1 and at < $2 order by id limit $3)`,
		ms[:8]+"-"+ms[8:], micros(before), auditBatch)
	if err == nil {
		_, err = db.sql.ExecContext(ctx, `delete from vibn_ended_keys where ended_at < $1`, micros(before))
	}
	return wrap(err, "drop old audit entries")
}

// Audit implements [people.Store].
func (db *DB) Audit(ctx context.Context, workspaceID string, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error) {
	if q.Limit < 1 {
		return nil, fmt.Errorf("audit of workspace %q: limit is %d, must be positive", workspaceID, q.Limit)
	}
	query, args := auditQuery(workspaceID, q)
	entries, err := list(ctx, db, scanAudit, query, args...)
	return entries, wrap(err, "audit of workspace %q", workspaceID)
}

// auditQuery contains only the conditions that q sets: a condition that also accepts an
// empty argument could use no index.
func auditQuery(workspaceID string, q tenancy.AuditQuery) (query string, args []any) {
	arg := func(v any) string {
		args = append(args, v)
		return "$" + strconv.Itoa(len(args))
	}
	query = `select id, workspace_id, at, principal, client, tool, target, args, outcome, duration_ms, upstream_calls
		from vibn_audit where workspace_id = ` + arg(workspaceID)
	if q.Tool != "" {
		query += ` and tool = ` + arg(q.Tool)
	}
	if q.Target != "" {
		query += ` and target = ` + arg(q.Target)
	}
	if q.Principal != "" {
		query += ` and principal = ` + arg(q.Principal)
	}
	if q.BeforeID != "" || !q.BeforeAt.IsZero() {
		query += ` and (at, id) < (` + arg(micros(q.BeforeAt)) + `, ` + arg(q.BeforeID) + `)`
	}
	return query + ` order by at desc, id desc limit ` + arg(q.Limit), args
}

func scanAudit(from row) (tenancy.AuditEntry, error) {
	var e tenancy.AuditEntry
	var ms int64
	err := from.Scan(&e.ID, &e.WorkspaceID, &e.At, &e.Principal, &e.Client, &e.Tool, &e.Target, &e.Args, &e.Outcome,
		&ms, &e.UpstreamCalls)
	e.Duration = time.Duration(ms) * time.Millisecond
	return e, err
}
