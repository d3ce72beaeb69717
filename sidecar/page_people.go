package sidecar

import (
	"errors"
	"net/http"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

type peoplePage struct {
	Members []people.MemberInfo
	Invites []inviteRow
	Roles   []roleChoice // roles that the person may give
	MayEdit bool
	Only    bool // there is only one owner, who cannot leave
	Invited *invited
}

type inviteRow struct {
	people.InviteInfo
	ByName string
}

type roleChoice struct {
	Role  tenancy.Role
	About string
}

// An invited is an invitation in the one answer that shows its link.
type invited struct {
	Role      tenancy.Role
	Link      string
	ExpiresAt time.Time
}

var roles = []roleChoice{
	{tenancy.RoleMember, "Sees everything, deploys, changes variables and pushes code."},
	{tenancy.RoleAdmin, "Also makes and revokes keys, invites people and deletes things."},
	{tenancy.RoleOwner, "Everything, owners included."},
}

func (v *visit) members() error { return v.showMembers(nil) }

func (v *visit) showMembers(shown *invited) error {
	v.frame.Tab = "people"
	ctx := v.r.Context()
	members, err := people.Members(ctx, v.scope)
	if err != nil {
		return err
	}
	v.frame.Errand.concerns(members)
	p := peoplePage{Members: members, MayEdit: v.frame.Keys, Invited: shown}
	for _, r := range roles {
		if r.Role != tenancy.RoleOwner || v.frame.Role == tenancy.RoleOwner {
			p.Roles = append(p.Roles, r)
		}
	}
	owners := 0
	for _, m := range members {
		if m.Role == tenancy.RoleOwner {
			owners++
		}
	}
	p.Only = owners == 1
	if p.MayEdit {
		invites, err := people.Invites(ctx, v.scope)
		if err != nil {
			return err
		}
		names, err := people.NamesOf(ctx, v.scope, nil)
		if err != nil {
			return err
		}
		for _, i := range invites {
			p.Invites = append(p.Invites, inviteRow{i, names.Of(i.By)})
		}
	}
	return v.show(http.StatusOK, "people.html", "People", p)
}

// change runs an action on the workspace's members, with an entry in the audit trail.
func (v *visit) change(tool, target string, args map[string]any, do func(*tenancy.Scope) error) error {
	return act(
		v.r.Context(), v.scope,
		tenancy.Call{Tool: tool, Needs: tenancy.Keys, Client: v.r.UserAgent(), Target: target, Args: jsonOf(args)}, do,
	)
}

func (v *visit) invite() error {
	role := tenancy.Role(v.form.Get("role"))
	var shown *invited
	err := v.change("members.invite", "", map[string]any{"role": role}, func(s *tenancy.Scope) error {
		l, token, err := people.Invite(v.r.Context(), s, role)
		if err != nil {
			return err
		}
		shown = &invited{role, LinkURL(v.cfg.PublicURL, token.Reveal()), l.ExpiresAt}
		return nil
	})
	if err != nil {
		return err
	}
	return v.showMembers(shown)
}

func (v *visit) withdraw() error {
	id := v.form.Get("invite")
	err := v.change(
		"members.withdraw_invite", id, nil,
		func(s *tenancy.Scope) error { return people.WithdrawInvite(v.r.Context(), s, id) },
	)
	if err != nil {
		return err
	}
	return v.redirectWithNotice(
		v.r.Context(), v.workspacePath("people"), "The invitation is withdrawn. Its link opens nothing any more.",
	)
}

func (v *visit) setRole() error {
	id, role := v.form.Get("user"), tenancy.Role(v.form.Get("role"))
	err := v.change(
		"members.set_role", id, map[string]any{"role": role},
		func(s *tenancy.Scope) error { return people.SetRole(v.r.Context(), s, id, role) },
	)
	if errors.Is(err, tenancy.ErrSignIn) {
		return v.signInFirst("role")
	}
	if err != nil {
		return err
	}
	const done = "The role is changed. If it allows less than before, the keys beyond it and the token for git have ended."
	return v.redirectWithNotice(v.r.Context(), v.workspacePath("people"), done)
}

func (v *visit) removeMember() error {
	id, needs := v.form.Get("user"), tenancy.Keys
	if id == v.user.ID {
		needs = tenancy.Write // every member may leave: every role has this right
	}
	err := act(v.r.Context(), v.scope, tenancy.Call{
		Tool: "members.remove", Needs: needs, Client: v.r.UserAgent(), Target: id,
	}, func(s *tenancy.Scope) error {
		return people.RemoveMember(v.r.Context(), s, id)
	})
	if err != nil {
		return err
	}
	if id == v.user.ID {
		return v.redirectWithNotice(v.r.Context(), "/w", "You have left the workspace.")
	}
	const done = "The member is removed. The keys and invitations that they made have ended, and so has their token for git."
	return v.redirectWithNotice(v.r.Context(), v.workspacePath("people"), done)
}
