package store_test

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// An isolation is a call on behalf of workspace a that could reach b.
type isolation struct {
	name string
	call func(ctx context.Context, db *store.DB, a, b tenant) (answer any, err error)
	want error // nil: the call succeeds, and its answer holds nothing of b
	all  bool  // by design the answer is about every workspace
}

// only is the answer of methods that return an error alone.
func only(err error) (any, error) { return nil, err }

// isolations has a case for every method of tenancy.Store.
var isolations = map[string][]isolation{
	"KeyByDigest": {{name: "own key", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		k, w, err := db.KeyByDigest(ctx, a.digest)
		return []any{k, w}, err
	}}},
	"CreateKey": {
		{name: "parent of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, digest := newKey(a.ws.ID, "new")
			k.ParentID = b.key.ID
			return only(db.CreateKey(ctx, k, digest))
		}},
		{name: "id of b's key", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, digest := newKey(a.ws.ID, "new")
			k.ID = b.key.ID
			return only(db.CreateKey(ctx, k, digest))
		}},
		{name: "digest of b's key", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			k, _ := newKey(a.ws.ID, "new")
			return only(db.CreateKey(ctx, k, b.digest))
		}},
	},
	"Keys": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Keys(ctx, a.ws.ID)
	}}},
	"RevokeKey": {
		{name: "key of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return only(db.RevokeKey(ctx, a.ws.ID, b.key.ID, after(1)))
		}},
		{name: "own key", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return only(db.RevokeKey(ctx, a.ws.ID, a.key.ID, after(1)))
		}},
	},
	"TouchKey": {{name: "key of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.TouchKey(ctx, a.ws.ID, b.key.ID, after(1)))
	}}},
	"CreateWorkspace": {
		{name: "slug of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = newID(), b.ws.Slug, ""
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
		{name: "id of b", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = b.ws.ID, "gamma", ""
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
		{name: "project of b", want: tenancy.ErrProjectTaken, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w := a.ws
			w.ID, w.Slug, w.CoolifyProject = newID(), "gamma", b.ws.CoolifyProject
			return only(db.CreateWorkspace(ctx, w, 0))
		}},
	},
	"Workspace": {{name: "own slug", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Workspace(ctx, a.ws.Slug)
	}}},
	"Workspaces": {{name: "list", all: true, call: func(ctx context.Context, db *store.DB, _, _ tenant) (any, error) {
		return db.Workspaces(ctx)
	}}},
	"SetPlacement": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.SetPlacement(ctx, a.ws.ID, tenancy.Placement{Server: "other"}, after(1)))
	}}},
	"DeleteWorkspace": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return only(db.DeleteWorkspace(ctx, a.ws.ID, after(1)))
	}}},
	"Membership": {
		{name: "person of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w, role, err := db.Membership(ctx, a.ws.Slug, b.user)
			return []any{w, role}, err
		}},
		{name: "slug of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			w, role, err := db.Membership(ctx, b.ws.Slug, a.user)
			return []any{w, role}, err
		}},
		{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			w, role, err := db.Membership(ctx, a.ws.Slug, a.user)
			return []any{w, role}, err
		}},
	},
	"MemberWorkspaces": {{name: "own", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.MemberWorkspaces(ctx, a.user)
	}}},
	"SetMember": {{name: "person of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.SetMember(ctx, tenancy.Member{WorkspaceID: a.ws.ID, UserID: b.user, Role: tenancy.RoleMember, CreatedAt: day}))
	}}},
	"Members": {{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
		return db.Members(ctx, a.ws.ID)
	}}},
	"RemoveMember": {{name: "person of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.RemoveMember(ctx, a.ws.ID, b.user))
	}}},
	"StartAudit": {{name: "id of b's entry", want: tenancy.ErrConflict, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		e := a.entry
		e.ID = b.entry.ID
		return only(db.StartAudit(ctx, e))
	}}},
	"FinishAudit": {{name: "entry of b", want: tenancy.ErrNotFound, call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
		return only(db.FinishAudit(ctx, a.ws.ID, b.entry.ID, tenancy.AuditFinish{Target: "x", Outcome: "ok"}))
	}}},
	"Audit": {
		{name: "list", call: func(ctx context.Context, db *store.DB, a, _ tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Limit: 100})
		}},
		{name: "target of b", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Target: b.entry.Target, Limit: 100})
		}},
		{name: "after b's entry", call: func(ctx context.Context, db *store.DB, a, b tenant) (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{BeforeAt: after(9), BeforeID: b.entry.ID, Limit: 100})
		}},
	},
}

func TestEveryMethodHasAnIsolationCase(t *testing.T) {
	methods := reflect.TypeFor[tenancy.Store]()
	for m := range methods.Methods() {
		if len(isolations[m.Name]) == 0 {
			t.Errorf("%s has no case in isolations", m.Name)
		}
	}
	if len(isolations) != methods.NumMethod() {
		t.Errorf("isolations has %d methods, tenancy.Store %d", len(isolations), methods.NumMethod())
	}
}

func TestIsolation(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		n := 0
		for method, cases := range isolations {
			for _, tc := range cases {
				n++
				a, b := newTenant(t, db, fmt.Sprint("alpha-", n)), newTenant(t, db, fmt.Sprint("beta-", n))
				child(t, db, b.key)
				t.Run(method+"/"+tc.name, func(t *testing.T) { tc.run(t, db, a, b) })
			}
		}
	})
}

func (tc isolation) run(t *testing.T, db *store.DB, a, b tenant) {
	before := rowsOf(t, db, b)
	answer, err := tc.call(t.Context(), db, a, b)
	wantErr(t, "error", err, tc.want)
	if !tc.all {
		text := fmt.Sprintf("%+v", answer)
		for _, theirs := range []string{b.ws.ID, b.ws.Slug, b.key.ID, b.key.Last4, b.user, b.entry.ID} {
			if strings.Contains(text, theirs) {
				t.Errorf("the answer holds %q of b: %s", theirs, text)
			}
		}
	}
	wantSame(t, "rows of b", before, rowsOf(t, db, b))
}

// rowsOf returns every row of a workspace, from every table.
func rowsOf(t *testing.T, db *store.DB, of tenant) []string {
	t.Helper()
	rows := dump(t, db, `select * from vibn_workspaces where id = $1`, of.ws.ID)
	for _, table := range []string{"vibn_workspace_members", "vibn_api_keys", "vibn_audit"} {
		found := dump(t, db, `select * from `+table+` where workspace_id = $1 order by id`, of.ws.ID)
		if len(found) == 0 {
			t.Fatalf("%s has no row of %s to compare", table, of.ws.Slug)
		}
		rows = append(rows, found...)
	}
	return rows
}

// Ids that are none are like ids of nothing, whatever the type of the column.
func TestMalformedIDs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		for _, id := range []string{
			"", " ", "x", "1", "NULL", "'", "%", "\x00", "\xff", "é", newID() + "x", "{" + a.ws.ID, "0", "-1",
			strings.Repeat("a", 10_000), "urn:uuid:" + newID(), "00000000-0000-0000-0000-000000000000",
		} {
			for what, err := range askFor(t, db, a, id) {
				wantErr(t, fmt.Sprintf("%s with %.40q", what, id), err, tenancy.ErrNotFound)
			}
		}
	})
}

// askFor asks for things by an id that is none, and returns the errors. Lists
// are checked to be empty.
func askFor(t *testing.T, db *store.DB, a tenant, id string) map[string]error {
	t.Helper()
	ctx := t.Context()
	for what, list := range map[string]func() (any, error){
		"Keys":             func() (any, error) { return db.Keys(ctx, id) },
		"Members":          func() (any, error) { return db.Members(ctx, id) },
		"MemberWorkspaces": func() (any, error) { return db.MemberWorkspaces(ctx, id) },
		"Audit":            func() (any, error) { return db.Audit(ctx, id, tenancy.AuditQuery{Limit: 1}) },
		"Audit after": func() (any, error) {
			return db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{BeforeAt: day, BeforeID: id, Tool: id, Target: "none", Limit: 1})
		},
	} {
		got, err := list()
		if err != nil || reflect.ValueOf(got).Len() != 0 {
			t.Errorf("%s of %.40q = %v, %v, want none", what, id, got, err)
		}
	}
	_, noSlug := db.Workspace(ctx, id)
	_, _, noMember := db.Membership(ctx, a.ws.Slug, id)
	_, _, noWorkspace := db.Membership(ctx, id, a.user)
	k, digest := newKey(id, "new")
	return map[string]error{
		"Workspace":                   noSlug,
		"Membership of user":          noMember,
		"Membership in workspace":     noWorkspace,
		"CreateKey":                   db.CreateKey(ctx, k, digest),
		"RevokeKey in workspace":      db.RevokeKey(ctx, id, a.key.ID, day),
		"RevokeKey":                   db.RevokeKey(ctx, a.ws.ID, id, day),
		"TouchKey in workspace":       db.TouchKey(ctx, id, a.key.ID, day),
		"TouchKey":                    db.TouchKey(ctx, a.ws.ID, id, day),
		"SetPlacement":                db.SetPlacement(ctx, id, tenancy.Placement{}, day),
		"DeleteWorkspace":             db.DeleteWorkspace(ctx, id, day),
		"SetMember in workspace":      db.SetMember(ctx, tenancy.Member{WorkspaceID: id, UserID: a.user, CreatedAt: day}),
		"RemoveMember from workspace": db.RemoveMember(ctx, id, a.user),
		"RemoveMember":                db.RemoveMember(ctx, a.ws.ID, id),
		"StartAudit in workspace":     db.StartAudit(ctx, tenancy.AuditEntry{ID: newID(), WorkspaceID: id, At: day}),
		"FinishAudit in workspace":    db.FinishAudit(ctx, id, a.entry.ID, tenancy.AuditFinish{}),
		"FinishAudit":                 db.FinishAudit(ctx, a.ws.ID, id, tenancy.AuditFinish{}),
	}
}
