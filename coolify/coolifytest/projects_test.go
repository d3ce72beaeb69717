package coolifytest

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProjectNamesAreNotUnique(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", "/projects", `{"name":"alpha"}`).ok(201)
	named := 0
	for _, p := range s.do("GET", "/projects", "").list() {
		if p["name"] == "alpha" {
			named++
		}
		if diff := cmp.Diff([]string{"description", "id", "name", "uuid"}, keysOf(p)); diff != "" {
			t.Errorf("keys of a project in the list (-want +got):\n%s", diff)
		}
	}
	if named != 2 {
		t.Errorf("%d projects are named alpha, want 2", named)
	}
}

func TestProjects(t *testing.T) {
	s := newSim(t, Config{})
	uuid := s.do("POST", "/projects", `{"name":" gamma "}`).ok(201).object()["uuid"].(string)
	got := s.do("GET", "/projects/"+uuid, "").ok(200).object()
	if got["name"] != "gamma" || got["description"] != "" || at(t, got, "environments", "0", "name") != "production" {
		t.Errorf("new project = %v, want gamma, no description, production", got)
	}
	if at(t, got, "environments", "0", "description") != nil {
		t.Error("description of the new environment is not null")
	}
	s.do("PATCH", "/projects/"+uuid, `{"name":null,"description":"d"}`).is(201, `{"uuid":"`+uuid+`","name":"","description":"d"}`)
	s.do("DELETE", "/projects/"+uuid, "").is(200, `{"message":"Project deleted."}`)
	s.do("DELETE", "/projects/"+uuid, "").is(404, `{"message":"Project not found."}`)
	s.do("DELETE", "/projects/"+s.alpha.UUID, "").is(400, `{"message":"Project has resources, so it cannot be deleted."}`)
}

func TestProjectValidation(t *testing.T) {
	s := newSim(t, Config{})
	longName := strings.Repeat("a", 256)
	for _, tc := range []struct{ body, want string }{
		{`{"description":"d"}`, `{"name":["The name field is required."]}`},
		{`{"name":"ab"}`, `{"name":["The name must be at least 3 characters."]}`},
		{`{"name":"` + longName + `"}`, `{"name":["The name may not be greater than 255 characters."]}`},
		{`{"name":7}`, `{"name":["The name field must be a string."]}`},
		{`{"name":"a<b>c"}`, `{"name":["The name may only contain letters (including Unicode), numbers, spaces, and these characters: - _ . / @ & ( ) # , : +"]}`},
		{`{"name":"abc","server_uuid":"x"}`, `{"server_uuid":["This field is not allowed."]}`},
	} {
		s.do("POST", "/projects", tc.body).is(422, `{"message":"Validation failed.","errors":`+tc.want+`}`)
	}
	s.do("POST", "/projects?color=red", `{"name":"abc"}`).is(422, `{"message":"Validation failed.","errors":{"color":["This field is not allowed."]}}`)
	for body, why := range map[string]string{"{": "Invalid JSON.", "{}": "Empty JSON.", "null": "Invalid JSON.", "[]": "Invalid JSON."} {
		s.do("POST", "/projects", body).is(400, `{"message":"Invalid request.","error":"`+why+`"}`)
	}
	s.do("POST", "/projects", "name=abc", "Content-Type", "application/x-www-form-urlencoded").
		is(400, `{"message":"Invalid request.","error":"Content-Type must be application/json."}`)
}

// The input's uuid wins over the one in the path.
func TestUUIDOverrideOfProjects(t *testing.T) {
	s := newSim(t, Config{})
	empty := s.AddProject("empty")
	alpha, beta := "/projects/"+s.alpha.UUID, "?uuid="+s.beta.UUID
	if got := s.do("GET", alpha+beta, "").object()["name"]; got != "beta" {
		t.Errorf("GET of alpha with beta's uuid in the query = %v, want beta", got)
	}
	if got := s.do("GET", alpha, `{"uuid":"`+s.beta.UUID+`"}`).object()["name"]; got != "beta" {
		t.Errorf("GET of alpha with beta's uuid in the body = %v, want beta", got)
	}
	if got := s.do("GET", alpha+"/environments"+beta, "").list()[0]["uuid"]; got != s.beta.Environments[0].UUID {
		t.Errorf("environments of alpha with beta's uuid = %v, want beta's", got)
	}
	if got := at(t, s.do("GET", alpha+"/production"+beta, "").json(), "applications", "0", "name"); got != "api" {
		t.Errorf("environment of alpha with beta's uuid holds %v, want beta's api", got)
	}
	s.do("DELETE", alpha+"?uuid="+empty.UUID, "").ok(200)
	if _, there := s.App(s.web.UUID); !there || len(s.Projects()) != 2 {
		t.Errorf("DELETE of alpha with another uuid left %d projects, want alpha and beta", len(s.Projects()))
	}
	s.do("DELETE", alpha+"?uuid=", "").ok(422)
	s.do("PATCH", alpha, `{"name":"new","uuid":"`+s.beta.UUID+`"}`).ok(422)
	s.do("POST", alpha+"/environments"+beta, `{"name":"new"}`).ok(422)
	if got := len(s.Violations()); got != 8 {
		t.Errorf("%d violations, want one for each of the 8 requests: %q", got, s.Violations())
	}
}

func TestServerUUIDOverride(t *testing.T) {
	s := newSim(t, Config{})
	other := s.AddHost(Host{Name: "host2"})
	if got := s.do("GET", "/servers/"+s.Hosts()[0].UUID+"?uuid="+other.UUID, "").object()["name"]; got != "host2" {
		t.Errorf("GET of host1 with host2's uuid = %v, want host2", got)
	}
}

func TestEnvironmentNames(t *testing.T) {
	s := newSim(t, Config{})
	path := "/projects/" + s.alpha.UUID + "/environments"
	s.do("POST", path, `{"name":"Feature/X"}`).ok(201)
	s.do("POST", path, `{"name":"staging"}`).ok(201)
	s.do("POST", path, `{"name":"staging"}`).is(409, `{"message":"Environment with this name already exists."}`)
	s.do("POST", path, `{"name":"Staging"}`).is(500, `{"message":"Server Error"}`)
	var names []any
	for _, e := range s.do("GET", path, "").list() {
		names = append(names, e["name"])
	}
	if diff := cmp.Diff([]any{"production", "feature-x", "staging"}, names); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	s.do("GET", "/projects/"+s.alpha.UUID+"/Staging", "").is(404, `{"message":"Environment not found."}`)
	s.do("GET", "/projects/"+s.alpha.UUID+"/staging", "").ok(200)
	s.do("PATCH", path+"/staging", `{"name":"Feature/X"}`).is(500, `{"message":"Server Error"}`)
	s.do("PATCH", path+"/staging", `{"name":"feature-x"}`).ok(409)
	if got := s.do("PATCH", path+"/staging", `{"name":"Next","description":"d"}`).ok(200).object(); got["name"] != "next" || got["description"] != "d" {
		t.Errorf("renamed = %v, want next", got)
	}
}

func TestEnvironmentIsFoundByNameFirst(t *testing.T) {
	s := newSim(t, Config{})
	decoy := s.AddEnvironment(s.alpha.UUID, s.alpha.Environments[0].UUID) // named as production's uuid
	path := "/projects/" + s.alpha.UUID + "/"
	if got := s.do("GET", path+s.alpha.Environments[0].UUID, "").object()["uuid"]; got != decoy.UUID {
		t.Errorf("found %v, want the one of that name, %s", got, decoy.UUID)
	}
	s.AddEnvironment(s.alpha.UUID, "environments")
	if got := s.do("GET", path+"environments", "").list(); len(got) != 3 {
		t.Errorf("an environment named environments answered %v, want the list", got)
	}
}

func TestEnvironmentDeletion(t *testing.T) {
	s := newSim(t, Config{})
	path := "/projects/" + s.alpha.UUID + "/environments/"
	s.do("DELETE", path+"production", "").is(400, `{"message":"Environment has resources, so it cannot be deleted."}`)
	other := s.AddEnvironment(s.alpha.UUID, "other")
	s.MoveApp(s.web.UUID, other.UUID)
	s.do("DELETE", path+"production", "").is(200, `{"message":"Environment deleted."}`) // even that one
	s.do("DELETE", path+"production", "").is(404, `{"message":"Environment not found."}`)
	got := s.do("GET", "/applications/"+s.web.UUID, "").object()
	if int(got["environment_id"].(float64)) != other.ID {
		t.Errorf("environment_id after the move = %v, want %d", got["environment_id"], other.ID)
	}
}

func TestEnvironmentDetail(t *testing.T) {
	s := newSim(t, Config{})
	got := s.do("GET", "/projects/"+s.alpha.UUID+"/production", "").ok(200).object()
	for _, absent := range []string{"keydbs", "dragonflies", "clickhouses"} {
		if _, there := got[absent]; there {
			t.Errorf("%s is in the environment, want it left out", absent)
		}
	}
	app := got["applications"].([]any)[0].(map[string]any)
	if app["id"] == nil || app["private_key_id"] == nil || app["settings"] != nil || app["environment"] != nil {
		t.Errorf("application of the environment has id %v, private_key_id %v, settings %v, environment %v", app["id"], app["private_key_id"], app["settings"], app["environment"])
	}
}
