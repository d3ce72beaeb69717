package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"

	"github.com/vibnai/vibn-mcp/db/migrations"
)

// versionTable differs from goose's default, as an adopted database may have that table
// already.
const versionTable = "vibn_migrations"

func newProvider(conns *sql.DB, d dialect) (*goose.Provider, error) {
	files, err := fs.Sub(migrations.FS, d.dir)
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{
		goose.WithTableName(versionTable), goose.WithGoMigrations(riverMigration(conns, d), shownTokens()),
	}
	if d.goose == goose.DialectPostgres {
		locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 600)) // try once a second for ten minutes
		if err != nil {
			return nil, err
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	return goose.NewProvider(d.goose, conns, files, options...)
}

// Migrate brings the tables to the newest version and returns how many migrations it
// applied. If one of them had tokens replaced that people were shown before they had
// tokens of their own, it returns the slugs of the workspaces too, for the operator. Several processes may call it at once: one migrates, the others wait. On
// PostgreSQL it needs a session of its own, so it does not work through a pooler that
// shares sessions between transactions.
func (db *DB) Migrate(ctx context.Context) (applied int, rotated []string, err error) {
	done, err := db.goose.Up(ctx)
	if partial, ok := errors.AsType[*goose.PartialError](err); ok {
		done = partial.Applied
	}
	if err != nil {
		return len(done), nil, fmt.Errorf("migrate %s: %w", db.dialect.name, err)
	}
	if slices.ContainsFunc(done, func(r *goose.MigrationResult) bool { return r.Source.Version == migrations.ShownTokens }) {
		rotated, err = db.rotated(ctx)
	}
	return len(done), rotated, err
}

// Behind reports whether [DB.Migrate] has migrations to apply. It returns an error if the
// database cannot be reached. It changes nothing and costs two short queries.
func (db *DB) Behind(ctx context.Context) (bool, error) {
	missing, _, err := db.Missing(ctx)
	return missing > 0, err
}

// Missing returns how many migrations [DB.Migrate] would apply. empty says that none was
// ever applied. It costs what [DB.Behind] costs, and returns an error likewise.
func (db *DB) Missing(ctx context.Context) (migrations int, empty bool, err error) {
	at, err := db.version(ctx)
	if err != nil {
		return 0, false, fmt.Errorf("version of %s: %w", db.dialect.name, err)
	}
	for _, s := range db.goose.ListSources() {
		if s.Version > at {
			migrations++
		}
	}
	return migrations, at == 0, nil
}

// version returns the version of the tables; 0 if there are none.
func (db *DB) version(ctx context.Context) (int64, error) {
	var there bool
	if err := db.sql.QueryRowContext(ctx, db.dialect.hasVersions).Scan(&there); err != nil || !there {
		return 0, err
	}
	var at int64
	err := db.sql.QueryRowContext(ctx,
		`select version_id from `+versionTable+` order by version_id desc limit 1`).Scan(&at)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return at, err
}
