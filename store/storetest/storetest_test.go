package storetest_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
)

func TestMain(m *testing.M) { storetest.Main(m) }

func TestEach(t *testing.T) {
	names := make(chan string, 2)
	t.Run("all", func(t *testing.T) {
		storetest.Each(t, func(t *testing.T, db *store.DB) {
			if behind, err := db.Behind(t.Context()); err != nil || behind {
				t.Errorf("Behind() = %v, %v, want a migrated database", behind, err)
			}
			names <- filepath.Base(t.Name()) + " " + db.Dialect()
		})
	})
	close(names)
	got := make(map[string]bool)
	for name := range names {
		got[name] = true
	}
	if diff := cmp.Diff(map[string]bool{"sqlite SQLite": true, "postgres PostgreSQL": true}, got); diff != "" {
		t.Errorf("Each ran (-want +got):\n%s", diff)
	}
}

func tables(t *testing.T, where string) []string {
	t.Helper()
	return column(t, where, `select tablename from pg_tables where schemaname = 'public' order by 1`)
}

func databases(t *testing.T, where string) []string {
	t.Helper()
	return column(t, where, `select datname from pg_database order by 1`)
}

func column(t *testing.T, where, query string) []string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), where)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	rows, err := conn.Query(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDatabasesAreNewEachTime(t *testing.T) {
	empty, migrated, again := storetest.Postgres(t), storetest.Migrated(t), storetest.Migrated(t)
	if empty == migrated || migrated == again {
		t.Fatalf("Postgres, Migrated, Migrated = %s, %s, %s, want three databases", empty, migrated, again)
	}
	if got := tables(t, empty); len(got) != 0 {
		t.Errorf("tables of Postgres = %v, want none", got)
	}
	if got := tables(t, migrated); len(got) < 2 {
		t.Errorf("tables of Migrated = %v, want those of the store", got)
	}
	var gone string
	t.Run("one more", func(t *testing.T) { gone = storetest.Postgres(t) })
	for _, name := range databases(t, empty) {
		if strings.HasSuffix(strings.Split(gone, "?")[0], "/"+name) {
			t.Errorf("database %s is there after its test", name)
		}
	}
}

// role tells TestChild, in a process of its own, how to end.
const role = "VIBN_TEST_CHILD"

func TestChild(t *testing.T) {
	how := os.Getenv(role)
	if how == "" {
		t.Skip("run by the tests below in a process of its own")
	}
	fmt.Println(storetest.Migrated(t))
	_, _ = io.Copy(io.Discard, os.Stdin) // until the parent says so
	switch how {
	case "pass":
	case "fail":
		t.Error("as asked")
	case "panic":
		panic("as asked")
	case "exit":
		os.Exit(5)
	case "wait":
		select {}
	}
}

// child starts TestChild and returns the URL of its database, and what ends its
// input and waits for it.
func child(t *testing.T, how string, env ...string) (where string, kill func() error, end func() error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$")
	cmd.Env = append(append(os.Environ(), "VIBN_TEST_POSTGRES=", role+"="+how), env...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	line, err := lines.ReadString('\n')
	if line == "PASS\n" {
		t.Skip("the child was skipped: no PostgreSQL to start")
	}
	if err != nil || !strings.HasPrefix(line, "postgres") {
		t.Fatalf("child said %q, %v\n%s", line, err, &said)
	}
	return strings.TrimSpace(line), cmd.Process.Kill, func() error {
		in.Close()
		_, _ = io.Copy(io.Discard, lines)
		return cmd.Wait()
	}
}

// However a test binary ends, its cluster is stopped and its directory removed.
func TestClusterEndsWithTheBinary(t *testing.T) {
	for how, code := range map[string]int{"pass": 0, "fail": 1, "panic": 2, "exit": 5, "wait": -1} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			where, kill, end := child(t, how)
			conn, err := pgx.Connect(t.Context(), where)
			if err != nil {
				t.Fatal(err)
			}
			if how == "wait" {
				if err := kill(); err != nil {
					t.Fatal(err)
				}
			}
			err = end()
			if state, ok := errors.AsType[*exec.ExitError](err); ok && state.ExitCode() != code || !ok && code != 0 {
				t.Errorf("child ended with %v, want %d", err, code)
			}
			if _, err := conn.WaitForNotification(t.Context()); err == nil || t.Context().Err() != nil {
				t.Errorf("the server is there after its binary: %v", err)
			}
			waitGone(t, socketDir(t, where))
		})
	}
}

func socketDir(t *testing.T, where string) string {
	t.Helper()
	u, err := url.Parse(where)
	if err != nil || !filepath.IsAbs(u.Query().Get("host")) {
		t.Fatalf("%s names no socket: %v", where, err)
	}
	return u.Query().Get("host")
}

// waitGone looks until dir is gone: the process that removes it is not ours.
func waitGone(t *testing.T, dir string) {
	t.Helper()
	late := storetest.LastMoment(t)
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
			return
		}
		select {
		case <-look.C:
		case <-late:
			t.Fatalf("%s is there after its binary", dir)
		}
	}
}

// The temporary directory may be closed to the user that PostgreSQL runs as, or
// its name too long for a socket.
func TestAwkwardTemporaryDirectory(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	long := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	for dir, mode := range map[string]fs.FileMode{closed: 0o700, long: 0o755} {
		if err := os.Mkdir(dir, mode); err != nil {
			t.Fatal(err)
		}
		where, _, end := child(t, "pass", "TMPDIR="+dir)
		if got := tables(t, where); len(got) == 0 {
			t.Errorf("no tables with TMPDIR=%s", dir)
		}
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

func TestNamedCluster(t *testing.T) {
	here := storetest.Postgres(t)
	names := []string{here}
	if u, err := url.Parse(here); err == nil && filepath.IsAbs(u.Query().Get("host")) {
		names = append(names, u.Query().Get("host"))
	}
	before := databases(t, here)
	for _, name := range names {
		where, _, end := child(t, "pass", "VIBN_TEST_POSTGRES="+name)
		if got := databases(t, where); len(got) != len(before)+2 { // the template and its copy
			t.Errorf("%s: databases during the test = %v, want two more than %v", name, got, before)
		}
		if err := end(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(before, databases(t, here)); diff != "" {
			t.Errorf("%s: databases after the test (-before +after):\n%s", name, diff)
		}
	}
}

// Without PostgreSQL tests are skipped with the reason, unless it is required.
func TestWithoutPostgreSQL(t *testing.T) {
	for env, want := range map[string]string{
		"CI=": "--- SKIP", "CI=true": "--- FAIL", "VIBN_REQUIRE_SPECS=1": "--- FAIL", "VIBN_REQUIRE_SPECS=0": "--- SKIP",
	} {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChild$", "-test.v")
		cmd.Env = append(os.Environ(), "CI=", "VIBN_REQUIRE_SPECS=", role+"=pass", "VIBN_TEST_POSTGRES=nonsense", env)
		out, err := cmd.CombinedOutput()
		if text := string(out); !strings.Contains(text, want) || !strings.Contains(text, "VIBN_TEST_POSTGRES is neither") {
			t.Errorf("%s: %v\n%s\nwant %s with the reason", env, err, text, want)
		}
	}
}
