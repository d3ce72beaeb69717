package store

import (
	"context"
	"database/sql"
	"errors"
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
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		e := tenancy.AuditEntry{ID: id, WorkspaceID: workspaceID, Outcome: f.Outcome}
		if refused(f) {
			e.Refused = 1
		}
		err := tx.QueryRowContext(ctx, `update vibn_audit set outcome = $3, duration_ms = $4, upstream_calls = $5,
			target = case when cast($6 as text) = '' then target else $6 end, refused = $7
			where workspace_id = $1 and id = $2 returning principal, tool, target, at`,
			workspaceID, id, f.Outcome, f.Duration.Milliseconds(), f.UpstreamCalls, f.Target, e.Refused,
		).Scan(&e.Principal, &e.Tool, &e.Target, &e.At)
		if err != nil || e.Refused == 0 {
			return err
		}
		return countRefusal(ctx, tx, e)
	}), "finish audit entry %q of workspace %q", id, workspaceID)
}

// refused reports whether an act was refused before it changed anything. An act that failed
// otherwise may have been carried out in part. A failure of vibn-mcp's own database is not a refusal either.
func refused(f tenancy.AuditFinish) bool {
	switch tenancy.Code(f.Outcome) {
	case tenancy.Unauthorized, tenancy.Forbidden, tenancy.NotFound, tenancy.Conflict, tenancy.Invalid,
		tenancy.RateLimited:
		return !f.Changed
	case tenancy.Internal, tenancy.Unavailable, tenancy.Timeout:
	}
	return false
}

// refusalsTogether is the time in which equal refusals are one entry.
const refusalsTogether = 10 * time.Minute

// countRefusal counts a refusal in the entry of an equal one, if there was one lately, and
// drops its own. Only an entry that is committed is found, and that one stays: so of two
// at once neither is lost.
func countRefusal(ctx context.Context, tx *sql.Tx, e tenancy.AuditEntry) error {
	err := change(ctx, tx, `update vibn_audit set refused = refused + 1, last_at = $1 where id = (
			select id from vibn_audit where workspace_id = $2 and principal = $3 and tool = $4 and target = $5
				and outcome = $6 and refused > 0 and at >= $7 and id <> $8 order by at desc, id desc limit 1)`,
		e.At, e.WorkspaceID, e.Principal, e.Tool, e.Target, e.Outcome, micros(e.At.Add(-refusalsTogether)), e.ID)
	if errors.Is(err, tenancy.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	return change(ctx, tx, `delete from vibn_audit where workspace_id = $1 and id = $2`, e.WorkspaceID, e.ID)
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
	query = `select id, workspace_id, at, principal, client, tool, target, args, outcome, duration_ms, upstream_calls, refused, last_at
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
	var last *time.Time
	err := from.Scan(&e.ID, &e.WorkspaceID, &e.At, &e.Principal, &e.Client, &e.Tool, &e.Target, &e.Args, &e.Outcome,
		&ms, &e.UpstreamCalls, &e.Refused, &last)
	e.Duration = time.Duration(ms) * time.Millisecond
	if last != nil {
		e.LastAt = *last
	}
	return e, err
}
