package coolifytest

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// A Host is a server on which applications run.
type Host struct {
	UUID            string // made when empty
	DestinationUUID string // its first docker network; made when empty
	Name            string
	IP              string // made when empty
	Team            int
	IsCoolifyHost   bool
	Unreachable     bool // container logs answer 500
	NoProxy         bool // domains of applications on it are not looked at
	Unusable        bool // reached, but Docker does not work
	BuildServer     bool
	Domains         []string // of services, which have host names beside those of applications
	NoPull          bool     // its Docker cannot pull images: nothing but builds starts, and no call says why
	QueueLimit      int      // queued deployments; 0 = 25
	NetworkPool     int      // networks that Docker has addresses for; 0 = 30, as Docker comes
}

type host struct {
	Host
	id           int
	created      time.Time
	destinations []*destination // the one that it came with first, if it is there still
	networks     map[string]*network
}

const defaultQueueLimit = 25

// AddHost adds a server.
func (s *Server) AddHost(h Host) Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addHost(h).Host
}

func (s *Server) addHost(h Host) *host {
	added := &host{Host: h, id: s.next("server"), created: s.cfg.Now(), networks: map[string]*network{}}
	if h.UUID == "" {
		added.UUID = random(24)
	}
	if h.DestinationUUID == "" {
		added.DestinationUUID = random(24)
	}
	if h.IP == "" {
		added.IP = fmt.Sprintf("203.0.113.%d", added.id)
	}
	if h.QueueLimit == 0 {
		added.QueueLimit = defaultQueueLimit
	}
	if h.NetworkPool == 0 {
		added.NetworkPool = dockerPool
	}
	s.hosts = append(s.hosts, added)
	s.addDestination(added, Destination{UUID: added.DestinationUUID, Name: "coolify", Network: "coolify"})
	added.networks["coolify"] = &network{proxy: true}
	return added
}

// Hosts returns the servers of every team; the first is the one that [New] made.
func (s *Server) Hosts() []Host {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Host, len(s.hosts))
	for i, h := range s.hosts {
		out[i] = h.Host
		out[i].Domains = slices.Clone(h.Domains)
	}
	return out
}

// SetHost changes a server. An unknown uuid panics.
func (s *Server) SetHost(uuid string, change func(*Host)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&must(find(s.hosts, func(h *host) bool { return h.UUID == uuid }), "server", uuid).Host)
}

// QueueLimit sets how many deployments may be queued on each server before its
// queue is full. 0 means that it is full already.
func (s *Server) QueueLimit(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hosts {
		h.QueueLimit = n
	}
}

func (h *host) settings(secrets bool) object {
	o := shape("server_settings")
	o["id"], o["server_id"] = h.id, h.id
	o["created_at"], o["updated_at"] = stamp(h.created), stamp(h.created)
	o["is_reachable"], o["is_usable"] = !h.Unreachable, h.usable()
	o["is_build_server"] = h.BuildServer
	o["deployment_queue_limit"] = h.QueueLimit
	if secrets {
		o["sentinel_token"] = "sentinel-of-" + h.Name
		o["sentinel_custom_url"] = "http://" + h.IP + ":8000"
		for _, key := range []string{
			"logdrain_axiom_api_key", "logdrain_custom_config", "logdrain_custom_config_parser",
			"logdrain_newrelic_license_key",
		} {
			o[key] = nil
		}
	}
	return o
}

func (h *host) usable() bool { return !h.Unreachable && !h.Unusable }

// json is the server as GET /servers/{uuid} shows it, without its id.
func (h *host) json(secrets bool) object {
	o := shape("server")
	o["uuid"], o["name"], o["ip"], o["team_id"] = h.UUID, h.Name, h.IP, h.Team
	o["is_coolify_host"] = h.IsCoolifyHost
	o["sentinel_updated_at"] = plainStamp(h.created)
	o["created_at"], o["updated_at"] = stamp(h.created), stamp(h.created)
	o["settings"] = h.settings(secrets)
	return o
}

func (s *Server) listServers(c *call) answer {
	out := []object{}
	for _, h := range s.hosts {
		if h.Team != c.token.Team {
			continue
		}
		full := h.json(c.sensitive())
		o := object{"is_reachable": !h.Unreachable, "is_usable": h.usable()}
		for _, key := range []string{
			"uuid", "name", "description", "ip", "is_coolify_host", "port", "proxy", "settings", "user",
		} {
			o[key] = full[key]
		}
		out = append(out, o)
	}
	return reply(http.StatusOK, out)
}

func (s *Server) getServer(c *call) answer {
	h := find(s.hosts, func(h *host) bool { return h.UUID == c.param("uuid") && h.Team == c.token.Team })
	if h == nil {
		return message(http.StatusNotFound, "Server not found.")
	}
	o := h.json(c.sensitive())
	if c.flag("resources") {
		o["resources"] = s.resources(h)
	}
	return reply(http.StatusOK, o)
}

// listDomains is asked for one server and answers for all of the team.
func (s *Server) listDomains(c *call) answer {
	if find(s.hosts, func(h *host) bool { return h.UUID == c.param("uuid") && h.Team == c.token.Team }) == nil {
		return message(http.StatusNotFound, "Server not found.")
	}
	out := []object{}
	for _, h := range s.hosts {
		if domains := s.domains(h); h.Team == c.token.Team && len(domains) > 0 {
			out = append(out, object{"ip": h.IP, "domains": domains})
		}
	}
	return reply(http.StatusOK, out)
}

// domains are the host names of every tenant's applications and services on a
// server.
func (s *Server) domains(h *host) []string {
	out := slices.Clone(h.Domains)
	for _, a := range s.apps {
		if a.host != h || a.FQDN == "" {
			continue
		}
		for address := range strings.SplitSeq(a.FQDN, ",") {
			if u, err := url.Parse(address); err == nil {
				out = append(out, u.Hostname())
			}
		}
	}
	return out
}

// resources are every tenant's applications, databases and services on a server.
func (s *Server) resources(h *host) []object {
	out := []object{}
	for _, a := range s.apps {
		if a.host == h {
			out = append(out, object{
				"id": a.id, "uuid": a.UUID, "name": a.Name, "type": "application", "status": a.Status,
				"created_at": stamp(a.created), "updated_at": stamp(a.updated),
			})
		}
	}
	for _, d := range s.databases {
		if d.dest.host == h {
			out = append(out, object{
				"id": d.id, "uuid": d.UUID, "name": d.Name, "type": "standalone-" + d.Kind, "status": d.Status,
				"created_at": stamp(d.created), "updated_at": stamp(d.updated),
			})
		}
	}
	for _, v := range s.services {
		if v.dest.host == h {
			out = append(out, object{
				"id": v.id, "uuid": v.UUID, "name": v.Name, "type": "service", "status": v.Status,
				"created_at": stamp(v.created), "updated_at": stamp(v.updated),
			})
		}
	}
	return out
}

// teamJSON is a team as GET /team shows it.
func (s *Server) teamJSON(id int) object {
	at := stamp(s.hosts[0].created)
	return object{
		"id": id, "name": fmt.Sprintf("Team %d", id), "description": nil, "is_mcp_server_enabled": true,
		"personal_team": id == 0, "show_boarding": false, "created_at": at, "updated_at": at,
	}
}

func (s *Server) listTeams(c *call) answer {
	return reply(http.StatusOK, []object{s.teamJSON(c.token.Team)})
}

func (s *Server) currentTeam(c *call) answer { return reply(http.StatusOK, s.teamJSON(c.token.Team)) }

func (s *Server) getTeam(c *call) answer {
	if c.path["id"] != fmt.Sprint(c.token.Team) {
		return message(http.StatusNotFound, "Team not found.")
	}
	return s.currentTeam(c)
}
