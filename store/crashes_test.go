package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A version that was live stays so when another deployment of it is not, and only the
// newest hundred are kept.
func TestAppVersions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		record := func(commit, deployment string, live bool, minute int) {
			t.Helper()
			v := hosting.AppVersion{Commit: commit, Deployment: deployment, Live: live, At: day.Add(time.Duration(minute) * time.Minute)}
			check(t, db.RecordVersion(ctx, a.ws.ID, "site", v))
		}
		want := func(what string, want ...string) {
			t.Helper()
			var got []string
			for _, v := range must(db.AppVersions(ctx, a.ws.ID, "site"))(t) {
				got = append(got, fmt.Sprint(v.Commit, " ", v.Deployment, " ", v.Live))
			}
			wantSame(t, what, want, got)
		}
		want("none")
		record("c1", "d1", true, 1)
		record("c2", "d2", false, 2)
		want("the newest first", "c2 d2 false", "c1 d1 true")
		record("c1", "d3", false, 3)
		want("it was live once", "c2 d2 false", "c1 d1 true")
		record("c2", "d4", true, 4)
		want("it is live now", "c2 d4 true", "c1 d1 true")
		record("c2", "d4", false, 5)
		want("it turned out not to be", "c2 d4 false", "c1 d1 true")
		for i := range 101 {
			record(fmt.Sprintf("c%03d", i), "d", true, 10+i)
		}
		all := must(db.AppVersions(ctx, a.ws.ID, "site"))(t)
		if len(all) != 100 || all[0].Commit != "c100" || all[99].Commit != "c001" {
			t.Errorf("%d versions from %s to %s, want the newest hundred", len(all), all[0].Commit, all[len(all)-1].Commit)
		}
	})
}

// There is one kept log of an app. It goes after seven days, with the app, and with the
// workspace.
func TestKeptLogs(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		keep := func(of tenant, app, sealed string) {
			t.Helper()
			check(t, db.KeepLog(ctx, of.ws.ID, hosting.KeptLog{ID: newID(), App: app, Sealed: sealed, At: day}))
		}
		gone := func(what string, of tenant, app string) {
			t.Helper()
			_, err := db.KeptLog(ctx, of.ws.ID, app)
			wantErr(t, what, err, tenancy.ErrNotFound)
		}
		keep(a, "site", "one")
		keep(a, "site", "two")
		keep(b, "site", "of b")
		wantSame(t, "the newest", "two", must(db.KeptLog(ctx, a.ws.ID, "site"))(t).Sealed)
		check(t, db.ForgetApp(ctx, a.ws.ID, "site"))
		gone("an app that is forgotten", a, "site")
		wantSame(t, "of b", "of b", must(db.KeptLog(ctx, b.ws.ID, "site"))(t).Sealed)

		check(t, db.DropApp(ctx, a.ws.ID, a.app.ID))
		gone("an app that is deleted", a, a.app.UUID)
		wantSame(t, "its versions", 0, len(must(db.AppVersions(ctx, a.ws.ID, a.app.UUID))(t)))

		keep(a, "site", "three")
		check(t, db.DropExpired(ctx, day.Add(7*24*time.Hour-time.Minute)))
		wantSame(t, "in time", "three", must(db.KeptLog(ctx, a.ws.ID, "site"))(t).Sealed)
		check(t, db.DropExpired(ctx, day.Add(7*24*time.Hour)))
		gone("after seven days", a, "site")
		keep(a, "site", "four")
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		gone("of a deleted workspace", a, "site")
		wantErr(t, "KeepLog", db.KeepLog(ctx, a.ws.ID, hosting.KeptLog{ID: newID(), App: "site", At: day}), tenancy.ErrNotFound)
		wantErr(t, "RecordVersion", db.RecordVersion(ctx, a.ws.ID, "site", hosting.AppVersion{Commit: "c", At: day}), tenancy.ErrNotFound)
	})
}
