package tenancy

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

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

// An Identity is what a provider has said, and proved, of a person.
type Identity struct {
	Issuer      string // without a slash at its end
	Subject     string
	Email       string // a claim, for display
	DisplayName string // a claim, for display
	GiteaUserID int64  // the subject, where the issuer is the platform's Gitea
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
	case l.CreatedBy == operatorPrincipal:
		return true
	}
	return l.Role != "" && l.MakerRole.Rights().Has(Keys) && (l.Role != RoleOwner || l.MakerRole == RoleOwner)
}

// How long links are good for.
const (
	DefaultLinkLife = time.Hour
	InviteLife      = 72 * time.Hour
	maxLinkLife     = 30 * 24 * time.Hour
)

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

// Accounts know the people who sign in. They open no workspace: for that a person
// is proved anew at each request; see [Guard.OpenMember].
type Accounts struct{ guard *Guard }

// Accounts returns what knows people.
func (g *Guard) Accounts() *Accounts { return &Accounts{g} }

// User returns a person; of one of whom nothing is kept, only the id is known.
func (a *Accounts) User(ctx context.Context, id string) (User, error) {
	u, err := a.guard.store.User(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return User{ID: id}, nil
	}
	if err != nil {
		return User{}, StoreError("look up a person", err)
	}
	return u, nil
}

var errNoIdentity = errors.New("the provider named no issuer or no subject")

// SignIn returns the person whom a provider has proved, and makes one at the first
// time. Issuer and subject decide, and nothing else.
func (a *Accounts) SignIn(ctx context.Context, id Identity) (User, error) {
	if id.Issuer == "" || id.Subject == "" || len(id.Subject) > 255 {
		return User{}, errNoIdentity
	}
	u, err := a.guard.store.UserByIdentity(ctx, id.Issuer, id.Subject)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return User{}, StoreError("look up a person", err)
	}
	known := err == nil
	u.ID = cmp.Or(u.ID, uuid.Must(uuid.NewV7()).String())
	err = a.keep(ctx, u, id)
	if errors.Is(err, ErrConflict) && !known { // the same person, at the same time
		u, err = a.guard.store.UserByIdentity(ctx, id.Issuer, id.Subject)
	}
	if err != nil {
		return User{}, StoreError("keep a person", err)
	}
	return a.User(ctx, u.ID)
}

// keep stores an identity of a person, and their account on Gitea with it.
func (a *Accounts) keep(ctx context.Context, u User, id Identity) error {
	u.Issuer, u.Subject, u.GiteaUserID = id.Issuer, id.Subject, id.GiteaUserID
	u.Email, u.DisplayName = ShortText(id.Email), ShortText(id.DisplayName)
	if err := a.guard.store.KeepUser(ctx, u); err != nil || u.GiteaUserID == 0 {
		return err
	}
	return a.guard.store.KeepGiteaUser(ctx, u.ID, u.GiteaUserID)
}

// Connect has a person who signed in by a link sign in with a provider from now
// on. An identity that is another person's is [Conflict], and so is a second one.
func (a *Accounts) Connect(ctx context.Context, userID string, id Identity) error {
	if id.Issuer == "" || id.Subject == "" || len(id.Subject) > 255 {
		return errNoIdentity
	}
	switch err := a.keep(ctx, User{ID: userID}, id); {
	case errors.Is(err, ErrConflict):
		return &Error{
			Code: Conflict, Msg: "that account belongs to another person here already",
			Hint: "sign in with it, or ask the platform's operator which of the two is yours", Err: err,
		}
	case errors.Is(err, ErrNotFound):
		return &Error{Code: Conflict, Msg: "you sign in with another account already", Hint: "the platform's operator can change that", Err: err}
	case err != nil:
		return StoreError("keep a person", err)
	}
	return nil
}

// EnsureWorkspace returns the workspace that a person owns, or has one made; see
// [Operator.EnsureWorkspace].
func (a *Accounts) EnsureWorkspace(ctx context.Context, u User, place Placement) (Workspace, error) {
	p := Person{UserID: u.ID, Email: u.Email, DisplayName: u.DisplayName, GiteaUserID: u.GiteaUserID}
	w, _, err := ensureWorkspace(ctx, a.guard.store, a.guard.now, "member:"+u.ID, p, place)
	return w, err
}

// Workspaces lists a person's workspaces by slug, suspended ones too.
func (a *Accounts) Workspaces(ctx context.Context, userID string) ([]WorkspaceInfo, error) {
	list, err := a.guard.store.MemberWorkspaces(ctx, userID)
	if err != nil {
		return nil, StoreError("list a person's workspaces", err)
	}
	infos := make([]WorkspaceInfo, 0, len(list))
	for _, w := range list {
		infos = append(infos, WorkspaceInfo{Slug: w.Slug, Name: a.guard.text(w.Name), Status: string(w.Status)})
	}
	return infos, nil
}

// SignOut ends every session of a person.
func (a *Accounts) SignOut(ctx context.Context, userID string) error {
	if err := a.guard.store.SignOut(ctx, userID, a.guard.now()); err != nil {
		return StoreError("sign a person out", err)
	}
	return nil
}

// LinkInfo is what a link says of itself before it is used.
type LinkInfo struct {
	Slug      string // of the workspace
	Name      untrusted.Text
	Role      Role           // what the person becomes; empty = it signs somebody in
	Person    untrusted.Text // whom it signs in; empty if it invites
	ExpiresAt time.Time
	link      LoginLink
	workspace Workspace
}

// Invites reports whether the link makes somebody a member.
func (i LinkInfo) Invites() bool { return i.Role != "" }

var errNoLink = &Error{
	Code: NotFound, Msg: "this link is unknown, was used already, or has expired",
	Hint: "ask whoever gave it to you for a new one",
}

// LinkDigest returns the digest of a link's token. What cannot be one is the same
// [NotFound] as a link that is not good.
func LinkDigest(token string) (Digest, error) {
	if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) != linkBytes {
		return Digest{}, errNoLink
	}
	return sha256.Sum256([]byte(token)), nil
}

const linkBytes = 32

func newLinkToken() (secret.Text, Digest) {
	var bits [linkBytes]byte
	_, _ = rand.Read(bits[:]) // never fails; see crypto/rand
	token := base64.RawURLEncoding.EncodeToString(bits[:])
	return secret.NewText(token), sha256.Sum256([]byte(token))
}

// Link returns what a link is for, without using it. Every reason why it is not
// good is the same [NotFound].
func (a *Accounts) Link(ctx context.Context, digest Digest) (LinkInfo, error) {
	l, w, err := a.guard.store.LoginLink(ctx, digest)
	if errors.Is(err, ErrNotFound) {
		return LinkInfo{}, errNoLink
	}
	if err != nil {
		return LinkInfo{}, StoreError("look up a link", err)
	}
	if !l.Open(a.guard.now()) || w.DeletedAt != nil {
		return LinkInfo{}, errNoLink
	}
	info := LinkInfo{Slug: w.Slug, Name: a.guard.text(w.Name), Role: l.Role, ExpiresAt: l.ExpiresAt, link: l, workspace: w}
	if l.UserID != "" {
		u, err := a.User(ctx, l.UserID)
		if err != nil {
			return LinkInfo{}, err
		}
		info.Person = a.guard.text(cmp.Or(u.DisplayName, u.Email, u.ID))
	}
	return info, nil
}

// UseLink uses a link up, and returns who is signed in by it: whom it names, or
// the person who joins. That is u, or somebody new of the name that u gives if it
// has no id.
func (a *Accounts) UseLink(ctx context.Context, digest Digest, u User) (userID string, info LinkInfo, err error) {
	info, err = a.Link(ctx, digest)
	if err != nil {
		return "", info, err
	}
	by := Person{UserID: info.link.UserID}
	if info.Invites() {
		by = Person{UserID: cmp.Or(u.ID, uuid.Must(uuid.NewV7()).String()), DisplayName: ShortText(u.DisplayName), GiteaUserID: u.GiteaUserID}
	}
	entry := AuditEntry{WorkspaceID: info.workspace.ID, Principal: "member:" + by.UserID, Tool: "link.sign_in", Target: by.UserID}
	if info.Invites() {
		entry.Tool = "link.join"
	}
	err = onRecord(ctx, a.guard.store, a.guard.now, entry, func() error { return a.use(ctx, info.link, by) })
	return by.UserID, info, err
}

func (a *Accounts) use(ctx context.Context, l LoginLink, by Person) error {
	switch err := a.guard.store.UseLoginLink(ctx, l, by, a.guard.now()); {
	case errors.Is(err, ErrNotFound):
		return errNoLink
	case errors.Is(err, ErrConflict):
		return &Error{Code: Conflict, Msg: "you are in this workspace already", Hint: "the link stays good for somebody else"}
	case err != nil:
		return StoreError("use a link", err)
	}
	return nil
}

// LoginLink makes a link into a workspace: for a member to sign in with, or, with
// a role, for somebody to join. Neither means its owner; a workspace that has no
// owner invites one. The token is returned once and kept nowhere.
func (o *Operator) LoginLink(ctx context.Context, w Workspace, userID string, role Role, life time.Duration) (LoginLink, secret.Text, error) {
	if err := checkLink(userID, role, life); err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	members, err := o.Members(ctx, w)
	if err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	if role == "" {
		userID = cmp.Or(userID, ownerOf(members))
	}
	if userID == "" && role == "" {
		role = RoleOwner
	}
	if userID != "" && !isMember(members, userID) {
		return LoginLink{}, secret.Text{}, &Error{
			Code: NotFound, Msg: "this person is no member of the workspace", Hint: "\"vibn-mcp workspace show " + w.Slug + "\" lists them; --invite member lets somebody join",
		}
	}
	l := LoginLink{WorkspaceID: w.ID, UserID: userID, Role: role, CreatedBy: operatorPrincipal, CreatedAt: o.now()}
	l.ExpiresAt = l.CreatedAt.Add(life)
	return o.addLink(ctx, w, l)
}

// checkLink judges what an operator typed to make a link with.
func checkLink(userID string, role Role, life time.Duration) error {
	switch {
	case userID != "" && role != "":
		return invalid(errors.New("a link signs somebody in or invites, not both"))
	case role != "" && role.Rights() == 0:
		return invalid(errors.New("a role is owner, admin or member"))
	case life <= 0 || life > maxLinkLife || !storable(userID):
		return invalid(errors.New("a link is good for a minute at least and 30 days at the most"))
	}
	return nil
}

// addLink stores a link on record. An invitation has the name in the audit trail
// that members' invitations have.
func (o *Operator) addLink(ctx context.Context, w Workspace, l LoginLink) (LoginLink, secret.Text, error) {
	l.ID = uuid.Must(uuid.NewV7()).String()
	entry := AuditEntry{Tool: "link.create", Target: l.UserID}
	if l.Role != "" {
		entry = AuditEntry{Tool: "members.invite", Target: l.ID, Args: auditArgs(map[string]any{"role": l.Role})}
	}
	var token secret.Text
	err := o.audited(ctx, w, entry, func() (err error) {
		l, token, err = addLink(ctx, o.store, l)
		return err
	})
	if err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	return l, token, nil
}

// addLink stores a link and returns it with its token. A link without an id gets
// one.
func addLink(ctx context.Context, store Store, l LoginLink) (LoginLink, secret.Text, error) {
	if l.ID == "" {
		l.ID = uuid.Must(uuid.NewV7()).String()
	}
	token, digest := newLinkToken()
	switch err := store.AddLoginLink(ctx, l, digest); {
	case errors.Is(err, ErrNotFound):
		return LoginLink{}, secret.Text{}, &Error{
			Code: Conflict, Msg: "the workspace's members changed meanwhile, and no link was made",
			Hint: "look at the members, then try again",
		}
	case err != nil:
		return LoginLink{}, secret.Text{}, StoreError("store a link", err)
	}
	return l, token, nil
}

// ownerOf returns the oldest owner; "" if there is none.
func ownerOf(members []Member) string {
	for _, m := range members {
		if m.Role == RoleOwner {
			return m.UserID
		}
	}
	return ""
}

func isMember(members []Member, userID string) bool {
	for _, m := range members {
		if m.UserID == userID {
			return true
		}
	}
	return false
}
