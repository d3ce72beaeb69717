package people

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
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// An Identity is what a provider has proved of a person, with its claims.
type Identity struct {
	Issuer      string // without a trailing slash
	Subject     string
	Email       string // a claim, for display
	DisplayName string // a claim, for display
	GiteaUserID int64  // the subject, if the issuer is the platform's Gitea
}

// Lifetimes of links.
const (
	DefaultLinkLife = time.Hour
	InviteLife      = 72 * time.Hour
	maxLinkLife     = 30 * 24 * time.Hour
)

// Accounts manage the people who sign in. They open no workspace: each request proves the
// person again; see [tenancy.Guard.OpenMember].
type Accounts struct{ guard *tenancy.Guard }

// NewAccounts returns the Accounts of a Guard.
func NewAccounts(g *tenancy.Guard) *Accounts { return &Accounts{g} }

// User returns a person. For a person without a record it returns only the id.
func (a *Accounts) User(ctx context.Context, id string) (tenancy.User, error) {
	u, err := dbOf(a.guard).User(ctx, id)
	if errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.User{ID: id}, nil
	}
	if err != nil {
		return tenancy.User{}, tenancy.StoreError("look up a person", err)
	}
	return u, nil
}

var errNoIdentity = errors.New("the provider named no issuer or no subject")

// SignIn returns the person whom a provider has proved, and creates one at the first
// sign-in. Only issuer and subject identify a person.
func (a *Accounts) SignIn(ctx context.Context, id Identity) (tenancy.User, error) {
	if id.Issuer == "" || id.Subject == "" || len(id.Subject) > 255 {
		return tenancy.User{}, errNoIdentity
	}
	u, err := dbOf(a.guard).UserByIdentity(ctx, id.Issuer, id.Subject)
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.User{}, tenancy.StoreError("look up a person", err)
	}
	known := err == nil
	u.ID = cmp.Or(u.ID, uuid.Must(uuid.NewV7()).String())
	err = a.keep(ctx, u, id)
	if errors.Is(err, tenancy.ErrConflict) && !known { // a concurrent sign-in of the same person
		u, err = dbOf(a.guard).UserByIdentity(ctx, id.Issuer, id.Subject)
	}
	if err != nil {
		return tenancy.User{}, tenancy.StoreError("keep a person", err)
	}
	return a.User(ctx, u.ID)
}

// keep stores an identity of a person, and their account on Gitea with it.
func (a *Accounts) keep(ctx context.Context, u tenancy.User, id Identity) error {
	u.Issuer, u.Subject, u.GiteaUserID = id.Issuer, id.Subject, id.GiteaUserID
	u.Email, u.DisplayName = tenancy.ShortText(id.Email), tenancy.ShortText(id.DisplayName)
	if err := dbOf(a.guard).KeepUser(ctx, u); err != nil || u.GiteaUserID == 0 {
		return err
	}
	return dbOf(a.guard).KeepGiteaUser(ctx, u.ID, u.GiteaUserID)
}

// Connect binds a provider's identity to a person who signed in by a link, for later
// sign-ins. It returns [tenancy.Conflict] if the identity is another person's, or if the
// person has an identity already.
func (a *Accounts) Connect(ctx context.Context, userID string, id Identity) error {
	if id.Issuer == "" || id.Subject == "" || len(id.Subject) > 255 {
		return errNoIdentity
	}
	switch err := a.keep(ctx, tenancy.User{ID: userID}, id); {
	case errors.Is(err, tenancy.ErrConflict):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "that account already belongs to another person here",
			Hint: "sign in with it, or ask the platform's operator which of the two is yours", Err: err,
		}
	case errors.Is(err, tenancy.ErrNotFound):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "you already sign in with another account",
			Hint: "the platform's operator can change that", Err: err,
		}
	case err != nil:
		return tenancy.StoreError("keep a person", err)
	}
	return nil
}

// EnsureWorkspace returns the workspace that a person owns, or creates it; see
// [Operator.EnsureWorkspace].
func (a *Accounts) EnsureWorkspace(
	ctx context.Context, u tenancy.User, place tenancy.Placement,
) (tenancy.Workspace, error) {
	p := tenancy.Person{UserID: u.ID, Email: u.Email, DisplayName: u.DisplayName, GiteaUserID: u.GiteaUserID}
	w, _, err := ensureWorkspace(ctx, dbOf(a.guard), outside(a.guard).Now, "member:"+u.ID, p, place)
	return w, err
}

// Workspaces lists a person's workspaces by slug, including suspended ones.
func (a *Accounts) Workspaces(ctx context.Context, userID string) ([]tenancy.WorkspaceInfo, error) {
	list, err := dbOf(a.guard).MemberWorkspaces(ctx, userID)
	if err != nil {
		return nil, tenancy.StoreError("list a person's workspaces", err)
	}
	infos := make([]tenancy.WorkspaceInfo, 0, len(list))
	for _, w := range list {
		infos = append(
			infos, tenancy.WorkspaceInfo{Slug: w.Slug, Name: outside(a.guard).Text(w.Name), Status: string(w.Status)},
		)
	}
	return infos, nil
}

// SignOut ends every session of a person.
func (a *Accounts) SignOut(ctx context.Context, userID string) error {
	if err := dbOf(a.guard).SignOut(ctx, userID, outside(a.guard).Now()); err != nil {
		return tenancy.StoreError("sign a person out", err)
	}
	return nil
}

// LinkInfo describes a link before it is used.
type LinkInfo struct {
	Slug      string // of the workspace
	Name      untrusted.Text
	Role      tenancy.Role   // the new member's role; empty = a sign-in link
	Person    untrusted.Text // the person it signs in; empty if it invites
	ExpiresAt time.Time
	link      tenancy.LoginLink
	workspace tenancy.Workspace
}

// Invites reports whether the link makes its user a member.
func (i LinkInfo) Invites() bool { return i.Role != "" }

var errNoLink = &tenancy.Error{
	Code: tenancy.NotFound, Msg: "this link is unknown, was used already, or has expired",
	Hint: "ask the person who sent it for a new one",
}

// LinkDigest returns the digest of a link's token. A malformed token gives the same
// [tenancy.NotFound] as an invalid link.
func LinkDigest(token string) (tenancy.Digest, error) {
	if raw, err := base64.RawURLEncoding.DecodeString(token); err != nil || len(raw) != linkBytes {
		return tenancy.Digest{}, errNoLink
	}
	return sha256.Sum256([]byte(token)), nil
}

const linkBytes = 32

func newLinkToken() (secret.Text, tenancy.Digest) {
	var bits [linkBytes]byte
	_, _ = rand.Read(bits[:]) // never fails; see crypto/rand
	token := base64.RawURLEncoding.EncodeToString(bits[:])
	return secret.NewText(token), sha256.Sum256([]byte(token))
}

// Link describes a link, without using it. Every reason for which it is invalid gives the
// same [tenancy.NotFound].
func (a *Accounts) Link(ctx context.Context, digest tenancy.Digest) (LinkInfo, error) {
	l, w, err := dbOf(a.guard).LoginLink(ctx, digest)
	if errors.Is(err, tenancy.ErrNotFound) {
		return LinkInfo{}, errNoLink
	}
	if err != nil {
		return LinkInfo{}, tenancy.StoreError("look up a link", err)
	}
	if !l.Open(outside(a.guard).Now()) || w.DeletedAt != nil {
		return LinkInfo{}, errNoLink
	}
	info := LinkInfo{
		Slug: w.Slug, Name: outside(a.guard).Text(w.Name), Role: l.Role, ExpiresAt: l.ExpiresAt, link: l, workspace: w,
	}
	if l.UserID != "" {
		u, err := a.User(ctx, l.UserID)
		if err != nil {
			return LinkInfo{}, err
		}
		info.Person = outside(a.guard).Text(cmp.Or(u.DisplayName, u.Email, u.ID))
	}
	return info, nil
}

// UseLink uses a link up, and returns the person whom it signs in: the one that it names,
// or the one who joins. The joining person is u, or a new person with u's name if u has
// no id.
func (a *Accounts) UseLink(
	ctx context.Context, digest tenancy.Digest, u tenancy.User,
) (userID string, info LinkInfo, err error) {
	info, err = a.Link(ctx, digest)
	if err != nil {
		return "", info, err
	}
	by := tenancy.Person{UserID: info.link.UserID}
	if info.Invites() {
		by = tenancy.Person{
			UserID: cmp.Or(u.ID, uuid.Must(uuid.NewV7()).String()), DisplayName: tenancy.ShortText(u.DisplayName),
			GiteaUserID: u.GiteaUserID,
		}
	}
	entry := tenancy.AuditEntry{
		WorkspaceID: info.workspace.ID, Principal: "member:" + by.UserID, Tool: "link.sign_in", Target: by.UserID,
	}
	if info.Invites() {
		entry.Tool = "link.join"
	}
	err = tenancy.OnRecord(
		ctx, dbOf(a.guard), outside(a.guard).Now, entry, func() error { return a.use(ctx, info.link, by) },
	)
	return by.UserID, info, err
}

func (a *Accounts) use(ctx context.Context, l tenancy.LoginLink, by tenancy.Person) error {
	switch err := dbOf(a.guard).UseLoginLink(ctx, l, by, outside(a.guard).Now()); {
	case errors.Is(err, tenancy.ErrNotFound):
		return errNoLink
	case errors.Is(err, tenancy.ErrConflict):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "you are in this workspace already",
			Hint: "the link can still be used by another person",
		}
	case err != nil:
		return tenancy.StoreError("use a link", err)
	}
	return nil
}

// LoginLink makes a link into a workspace: for a member to sign in, or, with a role, for
// a person to join. Without userID and role it signs in the owner; if the workspace has
// no owner, it invites one. It returns the token once; the token is stored nowhere.
func (o *Operator) LoginLink(
	ctx context.Context, w tenancy.Workspace, userID string, role tenancy.Role, life time.Duration,
) (tenancy.LoginLink, secret.Text, error) {
	if err := checkLink(userID, role, life); err != nil {
		return tenancy.LoginLink{}, secret.Text{}, err
	}
	members, err := o.Members(ctx, w)
	if err != nil {
		return tenancy.LoginLink{}, secret.Text{}, err
	}
	if role == "" {
		userID = cmp.Or(userID, ownerOf(members))
	}
	if userID == "" && role == "" {
		role = tenancy.RoleOwner
	}
	if userID != "" && !isMember(members, userID) {
		return tenancy.LoginLink{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.NotFound, Msg: "this person is not a member of the workspace",
			Hint: "\"vibn-mcp workspace show " + w.Slug + "\" lists them; --invite member makes a link to join",
		}
	}
	l := tenancy.LoginLink{
		WorkspaceID: w.ID, UserID: userID, Role: role, CreatedBy: tenancy.OperatorPrincipal, CreatedAt: o.now(),
	}
	l.ExpiresAt = l.CreatedAt.Add(life)
	return o.addLink(ctx, w, l)
}

// checkLink validates what an operator typed to make a link.
func checkLink(userID string, role tenancy.Role, life time.Duration) error {
	switch {
	case userID != "" && role != "":
		return invalid(errors.New("a link signs a person in or invites one, not both"))
	case role != "" && role.Rights() == 0:
		return invalid(errors.New("a role is owner, admin or member"))
	case life <= 0 || life > maxLinkLife || !storable(userID):
		return invalid(errors.New("a link is valid for 1 minute to 30 days"))
	}
	return nil
}

// addLink stores a link with an audit entry. An invitation's entry has the same tool name
// as members' invitations.
func (o *Operator) addLink(
	ctx context.Context, w tenancy.Workspace, l tenancy.LoginLink,
) (tenancy.LoginLink, secret.Text, error) {
	l.ID = uuid.Must(uuid.NewV7()).String()
	entry := tenancy.AuditEntry{Tool: "link.create", Target: l.UserID}
	if l.Role != "" {
		entry = tenancy.AuditEntry{
			Tool: "members.invite", Target: l.ID, Args: tenancy.AuditArgs(map[string]any{"role": l.Role}),
		}
	}
	var token secret.Text
	err := o.audited(ctx, w, entry, func() (err error) {
		l, token, err = addLink(ctx, o.store, l)
		return err
	})
	if err != nil {
		return tenancy.LoginLink{}, secret.Text{}, err
	}
	return l, token, nil
}

// addLink stores a link and returns it with its token. A link without an id gets
// one.
func addLink(ctx context.Context, store linkStore, l tenancy.LoginLink) (tenancy.LoginLink, secret.Text, error) {
	if l.ID == "" {
		l.ID = uuid.Must(uuid.NewV7()).String()
	}
	token, digest := newLinkToken()
	switch err := store.AddLoginLink(ctx, l, digest); {
	case errors.Is(err, tenancy.ErrNotFound):
		return tenancy.LoginLink{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "the workspace's members changed meanwhile, and no link was made",
			Hint: "look at the members, then try again",
		}
	case errors.Is(err, tenancy.ErrFull):
		return tenancy.LoginLink{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "this workspace has too many open invitations",
			Hint: "withdraw some first",
		}
	case err != nil:
		return tenancy.LoginLink{}, secret.Text{}, tenancy.StoreError("store a link", err)
	}
	return l, token, nil
}

// ownerOf returns the id of the oldest owner; "" if there is none.
func ownerOf(members []tenancy.Member) string {
	for _, m := range members {
		if m.Role == tenancy.RoleOwner {
			return m.UserID
		}
	}
	return ""
}

func isMember(members []tenancy.Member, userID string) bool {
	for _, m := range members {
		if m.UserID == userID {
			return true
		}
	}
	return false
}
