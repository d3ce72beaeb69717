package tenancy

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// Store is what the kernel needs from the database; each room has an interface of its own
// beside it. Package store implements all of them on SQLite and PostgreSQL. They are
// interfaces so that the rules do not depend on SQL, not for the sake of a second
// implementation.
//
// Every method that takes a workspaceID acts on that workspace's rows only. It returns
// [ErrNotFound] for a row of another workspace, exactly as for one that does not exist.
// Malformed ids are "not found" too, never an error of the database.
type Store interface {
	// KeyByDigest returns the key with this digest and its workspace, in one query and in
	// any state: the caller judges expiry, revocation, suspension and deletion.
	KeyByDigest(ctx context.Context, digest Digest) (Key, Workspace, error)
	// TouchKey records that a key was used, unless its last use is less than a
	// minute before at.
	TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// Membership returns the workspace with this slug and the role of this user in it, in
	// one query; ErrNotFound if there is no such workspace or member.
	Membership(ctx context.Context, slug, userID string) (Workspace, Role, error)
	// Provision returns the record of a workspace's parts, also for a deleted workspace.
	Provision(ctx context.Context, workspaceID string) (Provision, error)
	// AppRecords lists a workspace's apps by name, including those being deleted.
	AppRecords(ctx context.Context, workspaceID string) ([]AppRecord, error)
	// DatabaseRecords lists a workspace's databases by name, including those being
	// deleted.
	DatabaseRecords(ctx context.Context, workspaceID string) ([]DatabaseRecord, error)
	// ClaimKey stores a caller's idempotency key with the digest of the call's arguments;
	// ErrConflict if it is stored with another digest.
	ClaimKey(ctx context.Context, workspaceID, tool, key, digest string, at time.Time) error
	AuditStore
}

// A Person may own a workspace.
type Person struct {
	UserID      string // the platform's id
	Email       string // for display and for a first slug; never used to identify
	DisplayName string
	GiteaUserID int64 // their account on Gitea; 0 = unknown
}

// Parts are the recorded things that a workspace has on Coolify and Gitea. A zero field
// means that the workspace does not have the thing.
type Parts struct {
	CoolifyProject string // uuid
	Org            string
	OrgID          int64
	TeamID         int64 // of the team Writers
	Bot            string
	BotID          int64
	TokenID        int64  // of the workspace's own token; 0 = one must be made
	TokenSealed    string // at [TokenPlace]; without TokenID, of one being replaced
	Destination    string // uuid of its own network on Coolify
	HookID         int64  // of the organisation's webhook that was created with HookSealed
	HookSealed     string // the webhook's secret, at [HookPlace]
}

// A Provision is a workspace with the record of its parts.
type Provision struct {
	Workspace
	Parts
	Nonce        string  // 32 hexadecimal digits; empty until a part must be made
	Wanted, Done int64   // counters: Done < Wanted means that there is work to do
	People       []int64 // Gitea ids of its members, as far as known
	Renaming     bool    // the operator wants its names in Gitea to be as new ones are
	Deliveries   Deliveries
}

// Deliveries are when a workspace's webhook was last heard of; nil = never.
type Deliveries struct {
	Taken   *time.Time // a delivery with a good signature
	Refused *time.Time // one with a bad signature, while the workspace had a webhook
	Missed  *time.Time // a push was found that no delivery had told of
}

// An Outcome is the result of a run on a workspace's parts.
type Outcome struct {
	Status     ProvisionStatus
	Error      string // see [PartErrors]; empty = none
	Reconciled bool   // the run examined the repositories
	Renamed    bool   // the run carried out the order to rename; see [Provision]
}

// A BotToken is a token of a workspace's bot that belongs to a key or to a person.
type BotToken struct {
	ID          string
	WorkspaceID string
	KeyID       string // empty = a person's
	UserID      string // empty = a key's
	Name        string // on Gitea; never reused
	GiteaID     int64  // 0 until Gitea has made it
	LastEight   string
	Sealed      string // at [BotTokenPlace]
	CreatedAt   time.Time
}

// A Project is a codebase of a workspace: a repository in its organisation.
type Project struct {
	ID           string
	WorkspaceID  string
	Slug         string // name of the project, and of its repository when it was created
	Name         string // for people
	Description  string
	RepositoryID int64  // on Gitea; 0 until it exists
	Repository   string // owner/name, as last recorded; empty while its setup is unfinished
	Nonce        string // proves that a repository is this project's until its id is recorded
	CreatedAt    time.Time

	CoolifyKey           string // uuid of its deploy key's private half; empty = no deploy key
	DeployKey            string // the public half, in the format of authorized_keys
	PushWanted, PushDone int64  // counters: Done < Wanted means that a push must be processed
}

// GiteaName returns the name of the project's repository, as last recorded, or else the slug.
func (p Project) GiteaName() string {
	if _, name, ok := strings.Cut(p.Repository, "/"); ok {
		return name
	}
	return p.Slug
}

// Made reports whether the project's repository exists and its setup is finished.
func (p Project) Made() bool { return p.RepositoryID != 0 && p.Repository != "" }

// An AppRecord is an app that was created here.
type AppRecord struct {
	ID          string
	WorkspaceID string
	ProjectID   string
	Name        string // unique in the workspace
	Nonce       string // proves that an application is this record's until its uuid is recorded
	UUID        string // on Coolify; empty until known
	Made        bool   // its setup is finished
	DeletingAt  *time.Time
	Branch      string     // the branch that Head is on; empty = unknown
	Head        string     // newest commit of the branch that was processed
	Deployment  string     // of Head, on Coolify; empty = none yet, or none needed
	Reported    string     // last state of Head reported to Gitea; empty = none
	ReportedAt  *time.Time // when Gitea was first told how the deployment ended; nil = not yet
	CreatedAt   time.Time
}

// Follows reports whether pushes to a project's repository deploy the app.
func (a AppRecord) Follows(p Project) bool {
	return a.ProjectID == p.ID && a.Made && a.UUID != "" && a.DeletingAt == nil
}

// BuiltFrom reports whether pushes to a project deploy any of these apps.
func BuiltFrom(p Project, apps []AppRecord) bool {
	return slices.ContainsFunc(apps, func(a AppRecord) bool { return a.Follows(p) })
}

// A DatabaseRecord is a database that was created here.
type DatabaseRecord struct {
	ID          string
	WorkspaceID string
	Name        string // unique in the workspace
	Engine      string // as Coolify's API names it
	Nonce       string // proves that a database is this record's until its uuid is recorded
	UUID        string // on Coolify; empty until known
	URLSealed   string // at [DatabaseURLPlace]
	DeletingAt  *time.Time
	CreatedAt   time.Time // when the call that creates or created it began
}

// RepositoryAccess is one access that the platform added to a repository.
type RepositoryAccess struct {
	RepositoryID int64
	Kind         AccessKind
	Ref          string // id, or name of a collaborator or push mirror
}

// AccessKind is a kind of access to a repository besides the workspace's team.
type AccessKind string

// The kinds of access to a repository.
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

// An AuditEntry is one change or reveal that a principal attempted.
type AuditEntry struct {
	ID            string // UUIDv7
	WorkspaceID   string
	At            time.Time
	Principal     string // "key:ID", "member:ID", "operator"
	Client        string // the client's name for itself: a claim, cleaned
	Tool          string // canonical name
	Target        string // what it acted on; cleaned
	Args          string // JSON of the arguments that the tool allows in the audit trail
	Outcome       string // "started", "ok" or a [Code]
	Duration      time.Duration
	UpstreamCalls int
	Refused       int       // how often, with nothing changed; 0 = it was not refused so
	LastAt        time.Time // of the last refusal; zero = there was one at most
}

// AuditFinish completes an entry once the change has ended.
type AuditFinish struct {
	Target        string
	Outcome       string
	Duration      time.Duration
	UpstreamCalls int
	Changed       bool // a request was sent that may have changed something
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

// A User is a person as vibn-mcp knows them. An issuer identifies them by a subject; an
// e-mail address proves nothing.
type User struct {
	ID          string // the platform's id, or a UUID that vibn-mcp made
	Issuer      string // of the provider that they sign in with; empty = none yet
	Subject     string
	Email       string // for display
	DisplayName string
	GiteaUserID int64      // if the issuer is the platform's Gitea; 0 = unknown
	SignedOutAt *time.Time // sessions that began before are invalid
}

// A LoginLink is good for one sign-in, or for one person to join a workspace.
type LoginLink struct {
	ID          string
	WorkspaceID string
	UserID      string // the user it signs in; empty = it invites
	Role        Role   // role of the invited person; empty if it signs in
	CreatedBy   string // user id or "operator"
	CreatedAt   time.Time
	ExpiresAt   time.Time
	UsedAt      *time.Time
	UsedBy      string // user id; empty with UsedAt: the link was withdrawn

	MakerRole Role // current role of CreatedBy; empty = none, or the operator
	UserRole  Role // current role of UserID; empty = none
}

// Open reports whether a link may be used at a time. An invitation never grants more than
// its creator could grant at that time. A sign-in link needs its person to be a member,
// and only the operator creates one.
func (l LoginLink) Open(now time.Time) bool {
	switch {
	case l.UsedAt != nil, !now.Before(l.ExpiresAt), l.UserID != "" && l.UserRole == "":
		return false
	case l.CreatedBy == OperatorPrincipal:
		return true
	}
	return l.Role != "" && l.MakerRole.Rights().Has(Keys) && (l.Role != RoleOwner || l.MakerRole == RoleOwner)
}
