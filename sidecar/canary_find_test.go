package sidecar_test

import (
	"context"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/vibnai/vibn-mcp/store/storetest"
)

// needles are the forms in which a secret is looked for.
func needles(s string) []string {
	quoted := strings.Trim(fmt.Sprintf("%q", s), `"`)
	out := []string{s, quoted, hex.EncodeToString([]byte(s)), strings.ToUpper(hex.EncodeToString([]byte(s))), url.QueryEscape(s), url.PathEscape(s)}
	for shift := range 3 { // a secret in base64 begins at any of three offsets
		raw := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + s))
		middle := raw[(shift*8+5)/6 : len(raw)-2]
		out = append(out, middle, strings.NewReplacer("+", "-", "/", "_").Replace(middle))
	}
	return out
}

// written are white space, and line breaks and quotes as they are in JSON, also
// in JSON in JSON.
var written = strings.NewReplacer(`\\n`, "", `\\r`, "", `\\t`, "", `\n`, "", `\r`, "", `\t`, "", `\`, "", `"`, "", "'", "", " ", "", "\n", "", "\r", "", "\t", "")

// squeeze takes away what may stand in the middle of a secret that is written
// over several lines.
func squeeze(s string) string { return written.Replace(s) }

// checkText looks for each secret in each form.
func (c *canary) checkText(t *testing.T, what, text string) {
	t.Helper()
	squeezed := squeeze(text)
	for i, s := range c.secrets {
		for _, n := range needles(s) {
			at, in := strings.Index(text, n), text
			if at < 0 {
				at, in = strings.Index(squeezed, squeeze(n)), squeezed
			}
			if at >= 0 {
				t.Errorf("%s holds secret %d as %q: ...%q...", what, i, n, in[max(0, at-100):min(len(in), at+len(n)+60)])
				return
			}
		}
	}
}

// invisible are characters that no answer may hold, as they are or escaped.
var invisible = regexp.MustCompile(`[\x00-\x08\x0b-\x1f\x7f-\x{9f}\x{ad}\x{61c}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{206f}\x{feff}]` +
	`|\\u(00[01][0-9a-fA-F]|007f|00[89][0-9a-fA-F]|00ad|061c|200[b-fB-F]|202[a-eA-E]|206[0-9a-fA-F]|feff|FEFF)|\\x(0|1|7f)|\\[abfv]`)

func checkVisible(t *testing.T, what, text string) {
	t.Helper()
	text = strings.ReplaceAll(text, "\r\n", "\n") // of the HTTP header
	if at := invisible.FindStringIndex(text); at != nil {
		t.Errorf("%s holds a character that nobody sees: %q", what, text[max(0, at[0]-100):min(len(text), at[1]+30)])
	}
}

// sqliteRows returns every column of every row of every table, and checks the
// bytes of the database's files, in which there is more than in the rows.
func sqliteRows(t *testing.T, c *canary) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(filepath.Dir(t.TempDir()), "*", "vibn.db*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no database below %s (%v)", filepath.Dir(t.TempDir()), err)
	}
	for _, f := range files {
		raw, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		c.checkText(t, f, string(raw))
	}
	var out strings.Builder
	for _, f := range files {
		if filepath.Ext(f) != ".db" {
			continue
		}
		db, err := sql.Open("sqlite", "file:"+f+"?mode=ro")
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		for _, table := range column(t, db, `select name from sqlite_schema where type = 'table'`) {
			for _, name := range column(t, db, `select name from pragma_table_info('`+table+`')`) {
				for _, v := range column(t, db, `select `+shownAs(name)+` from "`+table+`"`) {
					fmt.Fprintf(&out, "%s.%s: %s\n", table, name, v)
				}
			}
		}
	}
	return out.String()
}

// shownAs is a column as text: River keeps JSON in SQLite's own binary form, and
// hashes as they are.
func shownAs(name string) string {
	c := `"` + name + `"`
	return `case when typeof(` + c + `) <> 'blob' then coalesce(cast(` + c + ` as text), '') when json_valid(` + c + `, 8) then json(` + c + `) else hex(` + c + `) end`
}

// column returns the one column of a query.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var v string
		if err := rows.Scan(&v); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		out = append(out, v)
	}
	if err := rows.Err(); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}

// hash is one of River's, as PostgreSQL writes bytes.
var hash = regexp.MustCompile(`"\\\\x([0-9a-f]{64})"`)

// postgresRows returns every row of every table. The house does not tell the name
// of its database, but it is in the cluster that a new one is in too.
func postgresRows(t *testing.T, c *canary) string {
	t.Helper()
	ctx := t.Context()
	cfg, err := pgx.ParseConfig(storetest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range texts(ctx, t, cfg, cfg.Database, `select datname from pg_database where not datistemplate and datname like 'vibn_test_%'`) {
		tables := texts(ctx, t, cfg, name, `select tablename from pg_tables where schemaname = 'public'`)
		if len(tables) == 0 || len(texts(ctx, t, cfg, name, `select id::text from vibn_workspaces where id::text = '`+c.A.ID+`'`)) == 0 {
			continue
		}
		var out strings.Builder
		for _, table := range tables {
			for _, row := range texts(ctx, t, cfg, name, `select row_to_json(t)::text from `+pgx.Identifier{table}.Sanitize()+` t`) {
				fmt.Fprintf(&out, "%s: %s\n", table, hash.ReplaceAllString(row, "$1"))
			}
		}
		return out.String()
	}
	t.Fatal("the house's database is not in the cluster")
	return ""
}

// texts returns the one column of a query in a database of the cluster.
func texts(ctx context.Context, t *testing.T, cfg *pgx.ConnConfig, database, query string) []string {
	t.Helper()
	cfg = cfg.Copy()
	cfg.Database = database
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return out
}
