package coolifytest

import (
	"encoding/base64"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// serviceBody is the body of a new service in alpha's project.
func (s *sim) serviceBody(over object) string {
	s.t.Helper()
	body := object{
		"project_uuid": s.alpha.UUID, "environment_uuid": s.alpha.Environments[0].UUID, "server_uuid": s.Hosts()[0].UUID,
		"destination_uuid": s.Hosts()[0].DestinationUUID, "name": "holder", "description": "of alpha", "instant_deploy": true,
		"docker_compose_raw": base64.StdEncoding.EncodeToString([]byte("services:\n  network:\n    image: pause\n")),
	}
	for k, v := range over {
		if v == nil {
			delete(body, k)
			continue
		}
		body[k] = v
	}
	return string(phpJSON(body))
}

// newService makes a service and returns its uuid.
func (s *sim) newService(over object) string {
	s.t.Helper()
	return s.do("POST", "/services", s.serviceBody(over)).ok(201).object()["uuid"].(string)
}

// newDestination makes a destination of a network on the first server.
func (s *sim) newDestination(network string) string {
	s.t.Helper()
	return s.do("POST", "/servers/"+s.Hosts()[0].UUID+"/destinations", `{"network":"`+network+`"}`).ok(201).object()["uuid"].(string)
}

// TestDestinationIsARow: since 4.3.8 a destination makes no network, and a deployment
// into it fails at once.
func TestDestinationIsARow(t *testing.T) {
	for version, want := range map[string]struct {
		networks []string
		status   string
	}{
		Version43:  {[]string{"coolify"}, Failed},
		"4.3.8":    {[]string{"coolify"}, Failed},
		Version437: {[]string{"alpha-net", "coolify"}, InProgress},
	} {
		s := newSim(t, Config{Version: version})
		dest := s.newDestination("alpha-net")
		if diff := cmp.Diff(want.networks, s.Networks(s.Hosts()[0].UUID)); diff != "" {
			t.Errorf("%s: networks (-want +got)\n%s", version, diff)
		}
		a := s.create(object{"destination_uuid": dest})
		d := s.do("POST", "/applications/"+a.UUID+"/start", "").ok(200).object()["deployment_uuid"].(string)
		s.Advance(d)
		got, _ := s.Deployment(d)
		if last := got.Logs[len(got.Logs)-1].Output; got.Status != want.status || want.status == Failed && !strings.HasSuffix(last, "network alpha-net not found.") {
			t.Errorf("%s: deployment %s, %q", version, got.Status, last)
		}
	}
}

// TestServiceNetwork: the start of a service makes a network of its name, with the
// proxy in it, at once; the status tells of it at the next look only.
func TestServiceNetwork(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, BuildTime: time.Minute})
	uuid := s.newService(nil)
	path := "/services/" + uuid
	if got := s.do("GET", path, "").ok(200).object(); got["status"] != "exited" || got["description"] != "of alpha" {
		t.Errorf("at once: %v %v", got["status"], got["description"])
	}
	if !slices.Contains(s.Networks(s.Hosts()[0].UUID), uuid) {
		t.Error("no network")
	}
	s.do("POST", path+"/stop?docker_cleanup=false", "").is(400, `{"message":"Service is already stopped."}`)
	a := s.create(object{"destination_uuid": s.newDestination(uuid), "domains": "https://new.example.com"})
	s.SetApp(a.UUID, func(a *App) { a.Status = "running:healthy" })
	if _, status := s.Serving("new.example.com"); status != 200 {
		t.Errorf("an app in it answers %d", status)
	}
	now.at = now.at.Add(2 * time.Minute)
	for range 2 {
		if got := s.do("GET", path, "").object()["status"]; got != "running:unknown" {
			t.Errorf("a minute later: %v", got)
		}
	}
	s.do("POST", path+"/start", "").is(400, `{"message":"Service is already running."}`)
	s.do("POST", path+"/stop?docker_cleanup=false", "").is(200, `{"message":"Service stopping request queued."}`)
	if got := s.do("GET", path, "").object()["status"]; got != "exited" {
		t.Errorf("stopped: %v", got)
	}
	s.do("POST", path+"/start", "").is(200, `{"message":"Service starting request queued."}`)
	if !s.Services()[0].Running {
		t.Error("it was not started again")
	}
}

// TestProxyJoinsLate: the proxy joins a network that no service made when the servers
// are looked at next, or when somebody makes a destination.
func TestProxyJoinsLate(t *testing.T) {
	for name, joins := range map[string]func(s *sim){
		"a look":        func(s *sim) { s.CheckServers() },
		"a destination": func(s *sim) { s.newDestination("another") },
	} {
		s := newSim(t, Config{Version: Version437})
		a := s.create(object{"destination_uuid": s.newDestination("own"), "domains": "https://new.example.com"})
		s.SetApp(a.UUID, func(a *App) { a.Status = "running:healthy" })
		if _, status := s.Serving("new.example.com"); status != 503 {
			t.Errorf("%s: at once it answers %d", name, status)
		}
		joins(s)
		if _, status := s.Serving("new.example.com"); status != 200 {
			t.Errorf("%s: afterwards it answers %d", name, status)
		}
	}
}

// TestDestinationInUse: a destination cannot be deleted while anything belongs to it,
// nor while a container is in its network.
func TestDestinationInUse(t *testing.T) {
	s := newSim(t, Config{})
	uuid := s.newService(nil)
	dest := s.newDestination(uuid)
	s.do("DELETE", "/destinations/"+dest, "").is(500, `{"message":"Server Error"}`) // the service runs in it
	other := s.newService(object{"destination_uuid": dest, "instant_deploy": false})
	s.do("DELETE", "/destinations/"+dest, "").is(409, `{"message":"Destination has attached resources, detach first."}`)
	for _, v := range []string{uuid, other} {
		s.do("DELETE", "/services/"+v+"?docker_cleanup=false", "").is(200, `{"message":"Service deletion request queued."}`)
	}
	s.do("GET", "/services/"+uuid, "").ok(200)
	s.FinishDeletions()
	s.do("GET", "/services/"+uuid, "").is(404, `{"message":"Service not found."}`)
	if diff := cmp.Diff([]string{"coolify"}, s.Networks(s.Hosts()[0].UUID)); diff != "" {
		t.Errorf("networks (-want +got)\n%s", diff)
	}
	s.do("DELETE", "/destinations/"+dest, "").is(200, `{"message":"Deleted."}`)
	own := s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Network: "own"})
	s.AddForeignContainer(own.HostUUID, "own")
	s.do("DELETE", "/destinations/"+own.UUID, "").ok(500)
}

// TestServiceKeepsItsNetwork: where that is asked for, a deletion leaves the network.
func TestServiceKeepsItsNetwork(t *testing.T) {
	s := newSim(t, Config{})
	uuid := s.newService(nil)
	s.do("DELETE", "/services/"+uuid+"?docker_cleanup=false&delete_connected_networks=false", "").ok(200)
	s.do("DELETE", "/projects/"+s.alpha.UUID, "").ok(400)
	s.FinishDeletions()
	if !slices.Contains(s.Networks(s.Hosts()[0].UUID), uuid) {
		t.Error("the network is gone")
	}
}

// TestServiceDoesNotStart: where Docker has no addresses left, or the image cannot be
// pulled, the status never says running, and nothing else says why.
func TestServiceDoesNotStart(t *testing.T) {
	for name, hurt := range map[string]func(*Host){
		"no addresses": func(h *Host) { h.NetworkPool = 1 },
		"no image":     func(h *Host) { h.NoPull = true },
		"no server":    func(h *Host) { h.Unreachable = true },
	} {
		s := newSim(t, Config{})
		s.SetHost(s.Hosts()[0].UUID, hurt)
		uuid := s.newService(nil)
		s.CheckServers()
		if got := s.do("GET", "/services/"+uuid, "").ok(200).object()["status"]; got != "exited" {
			t.Errorf("%s: status %v", name, got)
		}
		if networks := s.Networks(s.Hosts()[0].UUID); len(networks) != 1 {
			t.Errorf("%s: networks %v", name, networks)
		}
	}
}

// TestServiceInput: what is refused of a new service.
func TestServiceInput(t *testing.T) {
	s := newSim(t, Config{})
	s.newDestination("second")
	for _, tc := range []struct {
		name   string
		over   object
		status int
		answer string
	}{
		{"several networks", object{"destination_uuid": nil}, 400, `{"message":"Server has multiple destinations and you do not set destination_uuid."}`},
		{"no base64", object{"docker_compose_raw": "services: {}"}, 422, `{"message":"Validation failed.","errors":{"docker_compose_raw":"The docker_compose_raw should be base64 encoded."}}`},
		{"a field that is not there", object{"limits_memory": "1m"}, 422, `{"message":"Validation failed.","errors":{"limits_memory":["This field is not allowed."]}}`},
		{"no project", object{"project_uuid": "nope"}, 404, `{"message":"Project not found."}`},
		{"no server", object{"server_uuid": "nope"}, 404, `{"message":"Server not found."}`},
		{"no environment", object{"environment_uuid": "nope"}, 404, `{"message":"Environment not found."}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			other := *s
			other.t = t
			other.do("POST", "/services", s.serviceBody(tc.over)).is(tc.status, tc.answer)
		})
	}
	uuid := s.newService(object{"instant_deploy": false})
	s.do("PATCH", "/services/"+uuid, `{"docker_compose_raw":"`+base64.StdEncoding.EncodeToString([]byte("services: {b: {}}"))+`"}`).ok(200)
	if got := s.Services()[0]; got.Compose != "services: {b: {}}" || got.Running {
		t.Errorf("service %+v", got)
	}
	s.as(readOnly...).do("POST", "/services/"+uuid+"/start", "").ok(403)
	if len(s.Violations()) != 0 {
		t.Errorf("violations %v", s.Violations())
	}
	s.newService(object{"docker_compose_raw": base64.StdEncoding.EncodeToString([]byte("services:\n  a:\n    ports: ['1:1']\n"))})
	s.do("DELETE", "/services/"+uuid, "")
	if got := s.Violations(); len(got) != 2 {
		t.Errorf("violations %q, want one for the port and one for the clean-up", got)
	}
}
