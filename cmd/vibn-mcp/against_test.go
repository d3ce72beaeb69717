package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A build is one commit, compiled: the program, and its tests, which know how to
// serve on a budget that no run reaches.
type build struct{ name, program, tests string }

// TestPerformanceAgainst measures the work tree beside another commit and a bare
// server of the SDK, in the same run, and prints the ratios. What TestPerformance
// measures in its own process, such as the look-up of keys, it leaves out.
func TestPerformanceAgainst(t *testing.T) {
	commit := os.Getenv("VIBN_BENCH_BASE")
	if commit == "" {
		t.Skip("make bench BASE=commit sets VIBN_BENCH_BASE")
	}
	builds := []build{buildIn(t, "base", checkOut(t, commit)), buildIn(t, "new", root)}
	c := &comparison{t: t}
	c.page.WriteString("\n| measured | base | new | bare | new/base | new/bare |\n|---|---|---|---|---|---|\n")
	for _, database := range []string{"SQLite", "PostgreSQL"} {
		c.serving(builds, database)
		c.starting(builds, database)
	}
	t.Logf("base is %s; medians of %d rounds\n%s", commit, rounds, c.page.String())
}

// checkOut returns a work tree of a commit, which lasts as long as the test.
func checkOut(t *testing.T, commit string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "base")
	runIn(t, root, "git", "worktree", "add", "--quiet", "--detach", dir, commit)
	t.Cleanup(func() { runIn(t, root, "git", "worktree", "remove", "--force", dir) })
	return dir
}

func buildIn(t *testing.T, name, dir string) build {
	t.Helper()
	out := t.TempDir()
	b := build{name, filepath.Join(out, "vibn-mcp"), filepath.Join(out, name+".test")}
	runIn(t, dir, "env", "CGO_ENABLED=0", "go", "build", "-trimpath", "-o", b.program, "./cmd/vibn-mcp")
	runIn(t, dir, "go", "test", "-c", "-o", b.tests, "./cmd/vibn-mcp")
	return b
}

// runIn also runs when the test has ended, to clean up.
func runIn(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), args[0], args[1:]...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// world makes a world with the build's own program, so that the database has the
// tables of its commit.
func (b build) world(t *testing.T, database string) *world {
	t.Helper()
	if database == "PostgreSQL" {
		database = "postgres"
	}
	return newWorldBy(t, database, quickCoolify(), func(env map[string]string, args ...string) string {
		cmd := exec.CommandContext(t.Context(), b.program, args...)
		cmd.Env = listed(env)
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s of %s: %v", strings.Join(args, " "), b.name, err)
		}
		return strings.TrimSpace(string(out))
	})
}

// A comparison is a table as it grows.
type comparison struct {
	t    *testing.T
	page strings.Builder
}

// row adds what was measured of base, new and bare; there may be no bare.
func (c *comparison) row(what, format string, got ...float64) {
	bare, beside := "–", "–"
	if len(got) > 2 {
		bare, beside = fmt.Sprintf(format, got[2]), times(got[1]/got[2])
	}
	fmt.Fprintf(&c.page, "| %s | "+format+" | "+format+" | %s | %s | %s |\n",
		what, got[0], got[1], bare, times(got[1]/got[0]), beside)
}

// serving measures servers.
func (c *comparison) serving(builds []build, database string) {
	var subjects []*subject
	for _, b := range builds {
		subjects = append(subjects, startBinary(c.t, b.tests, b.name, b.world(c.t, database)))
	}
	subjects = append(subjects, startSubject(c.t, "bare", nil))
	c.memory(subjects, database) // first: they are warm then
	for _, m := range []struct {
		load       load
		n, clients int
	}{{callTool, 2000, 1}, {callTool, 2000, 8}, {callTool, 2000, 64}, {listTools, 500, 1}, {listTools, 500, 8}} {
		all := inTurns(c.t, subjects, m.load, m.n, m.clients)
		what := fmt.Sprintf("%s on %s, %d at once: ", m.load.method, database, m.clients)
		c.medians(what+"requests/s", "%.0f", all, perSecond)
		c.medians(what+"p50 ms", "%.2f", all, func(f figure) float64 { return millis(f.p50) })
		c.medians(what+"p99 ms", "%.2f", all, func(f figure) float64 { return millis(f.p99) })
		c.medians(what+"CPU ms per request", "%.2f", all, func(f figure) float64 { return millis(f.cpu) })
	}
}

func millis(d time.Duration) float64 { return d.Seconds() * 1000 }

// medians adds a row of what the rounds of each server measured.
func (c *comparison) medians(what, format string, all [][]figure, of func(figure) float64) {
	var got []float64
	for _, rounds := range all {
		got = append(got, median(rounds, of))
	}
	c.row(what, format, got...)
}

func (c *comparison) memory(subjects []*subject, database string) {
	var idle, used []float64
	for _, s := range subjects {
		idle = append(idle, memory(c.t, s.pid))
		s.send(c.t, callTool, 10_000, 8)
		used = append(used, memory(c.t, s.pid))
	}
	c.row("MB idle on "+database, "%.0f", idle...)
	c.row("MB after 10,000 calls on "+database, "%.0f", used...)
}

// starting measures stdio, from the start of the process to its first answer.
func (c *comparison) starting(builds []build, database string) {
	var envs []map[string]string
	for _, b := range builds {
		w := b.world(c.t, database)
		envs = append(envs, with(w.env, "VIBN_API_KEY", w.keys["owner"]))
	}
	took := make([][]time.Duration, len(builds))
	for range 5 * rounds {
		for i, b := range builds {
			took[i] = append(took[i], firstAnswer(c.t, b.program, envs[i]))
		}
	}
	c.row("first answer of stdio on "+database+": ms", "%.2f", millis(middle(took[0])), millis(middle(took[1])))
}
