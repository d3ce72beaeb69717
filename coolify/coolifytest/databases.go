package coolifytest

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Database is one of a kind that Coolify makes. Empty fields get what Coolify
// gives a new one.
type Database struct {
	UUID            string
	Kind            string // postgresql by default; mysql, mariadb, mongodb or redis
	Name            string
	Description     string
	Image           string
	Status          string // exited:unhealthy by default
	Limits          Limits
	HostUUID        string // a server of the team by default
	DestinationUUID string // of that server; its first by default
	EnvironmentUUID string // filled in
	Deleting        bool   // filled in: its deletion is queued
}

type database struct {
	Database
	id               int // counted for each kind
	engine           engine
	env              *environment
	dest             *destination
	password         string
	created, updated time.Time
	deleted          *time.Time // when its deletion was asked for
	cleanup          bool       // its deletion cleans its server up
	started          *time.Time // when it was started last
}

// An engine is a kind of database.
type engine struct {
	kind   string // as in the path
	list   string // in the detail of an environment
	model  string // Coolify's class
	image  string
	fields string // that only this kind has
}

var engines = []engine{
	{
		"postgresql", "postgresqls", "StandalonePostgresql", "postgres:16-alpine",
		"postgres_user postgres_password postgres_db postgres_initdb_args postgres_host_auth_method postgres_conf",
	},
	{"redis", "redis", "StandaloneRedis", "redis:7.2", "redis_password redis_conf"},
	{
		"mongodb", "mongodbs", "StandaloneMongodb", "mongo:7",
		"mongo_conf mongo_initdb_root_username mongo_initdb_root_password mongo_initdb_database",
	},
	{
		"mysql", "mysqls", "StandaloneMysql", "mysql:8",
		"mysql_root_password mysql_password mysql_user mysql_database mysql_conf",
	},
	{
		"mariadb", "mariadbs", "StandaloneMariadb", "mariadb:11",
		"mariadb_conf mariadb_root_password mariadb_user mariadb_password mariadb_database",
	},
}

func engineOf(kind string) engine {
	i := slices.IndexFunc(engines, func(e engine) bool { return e.kind == kind })
	if i < 0 {
		panic(fmt.Sprintf("coolifytest: no kind of database %q", kind))
	}
	return engines[i]
}

// AddDatabase adds a database. An unknown environment, kind, server or
// destination panics.
func (s *Server) AddDatabase(environmentUUID string, d Database) Database {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := must(s.environment(environmentUUID), "environment", environmentUUID)
	return s.addDatabase(env, s.destinationFor(env.project.team, d.HostUUID, d.DestinationUUID), d).copy()
}

func (s *Server) addDatabase(env *environment, dest *destination, d Database) *database {
	now := s.cfg.Now()
	kind := engineOf(cmp.Or(d.Kind, "postgresql"))
	added := &database{
		Database: d, id: s.next(kind.kind), engine: kind, env: env, dest: dest, password: random(64), created: now,
		updated: now,
	}
	added.Kind = kind.kind
	added.UUID = cmp.Or(d.UUID, random(24))
	added.Name = cmp.Or(d.Name, kind.kind+"-database-"+added.UUID)
	added.Image = cmp.Or(d.Image, kind.image)
	added.Status = cmp.Or(d.Status, "exited:unhealthy")
	added.Limits.fill()
	s.databases = append(s.databases, added)
	return added
}

func (d *database) copy() Database {
	out := d.Database
	out.HostUUID, out.DestinationUUID, out.EnvironmentUUID, out.Deleting = d.dest.host.UUID, d.dest.UUID, d.env.uuid, d.deleted != nil
	return out
}

// Databases returns the databases of every team.
func (s *Server) Databases() []Database {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out []Database
	for _, d := range s.databases {
		out = append(out, d.copy())
	}
	return out
}

// SetDatabase changes a database as an operator would; not its kind. An unknown
// uuid panics.
func (s *Server) SetDatabase(uuid string, change func(*Database)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := must(s.database(uuid), "database", uuid)
	change(&d.Database)
	d.updated = s.cfg.Now()
}

// MoveDatabase puts a database into another environment; it keeps its uuid. An
// unknown one of either panics.
func (s *Server) MoveDatabase(uuid, environmentUUID string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	must(s.database(uuid), "database", uuid).env = must(s.environment(environmentUUID), "environment", environmentUUID)
}

// DatabaseURL returns the URL for those in a database's network, with its
// password. An unknown uuid panics.
func (s *Server) DatabaseURL(uuid string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return must(s.database(uuid), "database", uuid).url()
}

func (s *Server) database(uuid string) *database {
	return find(s.databases, func(d *database) bool { return d.UUID == uuid })
}

// askedDatabase is the database of a request by $request->uuid: the input's, if
// there is one.
func (s *Server) askedDatabase(c *call) (*database, answer) {
	d := s.database(c.param("uuid"))
	if d == nil || d.env.project.team != c.token.Team {
		return nil, message(http.StatusNotFound, "Database not found.")
	}
	return d, answer{}
}

func (d *database) url() string {
	at := d.password + "@" + d.UUID
	switch d.Kind {
	case "postgresql":
		return "postgres://postgres:" + at + ":5432/postgres"
	case "mysql":
		return "mysql://mysql:" + at + ":3306/default"
	case "mariadb":
		return "mysql://mariadb:" + at + ":3306/default"
	case "mongodb":
		return "mongodb://root:" + at + ":27017/?directConnection=true"
	}
	return "redis://default:" + at + ":6379/0"
}

// columns are what only this kind has, and which of it is secret.
func (d *database) columns() (plain, secrets object) {
	switch d.Kind {
	case "postgresql":
		return object{
			"postgres_user": "postgres", "postgres_db": "postgres", "postgres_conf": nil, "postgres_initdb_args": nil,
			"postgres_host_auth_method": nil,
		}, object{"postgres_password": d.password, "init_scripts": nil}
	case "mysql":
		return object{"mysql_user": "mysql", "mysql_database": "default", "mysql_conf": nil},
			object{"mysql_password": d.password, "mysql_root_password": d.password + "-root"}
	case "mariadb":
		return object{"mariadb_user": "mariadb", "mariadb_database": "default", "mariadb_conf": nil},
			object{"mariadb_password": d.password, "mariadb_root_password": d.password + "-root"}
	case "mongodb":
		return object{"mongo_initdb_root_username": "root", "mongo_initdb_database": "default", "mongo_conf": nil},
			object{"mongo_initdb_root_password": d.password}
	}
	return object{"redis_conf": nil}, object{"redis_password": d.password}
}

// json is a database as the detail of an environment shows it, without its id.
func (d *database) json(secrets bool, now time.Time, lag time.Duration) object {
	o := shape("database")
	maps.Copy(o, object{
		"uuid": d.UUID, "name": d.Name, "description": orNull(d.Description), "database_type": "standalone-" + d.Kind,
		"status": d.status(now, lag),
		"image":  d.Image, "is_public": false, "environment_id": d.env.id, "destination_id": d.dest.id,
		"destination":    d.dest.json(secrets),
		"last_online_at": plainStamp(d.created), "created_at": stamp(d.created), "updated_at": stamp(d.updated),
	})
	maps.Copy(o, d.Limits.json())
	plain, hidden := d.columns()
	maps.Copy(o, plain)
	if secrets {
		maps.Copy(o, hidden)
		o["internal_db_url"], o["external_db_url"] = d.url(), nil
	}
	return o
}

func (s *Server) databasesOf(e *environment, kind engine, secrets bool) []object {
	out := []object{}
	for _, d := range s.databases {
		if d.env == e && d.engine == kind {
			o := d.json(secrets, s.cfg.Now(), s.cfg.StatusLag)
			o["id"] = d.id
			out = append(out, o)
		}
	}
	return out
}

// listDatabases is for the whole team, with the backups of others among each
// one's own.
func (s *Server) listDatabases(c *call) answer {
	out := []object{}
	for _, d := range s.databases {
		if d.env.project.team != c.token.Team {
			continue
		}
		o := d.json(c.sensitive(), s.cfg.Now(), s.cfg.StatusLag)
		o["backup_configs"] = s.backupsOf(d, "latest_log", nil)
		out = append(out, o)
	}
	return reply(http.StatusOK, out)
}

func (s *Server) getDatabase(c *call) answer {
	d, missing := s.askedDatabase(c)
	if d == nil {
		return missing
	}
	o := d.json(c.sensitive(), s.cfg.Now(), s.cfg.StatusLag)
	if s.since(2) {
		o["environment"] = s.environmentJSON(d.env)
	}
	return reply(http.StatusOK, o)
}

// common are the fields that creating a database of any kind takes.
var common = strings.Fields(`name description image public_port public_port_timeout is_public project_uuid environment_name environment_uuid
	server_uuid destination_uuid instant_deploy limits_memory limits_memory_swap limits_memory_swappiness limits_memory_reservation limits_cpus
	limits_cpuset limits_cpu_shares tags`)

// createDatabase looks at no types: Coolify asks its validator whether it has
// failed before it has run.
func (s *Server) createDatabase(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	kind := engineOf(strings.TrimPrefix(c.route.pattern, "/databases/"))
	if refusal, refused := c.strangeFields(kind); refused {
		return refusal
	}
	env, missing := s.chosenEnvironment(
		c, message(http.StatusUnprocessableEntity, "You need to provide a valid environment_name or environment_uuid."),
	)
	if env == nil {
		return missing
	}
	dest, missing := s.chosenDestination(c)
	if dest == nil {
		return missing
	}
	if utf8.RuneCountInString(c.text("description")) > columnWidth {
		return c.serverError()
	}
	d := Database{Kind: kind.kind, Name: c.text("name"), Description: c.text("description"), Image: c.text("image")}
	d.Limits.apply(c)
	made := s.addDatabase(env, dest, d)
	if c.flag("instant_deploy") {
		s.startUp(made)
	}
	// the password, to who may only write
	return reply(http.StatusCreated, object{"uuid": made.UUID, "internal_db_url": made.url()})
}

// strangeFields refuses, with the names only, what no kind of database has, and
// in another way what this kind has not.
func (c *call) strangeFields(kind engine) (answer, bool) {
	known := slices.Clone(common)
	for _, e := range engines {
		known = append(known, strings.Fields(e.fields)...)
	}
	var strange []string
	for _, field := range slices.Sorted(maps.Keys(c.input)) {
		if !slices.Contains(known, field) {
			strange = append(strange, field)
		}
	}
	if len(strange) > 0 {
		return invalid(strange), true
	}
	bad := problems{}
	bad.extra(c, append(slices.Clone(common), strings.Fields(kind.fields)...)...)
	return invalid(bad), len(bad) > 0
}

// deleteDatabase queues the deletion; the database stays as an application does.
func (s *Server) deleteDatabase(c *call) answer {
	d, missing := s.askedDatabase(c)
	if d == nil {
		return missing
	}
	if now := s.cfg.Now(); d.deleted == nil {
		d.deleted = &now
	}
	d.cleanup = d.cleanup || c.cleansUp()
	return message(http.StatusOK, "Database deletion request queued.")
}

func (s *Server) startDatabase(c *call) answer {
	d, missing := s.askedDatabase(c)
	switch {
	case d == nil:
		return missing
	case strings.Contains(d.Status, "running"):
		return message(http.StatusBadRequest, "Database is already running.")
	}
	s.startUp(d)
	return message(http.StatusOK, "Database starting request queued.")
}

// startUp pulls a database's image, also one that is there, and starts it. Where it cannot
// be pulled, nothing tells so.
func (s *Server) startUp(d *database) {
	now := s.cfg.Now()
	d.started = &now
	if !d.dest.host.NoPull {
		d.Status = "running:healthy"
	}
}

// status is what Coolify shows of a database, which is as old as Config.StatusLag.
func (d *database) status(now time.Time, lag time.Duration) string {
	if d.started == nil || !strings.HasPrefix(d.Status, "running") {
		return d.Status
	}
	switch since := now.Sub(*d.started); {
	case since < lag:
		return exited
	case since < 2*lag:
		return "running:starting"
	}
	return d.Status
}

func (s *Server) stopDatabase(c *call) answer {
	d, missing := s.askedDatabase(c)
	switch {
	case d == nil:
		return missing
	case strings.Contains(d.Status, "exited"):
		return message(http.StatusBadRequest, "Database is already stopped.")
	}
	d.Status = exited
	if c.cleansUp() {
		s.cleanUp(d.dest.host)
	}
	return message(http.StatusOK, "Database stopping request queued.")
}

// A backup is a schedule. It belongs to the database with its number and its
// class; Coolify looks at the number only.
type backup struct {
	id, databaseID, team   int
	uuid, model, frequency string
	created                time.Time
}

func (b *backup) of(d *database) bool { return b.databaseID == d.id && b.model == d.engine.model }

// AddBackup adds a backup schedule of a database and returns its uuid. An unknown
// database panics.
func (s *Server) AddBackup(databaseUUID, frequency string) (uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := must(s.database(databaseUUID), "database", databaseUUID)
	b := &backup{
		id: s.next("backup"), databaseID: d.id, team: d.env.project.team, uuid: random(24), model: d.engine.model,
		frequency: frequency, created: s.cfg.Now(),
	}
	s.backups = append(s.backups, b)
	return b.uuid
}

// Backups returns the uuids of the backup schedules that are a database's own. An
// unknown database panics.
func (s *Server) Backups(databaseUUID string) []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	d := must(s.database(databaseUUID), "database", databaseUUID)
	var out []string
	for _, b := range s.backups {
		if b.of(d) {
			out = append(out, b.uuid)
		}
	}
	return out
}

// backupsOf are the schedules of every database of the team that has d's number.
func (s *Server) backupsOf(d *database, field string, value any) []object {
	out := []object{}
	for _, b := range s.backups {
		if b.databaseID != d.id || b.team != d.env.project.team {
			continue
		}
		o := shape("backup")
		maps.Copy(o, object{
			"id": b.id, "uuid": b.uuid, "frequency": b.frequency, "database_type": `App\Models\` + b.model,
			"database_id": b.databaseID,
			"team_id":     b.team, "created_at": stamp(b.created), "updated_at": stamp(b.created), field: value,
		})
		out = append(out, o)
	}
	return out
}

func (s *Server) listBackups(c *call) answer {
	d, missing := s.askedDatabase(c)
	if d == nil {
		return missing
	}
	return reply(http.StatusOK, s.backupsOf(d, "executions", []object{}))
}
