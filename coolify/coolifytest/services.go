package coolifytest

import (
	"cmp"
	"encoding/base64"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// A Service is what Coolify runs of a compose file. Its containers are in a network
// that is called as its uuid is, which its start makes.
type Service struct {
	UUID            string
	Name            string
	Description     string
	Compose         string // as it was sent
	FQDN            string // URL of its container; "" = none
	Status          string // as Coolify shows it, which lags: see [Server.CheckServers]
	Running         bool   // filled in: its containers run
	HostUUID        string // filled in
	DestinationUUID string // filled in; its containers are not in that network
	EnvironmentUUID string // filled in
	Deleting        bool   // filled in: its deletion is queued
}

type service struct {
	Service
	id               int
	env              *environment
	dest             *destination
	runs             bool
	created, updated time.Time
	deleted          *time.Time // when its deletion was asked for
	cleanup          bool       // its deletion cleans its server up
	keepsNetwork     bool       // its deletion leaves its network
}

func (v *service) copy() Service {
	out := v.Service
	out.Running, out.HostUUID, out.DestinationUUID = v.runs, v.dest.host.UUID, v.dest.UUID
	out.EnvironmentUUID, out.Deleting = v.env.uuid, v.deleted != nil
	return out
}

// AddService adds a service that does not run, on its server's first network. An unknown
// environment panics.
func (s *Server) AddService(environmentUUID string, v Service) Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	env := must(s.environment(environmentUUID), "environment", environmentUUID)
	return s.addService(env, s.destinationFor(env.project.team, v.HostUUID, v.DestinationUUID), v).copy()
}

func (s *Server) addService(env *environment, dest *destination, v Service) *service {
	now := s.cfg.Now()
	v.UUID, v.Status = cmp.Or(v.UUID, random(24)), cmp.Or(v.Status, "exited")
	v.Name = cmp.Or(v.Name, "service-"+random(10))
	added := &service{Service: v, id: s.next("service"), env: env, dest: dest, created: now, updated: now}
	s.services = append(s.services, added)
	return added
}

// Services returns the services of every team.
func (s *Server) Services() []Service {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	var out []Service
	for _, v := range s.services {
		out = append(out, v.copy())
	}
	return out
}

// SetService changes a service as an operator would. An unknown uuid panics.
func (s *Server) SetService(uuid string, change func(*Service)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := must(s.service(uuid), "service", uuid)
	change(&v.Service)
	v.runs, v.updated = v.Running, s.cfg.Now()
}

func (s *Server) service(uuid string) *service {
	return find(s.services, func(v *service) bool { return v.UUID == uuid })
}

// askedService is the service of a request by $request->uuid: the input's, if there is
// one.
func (s *Server) askedService(c *call) (*service, answer) {
	v := s.service(c.param("uuid"))
	if v == nil || v.env.project.team != c.token.Team {
		return nil, message(http.StatusNotFound, "Service not found.")
	}
	return v, answer{}
}

// json is a service as all answers show it.
func (v *service) json(secrets bool) object {
	o, server, part := shape("service"), v.dest.host.json(false), shape("service_application")
	server["id"] = v.dest.host.id
	maps.Copy(part, object{
		"id": v.id, "uuid": "of" + v.UUID[2:], "service_id": v.id, "status": v.Status, "fqdn": orNull(v.FQDN),
		"last_online_at": plainStamp(v.created), "created_at": stamp(v.created), "updated_at": stamp(v.updated),
	})
	maps.Copy(o, object{
		"uuid": v.UUID, "name": v.Name, "description": v.Description, "status": v.Status,
		"server_status": v.dest.host.usable(), "environment_id": v.env.id, "server_id": v.dest.host.id,
		"server": server, "destination_id": v.dest.id, "applications": []object{part},
		"created_at": stamp(v.created), "updated_at": stamp(v.updated),
	})
	if secrets {
		o["docker_compose_raw"], o["docker_compose"], o["destination"] = v.Compose, v.Compose, v.dest.json(secrets)
	}
	return o
}

func (s *Server) listServices(c *call) answer {
	out := []object{}
	for _, v := range s.services {
		if v.env.project.team == c.token.Team {
			o := v.json(c.sensitive())
			o["laravel_through_key"] = v.env.project.id
			out = append(out, o)
		}
	}
	return s.checkAfter(reply(http.StatusOK, out))
}

func (s *Server) getService(c *call) answer {
	v, missing := s.askedService(c)
	if v == nil {
		return missing
	}
	o := v.json(c.sensitive())
	o["environment"] = s.environmentJSON(v.env)
	return s.checkAfter(reply(http.StatusOK, o))
}

// servicesOf are those of the detail of an environment.
func (s *Server) servicesOf(e *environment, secrets bool) []object {
	out := []object{}
	for _, v := range s.services {
		if v.env == e {
			o := v.json(secrets)
			o["id"] = v.id
			out = append(out, o)
		}
	}
	return out
}

// serviceRules are those of a new service; only one of a compose file is simulated.
var serviceRules = append(
	required("project_uuid", "server_uuid"), limited("name", columnWidth, false), boolean("instant_deploy"),
	rule{field: "description", nullable: true, kind: "string"},
)

func (s *Server) createService(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	bad := c.check(serviceRules...)
	if bad.extra(
		c, "name", "description", "project_uuid", "environment_name", "environment_uuid", "server_uuid",
		"destination_uuid", "instant_deploy", "docker_compose_raw",
	); len(bad) > 0 {
		return invalid(bad)
	}
	if !c.has("docker_compose_raw") {
		return invalid(problems{
			"type":               {"The type field is required when docker compose raw is not present."},
			"docker_compose_raw": {"The docker compose raw field is required when type is not present."},
		})
	}
	env, missing := s.chosenEnvironment(c, message(http.StatusNotFound, "Environment not found."))
	if env == nil {
		return missing
	}
	dest, missing := s.chosenDestination(c)
	if dest == nil {
		return missing
	}
	compose, refusal, refused := c.compose()
	if refused {
		return refusal
	}
	v := s.addService(env, dest, Service{Name: c.text("name"), Description: c.text("description"), Compose: compose})
	if c.flag("instant_deploy") {
		s.runService(v)
	}
	return reply(http.StatusCreated, object{"uuid": v.UUID, "domains": []string{}})
}

// compose is the compose file of the input.
func (c *call) compose() (string, answer, bool) {
	raw, err := base64.StdEncoding.DecodeString(c.text("docker_compose_raw"))
	if err != nil || !utf8.Valid(raw) {
		return "", invalid(object{"docker_compose_raw": "The docker_compose_raw should be base64 encoded."}), true
	}
	return string(raw), answer{}, false
}

// runService makes the service's network, starts what is in it and lets the proxy in.
// Whether it went well shows in the status alone, and that not yet.
func (s *Server) runService(v *service) {
	h := v.dest.host
	s.checked = s.cfg.Now() // the next look is a minute away
	if !h.usable() || h.NoPull || !h.makeNetwork(v.UUID) {
		return
	}
	v.runs, h.networks[v.UUID].proxy = true, true
}

func (s *Server) updateService(c *call) answer {
	if refusal, refused := c.refuseBody(); refused {
		return refusal
	}
	v, missing := s.askedService(c)
	if v == nil {
		return missing
	}
	if c.has("docker_compose_raw") {
		compose, refusal, refused := c.compose()
		if refused {
			return refusal
		}
		v.Compose = compose
	}
	if c.has("description") {
		v.Description = c.text("description")
	}
	if c.has("name") {
		v.Name = c.text("name")
	}
	v.updated = s.cfg.Now()
	return reply(http.StatusOK, object{"uuid": v.UUID, "domains": []string{}})
}

// startService goes by the status, which lags.
func (s *Server) startService(c *call) answer {
	v, missing := s.askedService(c)
	switch {
	case v == nil:
		return missing
	case strings.Contains(v.Status, "running"):
		return message(http.StatusBadRequest, "Service is already running.")
	}
	s.runService(v)
	return message(http.StatusOK, "Service starting request queued.")
}

// stopService goes by the status too, so it does nothing to one that has just begun.
func (s *Server) stopService(c *call) answer {
	v, missing := s.askedService(c)
	switch {
	case v == nil:
		return missing
	case strings.Contains(v.Status, "stopped"), strings.Contains(v.Status, "exited"):
		return message(http.StatusBadRequest, "Service is already stopped.")
	}
	v.runs, v.Status = false, "exited"
	if c.cleansUp() {
		s.cleanUp(v.dest.host)
	}
	return message(http.StatusOK, "Service stopping request queued.")
}

// deleteService queues the deletion, which stops what runs whatever the status says.
func (s *Server) deleteService(c *call) answer {
	v, missing := s.askedService(c)
	if v == nil {
		return missing
	}
	if now := s.cfg.Now(); v.deleted == nil {
		v.deleted = &now
	}
	v.cleanup = v.cleanup || c.cleansUp()
	v.keepsNetwork = c.has("delete_connected_networks") && !c.flag("delete_connected_networks")
	return message(http.StatusOK, "Service deletion request queued.")
}

// removeServices removes those whose deletion was asked for at a time that is due.
func (s *Server) removeServices(due func(asked time.Time) bool) {
	for _, v := range s.services {
		if v.deleted == nil || !due(*v.deleted) {
			continue
		}
		v.runs = false
		if !v.keepsNetwork {
			s.removeNetwork(v.dest.host, v.UUID)
		}
		if v.cleanup {
			s.cleanUp(v.dest.host)
		}
	}
	s.services = slices.DeleteFunc(s.services, func(v *service) bool { return v.deleted != nil && due(*v.deleted) })
}
