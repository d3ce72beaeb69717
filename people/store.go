package people

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// Store is what members, invitations, keys and sign-ins need from the database. Its
// methods act as those of [tenancy.Store] do.
type Store interface {
	// CreateKey stores a key whose ID, WorkspaceID and CreatedAt are set. ErrNotFound if
	// the workspace does not exist or is deleted. Unless the operator made it: ErrFull if
	// [MaxKeys] are active, ErrTooMany if [MaxKeysPerHour] were made in the hour before.
	CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error
	// Keys lists a page of a workspace's keys, newest first. A key that ended is listed
	// for 90 days.
	Keys(ctx context.Context, workspaceID string, q KeyQuery) ([]tenancy.Key, error)
	// KeyNames returns the names of the workspace's keys among ids, also of those that are
	// not listed any more: as long as the audit trail may name them.
	KeyNames(ctx context.Context, workspaceID string, ids []string) (map[string]string, error)
	// RevokeKey revokes a key and every key minted with it, to any depth, and requests
	// that their tokens end. A revoked key keeps its first time.
	RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// MemberWorkspaces lists a user's workspaces that are not deleted, by slug.
	MemberWorkspaces(ctx context.Context, userID string) ([]tenancy.Workspace, error)
	// Members lists a workspace's members, oldest first, with e-mail and name
	// where the store or the platform's own user table knows them.
	Members(ctx context.Context, workspaceID string) ([]tenancy.Member, error)
	// User returns the record of the person with this id; ErrNotFound if there is none.
	User(ctx context.Context, id string) (tenancy.User, error)
	// UserByIdentity returns the person with this issuer and subject.
	UserByIdentity(ctx context.Context, issuer, subject string) (tenancy.User, error)
	// KeepUser stores a person's details; empty fields keep the stored value. ErrConflict
	// if the identity is another person's, ErrNotFound if the person has another one.
	KeepUser(ctx context.Context, u tenancy.User) error
	// KeepGiteaUser records a person's account on Gitea in all their workspaces, and
	// requests a run for each.
	KeepGiteaUser(ctx context.Context, userID string, giteaUserID int64) error
	// SignOut ends every session of a person that began before at, their tokens of Gitea and
	// the open links that sign them in.
	SignOut(ctx context.Context, userID string, at time.Time) error
	// AddLoginLink stores a link. ErrNotFound if the link would not be open: its creator
	// has lost the role for it, or the person whom it signs in is no member. ErrFull if a
	// member invites and [MaxInvites] invitations are open.
	AddLoginLink(ctx context.Context, l tenancy.LoginLink, digest tenancy.Digest) error
	// LoginLink returns a link and its workspace, in any state.
	LoginLink(ctx context.Context, digest tenancy.Digest) (tenancy.LoginLink, tenancy.Workspace, error)
	// LoginLinks lists a workspace's links, newest first.
	LoginLinks(ctx context.Context, workspaceID string) ([]tenancy.LoginLink, error)
	// WithdrawLoginLink ends an unused link.
	WithdrawLoginLink(ctx context.Context, workspaceID, id string, at time.Time) error
	// UseLoginLink uses a link up, and makes the person a member if it invites.
	// ErrNotFound if the link is no longer open (see [tenancy.LoginLink.Open]).
	// ErrConflict if the invited person is a member already; the link then stays open.
	UseLoginLink(ctx context.Context, l tenancy.LoginLink, by tenancy.Person, at time.Time) error
	// ChangeMember gives a member another role; an empty role ends the membership. It
	// revokes keys that the person minted and that exceed the new rights, and withdraws
	// links that the person could no longer make. If the person loses rights, it ends
	// their token of Gitea. ErrConflict if no owner would be left.
	ChangeMember(ctx context.Context, workspaceID, userID string, role tenancy.Role, at time.Time) error
	// EnsureWorkspaceAudited returns the oldest workspace that the person owns and that
	// is not deleted, or stores w for them, with the first slug that was never used;
	// created says which. Concurrent calls for one person make one workspace. It stores
	// the person's details (e-mail, name, Gitea id); empty fields keep the stored value.
	// ErrConflict if no slug is free. If it stores w, it starts the audit entry as
	// CreateWorkspaceAudited does.
	EnsureWorkspaceAudited(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
	) (ws tenancy.Workspace, created bool, err error)
	// Audit returns entries, newest first (by At, then ID, both descending).
	Audit(ctx context.Context, workspaceID string, q tenancy.AuditQuery) ([]tenancy.AuditEntry, error)
	// RequestProvision counts one more request for a run on a workspace's parts and queues its job,
	// in one transaction. It also works for a deleted workspace.
	RequestProvision(ctx context.Context, workspaceID string) error

	// As in [tenancy.Store].
	Provision(ctx context.Context, workspaceID string) (tenancy.Provision, error)
	StartAudit(ctx context.Context, e tenancy.AuditEntry) error
	FinishAudit(ctx context.Context, workspaceID, id string, f tenancy.AuditFinish) error
}

// OperatorStore is what the operator's actions need from the database. Its methods act as
// those of [tenancy.Store] do.
type OperatorStore interface {
	RequestProvision(ctx context.Context, workspaceID string) error // as in [Store]
	// SetPlacement replaces a workspace's placement.
	SetPlacement(ctx context.Context, workspaceID string, p tenancy.Placement, at time.Time) error
	// DeleteWorkspace marks the workspace deleted, revokes its keys and requests the
	// deletion of its parts, in one transaction. Its slug stays taken for ever.
	DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error
	// AnyWorkspace returns the workspace that has or had this slug, deleted or not.
	AnyWorkspace(ctx context.Context, slug string) (tenancy.Workspace, error)
	// SetSuspended suspends a workspace that is not deleted and revokes its keys' tokens,
	// or, with nil, lifts the suspension. It requests a run (see RequestProvision).
	SetSuspended(ctx context.Context, workspaceID string, since *time.Time, at time.Time) error
	// ForgetTokens marks every token of the bot as revoked, drops the webhook's secret,
	// and requests a run that replaces them.
	ForgetTokens(ctx context.Context, workspaceID string, at time.Time) error
	// RequestRename orders that a workspace's names in Gitea become those that a new one
	// would have, or takes the order back, and requests a run.
	RequestRename(ctx context.Context, workspaceID string, wanted bool) error
	// SetAccess records something of the operator's own on a repository, which reconcile
	// then leaves alone, or drops the record, and requests a run.
	SetAccess(ctx context.Context, workspaceID string, a tenancy.RepositoryAccess, allowed bool, at time.Time) error
	// SetPlan replaces the plan of a workspace that is not deleted.
	SetPlan(ctx context.Context, workspaceID string, p tenancy.Plan, at time.Time) error
	// Reseal replaces a sealed value. ErrNotFound if it has changed meanwhile.
	Reseal(ctx context.Context, was tenancy.SealedValue, sealed string) error
	// CreateWorkspaceAudited stores a new workspace and, if OwnerUserID is set, its
	// owner's membership, requests a run (see RequestProvision), and starts an audit entry: all in
	// one transaction. ownerGiteaID is the owner's account on Gitea; 0 = unknown. The
	// entry's WorkspaceID and Target are not read; the workspace's id and slug replace
	// them. ErrConflict if the slug was ever used, ErrProjectTaken if another workspace
	// that is not deleted has its Coolify project.
	CreateWorkspaceAudited(ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, started tenancy.AuditEntry) error

	// As in [Store].
	CreateKey(ctx context.Context, k tenancy.Key, digest tenancy.Digest) error
	Keys(ctx context.Context, workspaceID string, q KeyQuery) ([]tenancy.Key, error)
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

// creationStore stores a person's own workspace with its audit entry.
type creationStore interface {
	tenancy.AuditStore
	EnsureWorkspaceAudited(
		ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, started tenancy.AuditEntry,
	) (ws tenancy.Workspace, created bool, err error)
}
