package people

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// MemberInfo is a member as the other members see them.
type MemberInfo struct {
	UserID string
	Name   untrusted.Text // their name, or else their address, or else their id
	Email  untrusted.Text
	Role   tenancy.Role
	Since  time.Time
	You    bool
	Yours  bool // the caller may change their role or remove them
}

// InviteInfo is an invitation that has not been used yet.
type InviteInfo struct {
	ID        string
	Role      tenancy.Role
	By        string // user id or "operator"
	CreatedAt time.Time
	ExpiresAt time.Time
}

// Members lists the workspace's members, oldest first.
func Members(ctx context.Context, s *tenancy.Scope) ([]MemberInfo, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	list, err := db(s).Members(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the members", err)
	}
	me, _ := inside(s).MemberID()
	infos := make([]MemberInfo, 0, len(list))
	for _, m := range list {
		infos = append(infos, MemberInfo{
			UserID: m.UserID, Name: s.Text(cmp.Or(m.DisplayName, m.Email, m.UserID)), Email: s.Text(m.Email),
			Role: m.Role, Since: m.CreatedAt,
			You: m.UserID == me, Yours: mayChange(s, m.Role) == nil,
		})
	}
	return infos, nil
}

// mayChange returns [tenancy.Forbidden] if the caller lacks the right to change members,
// or if a role is the owner's and the caller is not an owner.
func mayChange(s *tenancy.Scope, roles ...tenancy.Role) error {
	if err := s.Require(tenancy.Keys); err != nil {
		return err
	}
	for _, r := range roles {
		if r == tenancy.RoleOwner && s.Role() != tenancy.RoleOwner {
			return &tenancy.Error{
				Code: tenancy.Forbidden, Msg: "only an owner can add, change or remove owners",
				Hint: "ask an owner of the workspace",
			}
		}
	}
	return nil
}

// Invites lists the open invitations.
func Invites(ctx context.Context, s *tenancy.Scope) ([]InviteInfo, error) {
	if err := s.Require(tenancy.Keys); err != nil {
		return nil, err
	}
	links, err := db(s).LoginLinks(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the invitations", err)
	}
	infos := []InviteInfo{}
	for _, l := range links {
		if l.Role != "" && l.Open(inside(s).Now()) {
			infos = append(infos, InviteInfo{l.ID, l.Role, l.CreatedBy, l.CreatedAt, l.ExpiresAt})
		}
	}
	return infos, nil
}

// MaxInvites bounds how many invitations that its members made a workspace has open.
const MaxInvites = 50

// Invite makes a link with which one person joins the workspace. It needs a recent
// sign-in. It returns the token once; the token is stored nowhere.
func Invite(ctx context.Context, s *tenancy.Scope, role tenancy.Role) (tenancy.LoginLink, secret.Text, error) {
	p, err := inside(s).Person()
	if err != nil {
		return tenancy.LoginLink{}, secret.Text{}, err
	}
	if role.Rights() == 0 {
		return tenancy.LoginLink{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "a role is owner, admin or member",
		}
	}
	if err := cmp.Or(mayChange(s, role), inside(s).SignedIn()); err != nil {
		return tenancy.LoginLink{}, secret.Text{}, err
	}
	now := inside(s).Now()
	return addLink(ctx, db(s), tenancy.LoginLink{
		WorkspaceID: inside(s).Workspace().ID, Role: role, CreatedBy: p, CreatedAt: now, ExpiresAt: now.Add(InviteLife),
	})
}

// WithdrawInvite ends an invitation.
func WithdrawInvite(ctx context.Context, s *tenancy.Scope, id string) error {
	if _, err := inside(s).Person(); err != nil {
		return err
	}
	if err := s.Require(tenancy.Keys); err != nil {
		return err
	}
	err := db(s).WithdrawLoginLink(ctx, inside(s).Workspace().ID, id, inside(s).Now())
	if errors.Is(err, tenancy.ErrNotFound) {
		return &tenancy.Error{
			Code: tenancy.NotFound, Msg: "no such invitation in this workspace", Hint: "it may have been used already",
		}
	}
	if err != nil {
		return tenancy.StoreError("withdraw the invitation", err)
	}
	return nil
}

// SetRole gives a member another role. It revokes keys that the person minted and that
// have more rights than the new role, and withdraws invitations that the new role could
// not make. To raise a role needs a recent sign-in.
func SetRole(ctx context.Context, s *tenancy.Scope, userID string, role tenancy.Role) error {
	if role.Rights() == 0 {
		return &tenancy.Error{Code: tenancy.Invalid, Msg: "a role is owner, admin or member"}
	}
	return changeMember(ctx, s, userID, role)
}

// RemoveMember ends a membership, with the keys and the invitations that the person made.
// Every member may leave.
func RemoveMember(ctx context.Context, s *tenancy.Scope, userID string) error {
	return changeMember(ctx, s, userID, "")
}

func changeMember(ctx context.Context, s *tenancy.Scope, userID string, role tenancy.Role) error {
	me, err := inside(s).Person()
	if err != nil {
		return err
	}
	list, err := db(s).Members(ctx, inside(s).Workspace().ID)
	if err != nil {
		return tenancy.StoreError("list the members", err)
	}
	leaves := role == "" && userID == me
	for _, m := range list {
		if m.UserID != userID {
			continue
		}
		if err := mayChange(s, m.Role, role); err != nil && !leaves {
			return err
		}
		if role.Exceeds(m.Role) {
			if err := inside(s).SignedIn(); err != nil {
				return err
			}
		}
		return change(ctx, s, userID, role)
	}
	if err := mayChange(s); err != nil {
		return err
	}
	return &tenancy.Error{Code: tenancy.NotFound, Msg: "no such member in this workspace"}
}

func change(ctx context.Context, s *tenancy.Scope, userID string, role tenancy.Role) error {
	err := db(s).ChangeMember(ctx, inside(s).Workspace().ID, userID, role, inside(s).Now())
	switch {
	case errors.Is(err, tenancy.ErrConflict):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "a workspace needs an owner, and this is the only one",
			Hint: "make another member an owner first",
		}
	case errors.Is(err, tenancy.ErrNotFound):
		return &tenancy.Error{Code: tenancy.NotFound, Msg: "no such member in this workspace"}
	case err != nil:
		return tenancy.StoreError("change the member", err)
	}
	inside(s).RecordTarget(userID)
	return nil
}
