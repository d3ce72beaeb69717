package hosting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// A Database is a database of its Scope's workspace, as Coolify reported it when it was
// fetched. Creating the handle proved that the workspace owns it. Its backups are never
// requested: Coolify mixes them up with those of other databases.
type Database struct {
	scope    *tenancy.Scope
	database tenancy.FoundDatabase
	record   *tenancy.DatabaseRecord // nil = vibn-mcp did not create it
}

// DatabaseInfo is what a tenant may know of a database. The database's address contains
// its password, so it is written only into apps' variables.
type DatabaseInfo struct {
	UUID        string         `json:"uuid"`
	Name        untrusted.Text `json:"name"`
	Engine      string         `json:"engine"`
	Status      untrusted.Text `json:"status"` // state:health, as "running:healthy"
	Environment untrusted.Text `json:"environment"`
	Image       untrusted.Text `json:"image,omitzero"`
	Attachable  bool           `json:"attachable"`          // vibn-mcp knows its address
	Deleting    bool           `json:"deleting,omitempty"`  // its deletion has started
	UpdatedAt   string         `json:"updated_at,omitzero"` // RFC 3339, UTC
	// DownSince is when the status changed last, if it is not a running one. A database whose
	// image cannot be pulled has been down since it was created.
	DownSince string `json:"down_since,omitzero"`
}

// errNoDatabase does not repeat the reference, so that the error is the same for every
// reference.
var errNoDatabase = &tenancy.Error{
	Code: tenancy.NotFound, Msg: "no such database in this workspace",
	Hint: "databases_list shows the databases and their uuids",
}

// FindDatabase finds a database of the workspace by uuid or name, as [FindApp] finds an
// app.
func FindDatabase(ctx context.Context, s *tenancy.Scope, ref string) (*Database, error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, err
	}
	if ref == "" || len(ref) > tenancy.MaxRef {
		return nil, errNoDatabase
	}
	if tenancy.UUIDForm.MatchString(ref) {
		id, err := coolify.ParseUUID(ref)
		if err != nil {
			return nil, errNoDatabase
		}
		return databaseByID(ctx, s, id)
	}
	id, err := databaseNamed(ctx, s, ref)
	if err != nil {
		return nil, err
	}
	return databaseByID(ctx, s, id)
}

// databaseByID fetches a database afresh and proves that the workspace owns it.
func databaseByID(ctx context.Context, s *tenancy.Scope, id coolify.UUID) (*Database, error) {
	found, ok, err := inside(s).FindDatabase(ctx, id)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNoDatabase
	}
	records, err := databaseRecords(ctx, s)
	if err != nil {
		return nil, err
	}
	return &Database{s, found, recordOf(records, found.Database)}, nil
}

func databaseRecords(ctx context.Context, s *tenancy.Scope) ([]tenancy.DatabaseRecord, error) {
	records, err := db(s).DatabaseRecords(ctx, inside(s).Workspace().ID)
	if err != nil {
		return nil, tenancy.StoreError("list the databases", err)
	}
	return records, nil
}

// recordOf returns what is recorded of a database; nil if it was not created here.
func recordOf(records []tenancy.DatabaseRecord, database coolify.Database) *tenancy.DatabaseRecord {
	same := func(r tenancy.DatabaseRecord) bool { return r.UUID == database.UUID.String() }
	if i := slices.IndexFunc(records, same); i >= 0 {
		return &records[i]
	}
	return nil
}

func databaseNamed(ctx context.Context, s *tenancy.Scope, name string) (coolify.UUID, error) {
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return coolify.UUID{}, err
	}
	id, err := oneDatabase(ctx, s, seen, name)
	if !tenancy.IsNotFound(err) {
		return id, err
	}
	if seen, err = inside(s).Look(ctx); err != nil {
		return coolify.UUID{}, err
	}
	return oneDatabase(ctx, s, seen, name)
}

func oneDatabase(ctx context.Context, s *tenancy.Scope, seen tenancy.Seen, name string) (coolify.UUID, error) {
	every, err := withRecords(ctx, s, seen)
	if err != nil {
		return coolify.UUID{}, err
	}
	matches := func(equal func(a, b string) bool) (found []*Database) {
		for _, d := range every {
			if equal(d.database.Name, name) || equal(d.UUID(), name) {
				found = append(found, d)
			}
		}
		return found
	}
	all := matches(func(a, b string) bool { return a == b })
	if len(all) == 0 {
		all = matches(strings.EqualFold)
	}
	switch len(all) {
	case 0:
		return coolify.UUID{}, errNoDatabase
	case 1:
		return all[0].database.UUID, nil
	}
	var names []string
	for _, d := range all[:min(len(all), 10)] {
		names = append(names, d.UUID()+" (in "+s.Text(d.database.Environment.Name).String()+")")
	}
	return coolify.UUID{}, &tenancy.Error{
		Code: tenancy.Conflict,
		Msg:  "several databases of this workspace have that name: " + strings.Join(names, ", "),
		Hint: "name the database by its uuid",
	}
}

// Databases lists the workspace's databases, sorted by environment, name and uuid, as they
// were at a time of the last five seconds.
func Databases(ctx context.Context, s *tenancy.Scope) (infos []DatabaseInfo, at time.Time, err error) {
	if err := s.Require(tenancy.Read); err != nil {
		return nil, at, err
	}
	seen, err := inside(s).Known(ctx)
	if err != nil {
		return nil, at, err
	}
	all, err := withRecords(ctx, s, seen)
	if err != nil {
		return nil, at, err
	}
	infos = []DatabaseInfo{}
	for _, d := range all {
		infos = append(infos, d.Info())
	}
	return infos, seen.At, nil
}

// withRecords returns the databases that were seen, without those whose creation was lost.
func withRecords(ctx context.Context, s *tenancy.Scope, seen tenancy.Seen) ([]*Database, error) {
	records, err := databaseRecords(ctx, s)
	if err != nil {
		return nil, err
	}
	var all []*Database
	for _, found := range seen.Databases {
		lost := slices.ContainsFunc(
			records, func(r tenancy.DatabaseRecord) bool { return r.IsLost(found.Database) },
		)
		if !lost {
			all = append(all, &Database{s, found, recordOf(records, found.Database)})
		}
	}
	return all, nil
}

// UUID returns the database's uuid.
func (d *Database) UUID() string { return d.database.UUID.String() }

// Info returns the fields of the database that a tenant may see.
func (d *Database) Info() DatabaseInfo {
	info := DatabaseInfo{
		UUID: d.UUID(), Name: d.scope.Text(d.database.Name), Engine: d.scope.Text(string(d.database.Kind)).String(),
		Status:      d.scope.Text(d.database.Status),
		Environment: d.scope.Text(d.database.Environment.Name), Image: d.scope.Text(d.database.Image),
		Attachable: d.record != nil && d.record.URLSealed != "" && d.record.DeletingAt == nil,
		Deleting:   d.record != nil && d.record.DeletingAt != nil,
	}
	if !d.database.UpdatedAt.IsZero() {
		info.UpdatedAt = d.database.UpdatedAt.UTC().Format(tenancy.TimeFormat)
	}
	if !d.IsRunning() {
		info.DownSince = info.UpdatedAt
	}
	return info
}

// addressKeys are the variables in which programs look for a database's address, by
// engine.
var addressKeys = map[coolify.DatabaseKind]string{
	coolify.PostgreSQL: "DATABASE_URL", coolify.MySQL: "DATABASE_URL", coolify.MariaDB: "DATABASE_URL",
	coolify.MongoDB: "MONGODB_URL", coolify.Redis: "REDIS_URL",
}

// An Attachment says which variable holds the address of a database.
type Attachment struct {
	App    string `json:"app"` // uuid
	Key    string `json:"key"`
	Action string `json:"action"` // created or updated
	Note   string `json:"note,omitempty"`
}

// Attach writes the database's address, with its password, into a variable of an app. An
// empty key selects the engine's usual one. Attach replaces an existing variable only if
// it was written for this database; otherwise it returns [Conflict].
func (d *Database) Attach(ctx context.Context, app *App, key string) (Attachment, error) {
	if err := d.scope.Require(tenancy.Write); err != nil {
		return Attachment{}, err
	}
	if !d.Info().Attachable {
		return Attachment{}, &tenancy.Error{
			Code: tenancy.Conflict,
			Msg: "the address of this database is unknown: it was not created with databases_create, or it " +
				"is being deleted",
			Hint: "databases_create creates one whose address is known; set the address of any other with envs_upsert",
		}
	}
	address, err := inside(d.scope).Box().Open(d.record.URLSealed, tenancy.DatabaseURLPlace(d.record.ID))
	if err != nil {
		return Attachment{}, repository.UnsealError(err)
	}
	key = cmp.Or(key, addressKeys[coolify.DatabaseKind(d.record.Engine)])
	if err := app.refuseTakenKey(ctx, key, d.record); err != nil {
		return Attachment{}, err
	}
	changes, err := app.SetEnvs(ctx, EnvSet{
		Values: map[string]secret.Text{key: address}, Literal: new(true), BuildTime: new(false),
		comment: addressMark(*d.record),
	})
	if err != nil {
		return Attachment{}, err
	}
	a := Attachment{App: app.UUID(), Key: changes[0].Key, Action: changes[0].Action}
	if app.app.DestinationUUID != d.database.DestinationUUID {
		a.Note = "the app is on another network than the database and may not reach it"
	}
	return a, nil
}

// addressComment is the prefix of the comment of a variable that holds a database's address.
const addressComment = "address of "

func addressMark(r tenancy.DatabaseRecord) string {
	return addressComment + r.Name + " " + tenancy.MarkText(r.Nonce, "address")
}

// holdsAddress reports whether [Database.Attach] wrote a variable and no later write
// replaced it.
func holdsAddress(r tenancy.DatabaseRecord, e coolify.Env) bool {
	return !e.Preview && tenancy.HasMark(e.Comment, tenancy.MarkText(r.Nonce, "address"))
}

// refuseTakenKey refuses to replace a variable that was not written for this database; r
// is nil for a database that is still to be created. The old value cannot be read, so
// replacing it would lose it.
func (a *App) refuseTakenKey(ctx context.Context, key string, r *tenancy.DatabaseRecord) error {
	rows, err := a.envRows(ctx)
	if err != nil {
		return err
	}
	if e := rows.single(key, false); e != nil && (r == nil || !holdsAddress(*r, *e)) {
		return &tenancy.Error{
			Code: tenancy.Conflict,
			Msg: fmt.Sprintf(
				"the app has a variable %s already, which was not written for this database", cleanKey(key),
			),
			Hint: "choose another with env_key, or remove it with envs_delete and call again",
		}
	}
	return nil
}

// Delete deletes the database with its volume and all its data, if confirm is its name.
// Otherwise the error says what would be deleted. Coolify deletes asynchronously; if a
// step fails, a job completes the deletion.
func (d *Database) Delete(ctx context.Context, confirm string) error {
	if err := d.scope.Require(tenancy.Danger); err != nil {
		return err
	}
	name := cmp.Or(d.scope.Text(d.database.Name).String(), d.UUID())
	if confirm != name {
		return d.confirmationError(ctx, name)
	}
	if d.record == nil {
		return d.ask(ctx)
	}
	err := db(d.scope).MarkDatabaseDeleting(ctx, d.record.WorkspaceID, d.record.ID, inside(d.scope).Now())
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("delete the database", err)
	}
	if err := d.ask(ctx); err != nil {
		inside(d.scope).Log().WarnContext(
			ctx, "database is not deleted yet; a job goes on", "workspace", d.scope.Slug(), "err", d.scope.ForLog(err),
		)
	}
	return nil
}

func (d *Database) ask(ctx context.Context) error {
	err := d.database.Calls.Delete(ctx, provision.DeleteWithData)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		return tenancy.UpstreamError("delete the database", err)
	}
	return nil
}

// confirmationError returns the error that says what is deleted with the database.
func (d *Database) confirmationError(ctx context.Context, name string) error {
	users, err := d.users(ctx)
	if err != nil {
		return err
	}
	what := fmt.Sprintf(
		"this deletes the database %s (%s) for ever, with its volume and all data in it", name, d.Info().Engine,
	)
	if len(users) > 0 {
		what += "; its address stands in variables of " + strings.Join(users, ", ")
	}
	return tenancy.NeedsConfirmation(name, what)
}

// maxUsers limits how many apps are searched for the database's address: each costs a
// request.
const maxUsers = 20

// users names the apps that hold the database's address, as far as vibn-mcp wrote it.
func (d *Database) users(ctx context.Context) ([]string, error) {
	if d.record == nil {
		return nil, nil
	}
	apps, err := AllApps(ctx, inside(d.scope))
	if err != nil {
		return nil, err
	}
	var users []string
	for _, a := range apps[:min(len(apps), maxUsers)] {
		rows, err := a.envRows(ctx)
		if err != nil {
			return nil, err
		}
		for _, e := range rows.all {
			if holdsAddress(*d.record, e) {
				users = append(users, a.scope.Text(a.app.Name).String()+" ("+a.scope.Text(e.Key).String()+")")
			}
		}
	}
	return users, nil
}
