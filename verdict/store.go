package verdict

import (
	"context"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what verdict needs from the database. Its methods behave as those of
// [tenancy.Store] do.
type Store interface {
	// RecordVersion records whether a version of an app is live; the app is named by its
	// uuid on Coolify. A version that was live stays so when another deployment of it is
	// not. The newest 100 of each app are kept. ErrNotFound if the workspace is deleted.
	RecordVersion(ctx context.Context, workspaceID, app string, v hosting.AppVersion) error
	// AppVersions lists an app's versions, those that were judged last first.
	AppVersions(ctx context.Context, workspaceID, app string) ([]hosting.AppVersion, error)

	// These are as in [provision.Store].
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error

	// Audit lists entries of a workspace's audit trail, newest first.
	Audit(ctx context.Context, workspaceID string, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error)

	// These are as in [tenancy.Store].
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
}
