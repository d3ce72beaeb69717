package migrations_test

import (
	"fmt"
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/db/migrations"
)

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := fs.ReadDir(migrations.FS, dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestBothDatabasesHaveTheSameFiles(t *testing.T) {
	sqlite := names(t, "sqlite")
	if diff := cmp.Diff(sqlite, names(t, "postgres")); diff != "" {
		t.Errorf("files of sqlite and postgres differ (-sqlite +postgres):\n%s", diff)
	}
	number := 0
	for _, name := range sqlite {
		if number++; number == migrations.River || number == migrations.ShownTokens {
			number++
		}
		if want := fmt.Sprintf("%05d_", number); !strings.HasPrefix(name, want) {
			t.Errorf("file %s, want its name to begin with %s", name, want)
		}
	}
}

func TestFilesGoForwardOnly(t *testing.T) {
	for _, dir := range []string{"sqlite", "postgres"} {
		for _, name := range names(t, dir) {
			text, err := fs.ReadFile(migrations.FS, path.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(text), "-- +goose Up"); n != 1 {
				t.Errorf("%s/%s has %d lines %q, want 1", dir, name, n, "-- +goose Up")
			}
			if strings.Contains(string(text), "-- +goose Down") {
				t.Errorf("%s/%s has a down migration", dir, name)
			}
			if !strings.HasPrefix(string(text), "-- ") {
				t.Errorf("%s/%s does not say what it is for", dir, name)
			}
		}
	}
}
