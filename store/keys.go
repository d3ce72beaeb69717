package store

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

const keyColumns = `k.id, k.workspace_id, k.name, k.prefix, k.last4, k.rights, k.created_by, coalesce(k.parent_id, ''),
	k.expires_at, k.last_used_at, k.revoked_at, k.created_at`

// A keyRow receives keyColumns.
type keyRow struct {
	tenancy.Key
	rights string
}

func (r *keyRow) dest() []any {
	return []any{
		&r.ID, &r.WorkspaceID, &r.Name, &r.Prefix, &r.Last4, &r.rights, &r.CreatedBy, &r.ParentID,
		&r.ExpiresAt, &r.LastUsedAt, &r.RevokedAt, &r.CreatedAt,
	}
}

// key returns an error for a right that this release does not know: it does not guess
// from the known part of a key's rights.
func (r *keyRow) key() (tenancy.Key, error) {
	rights, err := tenancy.ParseRights(r.rights)
	if err != nil {
		return tenancy.Key{}, fmt.Errorf("key %s: %w", r.ID, err)
	}
	r.Rights = rights
	return r.Key, nil
}

func scanKey(from row) (tenancy.Key, error) {
	var r keyRow
	if err := from.Scan(r.dest()...); err != nil {
		return tenancy.Key{}, err
	}
	return r.key()
}

const keyByDigest = `select ` + keyColumns + `, ` + workspaceColumns + `
	from vibn_api_keys k join vibn_workspaces w on w.id = k.workspace_id where k.digest = $1`

// rowOfKey runs the query with which every request begins. SQLite would compile it again
// each time, which takes as long as running it; pgx caches compiled queries itself.
func (db *DB) rowOfKey(ctx context.Context, digest string) (*sql.Row, error) {
	if db.dialect.goose != goose.DialectSQLite3 {
		return db.sql.QueryRowContext(ctx, keyByDigest, digest), nil
	}
	compiled := db.compiled.Load() //nolint:sqlclosecheck // it is closed with the connections
	if compiled == nil {
		var err error
		if compiled, err = db.sql.PrepareContext(ctx, keyByDigest); err != nil {
			return nil, err
		}
		db.compiled.CompareAndSwap(nil, compiled) // of concurrent ones, the others close with their connection
	}
	return compiled.QueryRowContext(ctx, digest), nil
}

// KeyByDigest implements [tenancy.Store].
func (db *DB) KeyByDigest(ctx context.Context, digest tenancy.Digest) (tenancy.Key, tenancy.Workspace, error) {
	var k keyRow
	var w workspaceRow
	found, err := db.rowOfKey(ctx, hex.EncodeToString(digest[:]))
	if err == nil {
		err = found.Scan(append(k.dest(), w.dest()...)...)
	}
	if err != nil {
		return tenancy.Key{}, tenancy.Workspace{}, wrap(err, "key by digest")
	}
	key, err := k.key()
	if err != nil {
		return tenancy.Key{}, tenancy.Workspace{}, wrap(err, "key by digest")
	}
	return key, w.workspace(), nil
}

// CreateKey implements [people.Store]. It returns ErrConflict if a key was made for the
// Request already. If ParentID is set, that key must be one of the workspace's and not
// revoked: ErrNotFound otherwise.
//
// It locks the workspace's row, as RevokeKey and DeleteWorkspace do: otherwise a key
// minted while its parent is being revoked would stay active.
func (db *DB) CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, k.WorkspaceID); err != nil {
			return err
		}
		if k.ParentID != "" {
			err := exists(ctx, tx, `select 1 from vibn_api_keys
				where workspace_id = $1 and id = $2 and revoked_at is null`, k.WorkspaceID, k.ParentID)
			if err != nil {
				return err
			}
		}
		if err := checkMint(ctx, tx, k); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights,
			created_by, parent_id, expires_at, last_used_at, revoked_at, created_at, request)
			values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`,
			k.ID, k.WorkspaceID, k.Name, k.Prefix, k.Last4, hex.EncodeToString(digest[:]), k.Rights.String(),
			k.CreatedBy, null(k.ParentID), microsOrNil(k.ExpiresAt), microsOrNil(k.LastUsedAt),
			microsOrNil(k.RevokedAt), micros(k.CreatedAt), null(k.Request))
		return err
	}), "create key %q in workspace %q", k.ID, k.WorkspaceID)
}

// checkMint returns ErrFull or ErrTooMany for a key that would exceed what a workspace may
// mint itself. The operator's keys count, but are not limited.
func checkMint(ctx context.Context, tx *sql.Tx, k tenancy.Key) error {
	if k.CreatedBy == tenancy.OperatorPrincipal {
		return nil
	}
	at := micros(k.CreatedAt)
	err := fewerThan(
		ctx, tx, people.MaxKeys, `select count(*) from (`+keysInForce+`) as in_force`, k.WorkspaceID, at,
	)
	if err != nil {
		return err
	}
	err = fewerThan(ctx, tx, people.MaxKeysPerHour, `select count(*) from vibn_api_keys
		where workspace_id = $1 and created_at > $2 and created_by <> $3`,
		k.WorkspaceID, at.Add(-time.Hour), tenancy.OperatorPrincipal)
	if errors.Is(err, tenancy.ErrFull) {
		return tenancy.ErrTooMany
	}
	return err
}

// RevokeKey implements [people.Store]. The keys of a deleted workspace are revoked
// already: for these it returns ErrNotFound.
func (db *DB) RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, workspaceID); err != nil {
			return err
		}
		err := exists(ctx, tx, `select 1 from vibn_api_keys where workspace_id = $1 and id = $2`, workspaceID, keyID)
		if err != nil {
			return err
		}
		return db.revokeKey(ctx, tx, workspaceID, keyID, at)
	}), "revoke key %q of workspace %q", keyID, workspaceID)
}

// revokeKey revokes a key and those minted with it. UNION without ALL ends even if keys
// name each other as parents.
func (db *DB) revokeKey(ctx context.Context, tx *sql.Tx, workspaceID, keyID string, at time.Time) error {
	_, err := tx.ExecContext(ctx, `with recursive minted (id) as (
			select id from vibn_api_keys where workspace_id = $1 and id = $2
			union
			select k.id from vibn_api_keys k join minted m on k.parent_id = m.id where k.workspace_id = $1
		)
		update vibn_api_keys set revoked_at = $3
		where workspace_id = $1 and revoked_at is null and id in (select id from minted)`,
		workspaceID, keyID, micros(at))
	if err != nil {
		return err
	}
	return db.endTokensOfKeys(ctx, tx, workspaceID)
}

// endTokensOfKeys queues the job that ends the tokens of revoked keys, if there are any.
func (db *DB) endTokensOfKeys(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	err := exists(ctx, tx, `select 1 from vibn_bot_tokens t join vibn_api_keys k on k.workspace_id = t.workspace_id and k.id = t.key_id
		where t.workspace_id = $1 and t.revoked_at is null and k.revoked_at is not null limit 1`, workspaceID)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return db.queueNow(ctx, tx, tokensJob{workspaceID})
}

// TouchKey implements [tenancy.Store].
func (db *DB) TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error {
	at = micros(at)
	res, err := db.sql.ExecContext(ctx, `update vibn_api_keys set last_used_at = $3
		where workspace_id = $1 and id = $2 and (last_used_at is null or last_used_at <= $4)`,
		workspaceID, keyID, at, at.Add(-time.Minute))
	if err == nil {
		if n, _ := res.RowsAffected(); n == 0 { // both drivers support RowsAffected
			err = exists(
				ctx, db.sql, `select 1 from vibn_api_keys where workspace_id = $1 and id = $2`, workspaceID, keyID,
			)
		}
	}
	return wrap(err, "use of key %q of workspace %q", keyID, workspaceID)
}

// A querier is a *sql.DB or a *sql.Tx.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// exists runs a query that selects 1 for a row; sql.ErrNoRows if the row does not exist.
func exists(ctx context.Context, on querier, query string, args ...any) error {
	var one int
	return on.QueryRowContext(ctx, query, args...).Scan(&one)
}
