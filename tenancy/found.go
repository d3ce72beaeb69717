package tenancy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// What is in this file is found: proved to be in the workspace's own project on
// Coolify at the moment of the call. A thing that was found comes with calls that are
// bound to it, so the check is here, once for each kind of thing, and code that acts
// on one has no id to get wrong.

// A FoundApp is an application of the workspace, as Coolify knew it at that moment.
type FoundApp struct {
	coolify.Application
	Environment coolify.Environment
	Calls       coolify.AppClient
	Values      *coolify.SensitiveApp // nil = no token that may read values

	scope *Scope
}

// A FoundDeployment is a deployment of an application of the workspace.
type FoundDeployment struct {
	coolify.Deployment
	App   FoundApp // that it is of; without an Environment unless the app was found first
	Calls coolify.DeploymentClient
	Log   *coolify.SensitiveDeployment // nil = no token that may read logs
}

// A FoundDatabase is a database of the workspace.
type FoundDatabase struct {
	coolify.Database
	Environment coolify.Environment
	Calls       coolify.DatabaseClient
}

// FindApp fetches an application afresh and proves that it is the workspace's own;
// false if it is not, or not there. Coolify hides the application's id, so ownership
// goes by environment_id.
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
		return FoundApp{}, false, nil //nolint:nilerr // not there is an answer, and no failure
	}
	s.RecordTarget(id.String())
	return s.foundApp(app, env), true, nil
}

// FindDeployment fetches a deployment and proves it: its application comes with it.
// A Coolify that leaves the application out proves nothing.
func (s Inside) FindDeployment(ctx context.Context, id coolify.UUID) (FoundDeployment, bool, error) {
	deployment, err := s.coolify.Deployment(id).Get(ctx)
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
		return FoundDeployment{}, false, nil //nolint:nilerr // not there is an answer, and no failure
	}
	s.RecordTarget(id.String())
	return s.foundDeployment(deployment, s.foundApp(app, env)), true, nil
}

// FindDatabase fetches a database afresh and proves that it is the workspace's own. An
// operator can move one, so it is asked for each time.
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
		return FoundDatabase{}, false, nil //nolint:nilerr // not there is an answer, and no failure
	}
	s.RecordTarget(id.String())
	return s.foundDatabase(database, env), true, nil
}

// owns reports whether an application is in the workspace's project, and in
// which environment. A zero application, of one that was not found, asks as
// much of Coolify as one of another workspace.
func (s *Scope) owns(ctx context.Context, app coolify.Application) (coolify.Environment, bool, error) {
	return s.within(ctx, app.EnvironmentID, app.ProjectUUID)
}

// within reports whether a thing in this environment and project is in the
// workspace's. Where Coolify names the project itself and it is another one, the
// answer is no, whatever else is known.
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

// AppsIn lists the applications of one environment of the workspace's project.
// Coolify's list of applications is the whole team's, so it goes down from the
// project. What is found so is good for reading what it holds; an act needs
// [Inside.FindApp], which fetches afresh.
func (s Inside) AppsIn(ctx context.Context, env coolify.Environment) ([]FoundApp, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	list, err := project.Applications(ctx, env.UUID)
	if err != nil {
		return nil, UpstreamError("list the apps", err)
	}
	var found []FoundApp
	for _, app := range list {
		if app.EnvironmentID == env.ID && env.ID != 0 {
			found = append(found, s.foundApp(app, env))
		}
	}
	return found, nil
}

// DatabasesIn lists the databases of one environment, as AppsIn does applications.
func (s Inside) DatabasesIn(ctx context.Context, env coolify.Environment) ([]FoundDatabase, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	list, err := project.Databases(ctx, env.UUID)
	if err != nil {
		return nil, UpstreamError("list the databases", err)
	}
	var found []FoundDatabase
	for _, database := range list {
		if database.EnvironmentID == env.ID && env.ID != 0 {
			found = append(found, s.foundDatabase(database, env))
		}
	}
	return found, nil
}

// AppOfRecord binds the calls of an application that was created here. Its record,
// which is the workspace's own, says whose it was; an operator may have moved it since.
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

// Deployments lists deployments of the application, newest first, after skipping some;
// count is how many there are in all.
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
// calls on this Scope's account; a zero one if it is another workspace's.
func (s Inside) Rebound(d FoundDeployment) FoundDeployment {
	if d.App.scope == nil || d.App.scope.grant.workspace.ID != s.grant.workspace.ID {
		return FoundDeployment{}
	}
	return s.foundDeployment(d.Deployment, s.foundApp(d.App.Application, d.App.Environment))
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
func (s Inside) ProjectKeys(p Project) ProjectKeys { return NewProjectKeys(s.coolify, p) }

// Org makes the administrator's calls of the workspace's organisation, which must be
// there; see [Inside.GiteaReady].
func (s Inside) Org() gitea.OrgClient { return s.gitea.Org(s.grant.workspace.GiteaOrg) }

// BotAccount is the account of the workspace's bot, as it is recorded.
func (s Inside) BotAccount(p Provision) BotAccount { return NewBotAccount(s.gitea, p.Bot, p.BotID) }

// WithToken returns a client that may what a token may, on the workspace's account.
func (s Inside) WithToken(t secret.Text) *gitea.Bot { return s.gitea.Bot(t).Metered(s.giteaMeter) }

// Plan is what the workspace may use.
func (s Inside) Plan() Plan { return s.grant.workspace.Plan.Or(s.guard.plan) }

// GiteaReady refuses what needs the workspace's half on Gitea before it is there.
func (s Inside) GiteaReady() error {
	switch {
	case s.gitea == nil:
		return errNoGitea
	case s.grant.workspace.GiteaOrgID == 0 || s.grant.workspace.GiteaBot == "":
		return errNoOrg
	}
	return nil
}

// EveryApp lists the workspace's applications, by environment, name and uuid; with an
// environment (its name or uuid) those in it. One that is not the workspace's is
// [NotFound].
func (s Inside) EveryApp(ctx context.Context, environment string) ([]FoundApp, error) {
	envs, err := s.Environments(ctx)
	if err != nil {
		return nil, err
	}
	var apps []FoundApp
	found := environment == ""
	for _, env := range envs {
		if environment != "" && environment != env.Name && environment != env.UUID.String() {
			continue
		}
		found = true
		list, err := s.AppsIn(ctx, env)
		if err != nil {
			return nil, err
		}
		apps = append(apps, list...)
	}
	if !found {
		return nil, &Error{Code: NotFound, Msg: "no such environment in this workspace", Hint: "workspace_describe names the environments"}
	}
	slices.SortFunc(apps, func(a, b FoundApp) int {
		return cmp.Or(
			cmp.Compare(a.Environment.Name, b.Environment.Name), cmp.Compare(a.Name, b.Name), cmp.Compare(a.UUID.String(), b.UUID.String()),
		)
	})
	return apps, nil
}

// What keeps a workspace's side on Gitea from being used.
var (
	errNoGitea = &Error{
		Code: Unavailable, Msg: "this server has no Gitea, so workspaces have no repositories",
		Hint: "the operator can give it one with GITEA_API_URL and GITEA_API_TOKEN",
	}
	errNoOrg = &Error{
		Code: Unavailable, Msg: "this workspace has no repositories yet: its Gitea organisation is still to be made",
		Hint: "try again in a minute; if it goes on, the operator can see why with \"vibn-mcp workspace show\"", Retryable: true, RetryAfter: 15 * time.Second,
	}
)
