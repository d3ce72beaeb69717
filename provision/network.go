package provision

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// On one Docker network every container reaches every other, and finds it by its name. So
// each workspace gets a network of its own. A service of the platform's in the workspace's
// project holds it (see service.go), and a destination on Coolify names it, in which the
// workspace's apps and databases are created.

// networkName returns the name of the service and of the destination. It holds the
// workspace's mark, so it proves whose they are. Earlier versions of vibn-mcp gave it to
// the network too.
func networkName(p tenancy.Provision) string {
	return "vibn-" + p.Slug + "-" + tenancy.Mark(p.Nonce, "network")
}

// someWorkspaces is the form of [networkName].
var someWorkspaces = regexp.MustCompile(`^vibn-.+-[0-9a-f]{32}$`)

// ensureNetwork makes the workspace's network exist on the server of its placement.
func (r *run) ensureNetwork(ctx context.Context) error {
	place := r.state.Placement
	if place.Server == "" || place.Destination != "" || r.state.Parts.CoolifyProject == "" {
		return nil
	}
	server, err := coolify.ParseUUID(place.Server)
	if err != nil {
		return err
	}
	list, err := r.coolify.Server(server).Destinations(ctx)
	switch {
	case errors.Is(err, coolify.ErrRouteMissing) && r.dangers.SharedNetworks:
		return nil // a server of such a Coolify has one network, as far as the API goes
	case errors.Is(err, coolify.ErrRouteMissing):
		return &tenancy.PartError{
			Part: tenancy.PartNetwork,
			Why:  "this Coolify cannot create a network for the workspace: that needs version 4.2", Err: err,
			Fix: "update Coolify; then provision it again",
		}
	case err != nil:
		return err
	case r.dangers.SharedNetworks:
		return r.shareNetwork(ctx, list)
	}
	service, err := r.ensureService(ctx, server, list)
	if err != nil {
		return err
	}
	if err := r.awaitService(ctx, service, len(list)); err != nil {
		return err
	}
	if err := r.ensureDestination(ctx, server, list, service.UUID.String()); err != nil {
		return err
	}
	return r.dropOldNetworks(ctx, list, service.UUID.String())
}

// ensureDestination makes the destination of a network exist, and records it. list is what
// the server had. Coolify allows one destination of a network on a server.
func (r *run) ensureDestination(
	ctx context.Context, server coolify.UUID, list []coolify.Destination, network string,
) error {
	find := func(list []coolify.Destination) []coolify.Destination {
		return slices.DeleteFunc(slices.Clone(list), func(d coolify.Destination) bool { return d.Network != network })
	}
	found := find(list)
	_, _, err := once.Thing[coolify.Destination]{
		Find: func(ctx context.Context) ([]coolify.Destination, error) {
			if len(found) > 0 {
				return found, nil
			}
			now, err := r.coolify.Server(server).Destinations(ctx)
			return find(now), err
		},
		Create: func(ctx context.Context) error {
			_, err := r.coolify.Server(server).CreateDestination(
				ctx, coolify.NewDestination{Name: networkName(r.state), Network: network},
			)
			return err
		},
		Recorded: func(d coolify.Destination) bool { return d.UUID.String() == r.state.Destination },
		Record: func(ctx context.Context, d coolify.Destination) error {
			return r.record(ctx, func(p *tenancy.Parts) { p.Destination = d.UUID.String() })
		},
	}.Ensure(ctx)
	return err
}

// dropOldNetworks deletes the workspace's other destinations of a server: of a service
// that is gone, and those that earlier versions made without a service. One in which
// something runs stays, as Coolify moves nothing from one network of a server to another.
func (r *run) dropOldNetworks(ctx context.Context, list []coolify.Destination, but string) error {
	for _, d := range list {
		if d.Network == but || !r.ownsDestination(d) {
			continue
		}
		err := r.coolify.Destination(d.UUID).Delete(ctx)
		if err != nil && !errors.Is(err, coolify.ErrNotFound) && !isHeld(err) {
			return err
		}
	}
	return nil
}

// ownsDestination reports whether vibn-mcp made a destination for this workspace.
func (r *run) ownsDestination(d coolify.Destination) bool {
	return d.Name == networkName(r.state) || d.Network == networkName(r.state)
}

// isHeld reports whether Coolify did not delete a destination because of what is in its
// network. For a container that belongs to something else it answers 500.
func isHeld(err error) bool {
	e, ok := errors.AsType[*coolify.Error](err)
	return errors.Is(err, coolify.ErrInUse) || ok && e.Status == 500
}

// shareNetwork records the network that the workspace shares with whatever else is on its
// server, as one has to be named on a server that has several.
func (r *run) shareNetwork(ctx context.Context, list []coolify.Destination) error {
	d, ok := serversOwn(list)
	if !ok {
		names := make([]string, 0, len(list))
		for _, d := range list {
			names = append(names, d.Name)
		}
		return &tenancy.PartError{
			Part: tenancy.PartNetwork, Platform: true,
			Why: r.dangers.clean(
				"the workspace's server has several networks (" + firstNames(names) + "), and none is called coolify",
			),
			Fix: "say which one workspaces share: set COOLIFY_DESTINATION_UUID for new ones, and " +
				"\"vibn-mcp workspace place SLUG --coolify-destination-uuid UUID\" for those that are there",
		}
	}
	if d.UUID.String() == r.state.Destination {
		return nil
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.Destination = d.UUID.String() })
}

// serversOwn returns the destination that a server came with: the one of the network
// coolify, else the only one that is no workspace's.
func serversOwn(list []coolify.Destination) (coolify.Destination, bool) {
	others := slices.DeleteFunc(slices.Clone(list), func(d coolify.Destination) bool {
		return someWorkspaces.MatchString(d.Name) || someWorkspaces.MatchString(d.Network)
	})
	i := slices.IndexFunc(others, func(d coolify.Destination) bool { return d.Network == "coolify" })
	switch {
	case i >= 0:
		return others[i], true
	case len(others) == 1:
		return others[0], true
	}
	return coolify.Destination{}, false
}

// removeNetworks deletes the networks of a deleted workspace, on every server on which it
// was ever placed. The services go first: while a container is in a network, Coolify does
// not delete its destination.
func (r *run) removeNetworks(ctx context.Context) error {
	list, err := r.coolify.Destinations(ctx)
	if err != nil && !errors.Is(err, coolify.ErrRouteMissing) {
		return err
	}
	list = slices.DeleteFunc(list, func(d coolify.Destination) bool { return !r.ownsDestination(d) })
	if err := r.removeServices(ctx, list); err != nil {
		return err
	}
	for _, d := range list {
		err := r.coolify.Destination(d.UUID).Delete(ctx)
		if isHeld(err) {
			return &tenancy.PartError{
				Part: tenancy.PartNetwork, Why: "something is still connected to the workspace's network " + d.UUID.String(),
				Again: true, Err: err,
				Fix: "what vibn-mcp created is being deleted; delete the rest in Coolify. It is tried again",
			}
		}
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return err
		}
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.Destination = "" })
}

// queueLost queues the workspaces whose network is lost, whose run makes another or starts
// its service again, and returns them.
func (p *Provisioner) queueLost(
	ctx context.Context, queued []string, queue func(context.Context, string) error,
) ([]string, error) {
	within, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	lost, err := p.lostNetworks(within)
	if err != nil {
		p.log.WarnContext(ctx, "networks not looked at; the next sweep does", "err", tenancy.ForLog(p.shown, err))
	}
	lost = slices.DeleteFunc(lost, func(id string) bool { return slices.Contains(queued, id) })
	for _, id := range lost {
		if err := queue(ctx, id); err != nil {
			return nil, err
		}
	}
	return lost, nil
}

// lostNetworks returns the ids of the workspaces whose network is not held any more, or
// not yet: their service is gone or stopped, or their destination is. It sends two
// requests, whatever the number of workspaces. Those that are not ready are being seen to.
func (p *Provisioner) lostNetworks(ctx context.Context) ([]string, error) {
	all, err := p.store.Workspaces(ctx)
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(w tenancy.Workspace) bool {
		return w.Status != tenancy.Ready || w.SuspendedAt != nil || !p.dangers.Isolates(w.Placement)
	})
	if len(all) == 0 {
		return nil, nil
	}
	services, err := p.coolify.Services(ctx)
	if err != nil {
		return nil, err
	}
	destinations, err := p.coolify.Destinations(ctx)
	if err != nil {
		return nil, err
	}
	up := map[string]bool{} // by the uuid of the destination
	for _, d := range destinations {
		up[d.UUID.String()] = slices.ContainsFunc(services, func(s coolify.Service) bool {
			return s.UUID.String() == d.Network && (s.Running() || strings.HasPrefix(s.Status, "starting"))
		})
	}
	var lost []string
	for _, w := range all {
		state, err := p.store.Provision(ctx, w.ID)
		if err != nil {
			return nil, err
		}
		if !up[state.Destination] {
			lost = append(lost, w.ID)
		}
	}
	return lost, nil
}
