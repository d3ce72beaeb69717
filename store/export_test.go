package store

import (
	"context"
	"database/sql"
)

// Conns gives tests the connections, to look behind the methods.
func (db *DB) Conns() *sql.DB { return db.sql }

// Over is db with other connections to the same database.
func (db *DB) Over(conns *sql.DB) *DB {
	over := &DB{sql: conns, dialect: db.dialect, goose: db.goose, release: func() error { return nil }}
	var err error
	if over.jobs, err = inserter(conns, db.dialect); err != nil {
		panic(err)
	}
	return over
}

// Versions lists the migrations, in ascending order.
func (db *DB) Versions() []int64 {
	var out []int64
	for _, s := range db.goose.ListSources() {
		out = append(out, s.Version)
	}
	return out
}

// MigrateTo applies the migrations up to one version.
func (db *DB) MigrateTo(ctx context.Context, version int64) error {
	_, err := db.goose.UpTo(ctx, version)
	return err
}

// SQLiteDSN is how Open connects to a file.
func SQLiteDSN(file string) string { return sqliteDSN(file) }

// WantIn is Want as a part of tx.
func (db *DB) WantIn(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	return db.want(ctx, tx, workspaceID)
}
