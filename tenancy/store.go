package tenancy

import (
	"context"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
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
	// RevokeKey revokes a key and every key minted with it, to any depth, and wants
	// their tokens ended. A key already revoked keeps its first time.
	RevokeKey(ctx context.Context, workspaceID, keyID string, at time.Time) error
	// TouchKey records that a key was used, unless its last use is less than a
	// minute before at.
	TouchKey(ctx context.Context, workspaceID, keyID string, at time.Time) error

	// CreateWorkspace stores a new workspace and, if OwnerUserID is set, its
	// owner's membership, and wants its parts made (see Want). ownerGiteaID is the
	// owner's account on Gitea; 0 = not known. ErrConflict if the slug was ever
	// used, ErrProjectTaken if a living workspace has its Coolify project.
	CreateWorkspace(ctx context.Context, w Workspace, ownerGiteaID int64) error
	// Workspace returns the living workspace with this slug.
	Workspace(ctx context.Context, slug string) (Workspace, error)
	// Workspaces lists the living workspaces by slug.
	Workspaces(ctx context.Context) ([]Workspace, error)
	// SetPlacement replaces a workspace's placement.
	SetPlacement(ctx context.Context, workspaceID string, p Placement, at time.Time) error
	// DeleteWorkspace marks the workspace deleted, revokes its keys and wants its
	// parts taken away, in one transaction. Its slug stays taken for ever.
	DeleteWorkspace(ctx context.Context, workspaceID string, at time.Time) error

	// Membership returns the workspace with this slug and the role of this user
	// in it, in one query; ErrNotFound if either is not there.
	Membership(ctx context.Context, slug, userID string) (Workspace, Role, error)
	// MemberWorkspaces lists the living workspaces of a user, by slug.
	MemberWorkspaces(ctx context.Context, userID string) ([]Workspace, error)
	// SetMember adds a member or changes the role of one, as of CreatedAt, and wants
	// the team on Gitea brought to that. It ends what ChangeMember ends.
	SetMember(ctx context.Context, m Member) error
	// Members lists a workspace's members, oldest first, with e-mail and name
	// where the store or the platform's own user table knows them.
	Members(ctx context.Context, workspaceID string) ([]Member, error)
	// RemoveMember ends a membership, an owner's too, and wants the person out of the
	// team on Gitea. It ends what ChangeMember ends.
	RemoveMember(ctx context.Context, workspaceID, userID string, at time.Time) error

	// EnsureWorkspace returns the oldest living workspace that the person owns, or
	// stores w for them, with the first of the slugs that was never used; created
	// says which. Several calls for one person at once make one workspace. What is
	// known of the person (e-mail, name, Gitea id) is kept, and nothing already
	// known is lost for an empty field. ErrConflict if no slug is free.
	EnsureWorkspace(ctx context.Context, p Person, w Workspace, slugs []string) (ws Workspace, created bool, err error)
	// AnyWorkspace returns the workspace that has or had this slug, deleted or not.
	AnyWorkspace(ctx context.Context, slug string) (Workspace, error)
	// SetSuspended suspends a living workspace and revokes the tokens of its keys, or
	// lifts the suspension with nil, and wants that carried out (see Want).
	SetSuspended(ctx context.Context, workspaceID string, since *time.Time, at time.Time) error

	// Provision returns what is recorded of a workspace's parts, of a deleted one
	// too.
	Provision(ctx context.Context, workspaceID string) (Provision, error)
	// Want counts one more thing that is wanted of a workspace's parts and queues
	// the job that sees to it, in one transaction. It works on a deleted one too.
	Want(ctx context.Context, workspaceID string) error
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
	SetParts(ctx context.Context, workspaceID string, was, is Parts) error
	// FinishProvision records the outcome of a run that began when wanted was this
	// count; more says that something has been wanted since.
	FinishProvision(ctx context.Context, workspaceID string, wanted int64, o Outcome, at time.Time) (more bool, err error)
	// Due lists workspaces that have something to be done: wanted and not done, a
	// key that ended and still has a token, an app or a database that is being
	// deleted, or not reconciled since a time.
	Due(ctx context.Context, now, reconciledBefore time.Time, limit int) ([]string, error)
	// ForgetTokens marks every token of the bot as revoked, forgets the webhook's
	// secret, and wants them replaced.
	ForgetTokens(ctx context.Context, workspaceID string, at time.Time) error

	// AddBotToken writes down a token that is about to be made. ErrConflict if the
	// key has a live one; ErrNotFound if the key is not in force.
	AddBotToken(ctx context.Context, t BotToken) error
	// FillBotToken completes the live row with this ID and Name. ErrNotFound if it
	// was revoked or taken over meanwhile.
	FillBotToken(ctx context.Context, t BotToken) error
	// TakeOverBotToken gives a row that was never filled another name and time.
	// ErrConflict if it is not as was any more.
	TakeOverBotToken(ctx context.Context, was BotToken, name string, at time.Time) error
	// EndBotToken revokes one live token, and wants it ended. ErrNotFound if there
	// is none.
	EndBotToken(ctx context.Context, workspaceID, id string, at time.Time) error
	// BotTokens lists a workspace's live tokens.
	BotTokens(ctx context.Context, workspaceID string) ([]BotToken, error)
	// RevokeEndedTokens revokes the tokens of keys that are revoked or expired, all
	// of them if the workspace is suspended or deleted, and those that were begun
	// before a time and never filled.
	RevokeEndedTokens(ctx context.Context, workspaceID string, at, begunBefore time.Time) error

	// CreateProject stores a project without a repository. ErrConflict if the
	// workspace has one of that slug.
	CreateProject(ctx context.Context, p Project) error
	// Projects lists a workspace's projects by slug.
	Projects(ctx context.Context, workspaceID string) ([]Project, error)
	// RecordRepository records the repository of a project that has none, or its name.
	// ErrConflict if it has one, or the repository is another project's.
	RecordRepository(ctx context.Context, workspaceID, projectID string, repositoryID int64, name string) error
	// DropProject forgets a project that has no repository. ErrNotFound if it has
	// one.
	DropProject(ctx context.Context, workspaceID, projectID string) error
	// RepositoryAccess lists what the platform put on a workspace's repositories.
	RepositoryAccess(ctx context.Context, workspaceID string) ([]RepositoryAccess, error)

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
	// NextPushLooks takes the repositories that apps are built from and that were not
	// looked at for pushes since a time, those first that were not for the longest, and
	// records that they are looked at now. It leaves out suspended and deleted
	// workspaces.
	NextPushLooks(ctx context.Context, now, before time.Time, limit int) ([]Project, error)
	// FinishPush records that a job has looked at what was wanted when wanted was
	// this count; more says that something has been wanted since.
	FinishPush(ctx context.Context, workspaceID, projectID string, wanted int64) (more bool, err error)

	// CreateApp writes down an app that is about to be made, with the Head that is to
	// count as looked at. ErrConflict if the workspace has one of that name,
	// ErrNotFound if it has no such project.
	CreateApp(ctx context.Context, a AppRecord) error
	// AppRecords lists a workspace's apps by name, those that are being deleted too.
	AppRecords(ctx context.Context, workspaceID string) ([]AppRecord, error)
	// RecordApp records the uuid of an app that has none, and whether it is made.
	// ErrConflict if it has another, or the uuid is another app's.
	RecordApp(ctx context.Context, workspaceID, id, uuid string, made bool) error
	// SetAppPush replaces Head, Deployment and Reported. ErrConflict if they are not
	// as in was any more.
	SetAppPush(ctx context.Context, was, is AppRecord) error
	// MarkAppDeleting says that an app is to go, and wants that carried out. One that
	// is marked keeps its first time.
	MarkAppDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// DropApp forgets an app.
	DropApp(ctx context.Context, workspaceID, id string) error

	// CreateDatabase writes down a database that is about to be made. ErrConflict if
	// the workspace has one of that name.
	CreateDatabase(ctx context.Context, d DatabaseRecord) error
	// DatabaseRecords lists a workspace's databases by name, those that are being
	// deleted too.
	DatabaseRecords(ctx context.Context, workspaceID string) ([]DatabaseRecord, error)
	// RecordDatabase records the uuid and the sealed address of a database that has
	// none. ErrConflict if it is being deleted, somebody has taken it over, or the uuid
	// is another database's.
	RecordDatabase(ctx context.Context, was DatabaseRecord, uuid, urlSealed string) error
	// TakeOverDatabase gives a database without a uuid another CreatedAt, which says
	// that somebody else makes it from now on. ErrConflict if it is not as was any more.
	TakeOverDatabase(ctx context.Context, was DatabaseRecord, at time.Time) error
	// MarkDatabaseDeleting says that a database is to go, and wants that carried out.
	// One that is marked keeps its first time.
	MarkDatabaseDeleting(ctx context.Context, workspaceID, id string, at time.Time) error
	// DropDatabase forgets a database.
	DropDatabase(ctx context.Context, workspaceID, id string) error

	// SetPlan replaces a living workspace's plan.
	SetPlan(ctx context.Context, workspaceID string, p Plan, at time.Time) error
	// ClaimKey keeps a caller's idempotency key with the digest of the arguments that
	// it came with. ErrConflict if it is kept with another digest.
	ClaimKey(ctx context.Context, workspaceID, tool, key, digest string, at time.Time) error

	// SealedValues lists every sealed value of the database, with its place.
	SealedValues(ctx context.Context) ([]SealedValue, error)
	// Reseal replaces a sealed value. ErrNotFound if it has changed meanwhile.
	Reseal(ctx context.Context, was SealedValue, sealed string) error

	// StartAudit writes an entry with outcome "started", before a change.
	StartAudit(ctx context.Context, e AuditEntry) error
	// FinishAudit completes an entry. Target replaces the entry's if not empty.
	FinishAudit(ctx context.Context, workspaceID, id string, f AuditFinish) error
	// Audit returns entries, newest first (by At, then ID, both descending).
	Audit(ctx context.Context, workspaceID string, q AuditQuery) ([]AuditEntry, error)

	peopleStore
}

// peopleStore is the part of a [Store] that knows people.
type peopleStore interface {
	// User returns the person with this id, if anything is kept of them.
	User(ctx context.Context, id string) (User, error)
	// UserByIdentity returns the person whom an issuer knows by a subject.
	UserByIdentity(ctx context.Context, issuer, subject string) (User, error)
	// KeepUser stores what is known of a person; nothing already known is lost for
	// an empty field. ErrConflict if the identity is another person's, ErrNotFound
	// if the person has another one.
	KeepUser(ctx context.Context, u User) error
	// KeepGiteaUser records a person's account on Gitea in every workspace of theirs,
	// and wants that carried out.
	KeepGiteaUser(ctx context.Context, userID string, giteaUserID int64) error
	// SignOut ends every session of a person that began before at.
	SignOut(ctx context.Context, userID string, at time.Time) error

	// AddLoginLink stores a link. ErrNotFound if it would not be open: its maker has
	// lost the role for it, or the person whom it signs in is no member.
	AddLoginLink(ctx context.Context, l LoginLink, digest Digest) error
	// LoginLink returns a link and its workspace, whatever their state.
	LoginLink(ctx context.Context, digest Digest) (LoginLink, Workspace, error)
	// LoginLinks lists a workspace's links, newest first.
	LoginLinks(ctx context.Context, workspaceID string) ([]LoginLink, error)
	// WithdrawLoginLink ends a link that was not used.
	WithdrawLoginLink(ctx context.Context, workspaceID, id string, at time.Time) error
	// UseLoginLink uses a link up, and makes the person a member if it invites.
	// ErrNotFound if it is not open any more (see [LoginLink.Open]); ErrConflict, and
	// the link stays good, if the invited person is a member.
	UseLoginLink(ctx context.Context, l LoginLink, by Person, at time.Time) error
	// ChangeMember gives a member another role, or ends the membership with an empty
	// one. It revokes the keys that the person minted and that may do more than the
	// person may then, and withdraws the links that they could not make any more. If
	// the person may do less than before, it forgets which token is the workspace's
	// own and keeps what was sealed: a run replaces it, as they may have been shown
	// it. ErrConflict if no owner would be left.
	ChangeMember(ctx context.Context, workspaceID, userID string, role Role, at time.Time) error

	// CreateWorkspaceAudited is CreateWorkspace, and starts an audit entry of the new
	// workspace in the same transaction: both are stored or neither. The entry's
	// WorkspaceID and Target are not read, they are the workspace's id and slug.
	CreateWorkspaceAudited(ctx context.Context, w Workspace, ownerGiteaID int64, started AuditEntry) error
	// EnsureWorkspaceAudited is EnsureWorkspace, and starts an audit entry likewise if
	// it stores w. A workspace that was there gets none.
	EnsureWorkspaceAudited(
		ctx context.Context, p Person, w Workspace, slugs []string, started AuditEntry,
	) (ws Workspace, created bool, err error)
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
