package hosting

import (
	"context"
	"errors"
	"fmt"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Update changes how an app is built, and its description; nil leaves the description as
// it is. It checks the resulting app as a deployment would, but deploys nothing.
func (a *App) Update(ctx context.Context, spec BuildSpec, description *string) (AppInfo, error) {
	if err := a.scope.Require(tenancy.Write); err != nil {
		return AppInfo{}, err
	}
	spec, err := spec.clean()
	if err != nil {
		return AppInfo{}, err
	}
	u := spec.update()
	if description != nil {
		u.Description = new(a.scope.Text(*description).String())
		if len(*u.Description) > repository.MaxDescription || markForm.MatchString(*u.Description) {
			return AppInfo{}, &tenancy.Error{
				Code: tenancy.Invalid,
				Msg:  fmt.Sprintf("a description is a sentence of at most %d bytes", repository.MaxDescription),
			}
		}
	}
	if u == (coolify.ApplicationUpdate{}) {
		return AppInfo{}, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "nothing to change", Hint: "give at least one field besides app",
		}
	}
	if err := a.checkChange(ctx, spec.applyTo(a.app.Application)); err != nil {
		return AppInfo{}, err
	}
	if u.Ports != nil && a.app.FQDN != "" && a.app.BuildPack != "dockercompose" {
		u.Domain = &a.app.FQDN // without it the proxy goes on using the old port
	}
	if err := a.app.Calls.Update(ctx, u); err != nil {
		return AppInfo{}, tenancy.UpstreamError("change the app", err)
	}
	app, err := AppByID(ctx, inside(a.scope), a.app.UUID)
	if err != nil {
		return AppInfo{}, err
	}
	if missed := spec.mismatch(app.app.Application); missed != "" {
		return AppInfo{}, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "Coolify did not change the app's " + missed,
			Hint: "apps_get shows the app as it is now",
		}
	}
	if spec.Branch != nil && *spec.Branch != a.app.GitBranch {
		if err := app.recordBranchHead(ctx); err != nil {
			return AppInfo{}, err
		}
	}
	return app.Info(), nil
}

// checkChange checks whether the changed app may be deployed where the workspace is placed.
func (a *App) checkChange(ctx context.Context, would coolify.Application) error {
	placement := inside(a.scope).Workspace().Placement
	if err := refuseDeploy(placement, would, nil); err != nil || !sharesBuildHost(placement, would) {
		return err
	}
	envs, err := a.app.Calls.Envs(ctx)
	if err != nil {
		return tenancy.UpstreamError("read the app's variables", err)
	}
	return refuseDeploy(placement, would, envs)
}

// recordBranchHead records the head of an app's new branch, so that only commits pushed from
// now on are deployed.
func (a *App) recordBranchHead(ctx context.Context) error {
	s := a.scope
	record, err := recordNow(ctx, s, func(r tenancy.AppRecord) bool { return r.UUID == a.UUID() })
	if errors.Is(err, errDeletedMeanwhile) || err == nil && !record.Made {
		return nil // pushes do not deploy this app
	}
	if err != nil {
		return tenancy.StoreError("find the app", err)
	}
	projects, err := db(s).Projects(ctx, record.WorkspaceID)
	if err != nil {
		return tenancy.StoreError("list the projects", err)
	}
	seen := record
	seen.Branch, seen.Head, seen.Deployment, seen.Reported = repository.KeptBranch(s, a.app.GitBranch), "", "", ""
	for _, p := range projects {
		if p.ID != record.ProjectID || inside(s).GiteaReady() != nil {
			continue
		}
		repo, err := repository.Open(ctx, inside(s), p)
		if err != nil {
			return err
		}
		head, err := repo.Head(ctx, a.app.GitBranch)
		if err != nil {
			return err
		}
		seen.Head = head.SHA
	}
	if err := db(s).SetAppPush(ctx, record, seen); err != nil && !errors.Is(err, tenancy.ErrConflict) &&
		!errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("note the branch's head", err)
	}
	return nil
}
