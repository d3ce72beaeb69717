package hosting

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what hosting needs from the database. Its methods behave as those of
// [tenancy.Store] do.
type Store interface {
	// CreateApp records an app before its creation. Its Head counts as already checked.
	// ErrConflict if the workspace has an app of that name, ErrNotFound if it has no such
	// project.
	CreateApp(ctx context.Context, a tenancy.AppRecord) error
	// RecordApp records the uuid of an app that has none, and whether its creation is
	// finished. ErrConflict if it has another uuid, or another app has this uuid.
	RecordApp(ctx context.Context, workspaceID, id, uuid string, made bool) error
	// SetAppPush replaces Head, Deployment, Reported and ReportedAt. ErrConflict if the
	// first three no longer equal those of was.
	SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error
	// KeepLog keeps the end of an app's log in the place of the one kept before.
	// ErrNotFound if the workspace is deleted.
	KeepLog(ctx context.Context, workspaceID string, l KeptLog) error
	// KeptLog returns the end of an app's log, for seven days after it was kept.
	KeptLog(ctx context.Context, workspaceID, app string) (KeptLog, error)
	// KeepValues keeps values of an app's variables; of one that is kept already it sets
	// when it ended. Of an app 500 values are kept and 120,000 bytes: those that ended first
	// go first. ErrNotFound if the workspace is deleted, or a value is of another app.
	KeepValues(ctx context.Context, workspaceID, app string, values []KeptValue) error
	// KeptValues returns the values that an app's variables have, and for 90 days after they
	// ended those that they had.
	KeptValues(ctx context.Context, workspaceID, app string) ([]KeptValue, error)
	// ForgetApp deletes what was seen of an app: its kept log, its versions and the values of
	// its variables.
	ForgetApp(ctx context.Context, workspaceID, app string) error
	// MarkAppDeleting marks an app for deletion and requests it. An app that is already
	// marked keeps its first time.
	MarkAppDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// CreateDatabase records a database before its creation. ErrConflict if the workspace
	// has one of that name.
	CreateDatabase(ctx context.Context, d tenancy.DatabaseRecord) error
	// RecordDatabase records the uuid and the sealed address of a database that has none.
	// ErrConflict if it is being deleted, another call has taken it over, or another
	// database has the uuid.
	RecordDatabase(ctx context.Context, was tenancy.DatabaseRecord, uuid, urlSealed string) error

	// AppVersions is as in [verdict.Store].
	AppVersions(ctx context.Context, workspaceID, app string) ([]AppVersion, error)

	// These are as in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
	DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error)

	// These are as in [provision.Store].
	KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error)
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error
	DropApp(ctx context.Context, workspaceID, id string) error
	TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error
	MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	DropDatabase(ctx context.Context, workspaceID, id string) error
}
