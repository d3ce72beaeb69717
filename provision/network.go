package provision

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/once"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// On one Docker network every container reaches every other, and finds it by its name. So
// each workspace gets a network of its own, which Coolify calls a destination.

// networkName returns the name of the workspace's own network, which Docker uses too.
func networkName(p tenancy.Provision) string {
	return "vibn-" + p.Slug + "-" + tenancy.Mark(p.Nonce, "network")
}

// ensureNetwork makes the workspace's own network exist on the server of its placement. Coolify
// allows one network of a name on a server, so the name is the mark.
func (r *run) ensureNetwork(ctx context.Context) error {
	if !r.dangers.Isolates(r.state.Placement) {
		return nil
	}
	server, err := coolify.ParseUUID(r.state.Placement.Server)
	if err != nil {
		return err
	}
	_, _, err = once.Thing[coolify.UUID]{
		Find: func(ctx context.Context) ([]coolify.UUID, error) { return r.findNetwork(ctx, server) },
		Create: func(ctx context.Context) error {
			_, err := r.coolify.Server(server).CreateDestination(
				ctx, coolify.NewDestination{Name: networkName(r.state), Network: networkName(r.state)},
			)
			return err
		},
		Recorded: func(id coolify.UUID) bool { return id.String() == r.state.Destination },
		Record: func(ctx context.Context, id coolify.UUID) error {
			return r.record(ctx, func(p *tenancy.Parts) { p.Destination = id.String() })
		},
	}.Ensure(ctx)
	if errors.Is(err, coolify.ErrRouteMissing) {
		return &tenancy.PartError{
			Part: tenancy.PartNetwork,
			Why:  "this Coolify cannot create a network for the workspace: that needs version 4.2", Err: err,
			Fix: "update Coolify; then provision it again",
		}
	}
	return err
}

// findNetwork returns the workspace's own network on a server; an empty list if it does
// not exist.
func (r *run) findNetwork(ctx context.Context, server coolify.UUID) ([]coolify.UUID, error) {
	list, err := r.coolify.Server(server).Destinations(ctx)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if d.Network == networkName(r.state) {
			return []coolify.UUID{d.UUID}, nil
		}
	}
	return nil, nil
}

// removeNetworks deletes the networks of a deleted workspace, on every server on which it
// was ever placed.
func (r *run) removeNetworks(ctx context.Context) error {
	list, err := r.coolify.Destinations(ctx)
	if err != nil && !errors.Is(err, coolify.ErrRouteMissing) {
		return err
	}
	for _, d := range list {
		if d.Network != networkName(r.state) {
			continue
		}
		err := r.coolify.Destination(d.UUID).Delete(ctx)
		if errors.Is(err, coolify.ErrInUse) {
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
