// Package store keeps vibn-mcp's data in SQLite or PostgreSQL: it implements the
// interfaces of the kernel and of the rooms with one set of queries for both.
//
// These rules hold for every query: the workspace is in the WHERE, columns are named, and
// times are in UTC and exact to the microsecond, as PostgreSQL keeps them. Times come
// from the caller, never from the database's clock.
//
// The store does not look up the types of ids. Ids are text, except that a platform's own
// tables may have them as uuid. There PostgreSQL refuses an argument that is not a uuid,
// and the store returns [tenancy.ErrNotFound]. So every comparison is plain, uses its
// index, and depends on no cached type.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/verdict"
)

// DB is the database. It is safe for concurrent use. Its errors name the operation and
// its subject. They are [tenancy.ErrNotFound] or [tenancy.ErrConflict] where callers must
// distinguish these, and hold no secret.
type DB struct {
	sql     *sql.DB
	dialect dialect
	goose   *goose.Provider
	jobs    *river.Client[*sql.Tx] // inserts only

	compiled atomic.Pointer[sql.Stmt] // see rowOfKey; nil until the first request
	release  func() error             // Close calls it after closing the connections
}

// The interfaces of the kernel and of the rooms.
var (
	_ tenancy.Store        = (*DB)(nil)
	_ provision.Store      = (*DB)(nil)
	_ repository.Store     = (*DB)(nil)
	_ hosting.Store        = (*DB)(nil)
	_ verdict.Store        = (*DB)(nil)
	_ push.Store           = (*DB)(nil)
	_ people.Store         = (*DB)(nil)
	_ people.OperatorStore = (*DB)(nil)
)

// Dialect returns the name of the database for people: "SQLite" or "PostgreSQL".
func (db *DB) Dialect() string { return db.dialect.name }

// Close waits for running queries and closes the database. On SQLite, the next process
// can then open it.
func (db *DB) Close() error {
	return errors.Join(db.sql.Close(), db.release())
}

// inTx runs do in a transaction and commits unless do fails. On PostgreSQL a failed
// statement ends the transaction, so do must return its error and not continue.
func (db *DB) inTx(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := db.sql.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	if err := do(tx); err != nil {
		return err
	}
	return tx.Commit()
}

// An execer is a *sql.DB or a *sql.Tx.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// change runs a statement that must change a row.
func change(ctx context.Context, on execer, query string, args ...any) error {
	res, err := on.ExecContext(ctx, query, args...)
	if err != nil {
		return err
	}
	n, err := res.RowsAffected()
	if err == nil && n == 0 {
		return tenancy.ErrNotFound
	}
	return err
}

// failedCondition turns the ErrNotFound of a conditional change into ErrConflict if the
// row exists; query selects 1 for that row.
func failedCondition(ctx context.Context, on querier, err error, query string, args ...any) error {
	if !errors.Is(err, tenancy.ErrNotFound) {
		return err
	}
	if err := exists(ctx, on, query, args...); err != nil {
		return err
	}
	return tenancy.ErrConflict
}

// A row is a *sql.Row or a *sql.Rows.
type row interface{ Scan(dest ...any) error }

// list returns all rows of a query. A query for an id that PostgreSQL cannot read as a
// uuid returns none, as on SQLite.
func list[T any](ctx context.Context, db *DB, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	out, err := collect(ctx, db.sql, scan, query, args...)
	if errors.Is(kind(err), tenancy.ErrNotFound) {
		return nil, nil
	}
	return out, err
}

// A queryer is a *sql.DB or a *sql.Tx.
type queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func collect[T any](
	ctx context.Context, on queryer, scan func(row) (T, error), query string, args ...any,
) ([]T, error) {
	rows, err := on.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	return scanAll(rows, scan)
}

func scanAll[T any](rows *sql.Rows, scan func(row) (T, error)) ([]T, error) {
	defer func() { _ = rows.Close() }() // Err below reports what went wrong
	var out []T
	for rows.Next() {
		v, err := scan(rows)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, rows.Err()
}

// wrap adds the failed operation to err, and tenancy's error if err stands for one. It
// returns nil for nil.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	what := fmt.Sprintf(format, args...)
	if k := kind(err); k != nil && !errors.Is(err, k) {
		return fmt.Errorf("%s: %w: %w", what, k, err)
	}
	return fmt.Errorf("%s: %w", what, err)
}

// kind returns the error of tenancy for which err stands; nil if there is none.
func kind(err error) error {
	if errors.Is(err, sql.ErrNoRows) || errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.ErrNotFound
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		switch e.Code {
		case "23505": // unique_violation
			return tenancy.ErrConflict
		case "23503", // foreign_key_violation
			"22P02", // invalid_text_representation: not a uuid
			"22021": // character_not_in_repertoire: not UTF-8, or a NUL
			return tenancy.ErrNotFound
		}
	}
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		switch e.Code() {
		case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
			return tenancy.ErrConflict
		case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY:
			return tenancy.ErrNotFound
		}
	}
	return nil
}

// micros returns t as both databases store it.
func micros(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

func microsOrNil(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	return new(micros(*t))
}

// null returns NULL for the empty string: an adopted column of type uuid accepts no empty
// text.
func null(s string) sql.NullString { return sql.NullString{String: s, Valid: s != ""} }

// newID returns a UUIDv7, which fits a column of type uuid too.
func newID() string { return uuid.Must(uuid.NewV7()).String() }
