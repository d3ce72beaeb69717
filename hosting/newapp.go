package hosting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// NewApp describes an app to be created.
type NewApp struct {
	Project     string // name of the project that the app is built from
	Name        string // empty = the project's
	Spec        BuildSpec
	Env         map[string]secret.Text // values by name; at most [MaxEnvKeys]
	Domain      string                 // a host name; may be empty
	Description string
}

// CreatedApp is the result of creating an app.
type CreatedApp struct {
	UUID    string
	Name    string
	URL     string // empty = it has no domain
	Branch  string
	Created bool        // false if the app existed and was finished
	Changed []EnvChange // variables whose values reach the app in another form
}

// markForm matches a description that is only a mark of vibn-mcp.
var markForm = regexp.MustCompile(`^vibn-[0-9a-f]{32}$`)

// These are the ports that an app listens on by default.
const (
	staticPort  = 80
	defaultPort = 3000
)

// CreateApp creates an app for a project that vibn-mcp created, on the workspace's server
// and network. It deploys nothing: the next push does. If vibn-mcp already created an app
// of that name, CreateApp returns it as it is. A call after a failure resumes the
// creation. CreateApp checks everything before the first write.
func CreateApp(ctx context.Context, s *tenancy.Scope, n NewApp) (CreatedApp, error) {
	if err := s.Require(tenancy.Write); err != nil {
		return CreatedApp{}, err
	}
	c := &creation{Scope: s}
	if err := c.judge(ctx, n); err != nil {
		return CreatedApp{}, err
	}
	if err := c.readTarget(ctx); err != nil {
		return CreatedApp{}, err
	}
	if err := c.ensureRecord(ctx); err != nil {
		return CreatedApp{}, c.publicError(err)
	}
	created := !c.record.Made
	app, err := c.complete(ctx)
	if err != nil {
		return CreatedApp{}, c.publicError(err)
	}
	inside(s).RecordTarget(app.UUID.String())
	url, _, _ := strings.Cut(app.FQDN, ",")
	return CreatedApp{
		app.UUID.String(), s.Text(app.Name).String(), s.Text(tenancy.WithoutUser(url)).String(),
		s.Text(app.GitBranch).String(), created, c.changed,
	}, nil
}

// A creation is one call that creates an app.
type creation struct {
	*tenancy.Scope
	NewApp  // validated, with defaults filled in
	project tenancy.Project
	url     string      // of its domain; empty = none
	changed []EnvChange // see [CreatedApp]

	server, destination coolify.UUID // destination is zero where the server chooses the network
	environment         coolify.Environment
	apps                []*App // of the workspace
	address             string // of the repository, for Coolify
	head                string // commit of its branch; empty = none yet

	record tenancy.AppRecord
}

// publicError is the error that the tenant sees. Our code composed this request, so
// an upstream rejection is our fault, not the tenant's.
func (c *creation) publicError(err error) error {
	if e, ok := errors.AsType[*tenancy.Error](err); ok {
		return e
	}
	return tenancy.PlatformError("create the app", err)
}

// judge validates the caller's arguments and fills in defaults.
func (c *creation) judge(ctx context.Context, n NewApp) (err error) {
	c.NewApp = n
	place := inside(c.Scope).Workspace().Placement
	if c.Spec, err = n.Spec.clean(); err != nil {
		return err
	}
	if c.Spec.Build == nil {
		return &tenancy.Error{Code: tenancy.Invalid, Msg: "build is one of " + strings.Join(BuildPacks(), ", ")}
	}
	if c.Spec.Port == nil {
		c.Spec.Port = new(defaultPort)
		if *c.Spec.Build == "static" {
			c.Spec.Port = new(staticPort)
		}
	}
	if c.Spec.BaseDirectory == nil {
		c.Spec.BaseDirectory = new("/")
	}
	if c.server, err = placedServer(c.Scope); err != nil {
		return err
	}
	if err := refuseDeploy(place, c.Spec.applyTo(coolify.Application{ServerUUID: c.server}), nil); err != nil {
		return err
	}
	if c.Description = c.Text(n.Description).String(); len(c.Description) > repository.MaxDescription {
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("a description has at most %d bytes", repository.MaxDescription),
		}
	}
	if len(c.Env) > 0 {
		if err := refuseEnvSet(EnvSet{Values: c.Env}); err != nil {
			return err
		}
	}
	if c.project, err = createdProject(ctx, c.Scope, n.Project); err != nil {
		return err
	}
	c.Name = cmp.Or(n.Name, c.project.Slug)
	if err := appName(c.Scope, c.Name); err != nil {
		return err
	}
	c.url, err = domainFor(ctx, c.Scope, c.Name, n.Domain)
	return err
}

// appName validates an app's name, which becomes part of addresses.
func appName(s *tenancy.Scope, name string) error {
	if tenancy.UUIDForm.MatchString(name) {
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this name has the form of an id",
			Hint: "choose another, with a hyphen or with another length",
		}
	}
	if !repository.NameForm.MatchString(name) || len(name) > repository.MaxProjectName {
		return &tenancy.Error{
			Code: tenancy.Invalid,
			Msg: fmt.Sprintf(
				"an app's name has 1 to %d lower-case letters, digits and single hyphens between them, and begins "+
					"with a letter",
				repository.MaxProjectName,
			),
			Hint: "as in my-site",
		}
	}
	if s.Text(name).String() != name {
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this name looks like a credential",
			Hint: "choose another; names are shown to everyone in the workspace",
		}
	}
	return nil
}

// placedServer returns the server that the workspace is placed on.
func placedServer(s *tenancy.Scope) (coolify.UUID, error) {
	id, err := coolify.ParseUUID(inside(s).Workspace().Placement.Server)
	if err != nil {
		return id, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "this workspace is not placed on a server yet, so nothing can run",
			Hint: "only the platform's operator can place it: \"vibn-mcp workspace place SLUG --coolify-server-uuid " +
				"UUID\"", Err: err,
		}
	}
	return id, nil
}

// destination returns the network that the workspace's apps and databases run in; zero
// where the choice is the server's, which has one.
func destination(ctx context.Context, s *tenancy.Scope) (coolify.UUID, error) {
	place := inside(s).Workspace().Placement
	if place.Destination != "" {
		return coolify.ParseUUID(place.Destination)
	}
	p, err := db(s).Provision(ctx, inside(s).Workspace().ID)
	if err != nil {
		return coolify.UUID{}, tenancy.StoreError("read the workspace's parts", err)
	}
	id, err := coolify.ParseUUID(p.Destination)
	if err != nil && !inside(s).Premises().Isolates(place) {
		return coolify.UUID{}, nil
	}
	if err != nil {
		return id, &tenancy.Error{
			Code: tenancy.Unavailable, Msg: "this workspace's own network does not exist yet",
			Retryable: true, RetryAfter: 15 * time.Second,
			Hint: "it is created within a minute; if not, the operator can see why with \"vibn-mcp workspace show\"",
			Err:  err,
		}
	}
	return id, nil
}

// productionEnvironment returns the environment in which apps and databases are created.
func productionEnvironment(ctx context.Context, s *tenancy.Scope) (coolify.Environment, error) {
	list, err := inside(s).Environments(ctx)
	if err != nil {
		return coolify.Environment{}, err
	}
	if i := slices.IndexFunc(list, func(e coolify.Environment) bool { return e.Name == "production" }); i >= 0 {
		return list[i], nil
	}
	if len(list) == 1 {
		return list[0], nil
	}
	return coolify.Environment{}, &tenancy.Error{
		Code: tenancy.Unavailable, Msg: "the workspace has no environment \"production\"",
		Hint: "only the platform's operator can make one, in Coolify",
	}
}

// createdProject returns a project that vibn-mcp created and whose repository exists.
func createdProject(ctx context.Context, s *tenancy.Scope, name string) (tenancy.Project, error) {
	p, err := repository.RecordedProject(ctx, inside(s), name)
	if err != nil {
		return p, err
	}
	if p.ID == "" {
		return p, &tenancy.Error{
			Code: tenancy.NotFound, Msg: "no such project in this workspace that was created here",
			Hint: "projects_create creates one; projects_list shows the projects",
		}
	}
	if !p.Made() {
		return p, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "the project's repository is not created yet",
			Hint:      "projects_create with the same name continues",
			Retryable: true, RetryAfter: 15 * time.Second,
		}
	}
	return p, inside(s).GiteaReady()
}

// readTarget reads where the app goes and what exists there.
func (c *creation) readTarget(ctx context.Context) (err error) {
	if c.destination, err = destination(ctx, c.Scope); err != nil {
		return err
	}
	if c.environment, err = productionEnvironment(ctx, c.Scope); err != nil {
		return err
	}
	if c.apps, err = AllApps(ctx, inside(c.Scope)); err != nil {
		return err
	}
	repo, err := repository.Open(ctx, inside(c.Scope), c.project)
	if err != nil {
		return err
	}
	if c.address, err = provision.CloneAddress(repo.Repository); err != nil {
		return err
	}
	if c.Spec.Branch == nil {
		c.Spec.Branch = new(cmp.Or(repo.DefaultBranch, "main"))
		if _, err := c.Spec.clean(); err != nil {
			return err
		}
	}
	head, err := repo.Head(ctx, *c.Spec.Branch)
	c.head = head.SHA
	if err == nil && c.head == "" && !repo.Empty && *c.Spec.Branch == repo.DefaultBranch {
		return repo.NoBranch(*c.Spec.Branch)
	}
	return err
}

// ensureRecord finds the app's record, or creates it. If another app has the name, it
// returns a [Conflict].
func (c *creation) ensureRecord(ctx context.Context) error {
	records, err := db(c.Scope).AppRecords(ctx, inside(c.Scope).Workspace().ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	living := 0
	for _, a := range records {
		if a.DeletingAt == nil {
			living++
		}
		if a.Name != c.Name {
			continue
		}
		there, err := c.resumeOrForget(ctx, a)
		if err != nil {
			return err
		}
		if there && a.Made {
			c.record = a
			return nil
		}
		if there {
			c.record = a
			return c.checkNameUnused()
		}
		if a.DeletingAt == nil {
			living--
		}
	}
	if err := c.checkNameUnused(); err != nil {
		return err
	}
	if living >= inside(c.Scope).Plan().Apps {
		return planLimitError("app", inside(c.Scope).Plan().Apps, living)
	}
	c.record = tenancy.AppRecord{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(c.Scope).Workspace().ID, ProjectID: c.project.ID,
		Name:  c.Name,
		Nonce: tenancy.RandomHex(), CreatedAt: inside(c.Scope).Now(),
	}
	err = db(c.Scope).CreateApp(ctx, c.record)
	if err == nil {
		return c.refuseOneMore(ctx)
	}
	if !errors.Is(err, tenancy.ErrConflict) {
		return tenancy.StoreError("read or write the record", err)
	}
	// A concurrent call created the record first.
	c.record, err = recordNow(ctx, c.Scope, func(a tenancy.AppRecord) bool { return a.Name == c.Name })
	return err
}

// refuseOneMore refuses an app beyond the plan's limit. It counts after the record
// exists, so that concurrent calls cannot exceed the limit.
func (c *creation) refuseOneMore(ctx context.Context) error {
	records, err := db(c.Scope).AppRecords(ctx, inside(c.Scope).Workspace().ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	records = slices.DeleteFunc(records, func(a tenancy.AppRecord) bool { return a.DeletingAt != nil })
	if len(records) <= inside(c.Scope).Plan().Apps {
		return nil
	}
	if err := db(c.Scope).DropApp(ctx, c.record.WorkspaceID, c.record.ID); err != nil &&
		!errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("read or write the record", err)
	}
	return planLimitError("app", inside(c.Scope).Plan().Apps, len(records)-1)
}

// planLimitError returns the error for exceeding the plan's limit.
func planLimitError(kind string, allowed, existing int) *tenancy.Error {
	things, exist := kind+"s", "exist"
	if allowed == 1 {
		things = kind
	}
	if existing == 1 {
		exist = "exists"
	}
	return &tenancy.Error{
		Code: tenancy.Forbidden, Msg: fmt.Sprintf("the plan allows %d %s, and %d %s", allowed, things, existing, exist),
		Hint: "delete one with " + kind + "s_delete, or ask the platform's operator for a larger plan",
	}
}

// recordNow reads a record again, or returns errDeletedMeanwhile.
func recordNow(ctx context.Context, s *tenancy.Scope, matches func(tenancy.AppRecord) bool) (tenancy.AppRecord, error) {
	records, err := db(s).AppRecords(ctx, inside(s).Workspace().ID)
	if err != nil {
		return tenancy.AppRecord{}, tenancy.StoreError("read or write the record", err)
	}
	i := slices.IndexFunc(records, matches)
	if i < 0 {
		return tenancy.AppRecord{}, errDeletedMeanwhile
	}
	return records[i], nil
}

var errDeletedMeanwhile = &tenancy.Error{
	Code: tenancy.Conflict, Msg: "the app was deleted while it was being created",
	Hint: "call again if it is still wanted", Retryable: true,
}

// resumeOrForget reports whether the app of a row is to be resumed. It deletes the row
// of an app that is gone from Coolify.
func (c *creation) resumeOrForget(ctx context.Context, a tenancy.AppRecord) (bool, error) {
	switch {
	case a.DeletingAt != nil:
		project, err := inside(c.Scope).Project()
		if err != nil {
			return false, err
		}
		gone, err := provision.RemoveApp(ctx, project, db(c.Scope), a)
		if err != nil || gone {
			return false, err
		}
		return false, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "an app of that name is being deleted", Hint: "call again in a moment",
			Retryable: true, RetryAfter: 5 * time.Second,
		}
	case a.ProjectID != c.project.ID:
		return false, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "another project of this workspace has an app of that name",
			Hint: "choose another name",
		}
	case a.UUID == "" || slices.ContainsFunc(c.apps, func(app *App) bool { return app.UUID() == a.UUID }):
		return true, nil
	}
	there, err := inside(c.Scope).AppOfRecord(a)
	if err != nil {
		return false, err
	}
	_, err = there.Get(ctx)
	if err == nil {
		return false, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "an app of that name was moved out of this workspace",
			Hint: "choose another name, or ask the platform's operator",
		}
	}
	if !errors.Is(err, coolify.ErrNotFound) {
		return false, err
	}
	return false, tenancy.StoreError("read or write the record", db(c.Scope).DropApp(ctx, a.WorkspaceID, a.ID))
}

// checkNameUnused refuses the name of an app that was not created here.
func (c *creation) checkNameUnused() error {
	for _, app := range c.apps {
		if app.app.Name == c.Name && app.UUID() != c.record.UUID && (c.record.ID == "" ||
			!tenancy.HasMark(app.app.Description, provision.AppMark(c.record))) {
			return &tenancy.Error{
				Code: tenancy.Conflict,
				Msg:  "this workspace has an app of that name that was not created with apps_create",
				Hint: "choose another name; apps_get shows that one",
			}
		}
	}
	return nil
}
