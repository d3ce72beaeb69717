package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		newest, digest := newKey(a.ws.ID, "newest")
		newest.CreatedAt, newest.ExpiresAt, newest.ParentID = after(60), new(after(3600)), a.key.ID
		newest.Rights, newest.CreatedBy = tenancy.Read|tenancy.Keys|tenancy.Danger, a.user
		check(t, db.CreateKey(ctx, newest, digest))

		key, ws, err := db.KeyByDigest(ctx, digest)
		check(t, err)
		wantSame(t, "key of KeyByDigest", newest, key)
		wantSame(t, "workspace of KeyByDigest", a.ws, ws)
		wantSame(t, "Keys", []tenancy.Key{newest, a.key}, must(db.Keys(ctx, a.ws.ID, allKeys))(t))

		_, _, err = db.KeyByDigest(ctx, tenancy.Digest{1})
		wantErr(t, "KeyByDigest of no key", err, tenancy.ErrNotFound)
	})
}

func TestCreateKeyConflicts(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		k, digest := newKey(a.ws.ID, "other")
		err := db.CreateKey(ctx, k, a.digest)
		wantErr(t, "CreateKey with a digest that is taken", err, tenancy.ErrConflict)
		if hex := dump(t, db, "select digest from vibn_api_keys"); strings.Contains(err.Error(), hex[0][len("digest="):][:64]) {
			t.Errorf("the error shows the digest: %v", err)
		}
		k.ID = a.key.ID
		wantErr(t, "CreateKey with an id that is taken", db.CreateKey(ctx, k, digest), tenancy.ErrConflict)
		k, digest = newKey(newID(), "nowhere")
		wantErr(t, "CreateKey in no workspace", db.CreateKey(ctx, k, digest), tenancy.ErrNotFound)
		k, digest = newKey(a.ws.ID, "orphan")
		k.ParentID = newID()
		wantErr(t, "CreateKey with no such parent", db.CreateKey(ctx, k, digest), tenancy.ErrNotFound)
		check(t, db.RevokeKey(ctx, a.ws.ID, a.key.ID, after(1)))
		k.ParentID = a.key.ID
		wantErr(t, "CreateKey with a revoked parent", db.CreateKey(ctx, k, digest), tenancy.ErrNotFound)
	})
}

// A right that this release does not know makes the key unusable, not weaker or
// stronger.
func TestUnknownRight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		execSQL(t, db, `update vibn_api_keys set rights = 'read,fly' where id = $1`, a.key.ID)
		if k, _, err := db.KeyByDigest(t.Context(), a.digest); err == nil || k.Rights != 0 {
			t.Errorf("KeyByDigest = rights %q, %v, want no rights and an error", k.Rights, err)
		}
		if _, err := db.Keys(t.Context(), a.ws.ID, allKeys); err == nil {
			t.Error("Keys: want an error")
		}
	})
}

func TestRevokeKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		sibling := child(t, db, a.key)
		line := []tenancy.Key{child(t, db, a.key)}
		for range 6 {
			line = append(line, child(t, db, line[len(line)-1]))
		}
		branch := child(t, db, line[2])
		check(t, db.RevokeKey(ctx, a.ws.ID, line[4].ID, after(1)))
		check(t, db.RevokeKey(ctx, a.ws.ID, line[0].ID, after(2)))
		check(t, db.RevokeKey(ctx, a.ws.ID, line[0].ID, after(3)))

		for i, k := range append(line, branch) {
			want := after(2)
			if i >= 4 && i < len(line) {
				want = after(1) // went with line[4], and kept its time
			}
			wantSame(t, "RevokedAt of "+k.Name, &want, keyNow(t, db, k).RevokedAt)
		}
		wantSame(t, "parent", a.key, keyNow(t, db, a.key))
		wantSame(t, "sibling", sibling, keyNow(t, db, sibling))
		wantErr(t, "RevokeKey of no key", db.RevokeKey(ctx, a.ws.ID, newID(), after(4)), tenancy.ErrNotFound)
	})
}

func TestTouchKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		for _, tc := range []struct {
			at, want time.Time
		}{
			{after(0), after(0)},
			{after(59), after(0)},
			{after(60).Add(-time.Microsecond), after(0)},
			{after(60), after(60)},
			{after(30), after(60)}, // late news
			{after(200), after(200)},
		} {
			check(t, db.TouchKey(t.Context(), a.ws.ID, a.key.ID, tc.at))
			wantSame(t, "LastUsedAt after TouchKey at "+tc.at.String(), &tc.want, keyNow(t, db, a.key).LastUsedAt)
		}
		wantErr(t, "TouchKey of no key", db.TouchKey(t.Context(), a.ws.ID, newID(), day), tenancy.ErrNotFound)
	})
}
