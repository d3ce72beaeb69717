package coolifytest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"
)

// A Project is a tenant's, with its environments in the order of their ids.
type Project struct {
	ID           int
	UUID         string
	Name         string
	Description  string
	Environments []Environment
}

// An Environment of a project.
type Environment struct {
	ID   int
	UUID string
	Name string
}

type project struct {
	id, team         int
	uuid, name       string
	description      string
	created, updated time.Time
	environments     []*environment
}

type environment struct {
	id               int
	uuid, name       string
	description      any // null until somebody sets one
	project          *project
	created, updated time.Time
}

// next gives the next id of a kind of row. Ids are never given twice.
func (s *Server) next(kind string) int {
	s.ids[kind]++
	return s.ids[kind]
}

func find[T any](all []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i]
	}
	return nil
}

// must panics for an id that the program around the simulator got wrong.
func must[T any](v *T, kind, uuid string) *T {
	if v == nil {
		panic(fmt.Sprintf("coolifytest: no %s %q", kind, uuid))
	}
	return v
}

// AddProject adds a project to team 0. As in Coolify, it comes with the
// environment production, and its name need not be unique.
func (s *Server) AddProject(name string) Project { return s.AddTeamProject(0, name) }

// AddTeamProject is [Server.AddProject] for any team.
func (s *Server) AddTeamProject(team int, name string) Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addProject(team, name, "").public()
}

// Projects returns the projects of every team.
func (s *Server) Projects() []Project {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Project, len(s.projects))
	for i, p := range s.projects {
		out[i] = p.public()
	}
	return out
}

// AddEnvironment adds an environment. Its name is stored as Coolify stores it.
// An unknown project panics.
func (s *Server) AddEnvironment(projectUUID, name string) Environment {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := must(find(s.projects, func(p *project) bool { return p.uuid == projectUUID }), "project", projectUUID)
	return s.addEnvironment(p, name).public()
}

func (s *Server) addProject(team int, name, description string) *project {
	now := s.cfg.Now()
	p := &project{
		id: s.next("project"), team: team, uuid: random(24), name: name, description: description,
		created: now, updated: now,
	}
	s.projects = append(s.projects, p)
	s.addEnvironment(p, "production")
	return p
}

func (s *Server) addEnvironment(p *project, name string) *environment {
	now := s.cfg.Now()
	e := &environment{
		id: s.next("environment"), uuid: random(24), name: environmentName(name), project: p, created: now,
		updated: now,
	}
	p.environments = append(p.environments, e)
	return e
}

func (p *project) public() Project {
	out := Project{ID: p.id, UUID: p.uuid, Name: p.name, Description: p.description}
	for _, e := range p.environments {
		out.Environments = append(out.Environments, e.public())
	}
	return out
}

func (e *environment) public() Environment { return Environment{ID: e.id, UUID: e.uuid, Name: e.name} }

func (s *Server) environment(uuid string) *environment {
	for _, p := range s.projects {
		if e := find(p.environments, func(e *environment) bool { return e.uuid == uuid }); e != nil {
			return e
		}
	}
	return nil
}

// An App is an application. Empty fields get what Coolify gives a new one.
type App struct {
	UUID, Name, Description string
	FQDN                    string // comma list of URLs
	BuildPack               string // dockerfile by default
	GitRepository           string
	GitBranch               string // main by default
	GitCommitSHA            string // HEAD by default
	BaseDirectory           string // / by default
	PublishDirectory        string
	DockerfileLocation      string
	DockerComposeLocation   string // /docker-compose.yaml by default
	PortsExposes            string // 3000 by default
	CustomDockerRunOptions  string
	Status                  string   // exited:unhealthy by default
	Logs                    string   // what the container printed
	Tags                    []string // lower case
	NoAutoDeploy            bool     // Coolify's own webhook does not deploy it
	Limits                  Limits
	HostUUID                string // a server of the team by default
	DestinationUUID         string // of that server; its first by default
	PrivateKeyUUID          string // the key of the servers by default
	EnvironmentUUID         string // filled in
	Deleting                bool   // filled in: its deletion is queued

	// Listens is the port that the process in its container listens on, if that does not
	// follow PortsExposes.
	Listens string
	// Image is what an application of the build pack dockerimage runs, as name:tag.
	Image string

	// HTTPStatus is what its container answers; 200 by default.
	HTTPStatus int

	// Commit and CommitMessage are the head of the branch, which a deployment
	// finds. A commit is made when empty.
	Commit, CommitMessage string
	// FailNext makes the next deployment fail. It is set back by that deployment.
	FailNext bool
	// FailAs says how; [FailBuild] by default.
	FailAs Failure
	// HealthCheck says that Coolify waits for the container to be healthy, and that its
	// status tells whether it is.
	HealthCheck bool
	// HealthCheckPath is the page that it asks for; / by default.
	HealthCheckPath string
	// Crash says that the containers of the next deployments end soon after they start,
	// again and again, until Coolify gives up.
	Crash bool
	// Restarts and RestartedAt are what Coolify shows of restarts after crashes of a
	// container that the simulator did not start.
	Restarts    int
	RestartedAt *time.Time
	// NoPage makes it answer 404 at / with the very bytes of the proxy's own answer, as a
	// server in Go without a page there does.
	NoPage bool

	// Files is the checkout for the [Builder], by path. A file that begins with
	// #! is executable.
	Files map[string]string
	// NixpacksVariables are what nixpacks plans, from the tenant's nixpacks.toml.
	NixpacksVariables map[string]string
}

// Limits are what a container may take; "0", the default, is no limit.
type Limits struct{ Memory, MemorySwap, CPUs string }

func (l *Limits) fill() {
	for _, field := range []*string{&l.Memory, &l.MemorySwap, &l.CPUs} {
		*field = cmp.Or(*field, "0")
	}
}

func (l Limits) json() object {
	return object{"limits_memory": l.Memory, "limits_memory_swap": l.MemorySwap, "limits_cpus": l.CPUs}
}

// limits are those of the input.
func (l *Limits) apply(c *call) {
	for field, to := range map[string]*string{
		"limits_memory": &l.Memory, "limits_memory_swap": &l.MemorySwap, "limits_cpus": &l.CPUs,
	} {
		if c.has(field) {
			*to = c.text(field)
		}
	}
}

type app struct {
	App
	id               int
	env              *environment
	host             *host
	dest             *destination
	key              *privateKey
	live             *container // nil until a deployment has finished
	before           string     // the status that Coolify showed before that
	proxyPort        string     // in the labels for the proxy, which a change of the port alone leaves
	stopping         *time.Time // when its stop was asked for
	rows             []*row
	created, updated time.Time
	deleted          *time.Time // when its deletion was asked for
	cleanup          bool       // its deletion cleans its server up
}

func (a *App) fill() {
	for field, value := range map[*string]string{
		&a.UUID: random(24), &a.BuildPack: "dockerfile", &a.GitBranch: "main", &a.GitCommitSHA: "HEAD",
		&a.BaseDirectory:         "/",
		&a.HealthCheckPath:       "/",
		&a.DockerComposeLocation: "/docker-compose.yaml", &a.PortsExposes: "3000", &a.Status: "exited:unhealthy",
	} {
		if *field == "" {
			*field = value
		}
	}
	a.Limits.fill()
	a.HTTPStatus = cmp.Or(a.HTTPStatus, http.StatusOK)
}

func (a *app) copy() App {
	out := a.App
	out.HostUUID, out.DestinationUUID, out.PrivateKeyUUID = a.host.UUID, a.dest.UUID, a.key.UUID
	out.EnvironmentUUID, out.Deleting = a.env.uuid, a.deleted != nil
	out.Tags = slices.Clone(a.Tags)
	out.Files, out.NixpacksVariables = maps.Clone(a.Files), maps.Clone(a.NixpacksVariables)
	return out
}

// AddApp adds an application. An unknown environment panics. As in Coolify, a
// nixpacks application comes with a variable that nobody asked for.
func (s *Server) AddApp(environmentUUID string, a App) App {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := must(s.environment(environmentUUID), "environment", environmentUUID)
	dest := s.destinationFor(env.project.team, a.HostUUID, a.DestinationUUID)
	key := s.keys[0]
	if a.PrivateKeyUUID != "" {
		key = must(
			find(s.keys, func(k *privateKey) bool { return k.UUID == a.PrivateKeyUUID }), "private key",
			a.PrivateKeyUUID,
		)
	}
	return s.addApp(env, dest, key, a).copy()
}

func (s *Server) addApp(env *environment, dest *destination, key *privateKey, a App) *app {
	now := s.cfg.Now()
	added := &app{
		App: a, id: s.next("application"), env: env, host: dest.host, dest: dest, key: key, created: now, updated: now,
	}
	added.fill()
	added.proxyPort = added.PortsExposes
	s.apps = append(s.apps, added)
	if added.BuildPack == "nixpacks" {
		s.createRow(added, Env{Key: "NIXPACKS_NODE_VERSION", Value: "22", BuildTime: true})
	}
	return added
}

// destinationFor returns the destination named, or the first of the server.
func (s *Server) destinationFor(team int, hostUUID, uuid string) *destination {
	h := s.hostFor(team, hostUUID)
	if uuid == "" {
		return must(h.firstDestination(), "destination of server", h.UUID)
	}
	return must(find(h.destinations, func(d *destination) bool { return d.UUID == uuid }), "destination", uuid)
}

// hostFor returns the server named, or the team's first, made if need be.
func (s *Server) hostFor(team int, uuid string) *host {
	if uuid != "" {
		return must(find(s.hosts, func(h *host) bool { return h.UUID == uuid }), "server", uuid)
	}
	if h := find(s.hosts, func(h *host) bool { return h.Team == team }); h != nil {
		return h
	}
	return s.addHost(Host{Name: fmt.Sprintf("host-of-team-%d", team), Team: team})
}

// App returns an application; false when there is none, or no more.
func (s *Server) App(uuid string) (App, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	a := s.app(uuid)
	if a == nil {
		return App{}, false
	}
	return a.copy(), true
}

// SetApp changes an application as an operator would. An unknown uuid panics.
func (s *Server) SetApp(uuid string, change func(*App)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := must(s.app(uuid), "application", uuid)
	was := a.Status
	change(&a.App)
	a.fill()
	if a.Status != was {
		a.before = a.Status // nobody waits to notice it
	}
	a.updated = s.cfg.Now()
}

// MoveApp puts an application into another environment; it keeps its uuid. An
// unknown one of either panics.
func (s *Server) MoveApp(uuid, environmentUUID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	must(s.app(uuid), "application", uuid).env = must(s.environment(environmentUUID), "environment", environmentUUID)
}

// FinishDeletions removes the applications, databases and services whose deletion is
// queued.
func (s *Server) FinishDeletions() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeDeleted(func(time.Time) bool { return true })
}

// removeDeleted removes those whose deletion was asked for at a time that is due.
func (s *Server) removeDeleted(due func(asked time.Time) bool) {
	for _, a := range s.apps {
		if a.deleted != nil && due(*a.deleted) && a.cleanup {
			s.cleanUp(a.host)
		}
	}
	for _, b := range s.builds {
		if a := s.app(b.AppUUID); a != nil && a.deleted != nil && due(*a.deleted) && b.Status == InProgress {
			s.helpers = append(s.helpers, b.UUID)
		}
	}
	s.apps = slices.DeleteFunc(s.apps, func(a *app) bool { return a.deleted != nil && due(*a.deleted) })
	for _, d := range s.databases {
		if d.deleted != nil && due(*d.deleted) {
			s.backups = slices.DeleteFunc(s.backups, func(b *backup) bool { return b.of(d) })
			if d.cleanup {
				s.cleanUp(d.dest.host)
			}
		}
	}
	s.databases = slices.DeleteFunc(s.databases, func(d *database) bool { return d.deleted != nil && due(*d.deleted) })
	s.removeServices(due)
}

// holds reports whether an environment has anything in it, also what is being
// deleted.
func (s *Server) holds(in func(*environment) bool) bool {
	return slices.ContainsFunc(s.apps, func(a *app) bool { return in(a.env) }) ||
		slices.ContainsFunc(s.databases, func(d *database) bool { return in(d.env) }) ||
		slices.ContainsFunc(s.services, func(v *service) bool { return in(v.env) })
}

func (s *Server) app(uuid string) *app {
	return find(s.apps, func(a *app) bool { return a.UUID == uuid })
}

// teamApp is an application as far as the caller's team goes.
func (s *Server) teamApp(c *call, uuid string) *app {
	a := s.app(uuid)
	if a == nil || a.env.project.team != c.token.Team {
		return nil
	}
	return a
}
