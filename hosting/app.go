package hosting

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// An App is an application of its Scope's workspace, as Coolify reported it when it was
// fetched. Creating the handle proved that the workspace owns it.
type App struct {
	scope *tenancy.Scope
	app   tenancy.FoundApp
}

// AppInfo is what a tenant may know of an app. Only these fields of Coolify's answer
// leave the server: the rest describes the host.
type AppInfo struct {
	UUID          string         `json:"uuid"`
	Name          untrusted.Text `json:"name"`
	Description   untrusted.Text `json:"description,omitzero"`
	Status        untrusted.Text `json:"status"`                   // state:health, as "running:healthy"
	Restarts      int            `json:"crash_restarts,omitempty"` // of a container that ended by itself, since it was deployed
	Domains       []string       `json:"domains"`
	Environment   untrusted.Text `json:"environment"`
	BuildPack     untrusted.Text `json:"build_pack"`
	Repository    untrusted.Text `json:"repository,omitzero"` // without credentials
	Branch        untrusted.Text `json:"branch,omitzero"`
	Commit        untrusted.Text `json:"commit,omitzero"` // pinned commit; HEAD = the branch's newest
	Ports         untrusted.Text `json:"ports,omitzero"`
	BaseDirectory untrusted.Text `json:"base_directory,omitzero"`
	HealthCheck   untrusted.Text `json:"health_check,omitzero"` // path
	Image         untrusted.Text `json:"image,omitzero"`        // that runs without a build; repository and branch are empty then
	UpdatedAt     string         `json:"updated_at,omitempty"`  // RFC 3339, UTC
}

// FindApp finds an app of the workspace by uuid, name or domain. An exact uuid wins, then
// an exact name; without one, upper and lower case are the same. If
// several apps have the name, the error is a [Conflict] that lists them. An app outside
// the workspace is [NotFound], with the same answer and the same upstream requests as an
// app that does not exist.
func FindApp(ctx context.Context, s *tenancy.Scope, ref string) (*App, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	if ref == "" || len(ref) > tenancy.MaxRef {
		return nil, errNoApp
	}
	if tenancy.UUIDForm.MatchString(ref) {
		id, err := coolify.ParseUUID(ref)
		if err != nil {
			return nil, errNoApp
		}
		return AppByID(ctx, inside(s), id)
	}
	app, fresh, err := appNamed(ctx, s, ref)
	if err != nil || fresh {
		return app, err
	}
	return AppByID(ctx, inside(s), app.app.UUID)
}

// KnownApp is FindApp for reading what the app is: an app that is named by another word
// than its uuid is at most five seconds old.
func KnownApp(ctx context.Context, s *tenancy.Scope, ref string) (*App, error) {
	if s.Require(tenancy.Read) != nil || len(ref) > tenancy.MaxRef || ref == "" || tenancy.UUIDForm.MatchString(ref) {
		return FindApp(ctx, s, ref)
	}
	app, _, err := appNamed(ctx, s, ref)
	return app, err
}

// errNoApp does not repeat the reference, so that the error is the same for every
// reference.
var errNoApp = &tenancy.Error{
	Code: tenancy.NotFound, Msg: "no such app in this workspace", Hint: "apps_list shows the apps and their uuids",
}

// AppByID fetches an application afresh and proves that the workspace owns it. It returns
// [NotFound] otherwise.
func AppByID(ctx context.Context, s tenancy.Inside, id coolify.UUID) (*App, error) {
	found, ok, err := s.FindApp(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoApp
	}
	return &App{s.Scope, found}, nil
}

// appNamed finds the workspace's app with this uuid, name or domain. It is fresh if this
// call has read it from Coolify. Whoever is not known yet is looked for again.
func appNamed(ctx context.Context, s *tenancy.Scope, ref string) (app *App, fresh bool, err error) {
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return nil, false, err
	}
	if app, err = oneApp(s, seen.Apps, ref); tenancy.IsNotFound(err) { // its environment may be a new one
		if seen, err = inside(s).Look(ctx); err != nil {
			return nil, false, err
		}
		app, err = oneApp(s, seen.Apps, ref)
	}
	if err != nil {
		return nil, false, err
	}
	inside(s).RecordTarget(app.UUID())
	return app, seen.Own, nil
}

// oneApp returns the app with this uuid, name or domain. A [Conflict] lists those of which
// it could be one.
func oneApp(s *tenancy.Scope, apps []tenancy.FoundApp, ref string) (*App, error) {
	for _, matches := range []func(tenancy.FoundApp) bool{
		func(a tenancy.FoundApp) bool { return a.UUID.String() == ref },
		func(a tenancy.FoundApp) bool { return a.Name == ref },
		func(a tenancy.FoundApp) bool { return slices.Contains(hosts(a.FQDN), host(ref)) },
		func(a tenancy.FoundApp) bool {
			return strings.EqualFold(a.Name, ref) || strings.EqualFold(a.UUID.String(), ref)
		},
	} {
		var found []*App
		for _, a := range apps {
			if matches(a) {
				found = append(found, &App{s, a})
			}
		}
		if len(found) == 1 {
			return found[0], nil
		}
		if len(found) > 1 {
			return nil, ambiguousError(found)
		}
	}
	return nil, errNoApp
}

func ambiguousError(apps []*App) error {
	var names []string
	for _, a := range apps[:min(len(apps), 10)] {
		names = append(names, a.UUID()+" (in "+a.scope.Text(a.app.Environment.Name).String()+")")
	}
	return &tenancy.Error{
		Code: tenancy.Conflict, Msg: "several apps of this workspace have that name: " + strings.Join(names, ", "),
		Hint: "name the app by its uuid",
	}
}

// Apps lists the workspace's apps, sorted by environment, name and uuid, as they were at a
// time of the last five seconds. With an environment (its name or uuid) it lists only the
// apps in it. An environment outside the workspace is [NotFound].
func Apps(ctx context.Context, s *tenancy.Scope, environment string) (infos []AppInfo, at time.Time, err error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, at, err
	}
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return nil, at, err
	}
	is := func(e coolify.Environment) bool { return environment == e.Name || environment == e.UUID.String() }
	if environment != "" && !slices.ContainsFunc(seen.Environments, is) {
		return nil, at, &tenancy.Error{
			Code: tenancy.NotFound, Msg: "no such environment in this workspace",
			Hint: "workspace_describe names the environments",
		}
	}
	infos = []AppInfo{}
	for _, found := range seen.Apps {
		if environment == "" || is(found.Environment) {
			infos = append(infos, (&App{s, found}).Info())
		}
	}
	return infos, seen.At, nil
}

// AllApps lists the workspace's apps, as Coolify has them now. Use the handles only to read
// the fields that they hold; before an action, fetch the app afresh with [AppByID].
func AllApps(ctx context.Context, s tenancy.Inside) ([]*App, error) {
	seen, err := s.Look(ctx)
	if err != nil {
		return nil, err
	}
	var apps []*App
	for _, app := range seen.Apps {
		apps = append(apps, &App{s.Scope, app})
	}
	return apps, nil
}

// UUID returns the app's uuid.
func (a *App) UUID() string { return a.app.UUID.String() }

// Info returns the fields of the app that a tenant may see.
func (a *App) Info() AppInfo {
	info := AppInfo{
		UUID: a.UUID(), Name: a.scope.Text(a.app.Name), Description: a.scope.Text(a.app.Description),
		Status: a.scope.Text(a.app.Status), Restarts: a.app.Restarts, Domains: []string{}, Environment: a.scope.Text(a.app.Environment.Name),
		BuildPack: a.scope.Text(a.app.BuildPack), Repository: a.scope.Text(tenancy.WithoutUser(a.app.GitRepository)),
		Branch: a.scope.Text(a.app.GitBranch), Commit: a.scope.Text(a.app.GitCommitSHA),
		Ports:         a.scope.Text(a.app.PortsExposes),
		BaseDirectory: a.scope.Text(a.app.BaseDirectory), HealthCheck: a.scope.Text(a.app.HealthCheckPath),
	}
	if a.app.Image != "" { // Coolify fills in a repository of its own
		info.Image, info.Repository, info.Branch, info.Commit = a.scope.Text(a.app.Image), untrusted.Text{}, untrusted.Text{}, untrusted.Text{}
	}
	if markForm.MatchString(a.app.Description) {
		info.Description = untrusted.Text{} // the app's creation has not finished; the description is its mark
	}
	for fqdn := range strings.SplitSeq(a.app.FQDN, ",") {
		if clean := a.scope.Text(tenancy.WithoutUser(fqdn)); !clean.IsZero() && len(info.Domains) < 20 {
			info.Domains = append(info.Domains, clean.String())
		}
	}
	if !a.app.UpdatedAt.IsZero() {
		info.UpdatedAt = a.app.UpdatedAt.UTC().Format(tenancy.TimeFormat)
	}
	return info
}

// hosts returns the host names in Coolify's comma list of URLs.
func hosts(fqdn string) []string {
	var out []string
	for u := range strings.SplitSeq(fqdn, ",") {
		if h := host(u); h != "" {
			out = append(out, h)
		}
	}
	return out
}

// host returns the lower-case host of a URL or of a bare domain; "" if it has no host.
func host(s string) string {
	s = strings.TrimSpace(s)
	if !strings.Contains(s, "://") {
		s = "//" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}
