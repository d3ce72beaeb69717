package coolifytest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDestinations(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	h := s.Hosts()[0]
	path := "/servers/" + h.UUID + "/destinations"
	made := s.do("POST", path, `{"name":"alpha","network":"vibn-alpha"}`).ok(201).object()
	want := []map[string]any{
		{
			"uuid": h.DestinationUUID, "name": "coolify", "network": "coolify", "type": "standalone", "server_uuid": h.UUID,
			"created_at": stamp(now.at), "updated_at": stamp(now.at),
		},
		{
			"uuid": made["uuid"], "name": "alpha", "network": "vibn-alpha", "type": "standalone", "server_uuid": h.UUID,
			"created_at": stamp(now.at), "updated_at": stamp(now.at),
		},
	}
	for _, list := range []string{path, "/destinations"} {
		if diff := cmp.Diff(want, s.do("GET", list, "").list()); diff != "" {
			t.Errorf("GET %s (-want +got):\n%s", list, diff)
		}
	}
	if got := s.do("POST", path, `{"network":"other"}`).ok(201).object(); got["name"] != "host1-other" {
		t.Errorf("name of one without = %v", got["name"])
	}
	s.do("POST", path, `{"network":"vibn-alpha"}`).is(409, `{"message":"A destination with this network already exists on the server."}`)
	s.do("POST", path, `{"name":"x"}`).is(422, `{"message":"Validation failed.","errors":{"network":["The network field is required."]}}`)
	s.do("POST", path, `{"network":"a b"}`).is(422, `{"message":"Validation failed.","errors":{"network":["The network field format is invalid."]}}`)
	s.do("POST", path, `{"network":"n","type":"swarm"}`).is(422, `{"message":"Destination type must be standalone for this server."}`)
	s.do("POST", path, `{"network":"n","server_id":1}`).is(422, `{"message":"Validation failed.","errors":{"server_id":["This field is not allowed."]}}`)
	s.do("DELETE", "/destinations/"+made["uuid"].(string), "").is(200, `{"message":"Deleted."}`)
	s.do("DELETE", "/destinations/"+made["uuid"].(string), "").is(404, `{"message":"No query results for model [App\\Models\\SwarmDocker]."}`)
	s.do("DELETE", "/destinations/"+h.DestinationUUID, "").is(409, `{"message":"Destination has attached resources, detach first."}`)
	if n := len(s.Destinations()); n != 2 {
		t.Errorf("%d destinations, want 2", n)
	}
}

func TestDestinationsOfOthers(t *testing.T) {
	s := newSim(t, Config{})
	foreign := s.AddHost(Host{Team: 3})
	gone := `{"message":"No query results for model [App\\Models\\Server]."}`
	s.do("GET", "/servers/"+foreign.UUID+"/destinations", "").is(404, gone)
	s.do("POST", "/servers/"+foreign.UUID+"/destinations", `{"network":"n"}`).is(404, gone)
	s.do("DELETE", "/destinations/"+foreign.DestinationUUID, "").ok(404)
	old := newSim(t, Config{Version: Version41})
	old.do("GET", "/servers/"+old.Hosts()[0].UUID+"/destinations", "").is(404, `{"message":"Not found.","docs":"https://coolify.io/docs"}`)
}

// On a server with one network, one that is asked for is ignored without a word.
func TestDestinationIsIgnored(t *testing.T) {
	s := newSim(t, Config{})
	h := s.Hosts()[0]
	if a := s.create(object{"destination_uuid": "nobody's"}); a.DestinationUUID != h.DestinationUUID {
		t.Errorf("destination = %s, want the server's only one", a.DestinationUUID)
	}
	own := s.AddDestination(Destination{HostUUID: h.UUID, Name: "alpha", Network: "alpha"})
	if a := s.create(object{"destination_uuid": own.UUID}); a.DestinationUUID != own.UUID {
		t.Errorf("destination = %s, want the one asked for", a.DestinationUUID)
	}
	s.do("POST", "/applications/private-deploy-key", s.newAppBody(nil)).is(400, `{"message":"Server has multiple destinations and you do not set destination_uuid."}`)
	s.do("POST", "/applications/private-deploy-key", s.newAppBody(object{"destination_uuid": "nobody's"})).is(422,
		`{"message":"Validation failed.","errors":{"destination_uuid":"Provided destination_uuid does not belong to the specified server."}}`)
	bare := s.AddHost(Host{Name: "bare"})
	s.do("DELETE", "/destinations/"+bare.DestinationUUID, "").ok(200)
	s.do("POST", "/applications/private-deploy-key", s.newAppBody(object{"server_uuid": bare.UUID})).is(400, `{"message":"Server has no destinations."}`)
	s.do("POST", "/databases/redis", s.newDatabaseBody(object{"server_uuid": bare.UUID})).is(400, `{"message":"Server has no destinations."}`)
}

// What speaks to the host waits for it.
func TestDestinationsWaitForTheHost(t *testing.T) {
	s := newSim(t, Config{})
	gate := make(chan struct{})
	s.SlowSSH(gate)
	answered := make(chan result)
	go func() { answered <- s.do("POST", "/servers/"+s.Hosts()[0].UUID+"/destinations", `{"network":"slow"}`) }()
	for len(s.Destinations()) < 2 { // the row is there before the network
		s.do("GET", "/version", "").ok(200)
	}
	select {
	case <-answered:
		t.Fatal("answered while the host was slow")
	default:
	}
	close(gate)
	(<-answered).ok(201)
}
