package provision

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// DeleteWithData is what goes with an app or a database: what it has stored and its files.
// Networks may be used by others.
var DeleteWithData = coolify.DeleteOptions{Volumes: true, Configurations: true}

// RemoveApp deletes what an app that was created here has in the workspace's project
// on Coolify, twins that a crash left included, and forgets it once that is gone.
// Coolify takes its time to delete, so this is called again until then.
func RemoveApp(ctx context.Context, project tenancy.CoolifyProject, store AppStore, a tenancy.AppRecord) (gone bool, err error) {
	list, err := project.Apps(ctx)
	if err != nil {
		return false, err
	}
	gone = true
	for _, app := range list {
		if app.UUID.String() != a.UUID && !tenancy.HasMark(app.Description, AppMark(a)) {
			continue
		}
		one, err := DeleteApplication(ctx, app.Calls)
		if err != nil {
			return false, err
		}
		gone = gone && one
	}
	if !gone {
		return false, nil
	}
	if err := store.DropApp(ctx, a.WorkspaceID, a.ID); err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return false, tenancy.StoreError("read or write the record", err)
	}
	return true, nil
}

// DeleteApplication asks Coolify to delete an application, and looks whether it has.
func DeleteApplication(ctx context.Context, app coolify.AppClient) (gone bool, err error) {
	if err := app.Delete(ctx, DeleteWithData); errors.Is(err, coolify.ErrNotFound) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	_, err = app.Get(ctx)
	if errors.Is(err, coolify.ErrNotFound) {
		return true, nil
	}
	return false, err
}

// AppMark proves that an application is the one that was made for this row. It stands
// in its description until nothing is left to do.
func AppMark(a tenancy.AppRecord) string { return tenancy.MarkText(a.Nonce, "app") }
