package verdict

import (
	"context"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what verdicts need from the database. Its methods act as those of
// [tenancy.Store] do.
type Store interface {
	// As in [provision.Store].
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	WantPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error

	// As in [tenancy.Store].
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
}
