package store_test

import (
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// TestGiteaRecords: the record of a deleted repository goes, an order to rename is carried
// out once, and of deliveries the newest counts.
func TestGiteaRecords(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a := t.Context(), newTenant(t, db, "alpha")
		wantErr(t, "ForgetRepository of another", db.ForgetRepository(ctx, a.ws.ID, a.project.ID,
			a.project.RepositoryID+1, "n"), tenancy.ErrConflict)
		check(t, db.ForgetRepository(ctx, a.ws.ID, a.project.ID, a.project.RepositoryID, "another nonce"))
		a.project.RepositoryID, a.project.Repository, a.project.Nonce = 0, "", "another nonce"
		wantSame(t, "Projects", []tenancy.Project{a.project}, must(db.Projects(ctx, a.ws.ID))(t))

		before := must(db.Provision(ctx, a.ws.ID))(t)
		check(t, db.RequestRename(ctx, a.ws.ID, true))
		wanted := must(db.Provision(ctx, a.ws.ID))(t)
		if before.Renaming || !wanted.Renaming || wanted.Wanted != before.Wanted+1 {
			t.Errorf("the order: %+v", wanted)
		}
		_ = must(db.FinishProvision(ctx, a.ws.ID, wanted.Wanted, tenancy.Outcome{Status: tenancy.Partial}, day))(t)
		if !must(db.Provision(ctx, a.ws.ID))(t).Renaming {
			t.Error("a run that did not carry it out ends the order")
		}
		done := tenancy.Outcome{Status: tenancy.Ready, Renamed: true}
		_ = must(db.FinishProvision(ctx, a.ws.ID, wanted.Wanted, done, day))(t)
		if must(db.Provision(ctx, a.ws.ID))(t).Renaming {
			t.Error("the order outlives the run that carried it out")
		}

		later := day.Add(time.Hour)
		for _, at := range []time.Time{day, later, day} {
			check(t, db.NoteDeliveries(ctx, a.ws.ID, tenancy.Deliveries{Taken: &at, Refused: &at}))
		}
		d := must(db.Provision(ctx, a.ws.ID))(t).Deliveries
		if d.Missed != nil || d.Taken == nil || !d.Taken.Equal(later) || d.Refused == nil || !d.Refused.Equal(later) {
			t.Errorf("deliveries: %+v", d)
		}

		had := must(db.RepositoryAccess(ctx, a.ws.ID))(t)
		hook := tenancy.RepositoryAccess{RepositoryID: 7, Kind: tenancy.Hook, Ref: "3"}
		check(t, db.SetAccess(ctx, a.ws.ID, hook, true, day))
		check(t, db.SetAccess(ctx, a.ws.ID, hook, true, day))
		wantSame(t, "RepositoryAccess", append([]tenancy.RepositoryAccess{hook}, had...),
			must(db.RepositoryAccess(ctx, a.ws.ID))(t))
		check(t, db.SetAccess(ctx, a.ws.ID, hook, false, day))
		wantSame(t, "RepositoryAccess", had, must(db.RepositoryAccess(ctx, a.ws.ID))(t))
	})
}
