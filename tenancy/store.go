package tenancy

import (
	"context"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// Store is what the kernel needs from the database; each room has an interface of its
// own beside it. Package store implements all of them on SQLite and PostgreSQL. They are
// interfaces so that the rules do not depend on SQL, not for the sake of a second
// implementation.
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
	// TouchKey records that a key was used, unless its last use is less than a
	// minute before at.
	TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// Membership returns the workspace with this slug and the role of this user
	// in it, in one query; ErrNotFound if either is not there.
	Membership(ctx context.Context, slug, userID string) (Workspace, Role, error)
	// Provision returns what is recorded of a workspace's parts, of a deleted one
	// too.
	Provision(ctx context.Context, workspaceID string) (Provision, error)
	// AppRecords lists a workspace's apps by name, those that are being deleted too.
	AppRecords(ctx context.Context, workspaceID string) ([]AppRecord, error)
	// DatabaseRecords lists a workspace's databases by name, those that are being
	// deleted too.
	DatabaseRecords(ctx context.Context, workspaceID string) ([]DatabaseRecord, error)
	// ClaimKey keeps a caller's idempotency key with the digest of the arguments that
	// it came with. ErrConflict if it is kept with another digest.
	ClaimKey(ctx context.Context, workspaceID, tool, key, digest string, at time.Time) error
	// StartAudit writes an entry with outcome "started", before a change.
	StartAudit(ctx context.Context, e AuditEntry) error
	// FinishAudit completes an entry. Target replaces the entry's if not empty.
	FinishAudit(ctx context.Context, workspaceID, id string, f AuditFinish) error
}

// A Person is somebody who may own a workspace.
type Person struct {
	UserID      string // the platform's id
	Email       string // for display and for a first slug; never a join key
	DisplayName string
	GiteaUserID int64 // their account on Gitea; 0 = not known
}

// Parts are the things that a workspace has on Coolify and Gitea, as they are
// recorded. Zero fields are things that it has not.
type Parts struct {
	CoolifyProject string // uuid
	Org            string
	OrgID          int64
	TeamID         int64 // of the team Writers
	Bot            string
	BotID          int64
	TokenID        int64  // of the workspace's own token; 0 = one is to be made
	TokenSealed    string // at [TokenPlace]; without TokenID, of one that is being replaced
	Destination    string // uuid of its own network on Coolify
	HookID         int64  // of the organisation's webhook that was created with HookSealed
	HookSealed     string // the webhook's secret, at [HookPlace]
}

// A Provision is a workspace with what is recorded of its parts.
type Provision struct {
	Workspace
	Parts
	Nonce        string  // 32 hexadecimal digits; empty until something is to be made
	Wanted, Done int64   // counts: Done < Wanted means that something is to be done
	People       []int64 // Gitea ids of its members, as far as they are known
}

// An Outcome is how a run on a workspace's parts ended.
type Outcome struct {
	Status     ProvisionStatus
	Error      string // see [PartErrors]; empty = none
	Reconciled bool   // the repositories were looked at
}

// A BotToken is a token of a workspace's bot that belongs to a key.
type BotToken struct {
	ID          string
	WorkspaceID string
	KeyID       string
	Name        string // on Gitea; never used again
	GiteaID     int64  // 0 until Gitea has made it
	LastEight   string
	Sealed      string // at [BotTokenPlace]
	CreatedAt   time.Time
}

// A Project is a code base of a workspace: a repository in its organisation.
type Project struct {
	ID           string
	WorkspaceID  string
	Slug         string // name of the repository
	Name         string // for people
	Description  string
	RepositoryID int64  // on Gitea; 0 until it is made
	Repository   string // owner/name, as it was made; empty while something is left to do to it
	Nonce        string // proves that a repository is this one until its id is recorded
	CreatedAt    time.Time

	CoolifyKey           string // uuid of its deploy key's private half; empty = it has none
	DeployKey            string // the public half, in the form of authorized_keys
	PushWanted, PushDone int64  // counts: Done < Wanted means that a push is to be looked at
}

// Made reports whether the project's repository is there, and as it is meant to be.
func (p Project) Made() bool { return p.RepositoryID != 0 && p.Repository != "" }

// An AppRecord is an app that was created here.
type AppRecord struct {
	ID          string
	WorkspaceID string
	ProjectID   string
	Name        string // unique in the workspace
	Nonce       string // proves that an application is this one until its uuid is recorded
	UUID        string // on Coolify; empty until it is known
	Made        bool   // nothing is left to do to it
	DeletingAt  *time.Time
	Branch      string // that Head was read from; empty = not known yet
	Head        string // newest commit of its branch that was looked at
	Deployment  string // of Head, on Coolify; empty = none yet, or none wanted
	Reported    string // state that Gitea was last told of Head; empty = none
	CreatedAt   time.Time
}

// Follows reports whether pushes to a project's repository deploy the app.
func (a AppRecord) Follows(p Project) bool {
	return a.ProjectID == p.ID && a.Made && a.UUID != "" && a.DeletingAt == nil
}

// BuiltFrom reports whether pushes to a project deploy one of these apps.
func BuiltFrom(p Project, apps []AppRecord) bool {
	return slices.ContainsFunc(apps, func(a AppRecord) bool { return a.Follows(p) })
}

// A DatabaseRecord is a database that was created here.
type DatabaseRecord struct {
	ID          string
	WorkspaceID string
	Name        string // unique in the workspace
	Engine      string // as Coolify's API calls it
	Nonce       string // proves that a database is this one until its uuid is recorded
	UUID        string // on Coolify; empty until it is known
	URLSealed   string // at [DatabaseURLPlace]
	DeletingAt  *time.Time
	CreatedAt   time.Time // when the call began that makes it, or has made it
}

// RepositoryAccess is one thing that the platform put on a repository.
type RepositoryAccess struct {
	RepositoryID int64
	Kind         AccessKind
	Ref          string // id, or name of a collaborator or push mirror
}

// AccessKind is a way into a repository besides the workspace's team.
type AccessKind string

// The ways into a repository.
const (
	DeployKey    AccessKind = "deploy_key"
	Hook         AccessKind = "hook"
	Collaborator AccessKind = "collaborator"
	PushMirror   AccessKind = "push_mirror"
)

// A SealedValue is a secret as the database holds it.
type SealedValue struct {
	Place secret.Place
	Value string
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
	Tool      string    // exact
	Target    string    // exact
	Principal string    // exact
	BeforeAt  time.Time // with BeforeID: only entries after this one in the order of Audit
	BeforeID  string
	Limit     int // at most this many; must be positive
}

// A User is a person as vibn-mcp knows them. Who vouches for them is an issuer,
// which knows them by a subject; an e-mail address proves nothing.
type User struct {
	ID          string // the platform's id, or a UUID of ours
	Issuer      string // of the provider that they sign in with; empty = none yet
	Subject     string
	Email       string // for display
	DisplayName string
	GiteaUserID int64      // where the issuer is the platform's Gitea; 0 = not known
	SignedOutAt *time.Time // sessions that began before are over
}

// A LoginLink is good for one sign-in, or for one person to join a workspace.
type LoginLink struct {
	ID          string
	WorkspaceID string
	UserID      string // whom it signs in; empty = it invites
	Role        Role   // what the invited person becomes; empty if it signs in
	CreatedBy   string // user id or "operator"
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	UsedBy      string // user id; empty with UsedAt: it was withdrawn

	MakerRole Role // that CreatedBy has now; empty = none, or the operator
	UserRole  Role // that UserID has now; empty = none
}

// Open reports whether a link may be used at a time. An invitation is never worth
// more than its maker could give at that time; a sign-in link needs its person to
// be a member, and only the operator makes one.
func (l LoginLink) Open(now time.Time) bool {
	switch {
	case l.UsedAt != nil, !now.Before(l.ExpiresAt), l.UserID != "" && l.UserRole == "":
		return false
	case l.CreatedBy == OperatorPrincipal:
		return true
	}
	return l.Role != "" && l.MakerRole.Rights().Has(Keys) && (l.Role != RoleOwner || l.MakerRole == RoleOwner)
}
