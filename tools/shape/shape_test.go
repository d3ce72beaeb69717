package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// small is the root of a package with something of each kind, and of one below it.
const small = "testdata"

const smallTable = head +
	`| small | 48 | 85.7 | 8 | 75.0 | 22.9 | 48 / 48 / 48 | 1 / 4 / 4 | 3 (Reader) |
| small/part | 8 | 14.3 | 0 | – | 12.5 | 8 / 8 / 8 | 5 / 5 / 5 | – |
| all | 56 | 100.0 | 8 | 75.0 | 21.4 | 8 / 48 / 48 | 1 / 5 / 5 | 3 (Reader) |
`

func TestTable(t *testing.T) {
	var out strings.Builder
	if err := run([]string{small}, &out); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(smallTable, out.String()); diff != "" {
		t.Errorf("table (-want +got)\n%s", diff)
	}
}

func TestWrite(t *testing.T) {
	page := filepath.Join(t.TempDir(), "PAGE.md")
	write := func(text string) (string, error) {
		t.Helper()
		if err := os.WriteFile(page, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		err := run([]string{"--write", page, small}, nil)
		raw, readErr := os.ReadFile(page)
		if readErr != nil {
			t.Fatal(readErr)
		}
		return string(raw), err
	}
	got, err := write("before\n<!-- shape -->\nold\n<!-- /shape -->\nafter\n")
	want := "before\n<!-- shape -->\n" + smallTable + "<!-- /shape -->\nafter\n"
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v, page (-want +got)\n%s", err, diff)
	}
	if again, err := write(got); again != got || err != nil {
		t.Errorf("written again: %v, page (-first +second)\n%s", err, cmp.Diff(got, again))
	}
	for _, unmarked := range []string{"", "<!-- shape -->\n", "<!-- /shape -->\n<!-- shape -->\n"} {
		if got, err := write(unmarked); err == nil || got != unmarked {
			t.Errorf("%q became %q (%v), want an error", unmarked, got, err)
		}
	}
}

func TestColumns(t *testing.T) {
	var out strings.Builder
	err := run([]string{"--columns", "46", small}, &out)
	want := `small/part/part.go:6: 54 columns
small/small.go:1: 61 columns
small/small.go:15: 50 columns
small/small.go:17: 67 columns
small/small_test.go:7: 62 columns
`
	if diff := cmp.Diff(want, out.String()); diff != "" || err == nil {
		t.Errorf("%v, want an error; lines (-want +got)\n%s", err, diff)
	}
	out.Reset()
	if err := run([]string{"--columns", "67", small}, &out); err != nil || out.Len() > 0 {
		t.Errorf("no line is wider than 67 columns: %v\n%s", err, &out)
	}
}

func TestBreaches(t *testing.T) {
	sources, err := readSources(small)
	if err != nil {
		t.Fatal(err)
	}
	shapes := measure(sources)
	most := func(n ...int) []limit {
		tight := append([]limit(nil), limits...)
		for i := range tight {
			tight[i].most = n[i]
		}
		return tight
	}
	want := []string{
		"small: % of all lines: 86, limit 85",
		"small: lines of a package: 48, limit 47",
		"small/small.go: lines of a file: 48, limit 47",
		"small/part: lines of a function, 90th percentile: 5, limit 4",
		"small.Reader: methods of an interface: 3, limit 2",
		"small.Bare: exported names without a comment: 1, limit 0",
		"small.Undocumented: exported names without a comment: 1, limit 0",
	}
	if diff := cmp.Diff(want, breaches(shapes, most(85, 47, 0, 47, 4, 2, 0))); diff != "" {
		t.Errorf("one less than there is (-want +got)\n%s", diff)
	}
	if got := breaches(shapes, most(86, 48, 0, 48, 5, 3, 1)); len(got) > 0 {
		t.Errorf("as much as there is: %v", got)
	}
}

// TestCheck holds the limits themselves against code that exceeds two of them.
func TestCheck(t *testing.T) {
	var out strings.Builder
	err := run([]string{"--check", small}, &out)
	want := `small: % of all lines: 86, limit 20
small.Bare: exported names without a comment: 1, limit 0
small.Undocumented: exported names without a comment: 1, limit 0
`
	if diff := cmp.Diff(want, out.String()); diff != "" || err == nil {
		t.Errorf("%v, want an error; breaches (-want +got)\n%s", err, diff)
	}
}

// TestTenancy proves that the limit of one package is no limit of another.
func TestTenancy(t *testing.T) {
	shapes := []*shape{{name: "tenancy", lines: 3301}, {name: "store", lines: 3301}}
	want := []string{"tenancy: lines of this package: 3301, limit 3300"}
	if diff := cmp.Diff(want, breaches(shapes, limits[2:3])); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
