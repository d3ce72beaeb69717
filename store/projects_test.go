package store_test

import (
	"testing"

	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestProjects(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		p := newProject(a.ws.ID, "api")
		check(t, db.CreateProject(ctx, p))
		wantSame(t, "Projects", []tenancy.Project{p, a.project}, must(db.Projects(ctx, a.ws.ID))(t))
		wantErr(t, "CreateProject with a slug that is taken", db.CreateProject(ctx, newProject(a.ws.ID, "api")), tenancy.ErrConflict)
		check(t, db.CreateProject(ctx, newProject(b.ws.ID, "api"))) // another's slug
		again := newProject(a.ws.ID, "other")
		again.ID = p.ID
		wantErr(t, "CreateProject with an id that is taken", db.CreateProject(ctx, again), tenancy.ErrConflict)
		wantErr(t, "CreateProject in no workspace", db.CreateProject(ctx, newProject(newID(), "other")), tenancy.ErrNotFound)
		check(t, db.DeleteWorkspace(ctx, b.ws.ID, day))
		wantErr(t, "CreateProject in a deleted workspace", db.CreateProject(ctx, newProject(b.ws.ID, "other")), tenancy.ErrNotFound)
		wantSame(t, "Projects", []tenancy.Project{p, a.project}, must(db.Projects(ctx, a.ws.ID))(t))
	})
}

func TestRecordRepository(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		p := newProject(a.ws.ID, "api")
		check(t, db.CreateProject(ctx, p))
		record := func(project string, id int64) error {
			return db.RecordRepository(ctx, a.ws.ID, project, id, "alpha/api")
		}
		wantErr(t, "RecordRepository of another project's", record(p.ID, a.project.RepositoryID), tenancy.ErrConflict)
		wantErr(t, "RecordRepository of another workspace's", record(p.ID, b.project.RepositoryID), tenancy.ErrConflict)
		wantErr(t, "RecordRepository of no project", record(newID(), number()), tenancy.ErrNotFound)
		wantErr(t, "RecordRepository for another workspace's project", record(b.project.ID, b.project.RepositoryID), tenancy.ErrNotFound)
		wantSame(t, "Projects", []tenancy.Project{p, a.project}, must(db.Projects(ctx, a.ws.ID))(t))

		p.RepositoryID, p.Repository = number(), "alpha/api"
		check(t, record(p.ID, p.RepositoryID))
		check(t, record(p.ID, p.RepositoryID)) // its answer was lost
		wantErr(t, "RecordRepository of a second one", record(p.ID, number()), tenancy.ErrConflict)
		wantSame(t, "Projects", []tenancy.Project{p, a.project}, must(db.Projects(ctx, a.ws.ID))(t))
		wantSame(t, "the other's projects", []tenancy.Project{b.project}, must(db.Projects(ctx, b.ws.ID))(t))
	})
}

func TestRepositoryAccess(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *store.DB) {
		ctx, a, b := t.Context(), newTenant(t, db, "alpha"), newTenant(t, db, "beta")
		id := a.project.RepositoryID
		want := []tenancy.RepositoryAccess{
			{RepositoryID: id, Kind: tenancy.Collaborator, Ref: "someone"},
			a.access, // a deploy key
			{RepositoryID: id, Kind: tenancy.Hook, Ref: "1"},
			{RepositoryID: id, Kind: tenancy.PushMirror, Ref: "mirror-1"},
			{RepositoryID: id + 1_000_000, Kind: tenancy.Hook, Ref: "1"},
		}
		for i, access := range want {
			if i != 1 {
				addAccess(t, db, a.ws.ID, access)
			}
		}
		wantSame(t, "RepositoryAccess", want, must(db.RepositoryAccess(ctx, a.ws.ID))(t))
		wantSame(t, "the other's", []tenancy.RepositoryAccess{b.access}, must(db.RepositoryAccess(ctx, b.ws.ID))(t))
	})
}
