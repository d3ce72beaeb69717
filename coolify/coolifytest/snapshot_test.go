package coolifytest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestSnapshot: what is there is there whole, in one order, and without secrets.
func TestSnapshot(t *testing.T) {
	s := newSim(t, Config{})
	before := s.Snapshot()
	if diff := cmp.Diff(before, s.Snapshot()); diff != "" {
		t.Errorf("two in a row differ (-first +second):\n%s", diff)
	}
	s.do("PATCH", "/projects/"+s.beta.UUID, `{"description":"marked"}`).ok(201)
	a := s.create(object{"name": "a-first", "autogenerate_domain": false})
	s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Name: "own", Network: "a-network"})
	d := s.AddDatabase(s.alpha.Environments[0].UUID, Database{Kind: "redis", Name: "cache"})
	s.AddEnv(a.UUID, Env{Key: "SECRET", Value: "value-of-a-variable"})
	s.SetApp(a.UUID, func(a *App) { a.Logs = "printed" })
	got := s.Snapshot()
	if got.Projects[1].Description != "marked" || got.Apps[0].Name != "a-first" || got.Apps[0].PrivateKeyUUID != a.PrivateKeyUUID || got.Apps[0].Logs != "" {
		t.Errorf("projects %+v, first application %+v", got.Projects, got.Apps[0])
	}
	want := State{
		Projects: got.Projects, Apps: got.Apps, Databases: []Database{d},
		PrivateKeys: s.PrivateKeys(), Destinations: []Destination{{got.Destinations[0].UUID, "own", "a-network", s.Hosts()[0].UUID}, before.Destinations[0]},
	}
	want.PrivateKeys[0], want.PrivateKeys[1] = want.PrivateKeys[1], want.PrivateKeys[0] // by name
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, secret := range []string{"value-of-a-variable", strings.Split(s.DatabaseURL(d.UUID), ":")[2][:64], "PRIVATE KEY"} {
		if strings.Contains(fmt.Sprintf("%+v", got), secret) {
			t.Errorf("the state holds %q", secret)
		}
	}
	got.Apps[0].Tags = append(got.Apps[0].Tags, "mine")
	got.Projects[0].Environments[0].Name = "mine"
	if p := s.Snapshot().Projects[0].Environments[0].Name; p != "production" {
		t.Errorf("a change of the state reached the simulator: %q", p)
	}
	s.do("DELETE", "/applications/"+a.UUID, "").ok(200)
	if !s.Snapshot().Apps[0].Deleting {
		t.Error("what is being deleted does not say so")
	}
}
