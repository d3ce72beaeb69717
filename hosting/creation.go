package hosting

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// This file holds what is done on Coolify after an app has been validated and recorded.

// complete creates the application, unless it exists, and performs every remaining step.
func (c *creation) complete(ctx context.Context) (coolify.Application, error) {
	var none coolify.Application
	if c.record.Made {
		return c.finishExisting(ctx)
	}
	key, err := provision.EnsureDeployKey(
		ctx, inside(c.Scope).ProjectKeys(c.project), inside(c.Scope).Org().Repo(c.project.GiteaName()), db(c.Scope),
		inside(c.Scope).Workspace(), c.project,
	)
	if err != nil {
		return none, err
	}
	fresh, err := c.ensureApplication(ctx, key)
	if err != nil {
		return none, err
	}
	app, err := inside(c.Scope).AppOfRecord(c.record)
	if err != nil {
		return none, err
	}
	if c.record.Made { // by a concurrent call
		return c.finishExisting(ctx)
	}
	if !fresh { // an earlier call may have used another spec
		u := c.Spec.update()
		u.Domain = &c.url
		err := app.Update(ctx, u)
		if errors.Is(err, coolify.ErrConflict) {
			return none, c.discard(ctx, domainError("create the app", err))
		}
		if err != nil {
			return none, err
		}
	}
	made, err := app.Get(ctx)
	if err != nil {
		return none, err
	}
	if mismatch := c.mismatch(made); mismatch != "" {
		return none, c.discard(ctx, &tenancy.Error{
			Code: tenancy.Unavailable,
			Msg:  "Coolify did not create the app as requested, so it was deleted again: " + mismatch,
			Hint: "only the platform's operator can fix this; \"vibn-mcp doctor\" and the log may say why",
		})
	}
	if len(c.Env) > 0 {
		changes, err := (&App{
			c.Scope, tenancy.FoundApp{Application: made, Environment: c.environment, Calls: app},
		}).SetEnvs(ctx, EnvSet{Values: c.Env})
		if err != nil {
			return none, err
		}
		for _, change := range changes {
			if change.Arrives != "" {
				c.changed = append(c.changed, change)
			}
		}
	}
	return made, c.finish(ctx, app)
}

// finishExisting returns an application that an earlier call finished. It deletes the
// twins that a crash left.
func (c *creation) finishExisting(ctx context.Context) (coolify.Application, error) {
	app, err := inside(c.Scope).AppOfRecord(c.record)
	if err != nil {
		return coolify.Application{}, err
	}
	if err := c.dropTwins(ctx, c.markedApps()); err != nil {
		return coolify.Application{}, err
	}
	return app.Get(ctx)
}

// ensureApplication creates the application if none exists, records it, and deletes its
// twins. fresh is true if this call created it. Twins come from a concurrent call, or
// from a call whose answer was lost. The recorded one stays, or the oldest if none is
// recorded.
func (c *creation) ensureApplication(ctx context.Context, key coolify.UUID) (fresh bool, err error) {
	if c.record.UUID != "" {
		return false, c.dropTwins(ctx, c.markedApps())
	}
	listed := true // c.apps has just been listed
	var refused error
	_, fresh, err = once.Thing[*App]{
		Find: func(ctx context.Context) (found []*App, err error) {
			if !listed {
				c.apps, err = AllApps(ctx, inside(c.Scope))
			}
			listed = false
			return c.markedApps(), err
		},
		Create: func(ctx context.Context) error {
			refused = c.createApplication(ctx, key)
			return refused
		},
		Recorded: func(app *App) bool { return app.UUID() == c.record.UUID },
		Record:   c.recordOne,
		Drop:     deleteTwin,
	}.Ensure(ctx)
	switch {
	case errors.Is(err, errDeletedMeanwhile):
		return fresh, cmp.Or(c.dropTwins(ctx, c.markedApps()), err)
	case refused != nil && errors.Is(err, refused):
		return fresh, c.releaseName(ctx, err)
	}
	return fresh, err
}

// recordOne records an application, unless a concurrent call has recorded another.
func (c *creation) recordOne(ctx context.Context, app *App) error {
	err := db(c.Scope).RecordApp(ctx, c.record.WorkspaceID, c.record.ID, app.UUID(), false)
	if err != nil && !errors.Is(err, tenancy.ErrConflict) && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("record the app", err)
	}
	now, err := recordNow(ctx, c.Scope, func(a tenancy.AppRecord) bool { return a.ID == c.record.ID })
	if err != nil {
		return err
	}
	c.record = now
	return nil
}

// markedApps returns the applications that bear the app's mark, oldest first.
func (c *creation) markedApps() []*App {
	var marked []*App
	for _, app := range c.apps {
		if tenancy.HasMark(app.app.Description, provision.AppMark(c.record)) {
			marked = append(marked, app)
		}
	}
	slices.SortFunc(marked, func(a, b *App) int {
		return cmp.Or(a.app.CreatedAt.Compare(b.app.CreatedAt), cmp.Compare(a.UUID(), b.UUID()))
	})
	return marked
}

func (c *creation) dropTwins(ctx context.Context, twins []*App) error {
	for _, app := range twins {
		if app.UUID() == c.record.UUID {
			continue
		}
		if err := deleteTwin(ctx, app); err != nil {
			return err
		}
	}
	return nil
}

func deleteTwin(ctx context.Context, app *App) error {
	if err := app.app.Calls.Delete(ctx, provision.DeleteWithData); !errors.Is(err, coolify.ErrNotFound) {
		return err
	}
	return nil
}

func (c *creation) createApplication(ctx context.Context, key coolify.UUID) error {
	project, err := inside(c.Scope).Project()
	if err != nil {
		return err
	}
	want := c.Spec.applyTo(coolify.Application{})
	_, err = project.CreateApp(ctx, coolify.NewApplication{
		Environment: c.environment.UUID, Server: c.server, Destination: c.destination, PrivateKey: key,
		Name: c.Name, Description: provision.AppMark(c.record), Repository: c.address, Branch: want.GitBranch,
		BuildPack: want.BuildPack,
		Ports:     want.PortsExposes, BaseDirectory: want.BaseDirectory, DockerfileLocation: want.DockerfileLocation,
		PublishDirectory: want.PublishDirectory, HealthCheckPath: want.HealthCheckPath, Domain: c.url,
		Limits: limits(c.Scope),
	})
	return err
}

// limits returns the resource limits of each container of the workspace.
func limits(s *tenancy.Scope) coolify.Limits {
	p := inside(s).Plan()
	return coolify.Limits{Memory: p.Memory, MemorySwap: p.Memory, CPUs: p.CPUs}
}

// releaseName drops the record if Coolify refused to create the application.
func (c *creation) releaseName(ctx context.Context, failed error) error {
	if !errors.Is(failed, coolify.ErrConflict) && !errors.Is(failed, coolify.ErrInvalid) &&
		!errors.Is(failed, coolify.ErrNotFound) {
		return failed
	}
	if err := db(c.Scope).DropApp(ctx, c.record.WorkspaceID, c.record.ID); err != nil &&
		!errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("read or write the record", err)
	}
	if errors.Is(failed, coolify.ErrConflict) {
		return domainError("create the app", failed)
	}
	return failed
}

// discard deletes what has been created, and returns why.
func (c *creation) discard(ctx context.Context, why error) error {
	project, err := inside(c.Scope).Project()
	if err != nil {
		return err
	}
	if err := db(c.Scope).MarkAppDeleting(ctx, c.record.WorkspaceID, c.record.ID, inside(c.Scope).Now()); err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if _, err := provision.RemoveApp(ctx, project, db(c.Scope), c.record); err != nil {
		inside(c.Scope).Log().WarnContext(
			ctx, "an app that was made wrong is still to be deleted; a job does it", "workspace", c.Slug(), "app",
			c.record.ID, "err", c.ForLog(err),
		)
	}
	return why
}

// mismatch says in what an application differs from the request; "" if it matches.
// Coolify silently ignores some fields of a request.
func (c *creation) mismatch(app coolify.Application) string {
	switch missed := c.Spec.mismatch(app); {
	case missed != "":
		return "its " + missed + " is another"
	case app.EnvironmentID != c.environment.ID:
		return "it is in another environment"
	case !app.ServerUUID.IsZero() && app.ServerUUID != c.server:
		return "it is on another server"
	case !c.destination.IsZero() && app.DestinationUUID != c.destination:
		return "it is in another network"
	case app.Limits != limits(c.Scope):
		return "its limits differ"
	case app.AutoDeploy != nil && *app.AutoDeploy:
		return "Coolify's own webhook deploys it"
	case strings.TrimSuffix(app.FQDN, "/") != strings.TrimSuffix(c.url, "/"):
		return "its domain is another"
	}
	return ""
}

// finish replaces the mark with the caller's description and records the branch's head,
// so that only commits pushed from now on are deployed. It then requests a check for
// commits pushed meanwhile.
func (c *creation) finish(ctx context.Context, app coolify.AppClient) error {
	if err := app.Update(ctx, coolify.ApplicationUpdate{Description: &c.Description}); err != nil {
		return err
	}
	seen := c.record
	seen.Branch, seen.Head = repository.KeptBranch(c.Scope, *c.Spec.Branch), c.head
	if err := db(c.Scope).SetAppPush(ctx, c.record, seen); err != nil && !errors.Is(err, tenancy.ErrConflict) {
		return tenancy.StoreError("read or write the record", err)
	}
	if err := db(c.Scope).RecordApp(ctx, c.record.WorkspaceID, c.record.ID, c.record.UUID, true); err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	return tenancy.StoreError(
		"read or write the record",
		db(c.Scope).RequestPush(ctx, c.record.WorkspaceID, c.project.RepositoryID, "app "+c.record.ID),
	)
}
