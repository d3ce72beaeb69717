package provision

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what provisioning needs from the database. Its methods act as those of
// [tenancy.Store] do.
type Store interface {
	// Workspaces lists the workspaces that are not deleted, by slug.
	Workspaces(ctx context.Context) ([]tenancy.Workspace, error)
	// Lease gives one run a lease on a workspace's parts until a time, or renews it.
	// ErrConflict if another run holds the lease.
	Lease(ctx context.Context, workspaceID, holder string, now, until time.Time) error
	// Release releases the lease.
	Release(ctx context.Context, workspaceID, holder string) error
	// KeepNonce stores the nonce if the workspace has none, and returns the stored one.
	KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error)
	// SetParts replaces the record was. ErrConflict if the record is no longer was.
	SetParts(ctx context.Context, workspaceID string, was, is tenancy.Parts) error
	// FinishProvision records the outcome of a run that began when the counter wanted had
	// this value; more says that there were requests since.
	FinishProvision(ctx context.Context, workspaceID string, wanted int64, o tenancy.Outcome, at time.Time) (more bool, err error)
	// Due lists workspaces with work to do: a request that is not done, a token whose key
	// or person lost the right to it, an app or a database being deleted, or no reconcile
	// since a time.
	Due(ctx context.Context, now, reconciledBefore time.Time, limit int) ([]string, error)
	// Projects lists a workspace's projects by slug.
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	// RecordRepository records the repository of a project that has none, or a new name
	// of the recorded one. ErrConflict if the project has another repository, or the
	// repository is another project's.
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	// RepositoryAccess lists what the platform put on a workspace's repositories.
	RepositoryAccess(ctx context.Context, workspaceID string) ([]tenancy.RepositoryAccess, error)
	// RecordDeployKey records the deploy key of a project that has none. ErrConflict
	// if it has another.
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	// ForgetDeployKey drops the record of a project's deploy key that is gone.
	// ErrConflict if another key is recorded, or none.
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
	// RequestPush counts one more push to a recorded repository and queues the job that
	// processes it, in one transaction. The digest of the previous push changes nothing.
	// ErrNotFound if the workspace has no project with the repository.
	RequestPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error
	// DropApp deletes an app's record.
	DropApp(ctx context.Context, workspaceID, id string) error
	// TakeOverDatabase gives a database without a uuid a new CreatedAt, by which another
	// caller takes over its creation. ErrConflict if the record is no longer was.
	TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error
	// MarkDatabaseDeleting marks a database for deletion and requests a run. A marked
	// database keeps its first time.
	MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// DropDatabase deletes a database's record.
	DropDatabase(ctx context.Context, workspaceID, id string) error
	// SealedValues lists every sealed value of the database, with its place.
	SealedValues(ctx context.Context) ([]tenancy.SealedValue, error)

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
	DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error)
	StartAudit(ctx context.Context, e tenancy.AuditEntry) error
	FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error
}

// TokenStore records the tokens of workspaces' bots that keys and people hold. Its methods
// act as those of [tenancy.Store] do.
type TokenStore interface {
	// BotTokens lists a workspace's live tokens.
	BotTokens(ctx context.Context, workspaceID string) ([]tenancy.BotToken, error)
	// RevokeEndedTokens revokes the tokens of keys that are revoked or expired, and of
	// people who are no members any more or signed out everywhere since; all tokens of a
	// suspended or deleted workspace; and tokens that were begun before a time and never
	// filled.
	RevokeEndedTokens(ctx context.Context, workspaceID string, at, begunBefore time.Time) error
	// TokensDue lists the workspaces, neither suspended nor deleted, with a token whose
	// key expired by a time, or one that EndedTokens lists. It is cheap.
	TokensDue(ctx context.Context, at, endedBefore time.Time) ([]string, error)
	// EndedTokens lists a workspace's revoked tokens that Gitea may still have. One that
	// Gitea was not known to have made is listed only if it ended before a time.
	EndedTokens(ctx context.Context, workspaceID string, endedBefore time.Time) ([]tenancy.BotToken, error)
	// TokenGone records that Gitea does not have a revoked token any more.
	TokenGone(ctx context.Context, workspaceID, id string, at time.Time) error
}

// ProjectStore records the repository and the deploy key of a project. Its methods are
// those of [Store].
type ProjectStore interface {
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
}

// AppStore deletes an app's record. Its method is that of [Store].
type AppStore interface {
	DropApp(ctx context.Context, workspaceID, id string) error
}
