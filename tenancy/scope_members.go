package tenancy

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// MemberInfo is a member as the others see them.
type MemberInfo struct {
	UserID string
	Name   untrusted.Text // their name, else their address, else their id
	Email  untrusted.Text
	Role   Role
	Since  time.Time
	You    bool
	Yours  bool // to change: the caller may give them another role, or remove them
}

// InviteInfo is an invitation that nobody has taken yet.
type InviteInfo struct {
	ID        string
	Role      Role
	By        string // user id or "operator"
	CreatedAt time.Time
	ExpiresAt time.Time
}

// member returns who acts, if it is a person. Keys do not decide who belongs to a
// workspace.
func (s *Scope) member() (memberPrincipal, error) {
	p, ok := s.principal.(memberPrincipal)
	if !ok {
		return p, &Error{Code: Forbidden, Msg: "only people do this, signed in to the settings page", Hint: "ask the workspace's owner"}
	}
	return p, nil
}

// RequirePerson refuses, with [Forbidden], what is for people only.
func (s *Scope) RequirePerson() error {
	_, err := s.member()
	return err
}

// Role returns the role of the person who acts; empty for a key.
func (s *Scope) Role() Role { return s.grant.role }

// Members lists the workspace's members, oldest first.
func (s *Scope) Members(ctx context.Context) ([]MemberInfo, error) {
	if err := s.Require(Read); err != nil {
		return nil, err
	}
	list, err := s.guard.store.Members(ctx, s.grant.workspace.ID)
	if err != nil {
		return nil, StoreError("list the members", err)
	}
	me, _ := s.principal.(memberPrincipal)
	infos := make([]MemberInfo, 0, len(list))
	for _, m := range list {
		infos = append(infos, MemberInfo{
			UserID: m.UserID, Name: s.Text(cmp.Or(m.DisplayName, m.Email, m.UserID)), Email: s.Text(m.Email), Role: m.Role, Since: m.CreatedAt,
			You: m.UserID == me.userID, Yours: s.mayChange(m.Role) == nil,
		})
	}
	return infos, nil
}

// mayChange refuses what only an owner may do with owners.
func (s *Scope) mayChange(roles ...Role) error {
	if err := s.Require(Keys); err != nil {
		return err
	}
	for _, r := range roles {
		if r == RoleOwner && s.grant.role != RoleOwner {
			return &Error{Code: Forbidden, Msg: "only an owner makes, changes or removes owners", Hint: "ask an owner of the workspace"}
		}
	}
	return nil
}

// Invites lists the invitations that are still open.
func (s *Scope) Invites(ctx context.Context) ([]InviteInfo, error) {
	if err := s.Require(Keys); err != nil {
		return nil, err
	}
	links, err := s.guard.store.LoginLinks(ctx, s.grant.workspace.ID)
	if err != nil {
		return nil, StoreError("list the invitations", err)
	}
	infos := []InviteInfo{}
	for _, l := range links {
		if l.Role != "" && l.Open(s.guard.now()) {
			infos = append(infos, InviteInfo{l.ID, l.Role, l.CreatedBy, l.CreatedAt, l.ExpiresAt})
		}
	}
	return infos, nil
}

// maxInvites bounds how many invitations are good at once.
const maxInvites = 50

// Invite makes a link with which one person joins the workspace. The token is
// returned once and kept nowhere.
func (s *Scope) Invite(ctx context.Context, role Role) (LoginLink, secret.Text, error) {
	p, err := s.member()
	if err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	if role.Rights() == 0 {
		return LoginLink{}, secret.Text{}, &Error{Code: Invalid, Msg: "a role is owner, admin or member"}
	}
	if err := s.mayChange(role); err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	open, err := s.Invites(ctx)
	if err != nil {
		return LoginLink{}, secret.Text{}, err
	}
	if len(open) >= maxInvites {
		return LoginLink{}, secret.Text{}, &Error{Code: Conflict, Msg: "this workspace has many invitations that nobody took", Hint: "withdraw some first"}
	}
	now := s.guard.now()
	return addLink(ctx, s.guard.store, LoginLink{
		WorkspaceID: s.grant.workspace.ID, Role: role, CreatedBy: p.userID, CreatedAt: now, ExpiresAt: now.Add(InviteLife),
	})
}

// WithdrawInvite ends an invitation.
func (s *Scope) WithdrawInvite(ctx context.Context, id string) error {
	if _, err := s.member(); err != nil {
		return err
	}
	if err := s.Require(Keys); err != nil {
		return err
	}
	err := s.guard.store.WithdrawLoginLink(ctx, s.grant.workspace.ID, id, s.guard.now())
	if errors.Is(err, ErrNotFound) {
		return &Error{Code: NotFound, Msg: "no such invitation in this workspace", Hint: "it may have been used already"}
	}
	if err != nil {
		return StoreError("withdraw the invitation", err)
	}
	return nil
}

// SetRole gives a member another role. Keys that the person minted and that may do
// more than the person may then are revoked, and invitations that the person could
// not make then are withdrawn.
func (s *Scope) SetRole(ctx context.Context, userID string, role Role) error {
	if role.Rights() == 0 {
		return &Error{Code: Invalid, Msg: "a role is owner, admin or member"}
	}
	return s.changeMember(ctx, userID, role)
}

// RemoveMember ends a membership, with the keys and the invitations that the person
// made. Everybody may leave.
func (s *Scope) RemoveMember(ctx context.Context, userID string) error {
	return s.changeMember(ctx, userID, "")
}

func (s *Scope) changeMember(ctx context.Context, userID string, role Role) error {
	me, err := s.member()
	if err != nil {
		return err
	}
	list, err := s.guard.store.Members(ctx, s.grant.workspace.ID)
	if err != nil {
		return StoreError("list the members", err)
	}
	leaves := role == "" && userID == me.userID
	for _, m := range list {
		if m.UserID != userID {
			continue
		}
		if err := s.mayChange(m.Role, role); err != nil && !leaves {
			return err
		}
		return s.change(ctx, userID, role)
	}
	if err := s.mayChange(); err != nil {
		return err
	}
	return &Error{Code: NotFound, Msg: "no such member in this workspace"}
}

func (s *Scope) change(ctx context.Context, userID string, role Role) error {
	err := s.guard.store.ChangeMember(ctx, s.grant.workspace.ID, userID, role, s.guard.now())
	switch {
	case errors.Is(err, ErrConflict):
		return &Error{Code: Conflict, Msg: "a workspace needs an owner, and this is the only one", Hint: "make somebody else an owner first"}
	case errors.Is(err, ErrNotFound):
		return &Error{Code: NotFound, Msg: "no such member in this workspace"}
	case err != nil:
		return StoreError("change the member", err)
	}
	Inside{s}.RecordTarget(userID)
	return nil
}
