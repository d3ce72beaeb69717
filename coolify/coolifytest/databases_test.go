package coolifytest

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (s *sim) newDatabaseBody(changes object) string {
	s.t.Helper()
	o := object{"project_uuid": s.alpha.UUID, "environment_uuid": s.alpha.Environments[0].UUID, "server_uuid": s.Hosts()[0].UUID}
	maps.Copy(o, changes)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

func TestDatabases(t *testing.T) {
	s := newSim(t, Config{})
	for _, e := range engines {
		made := s.do("POST", "/databases/"+e.kind, s.newDatabaseBody(object{"name": "data", "limits_memory": "256m", "instant_deploy": true})).ok(201).object()
		uuid := made["uuid"].(string)
		if made["internal_db_url"] != s.DatabaseURL(uuid) || !strings.Contains(s.DatabaseURL(uuid), "@"+uuid+":") || len(made) != 2 {
			t.Errorf("%s: created %v, want its URL %s in plain", e.kind, made, s.DatabaseURL(uuid))
		}
		got := s.do("GET", "/databases/"+uuid, "").ok(200).object()
		if got["database_type"] != "standalone-"+e.kind || got["status"] != "running:healthy" || got["limits_memory"] != "256m" || got["limits_cpus"] != "0" || got["image"] != e.image {
			t.Errorf("%s: %v", e.kind, got)
		}
		if at(t, got, "environment", "project", "uuid") != s.alpha.UUID || at(t, got, "destination", "server", "uuid") != s.Hosts()[0].UUID {
			t.Errorf("%s: in %v and %v", e.kind, got["environment"], got["destination"])
		}
		if text := string(plainJSON(got)); strings.Contains(text, "password") || strings.Contains(text, "db_url") {
			t.Errorf("%s: an ordinary token sees %s", e.kind, text)
		}
		secret := s.as(revealer...).do("GET", "/databases/"+uuid, "").ok(200).object()
		if secret["internal_db_url"] != s.DatabaseURL(uuid) {
			t.Errorf("%s: a token that sees secrets sees %v", e.kind, secret["internal_db_url"])
		}
		listed := s.do("GET", "/projects/"+s.alpha.UUID+"/production", "").object()[e.list].([]any)
		if len(listed) != 1 || at(t, listed, "0", "uuid") != uuid || at(t, listed, "0", "id") != 1.0 {
			t.Errorf("%s: the environment lists %v", e.list, listed)
		}
	}
	if n := len(s.Databases()); n != len(engines) {
		t.Errorf("%d databases, want %d", n, len(engines))
	}
	s.do("POST", "/databases/keydb", s.newDatabaseBody(nil)).ok(404)
}

func TestDatabaseRefuses(t *testing.T) {
	s := newSim(t, Config{})
	for _, tc := range []struct {
		name    string
		changes object
		status  int
		body    string
	}{
		{"unknown fields, named only", object{"foo": 1, "bar": 2}, 422, `{"message":"Validation failed.","errors":["bar","foo"]}`},
		{"another kind's field", object{"mysql_user": "u"}, 422, `{"message":"Validation failed.","errors":{"mysql_user":["This field is not allowed."]}}`},
		{"no environment", object{"environment_uuid": nil}, 422, `{"message":"You need to provide at least one of environment_name or environment_uuid."}`},
		{"another's environment", object{"environment_uuid": s.beta.Environments[0].UUID}, 422, `{"message":"You need to provide a valid environment_name or environment_uuid."}`},
		{"no project", object{"project_uuid": nil}, 404, `{"message":"Project not found."}`},
		{"no server", object{"server_uuid": "x"}, 404, `{"message":"Server not found."}`},
		{"long description", object{"description": strings.Repeat("d", 256)}, 500, `{"message":"Server Error"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			other := *s
			other.t = t
			other.do("POST", "/databases/postgresql", other.newDatabaseBody(tc.changes)).is(tc.status, tc.body)
		})
	}
	s.do("POST", "/databases/postgresql", "{}").ok(400)
	if n := len(s.Databases()); n != 0 {
		t.Errorf("%d databases, want none", n)
	}
	s.do("POST", "/databases/postgresql", s.newDatabaseBody(object{"name": 7, "limits_memory": true})).ok(201) // types are not looked at
}

func TestDatabaseLifecycle(t *testing.T) {
	s := newSim(t, Config{})
	d := s.AddDatabase(s.alpha.Environments[0].UUID, Database{})
	path := "/databases/" + d.UUID
	s.do("POST", path+"/stop", "").is(400, `{"message":"Database is already stopped."}`)
	s.do("POST", path+"/start", "").is(200, `{"message":"Database starting request queued."}`)
	s.do("POST", path+"/start", "").is(400, `{"message":"Database is already running."}`)
	s.do("POST", path+"/stop", "").is(200, `{"message":"Database stopping request queued."}`)
	if got := s.Databases()[0].Status; got != exited {
		t.Errorf("status = %q, want exited", got)
	}
	s.SetDatabase(d.UUID, func(d *Database) { d.Status = "restarting:unhealthy" })
	if got := s.do("GET", path, "").object()["status"]; got != "restarting:unhealthy" {
		t.Errorf("status = %v", got)
	}
	s.MoveDatabase(d.UUID, s.beta.Environments[0].UUID)
	if got := s.do("GET", path, "").object()["environment_id"]; got != float64(s.beta.Environments[0].ID) {
		t.Errorf("environment after the move = %v, want %d", got, s.beta.Environments[0].ID)
	}
	foreign := s.Mint(TokenSpec{User: 9, Team: 3, Abilities: ordinary})
	for _, call := range [][2]string{{"GET", path}, {"DELETE", path}, {"POST", path + "/start"}, {"POST", path + "/stop"}, {"GET", path + "/backups"}} {
		s.do(call[0], call[1], "", "Authorization", "Bearer "+foreign).is(404, `{"message":"Database not found."}`)
	}
	old := newSim(t, Config{Version: Version41})
	d = old.AddDatabase(old.alpha.Environments[0].UUID, Database{})
	if _, there := old.do("GET", "/databases/"+d.UUID, "").ok(200).object()["environment"]; there {
		t.Error("4.1 tells the environment of a database")
	}
}

func TestDatabaseDeletion(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, BuildTime: time.Minute})
	p := s.AddProject("gamma")
	d := s.AddDatabase(p.Environments[0].UUID, Database{Name: "data"})
	s.do("DELETE", "/databases/"+d.UUID, "").is(200, `{"message":"Database deletion request queued."}`)
	s.do("DELETE", "/projects/"+p.UUID, "").ok(400)
	s.do("DELETE", "/projects/"+p.UUID+"/environments/production", "").ok(400)
	s.do("GET", "/databases/"+d.UUID, "").ok(200)
	if got := s.Databases(); len(got) != 1 || !got[0].Deleting {
		t.Errorf("databases = %+v, want one that is being deleted", got)
	}
	now.at = now.at.Add(time.Minute)
	s.do("GET", "/databases/"+d.UUID, "").is(404, `{"message":"Database not found."}`)
	s.do("DELETE", "/projects/"+p.UUID, "").ok(200)
}

// Each kind counts its databases from 1, and backups are looked up by the number
// alone: a tenant sees another's. Deleting a database takes its own only.
func TestBackupsAreMixedUp(t *testing.T) {
	s := newSim(t, Config{})
	mine := s.AddDatabase(s.alpha.Environments[0].UUID, Database{Kind: "postgresql"})
	theirs := s.AddDatabase(s.beta.Environments[0].UUID, Database{Kind: "mysql"})
	secret := s.AddBackup(theirs.UUID, "daily")
	own := s.AddBackup(mine.UUID, "hourly")
	got := s.do("GET", "/databases/"+mine.UUID+"/backups", "").list()
	if len(got) != 2 || got[0]["uuid"] != secret || got[0]["database_type"] != `App\Models\StandaloneMysql` || got[1]["uuid"] != own {
		t.Errorf("backups = %v, want the other's too", got)
	}
	if n := len(s.do("GET", "/databases", "").list()[0]["backup_configs"].([]any)); n != 2 {
		t.Errorf("%d backup_configs in the list, want 2", n)
	}
	s.do("DELETE", "/databases/"+mine.UUID, "").ok(200)
	s.FinishDeletions()
	if diff := cmp.Diff([]string{secret}, s.Backups(theirs.UUID)); diff != "" {
		t.Errorf("the other's backups after the deletion (-want +got):\n%s", diff)
	}
	if n := len(s.backups); n != 1 {
		t.Errorf("%d backups, want the other's alone", n)
	}
}

func TestUUIDOverrideOfDatabases(t *testing.T) {
	s := newSim(t, Config{})
	mine := s.AddDatabase(s.alpha.Environments[0].UUID, Database{Name: "mine"})
	theirs := s.AddDatabase(s.beta.Environments[0].UUID, Database{Name: "theirs"})
	if got := s.do("GET", "/databases/"+mine.UUID+"?uuid="+theirs.UUID, "").ok(200).object(); got["name"] != "theirs" {
		t.Errorf("GET = %v, want the one in the query", got["name"])
	}
	s.do("POST", "/databases/"+mine.UUID+"/start", `{"uuid":"`+theirs.UUID+`"}`).ok(200)
	s.do("DELETE", "/databases/"+mine.UUID+"?uuid="+theirs.UUID, "").ok(200)
	s.FinishDeletions()
	if got := s.Databases(); len(got) != 1 || got[0].Name != "mine" || got[0].Status != "exited:unhealthy" {
		t.Errorf("databases = %+v, want mine, untouched", got)
	}
	if n := len(s.Violations()); n != 4 {
		t.Errorf("%d violations, want 4: the deletion cleans up besides", n)
	}
}

// A start answers well where the image cannot be pulled, and nothing tells so. Elsewhere the
// status follows slowly.
func TestDatabaseStarts(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now, StatusLag: 15 * time.Second})
	d := s.AddDatabase(s.alpha.Environments[0].UUID, Database{})
	status := func() any { return s.do("GET", "/databases/"+d.UUID, "").ok(200).object()["status"] }
	start := func() {
		s.do("POST", "/databases/"+d.UUID+"/start", "").is(200, `{"message":"Database starting request queued."}`)
	}
	s.SetHost(d.HostUUID, func(h *Host) { h.NoPull = true })
	start()
	now.at = now.at.Add(time.Hour)
	if got := status(); got != exited {
		t.Errorf("without its image: %v", got)
	}
	s.SetHost(d.HostUUID, func(h *Host) { h.NoPull = false })
	start()
	for _, want := range []string{exited, "running:starting", "running:healthy"} {
		if got := status(); got != want {
			t.Errorf("%v, want %v", got, want)
		}
		now.at = now.at.Add(15 * time.Second)
	}
}
