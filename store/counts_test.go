package store_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// letThrough calls add from many goroutines at once, and checks that most calls succeed and the
// others are full.
func letThrough(t *testing.T, what string, calls, most int, add func(ctx context.Context, n int) error) {
	t.Helper()
	results := make(chan error, calls)
	var together errgroup.Group
	together.SetLimit(writers)
	for n := range calls {
		together.Go(func() error {
			results <- add(t.Context(), n)
			return nil
		})
	}
	check(t, together.Wait())
	added := 0
	for range calls {
		switch err := <-results; {
		case err == nil:
			added++
		case !errors.Is(err, tenancy.ErrFull):
			t.Errorf("%s: %v", what, err)
		}
	}
	if added != most {
		t.Errorf("%s: %d of %d concurrent calls were let through, want %d", what, added, calls, most)
	}
}

// TestCountsDoNotRace: concurrent calls make no more than a workspace may have.
func TestCountsDoNotRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha") // has one project and an invitation
		letThrough(t, "projects", repository.MaxProjects+writers, repository.MaxProjects-1, func(ctx context.Context, n int) error {
			return db.CreateProject(ctx, newProject(a.ws.ID, fmt.Sprint("p", n)))
		})
		wantErr(t, "a project whose slug is taken", db.CreateProject(t.Context(), newProject(a.ws.ID, a.project.Slug)), tenancy.ErrConflict)

		letThrough(t, "invitations", people.MaxInvites+writers, people.MaxInvites-1, func(ctx context.Context, n int) error {
			l := tenancy.LoginLink{ID: newID(), WorkspaceID: a.ws.ID, Role: tenancy.RoleMember, CreatedBy: a.user, CreatedAt: day, ExpiresAt: after(60)}
			return db.AddLoginLink(ctx, l, tenancy.Digest{byte(n), 1})
		})

		for n := range people.MaxKeys - writers { // with the tenant's one, room for seven more
			k, digest := newKey(a.ws.ID, fmt.Sprint("operator's ", n))
			check(t, db.CreateKey(t.Context(), k, digest))
		}
		letThrough(t, "active keys", 2*writers, writers-1, func(ctx context.Context, n int) error {
			k, digest := newKey(a.ws.ID, fmt.Sprint("key ", n))
			k.CreatedBy = a.user
			return db.CreateKey(ctx, k, digest)
		})
		k, digest := newKey(a.ws.ID, "the operator's")
		check(t, db.CreateKey(t.Context(), k, digest))
	})
}

// TestMintingHasARate: whoever mints and revokes keys in turns adds few rows.
func TestMintingHasARate(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		mint := func(x tenant, at time.Time) error {
			k, digest := newKey(x.ws.ID, "short")
			k.CreatedBy, k.CreatedAt = x.user, at
			err := db.CreateKey(t.Context(), k, digest)
			if err == nil {
				check(t, db.RevokeKey(t.Context(), x.ws.ID, k.ID, at))
			}
			return err
		}
		for range people.MaxKeysPerHour {
			check(t, mint(a, day))
		}
		wantErr(t, "one key more within the hour", mint(a, day.Add(time.Hour-time.Second)), tenancy.ErrTooMany)
		check(t, mint(b, day))
		check(t, mint(a, day.Add(time.Hour)))
	})
}
