package push

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what push needs from the database. Its methods behave as those of
// [tenancy.Store] do.
type Store interface {
	// Workspace returns the living workspace with this slug.
	Workspace(ctx context.Context, slug string) (tenancy.Workspace, error)
	// NextPushLooks returns the repositories that apps are built from and that were not
	// checked for pushes since a time, least recently checked first. It records that they
	// are checked now. It leaves out suspended and deleted workspaces.
	NextPushLooks(ctx context.Context, now, before time.Time, limit int) ([]tenancy.Project, error)
	// FinishPush records that a job has handled the requests up to the count wanted. more
	// is true if another request came since.
	FinishPush(ctx context.Context, workspaceID, projectID string, wanted int64) (more bool, err error)

	// NoteDeliveries records when a workspace's webhook was heard of. A later time that is
	// recorded stays, and nil changes nothing.
	NoteDeliveries(ctx context.Context, workspaceID string, d tenancy.Deliveries) error

	// These are as in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)

	// These are as in [provision.Store].
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error

	// These are as in [hosting.Store].
	SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error
}
