package tenancy

import (
	"context"
	"time"
)

// Store is what tenancy needs from the database; package store implements it on
// SQLite and PostgreSQL. It is an interface so that the rules do not depend on
// SQL, not for the sake of a second implementation.
//
// Every method that takes a workspaceID acts on that workspace's rows only, and
// answers [ErrNotFound] for a row of another, exactly as for one that does not
// exist. Ids that are not well-formed are "not found" too, never an error of
// the database.
type Store interface {
	// KeyByDigest returns the key with this digest and its workspace, in one
	// query, whatever their state: the caller judges expiry, revocation,
	// suspension and deletion.
	KeyByDigest(ctx context.Context, digest Digest) (Key, Workspace, error)
	// CreateKey stores a key whose ID, WorkspaceID and CreatedAt are set.
	// ErrNotFound if there is no such living workspace.
	CreateKey(ctx context.Context, k Key, digest Digest) error
	// Keys lists a workspace's keys, revoked ones too, newest first.
	Keys(ctx context.Context, workspaceID string) ([]Key, error)
	// RevokeKey revokes a key and every key minted with it, to any depth. A key
	// already revoked keeps its first time.
	RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// TouchKey records that a key was used, unless its last use is less than a
	// minute before at.
	TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error

	// CreateWorkspace stores a new workspace and, if OwnerUserID is set, its
	// owner's membership. ErrConflict if the slug was ever used,
	// ErrProjectTaken if a living workspace has its Coolify project.
	CreateWorkspace(ctx context.Context, w Workspace) error
	// Workspace returns the living workspace with this slug.
	Workspace(ctx context.Context, slug string) (Workspace, error)
	// Workspaces lists the living workspaces by slug.
	Workspaces(ctx context.Context) ([]Workspace, error)
	// SetPlacement replaces a workspace's placement.
	SetPlacement(ctx context.Context, workspaceID string, p Placement, at time.Time) error
	// DeleteWorkspace marks the workspace deleted and revokes its keys, in one
	// transaction. Its slug stays taken for ever.
	DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error

	// Membership returns the workspace with this slug and the role of this user
	// in it, in one query; ErrNotFound if either is not there.
	Membership(ctx context.Context, slug, userID string) (Workspace, Role, error)
	// MemberWorkspaces lists the living workspaces of a user, by slug.
	MemberWorkspaces(ctx context.Context, userID string) ([]Workspace, error)
	// SetMember adds a member or changes the role of one.
	SetMember(ctx context.Context, m Member) error
	// Members lists a workspace's members, oldest first, with e-mail and name
	// where the store or the platform's own user table knows them.
	Members(ctx context.Context, workspaceID string) ([]Member, error)
	// RemoveMember ends a membership.
	RemoveMember(ctx context.Context, workspaceID, userID string) error

	// StartAudit writes an entry with outcome "started", before a change.
	StartAudit(ctx context.Context, e AuditEntry) error
	// FinishAudit completes an entry. Target replaces the entry's if not empty.
	FinishAudit(ctx context.Context, workspaceID, id string, f AuditFinish) error
	// Audit returns entries, newest first (by At, then ID, both descending).
	Audit(ctx context.Context, workspaceID string, q AuditQuery) ([]AuditEntry, error)
}

// An AuditEntry is one change or reveal that a principal tried.
type AuditEntry struct {
	ID            string // UUIDv7
	WorkspaceID   string
	At            time.Time
	Principal     string // "key:ID", "member:ID", "operator"
	Client        string // what the client calls itself: a claim, cleaned
	Tool          string // canonical name
	Target        string // what it acted on; cleaned
	Args          string // JSON of the arguments that the tool allows to be kept
	Outcome       string // "started", "ok" or a [Code]
	Duration      time.Duration
	UpstreamCalls int
}

// AuditFinish is what is known of an entry once the change has ended.
type AuditFinish struct {
	Target        string
	Outcome       string
	Duration      time.Duration
	UpstreamCalls int
}

// AuditQuery selects a page of a workspace's entries. Empty fields select all.
type AuditQuery struct {
	Tool     string    // exact
	Target   string    // exact
	BeforeAt time.Time // with BeforeID: only entries after this one in the order of Audit
	BeforeID string
	Limit    int // at most this many; must be positive
}
