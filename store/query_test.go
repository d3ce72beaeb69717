package store_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A recorder connects with a real driver and notes every statement.
type recorder struct {
	real driver.Driver
	dsn  string

	mu         sync.Mutex
	statements []noted
}

type noted struct {
	text string
	args []driver.NamedValue
}

// Connect implements [driver.Connector].
func (r *recorder) Connect(context.Context) (driver.Conn, error) {
	conn, err := r.real.Open(r.dsn)
	return recorded{conn, r}, err
}

// Driver implements [driver.Connector].
func (r *recorder) Driver() driver.Driver { return r.real }

func (r *recorder) note(text string, args []driver.NamedValue) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.statements = append(r.statements, noted{text, args})
}

// recorded passes on everything that database/sql may ask of a connection.
type recorded struct {
	driver.Conn
	r *recorder
}

func (c recorded) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.r.note(query, args)
	return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
}

func (c recorded) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.r.note(query, args)
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c recorded) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
	return compiled{s, c.r, query}, err
}

// A compiled statement is noted each time that it runs.
type compiled struct {
	driver.Stmt
	r     *recorder
	query string
}

func (c compiled) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	c.r.note(c.query, args)
	return c.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
}

func (c compiled) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	c.r.note(c.query, args)
	return c.Stmt.(driver.StmtExecContext).ExecContext(ctx, args)
}

func (c recorded) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	c.r.note("begin", nil)
	return c.Conn.(driver.ConnBeginTx).BeginTx(ctx, opts)
}

func (c recorded) CheckNamedValue(v *driver.NamedValue) error {
	if checker, ok := c.Conn.(driver.NamedValueChecker); ok {
		return checker.CheckNamedValue(v)
	}
	return driver.ErrSkip
}

// record returns db over connections of its own that note their statements.
func record(t *testing.T, db *store.DB, dsn string) (*store.DB, *recorder) {
	t.Helper()
	r := &recorder{real: db.Conns().Driver(), dsn: dsn}
	conns := sql.OpenDB(r)
	t.Cleanup(func() { _ = conns.Close() })
	return db.Over(conns), r
}

func recordSQLite(t *testing.T) (*store.DB, *recorder) {
	t.Helper()
	dir := t.TempDir()
	db := open(t, store.Config{Dir: dir})
	migrate(t, db)
	return record(t, db, store.SQLiteDSN(filepath.Join(dir, "vibn.db")))
}

func recordPostgres(t *testing.T) (*store.DB, *recorder) {
	t.Helper()
	url := storetest.Migrated(t)
	return record(t, open(t, store.Config{URL: secret.NewText(url)}), url)
}

// Every request of every principal with a key begins with this.
func TestKeyByDigestIsOneQuery(t *testing.T) {
	t.Parallel()
	for name, connect := range map[string]func(*testing.T) (*store.DB, *recorder){
		"sqlite": recordSQLite, "postgres": recordPostgres,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, r := connect(t)
			a := newTenant(t, db, "alpha")
			if len(r.statements) == 0 {
				t.Fatal("nothing was recorded while rows were written")
			}
			for what, digest := range map[string]tenancy.Digest{"a key": a.digest, "no key": {1}} {
				r.statements = nil
				_, _, err := db.KeyByDigest(t.Context(), digest)
				if what == "a key" {
					check(t, err)
				}
				if len(r.statements) != 1 || !strings.HasPrefix(r.statements[0].text, "select ") {
					t.Errorf("KeyByDigest of %s ran %d statements, want one SELECT:\n%v", what, len(r.statements), r.statements)
				}
			}
		})
	}
}

// Every query has an index to go by. Only lists of all there is read a table
// from end to end. River's statements are its own.
func TestQueriesUseIndexes(t *testing.T) {
	t.Parallel()
	db, r := recordSQLite(t)
	for method, cases := range isolations {
		for i, tc := range cases {
			name := fmt.Sprint(method, i)
			a, b := newTenant(t, db, "a-"+name), newTenant(t, db, "b-"+name)
			_, err := tc.call(t.Context(), db, a, b)
			wantErr(t, method, err, tc.want)
		}
	}
	for _, s := range r.statements {
		if s.text == "begin" || strings.HasPrefix(s.text, "-- name: ") {
			continue
		}
		for _, step := range plan(t, db, s) {
			if strings.Contains(step, "SCAN ") && !mayScan(s.text, step) {
				t.Errorf("%s\nreads a whole table: %s", s.text, step)
			}
		}
	}
}

func plan(t *testing.T, db *store.DB, s noted) []string {
	t.Helper()
	args := make([]any, len(s.args))
	for i, a := range s.args {
		args[i] = a.Value
	}
	return dump(t, db, `explain query plan `+s.text, args...)
}

func mayScan(text, step string) bool {
	return strings.Contains(step, "SCAN CONSTANT ROW") ||
		strings.Contains(step, "SCAN vibn_workspaces USING INDEX vibn_workspaces_wanted_idx") || // holds only what is asked for
		strings.Contains(text, ") due order by random()") && strings.Contains(step, "SCAN vibn_bot_tokens USING INDEX") || // of live tokens, once a minute
		strings.Contains(step, "SCAN vibn_bot_tokens USING INDEX vibn_bot_tokens_not_gone") || // and those that are to go
		strings.Contains(text, "where cast(w.owner_user_id as text)") || // once for each sign-up
		strings.Contains(step, "SCAN due") || // what was found
		strings.Contains(step, "SCAN in_force") || // a workspace's keys that have not ended
		strings.Contains(text, "from vibn_env_values where workspace_id = $1 and app_uuid = $2") &&
			(strings.Contains(step, "SCAN (subquery-") || strings.Contains(step, "SCAN ranked")) || // one app's values
		strings.HasPrefix(text, "select cast(id as text), gitea_bot_token_encrypted from") || // all sealed values
		strings.HasPrefix(text, "select cast(id as text), gitea_hook_secret_encrypted from") ||
		strings.HasPrefix(text, "select id, sealed from") || strings.HasPrefix(text, "select id, url_encrypted from") ||
		strings.HasPrefix(text, "select id, log_encrypted from vibn_crash_logs order") ||
		strings.HasPrefix(text, "select id, value_encrypted from vibn_env_values order") ||
		strings.Contains(step, "SCAN w USING INDEX") && strings.Contains(text, "where w.deleted_at is null order by w.slug") ||
		strings.Contains(step, "SCAN m") && strings.Contains(text, "with recursive minted") // the keys found so far
}
