package store_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestAudit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		read := func() tenancy.AuditEntry {
			t.Helper()
			return must(db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Limit: 1}))(t)[0]
		}
		want := a.entry
		wantSame(t, "entry that was started", want, read())

		f := tenancy.AuditFinish{Outcome: string(tenancy.Timeout), Duration: 1500*time.Millisecond + 999*time.Microsecond, UpstreamCalls: 3}
		check(t, db.FinishAudit(ctx, a.ws.ID, a.entry.ID, f))
		want.Outcome, want.Duration, want.UpstreamCalls = "timeout", 1500*time.Millisecond, 3
		wantSame(t, "entry that was finished", want, read())
		f.Target = "web"
		check(t, db.FinishAudit(ctx, a.ws.ID, a.entry.ID, f))
		want.Target = "web"
		wantSame(t, "entry with a new target", want, read())

		wantErr(t, "StartAudit with an id that is taken", db.StartAudit(ctx, a.entry), tenancy.ErrConflict)
		stray := tenancy.AuditEntry{ID: newID(), WorkspaceID: newID(), At: day}
		wantErr(t, "StartAudit in no workspace", db.StartAudit(ctx, stray), tenancy.ErrNotFound)
		wantErr(t, "FinishAudit of no entry", db.FinishAudit(ctx, a.ws.ID, newID(), f), tenancy.ErrNotFound)
		for _, limit := range []int{0, -1} {
			if got, err := db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Limit: limit}); err == nil {
				t.Errorf("Audit with limit %d = %v, want an error", limit, got)
			}
		}
	})
}

// Whatever the page size and the filter, the pages together are the whole list.
func TestAuditPages(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		w := tenancy.Workspace{ID: newID(), Slug: "alpha", CreatedAt: day, UpdatedAt: day}
		check(t, db.CreateWorkspace(ctx, w, 0))
		var all []tenancy.AuditEntry
		for i := range 24 {
			e := tenancy.AuditEntry{
				ID: newID(), WorkspaceID: w.ID, At: after(i / 5), Outcome: "started",
				Tool: fmt.Sprint("tool", i%2), Target: fmt.Sprint("app", i%3),
			}
			check(t, db.StartAudit(ctx, e))
			all = append(all, e)
		}
		slices.Reverse(all) // ids and times both rise
		for _, q := range []tenancy.AuditQuery{{}, {Tool: "tool1"}, {Target: "app2"}, {Tool: "tool0", Target: "app1"}, {Tool: "tool"}} {
			var want []tenancy.AuditEntry
			for _, e := range all {
				if (q.Tool == "" || q.Tool == e.Tool) && (q.Target == "" || q.Target == e.Target) {
					want = append(want, e)
				}
			}
			for _, limit := range []int{1, 4, 24, 100} {
				q.Limit = limit
				wantSame(t, fmt.Sprintf("pages of %d with %q %q", limit, q.Tool, q.Target), want, allPages(t, db, w.ID, q))
			}
		}
	})
}

func allPages(t *testing.T, db *store.DB, workspaceID string, q tenancy.AuditQuery) []tenancy.AuditEntry {
	t.Helper()
	var out []tenancy.AuditEntry
	for len(out) < 1000 {
		page := must(db.Audit(t.Context(), workspaceID, q))(t)
		if len(page) > q.Limit {
			t.Fatalf("Audit with limit %d gave %d entries", q.Limit, len(page))
		}
		if len(page) == 0 {
			return out
		}
		out = append(out, page...)
		last := page[len(page)-1]
		q.BeforeAt, q.BeforeID = last.At, last.ID
	}
	t.Fatal("the pages do not end")
	return nil
}
