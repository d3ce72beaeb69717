package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func slugs(workspaces []tenancy.Workspace) []string {
	var out []string
	for _, w := range workspaces {
		out = append(out, w.Slug)
	}
	return out
}

func TestWorkspaces(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		before := slugs(must(db.Workspaces(ctx))(t))
		b, a := newTenant(t, db, "beta"), newTenant(t, db, "alpha")
		wantSame(t, "Workspace(alpha)", a.ws, must(db.Workspace(ctx, "alpha"))(t))
		wantSame(t, "Workspaces()", append([]string{"alpha", "beta"}, before...), slugs(must(db.Workspaces(ctx))(t)))

		_, err := db.Workspace(ctx, "gamma")
		wantErr(t, "Workspace(gamma)", err, tenancy.ErrNotFound)
		again := tenancy.Workspace{ID: newID(), Slug: "alpha", CreatedAt: day, UpdatedAt: day}
		wantErr(t, "CreateWorkspace with a slug that is taken", db.CreateWorkspace(ctx, again, 0), tenancy.ErrConflict)
		again = tenancy.Workspace{ID: b.ws.ID, Slug: "gamma", CreatedAt: day, UpdatedAt: day}
		wantErr(t, "CreateWorkspace with an id that is taken", db.CreateWorkspace(ctx, again, 0), tenancy.ErrConflict)
	})
}

func TestWorkspaceWithTheLeast(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		w := tenancy.Workspace{ID: newID(), Slug: "alpha", CreatedAt: day, UpdatedAt: day}
		check(t, db.CreateWorkspace(t.Context(), w, 0))
		w.Placement.Trust, w.Status = tenancy.Shared, tenancy.Pending
		wantSame(t, "Workspace(alpha)", w, must(db.Workspace(t.Context(), "alpha"))(t))
		wantSame(t, "Members", []tenancy.Member(nil), must(db.Members(t.Context(), w.ID))(t))
	})
}

func TestSetPlacement(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		p := tenancy.Placement{Server: "s2", Destination: "d2", Trust: tenancy.Trusted}
		check(t, db.SetPlacement(ctx, a.ws.ID, p, after(9)))
		a.ws.Placement, a.ws.UpdatedAt = p, after(9)
		wantSame(t, "Workspace", a.ws, must(db.Workspace(ctx, "alpha"))(t))

		check(t, db.SetPlacement(ctx, a.ws.ID, tenancy.Placement{}, after(10)))
		a.ws.Placement, a.ws.UpdatedAt = tenancy.Placement{Trust: tenancy.Shared}, after(10)
		wantSame(t, "Workspace with the zero placement", a.ws, must(db.Workspace(ctx, "alpha"))(t))
	})
}

func TestDeleteWorkspace(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		early := child(t, db, a.key)
		check(t, db.RevokeKey(ctx, a.ws.ID, early.ID, after(3)))
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, after(5)))

		key, ws, err := db.KeyByDigest(ctx, a.digest)
		check(t, err)
		a.ws.DeletedAt, a.ws.UpdatedAt, a.key.RevokedAt = new(after(5)), after(5), new(after(5))
		wantSame(t, "workspace of KeyByDigest", a.ws, ws)
		wantSame(t, "key of KeyByDigest", a.key, key)
		wantSame(t, "RevokedAt of a key that was revoked before", new(after(3)), keyNow(t, db, early).RevokedAt)

		_, err = db.Workspace(ctx, "alpha")
		wantErr(t, "Workspace", err, tenancy.ErrNotFound)
		_, _, err = db.Membership(ctx, "alpha", a.user)
		wantErr(t, "Membership", err, tenancy.ErrNotFound)
		wantSame(t, "MemberWorkspaces", []string(nil), slugs(must(db.MemberWorkspaces(ctx, a.user))(t)))
		k, digest := newKey(a.ws.ID, "late")
		wantErr(t, "CreateKey", db.CreateKey(ctx, k, digest), tenancy.ErrNotFound)
		wantErr(t, "RevokeKey", db.RevokeKey(ctx, a.ws.ID, a.key.ID, after(6)), tenancy.ErrNotFound)
		wantErr(t, "SetPlacement", db.SetPlacement(ctx, a.ws.ID, tenancy.Placement{}, after(6)), tenancy.ErrNotFound)
		wantErr(t, "DeleteWorkspace again", db.DeleteWorkspace(ctx, a.ws.ID, after(6)), tenancy.ErrNotFound)
		m := tenancy.Member{WorkspaceID: a.ws.ID, UserID: newID(), Role: tenancy.RoleAdmin, CreatedAt: day}
		wantErr(t, "SetMember", db.SetMember(ctx, m), tenancy.ErrNotFound)
		check(t, db.FinishAudit(ctx, a.ws.ID, a.entry.ID, tenancy.AuditFinish{Outcome: "ok"}))

		again := tenancy.Workspace{ID: newID(), Slug: "alpha", CreatedAt: after(7), UpdatedAt: after(7)}
		wantErr(t, "CreateWorkspace with the slug of a deleted one", db.CreateWorkspace(ctx, again, 0), tenancy.ErrConflict)
		wantSame(t, "the other workspace", b.ws, must(db.Workspace(ctx, "beta"))(t))
		wantSame(t, "the other workspace's key", b.key, keyNow(t, db, b.key))
	})
}

// Times come back as they were, in UTC and to the microsecond, whatever the zone
// they were given in.
func TestTimes(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		given := time.Date(2026, 3, 29, 1, 30, 0, 123456789, time.FixedZone("", 5*3600+1800))
		want := time.Date(2026, 3, 28, 20, 0, 0, 123456000, time.UTC)
		same := func(what string, got time.Time) {
			t.Helper()
			if !got.Equal(want) || got.Location() != time.UTC {
				t.Errorf("%s = %v, want %v", what, got, want)
			}
		}
		user := newID()
		w := tenancy.Workspace{ID: newID(), Slug: "alpha", OwnerUserID: user, CreatedAt: given, UpdatedAt: given}
		check(t, db.CreateWorkspace(ctx, w, 0))
		k, digest := newKey(w.ID, "key")
		k.CreatedAt, k.ExpiresAt = given, &given
		check(t, db.CreateKey(ctx, k, digest))
		check(t, db.TouchKey(ctx, w.ID, k.ID, given))
		token, project := newToken(k), newProject(w.ID, "web")
		token.CreatedAt, project.CreatedAt = given.Add(-time.Second), given // before the key expires
		check(t, db.AddBotToken(ctx, token))
		check(t, db.TakeOverBotToken(ctx, token, "second", given))
		check(t, db.CreateProject(ctx, project))
		check(t, db.RevokeKey(ctx, w.ID, k.ID, given))
		e := tenancy.AuditEntry{ID: newID(), WorkspaceID: w.ID, At: given}
		check(t, db.StartAudit(ctx, e))
		same("BotToken.CreatedAt", must(db.BotTokens(ctx, w.ID))(t)[0].CreatedAt)
		check(t, db.SetSuspended(ctx, w.ID, &given, given))

		k, w, err := db.KeyByDigest(ctx, digest)
		check(t, err)
		same("Workspace.CreatedAt", w.CreatedAt)
		same("Workspace.UpdatedAt", w.UpdatedAt)
		same("Workspace.SuspendedAt", *w.SuspendedAt)
		same("Key.CreatedAt", k.CreatedAt)
		same("Key.ExpiresAt", *k.ExpiresAt)
		same("Key.LastUsedAt", *k.LastUsedAt)
		same("Key.RevokedAt", *k.RevokedAt)
		same("Project.CreatedAt", must(db.Projects(ctx, w.ID))(t)[0].CreatedAt)
		same("Member.CreatedAt", must(db.Members(ctx, w.ID))(t)[0].CreatedAt)
		entries := must(db.Audit(ctx, w.ID, tenancy.AuditQuery{Limit: 9}))(t)
		same("AuditEntry.At", entries[0].At)
		before := must(db.Audit(ctx, w.ID, tenancy.AuditQuery{BeforeAt: given, BeforeID: e.ID, Limit: 9}))(t)
		wantSame(t, "entries before that time in another zone", []tenancy.AuditEntry(nil), before)
	})
}

// TestCreateAudited: a workspace and the entry that it begins with are stored
// together or not at all, and a workspace that was there gets no entry.
func TestCreateAudited(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		create := func(slug string, e tenancy.AuditEntry) (tenancy.Workspace, error) {
			w := tenancy.Workspace{ID: newID(), Slug: slug, CreatedAt: day, UpdatedAt: day}
			return w, db.CreateWorkspaceAudited(ctx, w, 0, e)
		}
		users := map[string]string{"ensured": newID(), "not-ensured": newID()}
		ensure := func(slug string, e tenancy.AuditEntry) (tenancy.Workspace, error) {
			w := tenancy.Workspace{ID: newID(), CreatedAt: day, UpdatedAt: day}
			w, _, err := db.EnsureWorkspaceAudited(ctx, tenancy.Person{UserID: users[slug]}, w, []string{slug}, e)
			return w, err
		}
		type maker func(slug string, e tenancy.AuditEntry) (tenancy.Workspace, error)
		for slug, do := range map[string]maker{"created": create, "ensured": ensure} {
			e := newEntry("")
			w := must(do(slug, e))(t)
			e.WorkspaceID, e.Target = w.ID, slug
			wantSame(t, slug, []tenancy.AuditEntry{e}, must(db.Audit(ctx, w.ID, tenancy.AuditQuery{Limit: 9}))(t))
			_, err := do("not-"+slug, e)
			wantErr(t, slug+" with an entry that is taken", err, tenancy.ErrConflict)
			_, err = db.AnyWorkspace(ctx, "not-"+slug)
			wantErr(t, "the workspace of that", err, tenancy.ErrNotFound)
		}
		rows := dump(t, db, `select * from vibn_users where id = $1`, users["not-ensured"])
		wantSame(t, "rows of the person", []string(nil), rows)
		again := must(ensure("ensured", newEntry("")))(t)
		wantSame(t, "entries", 1, len(must(db.Audit(ctx, again.ID, tenancy.AuditQuery{Limit: 9}))(t)))
	})
}

func newEntry(workspaceID string) tenancy.AuditEntry {
	return tenancy.AuditEntry{
		ID: newID(), WorkspaceID: workspaceID, At: day, Principal: "operator", Tool: "workspace.create",
		Args: "{}", Outcome: "started",
	}
}

// The next release reads the files of this one: how times lie in them is fixed.
func TestSQLiteKeepsTimesAsMicroseconds(t *testing.T) {
	t.Parallel()
	db := storetest.Open(t, "sqlite")
	newTenant(t, db, "alpha")
	got := dump(t, db, `select typeof(created_at) as type, created_at + 0 as value from vibn_workspaces`)
	wantSame(t, "created_at", []string{fmt.Sprintf("type=integer value=%d ", day.UnixMicro())}, got)
}
