package store

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverdatabasesql"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	"github.com/riverqueue/river/rivertype"

	"github.com/vibnai/vibn-mcp/db/migrations"
)

// Jobs are what runs in the background. Their errors are kept in the database
// and shown to the operator, so they hold no secret and no text of others.
type Jobs struct {
	// Provision sees to a workspace's parts. It is called again when it fails, and
	// may run twice.
	Provision func(ctx context.Context, workspaceID string) error
	// Sweep is called every minute, on one process, to find what is due.
	Sweep func(ctx context.Context) error
}

// Limits of the jobs of one process.
const (
	jobWorkers = 4
	jobTime    = 5 * time.Minute
	rescueTime = jobTime + time.Minute // then a job whose process died is another's; by itself River waits an hour more
	sweepEvery = time.Minute
	jobPoll    = 500 * time.Millisecond
)

// A provisionJob holds an id only: rows of the queue are read by many eyes.
type provisionJob struct {
	WorkspaceID string `json:"workspace_id"`
}

func (provisionJob) Kind() string { return "vibn_provision" }

// InsertOpts keeps at most one job for a workspace. What is wanted while it runs
// is counted in the workspace's row, where the job looks before it ends.
func (provisionJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished}}
}

type sweepJob struct{}

func (sweepJob) Kind() string { return "vibn_sweep" }

// InsertOpts: a sweep that failed is not repeated, as the next one comes.
func (sweepJob) InsertOpts() river.InsertOpts {
	return river.InsertOpts{MaxAttempts: 1, UniqueOpts: river.UniqueOpts{ByState: unfinished}}
}

var unfinished = []rivertype.JobState{
	rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRetryable,
	rivertype.JobStateRunning, rivertype.JobStateScheduled,
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

// riverMigration makes River's tables as one migration of ours, under the same
// lock. It cannot be one transaction: River adds values to a type and then uses
// them. Run again after a crash it goes on where it was. A newer River that needs
// more brings a migration of its own.
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

// queue queues the job of a workspace in tx, and has one that waits for its next
// attempt run now.
func (db *DB) queue(ctx context.Context, tx *sql.Tx, workspaceID string) error {
	r, err := db.jobs.InsertTx(ctx, tx, provisionJob{workspaceID}, nil)
	if err != nil {
		return fmt.Errorf("queue a job: %w", err)
	}
	if r.UniqueSkippedAsDuplicate && r.Job.State == rivertype.JobStateRetryable {
		_, err = db.jobs.JobRetryTx(ctx, tx, r.Job.ID)
	}
	return err
}

// Queue queues the job of a workspace, unless it is queued or running.
func (db *DB) Queue(ctx context.Context, workspaceID string) error {
	_, err := db.jobs.Insert(ctx, provisionJob{workspaceID}, nil)
	return wrap(err, "queue the job of workspace %q", workspaceID)
}

// Work runs jobs until ctx ends, and then lets those that run end for a while.
// Several processes may work on one PostgreSQL.
func (db *DB) Work(ctx context.Context, jobs Jobs, log *slog.Logger) error {
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, j *river.Job[provisionJob]) error {
		return jobs.Provision(ctx, j.Args.WorkspaceID)
	}))
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, _ *river.Job[sweepJob]) error {
		return jobs.Sweep(ctx)
	}))
	client, err := river.NewClient(riverDriver(db.sql, db.dialect), &river.Config{
		Logger: log, Workers: workers, JobTimeout: jobTime, RescueStuckJobsAfter: rescueTime, FetchPollInterval: jobPoll,
		Queues: map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: jobWorkers}},
		PeriodicJobs: []*river.PeriodicJob{river.NewPeriodicJob(river.PeriodicInterval(sweepEvery),
			func() (river.JobArgs, *river.InsertOpts) { return sweepJob{}, nil }, &river.PeriodicJobOpts{RunOnStart: true})},
	})
	if err != nil {
		return fmt.Errorf("jobs: %w", err)
	}
	if err := client.Start(context.WithoutCancel(ctx)); err != nil {
		return fmt.Errorf("start the jobs: %w", err)
	}
	<-ctx.Done()
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if client.Stop(stopping) == nil {
		return nil
	}
	stopping, cancel = context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return client.StopAndCancel(stopping)
}
