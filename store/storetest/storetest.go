// Package storetest gives tests databases of their own: SQLite in a temporary
// directory, and PostgreSQL in a private cluster made with the installed initdb
// and pg_ctl. It needs no container and no network.
//
// Tests that need PostgreSQL are skipped where there is none, but fail if CI is
// "true" or VIBN_REQUIRE_SPECS is "1". VIBN_TEST_POSTGRES names a running
// cluster to use instead: the URL of a superuser, or the directory of its socket
// where the user "postgres" may connect.
package storetest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
)

// Main runs the tests of a package and removes what they made. Call it from
// TestMain. It does not return.
func Main(m *testing.M) {
	code := m.Run()
	if live != nil {
		if err := live.end(); err != nil {
			fmt.Fprintln(os.Stderr, "storetest:", err)
			code = max(code, 1)
		}
	}
	os.Exit(code)
}

// LastMoment returns a channel that delivers shortly before the test binary's own
// limit, -timeout. Select it beside what a test waits for, to say what did not come:
// on a slow machine the test then takes longer, and does not fail.
func LastMoment(t testing.TB) <-chan time.Time {
	t.Helper()
	limited, ok := t.(interface{ Deadline() (time.Time, bool) })
	if !ok {
		return nil
	}
	limit, ok := limited.Deadline()
	if !ok {
		return nil
	}
	return time.After(time.Until(limit) - 10*time.Second)
}

// Each runs test on a migrated database of each dialect.
func Each(t *testing.T, test func(t *testing.T, db *store.DB)) {
	t.Helper()
	for _, dialect := range []string{"sqlite", "postgres"} {
		t.Run(dialect, func(t *testing.T) {
			t.Parallel()
			test(t, Open(t, dialect))
		})
	}
}

// Open returns a new, migrated database of the dialect, "sqlite" or "postgres".
// It is closed and removed when t ends.
func Open(t testing.TB, dialect string) *store.DB {
	t.Helper()
	switch dialect {
	case "sqlite":
		file, err := migratedFile()
		if err != nil {
			t.Fatalf("make the migrated file: %v", err)
		}
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, sqliteFile), file, 0o600); err != nil {
			t.Fatal(err)
		}
		return open(t, store.Config{Dir: dir})
	case "postgres":
		return open(t, store.Config{URL: secret.NewText(Migrated(t))})
	}
	t.Fatalf("dialect %q is neither sqlite nor postgres", dialect)
	return nil
}

const sqliteFile = "vibn.db"

// migratedFile makes the database that Open copies, once.
var migratedFile = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "storetest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	if _, _, err := db.Migrate(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := db.Close(); err != nil { // all that is written is in the one file then
		return nil, err
	}
	return os.ReadFile(filepath.Join(dir, sqliteFile))
})

func open(t testing.TB, cfg store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Errorf("close the database: %v", err)
		}
	})
	return db
}

// Postgres returns the URL of a new PostgreSQL database without tables. It is
// removed when t ends.
func Postgres(t testing.TB) string {
	t.Helper()
	return create(t, need(t), "template0")
}

// Migrated returns the URL of a new PostgreSQL database with all migrations
// applied. It is removed when t ends.
func Migrated(t testing.TB) string {
	t.Helper()
	c := need(t)
	template, err := migratedTemplate()
	if err != nil {
		t.Fatalf("make the migrated template: %v", err)
	}
	return create(t, c, template)
}

func need(t testing.TB) *cluster {
	t.Helper()
	c, err := running()
	if err == nil {
		return c
	}
	if os.Getenv("CI") == "true" || os.Getenv("VIBN_REQUIRE_SPECS") == "1" {
		t.Fatalf("PostgreSQL is required here: %v", err)
	}
	t.Skipf("no PostgreSQL: %v", err)
	return nil
}

// create makes a database. Its name is random: several test binaries may share
// one cluster.
func create(t testing.TB, c *cluster, template string) string {
	t.Helper()
	name := randomName()
	if err := c.exec("CREATE DATABASE " + name + " TEMPLATE " + template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.drop(name); err != nil {
			t.Error(err)
		}
	})
	return c.url(name)
}

func randomName() string { return "vibn_test_" + strings.ToLower(rand.Text()) }

// migratedTemplate makes the database that Migrated copies, once.
var migratedTemplate = sync.OnceValues(func() (name string, err error) {
	c, err := running()
	if err != nil {
		return "", err
	}
	name = randomName()
	if err := c.exec("CREATE DATABASE " + name + " TEMPLATE template0"); err != nil {
		return "", err
	}
	c.atEnd = append(c.atEnd, func() error { return c.drop(name) })
	ctx := context.Background()
	db, err := store.Open(ctx, store.Config{URL: secret.NewText(c.url(name))})
	if err != nil {
		return "", err
	}
	if _, _, err := db.Migrate(ctx); err != nil {
		return "", err
	}
	return name, db.Close() // CREATE DATABASE copies only what nobody is connected to
})

func (c *cluster) drop(database string) error {
	return c.exec("DROP DATABASE IF EXISTS " + database + " WITH (FORCE)")
}

func (c *cluster) exec(statement string) error {
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, c.url(c.database))
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	if err != nil {
		err = fmt.Errorf("%s: %w", statement, err)
	}
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	return err
}
