package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// The ways in which a member's role changes, or the membership ends with an empty
// role. A platform may change its own table.
var memberChanges = map[string]func(ctx context.Context, t *testing.T, db *store.DB, a tenant, user string, role tenancy.Role){
	"ChangeMember": func(ctx context.Context, t *testing.T, db *store.DB, a tenant, user string, role tenancy.Role) {
		check(t, db.ChangeMember(ctx, a.ws.ID, user, role, after(5)))
	},
	"SetMember or RemoveMember": func(ctx context.Context, t *testing.T, db *store.DB, a tenant, user string, role tenancy.Role) {
		if role == "" {
			check(t, db.RemoveMember(ctx, a.ws.ID, user, after(5)))
			return
		}
		check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: user, Role: role, CreatedAt: after(5)}))
	},
	"the platform": func(_ context.Context, t *testing.T, db *store.DB, a tenant, user string, role tenancy.Role) {
		query, args := `update vibn_workspace_members set role = $3 where workspace_id = $1 and user_id = $2`, []any{a.ws.ID, user, role}
		if role == "" {
			query, args = `delete from vibn_workspace_members where workspace_id = $1 and user_id = $2`, args[:2]
		}
		execSQL(t, db, query, args...)
	},
}

// A link that a person made opens nothing that they could not give now, however
// they came to lose it. Once withdrawn it stays so.
func TestLinksOfFormerMembers(t *testing.T) {
	t.Parallel()
	const owner, admin, member = tenancy.RoleOwner, tenancy.RoleAdmin, tenancy.RoleMember
	for name, change := range memberChanges {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, db *store.DB) {
				ctx := t.Context()
				for i, tc := range []struct {
					was, is, gives tenancy.Role
					open           bool
				}{
					{owner, admin, owner, false},
					{owner, admin, admin, true},
					{owner, member, owner, false},
					{owner, member, member, false},
					{owner, "", owner, false},
					{owner, "", member, false},
					{admin, owner, admin, true},
					{admin, member, member, false},
					{admin, "", admin, false},
				} {
					a, maker := newTenant(t, db, fmt.Sprint("alpha-", i)), newID()
					m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: maker, Role: tc.was, CreatedAt: day}
					check(t, db.SetMember(ctx, m))
					l, digest := newLink(a.ws.ID)
					l.Role, l.CreatedBy = tc.gives, maker
					check(t, db.AddLoginLink(ctx, l, digest))

					change(ctx, t, db, a, maker, tc.is)
					now, _, err := db.LoginLink(ctx, digest)
					check(t, err)
					wantSame(t, fmt.Sprintf("%+v: open", tc), tc.open, now.Open(after(6)))
					operators, _, err := db.LoginLink(ctx, a.opens)
					check(t, err)
					wantSame(t, fmt.Sprintf("%+v: the operator's is open", tc), true, operators.Open(after(6)))
					if tc.open {
						check(t, db.UseLoginLink(ctx, l, tenancy.Person{UserID: newID()}, after(6)))
						continue
					}
					for _, by := range []string{maker, newID()} { // themselves, with another account too
						err := db.UseLoginLink(ctx, l, tenancy.Person{UserID: by}, after(6))
						wantErr(t, fmt.Sprintf("%+v: UseLoginLink", tc), err, tenancy.ErrNotFound)
					}
					again, digest := newLink(a.ws.ID)
					again.Role, again.CreatedBy = tc.gives, maker
					wantErr(t, fmt.Sprintf("%+v: AddLoginLink", tc), db.AddLoginLink(ctx, again, digest), tenancy.ErrNotFound)
					if name == "the platform" {
						continue
					}
					check(t, db.SetMember(ctx, m))
					err = db.UseLoginLink(ctx, l, tenancy.Person{UserID: newID()}, after(7))
					wantErr(t, fmt.Sprintf("%+v: UseLoginLink once the maker is back", tc), err, tenancy.ErrNotFound)
				}
			})
		})
	}
}

// A link signs in a member, and only the operator makes one that does.
func TestSignInLinks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		l, digest := newLink(a.ws.ID)
		l.Role, l.UserID, l.CreatedBy = "", a.user, a.user
		wantErr(t, "a sign-in link of an owner", db.AddLoginLink(ctx, l, digest), tenancy.ErrNotFound)
		l.CreatedBy = "operator"
		check(t, db.AddLoginLink(ctx, l, digest))
		check(t, db.RemoveMember(ctx, a.ws.ID, a.user, after(1)))
		now, _, err := db.LoginLink(ctx, digest)
		check(t, err)
		wantSame(t, "open", false, now.Open(after(2)))
		wantErr(t, "UseLoginLink", db.UseLoginLink(ctx, l, tenancy.Person{UserID: a.user}, after(2)), tenancy.ErrNotFound)
		first := l
		l.ID, digest = newID(), tenancy.Digest{1}
		wantErr(t, "a sign-in link of one who left", db.AddLoginLink(ctx, l, digest), tenancy.ErrNotFound)
		check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: a.user, Role: tenancy.RoleMember, CreatedAt: after(3)}))
		wantErr(t, "UseLoginLink once they are back", db.UseLoginLink(ctx, first, tenancy.Person{UserID: a.user}, after(4)), tenancy.ErrNotFound)
		check(t, db.AddLoginLink(ctx, l, digest))
		check(t, db.SignOut(ctx, newID(), after(5)))
		now, _, err = db.LoginLink(ctx, digest)
		check(t, err)
		wantSame(t, "open when another person signed out", true, now.Open(after(6)))
		check(t, db.SignOut(ctx, a.user, after(5)))
		wantErr(t, "UseLoginLink after signing out everywhere", db.UseLoginLink(ctx, l, tenancy.Person{UserID: a.user}, after(6)), tenancy.ErrNotFound)
	})
}

// Links that are made and used while their maker is being removed: none is open in
// the end, not even once the maker is back.
func TestConcurrentLinks(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for r := range 10 {
			a, maker := newTenant(t, db, fmt.Sprint("alpha-", r)), newID()
			m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: maker, Role: tenancy.RoleOwner, CreatedAt: day}
			check(t, db.SetMember(t.Context(), m))
			used := make(chan struct{}, writers)
			var together errgroup.Group
			for range writers {
				together.Go(func() error { return inviteUntilRefused(t.Context(), db, a, maker, used) })
			}
			<-used
			check(t, db.ChangeMember(t.Context(), a.ws.ID, maker, "", after(1)))
			wantErr(t, "in the end", together.Wait(), tenancy.ErrNotFound)
			check(t, db.SetMember(t.Context(), m))
			for _, l := range must(db.LoginLinks(t.Context(), a.ws.ID))(t) {
				if l.CreatedBy == maker && l.Open(after(2)) {
					t.Errorf("a link is open: %+v", l)
				}
			}
		}
	})
}

// inviteUntilRefused makes two links and uses one, again and again.
func inviteUntilRefused(ctx context.Context, db *store.DB, a tenant, maker string, used chan<- struct{}) error {
	for range 10_000 {
		for _, use := range []bool{false, true} {
			l, digest := newLink(a.ws.ID)
			l.CreatedBy = maker
			err := db.AddLoginLink(ctx, l, digest)
			if errors.Is(err, tenancy.ErrFull) {
				continue // enough are open to find out whether one is left
			}
			if err != nil {
				return err
			}
			if !use {
				continue
			}
			if err := db.UseLoginLink(ctx, l, tenancy.Person{UserID: newID()}, after(1)); err != nil {
				return err
			}
		}
		select {
		case used <- struct{}{}:
		default:
		}
	}
	return errors.New("never refused")
}
