package provision

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// endDatabases deletes the databases that are marked for deletion, those of a deleted
// workspace, those whose creation was never resumed, and those that lost calls created.
// It drops the records of databases that are gone. Coolify deletes with a delay, so the
// next run may find the same ones. A deleted workspace's databases must be gone before
// its project can be deleted.
func (r *run) endDatabases(ctx context.Context) error {
	records, err := r.store.DatabaseRecords(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if len(records) == 0 {
		return nil
	}
	project, err := r.coolifyProject()
	if err != nil {
		return err
	}
	there, err := project.EveryDatabase(ctx)
	if err != nil {
		return err
	}
	left := false
	for _, d := range records {
		remains, err := r.endDatabase(ctx, d, there)
		if err != nil {
			return err
		}
		left = left || remains
	}
	if left && r.state.DeletedAt != nil {
		return &tenancy.PartError{
			Part: tenancy.PartDatabases, Why: "databases of the workspace are still there", Again: true,
			Fix: "Coolify is deleting them; it is tried again",
		}
	}
	return nil
}

// endDatabase handles one record. remains is true while something of the database may
// still exist.
func (r *run) endDatabase(
	ctx context.Context, d tenancy.DatabaseRecord, there []tenancy.BoundDatabase,
) (remains bool, err error) {
	// a call may still be creating it
	begun := d.UUID == "" && d.DeletingAt == nil && r.now().Sub(d.CreatedAt) < begunLong
	toGo := d.DeletingAt != nil || r.state.DeletedAt != nil
	if !toGo && d.UUID == "" && !begun {
		if toGo, err = r.abandonDatabase(ctx, d); err != nil || !toGo {
			return !toGo, err
		}
	}
	for _, is := range there {
		lost := d.IsLost(is.Database) && !begun
		if !lost && (!toGo || is.UUID.String() != d.UUID) {
			continue
		}
		remains = remains || toGo
		if err := is.Calls.Delete(ctx, DeleteWithData); err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return false, err
		}
	}
	if !toGo || remains || begun {
		return true, nil
	}
	if err := r.store.DropDatabase(ctx, d.WorkspaceID, d.ID); err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return false, tenancy.StoreError("read or write the record", err)
	}
	return false, nil
}

// abandonDatabase marks a database for deletion whose creation was never resumed. It
// returns false if a call has just resumed it.
func (r *run) abandonDatabase(ctx context.Context, d tenancy.DatabaseRecord) (bool, error) {
	err := r.store.TakeOverDatabase(ctx, d, r.now())
	if errors.Is(err, tenancy.ErrConflict) || errors.Is(err, tenancy.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, tenancy.StoreError("read or write the record", err)
	}
	return true, tenancy.StoreError(
		"read or write the record", r.store.MarkDatabaseDeleting(ctx, d.WorkspaceID, d.ID, r.now()),
	)
}
