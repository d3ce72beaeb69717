package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// manyEnded is how many keys ended in the workspace that lists them.
const manyEnded = 100_000

// TestPerformanceOfEndedKeys is that part of TestPerformance alone. It writes nothing.
func TestPerformanceOfEndedKeys(t *testing.T) {
	if os.Getenv("VIBN_BENCH") == "" {
		t.Skip("set VIBN_BENCH to measure")
	}
	r := &report{t: t}
	r.endedKeys()
	t.Logf("%s\n%s", r.page.String(), r.aims.String())
}

// endedKeys measures what a workspace in which many keys ended costs another one, while it
// lists its keys as often as it may: the server's memory, and the other's calls.
func (r *report) endedKeys() {
	r.write("\n## A workspace with %d ended keys\n\nIt lists its keys and its activity ten times a second, as often as a workspace may call.\n\n", manyEnded)
	r.write("| store | while | MB | p50 ms of another workspace | p95 ms |\n|---|---|---|---|---|\n")
	for _, database := range []struct{ name, dialect string }{{"SQLite", "sqlite"}, {"PostgreSQL", "postgres"}} {
		w := newWorld(r.t, database.dialect, quickCoolify())
		must(r.t, w.env, "workspace", "create", "quiet", "--coolify-project", w.sim.AddProject("quiet").UUID, "--wait")
		quiet := must(r.t, w.env, "key", "create", "quiet", "--preset", "viewer")
		w.insert(r.t, manyEnded, numbers+`insert into vibn_api_keys
			(id, workspace_id, name, prefix, last4, digest, rights, created_by, created_at, revoked_at)
			select '01900000-0000-7000-8000-' || cast(100000000000 + i as text), (select id from vibn_workspaces where slug = '`+worldSlug+`'),
				'ended', 'vibn_sk_', 'last', 'ended' || i, 'read', 'operator', $2, $2 from n`)
		s := startSubject(r.t, database.name, w)
		lister := *s
		s.key = quiet
		s.calls(r.t, 2_000) // warm
		idle, busy := memory(r.t, s.pid), 0.
		var alone, beside []pace
		for range rounds {
			alone = append(alone, s.calls(r.t, 2_000))
			stop := lister.listKeys(r.t)
			beside = append(beside, s.calls(r.t, 2_000))
			if stop() == 0 {
				r.t.Error("no list was answered")
			}
			busy = max(busy, memory(r.t, s.pid))
		}
		was, is := middlePace(alone), middlePace(beside)
		r.write("| %s | idle | %.0f | %s | %s |\n", database.name, idle, ms(was.p50), ms(was.p95))
		r.write("| %s | listing | %.0f | %s | %s |\n", database.name, busy, ms(is.p50), ms(is.p95))
		slower := float64(is.p95) / float64(was.p95)
		r.aim(fmt.Sprintf("memory on %s while %d ended keys are listed, against idle", database.name, manyEnded), "at most 1.3×", times(busy/idle), busy <= 1.3*idle)
		r.aim("p95 of another workspace on "+database.name+" meanwhile, against idle", "at most 2×", times(slower), slower <= 2)
	}
}

// A pace is how long the calls of a round took.
type pace struct{ p50, p95 time.Duration }

// calls sends calls one after the other.
func (s *subject) calls(t *testing.T, n int) pace {
	t.Helper()
	took := make([]time.Duration, n)
	for i := range took {
		at := time.Now()
		if _, err := s.do(t.Context(), callTool); err != nil {
			t.Fatal(err)
		}
		took[i] = time.Since(at)
	}
	slices.Sort(took)
	return pace{took[n/2], took[n*95/100]}
}

// middlePace is the middle one of what rounds measured.
func middlePace(rounds []pace) pace {
	var p50, p95 []time.Duration
	for _, r := range rounds {
		p50, p95 = append(p50, r.p50), append(p95, r.p95)
	}
	return pace{middle(p50), middle(p95)}
}

// listKeys lists the keys of the world's workspace, page after page, and its activity, ten
// times a second until stop, which returns how many lists were answered.
func (s *subject) listKeys(t *testing.T) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	answered := make(chan int)
	go func() {
		tick, n, cursor := time.NewTicker(100*time.Millisecond), 0, ""
		defer tick.Stop()
		for ctx.Err() == nil {
			paths := []string{"/keys?cursor=" + cursor, "/keys?state=active", "/keys?state=ended", "/activity"}
			next, err := s.list(ctx, paths[n%len(paths)])
			if err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			if n%len(paths) == 0 {
				cursor = next
			}
			n++
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
		answered <- n
	}()
	return func() int {
		cancel()
		return <-answered
	}
}

// list reads a page over REST, and returns where the next one begins.
func (s *subject) list(ctx context.Context, path string) (next string, err error) {
	url := strings.TrimSuffix(s.url, "/mcp") + "/api/workspaces/" + worldSlug + path
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+s.key)
	resp, err := s.client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %d %s", path, resp.StatusCode, raw)
	}
	if err != nil {
		return "", err
	}
	var page struct {
		Cursor string `json:"next_cursor"`
	}
	err = json.Unmarshal(raw, &page)
	return page.Cursor, err
}
