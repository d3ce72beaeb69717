package store_test

import (
	"fmt"
	"testing"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestMembers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		second := tenancy.Member{WorkspaceID: a.ws.ID, UserID: newID(), Role: tenancy.RoleMember, CreatedAt: after(5)}
		check(t, db.SetMember(ctx, second))
		second.Role = tenancy.RoleAdmin
		again := second
		again.CreatedAt = after(9) // the day of joining stays
		check(t, db.SetMember(ctx, again))
		execSQL(t, db, `insert into vibn_users (id, email, display_name) values ($1, $2, $3)`, second.UserID, "two@example.org", "Two")
		second.Email, second.DisplayName = "two@example.org", "Two"
		owner := tenancy.Member{WorkspaceID: a.ws.ID, UserID: a.user, Role: tenancy.RoleOwner, CreatedAt: day}
		wantSame(t, "Members", []tenancy.Member{owner, second}, must(db.Members(ctx, a.ws.ID))(t))

		ws, role, err := db.Membership(ctx, "alpha", second.UserID)
		check(t, err)
		wantSame(t, "workspace of Membership", a.ws, ws)
		wantSame(t, "role of Membership", tenancy.RoleAdmin, role)
		second.WorkspaceID = b.ws.ID
		settle(t, db, b.ws.ID)
		check(t, db.SetMember(ctx, second))
		wantQueued(t, "SetMember", db, b.ws.ID, 1)
		wantSame(t, "MemberWorkspaces", []tenancy.Workspace{a.ws, b.ws},
			must(db.MemberWorkspaces(ctx, second.UserID))(t))

		settle(t, db, a.ws.ID)
		check(t, db.RemoveMember(ctx, a.ws.ID, second.UserID, after(6)))
		wantQueued(t, "RemoveMember", db, a.ws.ID, 1)
		wantErr(t, "RemoveMember again", db.RemoveMember(ctx, a.ws.ID, second.UserID, after(6)), tenancy.ErrNotFound)
		_, _, err = db.Membership(ctx, "alpha", second.UserID)
		wantErr(t, "Membership of one who left", err, tenancy.ErrNotFound)
		wantSame(t, "MemberWorkspaces of one who left", []tenancy.Workspace{b.ws},
			must(db.MemberWorkspaces(ctx, second.UserID))(t))
		second.WorkspaceID = newID()
		wantErr(t, "SetMember in no workspace", db.SetMember(ctx, second), tenancy.ErrNotFound)
	})
}

// A platform may name the owner in the workspace's row alone.
func TestOwnerWithoutMembership(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		newTenant(t, db, "beta")
		execSQL(t, db, `delete from vibn_workspace_members where workspace_id = $1`, a.ws.ID)
		person := tenancy.Person{UserID: a.user, GiteaUserID: 7}
		for range 2 {
			ws, created, err := db.EnsureWorkspace(ctx, person, tenancy.Workspace{ID: newID(), CreatedAt: after(3), UpdatedAt: after(3)}, []string{"gamma"})
			check(t, err)
			wantSame(t, "workspace of its owner", a.ws.ID, ws.ID)
			wantSame(t, "created", false, created)
		}
		owner := tenancy.Member{WorkspaceID: a.ws.ID, UserID: a.user, GiteaUserID: 7, Role: tenancy.RoleOwner, CreatedAt: after(3)}
		wantSame(t, "Members", []tenancy.Member{owner}, must(db.Members(ctx, a.ws.ID))(t))
	})
}

// Who founded a workspace and was removed is not let in again by the next sign-in.
func TestRemovedFounder(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, second := t.Context(), newTenant(t, db, "alpha"), newID()
		owner := tenancy.Member{WorkspaceID: a.ws.ID, UserID: second, Role: tenancy.RoleOwner, CreatedAt: day}
		check(t, db.SetMember(ctx, owner))
		check(t, db.ChangeMember(ctx, a.ws.ID, a.user, "", after(1)))
		given := tenancy.Workspace{ID: newID(), CreatedAt: after(3), UpdatedAt: after(3)}
		w, created, err := db.EnsureWorkspace(ctx, tenancy.Person{UserID: a.user}, given, []string{"gamma"})
		check(t, err)
		wantSame(t, "workspace of the one who founded another", given.ID, w.ID)
		wantSame(t, "created", true, created)
		wantSame(t, "Members", []tenancy.Member{owner}, must(db.Members(ctx, a.ws.ID))(t))
	})
}

// The token of a person who may do less than before ends; the workspace's own, the keys'
// and other people's stay.
func TestTokenOfFormerMembers(t *testing.T) {
	t.Parallel()
	const owner, admin, member = tenancy.RoleOwner, tenancy.RoleAdmin, tenancy.RoleMember
	for _, name := range []string{"ChangeMember", "SetMember or RemoveMember"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, db *store.DB) {
				ctx := t.Context()
				for i, tc := range []struct {
					was, is tenancy.Role
					ends    bool
				}{
					{owner, "", true},
					{admin, "", true},
					{member, "", true},
					{owner, member, true},
					{admin, member, true},
					{owner, admin, true},
					{admin, owner, false},
					{member, member, false},
					{member, admin, false},
				} {
					a := newTenant(t, db, fmt.Sprint("alpha-", i))
					user := joins(t, db, a, tc.was)
					want := []tenancy.BotToken{a.token, holds(t, db, a, joins(t, db, a, member), 1)}
					if has := holds(t, db, a, user, 1); !tc.ends {
						want = append(want, has)
					}
					settle(t, db, a.ws.ID)
					memberChanges[name](ctx, t, db, a, user, tc.is)
					what := fmt.Sprintf("%+v", tc)
					wantSame(t, what+": parts", a.parts, must(db.Provision(ctx, a.ws.ID))(t).Parts)
					wantSame(t, what+": tokens", want, tokens(t, db, a))
					wantQueued(t, what, db, a.ws.ID, 1)
					wantTokensQueued(t, what, db, a.ws.ID, tc.ends)
				}
				a := newTenant(t, db, "beta")
				has := holds(t, db, a, a.user, 1)
				wantErr(t, "the only owner", db.ChangeMember(ctx, a.ws.ID, a.user, "", after(1)), tenancy.ErrConflict)
				wantSame(t, "tokens then", []tenancy.BotToken{a.token, has}, tokens(t, db, a))
			})
		})
	}
}
