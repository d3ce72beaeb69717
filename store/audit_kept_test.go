package store_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// idAt is the id of an entry that began at a time.
func idAt(at time.Time) string {
	id := uuid.Must(uuid.NewV7())
	for i, ms := 5, at.UnixMilli(); i >= 0; i, ms = i-1, ms>>8 {
		id[i] = byte(ms)
	}
	return id.String()
}

// TestDropAudit: entries go when they are older than they are kept, and no others.
func TestDropAudit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		a := newTenant(t, db, "alpha")
		kept := []time.Time{day.Add(400 * 24 * time.Hour), day.Add(time.Hour)}
		for _, at := range append(kept, day.Add(-time.Millisecond), day.Add(-time.Hour)) {
			check(t, db.StartAudit(ctx, tenancy.AuditEntry{ID: idAt(at), WorkspaceID: a.ws.ID, At: at, Tool: "kept.for.a.time", Args: "{}"}))
		}
		check(t, db.DropAudit(ctx, day))
		var got []time.Time
		for _, e := range must(db.Audit(ctx, a.ws.ID, tenancy.AuditQuery{Tool: "kept.for.a.time", Limit: 10}))(t) {
			got = append(got, e.At)
		}
		wantSame(t, "entries that are kept", kept, got)
	})
}

// TestAuditArgsAreBounded: an entry does not keep arguments of any length.
func TestAuditArgsAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		e := tenancy.AuditEntry{ID: newID(), WorkspaceID: a.ws.ID, At: after(60), Tool: "long", Args: `{"a":"` + strings.Repeat("x", 9<<10) + `"}`}
		check(t, db.StartAudit(t.Context(), e))
		got := must(db.Audit(t.Context(), a.ws.ID, tenancy.AuditQuery{Tool: "long", Limit: 1}))(t)[0]
		wantSame(t, "arguments", `{"too_long":true}`, got.Args)
	})
}
