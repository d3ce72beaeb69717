package provision

import (
	"context"
	"slices"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// coolifyProject returns the workspace's project. It is the zero one if the project and its
// contents are gone.
func (r *run) coolifyProject() (tenancy.CoolifyProject, error) {
	if r.state.Parts.CoolifyProject == "" {
		return tenancy.CoolifyProject{}, nil
	}
	id, err := coolify.ParseUUID(r.state.Parts.CoolifyProject)
	return tenancy.NewCoolifyProject(r.coolify, id), err
}

// endApps continues to delete the apps that are marked for deletion.
func (r *run) endApps(ctx context.Context) error {
	_, err := r.removeApps(ctx, func(a tenancy.AppRecord) bool { return a.DeletingAt != nil })
	return err
}

// removeAllApps deletes the apps of a deleted workspace that were created here.
func (r *run) removeAllApps(ctx context.Context) error {
	gone, err := r.removeApps(ctx, func(tenancy.AppRecord) bool { return true })
	if err == nil && !gone {
		err = &tenancy.PartError{
			Part: tenancy.PartApps, Why: "Coolify is still deleting apps of the workspace",
			Fix: "wait; it is checked again", Again: true,
		}
	}
	return err
}

func (r *run) removeApps(ctx context.Context, which func(tenancy.AppRecord) bool) (gone bool, err error) {
	records, err := r.store.AppRecords(ctx, r.state.ID)
	if err != nil {
		return false, tenancy.StoreError("read or write the record", err)
	}
	records = slices.DeleteFunc(records, func(a tenancy.AppRecord) bool { return !which(a) })
	if len(records) == 0 {
		return true, nil
	}
	project, err := r.coolifyProject()
	if err != nil {
		return false, err
	}
	gone = true
	for _, a := range records {
		one, err := RemoveApp(ctx, project, r.store, a)
		if err != nil {
			return false, err
		}
		gone = gone && one
	}
	return gone, nil
}
