package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// work runs jobs until stop is called, or the test ends. stop returns what Work
// did.
func work(t *testing.T, db *store.DB, jobs store.Jobs, log io.Writer) (stop func() error) {
	t.Helper()
	if jobs.Provision == nil {
		jobs.Provision = func(context.Context, string) error { return nil }
	}
	if jobs.Push == nil {
		jobs.Push = func(context.Context, string, string) (time.Duration, error) { return 0, nil }
	}
	if jobs.Tokens == nil {
		jobs.Tokens = func(context.Context, string) error { return nil }
	}
	if jobs.Sweep == nil {
		jobs.Sweep = func(context.Context) error { return nil }
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- db.Work(ctx, jobs, slog.New(slog.NewTextHandler(log, nil))) }()
	stop = sync.OnceValue(func() error { cancel(); return <-ended })
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Work = %v", err)
		}
	})
	return stop
}

// next waits for what a job sends.
func next[T any](t *testing.T, what string, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-storetest.LastMoment(t):
		t.Fatalf("%s did not come", what)
		panic("not reached")
	}
}

// finish is a run that does all that is wanted.
func finish(ctx context.Context, db *store.DB, id string) error {
	p, err := db.Provision(ctx, id)
	if err != nil {
		return err
	}
	_, err = db.FinishProvision(ctx, id, p.Wanted, tenancy.Outcome{Status: tenancy.Ready}, day)
	return err
}

func TestWork(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		ran := make(chan string, 9)
		stop := work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			err := finish(ctx, db, id)
			ran <- id
			return err
		}}, t.Output())
		wantSame(t, "what was queued before", a.ws.ID, next(t, "the job", ran))
		b := newTenant(t, db, "beta")
		wantSame(t, "what is queued now", b.ws.ID, next(t, "the job", ran))
		check(t, stop())
		for _, id := range []string{a.ws.ID, b.ws.ID} {
			wantSame(t, "jobs", []string{"state=completed "}, jobsOf(t, db, id))
		}

		check(t, db.Queue(ctx, a.ws.ID))
		check(t, db.Queue(ctx, a.ws.ID))
		wantSame(t, "jobs after Queue", []string{"state=completed ", "state=available "}, jobsOf(t, db, a.ws.ID))
		work(t, db, store.Jobs{Provision: func(_ context.Context, id string) error { ran <- id; return nil }}, t.Output())
		wantSame(t, "what is queued after a restart", a.ws.ID, next(t, "the job", ran))
	})
}

// A run that leaves something undone, or that saw less than was wanted when it
// ended, is followed by another, whether it says so or not.
func TestWorkSeesWhatIsWantedMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		mores := make(chan bool, 9)
		stop := work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			p, err := db.Provision(ctx, id)
			if err != nil {
				return err
			}
			if p.Wanted < 3 {
				if err := db.RequestProvision(ctx, id); err != nil {
					return err
				}
			}
			more, err := db.FinishProvision(ctx, id, p.Wanted, tenancy.Outcome{Status: tenancy.Ready}, day)
			mores <- more
			return err
		}}, t.Output())
		for _, want := range []bool{true, true, false} {
			wantSame(t, "more", want, next(t, "a run", mores))
		}
		check(t, stop())
		p := must(db.Provision(t.Context(), a.ws.ID))(t)
		wantSame(t, "Done", p.Wanted, p.Done)
		wantSame(t, "jobs", []string{"state=completed "}, jobsOf(t, db, a.ws.ID))
	})
}

// A job that fails runs again, later each time, and at once when something is
// wanted.
func TestWorkRetries(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		ran := make(chan string, 9)
		failing := store.Jobs{Provision: func(_ context.Context, id string) error { ran <- id; return errors.New("Gitea is away") }}
		stop := work(t, db, failing, t.Output())
		next(t, "the first attempt", ran)
		next(t, "the second attempt", ran)
		check(t, stop())
		wantSame(t, "jobs", []string{"state=retryable "}, jobsOf(t, db, a.ws.ID))
		check(t, db.Queue(t.Context(), a.ws.ID)) // a sweep does not hurry it
		wantSame(t, "jobs after Queue", []string{"state=retryable "}, jobsOf(t, db, a.ws.ID))
		check(t, db.RequestProvision(t.Context(), a.ws.ID))
		wantSame(t, "jobs after Want", []string{"state=available "}, jobsOf(t, db, a.ws.ID))

		stop = work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			err := finish(ctx, db, id)
			ran <- id
			return err
		}}, t.Output())
		next(t, "the third attempt", ran)
		check(t, stop())
		wantSame(t, "jobs in the end", []string{"state=completed "}, jobsOf(t, db, a.ws.ID))
	})
}

// Tokens end while runs on parts take all their time, as soon as a key expires, and again
// until that has worked.
func TestWorkEndsTokens(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		busy := make(chan struct{})
		defer close(busy)
		for i := range 5 {
			newTenant(t, db, fmt.Sprint("busy-", i)) // a run is queued for each
		}
		a := newTenant(t, db, "alpha")
		k, digest := newKey(a.ws.ID, "expires")
		k.ExpiresAt = new(after(10))
		check(t, db.CreateKey(t.Context(), k, digest))
		b := newToken(k)
		check(t, db.AddBotToken(t.Context(), b))
		check(t, db.FillBotToken(t.Context(), filled(b)))
		var now atomic.Int64
		clock := func() time.Time { return after(int(now.Load())) }
		swept, ended, failed := make(chan []string, 99), make(chan string, 9), false
		work(t, db, store.Jobs{
			Provision: func(context.Context, string) error { <-busy; return nil },
			SweepTokens: func(ctx context.Context) error {
				ids, err := db.TokensDue(ctx, clock(), clock())
				for _, id := range ids {
					err = errors.Join(err, db.QueueTokens(ctx, id))
				}
				swept <- ids
				return err
			},
			Tokens: func(ctx context.Context, id string) error {
				if !failed {
					failed = true
					return errors.New("Gitea is away")
				}
				err := errors.Join(db.RevokeEndedTokens(ctx, id, clock(), day), db.TokenGone(ctx, id, b.ID, clock()))
				ended <- id
				return err
			},
		}, t.Output())
		wantSame(t, "due before the expiry", []string(nil), next(t, "a sweep", swept))
		now.Store(10)
		wantSame(t, "whose tokens ended", a.ws.ID, next(t, "the end of a token", ended))
		for ids := next(t, "a sweep", swept); len(ids) > 0; {
			ids = next(t, "a sweep", swept)
		}
	})
}

// Jobs that panic fail like others, and what they panic with is seen nowhere.
func TestWorkSurvivesPanics(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		const token = "0123456789abcdef-token"
		a := newTenant(t, db, "alpha")
		ran, swept := make(chan string, 9), make(chan bool, 9)
		var first sync.Once
		var log bytes.Buffer
		stop := work(t, db, store.Jobs{
			Provision: func(ctx context.Context, id string) error {
				first.Do(func() { panic("cannot use " + token) })
				err := finish(ctx, db, id)
				ran <- id
				return err
			},
			Sweep: func(context.Context) error { swept <- true; panic(errors.New(token)) },
		}, &log)
		next(t, "a sweep", swept)
		wantSame(t, "the job after a panic", a.ws.ID, next(t, "the job after a panic", ran))
		check(t, stop())
		rows := strings.Join(dump(t, db, riverRows(db)), "\n")
		for what, text := range map[string]string{"river_job": rows, "the log": log.String()} {
			if strings.Contains(text, token) {
				t.Errorf("%s shows what a job panicked with:\n%s", what, text)
			}
		}
		for _, word := range []string{"panic: string", "panic: *errors.errorString"} {
			if !strings.Contains(rows, word) {
				t.Errorf("river_job does not say %q:\n%s", word, rows)
			}
		}
		if !strings.Contains(log.String(), "jobs_test.go") {
			t.Errorf("the log does not say where a job panicked:\n%s", &log)
		}
	})
}

// riverRows selects what the queue holds, as text.
func riverRows(db *store.DB) string {
	if db.Dialect() == "PostgreSQL" {
		return `select kind, args, errors, metadata, tags from river_job order by kind, id`
	}
	return `select kind, json(args) args, json(errors) errors, json(metadata) metadata, json(tags) tags from river_job order by kind, id`
}

// The queue's rows name the workspace by its id, and hold nothing else of it.
func TestJobsHoldIDsOnly(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		ran := make(chan string, 9)
		stop := work(t, db, store.Jobs{Provision: func(_ context.Context, id string) error { ran <- id; return errors.New("away") }}, t.Output())
		next(t, "the job", ran)
		check(t, stop())
		row := strings.Join(dump(t, db, riverRows(db)+` limit 1`), "\n")
		if !strings.Contains(row, "kind=vibn_provision ") || !strings.Contains(row, a.ws.ID) || !strings.Contains(row, "away") {
			t.Fatalf("the first row is not that of the workspace that failed: %s", row)
		}
		for _, theirs := range []string{a.ws.Slug, a.ws.CoolifyProject, a.user, a.parts.TokenSealed, a.nonce, a.parts.Bot, a.key.ID} {
			if strings.Contains(row, theirs) {
				t.Errorf("the row holds %q: %s", theirs, row)
			}
		}
		query := `select args from river_job where kind = 'vibn_provision' and not (args - 'workspace_id' = '{}')`
		if db.Dialect() == "SQLite" {
			query = `select json(args) from river_job where kind = 'vibn_provision' and json_remove(args, '$.workspace_id') <> '{}'`
		}
		wantSame(t, "arguments besides the workspace's id", []string(nil), dump(t, db, query))
	})
}

func TestWorkSweepsAtStart(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		execSQL(t, db, `delete from river_job`) // as if it had been lost
		ran := make(chan string, 9)
		work(t, db, store.Jobs{
			Provision: func(ctx context.Context, id string) error {
				err := finish(ctx, db, id)
				ran <- id
				return err
			},
			Sweep: func(ctx context.Context) error {
				ids, err := db.Due(ctx, day, day, 100)
				for _, id := range ids {
					err = errors.Join(err, db.Queue(ctx, id))
				}
				return err
			},
		}, t.Output())
		wantSame(t, "what a sweep found", a.ws.ID, next(t, "the job", ran))
	})
}

// Work ends although a job runs. One that heeds its context runs again at the
// next start.
func TestWorkStops(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		ran := make(chan string, 9)
		stop := work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			ran <- id
			<-ctx.Done()
			return fmt.Errorf("ask Gitea: %w", ctx.Err())
		}}, t.Output())
		next(t, "the job", ran)
		check(t, stop()) // it would not return: the job ends only when its context does
		wantSame(t, "jobs", []string{"state=available "}, jobsOf(t, db, a.ws.ID))
		work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			err := finish(ctx, db, id)
			ran <- id
			return err
		}}, t.Output())
		wantSame(t, "the job at the next start", a.ws.ID, next(t, "the job", ran))
	})
}

// Work does not end while a job does what can be done soon.
func TestWorkLetsJobsEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		ran, goOn := make(chan string, 9), make(chan bool)
		stop := work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			ran <- id
			<-goOn
			return finish(ctx, db, id)
		}}, t.Output())
		next(t, "the job", ran)
		ended := make(chan error)
		go func() { ended <- stop() }()
		close(goOn)
		check(t, next(t, "the end", ended))
		wantSame(t, "jobs", []string{"state=completed "}, jobsOf(t, db, a.ws.ID))
	})
}

// The job of a process that died is taken up by another one as soon as it cannot
// run any more.
func TestWorkTakesUpLostJobs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		at := time.Now().Add(-6*time.Minute - time.Second).UTC().Format("2006-01-02 15:04:05.000")
		if db.Dialect() == "PostgreSQL" {
			at += "+00"
		}
		execSQL(t, db, `update river_job set state = 'running', attempt = 1, attempted_at = $1`, at)
		check(t, db.RequestProvision(t.Context(), a.ws.ID))
		wantSame(t, "jobs", []string{"state=running "}, jobsOf(t, db, a.ws.ID))
		ran := make(chan string, 9)
		work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			err := finish(ctx, db, id)
			ran <- id
			return err
		}}, t.Output())
		wantSame(t, "the job", a.ws.ID, next(t, "the job", ran))
	})
}

// Two processes on one PostgreSQL see to every workspace, and never both to one.
func TestTwoWorkers(t *testing.T) {
	t.Parallel()
	const workspaces = 40
	url := secret.NewText(storetest.Migrated(t))
	dbs := []*store.DB{open(t, store.Config{URL: url}), open(t, store.Config{URL: url})}
	var mu sync.Mutex
	running, left := map[string]bool{}, map[string]bool{}
	for i := range workspaces {
		w := newWorkspace(day)
		w.Slug = fmt.Sprint("alpha-", i)
		left[w.ID] = true
		check(t, dbs[0].CreateWorkspace(t.Context(), w, 0))
	}
	begin := func(id string) {
		mu.Lock()
		defer mu.Unlock()
		if running[id] {
			t.Errorf("two work on %s", id)
		}
		running[id] = true
	}
	end := func(id string, more bool) (done bool) {
		mu.Lock()
		defer mu.Unlock()
		running[id] = false
		if !more {
			delete(left, id)
		}
		return len(left) == 0
	}
	done := make(chan bool, workspaces)
	var stops []func() error
	for _, db := range dbs {
		stops = append(stops, work(t, db, store.Jobs{Provision: func(ctx context.Context, id string) error {
			begin(id)
			p, err := db.Provision(ctx, id)
			if err != nil {
				return err
			}
			if p.Wanted == 1 { // one more thing, while the job runs
				if err := db.RequestProvision(ctx, id); err != nil {
					return err
				}
			}
			more, err := db.FinishProvision(ctx, id, p.Wanted, tenancy.Outcome{Status: tenancy.Ready}, day)
			if end(id, more || err != nil) {
				done <- true
			}
			return err
		}}, t.Output()))
	}
	next(t, "the end of all", done)
	for _, stop := range stops {
		check(t, stop())
	}
	wantSame(t, "Due", []string(nil), must(dbs[0].Due(t.Context(), day, day, 100))(t))
	states := dump(t, dbs[0], `select distinct state from river_job where kind = 'vibn_provision'`)
	wantSame(t, "states of the jobs", []string{"state=completed "}, states)
}
