package coolify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// A DatabaseKind is a kind of database, by its name in Coolify's API.
type DatabaseKind string

// These are the kinds that [ProjectClient.CreateDatabase] creates. Coolify has others.
const (
	PostgreSQL DatabaseKind = "postgresql"
	MySQL      DatabaseKind = "mysql"
	MariaDB    DatabaseKind = "mariadb"
	MongoDB    DatabaseKind = "mongodb"
	Redis      DatabaseKind = "redis"
)

// creates maps each kind to the operation that creates it.
var creates = map[DatabaseKind]string{
	PostgreSQL: "/databases/postgresql", MySQL: "/databases/mysql", MariaDB: "/databases/mariadb",
	MongoDB: "/databases/mongodb", Redis: "/databases/redis",
}

// A Database holds the fields of a database that vibn-mcp reads. It never reads users,
// passwords, addresses and backups. In place of the backups Coolify may show those of a
// database of another kind with the same number, also of another tenant.
type Database struct {
	UUID        UUID
	Kind        DatabaseKind
	Name        string // not unique
	Description string
	Status      string // state or state:health, for example "running:healthy"
	Image       string
	Public      bool // reachable from outside

	// EnvironmentID is the database's environment; 0 if Coolify did not report it. An
	// operator can move a database, so the value may change.
	EnvironmentID   int
	EnvironmentName string // "" if Coolify did not report it
	ProjectUUID     string // "" if Coolify did not report it, as in lists

	DestinationUUID UUID // network that it is in; zero if Coolify did not report it
	ServerUUID      UUID // server of that network
	Limits          Limits

	CreatedAt time.Time // times are UTC, zero if Coolify did not report them
	UpdatedAt time.Time
}

type wireDatabase struct {
	UUID          uid    `json:"uuid"`
	Type          text   `json:"database_type"` // absent from an environment's detail
	Name          text   `json:"name"`
	Description   text   `json:"description"`
	Status        text   `json:"status"`
	Image         text   `json:"image"`
	Public        flag   `json:"is_public"`
	EnvironmentID number `json:"environment_id"`
	CreatedAt     moment `json:"created_at"`
	UpdatedAt     moment `json:"updated_at"`
	wireLimits

	Destination part[wireDestinationOf] `json:"destination"`
	Environment part[wireEnvironmentOf] `json:"environment"`
}

func (w *wireDatabase) check(asked []UUID) error { return same(w.UUID, asked[0]) }

func (w *wireDatabase) database() Database {
	return Database{
		UUID: w.UUID.UUID, Kind: DatabaseKind(strings.TrimPrefix(string(w.Type), "standalone-")), Name: string(w.Name),
		Description: string(w.Description), Status: string(w.Status), Image: string(w.Image), Public: bool(w.Public),
		EnvironmentID: int(w.EnvironmentID), EnvironmentName: string(w.Environment.Value.Name),
		ProjectUUID:     string(w.Environment.Value.Project.Value.UUID),
		DestinationUUID: w.Destination.Value.UUID.UUID, ServerUUID: w.Destination.Value.Server.Value.UUID.UUID,
		Limits:    w.limits(),
		CreatedAt: w.CreatedAt.Time, UpdatedAt: w.UpdatedAt.Time,
	}
}

// Get returns a database.
//
//api:op GET /databases/{uuid}
func (d DatabaseClient) Get(ctx context.Context) (Database, error) {
	var w wireDatabase
	if err := d.c.do(ctx, newRequest("GET", "/databases/{uuid}", d.id), &w); err != nil {
		return Database{}, err
	}
	return w.database(), nil
}

// wireDatabases is the detail of an environment. It omits the kinds that CreateDatabase
// does not create, as Coolify does.
type wireDatabases struct {
	UUID       uid                `json:"uuid"`
	Name       text               `json:"name"`
	PostgreSQL list[wireDatabase] `json:"postgresqls"`
	MySQL      list[wireDatabase] `json:"mysqls"`
	MariaDB    list[wireDatabase] `json:"mariadbs"`
	MongoDB    list[wireDatabase] `json:"mongodbs"`
	Redis      list[wireDatabase] `json:"redis"`
}

// check refuses an answer in which a list is missing, which must not be read as an empty
// list.
func (w *wireDatabases) check(asked []UUID) error {
	for _, l := range []list[wireDatabase]{w.PostgreSQL, w.MySQL, w.MariaDB, w.MongoDB, w.Redis} {
		if l == nil {
			return errAnswer
		}
	}
	return same(w.UUID, asked[1])
}

// Databases lists the databases of an environment, by kind. It omits the kinds that
// [ProjectClient.CreateDatabase] does not create. Coolify first reads the id as a name,
// so an answer about an environment that has the id as its name is an error.
//
//api:op GET /projects/{uuid}/{environment_name_or_uuid}
func (p ProjectClient) Databases(ctx context.Context, environment UUID) ([]Database, error) {
	var w wireDatabases
	if err := p.environment(ctx, environment, &w); err != nil {
		return nil, err
	}
	return w.databases(), nil
}

func (w *wireDatabases) databases() []Database {
	all := []Database{}
	for _, of := range []struct {
		kind DatabaseKind
		rows list[wireDatabase]
	}{{PostgreSQL, w.PostgreSQL}, {MySQL, w.MySQL}, {MariaDB, w.MariaDB}, {MongoDB, w.MongoDB}, {Redis, w.Redis}} {
		for i := range of.rows {
			d := of.rows[i].database()
			d.Kind, d.EnvironmentName = of.kind, string(w.Name)
			all = append(all, d)
		}
	}
	return all
}

// NewDatabase describes a database to be created. Coolify generates its user and
// password, and it is reachable only inside its network. An empty text is Coolify's
// default.
type NewDatabase struct {
	Environment UUID // of the project; Coolify first reads the id as a name
	Server      UUID
	// Destination is as in [NewApplication].
	Destination UUID

	Name          string // not unique
	Description   string // at most 255 characters
	Image         string
	InstantDeploy bool // start it at once
	Limits        Limits
}

type wireNewDatabase struct {
	Project       string `json:"project_uuid"`
	Environment   string `json:"environment_uuid"`
	Server        string `json:"server_uuid"`
	Destination   string `json:"destination_uuid,omitempty"`
	Name          string `json:"name,omitempty"`
	Description   string `json:"description,omitempty"`
	Image         string `json:"image,omitempty"`
	Public        bool   `json:"is_public"`
	InstantDeploy bool   `json:"instant_deploy"`
	wireLimits
}

// A CreatedDatabase holds what Coolify reports of a database that it has created.
type CreatedDatabase struct {
	UUID UUID
	URL  secret.Text // for use inside its network, with the password; zero if Coolify did not report it
}

type wireCreatedDatabase struct {
	created
	URL text `json:"internal_db_url"`
}

var errKind = errors.New("not a kind of database that can be created")

// CreateDatabase creates a database in the project. [ErrNotFound] if the project or
// server does not exist, [ErrInvalid] if the environment does not. A second call creates
// a second database.
//
//api:op POST /databases/postgresql
//api:op POST /databases/mysql
//api:op POST /databases/mariadb
//api:op POST /databases/mongodb
//api:op POST /databases/redis
func (p ProjectClient) CreateDatabase(ctx context.Context, kind DatabaseKind, d NewDatabase) (CreatedDatabase, error) {
	r := newRequest("POST", creates[kind])
	if r.op.Path == "" {
		r.op.Path = "/databases"
		return CreatedDatabase{}, p.c.conn.server.Refuse(r.op, r.op.Path, ErrInvalid, errKind)
	}
	r.needs = []UUID{p.id, d.Environment, d.Server}
	r.body = wireNewDatabase{
		Project: p.id.s, Environment: d.Environment.s, Server: d.Server.s, Destination: d.Destination.s, Name: d.Name,
		Description: d.Description, Image: d.Image, InstantDeploy: d.InstantDeploy, wireLimits: d.Limits.wire(),
	}
	var w wireCreatedDatabase
	if err := p.c.do(ctx, r, &w); err != nil {
		return CreatedDatabase{}, err
	}
	return CreatedDatabase{w.UUID.UUID, secret.NewText(string(w.URL))}, nil
}

// Delete queues the deletion of a database and of its backup schedules. Until the
// deletion is done, the database exists and its project is in use; afterwards it is
// [ErrNotFound]. Coolify does not report what it cannot remove from the server.
//
//api:op DELETE /databases/{uuid}
func (d DatabaseClient) Delete(ctx context.Context, o DeleteOptions) error {
	r := newRequest("DELETE", "/databases/{uuid}", d.id)
	r.query = o.query()
	return d.c.do(ctx, r, &acknowledged{})
}

// Start queues the start of a database. A database that already runs is not an error.
//
//api:op POST /databases/{uuid}/start
func (d DatabaseClient) Start(ctx context.Context) error {
	return already("Database", d.c.do(ctx, newRequest("POST", "/databases/{uuid}/start", d.id), &acknowledged{}))
}

// Stop queues a stop of a database. A database that is not running is not an error.
//
//api:op POST /databases/{uuid}/stop
func (d DatabaseClient) Stop(ctx context.Context) error {
	r := newRequest("POST", "/databases/{uuid}/stop", d.id)
	r.query = withoutCleanup()
	return already("Database", d.c.do(ctx, r, &acknowledged{}))
}

// already returns nil if Coolify refused because the thing is in the requested state already.
func already(what string, err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Status == http.StatusBadRequest && strings.HasPrefix(e.Detail, what+" is already") {
		return nil
	}
	return err
}
