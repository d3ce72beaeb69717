package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"time"
)

// Sessions are the sessions of people who signed in, as a store for
// github.com/alexedwards/scs. It stores digests of tokens, never a token.
type Sessions struct{ db *DB }

// Sessions returns the database's sessions.
func (db *DB) Sessions() Sessions { return Sessions{db} }

// maxToken is longer than any session token, in bytes.
const maxToken = 128

// FindCtx returns the data of a session. An unknown, expired or ended session is not
// found.
func (s Sessions) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	if len(token) > maxToken {
		return nil, false, nil
	}
	err = s.db.sql.QueryRowContext(ctx, `select data from vibn_sessions where digest = $1 and expires_at > $2`,
		tokenDigest(token), micros(time.Now())).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false, nil
	}
	return data, err == nil && len(data) > 0, wrap(err, "find a session")
}

// CommitCtx stores the data of a session until expiry. A request in flight does not
// revive a session that was ended.
func (s Sessions) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	return wrap(commitSession(ctx, s.db.sql, token, data, expiry, false), "store a session")
}

func commitSession(ctx context.Context, on execer, token string, data []byte, expiry time.Time, guest bool) error {
	_, err := on.ExecContext(ctx, `insert into vibn_sessions (digest, data, expires_at, guest) values ($1, $2, $3, $4)
		on conflict (digest) do update set data = excluded.data, expires_at = excluded.expires_at, guest = excluded.guest
			where length(vibn_sessions.data) > 0`, tokenDigest(token), data, micros(expiry), guest)
	return err
}

// CommitGuestCtx is CommitCtx for a session in which nobody signed in. If there are more
// than most such sessions, it deletes those that expire first; no session of a person.
func (s Sessions) CommitGuestCtx(ctx context.Context, token string, data []byte, expiry time.Time, most int) error {
	return wrap(s.db.inTx(ctx, func(tx *sql.Tx) error {
		if err := commitSession(ctx, tx, token, data, expiry, true); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `delete from vibn_sessions where guest and (expires_at, digest) <= (
			select expires_at, digest from vibn_sessions where guest order by expires_at desc, digest desc limit 1 offset $1)`, most)
		return err
	}), "store a guest's session")
}

// DeleteCtx ends a session.
func (s Sessions) DeleteCtx(ctx context.Context, token string) error {
	_, err := s.db.sql.ExecContext(
		ctx, `update vibn_sessions set data = $2 where digest = $1`, tokenDigest(token), []byte{},
	)
	return wrap(err, "end a session")
}

// Find is FindCtx for a caller without a context.
func (s Sessions) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// Commit is CommitCtx for a caller without a context.
func (s Sessions) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// Delete is DeleteCtx for a caller without a context.
func (s Sessions) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// linksKept is how long a used or expired link is kept, so that people see what happened
// to it.
const linksKept = 30 * 24 * time.Hour

// keysKept is how long an idempotency key is kept.
const keysKept = 7 * 24 * time.Hour

// DropExpired deletes expired sessions, links that expired more than linksKept ago, and
// idempotency keys older than keysKept, logs older than crashLogsKept, and values that
// ended more than endedValuesKept ago. It also drops keys that ended more than
// endedKeysKept ago: some of them, if there are many.
func (db *DB) DropExpired(ctx context.Context, now time.Time) error {
	for _, d := range []struct {
		query string
		until time.Time
	}{
		{`delete from vibn_sessions where expires_at <= $1`, now},
		{`delete from vibn_login_links where expires_at <= $1`, now.Add(-linksKept)},
		{`delete from vibn_idempotency_keys where created_at <= $1`, now.Add(-keysKept)},
		{`delete from vibn_crash_logs where kept_at <= $1`, now.Add(-crashLogsKept)},
		{`delete from vibn_env_values where ended_at <= $1`, now.Add(-endedValuesKept)},
	} {
		if _, err := db.sql.ExecContext(ctx, d.query, micros(d.until)); err != nil {
			return wrap(err, "drop what has expired")
		}
	}
	return wrap(db.dropEndedKeys(ctx, now.Add(-endedKeysKept)), "drop ended keys")
}

func tokenDigest(token string) string {
	d := sha256.Sum256([]byte(token))
	return hex.EncodeToString(d[:])
}
