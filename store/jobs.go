package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/vibnai/vibn-mcp/db/migrations"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Jobs are the functions that run in the background. The database keeps their errors and
// the operator reads them, so they must hold no secret and no text of tenants or
// upstreams.
type Jobs struct {
	// Provision handles a workspace's parts. It is retried when it fails, and may run
	// twice.
	Provision func(ctx context.Context, workspaceID string) error
	// Tokens ends a workspace's tokens of Gitea whose key or person lost the right to them.
	// It is retried when it fails, and may run twice.
	Tokens func(ctx context.Context, workspaceID string) error
	// SweepTokens finds such tokens and queues Tokens. Each process calls it every two
	// seconds; nil = never.
	SweepTokens func(ctx context.Context) error
	// Push processes the pushes to a project's repository. It is retried when it fails,
	// and may run twice. If again is not 0, it is called again after that time.
	Push func(ctx context.Context, workspaceID, projectID string) (again time.Duration, err error)
	// Sweep finds work that is due. One process calls it every minute.
	Sweep func(ctx context.Context) error
}

// Limits of the jobs of one process.
const (
	jobWorkers  = 4
	jobTime     = 5 * time.Minute
	jobLost     = jobTime + time.Minute // its process is gone: another one may run the job
	jobWait     = 10 * time.Minute      // the longest wait between two attempts
	jobAttempts = 10_000                // enough for over two months
	sweepEvery  = time.Minute
	jobPoll     = 500 * time.Millisecond

	tokensQueue      = "tokens" // their own: a run on a workspace's parts takes minutes
	tokenWorkers     = 2
	tokensWait       = 15 * time.Second // the longest wait between two attempts to end tokens
	sweepTokensEvery = 2 * time.Second
)

// A provisionJob holds an id only, as several programs and people may read the rows of
// the queue.
type provisionJob struct {
	WorkspaceID string `json:"workspace_id"`
}

func (provisionJob) Kind() string { return "vibn_provision" }

// InsertOpts keeps at most one job for a workspace. The workspace's row counts requests
// that arrive while the job runs, and the job checks the count before it ends.
func (provisionJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: jobAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

// A tokensJob ends tokens of Gitea. It asks nothing of Coolify.
type tokensJob struct {
	WorkspaceID string `json:"workspace_id"`
}

const tokensKind = "vibn_tokens"

func (tokensJob) Kind() string { return tokensKind }

// InsertOpts keeps at most one job for a workspace. What ends while the job runs is found
// by the next sweep.
func (tokensJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: tokensQueue, MaxAttempts: jobAttempts, UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished},
	}
}

type sweepJob struct{}

func (sweepJob) Kind() string { return "vibn_sweep" }

// InsertOpts allows one attempt: a failed sweep is not retried, as the next one follows.
func (sweepJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: unfinished}}
}

var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
}

// retryPolicy retries a failed job for as long as it takes, as the job may wait for an
// operator or for a Gitea that is down. The waits are short at first, and at most ten
// minutes; for tokens that are to end, seconds.
type retryPolicy struct{ river.DefaultClientRetryPolicy }

// NextRetry implements [river.ClientRetryPolicy].
func (r retryPolicy) NextRetry(job *rivertype.JobRow) time.Time {
	latest := time.Now().Add(jobWait)
	if job.Kind == tokensKind {
		latest = time.Now().Add(tokensWait)
	}
	if next := r.DefaultClientRetryPolicy.NextRetry(job); next.Before(latest) {
		return next
	}
	return latest
}

func riverDriver(conns *sql.DB, d dialect) riverdriver.Driver[*sql.Tx] {
	if d.goose == goose.DialectPostgres {
		return riverdatabasesql.New(conns)
	}
	return riversqlite.New(conns)
}

// inserter returns a client that queues jobs and runs none.
func inserter(conns *sql.DB, d dialect) (*river.Client[*sql.Tx], error) {
	return river.NewClient(riverDriver(conns, d), &river.Config{Logger: slog.New(slog.DiscardHandler)})
}

// riverMigration makes River's tables as one of this package's migrations, under the same
// lock. It cannot be one transaction: River adds values to a type and then uses them.
// After a crash, a second run continues where the first one ended. A newer River that
// needs more gets a migration of its own.
func riverMigration(conns *sql.DB, d dialect) *goose.Migration {
	return goose.NewGoMigration(migrations.River, &goose.GoFunc{RunDB: func(ctx context.Context, _ *sql.DB) error {
		m, err := rivermigrate.New(riverDriver(conns, d), &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			return err
		}
		_, err = m.Migrate(ctx, rivermigrate.DirectionUp, nil)
		return err
	}}, nil)
}

// queue queues the job of a workspace in tx.
func (db *DB) queue(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	return db.queueNow(ctx, tx, provisionJob{workspaceID})
}

// queueNow queues a job in tx. If the job is queued already and waits for its next
// attempt or look, it runs now.
func (db *DB) queueNow(ctx context.Context, tx *sql.Tx, job river.JobArgs) error {
	r, err := db.jobs.InsertTx(ctx, tx, job, nil)
	if err != nil {
		return fmt.Errorf("queue a job: %w", err)
	}
	waits := r.Job.State == rivertype.JobStateRetryable || r.Job.State == rivertype.JobStateScheduled
	if r.UniqueSkippedAsDuplicate && waits {
		_, err = db.jobs.JobRetryTx(ctx, tx, r.Job.ID)
	}
	return err
}

// Queue queues the job of a workspace, unless it is queued or running.
func (db *DB) Queue(ctx context.Context, workspaceID string) error {
	_, err := db.jobs.Insert(ctx, provisionJob{workspaceID}, nil)
	return wrap(err, "queue the job of workspace %q", workspaceID)
}

// QueueTokens queues the job that ends a workspace's tokens, unless it is queued or running.
func (db *DB) QueueTokens(ctx context.Context, workspaceID string) error {
	_, err := db.jobs.Insert(ctx, tokensJob{workspaceID}, nil)
	return wrap(err, "queue the tokens of workspace %q", workspaceID)
}

// Work runs jobs until ctx ends, then waits up to 10 seconds for running jobs and cancels
// the rest. Several processes may work on one PostgreSQL.
func (db *DB) Work(ctx context.Context, jobs Jobs, log *slog.Logger) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[provisionJob]) error {
		err := recovered(ctx, log, func() error { return jobs.Provision(ctx, j.Args.WorkspaceID) })
		if err != nil {
			return err
		}
		return db.complete(ctx, j)
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[pushJob]) error {
		var again time.Duration
		err := recovered(ctx, log, func() (err error) {
			again, err = jobs.Push(ctx, j.Args.WorkspaceID, j.Args.ProjectID)
			return err
		})
		switch {
		case err != nil:
			return err
		case again > 0:
			return river.JobSnooze(again)
		}
		return db.completePush(ctx, j)
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[tokensJob]) error {
		return recovered(ctx, log, func() error { return jobs.Tokens(ctx, j.Args.WorkspaceID) })
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, _ *river.Job[sweepJob]) error {
		return recovered(ctx, log, func() error { return jobs.Sweep(ctx) })
	}))
	client, err := river.NewClient(riverDriver(db.sql, db.dialect), &river.Config{
		Logger: log, Workers: workers, RetryPolicy: retryPolicy{}, JobTimeout: jobTime, RescueStuckJobsAfter: jobLost,
		FetchPollInterval: jobPoll,
		Queues: map[string]river.QueueConfig{
			river.QueueDefault: {MaxWorkers: jobWorkers}, pushQueue: {MaxWorkers: pushWorkers},
			tokensQueue: {MaxWorkers: tokenWorkers},
		},
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(sweepEvery),
			func() (river.JobArgs, *river.InsertOpts) { return sweepJob{}, nil }, &river.PeriodicJobOpts{
				RunOnStart: true,
			})},
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the jobs: %w", err)
	}
	db.sweepTokens(ctx, jobs, log)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if client.Stop(stopping) == nil {
		return nil
	}
	stopping, cancel = context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return client.StopAndCancel(stopping)
}

// sweepTokens looks for tokens that are to end until ctx ends. A job of the queue would
// leave a row for each look.
func (db *DB) sweepTokens(ctx context.Context, jobs Jobs, log *slog.Logger) {
	tick := time.NewTicker(sweepTokensEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if jobs.SweepTokens == nil {
			continue
		}
		err := recovered(ctx, log, func() error { return jobs.SweepTokens(ctx) })
		if err != nil && ctx.Err() == nil {
			log.WarnContext(ctx, "look for tokens that end", "err", err)
		}
	}
}

// complete ends the job of a workspace, unless there were requests meanwhile.
func (db *DB) complete(ctx context.Context, j *river.Job[provisionJob]) error {
	return completeUnless(ctx, db, j, `update vibn_workspaces set provision_done = provision_done
		where id = $1 returning provision_done < provision_wanted`, j.Args.WorkspaceID)
}

// completePush ends the job of a project, unless there were pushes meanwhile.
func (db *DB) completePush(ctx context.Context, j *river.Job[pushJob]) error {
	return completeUnless(ctx, db, j, `update vibn_projects set push_done = push_done
		where workspace_id = $1 and id = $2 returning push_done < push_wanted`, j.Args.WorkspaceID, j.Args.ProjectID)
}

// completeUnless ends a job, unless a query reports requests that arrived meanwhile: then
// the job runs again soon. The query and the end of the job share one transaction, which
// locks the row as a request does. Otherwise a request could find the job still running,
// and would wait for a sweep.
func completeUnless[T river.JobArgs](ctx context.Context, db *DB, j *river.Job[T], query string, args ...any) error {
	more := false
	err := db.inTx(ctx, func(tx *sql.Tx) error {
		err := tx.QueryRowContext(ctx, query, args...).Scan(&more)
		if err != nil || more {
			return err
		}
		_, err = river.JobCompleteTx[riverdriver.Driver[*sql.Tx]](ctx, tx, j)
		return err
	})
	switch {
	case errors.Is(kind(err), tenancy.ErrNotFound): // there is nothing left to do
		return nil
	case err != nil:
		return fmt.Errorf("complete the job: %w", err)
	case more:
		return river.JobSnooze(time.Second)
	}
	return nil
}

// recovered turns a panic into an error without the panic's value. River would log that
// value and keep it in the database, and it may hold a secret.
func recovered(ctx context.Context, log *slog.Logger, do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.ErrorContext(ctx, "job panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()))
			err = fmt.Errorf("panic: %T", p)
		}
	}()
	return do()
}
