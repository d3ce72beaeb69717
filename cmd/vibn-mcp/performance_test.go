package main

import (
	"bufio"
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// rounds is how often each measurement is made, in turns with those beside it, so
// that a busy moment hits all of them. What is reported is the median.
const rounds = 5

// A report is docs/performance.md as it grows, and what it has to show.
type report struct {
	t    *testing.T
	page strings.Builder
	aims strings.Builder
}

func (r *report) write(format string, args ...any) { fmt.Fprintf(&r.page, format, args...) }

// aim writes whether what was measured is what it has to be.
func (r *report) aim(what, want, got string, met bool) {
	r.t.Helper()
	verdict := "yes"
	if !met {
		verdict = "**no**"
		r.t.Errorf("%s: %s, want %s", what, got, want)
	}
	fmt.Fprintf(&r.aims, "| %s | %s | %s | %s |\n", what, want, got, verdict)
}

const performanceHead = `# Performance

Written by ` + "`make bench`" + ` in one run. A bare server of the same SDK, with one tool that does nothing, on its default settings,
stands beside this one with ` + "`workspace_describe`" + ` behind a real key: the program as ` + "`serve`" + ` puts it together, with its log,
on a budget of calls that the run does not reach. Medians of %d rounds in turns.

What the SDK makes of one call is half a megabyte of garbage, so ` + "`main`" + ` lets the heap grow further than Go's default before
it is collected; ` + "`GOGC`" + ` or ` + "`GOMEMLIMIT`" + ` in the environment decide otherwise. That is most of the difference.

The machine had %d cores for the clients, the servers and PostgreSQL together, and other work beside them
(%s, %s/%s). So the ratios are what counts; the absolute figures are higher elsewhere.

| to show | want | got | met |
|---|---|---|---|
%s`

// TestPerformance measures this server beside a bare one of the same SDK, in the
// same run, and writes docs/performance.md.
func TestPerformance(t *testing.T) {
	if os.Getenv("VIBN_BENCH") == "" {
		t.Skip("make bench sets VIBN_BENCH")
	}
	r := &report{t: t}
	subjects := []*subject{
		startSubject(t, "bare", nil), startSubject(t, "SQLite", newWorld(t, "sqlite", quickCoolify())), startSubject(t, "PostgreSQL", newWorld(t, "postgres", quickCoolify())),
	}
	r.memory(subjects) // first: they are warm then
	r.throughput(subjects)
	r.list(subjects)
	r.start()
	r.growth()
	r.endedKeys()
	r.write("%s", jobsSection)
	page := fmt.Sprintf(performanceHead, rounds, runtime.NumCPU(), runtime.Version(), runtime.GOOS, runtime.GOARCH, r.aims.String()) + r.page.String()
	t.Log("\n" + page)
	if err := os.WriteFile(filepath.Join(root, "docs", "performance.md"), []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inTurns measures the servers in turns and returns the rounds of each.
func inTurns(t *testing.T, subjects []*subject, l load, n, c int) [][]figure {
	t.Helper()
	all := make([][]figure, len(subjects))
	for range rounds {
		for i, s := range subjects {
			all[i] = append(all[i], s.send(t, l, n, c))
		}
	}
	return all
}

func perSecond(f figure) float64     { return f.perSecond }
func p50(f figure) time.Duration     { return f.p50 }
func p99(f figure) time.Duration     { return f.p99 }
func cpuOf(f figure) time.Duration   { return f.cpu }
func ratio(of, to []figure) float64  { return median(of, perSecond) / median(to, perSecond) }
func times(x float64) string         { return fmt.Sprintf("%.2f×", x) }
func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1000 }

func (r *report) throughput(subjects []*subject) {
	r.write("\n## Calls\n\n| clients | server | requests/s | against bare | p50 ms | p99 ms | CPU ms per request |\n|---|---|---|---|---|---|---|\n")
	for _, c := range []int{1, 8, 64} {
		all := inTurns(r.t, subjects, callTool, 2000, c)
		for i, s := range subjects {
			r.write("| %d | %s | %.0f | %s | %s | %s | %s |\n", c, s.name, median(all[i], perSecond), times(ratio(all[i], all[0])),
				ms(median(all[i], p50)), ms(median(all[i], p99)), ms(median(all[i], cpuOf)))
		}
		if c == 8 {
			r.aim("calls at 8 clients on SQLite, against the bare SDK", "at least 1.5×", times(ratio(all[1], all[0])), ratio(all[1], all[0]) >= 1.5)
		}
	}
}

// memory measures servers that have just started.
func (r *report) memory(subjects []*subject) {
	r.write("\n## Memory\n\n| server | MB idle | MB after 10,000 calls by 8 clients |\n|---|---|---|\n")
	for _, s := range subjects {
		idle := memory(r.t, s.pid)
		s.send(r.t, callTool, 10_000, 8)
		r.write("| %s | %.0f | %.0f |\n", s.name, idle, memory(r.t, s.pid))
	}
}

func (r *report) list(subjects []*subject) {
	r.write("\n## tools/list\n\n| clients | server | tools | bytes | requests/s | p50 ms | p99 ms | CPU ms per request |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range []int{1, 8} {
		all := inTurns(r.t, subjects, listTools, 500, c)
		for i, s := range subjects {
			size, err := s.do(r.t.Context(), listTools)
			if err != nil {
				r.t.Fatal(err)
			}
			tools := len(toolRegistry().Tools())
			if i == 0 {
				tools = 1
			}
			r.write("| %d | %s | %d | %d | %.0f | %s | %s | %s |\n", c, s.name, tools, size, median(all[i], perSecond),
				ms(median(all[i], p50)), ms(median(all[i], p99)), ms(median(all[i], cpuOf)))
		}
	}
}

// start measures the program itself, from its start to its first answer, as a client
// does that runs it.
func (r *report) start() {
	program := filepath.Join(r.t.TempDir(), "vibn-mcp")
	build := exec.CommandContext(r.t.Context(), "go", "build", "-trimpath", "-o", program, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		r.t.Fatalf("build: %v\n%s", err, out)
	}
	sqlite, postgres, remote := newWorld(r.t, "sqlite", quickCoolify()), newWorld(r.t, "postgres", quickCoolify()), newWorld(r.t, "sqlite", quickCoolify())
	remote.serve(r.t, slog.New(slog.DiscardHandler))
	ways := []struct {
		name string
		env  map[string]string
	}{
		{"in process, on SQLite", with(sqlite.env, "VIBN_API_KEY", sqlite.keys["owner"])},
		{"in process, on PostgreSQL", with(postgres.env, "VIBN_API_KEY", postgres.keys["owner"])},
		{"bridge to a server", map[string]string{"VIBN_URL": remote.url, "VIBN_API_KEY": remote.keys["owner"]}},
	}
	took := make([][]time.Duration, len(ways))
	for range 5 * rounds {
		for i, way := range ways {
			took[i] = append(took[i], firstAnswer(r.t, program, way.env))
		}
	}
	r.write("\n## Start\n\n`stdio` from the start of the process, on a database that is migrated, to the answer to `initialize`.\n\n| server | ms |\n|---|---|\n")
	for i, way := range ways {
		r.write("| %s | %s |\n", way.name, ms(middle(took[i])))
	}
	first := middle(took[0])
	r.aim("first answer of `stdio` on SQLite", "under 50 ms", ms(first)+" ms", first < 50*time.Millisecond)
}

func firstAnswer(t *testing.T, program string, env map[string]string) time.Duration {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "stdio")
	cmd.Env = listed(env)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(stdin, `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"bench","version":"1"}}}`+"\n")
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	took := time.Since(began)
	_ = stdin.Close()
	if ended := cmd.Wait(); err != nil || ended != nil || !bytes.Contains(line, []byte(`"serverInfo"`)) {
		t.Fatalf("stdio: %s %v %v", line, err, ended)
	}
	return took
}

// sizes are how many workspaces a store holds, with a key each.
var sizes = []int{1, 1000, 100_000}

// growth measures what more workspaces cost: the look-up of a key alone, and calls.
func (r *report) growth() {
	r.write("\n## Workspaces in the store\n\n| store | workspaces | key look-up µs | calls/s at 8 clients | p50 ms | p99 ms |\n|---|---|---|---|---|---|\n")
	for _, database := range []struct{ name, dialect string }{{"SQLite", "sqlite"}, {"PostgreSQL", "postgres"}} {
		var worlds []*world
		for _, n := range sizes {
			w := newWorld(r.t, database.dialect, quickCoolify())
			w.fill(r.t, n)
			worlds = append(worlds, w)
		}
		lookups := r.lookups(worlds)
		var subjects []*subject
		for _, w := range worlds {
			s := startSubject(r.t, database.name, w)
			s.send(r.t, callTool, 500, 8) // warm
			subjects = append(subjects, s)
		}
		all := inTurns(r.t, subjects, callTool, 1500, 8)
		for i, n := range sizes {
			r.write("| %s | %d | %.0f | %.0f | %s | %s |\n", database.name, n, micros(lookups[i]), median(all[i], perSecond), ms(median(all[i], p50)), ms(median(all[i], p99)))
		}
		// The look-up itself grows with the depth of an index, by some microseconds.
		growth, calls := float64(lookups[2])/float64(lookups[0]), median(all[2], perSecond)/median(all[0], perSecond)
		r.aim("key look-up on "+database.name+" among 100,000 workspaces, against one", "at most 2×", times(growth), growth <= 2)
		r.aim("calls/s on "+database.name+" among 100,000 workspaces, against one", "at least 0.9×", times(calls), calls >= 0.9)
	}
}

// digest is the one of the i-th key of a store that was filled. Like real ones,
// they are in no order.
func digest(i int) (d tenancy.Digest) {
	binary.BigEndian.PutUint64(d[:], uint64(i)*scatter)
	return d
}

const scatter = 92_233_720_368_547 // times 100,000 it fits 63 bits

// fill adds workspaces with a key each.
func (w *world) fill(t *testing.T, n int) {
	t.Helper()
	hex := `printf('%%016x', i * %d)`
	if w.env["DATABASE_URL"] != "" {
		hex = `lpad(to_hex(i::bigint * %d), 16, '0')`
	}
	w.insert(
		t, n,
		numbers+`insert into vibn_workspaces (id, slug, created_at, updated_at) select 'w' || i, 'w' || i, $2, $2 from n`,
		numbers+`insert into vibn_api_keys (id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at)
			select 'k' || i, 'w' || i, '', '', '', `+fmt.Sprintf(hex, scatter)+` || '`+strings.Repeat("0", 48)+`', 'read', '', $2 from n`,
	)
}

// numbers begins a query for rows that are numbered up to $1.
const numbers = `with recursive n (i) as (select 1 union all select i + 1 from n where i < $1) `

// insert runs queries on the database, with n as $1 and the time as $2.
func (w *world) insert(t *testing.T, n int, queries ...string) {
	t.Helper()
	driver, source := "sqlite", filepath.Join(w.env["VIBN_DATA_DIR"], "vibn.db")+"?_time_integer_format=unix_micro&_inttotime=1"
	if url := w.env["DATABASE_URL"]; url != "" {
		driver, source = "pgx", url
	}
	db, err := sql.Open(driver, source)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, query := range queries {
		if _, err := db.ExecContext(t.Context(), query, n, time.Now().UTC()); err != nil {
			t.Fatal(err)
		}
	}
	if driver == "pgx" { // it does so by itself, some time after so many rows
		if _, err := db.ExecContext(t.Context(), `analyze`); err != nil {
			t.Fatal(err)
		}
	}
}

// lookups measures how long stores take to find keys, any of those that they hold.
func (r *report) lookups(worlds []*world) []time.Duration {
	var stores []*store.DB
	for _, w := range worlds {
		db, err := store.Open(r.t.Context(), store.Config{URL: secret.NewText(w.env["DATABASE_URL"]), Dir: w.env["VIBN_DATA_DIR"]})
		if err != nil {
			r.t.Fatal(err)
		}
		defer db.Close()
		stores = append(stores, db)
	}
	took := make([][]time.Duration, len(worlds))
	for range rounds {
		for i, db := range stores {
			var each []time.Duration
			for range 3000 {
				d := digest(1 + rand.IntN(sizes[i]))
				at := time.Now()
				if _, _, err := db.KeyByDigest(r.t.Context(), d); err != nil {
					r.t.Fatal(err)
				}
				each = append(each, time.Since(at))
			}
			took[i] = append(took[i], middle(each))
		}
	}
	var medians []time.Duration
	for _, rounds := range took {
		medians = append(medians, middle(rounds))
	}
	return medians
}

// jobsSection says what whole jobs cost. The tests that it names hold the figures.
const jobsSection = `
## Requests to Coolify

Coolify allows 200 requests a minute for all workspaces together, so what a job asks for is what limits how much agents get done.
The tests of package tenancy hold each figure below on the simulator (TestRequestsPerJob, TestListsShare). The app is named by its
domain and its workspace was seen in the last half minute; otherwise a job costs one more.

| job | before | now |
|---|---|---|
| deploy until live | 8 | 4 |
| a deployment that fails, with the reason from its log | 11 | 5 |
| list the apps | 2 | 1 |
| ten agents list the apps at once | 20 | 1 |
| why is it down | 7 | 4 |
| three variables and redeploy until live | 18 | 6 |

"Before" is commit 866e444. A deployment that is still going on when it is looked at costs one more for each poll, which waits of the
whole server share. What makes the difference:

- What a workspace has is read once for all who ask within five seconds, and forgotten after each act of the workspace. A name is
  looked up there, and what the call itself has just read is the proof that the app is the workspace's.
- All variables of a call and their copies for previews are one request, and the deployment right after it judges the rows that
  this request answered with.
- A deployment that was just requested is not looked at before the first poll, and then together with its log.
`
