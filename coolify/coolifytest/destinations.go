package coolifytest

import (
	"cmp"
	"net/http"
	"slices"
	"time"
)

// A Destination is a row that names a docker network of a server.
type Destination struct {
	UUID     string // made when empty
	Name     string
	Network  string // unique on its server
	HostUUID string
}

type destination struct {
	Destination
	id      int
	host    *host
	created time.Time
}

// AddDestination adds a destination to a server, with its network and the proxy in that,
// as Coolify made them until 4.3.7. An unknown server panics.
func (s *Server) AddDestination(d Destination) Destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := must(find(s.hosts, func(h *host) bool { return h.UUID == d.HostUUID }), "server", d.HostUUID)
	added := s.addDestination(h, d)
	h.networks[added.Network] = &network{proxy: true}
	return added.Destination
}

func (s *Server) addDestination(h *host, d Destination) *destination {
	d.UUID, d.HostUUID = cmp.Or(d.UUID, random(24)), h.UUID
	added := &destination{Destination: d, id: s.next("destination"), host: h, created: s.cfg.Now()}
	h.destinations = append(h.destinations, added)
	return added
}

// Destinations returns the networks of every team's servers.
func (s *Server) Destinations() []Destination {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Destination
	for _, h := range s.hosts {
		for _, d := range h.destinations {
			out = append(out, d.Destination)
		}
	}
	return out
}

func (h *host) firstDestination() *destination {
	return find(h.destinations, func(*destination) bool { return true })
}

// json is the network as resources carry it.
func (d *destination) json(secrets bool) object {
	server := d.host.json(secrets)
	server["id"] = d.host.id
	return object{
		"id": d.id, "uuid": d.UUID, "name": d.Name, "network": d.Network, "server_id": d.host.id,
		"created_at": stamp(d.created), "updated_at": stamp(d.created), "server": server,
	}
}

// listed is the network as lists and its own operations answer it.
func (d *destination) listed() object {
	return object{
		"uuid": d.UUID, "name": d.Name, "network": d.Network, "type": "standalone", "server_uuid": d.host.UUID,
		"created_at": stamp(d.created), "updated_at": stamp(d.created),
	}
}

func (h *host) listDestinations() []object {
	out := []object{}
	for _, d := range h.destinations {
		out = append(out, d.listed())
	}
	return out
}

// noModel is what Laravel says of firstOrFail.
func (c *call) noModel(model string) answer {
	return c.exception(http.StatusNotFound, `No query results for model [App\Models\`+model+`].`)
}

// destinationServer is the server in the path.
func (s *Server) destinationServer(c *call) *host {
	return find(s.hosts, func(h *host) bool { return h.UUID == c.path["server_uuid"] && h.Team == c.token.Team })
}

func (s *Server) listDestinations(c *call) answer {
	out := []object{}
	for _, h := range s.hosts {
		if h.Team == c.token.Team {
			out = append(out, h.listDestinations()...)
		}
	}
	return reply(http.StatusOK, out)
}

func (s *Server) listServerDestinations(c *call) answer {
	h := s.destinationServer(c)
	if h == nil {
		return c.noModel("Server")
	}
	return reply(http.StatusOK, h.listDestinations())
}

// createDestination makes a row. Since 4.3.8 it asks for an overlay network, which only
// a swarm has, and does not hear that this went wrong. Then the proxy joins the networks
// of what runs.
func (s *Server) createDestination(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	h := s.destinationServer(c)
	if h == nil {
		return c.noModel("Server")
	}
	network := matching("network", columnWidth, false, networkPattern)
	network.required = true
	bad := c.check(limited("name", columnWidth, true), network, rule{field: "type", nullable: true, kind: "string"})
	if bad.extra(c, "name", "network", "type"); len(bad) > 0 {
		return invalid(bad)
	}
	if kind := cmp.Or(c.text("type"), "standalone"); kind != "standalone" {
		return message(http.StatusUnprocessableEntity, "Destination type must be standalone for this server.")
	}
	d := Destination{Network: c.text("network"), Name: cmp.Or(c.text("name"), h.Name+"-"+c.text("network"))}
	if find(h.destinations, func(other *destination) bool { return other.Network == d.Network }) != nil {
		return message(http.StatusConflict, "A destination with this network already exists on the server.")
	}
	a := reply(http.StatusCreated, s.addDestination(h, d).listed())
	if s.makesNetworks() {
		h.makeNetwork(d.Network)
	}
	s.joinProxy(h)
	c.ssh = true
	return a
}

func (s *Server) deleteDestination(c *call) answer {
	for _, h := range s.hosts {
		d := find(
			h.destinations, func(d *destination) bool { return d.UUID == c.path["uuid"] && h.Team == c.token.Team },
		)
		if d == nil {
			continue
		}
		if s.attached(d) {
			return message(http.StatusConflict, "Destination has attached resources, detach first.")
		}
		if c.ssh = true; !s.removeNetwork(h, d.Network) {
			return c.serverError()
		}
		h.destinations = slices.DeleteFunc(h.destinations, func(other *destination) bool { return other == d })
		return message(http.StatusOK, "Deleted.")
	}
	return c.noModel("SwarmDocker")
}

// attached reports whether anything belongs to a destination, also what is being deleted.
// A service does, though its containers are in a network of their own.
func (s *Server) attached(d *destination) bool {
	return slices.ContainsFunc(s.apps, func(a *app) bool { return a.dest == d }) ||
		slices.ContainsFunc(s.databases, func(b *database) bool { return b.dest == d }) ||
		slices.ContainsFunc(s.services, func(v *service) bool { return v.dest == d })
}

// chosenDestination is where a new resource goes. One that is named is looked at
// only on a server that has several.
func (s *Server) chosenDestination(c *call) (*destination, answer) {
	h := find(s.hosts, func(h *host) bool { return h.UUID == c.text("server_uuid") && h.Team == c.token.Team })
	if h == nil {
		return nil, message(http.StatusNotFound, "Server not found.")
	}
	switch {
	case len(h.destinations) == 0:
		return nil, message(http.StatusBadRequest, "Server has no destinations.")
	case len(h.destinations) == 1:
		return h.destinations[0], answer{}
	case !c.has("destination_uuid"):
		return nil, message(
			http.StatusBadRequest, "Server has multiple destinations and you do not set destination_uuid.",
		)
	}
	d := find(h.destinations, func(d *destination) bool { return d.UUID == c.text("destination_uuid") })
	if d == nil {
		return nil, invalid(
			object{"destination_uuid": "Provided destination_uuid does not belong to the specified server."},
		)
	}
	return d, answer{}
}

// chosenEnvironment is the environment of a new resource: by name first, then by
// uuid. Coolify speaks of a missing one as absent says.
func (s *Server) chosenEnvironment(c *call, absent answer) (*environment, answer) {
	name, uuid := c.text("environment_name"), c.text("environment_uuid")
	if name == "" && uuid == "" {
		return nil, message(
			http.StatusUnprocessableEntity, "You need to provide at least one of environment_name or environment_uuid.",
		)
	}
	p, missing := s.teamProject(c, c.text("project_uuid"))
	if p == nil {
		return nil, missing
	}
	e := p.named(name)
	if e == nil {
		e = find(p.environments, func(e *environment) bool { return e.uuid == uuid })
	}
	if e == nil {
		return nil, absent
	}
	return e, answer{}
}
