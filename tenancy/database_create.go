package tenancy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
)

// NewDatabase describes a database to be created.
type NewDatabase struct {
	Name     string // lower-case letters, digits and single hyphens
	Engine   string // postgresql, mysql, mariadb, mongodb or redis
	AttachTo *App   // is going to have its address; may be nil
	EnvKey   string // as in [Database.Attach]
}

// makingTime is how long the making of a database may take before another call
// takes it over.
const makingTime = time.Minute

var errMakingDatabase = &Error{
	Code: Conflict, Msg: "another call is just making this database, or has lost its way", Hint: "try again in a minute",
	Retryable: true, RetryAfter: makingTime,
}

// CreateDatabase creates a database in the workspace's environment and network,
// and starts it. One of that name that was created here is returned as it is;
// created says which. Called again after a failure it goes on where that was.
//
// Coolify tells a database's address only when it makes it. So one whose answer got
// lost is of no use: it is known by its mark, deleted, and made anew.
func (s *Scope) CreateDatabase(ctx context.Context, n NewDatabase) (d *Database, created bool, err error) {
	if err := s.Require(Write); err != nil {
		return nil, false, err
	}
	if err := s.refuseDatabase(n); err != nil {
		return nil, false, err
	}
	place, err := s.databasePlace(ctx)
	if err != nil {
		return nil, false, err
	}
	record, err := s.recordedDatabase(ctx, n)
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
		d, err := s.databaseAgain(ctx, *record)
		return d, false, err
	}
	if record, err = s.claimDatabase(ctx, n, record); err != nil {
		return nil, false, err
	}
	d, err = s.makeDatabase(ctx, *record, place)
	return d, err == nil, err
}

func (s *Scope) refuseDatabase(n NewDatabase) error {
	switch {
	case !projectSlug.MatchString(n.Name) || len(n.Name) > maxProjectName:
		return &Error{
			Code: Invalid, Msg: fmt.Sprintf("a database's name has 1 to %d lower-case letters, digits and single hyphens between them, and begins with a letter", maxProjectName),
			Hint: "as in shop-data",
		}
	case s.Text(n.Name).String() != n.Name || coolifyUUID.MatchString(n.Name):
		return &Error{Code: Invalid, Msg: "this name looks like a credential or an id", Hint: "choose another; a name is shown to many"}
	case addressKeys[coolify.DatabaseKind(n.Engine)] == "":
		return &Error{Code: Invalid, Msg: "there is no such engine", Hint: "engines: postgresql, mysql, mariadb, mongodb, redis"}
	case n.AttachTo != nil && n.EnvKey != "":
		return refuseEnvKeys([]string{n.EnvKey})
	}
	return nil
}

// recordedDatabase returns what is recorded under a name; nil if nothing is, or
// what is left of it is forgotten here.
func (s *Scope) recordedDatabase(ctx context.Context, n NewDatabase) (*DatabaseRecord, error) {
	records, err := s.databaseRecords(ctx)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(records, func(r DatabaseRecord) bool { return r.Name == n.Name })
	if i < 0 {
		return nil, nil
	}
	r := records[i]
	gone, err := s.isGone(ctx, r)
	switch {
	case err != nil:
		return nil, err
	case gone:
		if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, ErrNotFound) {
			return nil, StoreError("forget a database that is gone", err)
		}
		return nil, nil
	case r.DeletingAt != nil:
		return nil, &Error{
			Code: Conflict, Msg: "a database of this name is just being deleted", Hint: "try again in a minute, or choose another name",
			Retryable: true, RetryAfter: makingTime,
		}
	case r.Engine != n.Engine:
		return nil, &Error{Code: Conflict, Msg: "a database of this name is there already, with the engine " + r.Engine, Hint: "choose another name"}
	}
	return &r, nil
}

// isGone reports whether a database is no more on Coolify that once was there.
func (s *Scope) isGone(ctx context.Context, r DatabaseRecord) (bool, error) {
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
		return false, upstream("read the database", err)
	}
	return false, nil
}

// databaseAgain is the database that was created before.
func (s *Scope) databaseAgain(ctx context.Context, r DatabaseRecord) (*Database, error) {
	id, err := coolify.ParseUUID(r.UUID)
	if err != nil {
		return nil, err
	}
	d, err := s.database(ctx, id)
	if IsNotFound(err) {
		return nil, &Error{
			Code: Conflict, Msg: "the database of this name was moved out of the workspace", Hint: "choose another name; only the platform's operator can bring it back", Err: err,
		}
	}
	return d, err
}

// claimDatabase writes a database down, or takes over one that a call began and did
// not finish.
func (s *Scope) claimDatabase(ctx context.Context, n NewDatabase, r *DatabaseRecord) (*DatabaseRecord, error) {
	now := inside(s).Now()
	if r == nil {
		r = &DatabaseRecord{
			ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, Name: n.Name, Engine: n.Engine, Nonce: RandomHex(), CreatedAt: now,
		}
		err := db(s).CreateDatabase(ctx, *r)
		if errors.Is(err, ErrConflict) {
			return nil, errMakingDatabase
		}
		if err != nil {
			return nil, StoreError("write down the database", err)
		}
		return r, nil
	}
	if now.Sub(r.CreatedAt) < makingTime {
		return nil, errMakingDatabase
	}
	err := db(s).TakeOverDatabase(ctx, *r, now)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) {
		return nil, errMakingDatabase
	}
	if err != nil {
		return nil, StoreError("take over a database", err)
	}
	r.CreatedAt = now
	return r, nil
}

// makeDatabase makes a database that is written down.
func (s *Scope) makeDatabase(ctx context.Context, r DatabaseRecord, place coolify.NewDatabase) (*Database, error) {
	project, err := inside(s).Project()
	if err != nil {
		return nil, err
	}
	if err := s.dropLost(ctx, r); err != nil {
		s.leaveDatabase(ctx, r)
		return nil, err
	}
	if err := s.refuseOneMore(ctx, r); err != nil {
		return nil, err
	}
	place.Name, place.Description = r.Name, MarkText(r.Nonce, "database")
	made, err := project.CreateDatabase(ctx, coolify.DatabaseKind(r.Engine), place)
	if err != nil {
		if detail, ok := errors.AsType[*coolify.Error](err); !ok || !detail.Unknown {
			s.leaveDatabase(ctx, r)
		}
		return nil, upstream("create the database", err)
	}
	d, err := s.database(ctx, made.UUID)
	if err != nil {
		s.leaveDatabase(ctx, r)
		return nil, err
	}
	if isMisplaced(d.is.Database, place) {
		return nil, s.undoDatabase(ctx, r, d.is.Calls)
	}
	if !made.URL.IsZero() {
		if r.URLSealed, err = inside(s).Box().Seal(made.URL, DatabaseURLPlace(r.ID)); err != nil {
			return nil, err
		}
	}
	err = db(s).RecordDatabase(ctx, r, made.UUID.String(), r.URLSealed)
	if errors.Is(err, ErrConflict) || errors.Is(err, ErrNotFound) { // another call took over, or it is to go
		if err := d.ask(ctx); err != nil {
			return nil, err
		}
		return nil, errMakingDatabase
	}
	if err != nil {
		return nil, StoreError("record the database", err)
	}
	r.UUID = made.UUID.String()
	d.record = &r
	inside(s).ReplaceTarget(r.UUID) // it is this that the call is about, not the app that gets the address
	return d, nil
}

// dropLost deletes databases that were made for a record and whose answer got
// lost. Coolify takes a while; meanwhile the mark tells them from the one to come.
func (s *Scope) dropLost(ctx context.Context, r DatabaseRecord) error {
	envs, err := inside(s).RecentEnvironments(ctx)
	if err != nil {
		return err
	}
	for _, env := range envs {
		list, err := inside(s).DatabasesIn(ctx, env)
		if err != nil {
			return err
		}
		for _, is := range list {
			if !r.IsLost(is.Database) {
				continue
			}
			if err := is.Calls.Delete(ctx, DeleteWithData); err != nil && !errors.Is(err, coolify.ErrNotFound) {
				return upstream("delete what a lost call has made", err)
			}
		}
	}
	return nil
}

// refuseOneMore refuses a database that is more than the plan allows. It looks when
// the record is there, so that several calls at once do not get past it.
func (s *Scope) refuseOneMore(ctx context.Context, r DatabaseRecord) error {
	records, err := s.databaseRecords(ctx)
	if err != nil {
		return err
	}
	records = slices.DeleteFunc(records, func(d DatabaseRecord) bool { return d.DeletingAt != nil })
	if len(records) <= inside(s).Plan().Databases {
		return nil
	}
	if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return StoreError("forget the database", err)
	}
	return planLimitError("database", inside(s).Plan().Databases, len(records)-1)
}

// leaveDatabase lets the next call go on at once. If this fails, it waits for
// [makingTime].
func (s *Scope) leaveDatabase(ctx context.Context, r DatabaseRecord) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := db(s).TakeOverDatabase(ctx, r, r.CreatedAt.Add(-makingTime)); err != nil {
		inside(s).Log().WarnContext(ctx, "database that was not made is not left to others", "workspace", s.Slug(), "err", s.ForLog(err))
	}
}

// isMisplaced reports whether Coolify has put a database elsewhere.
func isMisplaced(is coolify.Database, place coolify.NewDatabase) bool {
	return !place.Destination.IsZero() && is.DestinationUUID != place.Destination || !is.ServerUUID.IsZero() && is.ServerUUID != place.Server
}

// undoDatabase deletes a database that Coolify has put elsewhere, as it does
// without a word.
func (s *Scope) undoDatabase(ctx context.Context, r DatabaseRecord, made coolify.DatabaseClient) error {
	err := made.Delete(ctx, DeleteWithData)
	if err != nil && !errors.Is(err, coolify.ErrNotFound) {
		s.leaveDatabase(ctx, r)
		return upstream("delete the database again, as Coolify put it into another network", err)
	}
	if err := db(s).DropDatabase(ctx, r.WorkspaceID, r.ID); err != nil && !errors.Is(err, ErrNotFound) {
		return StoreError("forget the database", err)
	}
	return &Error{
		Code: Unavailable, Msg: "Coolify put the database into another network than the workspace's, so it was deleted again",
		Hint: "only the platform's operator can mend this: the workspace's server or destination is not what Coolify has",
	}
}

// databasePlace is where the workspace's databases are made, and what they may use.
func (s *Scope) databasePlace(ctx context.Context) (coolify.NewDatabase, error) {
	server, err := s.placed()
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	network, err := s.destination(ctx)
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	env, err := s.production(ctx)
	if err != nil {
		return coolify.NewDatabase{}, err
	}
	return coolify.NewDatabase{
		Environment: env.UUID, Server: server, Destination: network, InstantDeploy: true, Limits: s.limits(),
	}, nil
}
