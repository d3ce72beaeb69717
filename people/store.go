package people

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what members, invitations, keys and sign-ins need from the database. Its
// methods act as those of [tenancy.Store] do.
type Store interface {
	// CreateKey stores a key whose ID, WorkspaceID and CreatedAt are set.
	// ErrNotFound if there is no such living workspace.
	CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error
	// Keys lists a workspace's keys, revoked ones too, newest first.
	Keys(ctx context.Context, workspaceID string) ([]tenancy.Key, error)
	// RevokeKey revokes a key and every key minted with it, to any depth, and wants
	// their tokens ended. A key already revoked keeps its first time.
	RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// MemberWorkspaces lists the living workspaces of a user, by slug.
	MemberWorkspaces(ctx context.Context, userID string) ([]tenancy.Workspace, error)
	// Members lists a workspace's members, oldest first, with e-mail and name
	// where the store or the platform's own user table knows them.
	Members(ctx context.Context, workspaceID string) ([]tenancy.Member, error)
	// User returns the person with this id, if anything is kept of them.
	User(ctx context.Context, id string) (tenancy.User, error)
	// UserByIdentity returns the person whom an issuer knows by a subject.
	UserByIdentity(ctx context.Context, issuer, subject string) (tenancy.User, error)
	// KeepUser stores what is known of a person; nothing already known is lost for
	// an empty field. ErrConflict if the identity is another person's, ErrNotFound
	// if the person has another one.
	KeepUser(ctx context.Context, u tenancy.User) error
	// KeepGiteaUser records a person's account on Gitea in every workspace of theirs,
	// and wants that carried out.
	KeepGiteaUser(ctx context.Context, userID string, giteaUserID int64) error
	// SignOut ends every session of a person that began before at.
	SignOut(ctx context.Context, userID string, at time.Time) error
	// AddLoginLink stores a link. ErrNotFound if it would not be open: its maker has
	// lost the role for it, or the person whom it signs in is no member.
	AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error
	// LoginLink returns a link and its workspace, whatever their state.
	LoginLink(ctx context.Context, digest tenancy.Digest) (tenancy.LoginLink, tenancy.Workspace, error)
	// LoginLinks lists a workspace's links, newest first.
	LoginLinks(ctx context.Context, workspaceID string) ([]tenancy.LoginLink, error)
	// WithdrawLoginLink ends a link that was not used.
	WithdrawLoginLink(ctx context.Context, workspaceID, id string, at time.Time) error
	// UseLoginLink uses a link up, and makes the person a member if it invites.
	// ErrNotFound if it is not open any more (see [LoginLink.Open]); ErrConflict, and
	// the link stays good, if the invited person is a member.
	UseLoginLink(ctx context.Context, l tenancy.LoginLink, by tenancy.Person, at time.Time) error
	// ChangeMember gives a member another role, or ends the membership with an empty
	// one. It revokes the keys that the person minted and that may do more than the
	// person may then, and withdraws the links that they could not make any more. If
	// the person may do less than before, it forgets which token is the workspace's
	// own and keeps what was sealed: a run replaces it, as they may have been shown
	// it. ErrConflict if no owner would be left.
	ChangeMember(ctx context.Context, workspaceID, userID string, role tenancy.Role, at time.Time) error
	// EnsureWorkspaceAudited returns the oldest living workspace that the person owns, or
	// stores w for them, with the first of the slugs that was never used; created says
	// which. Several calls for one person at once make one workspace. What is known of the
	// person (e-mail, name, Gitea id) is kept, and nothing already known is lost for an
	// empty field. ErrConflict if no slug is free. If it stores w, it starts the audit entry
	// as CreateWorkspaceAudited does.
	EnsureWorkspaceAudited(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
	) (ws tenancy.Workspace, created bool, err error)
	// Audit returns entries, newest first (by At, then ID, both descending).
	Audit(ctx context.Context, workspaceID string, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error)
	// Want counts one more thing that is wanted of a workspace's parts and queues
	// the job that sees to it, in one transaction. It works on a deleted one too.
	Want(ctx context.Context, workspaceID string) error

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	StartAudit(ctx context.Context, e tenancy.AuditEntry) error
	FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error
}

// OperatorStore is what the acts of the operator need from the database. Its methods act
// as those of [tenancy.Store] do.
type OperatorStore interface {
	Want(ctx context.Context, workspaceID string) error // as in [Store]
	// SetPlacement replaces a workspace's placement.
	SetPlacement(ctx context.Context, workspaceID string, p tenancy.Placement, at time.Time) error
	// DeleteWorkspace marks the workspace deleted, revokes its keys and wants its
	// parts taken away, in one transaction. Its slug stays taken for ever.
	DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error
	// AnyWorkspace returns the workspace that has or had this slug, deleted or not.
	AnyWorkspace(ctx context.Context, slug string) (tenancy.Workspace, error)
	// SetSuspended suspends a living workspace and revokes the tokens of its keys, or
	// lifts the suspension with nil, and wants that carried out (see Want).
	SetSuspended(ctx context.Context, workspaceID string, since *time.Time, at time.Time) error
	// ForgetTokens marks every token of the bot as revoked, forgets the webhook's
	// secret, and wants them replaced.
	ForgetTokens(ctx context.Context, workspaceID string, at time.Time) error
	// SetPlan replaces a living workspace's plan.
	SetPlan(ctx context.Context, workspaceID string, p tenancy.Plan, at time.Time) error
	// Reseal replaces a sealed value. ErrNotFound if it has changed meanwhile.
	Reseal(ctx context.Context, was tenancy.SealedValue, sealed string) error
	// CreateWorkspaceAudited stores a new workspace and, if OwnerUserID is set, its owner's
	// membership, wants its parts made (see Want), and starts an audit entry: all in one
	// transaction. ownerGiteaID is the owner's account on Gitea; 0 = not known. The entry's
	// WorkspaceID and Target are not read, they are the workspace's id and slug.
	// ErrConflict if the slug was ever used, ErrProjectTaken if a living workspace has its
	// Coolify project.
	CreateWorkspaceAudited(ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, started tenancy.AuditEntry) error

	// As in [Store].
	CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error
	Keys(ctx context.Context, workspaceID string) ([]tenancy.Key, error)
	RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	Members(ctx context.Context, workspaceID string) ([]tenancy.Member, error)
	AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error
	EnsureWorkspaceAudited(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
	) (ws tenancy.Workspace, created bool, err error)

	// As in [push.Store].
	Workspace(ctx context.Context, slug string) (tenancy.Workspace, error)

	// As in [provision.Store].
	Workspaces(ctx context.Context) ([]tenancy.Workspace, error)
	SealedValues(ctx context.Context) ([]tenancy.SealedValue, error)

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	AppRecords(ctx context.Context, workspaceID string) ([]tenancy.AppRecord, error)
	DatabaseRecords(ctx context.Context, workspaceID string) ([]tenancy.DatabaseRecord, error)
	StartAudit(ctx context.Context, e tenancy.AuditEntry) error
	FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error
}

// linkStore stores a link to sign in or to join.
type linkStore interface {
	AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error
}

// creationStore stores a workspace of a person's own, with what is on record of it.
type creationStore interface {
	tenancy.AuditStore
	EnsureWorkspaceAudited(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
	) (ws tenancy.Workspace, created bool, err error)
}
