package verdict

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what verdict needs from the database. Its methods behave as those of
// [tenancy.Store] do.
type Store interface {
	// These are as in [provision.Store].
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error

	// These are as in [tenancy.Store].
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
}
