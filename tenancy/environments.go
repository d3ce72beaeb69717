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
	// missEvery bounds how often a miss may ask Coolify again. It makes an id of
	// another workspace and an id of nobody cost the same, and a flood of them
	// cost little. A new environment is seen after this time at the latest.
	missEvery = 30 * time.Second
	// maxProjects bounds the memory; beyond it everything is forgotten and asked
	// for again.
	maxProjects = 10_000
)

// environments remembers which environments belong to which project. Coolify
// never moves an environment to another project and never uses its id again, so
// a remembered yes stays true for ever; only a miss asks again.
type environments struct {
	mu    sync.Mutex
	known map[coolify.UUID]projectEnvironments
}

type projectEnvironments struct {
	byID  map[int]coolify.Environment
	asked time.Time
}

// Environment returns the environment with this id if it is in the workspace's
// project. Id 0 is in no project: looking it up costs what a miss costs.
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

// RecentEnvironments returns the environments of the workspace's project as they
// were half a minute ago at the most, in no order.
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
		if env.ID != 0 { // an id that is missing would match an app whose id is missing
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
