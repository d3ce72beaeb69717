package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
)

// secondProcess names the directory that a copy of this test binary opens
// instead of running tests.
const secondProcess = "VIBN_TEST_SECOND_PROCESS"

const (
	exitOpened = 0
	exitLocked = 3
	exitOther  = 4
)

func openAsSecondProcess(dir string) int {
	db, err := store.Open(context.Background(), store.Config{Dir: dir})
	switch {
	case errors.Is(err, store.ErrLocked):
		fmt.Fprint(os.Stderr, err)
		return exitLocked
	case err != nil:
		fmt.Fprint(os.Stderr, err)
		return exitOther
	}
	if err := db.Close(); err != nil {
		return exitOther
	}
	return exitOpened
}

func TestSQLiteServesOneProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	second := func() (code int, said string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), secondProcess+"="+dir)
		var out bytes.Buffer
		cmd.Stderr = &out
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return cmd.ProcessState.ExitCode(), out.String()
	}
	db := open(t, store.Config{Dir: dir})
	code, said := second()
	if code != exitLocked {
		t.Fatalf("a second process ended with %d, %s, want %d", code, said, exitLocked)
	}
	for _, word := range []string{filepath.Join(dir, "vibn.db"), "one process", "stop the other", "PostgreSQL"} {
		if !strings.Contains(said, word) {
			t.Errorf("a second process said %q, want %q in it", said, word)
		}
	}
	if _, err := store.Open(t.Context(), store.Config{Dir: dir}); !errors.Is(err, store.ErrLocked) {
		t.Errorf("a second Open = %v, want ErrLocked", err)
	}
	check(t, db.Close())
	if code, said := second(); code != exitOpened {
		t.Errorf("a second process after Close ended with %d, %s, want %d", code, said, exitOpened)
	}
}

func TestSQLiteFilesAreTheOwners(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "a b?c#d%25&_pragma=x") // as it is, whatever it holds
	db := open(t, store.Config{Dir: dir})
	migrate(t, db)
	newTenant(t, db, "alpha")
	want := map[string]fs.FileMode{
		"": 0o700, "vibn.db": 0o600, "vibn.db-wal": 0o600, "vibn.db-shm": 0o600, "vibn.db.lock": 0o600,
	}
	for name, mode := range want {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("Stat(%q) = %v, %v, want mode %v", name, info, err, mode)
		}
	}
	check(t, db.Close())

	check(t, os.Chmod(filepath.Join(dir, "vibn.db"), 0o644))
	db = open(t, store.Config{Dir: dir})
	if got := slugs(must(db.Workspaces(t.Context()))(t)); len(got) != 1 || got[0] != "alpha" {
		t.Errorf("Workspaces after reopening = %v, want alpha", got)
	}
	if info, err := os.Stat(filepath.Join(dir, "vibn.db")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode after reopening = %v, %v, want 0600", info, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	const password = "hunter2"
	file := filepath.Join(t.TempDir(), "file")
	check(t, os.WriteFile(file, nil, 0o600))
	for name, cfg := range map[string]store.Config{
		"nothing":            {},
		"no directory":       {Dir: filepath.Join(file, "sub")},
		"other scheme":       {URL: secret.NewText("mysql://u:hunter2@127.0.0.1/db")},
		"no scheme":          {URL: secret.NewText("host=127.0.0.1 password=hunter2")},
		"bad port":           {URL: secret.NewText("postgres://u:hunter2@127.0.0.1:port/db")},
		"slash in password":  {URL: secret.NewText("postgres://u:hunter2/x@127.0.0.1/db")},
		"percent in it":      {URL: secret.NewText("postgres://u:hunter2%zz@127.0.0.1/db")},
		"control character":  {URL: secret.NewText("postgres://u:hunter2\n@127.0.0.1/db")},
		"bad parameter":      {URL: secret.NewText("postgres://u:hunter2@127.0.0.1/db?sslmode=hunter2")},
		"nobody there":       {URL: secret.NewText("postgres://u:hunter2@127.0.0.1:1/db?connect_timeout=5")},
		"password parameter": {URL: secret.NewText("postgres://127.0.0.1:1/db?user=u&password=hunter2&connect_timeout=5")},
	} {
		db, err := store.Open(t.Context(), cfg)
		if err == nil {
			_ = db.Close()
			t.Errorf("%s: Open = nil, want an error", name)
			continue
		}
		if all := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(all, password) {
			t.Errorf("%s: Open: %s, shows the password", name, all)
		}
	}
}

// TestCheckURL: a URL is taken only if it can be read in one way, so that no part of
// the password is taken for anything else; and nothing of it is quoted.
func TestCheckURL(t *testing.T) {
	t.Parallel()
	for _, good := range []string{
		"postgres://host/name", "postgresql://user@host", "postgres://user:@host/",
		"postgres://:word@host/name", "postgres:///name",
		"postgres://user:word@host:5432/name",
		"postgres://user:word@host:5432/name?sslmode=disable&pool_max_conns=7",
		"postgres://user:word@host/name?",
		"postgres://user:a:b;c,d&e=f+g$h!(*)'~@host/name",
		"postgres://user%40server:%40%2F%3F%23%25%3A%20%C3%BC@host/name",
		"postgres://user:word@one:5432,two:5433/name?target_session_attrs=read-write",
		"postgres://user:word@[2001:db8::1]:5432/name",
		"postgres:///name?host=/run/postgresql&user=postgres&sslmode=disable",
		"postgres://user:word@%2Frun%2Fpostgresql/name",
		"postgres:///name?host=%2Frun%2Fpostgresql&options=-c%20search_path%3Dx&application_name=vibn",
		"postgres://user:word@/name?host=/cloudsql/a:b:c",
	} {
		if err := store.CheckURL(secret.NewText(good)); err != nil {
			t.Errorf("CheckURL(%q) = %v, want it taken", good, err)
		}
	}
	for _, bad := range []string{
		"", "postgres", "postgres:user:word@host", "POSTGRES://user:word@host", "https://user:word@host",
		"user=user password=word host=host", "word",
		"postgres://user:1@2@host/name", "postgres://user:1/2@host/name", "postgres://user:1#2@host/name",
		"postgres://user:1?2@host/name",
		"postgres://user:1?a=2@host/name", "postgres://user:1?a=2&b=3@host/name", "postgres://user:1%@host",
		"postgres://user:1%2@host", "postgres://user:1%zz@host",
		"postgres://user:a b@host", "postgres://user:a\tb@host", "postgres://user:a\nb@host",
		"postgres://user:a\x00b@host", "postgres://user:ü@host", "postgres://user:a\\b@host",
		"postgres://user:a[b@host", "postgres://user:a\"b@host", "postgres://user:a^b@host",
		"postgres://user:a`b@host", "postgres://user:<a>@host",
		"postgres://user:word%40host/name", "postgres://user%3Aword@host/name",
		"postgres://user%3aword%40host/name", "postgres://us@er:word@host/name",
		"postgres://host/name@x", "postgres://host/name?a=b@c", "postgres://host/name#x", "postgres://host/a/b",
		"postgres://ho st/name", "postgres://host:port/name",
		"postgres://host:1:2/name", "postgres://host:123456/name", "postgres://host:99999/name",
		"postgres://host/%00", "postgres://[::1/name",
		"postgres://host/name?sslmode", "postgres://host/name?=x", "postgres://host/name?sslmode=a=b",
		"postgres://host/name?sslmode=perhaps", "postgres://host/name?pool_max_conns=many",
		"postgres://host/name?password=word", "postgres://host/name?user=u&PassWord=word",
		"postgres://host/name?sslpassword=word", "postgres://host/name?pass%77ord=word",
		"postgres://host/name?sslrootcert=/none/word.pem&sslmode=verify-full",
		"postgres://host/name?password=wo&rd=x", "\npostgres://host/name", "postgres://host/name\n",
	} {
		err := store.CheckURL(secret.NewText(bad))
		if err == nil {
			t.Errorf("CheckURL(%q) takes it", bad)
			continue
		}
		said := strings.ReplaceAll(err.Error(), "user:password@", "")
		if errors.Unwrap(err) != nil || strings.Contains(said, "word@") || strings.Contains(said, "\n") {
			t.Errorf("CheckURL(%q) = %q, which quotes", bad, err)
		}
	}
}

// TestThere: to ask for a database makes none.
func TestThere(t *testing.T) {
	cfg := store.Config{Dir: filepath.Join(t.TempDir(), "none")}
	if there, err := store.There(cfg); there || err != nil {
		t.Errorf("There before Open = %v, %v, want false", there, err)
	}
	if _, err := os.Stat(cfg.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("There made the directory: %v", err)
	}
	check(t, open(t, cfg).Close())
	if there, err := store.There(cfg); !there || err != nil {
		t.Errorf("There after Open = %v, %v, want true", there, err)
	}
	if there, err := store.There(store.Config{URL: secret.NewText("postgres://nowhere")}); !there || err != nil {
		t.Errorf("There of PostgreSQL = %v, %v, want true", there, err)
	}
}

func TestDialect(t *testing.T) {
	t.Parallel()
	for dialect, want := range map[string]string{"sqlite": "SQLite", "postgres": "PostgreSQL"} {
		t.Run(dialect, func(t *testing.T) {
			if got := storetest.Open(t, dialect).Dialect(); got != want {
				t.Errorf("Dialect() = %q, want %q", got, want)
			}
		})
	}
}

func TestErrorsAfterTheEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, err := db.KeyByDigest(ctx, a.digest)
		wantErr(t, "KeyByDigest with a canceled context", err, context.Canceled)
		wantErr(t, "DeleteWorkspace with a canceled context", db.DeleteWorkspace(ctx, a.ws.ID, day), context.Canceled)
		_, err = db.Workspaces(ctx)
		wantErr(t, "Workspaces with a canceled context", err, context.Canceled)
		_, err = db.Behind(ctx)
		wantErr(t, "Behind with a canceled context", err, context.Canceled)

		check(t, db.Close())
		if _, _, err := db.KeyByDigest(t.Context(), a.digest); err == nil {
			t.Error("KeyByDigest after Close: want an error")
		}
		if behind, err := db.Behind(t.Context()); err == nil {
			t.Errorf("Behind after Close = %v, want an error", behind)
		}
	})
}
