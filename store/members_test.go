package store_test

import (
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
		check(t, db.SetMember(ctx, second))
		wantSame(t, "MemberWorkspaces", []tenancy.Workspace{a.ws, b.ws},
			must(db.MemberWorkspaces(ctx, second.UserID))(t))

		check(t, db.RemoveMember(ctx, a.ws.ID, second.UserID))
		wantErr(t, "RemoveMember again", db.RemoveMember(ctx, a.ws.ID, second.UserID), tenancy.ErrNotFound)
		_, _, err = db.Membership(ctx, "alpha", second.UserID)
		wantErr(t, "Membership of one who left", err, tenancy.ErrNotFound)
		wantSame(t, "MemberWorkspaces of one who left", []tenancy.Workspace{b.ws},
			must(db.MemberWorkspaces(ctx, second.UserID))(t))
		second.WorkspaceID = newID()
		wantErr(t, "SetMember in no workspace", db.SetMember(ctx, second), tenancy.ErrNotFound)
	})
}
