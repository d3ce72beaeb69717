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

const (
	writers = 8
	rounds  = 50
)

// Many writers at once lose nothing and fail in nothing.
func TestConcurrentWriters(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		together, ctx := errgroup.WithContext(t.Context())
		for w := range writers {
			together.Go(func() error {
				for r := range rounds {
					if err := writeAll(ctx, db, a, fmt.Sprint(w, "-", r), w*rounds+r); err != nil {
						return err
					}
				}
				return nil
			})
		}
		check(t, together.Wait())

		const each = writers * rounds
		for query, want := range map[string]int{
			`select id from vibn_api_keys where parent_id is not null and last_used_at is not null`: each,
			`select id from vibn_audit where outcome = 'ok' and upstream_calls > 0`:                 each,
			`select id from vibn_audit where outcome = 'started'`:                                   1, // the tenant's own
			`select id from vibn_workspace_members where role = 'admin'`:                            each + 1,
		} {
			if got := len(dump(t, db, query)); got != want {
				t.Errorf("%s: %d rows, want %d", query, got, want)
			}
		}
	})
}

func writeAll(ctx context.Context, db *store.DB, a tenant, name string, n int) error {
	k, digest := newKey(a.ws.ID, name)
	k.ParentID = a.key.ID
	if err := db.CreateKey(ctx, k, digest); err != nil {
		return err
	}
	for _, id := range []string{k.ID, a.key.ID} { // one of its own, one that all write
		if err := db.TouchKey(ctx, a.ws.ID, id, after(n*60)); err != nil {
			return err
		}
	}
	for _, user := range []string{"user-" + name, "user-of-all"} {
		m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: user, Role: tenancy.RoleAdmin, CreatedAt: after(n)}
		if err := db.SetMember(ctx, m); err != nil {
			return err
		}
	}
	e := tenancy.AuditEntry{ID: newID(), WorkspaceID: a.ws.ID, At: after(n), Tool: name}
	if err := db.StartAudit(ctx, e); err != nil {
		return err
	}
	return db.FinishAudit(ctx, a.ws.ID, e.ID, tenancy.AuditFinish{Outcome: "ok", UpstreamCalls: n + 1})
}

// A key that is minted while its parent is being revoked, or its workspace
// deleted, is not left in force.
func TestConcurrentRevocation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		for i, end := range []func(tenant) error{
			func(a tenant) error { return db.RevokeKey(t.Context(), a.ws.ID, a.key.ID, after(1)) },
			func(a tenant) error { return db.DeleteWorkspace(t.Context(), a.ws.ID, after(1)) },
		} {
			for r := range 10 {
				a := newTenant(t, db, fmt.Sprint("alpha-", i, "-", r))
				minted := make(chan struct{}, writers)
				var together errgroup.Group
				for range writers {
					together.Go(func() error { return mintUntilRefused(t, db, a, minted) })
				}
				<-minted
				check(t, end(a))
				wantErr(t, "CreateKey in the end", together.Wait(), tenancy.ErrNotFound)
				left := dump(t, db, `select id from vibn_api_keys where workspace_id = $1 and revoked_at is null`, a.ws.ID)
				if len(left) > 0 {
					t.Fatalf("%d keys are still in force: %v", len(left), left)
				}
			}
		}
	})
}

func mintUntilRefused(t *testing.T, db *store.DB, a tenant, minted chan<- struct{}) error {
	for range 10_000 {
		k, digest := newKey(a.ws.ID, "child")
		k.ParentID = a.key.ID
		if err := db.CreateKey(t.Context(), k, digest); err != nil {
			return err
		}
		select {
		case minted <- struct{}{}:
		default:
		}
	}
	return errors.New("never refused")
}

// What changes one membership at once takes turns: no order of the rows in which
// two of them would wait for each other.
func TestConcurrentMembership(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a, person := newTenant(t, db, "alpha"), newID()
		m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: person, Role: tenancy.RoleAdmin, CreatedAt: day}
		check(t, db.SetMember(t.Context(), m))
		together, ctx := errgroup.WithContext(t.Context())
		for _, change := range []func(n int) error{
			func(int) error { return db.SetMember(ctx, m) },
			func(n int) error { return db.KeepGiteaUser(ctx, person, int64(n)) },
			func(n int) error { return db.KeepGiteaUser(ctx, person, int64(-n)) },
			func(int) error { return db.ChangeMember(ctx, a.ws.ID, person, tenancy.RoleMember, after(1)) },
		} {
			together.Go(func() error {
				for n := range rounds {
					if err := change(n + 1); err != nil {
						return err
					}
				}
				return nil
			})
		}
		check(t, together.Wait())
	})
}
