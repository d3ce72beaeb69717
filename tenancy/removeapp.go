package tenancy

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
)

// DeleteWithData is what goes with an app or a database: what it has stored and its files.
// Networks may be used by others.
var DeleteWithData = coolify.DeleteOptions{Volumes: true, Configurations: true}

// RemoveApp deletes what an app that was created here has in the workspace's project
// on Coolify, twins that a crash left included, and forgets it once that is gone.
// Coolify takes its time to delete, so this is called again until then.
func RemoveApp(ctx context.Context, project CoolifyProject, store Store, a AppRecord) (gone bool, err error) {
	list, err := project.Apps(ctx)
	if err != nil {
		return false, err
	}
	gone = true
	for _, is := range list {
		if is.UUID.String() != a.UUID && !HasMark(is.Description, a.mark()) {
			continue
		}
		one, err := deleteApplication(ctx, is.Calls)
		if err != nil {
			return false, err
		}
		gone = gone && one
	}
	if !gone {
		return false, nil
	}
	if err := store.DropApp(ctx, a.WorkspaceID, a.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return false, StoreError("read or write the record", err)
	}
	return true, nil
}

// deleteApplication asks Coolify to delete an application, and looks whether it has.
func deleteApplication(ctx context.Context, app coolify.AppClient) (gone bool, err error) {
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

// mark proves that an application is the one that was made for this row. It stands
// in its description until nothing is left to do.
func (a AppRecord) mark() string { return MarkText(a.Nonce, "app") }
