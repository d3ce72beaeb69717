package store_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A value is kept as long as it is a variable's, and ninety days more. It goes with the
// app, and with the workspace.
func TestKeptValues(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		one := hosting.KeptValue{ID: newID(), Sealed: "one", At: day}
		two := hosting.KeptValue{ID: newID(), Preview: true, Sealed: "two", At: day.Add(time.Hour)}
		keep := func(of tenant, app string, values ...hosting.KeptValue) {
			t.Helper()
			check(t, db.KeepValues(ctx, of.ws.ID, app, values))
		}
		want := func(what string, of tenant, app string, want ...hosting.KeptValue) {
			t.Helper()
			wantSame(t, what, want, must(db.KeptValues(ctx, of.ws.ID, app))(t))
		}
		keep(a, "site", one, two)
		keep(b, "site", hosting.KeptValue{ID: newID(), Sealed: "of b", At: day})
		want("both", a, "site", one, two)
		want("of another app", a, "other")
		one.Ended = new(day.Add(2 * time.Hour))
		keep(a, "site", one)
		want("one ended", a, "site", one, two)
		one.Ended = nil
		keep(a, "site", one)
		want("it is in use again", a, "site", one, two)

		one.Ended = new(day)
		keep(a, "site", one)
		check(t, db.DropExpired(ctx, day.Add(90*24*time.Hour-time.Minute)))
		want("in time", a, "site", one, two)
		check(t, db.DropExpired(ctx, day.Add(90*24*time.Hour)))
		want("after ninety days", a, "site", two)
		check(t, db.ForgetApp(ctx, a.ws.ID, "site"))
		want("an app that is forgotten", a, "site")
		wantSame(t, "of b", 1, len(must(db.KeptValues(ctx, b.ws.ID, "site"))(t)))

		check(t, db.DropApp(ctx, a.ws.ID, a.app.ID))
		want("an app that is deleted", a, a.app.UUID)
		keep(a, "site", two)
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		want("of a deleted workspace", a, "site")
		wantErr(t, "KeepValues", db.KeepValues(ctx, a.ws.ID, "site", []hosting.KeptValue{two}), tenancy.ErrNotFound)
	})
}

// Of an app only so many values are kept, and so many bytes. What its variables have is
// kept before what they had, and the newest before the others.
func TestKeptValuesAreBounded(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		var values []hosting.KeptValue
		for i := range 505 {
			v := hosting.KeptValue{ID: newID(), Sealed: fmt.Sprint(i), At: day.Add(time.Duration(i) * time.Minute)}
			if i >= 3 {
				v.Ended = new(v.At.Add(time.Minute))
			}
			values = append(values, v)
		}
		check(t, db.KeepValues(ctx, a.ws.ID, "site", values))
		kept := map[string]bool{}
		for _, v := range must(db.KeptValues(ctx, a.ws.ID, "site"))(t) {
			kept[v.Sealed] = true
		}
		if len(kept) != 500 || !kept["0"] || !kept["2"] || kept["3"] || kept["7"] || !kept["8"] || !kept["504"] {
			t.Errorf("%d values are kept, want three that are in use and the newest that ended", len(kept))
		}
		large := func(n int) hosting.KeptValue {
			return hosting.KeptValue{ID: newID(), Sealed: strings.Repeat("x", 79_000), At: day.Add(time.Duration(n) * time.Hour)}
		}
		check(t, db.KeepValues(ctx, a.ws.ID, "large", []hosting.KeptValue{large(1), large(2), large(3)}))
		wantSame(t, "large values", 2, len(must(db.KeptValues(ctx, a.ws.ID, "large"))(t)))
	})
}
