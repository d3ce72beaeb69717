package hosting

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what apps and databases need from the database. Its methods act as those of
// [tenancy.Store] do.
type Store interface {
	// CreateApp writes down an app that is about to be made, with the Head that is to
	// count as looked at. ErrConflict if the workspace has one of that name,
	// ErrNotFound if it has no such project.
	CreateApp(ctx context.Context, a tenancy.AppRecord) error
	// RecordApp records the uuid of an app that has none, and whether it is made.
	// ErrConflict if it has another, or the uuid is another app's.
	RecordApp(ctx context.Context, workspaceID, id, uuid string, made bool) error
	// SetAppPush replaces Head, Deployment and Reported. ErrConflict if they are not
	// as in was any more.
	SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error
	// MarkAppDeleting says that an app is to go, and wants that carried out. One that
	// is marked keeps its first time.
	MarkAppDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// CreateDatabase writes down a database that is about to be made. ErrConflict if
	// the workspace has one of that name.
	CreateDatabase(ctx context.Context, d tenancy.DatabaseRecord) error
	// RecordDatabase records the uuid and the sealed address of a database that has
	// none. ErrConflict if it is being deleted, somebody has taken it over, or the uuid
	// is another database's.
	RecordDatabase(ctx context.Context, was tenancy.DatabaseRecord, uuid, urlSealed string) error

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
	DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error)

	// As in [provision.Store].
	KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error)
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
	WantPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error
	DropApp(ctx context.Context, workspaceID, id string) error
	TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error
	MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	DropDatabase(ctx context.Context, workspaceID, id string) error
}
