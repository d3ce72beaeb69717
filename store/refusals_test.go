package store_test

import (
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// refusal is how a call ends that changed nothing.
var refusal = tenancy.AuditFinish{Outcome: string(tenancy.NotFound)}

// TestRepeatedRefusalsAreOneEntry: whoever is refused the same again within ten minutes
// adds to one entry's count. What may have changed something keeps an entry of its own.
func TestRepeatedRefusalsAreOneEntry(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a, b := newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		first := tenancy.AuditEntry{WorkspaceID: a.ws.ID, Principal: "key:a", Tool: "apps.delete", Target: "web", Args: `{"n":1}`}
		add := func(change func(*tenancy.AuditEntry, *tenancy.AuditFinish)) {
			t.Helper()
			e, f := first, refusal
			e.ID, e.At, e.Args = newID(), day.Add(time.Minute), `{"n":2}`
			change(&e, &f)
			check(t, db.StartAudit(ctx, e))
			check(t, db.FinishAudit(ctx, e.WorkspaceID, e.ID, f))
		}
		again := func(at time.Duration) {
			add(func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.At = day.Add(at) })
		}
		entries := func() []tenancy.AuditEntry {
			return must(db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Tool: "apps.delete", Principal: "key:a", Target: "web", Limit: 100}))(t)
		}
		first.ID, first.At = newID(), day
		check(t, db.StartAudit(ctx, first))
		check(t, db.FinishAudit(ctx, a.ws.ID, first.ID, refusal))
		first.Outcome, first.Refused = refusal.Outcome, 1
		wantSame(t, "the first refusal", []tenancy.AuditEntry{first}, entries())
		for i := range 5 {
			again(time.Duration(i+1) * time.Minute)
		}
		first.Refused, first.LastAt = 6, day.Add(5*time.Minute)
		wantSame(t, "six equal refusals", []tenancy.AuditEntry{first}, entries())

		kept := 1
		for what, change := range map[string]func(*tenancy.AuditEntry, *tenancy.AuditFinish){
			"something may have changed": func(_ *tenancy.AuditEntry, f *tenancy.AuditFinish) { f.Changed = true },
			"it went well":               func(_ *tenancy.AuditEntry, f *tenancy.AuditFinish) { f.Outcome = "ok" },
			"it failed":                  func(_ *tenancy.AuditEntry, f *tenancy.AuditFinish) { f.Outcome = string(tenancy.Timeout) },
			"another outcome":            func(_ *tenancy.AuditEntry, f *tenancy.AuditFinish) { f.Outcome = string(tenancy.Conflict) },
			"later":                      func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.At = day.Add(10*time.Minute + time.Second) },
		} {
			add(change)
			if kept++; len(entries()) != kept {
				t.Errorf("%s: %d entries, want %d", what, len(entries()), kept)
			}
		}
		for _, change := range []func(*tenancy.AuditEntry, *tenancy.AuditFinish){
			func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.Principal = "key:b" },
			func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.Tool = "apps.deploy" },
			func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.Target = "api" },
			func(_ *tenancy.AuditEntry, f *tenancy.AuditFinish) { f.Target = "uuid" },
			func(e *tenancy.AuditEntry, _ *tenancy.AuditFinish) { e.WorkspaceID = b.ws.ID },
		} {
			add(change)
		}
		wantSame(t, "entries of others' refusals", 6, len(entries()))
		counted := dump(t, db, `select refused from vibn_audit where refused > 1`)
		wantSame(t, "counts above one", []string{"refused=6 "}, counted)

		// What was found to be a change is not the entry that a refusal is counted in.
		add(func(e *tenancy.AuditEntry, f *tenancy.AuditFinish) {
			e.Target, f.Outcome, f.Changed = "changed", string(tenancy.Conflict), true
		})
		add(func(e *tenancy.AuditEntry, f *tenancy.AuditFinish) {
			e.Target, f.Outcome = "changed", string(tenancy.Conflict)
		})
		wantSame(t, "a change and a refusal", 2, len(must(db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Target: "changed", Limit: 9}))(t)))
	})
}

// TestConcurrentRefusalsAreAllCounted: of refusals at the same time none is lost.
func TestConcurrentRefusalsAreAllCounted(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		const each = 10
		var together errgroup.Group
		for range writers {
			together.Go(func() error {
				for range each {
					e := tenancy.AuditEntry{ID: newID(), WorkspaceID: a.ws.ID, At: day, Principal: "key:a", Tool: "apps.delete", Target: "web"}
					if err := db.StartAudit(t.Context(), e); err != nil {
						return err
					}
					if err := db.FinishAudit(t.Context(), a.ws.ID, e.ID, refusal); err != nil {
						return err
					}
				}
				return nil
			})
		}
		check(t, together.Wait())
		entries := must(db.Audit(t.Context(), a.ws.ID, tenancy.AuditQuery{Tool: "apps.delete", Principal: "key:a", Limit: 100}))(t)
		times := 0
		for _, e := range entries {
			times += e.Refused
		}
		wantSame(t, fmt.Sprintf("refusals in %d entries", len(entries)), writers*each, times)
		if len(entries) > writers {
			t.Errorf("%d entries, want at most one for each of %d who write at once", len(entries), writers)
		}
	})
}
