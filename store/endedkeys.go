package store

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// keysInForce selects the ids of the keys that are neither revoked nor expired at $2. Each
// half goes by an index to these keys alone: with "or", SQLite would read all that expired.
const keysInForce = `select id from vibn_api_keys where workspace_id = $1 and revoked_at is null and expires_at > $2
	union all select id from vibn_api_keys where workspace_id = $1 and revoked_at is null and expires_at is null`

// Keys implements [people.Store]. Ids begin with their time, so their order is that of
// the keys' making.
func (db *DB) Keys(ctx context.Context, workspaceID string, q people.KeyQuery) ([]tenancy.Key, error) {
	query, args := `select `+keyColumns+` from vibn_api_keys k where k.workspace_id = $1`, []any{workspaceID}
	switch q.State {
	case people.KeysInForce:
		query, args = query+` and k.id in (`+keysInForce+`)`, append(args, micros(q.At))
	case people.KeysEnded:
		query, args = query+` and coalesce(k.revoked_at, k.expires_at) <= $2`, append(args, micros(q.At))
	case people.AllKeys:
	}
	if q.After != "" {
		args = append(args, q.After)
		query += ` and k.id < $` + strconv.Itoa(len(args))
	}
	args = append(args, q.Limit)
	keys, err := list(ctx, db, scanKey, query+` order by k.id desc limit $`+strconv.Itoa(len(args)), args...)
	return keys, wrap(err, "keys of workspace %q", workspaceID)
}

// KeyNames implements [people.Store].
func (db *DB) KeyNames(ctx context.Context, workspaceID string, ids []string) (map[string]string, error) {
	names := map[string]string{}
	if len(ids) == 0 {
		return names, nil
	}
	args, in := []any{workspaceID}, make([]string, len(ids))
	for i, id := range ids {
		args, in[i] = append(args, id), "$"+strconv.Itoa(i+2)
	}
	these := ` where workspace_id = $1 and id in (` + strings.Join(in, ", ") + `)`
	found, err := list(ctx, db, func(from row) (pair [2]string, err error) {
		err = from.Scan(&pair[0], &pair[1])
		return pair, err
	}, `select id, name from vibn_api_keys`+these+` union all select id, name from vibn_ended_keys`+these, args...)
	for _, pair := range found {
		names[pair[0]] = pair[1]
	}
	return names, wrap(err, "names of keys of workspace %q", workspaceID)
}

// endedKeysKept is how long a key that ended, and a token of Gitea that ended, stays
// listed.
const endedKeysKept = 90 * 24 * time.Hour

// endedBatch is how many keys, and how many tokens, dropEndedKeys deletes at most.
const endedBatch = 500

// dropEndedKeys deletes the tokens and keys that ended before a time, and keeps the keys'
// names. A key stays while it has a token, or another key that was minted with it: these
// go first. A token that Gitea still has then is nobody's, and the next run deletes it.
func (db *DB) dropEndedKeys(ctx context.Context, before time.Time) error {
	return db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `delete from vibn_bot_tokens where id in (
			select id from vibn_bot_tokens where revoked_at <= $1 order by revoked_at limit $2)`, micros(before), endedBatch)
		if err != nil {
			return err
		}
		ids, err := collect(ctx, tx, scanText, `select k.id from vibn_api_keys k
			where coalesce(k.revoked_at, k.expires_at) <= $1
				and not exists (select 1 from vibn_bot_tokens t where t.workspace_id = k.workspace_id and t.key_id = k.id)
				and not exists (select 1 from vibn_api_keys c where c.workspace_id = k.workspace_id and c.parent_id = k.id)
			order by coalesce(k.revoked_at, k.expires_at) limit $2`, micros(before), endedBatch)
		for _, id := range ids {
			if err = errors.Join(err, dropKey(ctx, tx, id)); err != nil {
				return err
			}
		}
		return err
	})
}

// dropKey deletes a key that ended and keeps its name.
func dropKey(ctx context.Context, tx *sql.Tx, id string) error {
	_, err := tx.ExecContext(ctx, `insert into vibn_ended_keys (workspace_id, id, name, ended_at)
		select workspace_id, id, name, coalesce(revoked_at, expires_at) from vibn_api_keys where id = $1`, id)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `delete from vibn_api_keys where id = $1`, id)
	return err
}
