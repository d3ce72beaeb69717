package tenancy

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/known"
)

const (
	// seenAge is how old what is known of a workspace may be. Calls that come within it
	// share the requests to Coolify.
	seenAge = 5 * time.Second
	maxSeen = 20_000 // applications and databases that are known of all workspaces together
	maxRows = 20_000 // rows of variables
)

// Seen is what the workspace has on Coolify, as it was at a time. It is good for reading;
// an act asks again, with a finder, for the thing that it acts on. It starts from the
// workspace's own project, as Coolify's other lists are the whole team's.
type Seen struct {
	At           time.Time
	Own          bool // this call has just read it, so it is as fresh as what a finder returns
	Environments []coolify.Environment
	Apps         []FoundApp      // sorted by environment, name and uuid
	Databases    []FoundDatabase // likewise
}

// A place is an environment of a workspace's project with its contents. It holds no Scope,
// so that calls of one workspace can share it.
type place struct {
	environment coolify.Environment
	coolify.Contents
}

func sizeOf(places []place) (size int) {
	for _, p := range places {
		size += len(p.Applications) + len(p.Databases)
	}
	return size
}

// Known returns what the workspace has, at most five seconds old, and as of its last act
// through this process. Concurrent calls share the requests. An environment that somebody
// else has just made may be missing for half a minute.
func (s Inside) Known(ctx context.Context) (Seen, error) {
	id := s.grant.workspace.ID
	got, err := s.guard.seen.Get(ctx, id, s.places, isPrivate)
	if err != nil {
		return Seen{}, UpstreamError("list what the workspace has", err)
	}
	return s.seen(got.Value, got.At, got.Own), nil
}

// Look is Known, read afresh.
func (s Inside) Look(ctx context.Context) (Seen, error) {
	at := s.guard.now()
	envs, err := s.Environments(ctx)
	if err != nil {
		return Seen{}, err
	}
	places, err := s.contents(ctx, envs)
	if err != nil {
		return Seen{}, UpstreamError("list what the workspace has", err)
	}
	return s.seen(places, at, true), nil
}

// isPrivate reports whether an error concerns the call that met it alone: it lost its
// right.
func isPrivate(err error) bool {
	code := Public(err).Code
	return code == Unauthorized || code == Forbidden
}

// places reads what is in the environments that are known, or, if one of them is gone, in
// those that there are.
func (s Inside) places(ctx context.Context) ([]place, error) {
	envs, err := s.RecentEnvironments(ctx)
	if err != nil {
		return nil, err
	}
	places, err := s.contents(ctx, envs)
	if !errors.Is(err, coolify.ErrNotFound) {
		return places, err
	}
	if envs, err = s.Environments(ctx); err != nil {
		return nil, err
	}
	return s.contents(ctx, envs)
}

// contents proves what it returns: Coolify has answered with it for an environment of the
// workspace's project, and it names that environment itself.
func (s Inside) contents(ctx context.Context, envs []coolify.Environment) ([]place, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	var all []place
	for _, env := range envs {
		in, err := project.Contents(ctx, env.UUID)
		if err != nil {
			return nil, err
		}
		in.Applications = slices.DeleteFunc(in.Applications, func(a coolify.Application) bool {
			return a.EnvironmentID != env.ID || env.ID == 0
		})
		in.Databases = slices.DeleteFunc(in.Databases, func(d coolify.Database) bool {
			return d.EnvironmentID != env.ID || env.ID == 0
		})
		all = append(all, place{env, in})
	}
	return all, nil
}

// seen binds what was read to this Scope.
func (s Inside) seen(places []place, at time.Time, own bool) Seen {
	seen := Seen{At: at, Own: own}
	for _, p := range places {
		seen.Environments = append(seen.Environments, p.environment)
		for _, app := range p.Applications {
			seen.Apps = append(seen.Apps, s.foundApp(app, p.environment))
		}
		for _, database := range p.Databases {
			seen.Databases = append(seen.Databases, s.foundDatabase(database, p.environment))
		}
	}
	slices.SortFunc(seen.Apps, func(a, b FoundApp) int {
		return cmp.Or(
			cmp.Compare(a.Environment.Name, b.Environment.Name), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.UUID.String(), b.UUID.String()),
		)
	})
	slices.SortFunc(seen.Databases, func(a, b FoundDatabase) int {
		return cmp.Or(
			cmp.Compare(a.Environment.Name, b.Environment.Name), cmp.Compare(a.Name, b.Name),
			cmp.Compare(a.UUID.String(), b.UUID.String()),
		)
	})
	return seen
}

// EnvRows are the rows of apps' variables as writes of the last seconds left them.
func (s Inside) EnvRows() *known.Shelf[[]coolify.Env] { return s.guard.rows }
