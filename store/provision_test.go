package store_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// settle is what a run leaves that did all that was wanted.
func settle(t *testing.T, db *store.DB, workspaceID string) {
	t.Helper()
	p := must(db.Provision(t.Context(), workspaceID))(t)
	o := tenancy.Outcome{Status: p.Status, Error: p.ProvisionError, Reconciled: true}
	wantSame(t, "more", false, must(db.FinishProvision(t.Context(), workspaceID, p.Wanted, o, day))(t))
	execSQL(t, db, `delete from river_job`)
}

// wantQueued checks that since settle this many things were wanted, and that one
// job is queued if there were any.
func wantQueued(t *testing.T, what string, db *store.DB, workspaceID string, wishes int64) {
	t.Helper()
	p := must(db.Provision(t.Context(), workspaceID))(t)
	wantSame(t, what+": wanted and not done", wishes, p.Wanted-p.Done)
	var jobs []string
	if wishes > 0 {
		jobs = []string{"state=available "}
	}
	wantSame(t, what+": jobs", jobs, jobsOf(t, db, workspaceID))
}

// due lists what is due, in the order of the ids.
func due(t *testing.T, db *store.DB, now, reconciledBefore time.Time) []string {
	t.Helper()
	ids := must(db.Due(t.Context(), now, reconciledBefore, 100))(t)
	slices.Sort(ids)
	return ids
}

func newPerson() tenancy.Person {
	return tenancy.Person{UserID: newID(), Email: "one@example.com", DisplayName: "One", GiteaUserID: number()}
}

func newWorkspace(at time.Time) tenancy.Workspace {
	return tenancy.Workspace{ID: newID(), Name: "Name", CreatedAt: at, UpdatedAt: at}
}

func TestEnsureWorkspace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, p := t.Context(), newPerson()
		given := newWorkspace(day)
		given.OwnerUserID = "somebody else"
		w, created, err := db.EnsureWorkspace(ctx, p, given, []string{"alpha", "alpha-2"})
		check(t, err)
		want := tenancy.Workspace{
			ID: given.ID, Slug: "alpha", Name: "Name", OwnerUserID: p.UserID, Placement: tenancy.Placement{Trust: tenancy.Shared},
			Status: tenancy.Pending, CreatedAt: day, UpdatedAt: day,
		}
		wantSame(t, "EnsureWorkspace", want, w)
		wantSame(t, "created", true, created)
		wantQueued(t, "EnsureWorkspace", db, w.ID, 1)
		member := tenancy.Member{
			WorkspaceID: w.ID, UserID: p.UserID, GiteaUserID: p.GiteaUserID, Role: tenancy.RoleOwner,
			Email: "one@example.com", DisplayName: "One", CreatedAt: day,
		}
		wantSame(t, "Members", []tenancy.Member{member}, must(db.Members(ctx, w.ID))(t))
		wantSame(t, "People", []int64{p.GiteaUserID}, must(db.Provision(ctx, w.ID))(t).People)

		settle(t, db, w.ID)
		again, created, err := db.EnsureWorkspace(ctx, tenancy.Person{UserID: p.UserID}, newWorkspace(after(1)), []string{"beta"})
		check(t, err)
		wantSame(t, "EnsureWorkspace again", w, again)
		wantSame(t, "created again", false, created)
		wantQueued(t, "EnsureWorkspace again", db, w.ID, 0)
		wantSame(t, "Members after empty fields", []tenancy.Member{member}, must(db.Members(ctx, w.ID))(t))

		member.GiteaUserID, member.Email, member.DisplayName = number(), "new@example.com", "New"
		news := tenancy.Person{UserID: p.UserID, Email: member.Email, DisplayName: member.DisplayName, GiteaUserID: member.GiteaUserID}
		_, _, err = db.EnsureWorkspace(ctx, news, newWorkspace(after(2)), nil)
		check(t, err)
		wantSame(t, "Members after news", []tenancy.Member{member}, must(db.Members(ctx, w.ID))(t))
		_, err = db.Workspace(ctx, "beta")
		wantErr(t, "Workspace(beta)", err, tenancy.ErrNotFound)
	})
}

// A person's workspace is the oldest living one that they own, in whatever other
// ones they are.
func TestEnsureWorkspaceTakesTheOldest(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, p := t.Context(), newPerson()
		elsewhere := newTenant(t, db, "elsewhere")
		check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: elsewhere.ws.ID, UserID: p.UserID, Role: tenancy.RoleAdmin, CreatedAt: day}))
		for i, slug := range []string{"younger", "oldest", "youngest"} {
			w := newWorkspace(after([]int{5, 2, 9}[i]))
			w.Slug, w.OwnerUserID = slug, p.UserID
			check(t, db.CreateWorkspace(ctx, w, 0))
		}
		for _, slug := range []string{"oldest", "younger", "youngest", "new"} {
			w, created, err := db.EnsureWorkspace(ctx, p, newWorkspace(after(20)), []string{"oldest", "new"})
			check(t, err)
			wantSame(t, "slug", slug, w.Slug)
			wantSame(t, "created", slug == "new", created)
			check(t, db.DeleteWorkspace(ctx, w.ID, after(30)))
		}
		w, created, err := db.EnsureWorkspace(ctx, p, newWorkspace(day), []string{"oldest", "new"})
		wantErr(t, "EnsureWorkspace when no slug is free", err, tenancy.ErrConflict)
		wantSame(t, "its workspace", tenancy.Workspace{}, w)
		wantSame(t, "created", false, created)
		wantSame(t, "MemberWorkspaces", []string{"elsewhere"}, slugs(must(db.MemberWorkspaces(ctx, p.UserID))(t)))
	})
}

// A first call that fails keeps nothing of the person.
func TestEnsureWorkspaceThatFails(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a, p := newTenant(t, db, "alpha"), newPerson()
		for what, slugs := range map[string][]string{"none": nil, "a taken one": {"alpha"}} {
			_, _, err := db.EnsureWorkspace(t.Context(), p, newWorkspace(day), slugs)
			wantErr(t, "EnsureWorkspace with "+what, err, tenancy.ErrConflict)
		}
		w := newWorkspace(day)
		w.ID = a.ws.ID
		_, _, err := db.EnsureWorkspace(t.Context(), p, w, []string{"beta"})
		wantErr(t, "EnsureWorkspace with an id that is taken", err, tenancy.ErrConflict)
		wantSame(t, "people", []string(nil), dump(t, db, `select id from vibn_users where id = $1`, p.UserID))
	})
}

// A platform that has people by uuid knows nobody of another form.
func TestEnsureWorkspaceOfNobody(t *testing.T) {
	t.Parallel()
	db := adopted(t, "uuid")
	_, _, err := db.EnsureWorkspace(t.Context(), tenancy.Person{UserID: "usr_1"}, newWorkspace(day), []string{"alpha"})
	wantErr(t, "EnsureWorkspace", err, tenancy.ErrNotFound)
	_, err = db.Workspace(t.Context(), "alpha")
	wantErr(t, "Workspace", err, tenancy.ErrNotFound)
}

func TestConcurrentEnsureWorkspace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		const calls = 16
		list := []string{"gone"}
		for i := range calls {
			list = append(list, fmt.Sprint("slug-", i))
		}
		gone := newWorkspace(day)
		gone.Slug = "gone"
		check(t, db.CreateWorkspace(t.Context(), gone, 0))
		check(t, db.DeleteWorkspace(t.Context(), gone.ID, day))

		one := newPerson()
		ensure := func(p func() tenancy.Person) (slugs []string, created int) {
			t.Helper()
			var together errgroup.Group
			var made atomic.Int64
			slugs = make([]string, calls)
			for i := range calls {
				together.Go(func() error {
					w, created, err := db.EnsureWorkspace(t.Context(), p(), newWorkspace(day), list)
					slugs[i] = w.Slug
					if created {
						made.Add(1)
					}
					return err
				})
			}
			check(t, together.Wait())
			slices.Sort(slugs)
			return slices.Compact(slugs), int(made.Load())
		}
		slugs, created := ensure(func() tenancy.Person { return one })
		wantSame(t, "slugs for one person", []string{"slug-0"}, slugs)
		wantSame(t, "created for one person", 1, created)
		list = append(list, "slug-16")
		slugs, created = ensure(newPerson)
		want := slices.Sorted(slices.Values(list[2:]))
		wantSame(t, "slugs for as many people", want, slugs)
		wantSame(t, "created for as many people", calls, created)
	})
}

func TestAnyWorkspace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		wantSame(t, "AnyWorkspace", a.ws, must(db.AnyWorkspace(ctx, "alpha"))(t))
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(5)))
		a.ws.DeletedAt, a.ws.UpdatedAt = new(after(5)), after(5)
		wantSame(t, "AnyWorkspace of a deleted one", a.ws, must(db.AnyWorkspace(ctx, "alpha"))(t))
	})
}

func TestSetSuspended(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		settle(t, db, a.ws.ID)
		for i, tc := range []struct{ since, want *time.Time }{
			{new(after(1)), new(after(1))},
			{new(after(5)), new(after(1))}, // it goes on
			{nil, nil},
			{nil, nil},
			{new(after(9)), new(after(9))},
		} {
			check(t, db.SetSuspended(ctx, a.ws.ID, tc.since, after(10+i)))
			a.ws.SuspendedAt, a.ws.UpdatedAt = tc.want, after(10+i)
			wantSame(t, "Workspace", a.ws, must(db.Workspace(ctx, "alpha"))(t))
			wantQueued(t, "SetSuspended", db, a.ws.ID, int64(1+i))
		}
		wantSame(t, "the other workspace", b.ws, must(db.Workspace(ctx, "beta"))(t))
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(20)))
		settle(t, db, a.ws.ID)
		for _, since := range []*time.Time{nil, new(after(21))} {
			wantErr(t, "SetSuspended of a deleted one", db.SetSuspended(ctx, a.ws.ID, since, after(21)), tenancy.ErrNotFound)
		}
		wantQueued(t, "SetSuspended of a deleted one", db, a.ws.ID, 0)
	})
}

func TestProvision(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		newTenant(t, db, "beta")
		for _, gitea := range []int64{9, 3, 0} {
			check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: newID(), GiteaUserID: gitea, Role: tenancy.RoleMember, CreatedAt: day}))
		}
		want := tenancy.Provision{Workspace: a.ws, Parts: a.parts, Nonce: "nonce-alpha", Wanted: 4, People: []int64{3, 9}}
		wantSame(t, "Provision", want, must(db.Provision(ctx, a.ws.ID))(t))
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(5)))
		want.DeletedAt, want.UpdatedAt, want.Wanted = new(after(5)), after(5), 5
		wantSame(t, "Provision of a deleted one", want, must(db.Provision(ctx, a.ws.ID))(t))
		_, err := db.Provision(ctx, newID())
		wantErr(t, "Provision of none", err, tenancy.ErrNotFound)
	})
}

// Whoever joins or is known anew on Gitea keeps the account that is known.
func TestSetMemberKeepsGiteaID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: a.user, Role: tenancy.RoleOwner, CreatedAt: day}
		for _, tc := range []struct{ given, want int64 }{{0, 0}, {5, 5}, {0, 5}, {6, 6}} {
			m.GiteaUserID = tc.given
			check(t, db.SetMember(ctx, m))
			wantSame(t, "GiteaUserID", tc.want, must(db.Members(ctx, a.ws.ID))(t)[0].GiteaUserID)
		}
	})
}

func TestWantAndFinishProvision(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		wantQueued(t, "CreateWorkspace", db, a.ws.ID, 1)
		check(t, db.RequestProvision(ctx, a.ws.ID))
		wantQueued(t, "RequestProvision", db, a.ws.ID, 2)

		began := must(db.Provision(ctx, a.ws.ID))(t).Wanted
		check(t, db.RequestProvision(ctx, a.ws.ID)) // during the run
		for _, tc := range []struct {
			wanted int64
			o      tenancy.Outcome
			more   bool
			done   int64
		}{
			{began, tenancy.Outcome{Status: tenancy.Partial, Error: `[{"part":"bot"}]`}, true, 2},
			{began + 1, tenancy.Outcome{Status: tenancy.Ready}, false, 3},
			{began, tenancy.Outcome{Status: tenancy.Failed, Error: "[]"}, true, 3}, // late news: done does not go back
			{began + 1, tenancy.Outcome{Status: tenancy.Ready}, false, 3},
		} {
			wantSame(t, "more", tc.more, must(db.FinishProvision(ctx, a.ws.ID, tc.wanted, tc.o, after(3)))(t))
			p := must(db.Provision(ctx, a.ws.ID))(t)
			wantSame(t, "Status", tc.o.Status, p.Status)
			wantSame(t, "ProvisionError", tc.o.Error, p.ProvisionError)
			wantSame(t, "Done", tc.done, p.Done)
			wantSame(t, "Wanted", int64(3), p.Wanted)
		}
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(5)))
		settle(t, db, a.ws.ID)
		check(t, db.RequestProvision(ctx, a.ws.ID))
		wantQueued(t, "RequestProvision of a deleted one", db, a.ws.ID, 1)
	})
}

func TestConcurrentWant(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		settle(t, db, a.ws.ID)
		together, ctx := errgroup.WithContext(t.Context())
		for range writers {
			together.Go(func() error {
				for range rounds {
					if err := db.RequestProvision(ctx, a.ws.ID); err != nil {
						return err
					}
				}
				return nil
			})
		}
		check(t, together.Wait())
		wantQueued(t, "RequestProvision", db, a.ws.ID, writers*rounds)
	})
}

func TestHold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		for _, tc := range []struct {
			what, holder string
			now, until   int
			want         error
		}{
			{"nobody holds it", "one", 0, 10, nil},
			{"another holds it", "two", 1, 11, tenancy.ErrConflict},
			{"it holds on", "one", 5, 20, nil},
			{"another still holds it", "two", 11, 30, tenancy.ErrConflict},
			{"to the last moment", "two", 20, 30, tenancy.ErrConflict},
			{"the time is over", "two", 21, 30, nil},
			{"it was lost", "one", 22, 30, tenancy.ErrConflict},
			{"it holds on late", "two", 40, 50, nil},
		} {
			wantErr(t, "Lease when "+tc.what, db.Lease(ctx, a.ws.ID, tc.holder, after(tc.now), after(tc.until)), tc.want)
		}
		check(t, db.Release(ctx, a.ws.ID, "one")) // holds it no more
		wantErr(t, "Lease after another let go", db.Lease(ctx, a.ws.ID, "one", after(41), after(60)), tenancy.ErrConflict)
		check(t, db.Release(ctx, a.ws.ID, "two"))
		check(t, db.Release(ctx, a.ws.ID, "two"))
		check(t, db.Lease(ctx, a.ws.ID, "one", after(41), after(60)))
		check(t, db.Lease(ctx, b.ws.ID, "two", after(41), after(60)))
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(42)))
		check(t, db.Release(ctx, a.ws.ID, "one"))
		check(t, db.Lease(ctx, a.ws.ID, "two", after(43), after(60))) // its parts must go
		wantErr(t, "Lease of none", db.Lease(ctx, newID(), "one", day, after(1)), tenancy.ErrNotFound)
		wantErr(t, "Release of none", db.Release(ctx, newID(), "one"), tenancy.ErrNotFound)
	})
}

func TestConcurrentHold(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		for round := range 10 { // the first takes hold, each later one takes over
			var held atomic.Int64
			var together errgroup.Group
			for i := range writers {
				together.Go(func() error {
					holder := fmt.Sprint(round, "-", i)
					err := db.Lease(t.Context(), a.ws.ID, holder, after(10*round+1), after(10*round+10))
					if errors.Is(err, tenancy.ErrConflict) {
						return nil
					}
					held.Add(1)
					return err
				})
			}
			check(t, together.Wait())
			wantSame(t, "holders", int64(1), held.Load())
		}
	})
}

func TestKeepNonce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, w := t.Context(), newWorkspace(day)
		w.Slug = "alpha"
		check(t, db.CreateWorkspace(ctx, w, 0))
		wantSame(t, "Nonce before", "", must(db.Provision(ctx, w.ID))(t).Nonce)
		var together errgroup.Group
		kept := make([]string, writers)
		for i := range writers {
			together.Go(func() (err error) {
				kept[i], err = db.KeepNonce(t.Context(), w.ID, fmt.Sprint("nonce-", i))
				return err
			})
		}
		check(t, together.Wait())
		slices.Sort(kept)
		wantSame(t, "nonces", 1, len(slices.Compact(kept)))
		wantSame(t, "Nonce", kept[0], must(db.Provision(ctx, w.ID))(t).Nonce)
		check(t, db.DeleteWorkspace(ctx, w.ID, day))
		wantSame(t, "KeepNonce of a deleted one", kept[0], must(db.KeepNonce(ctx, w.ID, "other"))(t))
	})
}

func TestSetParts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		now := func() tenancy.Parts {
			t.Helper()
			return must(db.Provision(ctx, a.ws.ID))(t).Parts
		}
		for what, change := range map[string]func(*tenancy.Parts){
			"CoolifyProject": func(p *tenancy.Parts) { p.CoolifyProject = "other" },
			"Org":            func(p *tenancy.Parts) { p.Org = "other" },
			"OrgID":          func(p *tenancy.Parts) { p.OrgID++ },
			"TeamID":         func(p *tenancy.Parts) { p.TeamID = 0 },
			"Bot":            func(p *tenancy.Parts) { p.Bot = "" },
			"BotID":          func(p *tenancy.Parts) { p.BotID++ },
			"TokenID":        func(p *tenancy.Parts) { p.TokenID = 0 },
			"TokenSealed":    func(p *tenancy.Parts) { p.TokenSealed = "v1.y.sealed-anew" },
		} {
			was := a.parts
			change(&was)
			wantErr(t, "SetParts with another "+what, db.SetParts(ctx, a.ws.ID, was, tenancy.Parts{Org: "new"}), tenancy.ErrConflict)
		}
		taken := a.parts
		taken.CoolifyProject = b.ws.CoolifyProject
		wantErr(t, "SetParts with another's project", db.SetParts(ctx, a.ws.ID, a.parts, taken), tenancy.ErrProjectTaken)
		wantSame(t, "Parts after conflicts", a.parts, now())
		wantSame(t, "the other's parts", b.parts, must(db.Provision(ctx, b.ws.ID))(t).Parts)

		check(t, db.SetParts(ctx, a.ws.ID, a.parts, a.parts))
		check(t, db.SetParts(ctx, a.ws.ID, a.parts, tenancy.Parts{}))
		wantSame(t, "Parts that are gone", tenancy.Parts{}, now())
		check(t, db.SetParts(ctx, a.ws.ID, tenancy.Parts{}, a.parts))
		wantSame(t, "Parts that are back", a.parts, now())

		check(t, db.DeleteWorkspace(ctx, b.ws.ID, day))
		check(t, db.SetParts(ctx, a.ws.ID, a.parts, taken)) // a deleted one keeps nothing from others
		check(t, db.SetParts(ctx, b.ws.ID, b.parts, tenancy.Parts{}))
		wantErr(t, "SetParts of none", db.SetParts(ctx, newID(), tenancy.Parts{}, tenancy.Parts{}), tenancy.ErrNotFound)
	})
}

// Of runs that set the same thing at once, one does.
func TestConcurrentSetParts(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		var done atomic.Int64
		var together errgroup.Group
		for i := range writers {
			together.Go(func() error {
				of, is := a, a.parts
				if i%2 == 0 {
					of, is = b, b.parts
				}
				is.CoolifyProject = "wanted-by-all"
				err := db.SetParts(t.Context(), of.ws.ID, of.parts, is)
				if errors.Is(err, tenancy.ErrConflict) || errors.Is(err, tenancy.ErrProjectTaken) {
					return nil
				}
				done.Add(1)
				return err
			})
		}
		check(t, together.Wait())
		wantSame(t, "how many did", int64(1), done.Load())
	})
}

func TestDeleteWorkspaceQueues(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		settle(t, db, a.ws.ID)
		settle(t, db, b.ws.ID)
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		wantQueued(t, "DeleteWorkspace", db, a.ws.ID, 1)
		wantErr(t, "DeleteWorkspace again", db.DeleteWorkspace(ctx, a.ws.ID, day), tenancy.ErrNotFound)
		wantQueued(t, "DeleteWorkspace again", db, a.ws.ID, 1)
		wantQueued(t, "the other workspace", db, b.ws.ID, 0)
	})
}

// A key without a token gives nobody anything to do.
func TestRevokeKeyQueuesForTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		without, parent := child(t, db, a.key), child(t, db, a.key)
		with := newToken(child(t, db, parent))
		check(t, db.AddBotToken(ctx, with)) // not filled: it may be there on Gitea
		settle(t, db, a.ws.ID)
		check(t, db.RevokeKey(ctx, a.ws.ID, without.ID, day))
		wantTokensQueued(t, "RevokeKey of a key without a token", db, a.ws.ID, false)
		wantErr(t, "RevokeKey of none", db.RevokeKey(ctx, a.ws.ID, newID(), day), tenancy.ErrNotFound)
		wantTokensQueued(t, "RevokeKey of none", db, a.ws.ID, false)
		check(t, db.RevokeKey(ctx, a.ws.ID, parent.ID, day))
		wantTokensQueued(t, "RevokeKey of the parent of a key with a token", db, a.ws.ID, true)
		check(t, db.RevokeEndedTokens(ctx, a.ws.ID, day, day))
		check(t, db.RevokeKey(ctx, a.ws.ID, parent.ID, day))
		wantTokensQueued(t, "RevokeKey when the token has ended", db, a.ws.ID, false)
		check(t, db.RevokeKey(ctx, a.ws.ID, a.key.ID, day))
		wantTokensQueued(t, "RevokeKey of a key with a token", db, a.ws.ID, true)
		wantQueued(t, "the end of tokens", db, a.ws.ID, 0) // asks nothing of Coolify
	})
}

func TestForgetTokens(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		settle(t, db, a.ws.ID)
		settle(t, db, b.ws.ID)
		check(t, db.ForgetTokens(ctx, a.ws.ID, after(1)))
		wantQueued(t, "ForgetTokens", db, a.ws.ID, 1)
		want := a.parts
		want.TokenID, want.TokenSealed, want.HookID, want.HookSealed = 0, "", 0, ""
		wantSame(t, "Parts", want, must(db.Provision(ctx, a.ws.ID))(t).Parts)
		wantSame(t, "BotTokens", []tenancy.BotToken(nil), must(db.BotTokens(ctx, a.ws.ID))(t))
		wantSame(t, "what is sealed", []string(nil), dump(t, db, `select sealed from vibn_bot_tokens where workspace_id = $1 and sealed <> ''`, a.ws.ID))
		check(t, db.AddBotToken(ctx, newToken(a.key))) // the key may have a new one

		wantQueued(t, "the other workspace", db, b.ws.ID, 0)
		wantSame(t, "the other's parts", b.parts, must(db.Provision(ctx, b.ws.ID))(t).Parts)
		wantSame(t, "the other's tokens", []tenancy.BotToken{b.token}, must(db.BotTokens(ctx, b.ws.ID))(t))
		check(t, db.DeleteWorkspace(ctx, b.ws.ID, day))
		wantErr(t, "ForgetTokens of a deleted one", db.ForgetTokens(ctx, b.ws.ID, day), tenancy.ErrNotFound)
	})
}

func TestDue(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		nothing, wanted, revoked, expired, late, never, deleted, gone := newTenant(t, db, "nothing"), newTenant(t, db, "wanted"),
			newTenant(t, db, "revoked"), newTenant(t, db, "expired"), newTenant(t, db, "late"), newTenant(t, db, "never"),
			newTenant(t, db, "deleted"), newTenant(t, db, "gone")
		removed := newTenant(t, db, "removed")
		holds(t, db, removed, joins(t, db, removed, tenancy.RoleMember), 1)
		bare := newWorkspace(day) // nothing to reconcile
		bare.Slug = "bare"
		check(t, db.CreateWorkspace(ctx, bare, 0))
		for _, a := range []tenant{nothing, wanted, revoked, expired, removed, deleted, gone, late} {
			settle(t, db, a.ws.ID)
			o := tenancy.Outcome{Status: tenancy.Ready, Reconciled: true}
			at := after(100)
			if a.ws.ID == late.ws.ID {
				at = after(50)
			}
			must(db.FinishProvision(ctx, a.ws.ID, must(db.Provision(ctx, a.ws.ID))(t).Wanted, o, at))(t)
		}
		for _, id := range []string{never.ws.ID, bare.ID} {
			must(db.FinishProvision(ctx, id, 1, tenancy.Outcome{Status: tenancy.Ready}, after(100)))(t)
		}
		wantSame(t, "Due before anything", []string{never.ws.ID}, due(t, db, after(1), after(50)))

		check(t, db.RequestProvision(ctx, wanted.ws.ID))
		k, digest := newKey(expired.ws.ID, "expires")
		k.ExpiresAt = new(after(10))
		check(t, db.CreateKey(ctx, k, digest))
		check(t, db.AddBotToken(ctx, newToken(k)))
		execSQL(t, db, `update vibn_api_keys set revoked_at = $2 where id = $1`, revoked.key.ID, day) // by an older release
		execSQL(t, db, `delete from vibn_workspace_members where workspace_id = $1`, removed.ws.ID)   // by a platform
		check(t, db.DeleteWorkspace(ctx, deleted.ws.ID, day))
		check(t, db.RevokeEndedTokens(ctx, deleted.ws.ID, day, day))
		check(t, db.DeleteWorkspace(ctx, gone.ws.ID, day))
		check(t, db.RevokeEndedTokens(ctx, gone.ws.ID, day, day))
		must(db.FinishProvision(ctx, gone.ws.ID, 2, tenancy.Outcome{Status: tenancy.Ready}, day))(t)

		ids := func(of ...tenant) []string {
			var out []string
			for _, a := range of {
				out = append(out, a.ws.ID)
			}
			slices.Sort(out)
			return out
		}
		wantSame(t, "Due", ids(wanted, revoked, removed, never, deleted), due(t, db, after(9), after(50)))
		wantSame(t, "Due when a key expires", ids(wanted, revoked, removed, never, deleted, expired), due(t, db, after(10), after(50)))
		wantSame(t, "Due when one is late", ids(wanted, revoked, removed, never, deleted, late), due(t, db, after(9), after(51)))
		all := ids(wanted, revoked, removed, never, deleted, expired, late, nothing)
		wantSame(t, "Due when all are late", all, due(t, db, after(10), after(101)))
		for limit := range len(all) + 2 {
			got := must(db.Due(ctx, after(10), after(101), limit))(t)
			wantSame(t, fmt.Sprintf("how many are due of at most %d", limit), min(limit, len(all)), len(got))
		}
	})
}

// Workspaces that stay due do not keep out the others, however few are asked for.
func TestDueLeavesNobodyOut(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		left := map[string]bool{}
		for i := range 8 {
			left[newTenant(t, db, fmt.Sprint("alpha-", i)).ws.ID] = true
		}
		for range 10_000 {
			delete(left, must(db.Due(t.Context(), day, day, 1))(t)[0])
			if len(left) == 0 {
				return
			}
		}
		t.Errorf("never due: %v", left)
	})
}

// What is wanted and its job are there together or not at all.
func TestQueueIsOfTheTransaction(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		settle(t, db, a.ws.ID)
		tx := must(db.Conns().BeginTx(ctx, nil))(t)
		check(t, db.WantIn(ctx, tx, a.ws.ID))
		check(t, tx.Rollback())
		wantQueued(t, "Want in a transaction that was rolled back", db, a.ws.ID, 0)
		tx = must(db.Conns().BeginTx(ctx, nil))(t)
		check(t, db.WantIn(ctx, tx, a.ws.ID))
		check(t, tx.Commit())
		wantQueued(t, "Want in a transaction", db, a.ws.ID, 1)

		settle(t, db, a.ws.ID)
		ended, cancel := context.WithCancel(ctx)
		cancel()
		wantErr(t, "RequestProvision", db.RequestProvision(ended, a.ws.ID), context.Canceled)
		wantQueued(t, "Want that came too late", db, a.ws.ID, 0)
		wantErr(t, "RequestProvision of none", db.RequestProvision(ctx, newID()), tenancy.ErrNotFound)
		wantSame(t, "all jobs", []string(nil), dump(t, db, `select id from river_job`))
	})
}
