package coolify

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// A DatabaseKind is a kind of database, by the name of Coolify's API.
type DatabaseKind string

// The kinds that [ProjectClient.CreateDatabase] makes. Coolify has others.
const (
	PostgreSQL DatabaseKind = "postgresql"
	MySQL      DatabaseKind = "mysql"
	MariaDB    DatabaseKind = "mariadb"
	MongoDB    DatabaseKind = "mongodb"
	Redis      DatabaseKind = "redis"
)

// creates are the operations that make one. What is no kind has none.
var creates = map[DatabaseKind]string{
	PostgreSQL: "/databases/postgresql", MySQL: "/databases/mysql", MariaDB: "/databases/mariadb",
	MongoDB: "/databases/mongodb", Redis: "/databases/redis",
}

// A Database is what vibn-mcp reads of a database. Users, passwords, addresses
// and backups are never read: Coolify shows the backups of a database of another
// kind that has the same number, whoever's it is.
type Database struct {
	UUID        UUID
	Kind        DatabaseKind
	Name        string // not unique
	Description string
	Status      string // state or state:health, as "running:healthy"
	Image       string
	Public      bool // reached from outside

	// EnvironmentID says where the database is; 0 if Coolify did not tell. An
	// operator can move a database, so it holds for now only.
	EnvironmentID   int
	EnvironmentName string // "" if Coolify did not tell
	ProjectUUID     string // "" if Coolify did not tell, as in lists

	DestinationUUID UUID // network that it is in; zero if Coolify did not tell
	ServerUUID      UUID // server of that network
	Limits          Limits

	CreatedAt time.Time // times are UTC, zero if Coolify did not tell
	UpdatedAt time.Time
}

type wireDatabase struct {
	UUID          uid    `json:"uuid"`
	Type          text   `json:"database_type"` // not in the detail of an environment
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
		EnvironmentID: int(w.EnvironmentID), EnvironmentName: string(w.Environment.Value.Name), ProjectUUID: string(w.Environment.Value.Project.Value.UUID),
		DestinationUUID: w.Destination.Value.UUID.UUID, ServerUUID: w.Destination.Value.Server.Value.UUID.UUID, Limits: w.limits(),
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

// wireDatabases is the detail of an environment. It leaves out the kinds that
// CreateDatabase does not make, as Coolify does.
type wireDatabases struct {
	UUID       uid                `json:"uuid"`
	Name       text               `json:"name"`
	PostgreSQL list[wireDatabase] `json:"postgresqls"`
	MySQL      list[wireDatabase] `json:"mysqls"`
	MariaDB    list[wireDatabase] `json:"mariadbs"`
	MongoDB    list[wireDatabase] `json:"mongodbs"`
	Redis      list[wireDatabase] `json:"redis"`
}

// check refuses an answer in which a list is missing, so that nobody takes it for
// "there is none".
func (w *wireDatabases) check(asked []UUID) error {
	for _, l := range []list[wireDatabase]{w.PostgreSQL, w.MySQL, w.MariaDB, w.MongoDB, w.Redis} {
		if l == nil {
			return errAnswer
		}
	}
	return same(w.UUID, asked[1])
}

// Databases lists the databases of an environment, by kind, those of
// other kinds than [ProjectClient.CreateDatabase] makes left out. Coolify takes the id
// for a name first, so an answer about an environment that is only called so is
// an error.
//
//api:op GET /projects/{uuid}/{environment_name_or_uuid}
func (p ProjectClient) Databases(ctx context.Context, environment UUID) ([]Database, error) {
	var w wireDatabases
	if err := p.c.do(ctx, newRequest("GET", "/projects/{uuid}/{environment_name_or_uuid}", p.id, environment), &w); err != nil {
		return nil, err
	}
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
	return all, nil
}

// NewDatabase describes a database to be made. Coolify makes up its user and
// password, and nothing outside its network reaches it. An empty text is
// Coolify's default.
type NewDatabase struct {
	Environment UUID // of the project; Coolify takes the id for a name first
	Server      UUID
	// Destination is as that of [NewApplication].
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

// A CreatedDatabase is what Coolify tells of a database that it has made.
type CreatedDatabase struct {
	UUID UUID
	URL  secret.Text // for those in its network, with the password; zero if Coolify did not tell
}

type wireCreatedDatabase struct {
	created
	URL text `json:"internal_db_url"`
}

var errKind = errors.New("no kind of database that can be made")

// CreateDatabase makes a database in the project. [ErrNotFound] if the project or server is not
// there, [ErrInvalid] if the environment is not. A second call makes a second
// database.
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

// Delete queues the deletion of a database and of its backup schedules.
// Until it is carried out the database is there and its project is in use; then
// it is [ErrNotFound]. What cannot be removed from the server stays there unsaid.
//
//api:op DELETE /databases/{uuid}
func (d DatabaseClient) Delete(ctx context.Context, o DeleteOptions) error {
	r := newRequest("DELETE", "/databases/{uuid}", d.id)
	r.query = o.query()
	return d.c.do(ctx, r, &acknowledged{})
}

// Start queues the start of a database. One that runs already is no
// error.
//
//api:op POST /databases/{uuid}/start
func (d DatabaseClient) Start(ctx context.Context) error {
	return already(d.c.do(ctx, newRequest("POST", "/databases/{uuid}/start", d.id), &acknowledged{}))
}

// Stop queues a stop of a database. One that does not run is no error.
//
//api:op POST /databases/{uuid}/stop
func (d DatabaseClient) Stop(ctx context.Context) error {
	r := newRequest("POST", "/databases/{uuid}/stop", d.id)
	r.query = withoutCleanup()
	return already(d.c.do(ctx, r, &acknowledged{}))
}

// already returns nil for a refusal to do what is done.
func already(err error) error {
	e, ok := errors.AsType[*Error](err)
	if ok && e.Status == http.StatusBadRequest && strings.HasPrefix(e.Detail, "Database is already") {
		return nil
	}
	return err
}
