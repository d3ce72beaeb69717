package store

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// AddBotToken implements [repository.Store]. It locks the workspace's row, as RevokeKey
// and ChangeMember do: otherwise a key that is being revoked, or a person who is being
// removed, could get a token.
func (db *DB) AddBotToken(ctx context.Context, t tenancy.BotToken) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		if err := lockWorkspace(ctx, tx, t.WorkspaceID); err != nil {
			return err
		}
		expires, err := mayHold(ctx, tx, t)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `insert into vibn_bot_tokens (id, workspace_id, key_id, user_id, name, gitea_token_id, last_eight, sealed, created_at, expires_at)
			values ($1, $2, $3, $4, $5, 0, '', '', $6, $7)`,
			t.ID, t.WorkspaceID, null(t.KeyID), null(t.UserID), t.Name, micros(t.CreatedAt), microsOrNil(expires))
		return err
	}), "token for key %q or person %q of workspace %q", t.KeyID, t.UserID, t.WorkspaceID)
}

// mayHold returns when a token's key expires; nil = never, or a person's. The error is
// sql.ErrNoRows unless the key is in force, or the person a member, in a workspace that is
// not suspended.
func mayHold(ctx context.Context, tx *sql.Tx, t tenancy.BotToken) (expires *time.Time, err error) {
	if t.KeyID == "" {
		return nil, exists(ctx, tx, `select 1 from vibn_workspace_members m join vibn_workspaces w on w.id = m.workspace_id
			where m.workspace_id = $1 and cast(m.user_id as text) = $2 and cast(m.role as text) in `+rolesWithGit+`
				and w.suspended_at is null`, t.WorkspaceID, t.UserID)
	}
	err = tx.QueryRowContext(ctx, `select k.expires_at from vibn_api_keys k join vibn_workspaces w on w.id = k.workspace_id
		where k.workspace_id = $1 and k.id = $2 and k.revoked_at is null and (k.expires_at is null or k.expires_at > $3)
			and w.suspended_at is null`, t.WorkspaceID, t.KeyID, micros(t.CreatedAt)).Scan(&expires)
	return expires, err
}

// rolesWithGit are the roles with the right to push; a platform may give others.
const rolesWithGit = `('owner', 'admin', 'member')`

// FillBotToken implements [repository.Store].
func (db *DB) FillBotToken(ctx context.Context, t tenancy.BotToken) error {
	return wrap(change(ctx, db.sql, `update vibn_bot_tokens set gitea_token_id = $4, last_eight = $5, sealed = $6
		where workspace_id = $1 and id = $2 and name = $3 and revoked_at is null and gitea_token_id = 0`,
		t.WorkspaceID, t.ID, t.Name, t.GiteaID, t.LastEight, t.Sealed), "token %q of workspace %q", t.ID, t.WorkspaceID)
}

// TakeOverBotToken implements [repository.Store].
func (db *DB) TakeOverBotToken(ctx context.Context, was tenancy.BotToken, name string, at time.Time) error {
	err := change(ctx, db.sql, `update vibn_bot_tokens set name = $4, created_at = $5
		where workspace_id = $1 and id = $2 and name = $3 and revoked_at is null and gitea_token_id = 0`,
		was.WorkspaceID, was.ID, was.Name, name, micros(at))
	err = failedCondition(
		ctx, db.sql, err, `select 1 from vibn_bot_tokens where workspace_id = $1 and id = $2`, was.WorkspaceID, was.ID,
	)
	return wrap(err, "token %q of workspace %q", was.ID, was.WorkspaceID)
}

// EndBotToken implements [repository.Store].
func (db *DB) EndBotToken(ctx context.Context, workspaceID, id string, at time.Time) error {
	return wrap(db.inTx(ctx, func(tx *sql.Tx) error {
		err := change(ctx, tx, `update vibn_bot_tokens set revoked_at = $3, sealed = ''
			where workspace_id = $1 and id = $2 and revoked_at is null`, workspaceID, id, micros(at))
		if err != nil {
			return err
		}
		return db.queueNow(ctx, tx, tokensJob{workspaceID})
	}), "token %q of workspace %q", id, workspaceID)
}

const holderColumns = `id, workspace_id, coalesce(key_id, ''), coalesce(user_id, ''), name, gitea_token_id, last_eight, sealed, created_at`

// BotTokens implements [provision.TokenStore].
func (db *DB) BotTokens(ctx context.Context, workspaceID string) ([]tenancy.BotToken, error) {
	tokens, err := list(ctx, db, scanBotToken, `select `+holderColumns+`
		from vibn_bot_tokens where workspace_id = $1 and revoked_at is null order by id`, workspaceID)
	return tokens, wrap(err, "tokens of workspace %q", workspaceID)
}

func scanBotToken(from row) (tenancy.BotToken, error) {
	var t tenancy.BotToken
	err := from.Scan(
		&t.ID, &t.WorkspaceID, &t.KeyID, &t.UserID, &t.Name, &t.GiteaID, &t.LastEight, &t.Sealed, &t.CreatedAt,
	)
	return t, err
}

// lostHolder is the condition that the key or the person of a live token lost the right to
// it by the time $1: the key ended, or the person is no member any more or signed out
// everywhere. A platform may end memberships in its own tables.
const lostHolder = `(exists (select 1 from vibn_api_keys k where k.workspace_id = vibn_bot_tokens.workspace_id
			and k.id = vibn_bot_tokens.key_id and (k.revoked_at is not null or k.expires_at <= $1))
		or (user_id is not null and not exists (select 1 from vibn_workspace_members m
			where m.workspace_id = vibn_bot_tokens.workspace_id and cast(m.user_id as text) = vibn_bot_tokens.user_id
				and cast(m.role as text) in ` + rolesWithGit + `))
		or exists (select 1 from vibn_users u where u.id = vibn_bot_tokens.user_id and u.signed_out_at >= vibn_bot_tokens.created_at))`

// RevokeEndedTokens implements [provision.TokenStore]. It deletes the sealed values at once,
// as vibn-mcp no longer needs them.
func (db *DB) RevokeEndedTokens(ctx context.Context, workspaceID string, at, begunBefore time.Time) error {
	_, err := db.sql.ExecContext(ctx, `update vibn_bot_tokens set revoked_at = $1, sealed = ''
		where workspace_id = $2 and revoked_at is null and (
			(gitea_token_id = 0 and created_at < $3)
			or exists (select 1 from vibn_workspaces w where w.id = vibn_bot_tokens.workspace_id
				and (w.suspended_at is not null or w.deleted_at is not null))
			or `+lostHolder+`)`,
		micros(at), workspaceID, micros(begunBefore))
	if errors.Is(kind(err), tenancy.ErrNotFound) { // an id that is not a uuid has no tokens
		return nil
	}
	return wrap(err, "ended tokens of workspace %q", workspaceID)
}

// notGone is the condition that Gitea may still have an ended token. One that was not made
// yet when it ended, at $2 or later, may still be made, and is deleted by who makes it.
const notGone = `(revoked_at is not null and gone_at is null and (gitea_token_id <> 0 or revoked_at < $2))`

// TokensDue implements [provision.TokenStore].
func (db *DB) TokensDue(ctx context.Context, at, endedBefore time.Time) ([]string, error) {
	const active = ` and exists (select 1 from vibn_workspaces w where w.id = vibn_bot_tokens.workspace_id
		and w.deleted_at is null and w.suspended_at is null and ` + botID + ` <> 0)`
	ids, err := list(ctx, db, scanText, `select cast(workspace_id as text) from vibn_bot_tokens where `+notGone+active+`
		union select cast(workspace_id as text) from vibn_bot_tokens where revoked_at is null and expires_at <= $1`+active,
		micros(at), micros(endedBefore))
	return ids, wrap(err, "workspaces with tokens that end")
}

// EndedTokens implements [provision.TokenStore].
func (db *DB) EndedTokens(ctx context.Context, workspaceID string, endedBefore time.Time) ([]tenancy.BotToken, error) {
	tokens, err := list(ctx, db, scanBotToken, `select `+holderColumns+`
		from vibn_bot_tokens where workspace_id = $1 and `+notGone+` order by id`, workspaceID, micros(endedBefore))
	return tokens, wrap(err, "ended tokens of workspace %q", workspaceID)
}

// TokenGone implements [provision.TokenStore].
func (db *DB) TokenGone(ctx context.Context, workspaceID, id string, at time.Time) error {
	return wrap(change(ctx, db.sql, `update vibn_bot_tokens set gone_at = $3 where workspace_id = $1 and id = $2 and revoked_at is not null`,
		workspaceID, id, micros(at)), "token %q of workspace %q", id, workspaceID)
}

// endTokensOf revokes the tokens of a person and queues the jobs that end them in Gitea:
// those of one workspace, or of all if workspaceID is empty.
func (db *DB) endTokensOf(ctx context.Context, tx *sql.Tx, workspaceID, userID string, at time.Time) error {
	ended, err := collect(ctx, tx, scanText, `update vibn_bot_tokens set revoked_at = $3, sealed = ''
		where user_id = $2 and revoked_at is null and ($1 = '' or cast(workspace_id as text) = $1)
		returning cast(workspace_id as text)`, workspaceID, userID, micros(at))
	if err != nil {
		return err
	}
	for _, id := range ended {
		if err := db.queueNow(ctx, tx, tokensJob{id}); err != nil {
			return err
		}
	}
	return nil
}

// The places of sealed values, with the queries that list and replace them.
var sealedPlaces = []struct{ table, column, list, replace string }{
	{
		"vibn_workspaces", "gitea_bot_token_encrypted",
		`select cast(id as text), gitea_bot_token_encrypted from vibn_workspaces where coalesce(gitea_bot_token_encrypted, '') <> '' and gitea_bot_token_id is not null order by 1`,
		`update vibn_workspaces set gitea_bot_token_encrypted = $3 where id = $1 and gitea_bot_token_encrypted = $2`,
	},
	{
		"vibn_workspaces", "gitea_hook_secret_encrypted",
		`select cast(id as text), gitea_hook_secret_encrypted from vibn_workspaces where coalesce(gitea_hook_secret_encrypted, '') <> '' order by 1`,
		`update vibn_workspaces set gitea_hook_secret_encrypted = $3 where id = $1 and gitea_hook_secret_encrypted = $2`,
	},
	{
		"vibn_databases", "url_encrypted",
		`select id, url_encrypted from vibn_databases where url_encrypted <> '' order by 1`,
		`update vibn_databases set url_encrypted = $3 where id = $1 and url_encrypted = $2`,
	},
	{
		"vibn_crash_logs", "log_encrypted",
		`select id, log_encrypted from vibn_crash_logs order by 1`,
		`update vibn_crash_logs set log_encrypted = $3 where id = $1 and log_encrypted = $2`,
	},
	{
		"vibn_env_values", "value_encrypted",
		`select id, value_encrypted from vibn_env_values order by 1`,
		`update vibn_env_values set value_encrypted = $3 where id = $1 and value_encrypted = $2`,
	},
	{
		"vibn_bot_tokens", "sealed",
		`select id, sealed from vibn_bot_tokens where sealed <> '' order by 1`,
		`update vibn_bot_tokens set sealed = $3 where id = $1 and sealed = $2`,
	},
}

// SealedValues implements [provision.Store]. It leaves out what a platform sealed itself
// before vibn-mcp adopted its tables.
func (db *DB) SealedValues(ctx context.Context) ([]tenancy.SealedValue, error) {
	var all []tenancy.SealedValue
	for _, p := range sealedPlaces {
		values, err := list(ctx, db, func(from row) (tenancy.SealedValue, error) {
			v := tenancy.SealedValue{Place: secret.Place{Table: p.table, Column: p.column}}
			err := from.Scan(&v.Place.Row, &v.Value)
			return v, err
		}, p.list)
		if err != nil {
			return nil, wrap(err, "sealed values of %s", p.table)
		}
		all = append(all, values...)
	}
	return all, nil
}

// Reseal implements [people.OperatorStore].
func (db *DB) Reseal(ctx context.Context, was tenancy.SealedValue, sealed string) error {
	for _, p := range sealedPlaces {
		if p.table == was.Place.Table && p.column == was.Place.Column {
			return wrap(
				change(ctx, db.sql, p.replace, was.Place.Row, was.Value, sealed), "reseal %s %q", p.table,
				was.Place.Row,
			)
		}
	}
	return wrap(tenancy.ErrNotFound, "reseal %s", was.Place.Table)
}
