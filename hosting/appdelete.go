package hosting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/vibnai/vibn-mcp/coolify"

	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// DeletedApp is the result of deleting an app.
type DeletedApp struct {
	UUID string // empty if the app was never created on Coolify
	Name string
	Gone bool // false while Coolify is still deleting it
}

// DeleteApp deletes an app with its containers, its volumes and their data, its variables
// and its domain. The repository stays. confirm is the app's name. Without it DeleteApp
// deletes nothing; the error says what would be deleted and asks for a person's
// confirmation.
func DeleteApp(ctx context.Context, s *tenancy.Scope, ref, confirm string) (DeletedApp, error) {
	if err := s.Require(tenancy.Danger); err != nil {
		return DeletedApp{}, err
	}
	app, err := FindApp(ctx, s, ref)
	if tenancy.IsNotFound(err) {
		return deleteUnmade(ctx, s, ref, confirm, err)
	}
	if err != nil {
		return DeletedApp{}, err
	}
	name := cmp.Or(s.Text(app.app.Name).String(), app.UUID())
	if confirm != name {
		what, err := app.deletionSummary(ctx)
		if err != nil {
			return DeletedApp{}, err
		}
		return DeletedApp{}, tenancy.NeedsConfirmation(name, what)
	}
	done := DeletedApp{UUID: app.UUID(), Name: name}
	record, err := recordNow(ctx, s, func(a tenancy.AppRecord) bool {
		return a.UUID == app.UUID() || a.UUID == "" && tenancy.HasMark(app.app.Description, provision.AppMark(a))
	})
	if errors.Is(err, errDeletedMeanwhile) { // an operator created it
		done.Gone, err = provision.DeleteApplication(ctx, app.app.Calls)
		if err != nil {
			return DeletedApp{}, tenancy.UpstreamError("delete the app", err)
		}
		return done, tenancy.StoreError("forget the app", db(s).ForgetApp(ctx, inside(s).Workspace().ID, app.UUID()))
	}
	if err != nil {
		return DeletedApp{}, tenancy.StoreError("find the app", err)
	}
	done.Gone, err = deleteRecorded(ctx, s, record)
	return done, err
}

// deleteUnmade deletes an app that has a record but does not exist on Coolify, or no
// longer.
func deleteUnmade(ctx context.Context, s *tenancy.Scope, ref, confirm string, notFound error) (DeletedApp, error) {
	record, err := recordNow(
		ctx, s, func(a tenancy.AppRecord) bool { return a.Name == ref || a.UUID == ref && ref != "" },
	)
	if errors.Is(err, errDeletedMeanwhile) {
		return DeletedApp{}, notFound
	}
	if err != nil {
		return DeletedApp{}, tenancy.StoreError("find the app", err)
	}
	inside(s).RecordTarget(cmp.Or(record.UUID, record.Name))
	if confirm != record.Name {
		return DeletedApp{}, tenancy.NeedsConfirmation(record.Name, "this deletes what is left of the app "+record.Name)
	}
	gone, err := deleteRecorded(ctx, s, record)
	return DeletedApp{UUID: record.UUID, Name: record.Name, Gone: gone}, err
}

// deleteRecorded marks an app for deletion and starts to delete it. If it fails after
// marking, a job finishes the deletion.
func deleteRecorded(ctx context.Context, s *tenancy.Scope, a tenancy.AppRecord) (gone bool, err error) {
	project, err := inside(s).Project()
	if err != nil {
		return false, err
	}
	if err := db(s).MarkAppDeleting(ctx, a.WorkspaceID, a.ID, inside(s).Now()); errors.Is(err, tenancy.ErrNotFound) {
		return true, nil
	} else if err != nil {
		return false, tenancy.StoreError("write down that the app is to go", err)
	}
	gone, err = provision.RemoveApp(ctx, project, db(s), a)
	if err != nil {
		return false, tenancy.UpstreamError("delete the app", err)
	}
	return gone, nil
}

// deletionSummary describes what is deleted with an app.
func (a *App) deletionSummary(ctx context.Context) (string, error) {
	rows, err := a.envRows(ctx)
	if err != nil {
		return "", err
	}
	envs := slices.DeleteFunc(rows.all, func(e coolify.Env) bool { return e.Preview })
	info := a.Info()
	domain := ""
	if len(info.Domains) > 0 {
		domain = ", its domain " + info.Domains[0]
	}
	return fmt.Sprintf("this deletes the app %s for ever: its containers, its volumes and all data in them%s, and %d "+
		"variables; its repository stays",
		info.Name.String(), domain, len(envs)), nil
}
