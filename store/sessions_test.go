package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestSessions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, s, soon := t.Context(), db.Sessions(), time.Now().Add(time.Hour)
		wantSession := func(token, want string) {
			t.Helper()
			data, found, err := s.FindCtx(ctx, token)
			check(t, err)
			if found != (want != "") || found && !bytes.Equal(data, []byte(want)) {
				t.Errorf("session %q = %q, %v, want %q", token, data, found, want)
			}
		}
		wantSession("none", "")
		wantSession(strings.Repeat("x", 10_000), "")
		check(t, s.CommitCtx(ctx, "token", []byte("one"), soon))
		check(t, s.CommitCtx(ctx, "token", []byte("two"), soon))
		wantSession("token", "two")
		if rows := strings.Join(dump(t, db, `select * from vibn_sessions`), "\n"); strings.Contains(rows, "token") {
			t.Errorf("the table holds the token itself: %s", rows)
		}

		check(t, s.DeleteCtx(ctx, "token"))
		wantSession("token", "")
		check(t, s.CommitCtx(ctx, "token", []byte("three"), soon)) // of a request that was under way
		wantSession("token", "")

		check(t, s.CommitCtx(ctx, "old", []byte("old"), time.Now().Add(-time.Second)))
		wantSession("old", "")
		check(t, db.DropExpired(ctx, time.Now()))
		if rows := dump(t, db, `select digest from vibn_sessions`); len(rows) != 1 {
			t.Errorf("after the sweep there are %d sessions, want the one that was ended", len(rows))
		}
	})
}

// Of many who use a link at once, one is first.
func TestUseLoginLinkOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		var wg sync.WaitGroup
		used := make(chan error, 8)
		for range cap(used) {
			wg.Go(func() {
				used <- db.UseLoginLink(t.Context(), a.link, tenancy.Person{UserID: newID()}, after(1))
			})
		}
		wg.Wait()
		close(used)
		good := 0
		for err := range used {
			if err == nil {
				good++
			} else if !errors.Is(err, tenancy.ErrNotFound) {
				t.Error(err)
			}
		}
		if good != 1 {
			t.Errorf("%d used the link, want 1", good)
		}
		if members := must(db.Members(t.Context(), a.ws.ID))(t); len(members) != 2 {
			t.Errorf("there are %d members, want the owner and one more", len(members))
		}
	})
}

// Two owners who remove each other at once leave one.
func TestChangeMemberLeavesAnOwner(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		other := newID()
		check(t, db.SetMember(t.Context(), tenancy.Member{WorkspaceID: a.ws.ID, UserID: other, Role: tenancy.RoleOwner, CreatedAt: day}))
		var wg sync.WaitGroup
		for _, user := range []string{a.user, other} {
			wg.Go(func() {
				err := db.ChangeMember(t.Context(), a.ws.ID, user, "", after(1))
				if err != nil && !errors.Is(err, tenancy.ErrConflict) {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if members := must(db.Members(t.Context(), a.ws.ID))(t); len(members) != 1 {
			t.Errorf("there are %d members, want 1", len(members))
		}
	})
}

// A person who may do less than before has no key that may do more.
func TestChangeMemberRevokesKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, person := t.Context(), newTenant(t, db, "alpha"), newID()
		check(t, db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: person, Role: tenancy.RoleAdmin, CreatedAt: day}))
		digests := map[string]tenancy.Digest{}
		for name, rights := range map[string]tenancy.Rights{"small": tenancy.Read, "large": tenancy.AllRights} {
			k, digest := newKey(a.ws.ID, name)
			k.CreatedBy, k.Rights = person, rights
			check(t, db.CreateKey(ctx, k, digest))
			digests[name] = digest
			c, childDigest := newKey(a.ws.ID, "of "+name)
			c.ParentID = k.ID
			check(t, db.CreateKey(ctx, c, childDigest))
			digests["of "+name] = childDigest
		}
		alive := func(name string) bool {
			k, _, err := db.KeyByDigest(ctx, digests[name])
			check(t, err)
			return k.RevokedAt == nil
		}
		check(t, db.ChangeMember(ctx, a.ws.ID, person, tenancy.RoleMember, after(1)))
		if !alive("small") || !alive("of small") || alive("large") || alive("of large") {
			t.Error("a member keeps a key that may do more, or lost one that may not")
		}
		check(t, db.ChangeMember(ctx, a.ws.ID, person, "", after(2)))
		if alive("small") || alive("of small") {
			t.Error("a key outlives the membership of the person who minted it")
		}
	})
}

// A form that is sent twice mints one key.
func TestCreateKeyOnce(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		for _, x := range []tenant{a, b} { // the same form of another workspace is another form
			k, digest := newKey(x.ws.ID, "once")
			k.Request = "form"
			check(t, db.CreateKey(t.Context(), k, digest))
		}
		k, digest := newKey(a.ws.ID, "twice")
		k.Request = "form"
		wantErr(t, "the second", db.CreateKey(t.Context(), k, digest), tenancy.ErrConflict)
	})
}

// People are joined by issuer and subject, and keep what is known of them.
func TestKeepUser(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, id := t.Context(), newID()
		check(t, db.KeepUser(ctx, tenancy.User{ID: id, Email: "one@example.com"}))
		check(t, db.KeepUser(ctx, tenancy.User{ID: id, Issuer: "https://id", Subject: "7", DisplayName: "One", GiteaUserID: 7}))
		want := tenancy.User{ID: id, Issuer: "https://id", Subject: "7", Email: "one@example.com", DisplayName: "One", GiteaUserID: 7}
		wantSame(t, "User", want, must(db.User(ctx, id))(t))
		wantSame(t, "UserByIdentity", want, must(db.UserByIdentity(ctx, "https://id", "7"))(t))
		wantErr(t, "another identity", db.KeepUser(ctx, tenancy.User{ID: id, Issuer: "https://id", Subject: "8"}), tenancy.ErrNotFound)
		check(t, db.SignOut(ctx, id, after(3)))
		want.SignedOutAt = new(after(3))
		wantSame(t, "signed out", want, must(db.User(ctx, id))(t))
	})
}

// TestGuestsAreBounded: sessions in which nobody signed in make room for newer ones, and
// never take that of a session in which somebody did.
func TestGuestsAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, s, at := t.Context(), db.Sessions(), time.Now().Add(time.Hour)
		const most = 3
		check(t, s.CommitCtx(ctx, "person", []byte("p"), at)) // ends before all guests
		check(t, s.CommitGuestCtx(ctx, "signs in", []byte("g"), at, most))
		check(t, s.CommitCtx(ctx, "signs in", []byte("p"), at))
		for i := range 10 {
			check(t, s.CommitGuestCtx(ctx, fmt.Sprint("guest", i), []byte("g"), at.Add(time.Duration(i+1)*time.Second), most))
		}
		check(t, s.CommitGuestCtx(ctx, "guest7", []byte("again"), at.Add(time.Minute), most))
		check(t, s.CommitGuestCtx(ctx, "guest10", []byte("g"), at.Add(11*time.Second), most))
		kept := []string{}
		for _, token := range append([]string{"person", "signs in"}, guests(11)...) {
			_, found, err := s.FindCtx(ctx, token)
			check(t, err)
			if found {
				kept = append(kept, token)
			}
		}
		wantSame(t, "sessions", []string{"person", "signs in", "guest7", "guest9", "guest10"}, kept)
	})
}

func guests(n int) (tokens []string) {
	for i := range n {
		tokens = append(tokens, fmt.Sprint("guest", i))
	}
	return tokens
}
