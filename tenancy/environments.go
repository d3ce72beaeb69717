package tenancy

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
)

const (
	// missEvery is the least time between two requests that misses cause for one project.
	// It makes an id of another workspace cost the same as an id that does not exist, and
	// bounds the cost of many such ids. A new environment is seen after this time at the
	// latest.
	missEvery = 30 * time.Second
	// maxProjects bounds the memory. Beyond it the whole cache is cleared.
	maxProjects = 10_000
)

// environments caches which environments belong to which project. Coolify never moves an
// environment to another project and never reuses its id, so a hit stays valid for ever;
// only a miss asks Coolify again.
type environments struct {
	mu    sync.Mutex
	known map[coolify.UUID]projectEnvironments
}

type projectEnvironments struct {
	byID  map[int]coolify.Environment
	asked time.Time
}

// Environment returns the environment with this id if it is in the workspace's project.
// No project contains id 0; looking it up costs what a miss costs.
func (s Inside) Environment(ctx context.Context, id int) (coolify.Environment, bool, error) {
	project, err := s.Project()
	if err != nil {
		return coolify.Environment{}, false, err
	}
	known := s.guard.envs.get(project.UUID())
	if e, ok := known.byID[id]; ok {
		return e, true, nil
	}
	if s.guard.now().Sub(known.asked) < missEvery {
		return coolify.Environment{}, false, nil
	}
	if _, err := s.Environments(ctx); err != nil {
		return coolify.Environment{}, false, err
	}
	e, ok := s.guard.envs.get(project.UUID()).byID[id]
	return e, ok, nil
}

// RecentEnvironments returns the environments of the workspace's project, at most half a
// minute old and in no order.
func (s Inside) RecentEnvironments(ctx context.Context) ([]coolify.Environment, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	if known := s.guard.envs.get(project.UUID()); s.guard.now().Sub(known.asked) < missEvery {
		return slices.Collect(maps.Values(known.byID)), nil
	}
	return s.Environments(ctx)
}

// Environments asks Coolify for the environments of the workspace's project and
// remembers them.
func (s Inside) Environments(ctx context.Context) ([]coolify.Environment, error) {
	project, err := s.Project()
	if err != nil {
		return nil, err
	}
	list, err := project.Environments(ctx)
	if err != nil {
		return nil, UpstreamError("list the environments", err)
	}
	s.guard.envs.put(project.UUID(), list, s.guard.now())
	return list, nil
}

func (e *environments) get(project coolify.UUID) projectEnvironments {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.known[project]
}

func (e *environments) put(project coolify.UUID, list []coolify.Environment, now time.Time) {
	byID := make(map[int]coolify.Environment, len(list))
	for _, env := range list {
		if env.ID != 0 { // a missing id would match an app whose id is missing
			byID[env.ID] = env
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.known == nil || len(e.known) >= maxProjects {
		e.known = map[coolify.UUID]projectEnvironments{}
	}
	e.known[project] = projectEnvironments{byID, now}
}
