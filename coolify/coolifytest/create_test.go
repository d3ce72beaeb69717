package coolifytest

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// newAppBody is a good one with changes; a nil takes a field out.
func (s *sim) newAppBody(changes object) string {
	s.t.Helper()
	o := object{
		"project_uuid": s.alpha.UUID, "environment_uuid": s.alpha.Environments[0].UUID, "server_uuid": s.Hosts()[0].UUID,
		"private_key_uuid": s.newKey(), "git_repository": "git@git.example.com:2222/alpha/new.git", "git_branch": "main", "build_pack": "dockerfile",
	}
	maps.Copy(o, changes)
	maps.DeleteFunc(o, func(_ string, v any) bool { return v == nil })
	raw, err := json.Marshal(o)
	if err != nil {
		s.t.Fatal(err)
	}
	return string(raw)
}

// create makes an application and returns it.
func (s *sim) create(changes object) App {
	s.t.Helper()
	made := s.do("POST", "/applications/private-deploy-key", s.newAppBody(changes)).ok(201).object()
	a, ok := s.App(made["uuid"].(string))
	if !ok {
		s.t.Fatalf("no application %v", made["uuid"])
	}
	return a
}

func TestCreateApplication(t *testing.T) {
	s := newSim(t, Config{})
	key := s.newKey()
	body := s.newAppBody(object{
		"private_key_uuid": key, "name": "new", "description": "d", "domains": " https://NEW.example.com ", "build_pack": "static", "ports_exposes": "80",
		"base_directory": "/site", "publish_directory": "/dist", "dockerfile_location": "/Dockerfile", "limits_memory": "512m", "limits_memory_swap": "1g",
		"limits_cpus": "0.5", "instant_deploy": false, "autogenerate_domain": false, "is_auto_deploy_enabled": false,
	})
	made := s.do("POST", "/applications/private-deploy-key", body).ok(201).object()
	if made["domains"] != "https://new.example.com" {
		t.Errorf("domains = %v", made["domains"])
	}
	got, _ := s.App(made["uuid"].(string))
	want := App{
		UUID: made["uuid"].(string), Name: "new", Description: "d", FQDN: "https://new.example.com", BuildPack: "static",
		GitRepository: "git@git.example.com:2222/alpha/new.git", GitBranch: "main", GitCommitSHA: "HEAD", BaseDirectory: "/site", PublishDirectory: "/dist",
		DockerfileLocation: "/Dockerfile", DockerComposeLocation: "/docker-compose.yaml", PortsExposes: "80", Status: "exited:unhealthy", NoAutoDeploy: true,
		Limits: Limits{"512m", "1g", "0.5"}, HostUUID: s.Hosts()[0].UUID, DestinationUUID: s.Hosts()[0].DestinationUUID, PrivateKeyUUID: key,
		EnvironmentUUID: s.alpha.Environments[0].UUID, HealthCheckPath: "/", HTTPStatus: 200,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("application (-want +got):\n%s", diff)
	}
	shown := s.do("GET", "/applications/"+got.UUID, "").ok(200).json()
	for field, want := range map[string]any{"limits_memory": "512m", "limits_cpus": "0.5"} {
		if v := at(t, shown, field); v != want {
			t.Errorf("%s = %v, want %v", field, v, want)
		}
	}
	if at(t, shown, "settings", "is_auto_deploy_enabled") != false || at(t, shown, "destination", "uuid") != got.DestinationUUID {
		t.Errorf("settings and destination are not those asked for: %v", shown)
	}
	if n := len(s.Deployments(got.UUID)); n != 0 {
		t.Errorf("%d deployments, want none", n)
	}
	s.violated()
}

func TestCreateApplicationDefaults(t *testing.T) {
	s := newSim(t, Config{})
	first, second := s.create(nil), s.create(object{"instant_deploy": true, "name": "web"})
	if want := "http://" + first.UUID + "." + s.Hosts()[0].IP + ".sslip.io"; first.FQDN != want {
		t.Errorf("domain that nobody asked for = %q, want %q", first.FQDN, want)
	}
	if !strings.HasPrefix(first.Name, "new.git:main-") || first.NoAutoDeploy || second.Name != "web" {
		t.Errorf("names %q and %q, NoAutoDeploy %v; want one made up, one taken already, and false", first.Name, second.Name, first.NoAutoDeploy)
	}
	if a, b := len(s.Deployments(first.UUID)), len(s.Deployments(second.UUID)); a != 0 || b != 1 {
		t.Errorf("%d and %d deployments, want 0, and 1 with instant_deploy", a, b)
	}
	byName := s.create(object{"environment_name": "production", "environment_uuid": s.beta.Environments[0].UUID})
	if byName.EnvironmentUUID != s.alpha.Environments[0].UUID {
		t.Error("the name of an environment does not win over its uuid")
	}
	if n := len(s.Envs(s.create(object{"build_pack": "nixpacks"}).UUID)); n != 2 {
		t.Errorf("a nixpacks application has %d variables, want 2 that nobody asked for", n)
	}
}

func TestCreateApplicationRefuses(t *testing.T) {
	s := newSim(t, Config{})
	elsewhere := s.AddTeamProject(3, "elsewhere")
	foreignHost := s.AddHost(Host{Team: 3})
	conflict := `{"message":"Domain conflicts detected. Use force_domain_override=true to proceed.","conflicts":[{"domain":"https://api.example.org",
		"resource_name":"api","resource_uuid":"` + s.api.UUID + `","resource_type":"application",
		"message":"Domain https://api.example.org is already in use by application 'api'"}],
		"warning":"Using the same domain for multiple resources can cause routing conflicts and unpredictable behavior."}`
	invalid := func(errors string) string { return `{"message":"Validation failed.","errors":` + errors + `}` }
	for _, tc := range []struct {
		name    string
		changes object
		status  int
		body    string
	}{
		{"no project", object{"project_uuid": nil}, 422, invalid(`{"project_uuid":["The project uuid field is required."]}`)},
		{"unknown field", object{"uuid": "x"}, 422, invalid(`{"uuid":["This field is not allowed."]}`)},
		{"another team's project", object{"project_uuid": elsewhere.UUID}, 404, `{"message":"Project not found."}`},
		{"another project's environment", object{"environment_uuid": s.beta.Environments[0].UUID}, 404, `{"message":"Environment not found."}`},
		{"no environment", object{"environment_uuid": nil}, 422, `{"message":"You need to provide at least one of environment_name or environment_uuid."}`},
		{"another team's server", object{"server_uuid": foreignHost.UUID}, 404, `{"message":"Server not found."}`},
		{"no key", object{"private_key_uuid": nil}, 422, invalid(`{"private_key_uuid":["The private key uuid field is required."]}`)},
		{"unknown key", object{"private_key_uuid": "nope"}, 404, `{"message":"Private Key not found."}`},
		{"ssh://", object{"git_repository": "ssh://git@git.example.com:2222/a/b.git"}, 422, invalid(`{"git_repository":["The git repository must start with https://, http://, git://, or git@."]}`)},
		{"no repository", object{"git_repository": nil}, 422, invalid(`{"git_repository":["The git repository field is required."]}`)},
		{"no branch", object{"git_branch": nil}, 422, invalid(`{"git_branch":["The git branch field is required."]}`)},
		{"build pack", object{"build_pack": "dockerimage"}, 422, invalid(`{"build_pack":["The selected build pack is invalid."]}`)},
		{"ports", object{"ports_exposes": "80 81"}, 422, invalid(`{"ports_exposes":["The ports exposes field format is invalid."]}`)},
		{"taken domain", object{"domains": "https://api.example.org/"}, 409, conflict},
		{"taken domain before the key", object{"domains": "https://api.example.org/", "private_key_uuid": "nope"}, 409, conflict},
		{"no scheme", object{"domains": "api.example.org"}, 422, invalid(`["Invalid URL: api.example.org"]`)},
		{"backtick", object{"domains": "https://a`b.example.org"}, 422, invalid("[\"Invalid URL: https://a`b.example.org\"]")},
		{"compose", object{"build_pack": "dockercompose", "domains": "https://x.example.org"}, 422, invalid(
			`{"domains":"The domains field cannot be used for dockercompose applications. Use docker_compose_domains instead to set domains for individual services."}`)},
		{"long description", object{"description": strings.Repeat("d", 256)}, 500, `{"message":"Server Error"}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			other := *s
			other.t = t
			other.do("POST", "/applications/private-deploy-key", other.newAppBody(tc.changes)).is(tc.status, tc.body)
		})
	}
	if n := len(s.Snapshot().Apps); n != 2 {
		t.Errorf("%d applications, want the two that were there", n)
	}
	s.as(readOnly...).do("POST", "/applications/private-deploy-key", s.newAppBody(nil)).ok(403)
	s.do("POST", "/applications/private-deploy-key", "{}").ok(400)
}

// Twins and lists do not count as the same domain, and whoever says so takes
// another's.
func TestDomainsThatDoNotConflict(t *testing.T) {
	s := newSim(t, Config{})
	for _, domains := range []string{
		"http://api.example.org", "https://api.example.org:8443", "https://api.example.org/path", "https://new.example.org,http://api.example.org:80",
	} {
		s.create(object{"domains": domains})
	}
	s.do("POST", "/applications/private-deploy-key", s.newAppBody(object{"domains": "https://x.example.org,https://api.example.org"})).ok(409)
	s.create(object{"domains": "https://api.example.org", "force_domain_override": true})
	s.do("PATCH", "/applications/"+s.web.UUID, `{"domains":"http://api.example.org"}`).ok(409)
	s.SetHost(s.Hosts()[0].UUID, func(h *Host) { h.NoProxy = true })
	if a := s.create(object{"domains": "https://api.example.org"}); a.FQDN != "https://api.example.org" {
		t.Errorf("domain on a server without a proxy = %q, want it unlooked at", a.FQDN)
	}
	s.do("PATCH", "/applications/"+s.web.UUID, `{"name":"w","domains":"https://other.example.org"}`).ok(200)
	if a, _ := s.App(s.web.UUID); a.FQDN != "https://web.example.com" || a.Name != "w" {
		t.Errorf("after a change on a server without a proxy: %q %q, want the domain as it was", a.Name, a.FQDN)
	}
}

// Until an application is gone it keeps its key, its network, its project and
// its domain.
func TestDeletionIsSlow(t *testing.T) {
	s := newSim(t, Config{})
	p := s.AddProject("short-lived")
	d := s.AddDestination(Destination{HostUUID: s.Hosts()[0].UUID, Network: "own"})
	key := s.newKey()
	a := s.create(object{
		"project_uuid": p.UUID, "environment_uuid": p.Environments[0].UUID, "destination_uuid": d.UUID, "private_key_uuid": key, "domains": "https://short.example.com",
	})
	remove := func(keyStatus, destinationStatus, projectStatus int) {
		t.Helper()
		s.do("DELETE", "/security/keys/"+key, "").ok(keyStatus)
		s.do("DELETE", "/destinations/"+d.UUID, "").ok(destinationStatus)
		s.do("DELETE", "/projects/"+p.UUID, "").ok(projectStatus)
	}
	remove(422, 409, 400)
	for range 2 {
		s.do("DELETE", "/applications/"+a.UUID+"?delete_volumes=true", "").is(200, `{"message":"Application deletion request queued."}`)
	}
	remove(422, 409, 400)
	s.do("PATCH", "/applications/"+s.web.UUID, `{"domains":"https://short.example.com"}`).ok(409)
	if got, ok := s.App(a.UUID); !ok || !got.Deleting {
		t.Errorf("Deleting = %v, there = %v, want both", got.Deleting, ok)
	}
	if n := len(s.do("GET", "/projects/"+p.UUID+"/production", "").object()["applications"].([]any)); n != 1 {
		t.Errorf("the environment lists %d applications, want the one that is being deleted", n)
	}
	s.FinishDeletions()
	remove(200, 200, 200)
	s.do("GET", "/applications/"+a.UUID, "").ok(404)
}

func TestServersKeyTripsAWire(t *testing.T) {
	s := newSim(t, Config{})
	s.create(object{"private_key_uuid": s.PrivateKeys()[0].UUID})
	s.violated("POST /applications/private-deploy-key: with the key of the servers")
}

func TestRepositoryAddresses(t *testing.T) {
	for address, ok := range map[string]bool{
		"git@git.example.com:a/b.git": true, "git@git.example.com:2222/a/b.git": true, "git@10.0.0.5:a/b": true, "git@gitea:a/b.git": true,
		"https://git.example.com/a/b": true, "https://user:token@git.example.com/a/b.git": true, "git://git.example.com:9418/a/b": true,
		"ssh://git@git.example.com/a/b.git": false, "other@git.example.com:a/b": false, "git@git.example.com": false, "git@git.example.com:a/../b": false,
		"https://10.0.0.5/a/b": false, "https://localhost/a/b": false, "https://gitea.local/a": false, "https://git.example.com/a?b": false, "https:///a": false,
		"git@h:a;b": false, "git@h:$(id)": false, "git@h:a b": false, "https://git.example.com/a b": false, "git://h": false, "/srv/a": false,
	} {
		bad := check(map[string]any{"git_repository": address}, repositoryRule)
		if (len(bad) == 0) != ok {
			t.Errorf("%q: %v, want ok = %v", address, bad, ok)
		}
	}
}
