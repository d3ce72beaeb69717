package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"

	"github.com/vibnai/vibn-mcp/secret"
)

// Config says which database to open.
type Config struct {
	// URL is postgres://user:password@host:5432/name, with the parameters of
	// libpq and pool_max_conns (default: the number of CPUs, at least 4), but no
	// password among them. If empty, the database is SQLite. See [CheckURL].
	URL secret.Text
	// Dir is the directory of SQLite's file, vibn.db. If it does not exist, it is created
	// for its owner only. PostgreSQL does not use it.
	Dir string
}

// ErrLocked is the error of [Open] if another process, or this one, has the SQLite
// database open.
var ErrLocked = errors.New("in use: SQLite serves one process; stop the other one, or use PostgreSQL for several")

// A dialect is what differs between the databases besides their migrations.
type dialect struct {
	name        string // for people
	dir         string // of its migrations
	goose       goose.Dialect
	hasVersions string // query: was it ever migrated?
	hasPlatform string // query: is there a platform's user table that this user may read?
}

var (
	sqliteDialect = dialect{
		name: "SQLite", dir: "sqlite", goose: goose.DialectSQLite3,
		hasVersions: `select exists (select 1 from sqlite_master where type = 'table' and name = '` + versionTable + `')`,
		hasPlatform: `select false`,
	}
	postgresDialect = dialect{
		name: "PostgreSQL", dir: "postgres", goose: goose.DialectPostgres,
		hasVersions: `select to_regclass('` + versionTable + `') is not null`,
		hasPlatform: `select coalesce(has_table_privilege(to_regclass('fs_users'), 'select'), false)`,
	}
)

// There reports whether SQLite's database file exists. It creates nothing. For PostgreSQL
// it always returns true, as only [Open] can find out.
func There(cfg Config) (bool, error) {
	if !cfg.URL.IsZero() {
		return true, nil
	}
	_, err := os.Stat(filepath.Join(cfg.Dir, sqliteFile))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Open connects to the database. It creates and changes no table: see [DB.Migrate].
func Open(ctx context.Context, cfg Config) (*DB, error) {
	open, name := openPostgres, "PostgreSQL"
	if cfg.URL.IsZero() {
		open, name = openSQLite, "SQLite"
	}
	db, err := open(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return db, nil
}

func openPostgres(ctx context.Context, c Config) (*DB, error) {
	cfg, err := parseURL(c.URL)
	if err != nil {
		return nil, fmt.Errorf("the database URL %w", err)
	}
	cfg.AfterConnect = scanUTC
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		return nil, err
	}
	conns := stdlib.OpenDBFromPool(pool)
	conns.SetMaxOpenConns(int(cfg.MaxConns)) // wait here, in order, rather than in the pool
	return newDB(ctx, conns, postgresDialect, func() error { pool.Close(); return nil })
}

// scanUTC has the driver return times in UTC instead of local time.
func scanUTC(_ context.Context, conn *pgx.Conn) error {
	conn.TypeMap().RegisterType(&pgtype.Type{
		Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: &pgtype.TimestamptzCodec{ScanLocation: time.UTC},
	})
	return nil
}

// sqliteFile is the name of the database file in its directory.
const sqliteFile = "vibn.db"

// sqliteConns allows reads beside the one writer that SQLite supports. Further calls wait
// in the pool, in order, instead of polling for SQLite's lock.
const sqliteConns = 4

func openSQLite(ctx context.Context, c Config) (*DB, error) {
	if c.Dir == "" {
		return nil, errors.New("no data directory")
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, err
	}
	file, err := filepath.Abs(filepath.Join(c.Dir, sqliteFile))
	if err != nil {
		return nil, err
	}
	lock := flock.New(file+".lock", flock.SetPermissions(0o600))
	if mine, err := lock.TryLock(); err != nil {
		return nil, err
	} else if !mine {
		return nil, fmt.Errorf("%s is %w", file, ErrLocked)
	}
	if err := ownerOnly(file); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	conns, err := sql.Open("sqlite", sqliteDSN(file))
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	conns.SetMaxOpenConns(sqliteConns)
	conns.SetMaxIdleConns(sqliteConns)
	return newDB(ctx, conns, sqliteDialect, lock.Close)
}

// ownerOnly creates the file before SQLite does, with a mode for its owner only. SQLite
// gives that mode to the files that it creates beside it.
func ownerOnly(file string) error {
	f, err := os.OpenFile(file, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator names the directory
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(0o600), f.Close())
}

// sqliteDSN returns the data source name. Times are integers, because as text they
// compare wrongly across zones. Transactions take the write lock at once, because one
// that reads first and then writes fails if another has written meanwhile.
func sqliteDSN(file string) string {
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(file), RawQuery: url.Values{
		"_pragma":              {"journal_mode(WAL)", "foreign_keys(1)", "busy_timeout(20000)", "synchronous(NORMAL)"},
		"_txlock":              {"immediate"},
		"_time_integer_format": {"unix_micro"},
		"_inttotime":           {"1"},
	}.Encode()}
	return u.String()
}

// newDB takes over conns and release: it closes them if it fails.
func newDB(ctx context.Context, conns *sql.DB, d dialect, release func() error) (*DB, error) {
	db := &DB{sql: conns, dialect: d, release: release}
	if err := conns.PingContext(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	provider, err := newProvider(conns, d)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("migrations: %w", err), db.Close())
	}
	db.goose = provider
	if db.jobs, err = inserter(conns, d); err != nil {
		return nil, errors.Join(fmt.Errorf("jobs: %w", err), db.Close())
	}
	return db, nil
}
