package provision

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// DeleteWithData deletes an app's or a database's volumes and files with it. It leaves
// networks, as other things may use them.
var DeleteWithData = coolify.DeleteOptions{Volumes: true, Configurations: true}

// RemoveApp deletes what an app that was created here has in the workspace's project on
// Coolify, including duplicates that a crash left, and drops its record once that is
// gone. Coolify deletes with a delay, so the caller repeats this until gone is true.
func RemoveApp(
	ctx context.Context, project tenancy.CoolifyProject, store AppStore, a tenancy.AppRecord,
) (gone bool, err error) {
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

// DeleteApplication asks Coolify to delete an application, and checks whether it is gone.
// It cancels its deployments first: their helper containers, which hold the deploy key and
// the server's Docker socket, would run on.
func DeleteApplication(ctx context.Context, app coolify.AppClient) (gone bool, err error) {
	if err := coolify.CancelDeployments(ctx, app); err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return false, err
	}
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

// AppMark returns the mark that proves that an application was made for this record. The
// description holds it until the setup is finished.
func AppMark(a tenancy.AppRecord) string { return tenancy.MarkText(a.Nonce, "app") }
