package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
)

// DeletedApp is what is told of an app that is deleted.
type DeletedApp struct {
	UUID string // empty if Coolify never had it
	Name string
	Gone bool // else Coolify is still at it
}

// DeleteApp deletes an app with its containers, its volumes and what is in them, its
// variables and its domain. confirm is the app's name; without it nothing is done, and
// the error says what would go and asks for a person's word. The repository stays.
func (s *Scope) DeleteApp(ctx context.Context, ref, confirm string) (DeletedApp, error) {
	if err := s.Require(Danger); err != nil {
		return DeletedApp{}, err
	}
	app, err := s.App(ctx, ref)
	if IsNotFound(err) {
		return s.deleteUnmade(ctx, ref, confirm, err)
	}
	if err != nil {
		return DeletedApp{}, err
	}
	name := cmp.Or(s.Text(app.is.Name).String(), app.UUID())
	if confirm != name {
		what, err := app.doomed(ctx)
		if err != nil {
			return DeletedApp{}, err
		}
		return DeletedApp{}, unconfirmed(name, what)
	}
	done := DeletedApp{UUID: app.UUID(), Name: name}
	record, err := s.recordNow(ctx, func(a AppRecord) bool {
		return a.UUID == app.UUID() || a.UUID == "" && HasMark(app.is.Description, a.mark())
	})
	if errors.Is(err, errDeletedMeanwhile) { // an operator made it
		done.Gone, err = deleteApplication(ctx, app.is.Calls)
		if err != nil {
			return DeletedApp{}, upstream("delete the app", err)
		}
		return done, nil
	}
	if err != nil {
		return DeletedApp{}, StoreError("find the app", err)
	}
	done.Gone, err = s.deleteRecorded(ctx, record)
	return done, err
}

// deleteUnmade deletes an app that was written down and that Coolify does not have,
// or no more.
func (s *Scope) deleteUnmade(ctx context.Context, ref, confirm string, notFound error) (DeletedApp, error) {
	record, err := s.recordNow(ctx, func(a AppRecord) bool { return a.Name == ref || a.UUID == ref && ref != "" })
	if errors.Is(err, errDeletedMeanwhile) {
		return DeletedApp{}, notFound
	}
	if err != nil {
		return DeletedApp{}, StoreError("find the app", err)
	}
	inside(s).RecordTarget(cmp.Or(record.UUID, record.Name))
	if confirm != record.Name {
		return DeletedApp{}, unconfirmed(record.Name, "this deletes what is left of the app "+record.Name)
	}
	gone, err := s.deleteRecorded(ctx, record)
	return DeletedApp{UUID: record.UUID, Name: record.Name, Gone: gone}, err
}

// deleteRecorded writes down that an app is to go, so that a job sees to it whatever
// happens, and begins with it.
func (s *Scope) deleteRecorded(ctx context.Context, a AppRecord) (gone bool, err error) {
	project, err := inside(s).Project()
	if err != nil {
		return false, err
	}
	if err := db(s).MarkAppDeleting(ctx, a.WorkspaceID, a.ID, inside(s).Now()); errors.Is(err, ErrNotFound) {
		return true, nil
	} else if err != nil {
		return false, StoreError("write down that the app is to go", err)
	}
	gone, err = RemoveApp(ctx, project, db(s), a)
	if err != nil {
		return false, upstream("delete the app", err)
	}
	return gone, nil
}

// doomed says what goes with an app.
func (a *App) doomed(ctx context.Context) (string, error) {
	envs, err := a.Envs(ctx, false)
	if err != nil {
		return "", err
	}
	info := a.Info()
	domain := ""
	if len(info.Domains) > 0 {
		domain = ", its domain " + info.Domains[0]
	}
	return fmt.Sprintf("this deletes the app %s for ever: its containers, its volumes and all data in them%s, and %d variables; its repository stays",
		info.Name.String(), domain, len(envs)), nil
}
