package hosting

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/provision"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// NewDatabase describes a database to be created.
type NewDatabase struct {
	Name     string // lower-case letters, digits and single hyphens
	Engine   string // postgresql, mysql, mariadb, mongodb or redis
	AttachTo *App   // gets the database's address; may be nil
	EnvKey   string // as in [Database.Attach]
}

// makingTime is how long the creation of a database may take before another call takes it
// over.
const makingTime = time.Minute

var errMakingDatabase = &tenancy.Error{
	Code: tenancy.Conflict, Msg: "another call is creating this database, or was interrupted",
	Hint:      "try again in a minute",
	Retryable: true, RetryAfter: makingTime,
}

// CreateDatabase creates a database in the workspace's environment and network, and
// starts it. If vibn-mcp already created one of that name, CreateDatabase returns it
// unchanged and created is false. A call after a failure resumes the creation.
//
// Coolify reports a database's address only in the answer to its creation. A database
// whose answer was lost is therefore useless: it is recognised by its mark, deleted, and
// created again.
func CreateDatabase(ctx context.Context, s *tenancy.Scope, n NewDatabase) (d *Database, created bool, err error) {
	if err := s.Require(tenancy.Write); err != nil {
		return nil, false, err
	}
	if err := refuseDatabase(s, n); err != nil {
		return nil, false, err
	}
	place, err := databasePlace(ctx, s)
	if err != nil {
		return nil, false, err
	}
	record, err := recordedDatabase(ctx, s, n)
	if err != nil {
		return nil, false, err
	}
	if n.AttachTo != nil {
		key := cmp.Or(n.EnvKey, addressKeys[coolify.DatabaseKind(n.Engine)])
		if err := n.AttachTo.refuseTakenKey(ctx, key, record); err != nil {
			return nil, false, err
		}
	}
	if record != nil && record.UUID != "" {
		d, err := existingDatabase(ctx, s, *record)
		return d, false, err
	}
	if record, err = claimDatabase(ctx, s, n, record); err != nil {
		return nil, false, err
	}
	d, err = makeDatabase(ctx, s, *record, place)
	return d, err == nil, err
}

func refuseDatabase(s *tenancy.Scope, n NewDatabase) error {
	switch {
	case !repository.NameForm.MatchString(n.Name) || len(n.Name) > repository.MaxProjectName:
		return &tenancy.Error{
			Code: tenancy.Invalid,
			Msg: fmt.Sprintf(
				"a database's name has 1 to %d lower-case letters, digits and single hyphens between them, and begins "+
					"with a letter",
				repository.MaxProjectName,
			),
			Hint: "as in shop-data",
		}
	case s.Text(n.Name).String() != n.Name || tenancy.UUIDForm.MatchString(n.Name):
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "this name looks like a credential or an id",
			Hint: "choose another; names are shown to everyone in the workspace",
		}
	case addressKeys[coolify.DatabaseKind(n.Engine)] == "":
		return &tenancy.Error{
			Code: tenancy.Invalid, Msg: "unknown engine",
			Hint: "engines: postgresql, mysql, mariadb, mongodb, redis",
		}
	case n.AttachTo != nil && n.EnvKey != "":
		return refuseEnvKeys([]string{n.EnvKey})
	}
	return nil
}

// recordedDatabase returns the record of a name; nil if it has none. It drops the record
// of a database that no longer exists.
func recordedDatabase(ctx context.Context, s *tenancy.Scope, n NewDatabase) (*tenancy.DatabaseRecord, error) {
	records, err := databaseRecords(ctx, s)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(records, func(r tenancy.DatabaseRecord) bool { return r.Name == n.Name })
	if i < 0 {
		return nil, nil
	}
	r := records[i]
	gone, err := isGone(ctx, s, r)
	switch {
	case err != nil:
		return nil, err
	case gone:
		if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, tenancy.ErrNotFound) {
			return nil, tenancy.StoreError("forget a database that is gone", err)
		}
		return nil, nil
	case r.DeletingAt != nil:
		return nil, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "a database of this name is being deleted",
			Hint:      "try again in a minute, or choose another name",
			Retryable: true, RetryAfter: makingTime,
		}
	case r.Engine != n.Engine:
		return nil, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "a database of this name exists with the engine " + r.Engine,
			Hint: "choose another name",
		}
	}
	return &r, nil
}

// isGone reports whether a recorded database no longer exists on Coolify.
func isGone(ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord) (bool, error) {
	if r.UUID == "" {
		return false, nil
	}
	there, err := inside(s).DatabaseOfRecord(r)
	if err != nil {
		return false, err
	}
	_, err = there.Get(ctx)
	if errors.Is(err, coolify.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, tenancy.UpstreamError("read the database", err)
	}
	return false, nil
}

// existingDatabase returns the database that an earlier call created.
func existingDatabase(ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord) (*Database, error) {
	id, err := coolify.ParseUUID(r.UUID)
	if err != nil {
		return nil, err
	}
	d, err := databaseByID(ctx, s, id)
	if tenancy.IsNotFound(err) {
		return nil, &tenancy.Error{
			Code: tenancy.Conflict, Msg: "the database of this name was moved out of the workspace",
			Hint: "choose another name; only the platform's operator can bring it back", Err: err,
		}
	}
	return d, err
}

// claimDatabase records a database, or takes over one that an earlier call started and
// did not finish.
func claimDatabase(
	ctx context.Context, s *tenancy.Scope, n NewDatabase, r *tenancy.DatabaseRecord,
) (*tenancy.DatabaseRecord, error) {
	now := inside(s).Now()
	if r == nil {
		r = &tenancy.DatabaseRecord{
			ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, Name: n.Name, Engine: n.Engine,
			Nonce: tenancy.RandomHex(), CreatedAt: now,
		}
		err := db(s).CreateDatabase(ctx, *r)
		if errors.Is(err, tenancy.ErrConflict) {
			return nil, errMakingDatabase
		}
		if err != nil {
			return nil, tenancy.StoreError("write down the database", err)
		}
		return r, nil
	}
	if now.Sub(r.CreatedAt) < makingTime {
		return nil, errMakingDatabase
	}
	err := db(s).TakeOverDatabase(ctx, *r, now)
	if errors.Is(err, tenancy.ErrConflict) || errors.Is(err, tenancy.ErrNotFound) {
		return nil, errMakingDatabase
	}
	if err != nil {
		return nil, tenancy.StoreError("take over a database", err)
	}
	r.CreatedAt = now
	return r, nil
}

// makeDatabase creates a database that has been recorded.
func makeDatabase(
	ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord, place coolify.NewDatabase,
) (*Database, error) {
	project, err := inside(s).Project()
	if err != nil {
		return nil, err
	}
	if err := dropLostDatabases(ctx, s, r); err != nil {
		releaseDatabase(ctx, s, r)
		return nil, err
	}
	if err := refuseOneMore(ctx, s, r); err != nil {
		return nil, err
	}
	place.Name, place.Description = r.Name, tenancy.MarkText(r.Nonce, "database")
	made, err := project.CreateDatabase(ctx, coolify.DatabaseKind(r.Engine), place)
	if err != nil {
		if detail, ok := errors.AsType[*coolify.Error](err); !ok || !detail.Unknown {
			releaseDatabase(ctx, s, r)
		}
		return nil, tenancy.UpstreamError("create the database", err)
	}
	d, err := databaseByID(ctx, s, made.UUID)
	if err != nil {
		releaseDatabase(ctx, s, r)
		return nil, err
	}
	if isMisplaced(d.database.Database, place) {
		return nil, discardMisplaced(ctx, s, r, d.database.Calls)
	}
	if !made.URL.IsZero() {
		if r.URLSealed, err = inside(s).Box().Seal(made.URL, tenancy.DatabaseURLPlace(r.ID)); err != nil {
			return nil, err
		}
	}
	err = db(s).RecordDatabase(ctx, r, made.UUID.String(), r.URLSealed)
	if errors.Is(err, tenancy.ErrConflict) || errors.Is(err, tenancy.ErrNotFound) { // taken over, or to be deleted
		if err := d.ask(ctx); err != nil {
			return nil, err
		}
		return nil, errMakingDatabase
	}
	if err != nil {
		return nil, tenancy.StoreError("record the database", err)
	}
	r.UUID = made.UUID.String()
	d.record = &r
	inside(s).ReplaceTarget(r.UUID) // the call's target is the database, not the app that gets the address
	return d, nil
}

// dropLostDatabases deletes databases that were created for a record and whose answers were lost.
// Coolify deletes asynchronously; meanwhile their marks distinguish them from the new
// one.
func dropLostDatabases(ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord) error {
	seen, err := inside(s).Look(ctx)
	if err != nil {
		return err
	}
	for _, database := range seen.Databases {
		if !r.IsLost(database.Database) {
			continue
		}
		err := database.Calls.Delete(ctx, provision.DeleteWithData)
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return tenancy.UpstreamError("delete what a lost call has made", err)
		}
	}
	return nil
}

// refuseOneMore refuses a database beyond the plan's limit. It counts after the record
// exists, so that concurrent calls cannot exceed the limit.
func refuseOneMore(ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord) error {
	records, err := databaseRecords(ctx, s)
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(d tenancy.DatabaseRecord) bool { return d.DeletingAt != nil })
	if len(records) <= inside(s).Plan().Databases {
		return nil
	}
	if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("forget the database", err)
	}
	return planLimitError("database", inside(s).Plan().Databases, len(records)-1)
}

// releaseDatabase lets the next call take over at once. If this fails, the next call has to
// wait for [makingTime].
func releaseDatabase(ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := db(s).TakeOverDatabase(ctx, r, r.CreatedAt.Add(-makingTime)); err != nil {
		inside(s).Log().WarnContext(
			ctx, "database that was not made is not left to others", "workspace", s.Slug(), "err", s.ForLog(err),
		)
	}
}

// isMisplaced reports whether Coolify has put a database elsewhere.
func isMisplaced(database coolify.Database, place coolify.NewDatabase) bool {
	return !place.Destination.IsZero() && database.DestinationUUID != place.Destination ||
		!database.ServerUUID.IsZero() && database.ServerUUID != place.Server
}

// discardMisplaced deletes a database that Coolify has put elsewhere, as it does
// without a word.
func discardMisplaced(
	ctx context.Context, s *tenancy.Scope, r tenancy.DatabaseRecord, made coolify.DatabaseClient,
) error {
	err := made.Delete(ctx, provision.DeleteWithData)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		releaseDatabase(ctx, s, r)
		return tenancy.UpstreamError("delete the database again, as Coolify put it into another network", err)
	}
	if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.StoreError("forget the database", err)
	}
	return &tenancy.Error{
		Code: tenancy.Unavailable,
		Msg:  "Coolify put the database into another network than the workspace's, so it was deleted again",
		Hint: "only the platform's operator can fix this: the workspace's server or destination differs from " +
			"what Coolify has",
	}
}

// databasePlace returns where the workspace's databases are created, and their limits.
func databasePlace(ctx context.Context, s *tenancy.Scope) (coolify.NewDatabase, error) {
	server, err := placedServer(s)
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	network, err := destination(ctx, s)
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	env, err := productionEnvironment(ctx, s)
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	return coolify.NewDatabase{
		Environment: env.UUID, Server: server, Destination: network, InstantDeploy: true, Limits: limits(s),
	}, nil
}
