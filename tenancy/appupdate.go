package tenancy

import (
	"context"
	"errors"
	"fmt"

	"github.com/vibnai/vibn-mcp/coolify"
)

// Update changes how an app is built, and its description; nil leaves that as it is.
// What would come of it is judged as if it were deployed now, and deploys nothing
// itself.
func (a *App) Update(ctx context.Context, spec BuildSpec, description *string) (AppInfo, error) {
	if err := a.scope.Require(Write); err != nil {
		return AppInfo{}, err
	}
	spec, err := spec.clean()
	if err != nil {
		return AppInfo{}, err
	}
	u := spec.update()
	if description != nil {
		u.Description = new(a.scope.Text(*description).String())
		if len(*u.Description) > maxDescription || markForm.MatchString(*u.Description) {
			return AppInfo{}, &Error{Code: Invalid, Msg: fmt.Sprintf("a description is a sentence of at most %d bytes", maxDescription)}
		}
	}
	if u == (coolify.ApplicationUpdate{}) {
		return AppInfo{}, &Error{Code: Invalid, Msg: "nothing to change", Hint: "give at least one field besides app"}
	}
	if err := a.mayBecome(ctx, spec.applied(a.is.Application)); err != nil {
		return AppInfo{}, err
	}
	if err := a.is.Calls.Update(ctx, u); err != nil {
		return AppInfo{}, upstream("change the app", err)
	}
	is, err := a.scope.app(ctx, a.is.UUID)
	if err != nil {
		return AppInfo{}, err
	}
	if missed := spec.missed(is.is.Application); missed != "" {
		return AppInfo{}, &Error{Code: Unavailable, Msg: "Coolify did not change the app's " + missed, Hint: "apps_get shows the app as it is now"}
	}
	if spec.Branch != nil && *spec.Branch != a.is.GitBranch {
		if err := is.branchChanged(ctx); err != nil {
			return AppInfo{}, err
		}
	}
	return is.Info(), nil
}

// mayBecome judges what an app would be.
func (a *App) mayBecome(ctx context.Context, would coolify.Application) error {
	placement := inside(a.scope).Workspace().Placement
	if err := placement.refuseDeploy(would, nil); err != nil || !placement.shares(would) {
		return err
	}
	envs, err := a.is.Calls.Envs(ctx)
	if err != nil {
		return upstream("read the app's variables", err)
	}
	return placement.refuseDeploy(would, envs)
}

// branchChanged notes the head of an app's new branch, so that only what is pushed
// from now on is deployed.
func (a *App) branchChanged(ctx context.Context) error {
	s := a.scope
	record, err := s.recordNow(ctx, func(r AppRecord) bool { return r.UUID == a.UUID() })
	if errors.Is(err, errDeletedMeanwhile) || err == nil && !record.Made {
		return nil // pushes do not deploy it
	}
	if err != nil {
		return StoreError("find the app", err)
	}
	projects, err := db(s).Projects(ctx, record.WorkspaceID)
	if err != nil {
		return StoreError("list the projects", err)
	}
	seen := record
	seen.Branch, seen.Head, seen.Deployment, seen.Reported = s.keptBranch(a.is.GitBranch), "", "", ""
	for _, p := range projects {
		if p.ID != record.ProjectID || inside(s).GiteaReady() != nil {
			continue
		}
		repo, err := s.openRepository(ctx, p)
		if err != nil {
			return err
		}
		head, err := repo.head(ctx, a.is.GitBranch)
		if err != nil {
			return err
		}
		seen.Head = head.SHA
	}
	if err := db(s).SetAppPush(ctx, record, seen); err != nil && !errors.Is(err, ErrConflict) && !errors.Is(err, ErrNotFound) {
		return StoreError("note the branch's head", err)
	}
	return nil
}
