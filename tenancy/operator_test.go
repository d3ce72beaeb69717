package tenancy_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// operatorReads are the methods of an Operator that change nothing.
var operatorReads = []string{
	"AnyWorkspace", "Keys", "Members", "Parts", "Settled", "States", "Used", "Workspace", "Workspaces",
}

// operatorExempt are the methods that change something and leave no entry, with the
// reason.
var operatorExempt = map[string]string{
	"ResealSecrets": "it seals every secret of the database anew, of all workspaces at once, and changes none",
}

// An operatorAct is a call of the operator, and what the trail of the workspace
// gains by it.
type operatorAct struct {
	name   string
	do     doer
	tool   string
	target func(at operated) string // nil = the workspace's slug
	args   string                   // empty = {}
	ends   string                   // outcome; empty = ok
}

// A doer acts on a workspace, and returns the one that the entry is of.
type doer func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error)

// operated is a workspace that is acted on.
type operated struct {
	tenancy.Workspace
	keyID string
}

// act is do for a method that takes a workspace alone.
func act(method func(*people.Operator, context.Context, tenancy.Workspace) error) doer {
	return func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
		return at.Workspace, method(o, ctx, at.Workspace)
	}
}

// linked is do for LoginLink.
func linked(userID string, role tenancy.Role) doer {
	return func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
		_, _, err := o.LoginLink(ctx, at.Workspace, userID, role, time.Hour)
		return at.Workspace, err
	}
}

// revoked is do for RevokeKey.
func revoked(id func(at operated) string) doer {
	return func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
		return at.Workspace, o.RevokeKey(ctx, at.Workspace, id(at))
	}
}

// operatorActs are the methods that change something.
var operatorActs = map[string][]operatorAct{
	"CreateWorkspace": {{
		name: "new", tool: "workspace.create", target: func(operated) string { return "gamma" },
		do: func(ctx context.Context, o *people.Operator, _ operated) (tenancy.Workspace, error) {
			return o.CreateWorkspace(ctx, people.NewWorkspace{Slug: "gamma"})
		},
	}},
	"EnsureWorkspace": {{
		name: "new", tool: "workspace.create", target: func(operated) string { return "delta" },
		do: func(ctx context.Context, o *people.Operator, _ operated) (tenancy.Workspace, error) {
			w, _, err := o.EnsureWorkspace(ctx, delta, tenancy.Placement{})
			return w, err
		},
	}},
	"Provision": {{name: "living", tool: "workspace.provision", do: act((*people.Operator).Provision)}},
	"Suspend":   {{name: "living", tool: "workspace.suspend", do: act((*people.Operator).Suspend)}},
	"Resume":    {{name: "living", tool: "workspace.resume", do: act((*people.Operator).Resume)}},
	"Rotate":    {{name: "living", tool: "workspace.rotate", do: act((*people.Operator).Rotate)}},
	"RenameInGitea": {{
		name: "living", tool: "workspace.rename_in_gitea", args: `{"wanted":true}`,
		do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
			return at.Workspace, o.RenameInGitea(ctx, at.Workspace, true)
		},
	}},
	"Allow": {{
		name: "living", tool: "workspace.allow", args: `{"allowed":true,"kind":"hook","ref":"3","repository_id":7}`,
		do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
			own := tenancy.RepositoryAccess{RepositoryID: 7, Kind: tenancy.Hook, Ref: "3"}
			return at.Workspace, o.Allow(ctx, at.Workspace, own, true)
		},
	}},
	"Place": {{
		name: "living", tool: "workspace.place", args: `{"trust":"trusted"}`,
		do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
			return at.Workspace, o.Place(ctx, at.Workspace, tenancy.Placement{Server: "s2", Trust: tenancy.Trusted})
		},
	}},
	"SetPlan": {{
		name: "living", tool: "workspace.plan", args: `{"apps":4,"cpus":"","databases":0,"memory":"1g"}`,
		do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
			return at.Workspace, o.SetPlan(ctx, at.Workspace, tenancy.Plan{Memory: "1g", Apps: 4})
		},
	}},
	"CreateKey": {{
		name: "new", tool: "keys.create", target: anyTarget, args: `{"rights":"read"}`,
		do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
			_, _, err := o.CreateKey(ctx, at.Workspace, "agent", tenancy.Read, 0)
			return at.Workspace, err
		},
	}},
	"RevokeKey": {
		{
			name: "own", tool: "keys.revoke", target: func(at operated) string { return at.keyID },
			do: revoked(func(at operated) string { return at.keyID }),
		},
		{
			name: "unknown", tool: "keys.revoke", target: func(operated) string { return "unknown" }, ends: "not_found",
			do: revoked(func(operated) string { return "unknown" }),
		},
		{ // the operator gave a key in the place of its id
			name: "key", tool: "keys.revoke", ends: "not_found",
			do: revoked(func(operated) string {
				key, _ := tenancy.NewKey(&tenancy.Key{})
				return key.Reveal()
			}),
		},
	},
	"LoginLink": {
		{
			name: "sign in", tool: "link.create", target: func(operated) string { return "user-alpha" },
			do: linked("", ""),
		},
		{
			name: "invite", tool: "members.invite", target: anyTarget, args: `{"role":"admin"}`,
			do: linked("", tenancy.RoleAdmin),
		},
	},
	"DeleteWorkspace": {
		{name: "living", tool: "workspace.delete", do: act((*people.Operator).DeleteWorkspace)},
		{
			name: "deleted", tool: "workspace.delete",
			do: func(ctx context.Context, o *people.Operator, at operated) (tenancy.Workspace, error) {
				at.DeletedAt = new(time.Now())
				return at.Workspace, o.DeleteWorkspace(ctx, at.Workspace)
			},
		},
	},
}

// delta is a person who has no workspace.
var delta = tenancy.Person{UserID: "user-delta", Email: "delta@example.com"}

// anyTarget stands for an id that the act itself makes.
func anyTarget(operated) string { return "*" }

// TestOperatorMethods: each method is known to read, to act on record, or to be
// exempt.
func TestOperatorMethods(t *testing.T) {
	t.Parallel()
	methods := reflect.TypeFor[*people.Operator]()
	for m := range methods.Methods() {
		lists := 0
		if slices.Contains(operatorReads, m.Name) {
			lists++
		}
		if len(operatorActs[m.Name]) > 0 {
			lists++
		}
		if operatorExempt[m.Name] != "" {
			lists++
		}
		if lists != 1 {
			t.Errorf("Operator.%s is on %d of the lists of reads, acts and exemptions, want 1", m.Name, lists)
		}
	}
	if n := len(operatorReads) + len(operatorActs) + len(operatorExempt); n != methods.NumMethod() {
		t.Errorf("the lists have %d methods, an Operator %d", n, methods.NumMethod())
	}
}

// eachOperatorAct runs test for each act, on a workspace of its own.
func eachOperatorAct(t *testing.T, test func(t *testing.T, db *store.DB, at operated, a operatorAct)) {
	t.Helper()
	t.Parallel()
	for method, acts := range operatorActs {
		for _, a := range acts {
			t.Run(method+"/"+a.name, func(t *testing.T) {
				storetest.Each(t, func(t *testing.T, db *store.DB) { test(t, db, newOperated(t, db), a) })
			})
		}
	}
}

func newOperated(t *testing.T, db *store.DB) operated {
	t.Helper()
	o := people.NewOperator(db)
	w, err := o.CreateWorkspace(t.Context(), people.NewWorkspace{Slug: "alpha", OwnerUserID: "user-alpha"})
	must(t, err)
	k, _, err := o.CreateKey(t.Context(), w, "agent", tenancy.Read, 0)
	must(t, err)
	return operated{w, k.ID}
}

// trail returns the newest entries of a workspace.
func trail(t *testing.T, db *store.DB, workspaceID string) []tenancy.AuditEntry {
	t.Helper()
	entries, err := db.Audit(t.Context(), workspaceID, tenancy.AuditQuery{Limit: 50})
	must(t, err)
	return entries
}

// TestOperatorActsOnRecord: each act is on record as started before it changes
// anything, and with its outcome afterwards.
func TestOperatorActsOnRecord(t *testing.T) {
	eachOperatorAct(t, func(t *testing.T, db *store.DB, at operated, a operatorAct) {
		before := trail(t, db, at.ID)
		began := map[string]bool{} // ids of entries that are started
		changed := 0
		tap := tenancytest.Tap{Store: db}
		tap.Hook = func(method string, do func() error) error {
			if slices.Contains(tenancytest.StoreReads, method) || method == "StartAudit" {
				return do()
			}
			changed++
			if a.tool != "workspace.create" {
				newest := trail(t, db, at.ID)[0]
				began[newest.ID] = newest.Tool == a.tool && newest.Outcome == "started"
			}
			return do()
		}
		w, err := a.do(t.Context(), people.NewOperator(tap), at)
		if (err == nil) != (a.ends == "") {
			t.Fatalf("the act ended with %v, want %q", err, a.ends)
		}
		if w.ID != at.ID {
			before = nil
		}
		after := trail(t, db, w.ID)
		if len(after) != len(before)+1 {
			t.Fatalf("the trail has %d entries, want %d: %+v", len(after), len(before)+1, after)
		}
		got := after[0]
		checkEntry(t, a, at, got)
		if a.tool != "workspace.create" && (len(began) != 1 || !began[got.ID]) {
			t.Errorf("changes were made under the entries %v, want under %s while it was started", began, got.ID)
		}
		if changed < 2 { // the act, and the end of its entry
			t.Errorf("the act made %d changes", changed)
		}
	})
}

func checkEntry(t *testing.T, a operatorAct, at operated, got tenancy.AuditEntry) {
	t.Helper()
	want := tenancy.AuditEntry{Principal: "operator", Tool: a.tool, Target: at.Slug, Args: a.args, Outcome: a.ends}
	if a.target != nil {
		want.Target = a.target(at)
	}
	if want.Target == "*" {
		if len(got.Target) != len(at.keyID) || got.Target == at.keyID {
			t.Errorf("the target is %q, want a new id", got.Target)
		}
		want.Target = got.Target
	}
	if want.Args == "" {
		want.Args = "{}"
	}
	if want.Refused = 1; want.Outcome == "" {
		want.Outcome, want.Refused = "ok", 0
	}
	want.ID, want.WorkspaceID, want.At, want.Duration = got.ID, got.WorkspaceID, got.At, got.Duration
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the entry (-want +got)\n%s", diff)
	}
}

// noTrail is a store whose database takes no entry: each has an id that is taken.
type noTrail struct {
	tenancytest.Store
	taken string
}

func (s noTrail) StartAudit(ctx context.Context, e tenancy.AuditEntry) error {
	e.ID = s.taken
	return s.Store.StartAudit(ctx, e)
}

func (s noTrail) CreateWorkspaceAudited(
	ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, e tenancy.AuditEntry,
) error {
	e.ID = s.taken
	return s.Store.CreateWorkspaceAudited(ctx, w, ownerGiteaID, e)
}

func (s noTrail) EnsureWorkspaceAudited(
	ctx context.Context, p tenancy.Person, w tenancy.Workspace, slugs []string, e tenancy.AuditEntry,
) (tenancy.Workspace, bool, error) {
	e.ID = s.taken
	return s.Store.EnsureWorkspaceAudited(ctx, p, w, slugs, e)
}

// TestOperatorRefusedWithoutTrail: an act whose entry cannot be started is refused
// and changes nothing.
func TestOperatorRefusedWithoutTrail(t *testing.T) {
	eachOperatorAct(t, func(t *testing.T, db *store.DB, at operated, a operatorAct) {
		before := everything(t, db)
		_, err := a.do(t.Context(), people.NewOperator(noTrail{db, trail(t, db, at.ID)[0].ID}), at)
		want := []tenancy.Code{tenancy.Unavailable}
		if a.tool == "workspace.create" { // to the store, a taken id and a taken slug are one error
			want = append(want, tenancy.Conflict)
		}
		if got := tenancy.Public(err).Code; err == nil || !slices.Contains(want, got) {
			t.Errorf("the act ended with %v, want %s", err, want)
		}
		if diff := cmp.Diff(before, everything(t, db)); diff != "" {
			t.Errorf("the act changed something (-before +after)\n%s", diff)
		}
	})
}

// everything returns what an operator could change: workspaces, what is requested of
// their parts, keys, members, links, entries, and the people whom the acts name.
func everything(t *testing.T, db *store.DB) []any {
	t.Helper()
	var all []any
	add := func(v any, err error) {
		t.Helper()
		must(t, err)
		all = append(all, v)
	}
	list, err := db.Workspaces(t.Context())
	add(list, err)
	for _, w := range list {
		p, err := db.Provision(t.Context(), w.ID)
		add(p, err)
		keys, err := db.Keys(t.Context(), w.ID, people.KeyQuery{Limit: 1000})
		add(keys, err)
		members, err := db.Members(t.Context(), w.ID)
		add(members, err)
		links, err := db.LoginLinks(t.Context(), w.ID)
		add(links, err)
		add(trail(t, db, w.ID), nil)
	}
	_, err = db.User(t.Context(), delta.UserID)
	return append(all, errors.Is(err, tenancy.ErrNotFound))
}

// TestOperatorEnsureAgain: a workspace whose creation was cut off after it was
// stored has its entry, and a second call returns it.
func TestOperatorEnsureAgain(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		cut := tenancytest.Tap{Store: db, Hook: func(method string, do func() error) error {
			if method == "FinishAudit" {
				return errGone
			}
			return do()
		}}
		if _, _, err := people.NewOperator(cut).EnsureWorkspace(t.Context(), delta, tenancy.Placement{}); err == nil {
			t.Error("a creation whose end is not on record was said to be well")
		}
		w, created, err := people.NewOperator(db).EnsureWorkspace(t.Context(), delta, tenancy.Placement{})
		if err != nil || created || w.Slug != "delta" {
			t.Fatalf("the second call: %+v, created %v, %v", w, created, err)
		}
		entries := trail(t, db, w.ID)
		want := tenancy.AuditEntry{
			Principal: "operator", Tool: "workspace.create", Target: "delta", Args: "{}", Outcome: "started",
		}
		for _, e := range entries {
			want.ID, want.At, want.WorkspaceID = e.ID, e.At, w.ID
		}
		if diff := cmp.Diff([]tenancy.AuditEntry{want}, entries); diff != "" {
			t.Errorf("the trail (-want +got)\n%s", diff)
		}
	})
}

// TestOperatorFinishesAfterCaller: the outcome is on record also if the caller went
// away during the act.
func TestOperatorFinishesAfterCaller(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		at := newOperated(t, db)
		ctx, leave := context.WithCancel(t.Context())
		gone := tenancytest.Tap{Store: db, Hook: func(method string, do func() error) error {
			if method == "SetSuspended" {
				defer leave()
			}
			return do()
		}}
		must(t, people.NewOperator(gone).Suspend(ctx, at.Workspace))
		if got := trail(t, db, at.ID)[0]; got.Tool != "workspace.suspend" || got.Outcome != "ok" {
			t.Errorf("the entry: %+v", got)
		}
	})
}

// CreateWorkspaceAudited keeps no entry, as a memory has no trail.
func (m *memory) CreateWorkspaceAudited(
	ctx context.Context, w tenancy.Workspace, ownerGiteaID int64, _ tenancy.AuditEntry,
) error {
	return m.CreateWorkspace(ctx, w, ownerGiteaID)
}
