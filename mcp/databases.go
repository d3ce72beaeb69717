package mcp

import (
	"context"
	"fmt"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

func addDatabases(r *Registry) {
	Add(r, Tool{
		Name: "databases.list", Route: "GET /databases", Needs: tenancy.Read, Title: "List databases",
		Description: "List the workspace's databases with engine and status.",
	}, listDatabases)
	Add(r, Tool{
		Name: "databases.get", Route: "GET /databases/{database}", Needs: tenancy.Read, Title: "Show a database",
		Target:      "database",
		Description: "Show a database's engine and status. Its address contains a password and is never shown.",
	}, getDatabase)
	Add(r, Tool{
		Name: "databases.create", Route: "POST /databases", Needs: tenancy.Write, Title: "Create a database",
		Idempotent: true,
		Target:     "name", Keep: []string{"name", "engine", "attach_to", "env_key"},
		Description: "Create and start a database that only the workspace's network reaches. attach_to writes its " +
			"address into a variable of an app, also when the database exists already; deploy the app afterwards.",
	}, createDatabase)
	Add(r, Tool{
		Name: "databases.delete", Route: "DELETE /databases/{database}", Needs: tenancy.Danger,
		Title: "Delete a database", Idempotent: true, Destructive: true,
		Target: "database",
		Description: "Delete a database and all its data permanently. Without confirm nothing is deleted and the " +
			"answer says what would be.",
	}, deleteDatabase)
}

type databasesOut struct {
	Databases []hosting.DatabaseInfo `json:"databases"`
	AsOf      string                 `json:"as_of"` // RFC 3339, UTC: Coolify was asked then
	Truncated bool                   `json:"truncated"`
}

// maxDatabases limits a list of databases; a longer list is truncated.
const maxDatabases = 100

func listDatabases(ctx context.Context, s *tenancy.Scope, _ struct{}) (databasesOut, error) {
	all, at, err := hosting.Databases(ctx, s)
	if err != nil {
		return databasesOut{}, err
	}
	shown := fit(all[:min(len(all), maxDatabases)], maxPage)
	return databasesOut{shown, asOf(at), len(shown) < len(all)}, nil
}

type databaseIn struct {
	Database string `json:"database" jsonschema:"uuid or name" required:"true" min:"1" max:"255"`
}

func getDatabase(ctx context.Context, s *tenancy.Scope, in databaseIn) (hosting.DatabaseInfo, error) {
	d, err := hosting.FindDatabase(ctx, s, in.Database)
	if err != nil {
		return hosting.DatabaseInfo{}, err
	}
	return d.Info(), nil
}

type createDatabaseIn struct {
	Name     string `json:"name" jsonschema:"lower-case letters, digits and single hyphens" required:"true" min:"1" max:"40"`
	Engine   string `json:"engine" jsonschema:"kind of database" enum:"postgresql,mysql,mariadb,mongodb,redis" required:"true"`
	AttachTo string `json:"attach_to,omitempty" jsonschema:"uuid, name or domain of the app that gets the address" max:"255"`
	EnvKey   string `json:"env_key,omitempty" jsonschema:"the variable; else DATABASE_URL, MONGODB_URL or REDIS_URL" max:"255"`
	Key      string `json:"idempotency_key,omitempty" jsonschema:"the same key with other arguments is refused" max:"64"`
}

type createDatabaseOut struct {
	Database hosting.DatabaseInfo `json:"database"`
	Created  bool                 `json:"created"`
	Started  bool                 `json:"started"` // its container runs
	Attached *hosting.Attachment  `json:"attached,omitempty"`
	Next     []string             `json:"next"`
}

func createDatabase(ctx context.Context, s *tenancy.Scope, in createDatabaseIn) (createDatabaseOut, error) {
	n := hosting.NewDatabase{Name: in.Name, Engine: in.Engine, EnvKey: in.EnvKey}
	if in.AttachTo == "" && in.EnvKey != "" {
		return createDatabaseOut{}, invalid("env_key needs attach_to")
	}
	if in.AttachTo != "" {
		app, err := hosting.FindApp(ctx, s, in.AttachTo)
		if err != nil {
			return createDatabaseOut{}, err
		}
		n.AttachTo = app
	}
	d, created, err := hosting.CreateDatabase(ctx, s, n)
	if err != nil {
		return createDatabaseOut{}, err
	}
	out := createDatabaseOut{
		Created: created, Next: []string{"databases_create with the same name and attach_to gives an app its address"},
	}
	if n.AttachTo != nil {
		attached, err := d.Attach(ctx, n.AttachTo, in.EnvKey)
		if err != nil {
			e := *s.Public(err)
			e.Msg = fmt.Sprintf(
				"the database %s is there, but its address is not in the app's variables: %s", in.Name, e.Msg,
			)
			return createDatabaseOut{}, &e
		}
		out.Attached, out.Next = &attached, []string{"apps_deploy brings the variable into effect"}
	}
	return out, out.awaitStart(ctx, d)
}

// awaitStart waits for a new database to start. A failed wait is not a failed creation.
func (o *createDatabaseOut) awaitStart(ctx context.Context, d *hosting.Database) error {
	o.Started = d.IsRunning()
	if o.Created && !o.Started {
		var err error
		o.Started, err = d.AwaitStart(ctx)
		if lostRights(err) {
			return err
		}
	}
	o.Database = d.Info()
	if !o.Started {
		o.Next = append(
			o.Next, "it does not run yet: databases_get shows its status; if it is down for minutes, the platform's operator "+
				"can check that its server can pull the image "+o.Database.Image.String(),
		)
	}
	return nil
}

type deleteDatabaseIn struct {
	Database string `json:"database" jsonschema:"uuid or name" required:"true" min:"1" max:"255"`
	Confirm  string `json:"confirm,omitempty" jsonschema:"the database's name, once a person agrees" max:"255"`
}

type deletedOut struct {
	Database string   `json:"database"` // uuid
	Deleting bool     `json:"deleting"`
	Next     []string `json:"next"`
}

func deleteDatabase(ctx context.Context, s *tenancy.Scope, in deleteDatabaseIn) (deletedOut, error) {
	d, err := hosting.FindDatabase(ctx, s, in.Database)
	if err != nil {
		return deletedOut{}, err
	}
	if err := d.Delete(ctx, in.Confirm); err != nil {
		return deletedOut{}, err
	}
	return deletedOut{
		d.UUID(), true, []string{"databases_list shows when it is gone", "envs_delete removes its address from apps"},
	}, nil
}
