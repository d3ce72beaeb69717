package store_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/store/storetest"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestApps(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		x := newApp(a.project, "aaa")
		check(t, db.CreateApp(ctx, x))
		wantErr(t, "CreateApp with a name that is taken", db.CreateApp(ctx, newApp(a.project, "aaa")), tenancy.ErrConflict)
		check(t, db.RecordApp(ctx, a.ws.ID, x.ID, "uuid", false))
		check(t, db.RecordApp(ctx, a.ws.ID, x.ID, "uuid", true))
		wantErr(t, "RecordApp of a second one", db.RecordApp(ctx, a.ws.ID, x.ID, "other", true), tenancy.ErrConflict)
		x.UUID, x.Made = "uuid", true

		pushed := x
		pushed.Head, pushed.Deployment, pushed.Reported = "sha", "dep", "pending"
		check(t, db.SetAppPush(ctx, x, pushed))
		wantErr(t, "SetAppPush after another", db.SetAppPush(ctx, x, pushed), tenancy.ErrConflict)
		wantSame(t, "AppRecords", []tenancy.AppRecord{pushed, a.app}, must(db.AppRecords(ctx, a.ws.ID))(t))

		settle(t, db, a.ws.ID)
		check(t, db.MarkAppDeleting(ctx, a.ws.ID, x.ID, after(1)))
		check(t, db.MarkAppDeleting(ctx, a.ws.ID, x.ID, after(2)))
		wantQueued(t, "MarkAppDeleting twice", db, a.ws.ID, 2)
		pushed.DeletingAt = new(after(1))
		wantSame(t, "AppRecords", []tenancy.AppRecord{pushed, a.app}, must(db.AppRecords(ctx, a.ws.ID))(t))
		check(t, db.DropApp(ctx, a.ws.ID, x.ID))
		wantErr(t, "DropApp again", db.DropApp(ctx, a.ws.ID, x.ID), tenancy.ErrNotFound)
		check(t, db.CreateApp(ctx, newApp(a.project, "aaa"))) // the name is free again
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		wantErr(t, "CreateApp in a deleted workspace", db.CreateApp(ctx, newApp(a.project, "bbb")), tenancy.ErrNotFound)
	})
}

func TestDatabases(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		x := newDatabase(a.ws.ID, "aaa")
		check(t, db.CreateDatabase(ctx, x))
		wantErr(t, "CreateDatabase with a name that is taken", db.CreateDatabase(ctx, newDatabase(a.ws.ID, "aaa")), tenancy.ErrConflict)
		begun := x
		x.CreatedAt = after(1)
		check(t, db.TakeOverDatabase(ctx, begun, x.CreatedAt))
		wantErr(t, "TakeOverDatabase of one that is taken over", db.TakeOverDatabase(ctx, begun, after(2)), tenancy.ErrConflict)
		wantErr(t, "RecordDatabase by whom it was taken from", db.RecordDatabase(ctx, begun, "uuid", "v1.x.y"), tenancy.ErrConflict)
		check(t, db.RecordDatabase(ctx, x, "uuid", "v1.x.y"))
		wantErr(t, "TakeOverDatabase of one that is made", db.TakeOverDatabase(ctx, x, after(2)), tenancy.ErrConflict)
		wantErr(t, "RecordDatabase again", db.RecordDatabase(ctx, x, "uuid", "v1.x.z"), tenancy.ErrConflict)
		settle(t, db, a.ws.ID)
		check(t, db.MarkDatabaseDeleting(ctx, a.ws.ID, x.ID, after(1)))
		check(t, db.MarkDatabaseDeleting(ctx, a.ws.ID, x.ID, after(2)))
		wantQueued(t, "MarkDatabaseDeleting twice", db, a.ws.ID, 2)
		x.UUID, x.URLSealed, x.DeletingAt = "uuid", "v1.x.y", new(after(1))
		wantSame(t, "DatabaseRecords", []tenancy.DatabaseRecord{x, a.data}, must(db.DatabaseRecords(ctx, a.ws.ID))(t))
		check(t, db.DropDatabase(ctx, a.ws.ID, x.ID))
		y := newDatabase(a.ws.ID, "aaa") // the name is free again
		check(t, db.CreateDatabase(ctx, y))
		check(t, db.MarkDatabaseDeleting(ctx, a.ws.ID, y.ID, after(1)))
		wantErr(t, "RecordDatabase of one that is to go", db.RecordDatabase(ctx, y, "other", "v1.x.y"), tenancy.ErrConflict)
		wantErr(t, "TakeOverDatabase of one that is to go", db.TakeOverDatabase(ctx, y, after(2)), tenancy.ErrConflict)
		wantErr(t, "DropDatabase again", db.DropDatabase(ctx, a.ws.ID, x.ID), tenancy.ErrNotFound)
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		wantErr(t, "CreateDatabase in a deleted workspace", db.CreateDatabase(ctx, newDatabase(a.ws.ID, "bbb")), tenancy.ErrNotFound)
	})
}

func TestRecordDeployKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		check(t, db.RecordDeployKey(ctx, a.ws.ID, a.project.ID, "key", "ssh-ed25519 AAAA"))
		check(t, db.RecordDeployKey(ctx, a.ws.ID, a.project.ID, "key", "ssh-ed25519 AAAA")) // its answer was lost
		wantErr(t, "RecordDeployKey of another", db.RecordDeployKey(ctx, a.ws.ID, a.project.ID, "other", "ssh-ed25519 BBBB"), tenancy.ErrConflict)
		a.project.CoolifyKey, a.project.DeployKey = "key", "ssh-ed25519 AAAA"
		wantSame(t, "Projects", []tenancy.Project{a.project}, must(db.Projects(ctx, a.ws.ID))(t))
		wantErr(t, "ForgetDeployKey of another", db.ForgetDeployKey(ctx, a.ws.ID, a.project.ID, "other"), tenancy.ErrConflict)
		check(t, db.ForgetDeployKey(ctx, a.ws.ID, a.project.ID, "key"))
		wantErr(t, "ForgetDeployKey again", db.ForgetDeployKey(ctx, a.ws.ID, a.project.ID, "key"), tenancy.ErrConflict)
		check(t, db.RecordDeployKey(ctx, a.ws.ID, a.project.ID, "other", "ssh-ed25519 BBBB"))
	})
}

// TestDueDeletions: what is being deleted is looked at again until it is gone.
func TestDueDeletions(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		check(t, db.MarkAppDeleting(ctx, a.ws.ID, a.app.ID, day))
		check(t, db.MarkDatabaseDeleting(ctx, a.ws.ID, a.data.ID, day))
		settle(t, db, a.ws.ID)
		wantSame(t, "Due with both", []string{a.ws.ID}, must(db.Due(ctx, day, day.Add(-time.Hour), 10))(t))
		check(t, db.DropApp(ctx, a.ws.ID, a.app.ID))
		wantSame(t, "Due with the database", []string{a.ws.ID}, must(db.Due(ctx, day, day.Add(-time.Hour), 10))(t))
		check(t, db.DropDatabase(ctx, a.ws.ID, a.data.ID))
		wantSame(t, "Due with nothing left", []string(nil), must(db.Due(ctx, day, day.Add(-time.Hour), 10))(t))
	})
}

func TestPlan(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		for _, p := range []tenancy.Plan{{Memory: "1g", CPUs: "0.5", Apps: 3, Databases: 1}, {}} {
			check(t, db.SetPlan(ctx, a.ws.ID, p, after(2)))
			wantSame(t, "Plan", p, must(db.Workspace(ctx, a.ws.Slug))(t).Plan)
		}
		check(t, db.DeleteWorkspace(ctx, a.ws.ID, day))
		wantErr(t, "SetPlan of a deleted workspace", db.SetPlan(ctx, a.ws.ID, tenancy.Plan{}, day), tenancy.ErrNotFound)
	})
}

// A key is good for one tool and one set of arguments, until nobody remembers it.
func TestClaimKey(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		claim := func(tool, digest string) error { return db.ClaimKey(ctx, a.ws.ID, tool, "mine", digest, day) }
		check(t, claim("apps.create", "one"))
		check(t, claim("apps.create", "one"))
		wantErr(t, "other arguments", claim("apps.create", "two"), tenancy.ErrConflict)
		check(t, claim("databases.create", "two"))
		check(t, db.DropExpired(ctx, day.Add(6*24*time.Hour)))
		wantErr(t, "other arguments after six days", claim("apps.create", "two"), tenancy.ErrConflict)
		check(t, db.DropExpired(ctx, day.Add(8*24*time.Hour)))
		check(t, claim("apps.create", "two"))
	})
}

// A push is counted once for each body, and its job is there with the count.
func TestWantPush(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		settle(t, db, a.ws.ID)
		push := func(digest string) { check(t, db.RequestPush(ctx, a.ws.ID, a.project.RepositoryID, digest)) }
		state := func(wanted, done int64, jobs ...string) {
			t.Helper()
			p := must(db.Projects(ctx, a.ws.ID))(t)[0]
			wantSame(t, "wanted and done", [2]int64{wanted, done}, [2]int64{p.PushWanted, p.PushDone})
			wantSame(t, "jobs", jobs, jobsOf(t, db, a.ws.ID)) //nolint:contextcheck // it is the context of the test
		}
		push("one")
		push("one")
		state(1, 0, "state=available ")
		push("two")
		push("one") // somebody pushed back and forth
		state(3, 0, "state=available ")
		wantSame(t, "more", true, must(db.FinishPush(ctx, a.ws.ID, a.project.ID, 2))(t))
		wantSame(t, "more", false, must(db.FinishPush(ctx, a.ws.ID, a.project.ID, 3))(t))
		wantSame(t, "more, by one that comes late", true, must(db.FinishPush(ctx, a.ws.ID, a.project.ID, 1))(t))
		state(3, 3, "state=available ")
	})
}

// Repositories that apps are built from are looked at in turns, also after a restart.
func TestNextPushLooks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx := t.Context()
		var all []string
		var tenants []tenant
		for _, slug := range []string{"alpha", "beta", "gamma"} {
			a := newTenant(t, db, slug)
			check(t, db.RecordApp(ctx, a.ws.ID, a.app.ID, a.app.UUID, true))
			check(t, db.CreateProject(ctx, newProject(a.ws.ID, "no-app")))
			all, tenants = append(all, a.project.ID), append(tenants, a)
		}
		next := func(now, before, limit int) []string {
			t.Helper()
			var ids []string
			for _, p := range must(db.NextPushLooks(ctx, after(now), after(before), limit))(t) {
				ids = append(ids, p.ID)
			}
			slices.Sort(ids)
			return ids
		}
		slices.Sort(all)
		first := next(1, 0, 2)
		second := next(2, 1, 2)
		wantSame(t, "looks in a first round", 2, len(first))
		wantSame(t, "looks in a second round", 1, len(second)) // the others were looked at just now
		both := slices.Concat(first, second)
		slices.Sort(both)
		wantSame(t, "all of them", all, both)
		wantSame(t, "looks too soon", []string(nil), next(3, 1, 9))
		wantSame(t, "those that wait the longest", first, next(4, 3, 2))
		check(t, db.SetSuspended(ctx, tenants[0].ws.ID, &day, day))
		check(t, db.DeleteWorkspace(ctx, tenants[1].ws.ID, day))
		wantSame(t, "without the suspended and the deleted", []string{tenants[2].project.ID}, next(9, 9, 9))
		check(t, db.MarkAppDeleting(ctx, tenants[2].ws.ID, tenants[2].app.ID, day))
		wantSame(t, "without an app", []string(nil), next(11, 11, 9))
	})
}

// No push is lost that comes while its job runs.
func TestWorkSeesPushesMeanwhile(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, db *store.DB) {
		a := newTenant(t, db, "alpha")
		check(t, db.RequestPush(t.Context(), a.ws.ID, a.project.RepositoryID, "first"))
		seen := make(chan int64, 9)
		var once sync.Once
		stop := work(t, db, store.Jobs{Push: func(ctx context.Context, workspaceID, projectID string) (time.Duration, error) {
			projects, err := db.Projects(ctx, workspaceID)
			if err != nil {
				return 0, err
			}
			wanted := projects[0].PushWanted
			once.Do(func() { err = db.RequestPush(ctx, workspaceID, projects[0].RepositoryID, "second") })
			if err != nil {
				return 0, err
			}
			_, err = db.FinishPush(ctx, workspaceID, projectID, wanted)
			seen <- wanted
			return 0, err
		}}, t.Output())
		wantSame(t, "pushes seen", int64(1), next(t, "a run", seen))
		wantSame(t, "pushes seen", int64(2), next(t, "a run", seen))
		check(t, stop())
	})
}
