package push

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what pushes need from the database. Its methods act as those of
// [tenancy.Store] do.
type Store interface {
	// Workspace returns the living workspace with this slug.
	Workspace(ctx context.Context, slug string) (tenancy.Workspace, error)
	// NextPushLooks takes the repositories that apps are built from and that were not
	// looked at for pushes since a time, those first that were not for the longest, and
	// records that they are looked at now. It leaves out suspended and deleted
	// workspaces.
	NextPushLooks(ctx context.Context, now, before time.Time, limit int) ([]tenancy.Project, error)
	// FinishPush records that a job has looked at what was wanted when wanted was
	// this count; more says that something has been wanted since.
	FinishPush(ctx context.Context, workspaceID, projectID string, wanted int64) (more bool, err error)

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)

	// As in [provision.Store].
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	WantPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error

	// As in [hosting.Store].
	SetAppPush(ctx context.Context, was, is tenancy.AppRecord) error
}
