package repository

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what repository needs from the database. Its methods behave as those of
// [tenancy.Store] do.
type Store interface {
	// AddBotToken records a token before its creation. ErrConflict if the key has a live
	// one; ErrNotFound if the key is not in force.
	AddBotToken(ctx context.Context, t tenancy.BotToken) error
	// FillBotToken completes the live row with this ID and Name. ErrNotFound if it was
	// revoked or taken over meanwhile.
	FillBotToken(ctx context.Context, t tenancy.BotToken) error
	// TakeOverBotToken gives a row that was never filled another name and time.
	// ErrConflict if the row no longer equals was.
	TakeOverBotToken(ctx context.Context, was tenancy.BotToken, name string, at time.Time) error
	// EndBotToken revokes one live token, and requests its deletion in Gitea. ErrNotFound
	// if there is none.
	EndBotToken(ctx context.Context, workspaceID, id string, at time.Time) error
	// CreateProject stores a project without a repository. ErrConflict if the workspace has
	// one of that slug, ErrFull if it has [MaxProjects] others.
	CreateProject(ctx context.Context, p tenancy.Project) error
	// DropProject deletes the record of a project that has no repository. ErrNotFound if
	// it has one.
	DropProject(ctx context.Context, workspaceID, projectID string) error

	// RequestProvision requests a run on the workspace's parts.
	RequestProvision(ctx context.Context, workspaceID string) error
	// ForgetRepository drops the record of a project's repository that is gone, and gives
	// the project another nonce. ErrConflict if another one is recorded, or none.
	ForgetRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, nonce string) error

	// These are as in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)

	// These are as in [provision.Store].
	BotTokens(ctx context.Context, workspaceID string) ([]tenancy.BotToken, error)
	Projects(ctx context.Context, workspaceID string) ([]tenancy.Project, error)
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	RecordDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey, publicKey string) error
	ForgetDeployKey(ctx context.Context, workspaceID, projectID, coolifyKey string) error
}
