package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// This file holds the finders. Each proves that a thing is in the workspace's own project
// on Coolify at the moment of the call. A found thing comes with calls bound to it. So
// the check stands here, once for each kind of thing, and code that acts on a thing has
// no id to get wrong.

// A FoundApp is an application of the workspace, as Coolify reported it in this call.
type FoundApp struct {
	coolify.Application
	Environment coolify.Environment
	Calls       coolify.AppClient
	Values      *coolify.SensitiveApp // nil = no token that may read values is configured

	scope *Scope
}

// A FoundDeployment is a deployment of an application of the workspace.
type FoundDeployment struct {
	coolify.Deployment
	App   FoundApp // its app; without an Environment unless the app was found first
	Calls coolify.DeploymentClient
	Log   *coolify.SensitiveDeployment // nil = no token that may read logs is configured
	Read  []coolify.LogEntry           // the whole log of a failed one, if a wait has read it with it
}

// A FoundDatabase is a database of the workspace.
type FoundDatabase struct {
	coolify.Database
	Environment coolify.Environment
	Calls       coolify.DatabaseClient
}

// FindApp fetches an application from Coolify and proves that it is the workspace's own.
// It returns false if the application is another workspace's or does not exist. Coolify
// hides an application's id, so environment_id proves the ownership.
func (s Inside) FindApp(ctx context.Context, id coolify.UUID) (FoundApp, bool, error) {
	app, err := s.coolify.App(id).Get(ctx)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return FoundApp{}, false, UpstreamError("read the app", err)
	}
	env, ok, ownErr := s.owns(ctx, app)
	if ownErr != nil {
		return FoundApp{}, false, ownErr
	}
	if err != nil || !ok || app.UUID != id {
		return FoundApp{}, false, nil //nolint:nilerr // a missing app is an answer, not a failure
	}
	s.RecordTarget(id.String())
	return s.foundApp(app, env), true, nil
}

// FindDeployment fetches a deployment and proves that it is the workspace's own, by the
// application that comes with it. It returns false if Coolify leaves the application out,
// as that proves nothing.
func (s Inside) FindDeployment(ctx context.Context, id coolify.UUID) (FoundDeployment, bool, error) {
	return s.findDeployment(ctx, id, false)
}

// findDeployment is FindDeployment. With withLog it asks for the log in the same request,
// where this server may read logs, and keeps it if the deployment failed.
func (s Inside) findDeployment(ctx context.Context, id coolify.UUID, withLog bool) (FoundDeployment, bool, error) {
	deployment, log, err := s.readDeployment(ctx, id, withLog)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return FoundDeployment{}, false, UpstreamError("read the deployment", err)
	}
	var app coolify.Application
	if deployment.Application != nil {
		app = *deployment.Application
	}
	env, ok, ownErr := s.owns(ctx, app)
	if ownErr != nil {
		return FoundDeployment{}, false, ownErr
	}
	if err != nil || !ok || deployment.UUID != id {
		return FoundDeployment{}, false, nil //nolint:nilerr // a missing deployment is an answer, not a failure
	}
	s.RecordTarget(id.String())
	found := s.foundDeployment(deployment, s.foundApp(app, env))
	if deployment.Status == coolify.DeploymentFailed {
		found.Read = log
	}
	return found, true, nil
}

func (s Inside) readDeployment(
	ctx context.Context, id coolify.UUID, withLog bool,
) (coolify.Deployment, []coolify.LogEntry, error) {
	if withLog && s.sensitive != nil {
		logged, err := s.sensitive.Deployment(id).Get(ctx)
		withheld := errors.Is(err, coolify.ErrForbidden) || errors.Is(err, coolify.ErrUnauthorized) ||
			errors.Is(err, coolify.ErrBrokenLog) || errors.Is(err, coolify.ErrUnavailable) // as if it is too long
		if !withheld {
			return logged.Deployment, logged.Log, err
		}
	}
	deployment, err := s.coolify.Deployment(id).Get(ctx)
	return deployment, nil, err
}

// FindDatabase fetches a database from Coolify and proves that it is the workspace's own.
// An operator can move a database, so it asks Coolify each time.
func (s Inside) FindDatabase(ctx context.Context, id coolify.UUID) (FoundDatabase, bool, error) {
	database, err := s.coolify.Database(id).Get(ctx)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return FoundDatabase{}, false, UpstreamError("read the database", err)
	}
	env, ok, ownErr := s.within(ctx, database.EnvironmentID, database.ProjectUUID)
	if ownErr != nil {
		return FoundDatabase{}, false, ownErr
	}
	if err != nil || !ok || database.UUID != id {
		return FoundDatabase{}, false, nil //nolint:nilerr // a missing database is an answer, not a failure
	}
	s.RecordTarget(id.String())
	return s.foundDatabase(database, env), true, nil
}

// owns reports whether an application is in the workspace's project, and in which
// environment. For the zero application, of one that was not found, it sends Coolify as
// many requests as for one of another workspace.
func (s *Scope) owns(ctx context.Context, app coolify.Application) (coolify.Environment, bool, error) {
	return s.within(ctx, app.EnvironmentID, app.ProjectUUID)
}

// within reports whether a thing in this environment and project is in the workspace's
// project. If Coolify names another project itself, the answer is no, regardless of the
// environment.
func (s *Scope) within(ctx context.Context, environmentID int, projectUUID string) (coolify.Environment, bool, error) {
	env, ok, err := Inside{s}.Environment(ctx, environmentID)
	if err != nil || !ok {
		return coolify.Environment{}, false, err
	}
	if projectUUID != "" && projectUUID != s.grant.workspace.CoolifyProject {
		return coolify.Environment{}, false, nil
	}
	return env, true, nil
}

// AppOfRecord binds the calls of an application that was created here. Its record, which
// is the workspace's own, proves whose it was; an operator may have moved the application
// since.
func (s Inside) AppOfRecord(a AppRecord) (coolify.AppClient, error) {
	id, err := coolify.ParseUUID(a.UUID)
	if err != nil || a.WorkspaceID != s.grant.workspace.ID {
		return coolify.AppClient{}, errors.Join(err, errNotRecorded)
	}
	return s.coolify.App(id), nil
}

// DatabaseOfRecord is AppOfRecord for a database.
func (s Inside) DatabaseOfRecord(d DatabaseRecord) (coolify.DatabaseClient, error) {
	id, err := coolify.ParseUUID(d.UUID)
	if err != nil || d.WorkspaceID != s.grant.workspace.ID {
		return coolify.DatabaseClient{}, errors.Join(err, errNotRecorded)
	}
	return s.coolify.Database(id), nil
}

var errNotRecorded = errors.New("the record is not of this workspace, or has no uuid")

// Deployments lists at most take deployments of the application, newest first, after
// skipping skip of them. count is the number of all of them.
func (a FoundApp) Deployments(ctx context.Context, skip, take int) (list []FoundDeployment, count int, err error) {
	page, err := a.Calls.Deployments(ctx, skip, take)
	if err != nil {
		return nil, 0, UpstreamError("list the app's deployments", err)
	}
	for _, deployment := range page.Deployments {
		list = append(list, a.scope.foundDeployment(deployment, a))
	}
	return list, page.Count, nil
}

// Rebound returns a deployment that another Scope of the same workspace has found, with
// calls counted on this Scope's budget. It returns the zero one if the deployment is
// another workspace's.
func (s Inside) Rebound(d FoundDeployment) FoundDeployment {
	if d.App.scope == nil || d.App.scope.grant.workspace.ID != s.grant.workspace.ID {
		return FoundDeployment{}
	}
	found := s.foundDeployment(d.Deployment, s.foundApp(d.App.Application, d.App.Environment))
	found.Read = d.Read
	return found
}

func (s *Scope) foundApp(app coolify.Application, env coolify.Environment) FoundApp {
	a := FoundApp{Application: app, Environment: env, Calls: s.coolify.App(app.UUID), scope: s}
	if s.sensitive != nil {
		a.Values = new(s.sensitive.App(app.UUID))
	}
	return a
}

func (s *Scope) foundDeployment(deployment coolify.Deployment, app FoundApp) FoundDeployment {
	d := FoundDeployment{Deployment: deployment, App: app, Calls: s.coolify.Deployment(deployment.UUID)}
	if s.sensitive != nil {
		d.Log = new(s.sensitive.Deployment(deployment.UUID))
	}
	return d
}

func (s *Scope) foundDatabase(database coolify.Database, env coolify.Environment) FoundDatabase {
	return FoundDatabase{Database: database, Environment: env, Calls: s.coolify.Database(database.UUID)}
}

// ProjectKeys are the private keys on Coolify of one of the workspace's projects.
func (s Inside) ProjectKeys(p Project) ProjectKeys { return ProjectKeys{s.coolify, p} }

// Org returns the administrator's calls for the workspace's organisation, which must
// exist; see [Inside.GiteaReady].
func (s Inside) Org() gitea.OrgClient { return s.gitea.Org(s.grant.workspace.GiteaOrg) }

// BotAccount returns the account of the workspace's bot, as recorded.
func (s Inside) BotAccount(p Provision) gitea.BotAccount {
	return gitea.NewBotAccount(s.gitea, p.Bot, p.BotID)
}

// WithToken returns a client that has a token's rights. Its requests count as this
// call's.
func (s Inside) WithToken(t secret.Text) *gitea.Bot { return s.gitea.Bot(t).Metered(s.giteaMeter) }

// Plan returns what the workspace may use.
func (s Inside) Plan() Plan { return s.grant.workspace.Plan.Or(s.guard.plan) }

// GiteaReady returns an error if the platform has no Gitea, or if the workspace's
// organisation or bot is not recorded yet.
func (s Inside) GiteaReady() error {
	switch {
	case s.gitea == nil:
		return errNoGitea
	case s.grant.workspace.GiteaOrgID == 0 || s.grant.workspace.GiteaBot == "":
		return errNoOrg
	}
	return nil
}

// Reasons why a workspace's side on Gitea cannot be used.
var (
	errNoGitea = &Error{
		Code: Unavailable, Msg: "this server is not connected to a Gitea, so workspaces have no repositories",
		Hint: "the operator can connect one with GITEA_API_URL and GITEA_API_TOKEN",
	}
	errNoOrg = &Error{
		Code: Unavailable, Msg: "this workspace has no repositories yet: its Gitea organisation is still being created",
		Hint:      "try again in a minute; if it lasts, the operator can see why with \"vibn-mcp workspace show\"",
		Retryable: true, RetryAfter: 15 * time.Second,
	}
)
