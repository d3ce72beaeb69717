package provision

import (
	"cmp"
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A NetworkState is where a workspace's apps and databases run. Its names are untrusted.
type NetworkState struct {
	Network string    `json:"network_uuid"`           // the destination for what is created now; empty = none yet
	Service string    `json:"service_uuid,omitempty"` // that keeps the network; empty = the network is not the workspace's own
	Running bool      `json:"service_running"`        // as Coolify has seen it last
	Outside []Outside `json:"outside"`                // never nil
}

// An Outside is an app or a database in another network than the workspace's. What is in
// the network does not reach it, and it may have no network at all.
type Outside struct {
	Kind    string `json:"kind"` // app or database
	UUID    string `json:"uuid"`
	Name    string `json:"name"`
	Status  string `json:"status"` // on Coolify
	Network string `json:"network_uuid"`
}

// Network reports a workspace's network and what is outside of it. It changes nothing.
func (p *Provisioner) Network(ctx context.Context, w tenancy.Workspace) (NetworkState, error) {
	state, err := p.store.Provision(ctx, w.ID)
	if err != nil {
		return NetworkState{}, tenancy.StoreError("read the workspace's parts", err)
	}
	n := NetworkState{Network: cmp.Or(w.Placement.Destination, state.Destination), Outside: []Outside{}}
	r := &run{Provisioner: p, state: state}
	if p.dangers.Isolates(w.Placement) {
		if err := r.describeService(ctx, &n); err != nil {
			return NetworkState{}, err
		}
	}
	project, err := r.coolifyProject()
	if err != nil || n.Network == "" {
		return n, err
	}
	apps, err := project.Apps(ctx)
	if err != nil {
		return NetworkState{}, newPartError(tenancy.PartNetwork, "list the apps", err)
	}
	for _, a := range apps {
		n.add(Outside{"app", a.UUID.String(), a.Name, a.Status, a.DestinationUUID.String()})
	}
	databases, err := project.EveryDatabase(ctx)
	if err != nil {
		return NetworkState{}, newPartError(tenancy.PartNetwork, "list the databases", err)
	}
	for _, d := range databases {
		n.add(Outside{"database", d.UUID.String(), d.Name, d.Status, d.DestinationUUID.String()})
	}
	return n, nil
}

// add adds what is outside, as far as Coolify reports its network.
func (n *NetworkState) add(o Outside) {
	if o.Network != n.Network && o.Network != "" {
		n.Outside = append(n.Outside, o)
	}
}

// describeService finds the service that keeps the network.
func (r *run) describeService(ctx context.Context, n *NetworkState) error {
	list, err := r.coolify.Destinations(ctx)
	if err != nil {
		return newPartError(tenancy.PartNetwork, "list the networks", err)
	}
	for _, d := range list {
		if d.UUID.String() != n.Network {
			continue
		}
		services, err := r.findServices(ctx, func(s coolify.Service) bool { return s.UUID.String() == d.Network })
		if err != nil {
			return newPartError(tenancy.PartNetwork, "find the service of the network", err)
		}
		for _, s := range services {
			n.Service, n.Running = s.UUID.String(), s.Running()
		}
	}
	return nil
}
