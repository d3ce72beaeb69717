package provision

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what provisioning needs from the database. Its methods act as those of
// [tenancy.Store] do.
type Store interface {
	// Workspaces lists the living workspaces by slug.
	Workspaces(ctx context.Context) ([]tenancy.Workspace, error)
	// Hold lets one run at a time work on a workspace's parts: it takes hold, or
	// holds on, until a time. ErrConflict if another run holds it.
	Hold(ctx context.Context, workspaceID, holder string, now, until time.Time) error
	// LetGo ends what Hold began.
	LetGo(ctx context.Context, workspaceID, holder string) error
	// KeepNonce stores the nonce if the workspace has none, and returns the one
	// that it has.
	KeepNonce(ctx context.Context, workspaceID, nonce string) (string, error)
	// SetParts replaces what is recorded. ErrConflict if what is recorded is not
	// was any more.
	SetParts(ctx context.Context, workspaceID string, was, is tenancy.Parts) error
	// FinishProvision records the outcome of a run that began when wanted was this
	// count; more says that something has been wanted since.
	FinishProvision(ctx context.Context, workspaceID string, wanted int64, o tenancy.Outcome, at time.Time) (more bool, err error)
	// Due lists workspaces that have something to be done: wanted and not done, a
	// key that ended and still has a token, an app or a database that is being
	// deleted, or not reconciled since a time.
	Due(ctx context.Context, now, reconciledBefore time.Time, limit int) ([]string, error)
	// BotTokens lists a workspace's live tokens.
	BotTokens(ctx context.Context, workspaceID string) ([]tenancy.BotToken, error)
	// RevokeEndedTokens revokes the tokens of keys that are revoked or expired, all
	// of them if the workspace is suspended or deleted, and those that were begun
	// before a time and never filled.
	RevokeEndedTokens(ctx context.Context, workspaceID string, at, begunBefore time.Time) error
	// Projects lists a workspace's projects by slug.
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	// RecordRepository records the repository of a project that has none, or its name.
	// ErrConflict if it has one, or the repository is another project's.
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	// RepositoryAccess lists what the platform put on a workspace's repositories.
	RepositoryAccess(ctx context.Context, workspaceID string) ([]tenancy.RepositoryAccess, error)
	// RecordDeployKey records the deploy key of a project that has none. ErrConflict
	// if it has another.
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	// ForgetDeployKey forgets the deploy key of a project, which is no more. ErrConflict
	// if it has another, or none.
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
	// WantPush counts one more push to a recorded repository and queues the job that
	// looks at it, in one transaction. A digest that is the one of the push before
	// changes nothing. ErrNotFound if the workspace has no project with it.
	WantPush(ctx context.Context, workspaceID string, repositoryID int64, digest string) error
	// DropApp forgets an app.
	DropApp(ctx context.Context, workspaceID, id string) error
	// TakeOverDatabase gives a database without a uuid another CreatedAt, which says
	// that somebody else makes it from now on. ErrConflict if it is not as was any more.
	TakeOverDatabase(ctx context.Context, was tenancy.DatabaseRecord, at time.Time) error
	// MarkDatabaseDeleting says that a database is to go, and wants that carried out.
	// One that is marked keeps its first time.
	MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// DropDatabase forgets a database.
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

// ProjectStore records the repository and the deploy key of a project. Its methods are
// those of [Store].
type ProjectStore interface {
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
}

// AppStore forgets an app. Its method is that of [Store].
type AppStore interface {
	DropApp(ctx context.Context, workspaceID, id string) error
}
