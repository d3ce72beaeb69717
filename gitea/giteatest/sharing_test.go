package giteatest

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestMirrors(t *testing.T) {
	s := newSim(t, Config{})
	path := "/repos/vibn-acme/app/push_mirrors"
	name, _ := s.do("POST", path,
		`{"remote_address":"https://u:p@evil.example/x.git","interval":"8h","sync_on_commit":true}`).ok(200).
		field("remote_address", "https://evil.example/x.git").field("interval",
		"8h0m0s").object()["remote_name"].(string)
	s.do("POST", path, `{"remote_address":"/etc","interval":"8h"}`).ok(400)
	s.do("POST", path, `{"remote_address":"https://evil.example/x.git","interval":"1s"}`).ok(400)
	s.AddMirror("vibn-acme/app", Mirror{Address: "https://more.example/x.git"})
	if got := s.do("GET", path+"?page=1", "").ok(200).list(); len(got) != 2 {
		t.Errorf("%d mirrors, want 2", len(got))
	}
	s.do("GET", path+"/"+name, "").ok(200)
	s.bot("acme", "write:repository").do("GET", path+"?page=1", "").ok(403)
	s.do("DELETE", path+"/"+name, "").ok(204)
	s.do("GET", path+"/"+name, "").ok(404)
	if got := repoState(t, s, "vibn-acme/app").Mirrors; len(got) != 1 ||
		got[0].Address != "https://more.example/x.git" {
		t.Errorf("mirrors = %v", got)
	}
}

func TestCollaborators(t *testing.T) {
	s := newSim(t, Config{})
	path := "/repos/vibn-acme/app/collaborators"
	s.AddUser(User{Login: "gone", Inactive: true})
	s.do("PUT", path+"/vibn-bot-other", `{}`).ok(204)
	s.do("PUT", path+"/nope", `{}`).ok(422)
	s.do("PUT", path+"/gone", `{}`).ok(500)
	s.do("GET", path+"/vibn-bot-other/permission", "").ok(200).field("permission", "write")
	s.do("GET", path+"/vibn-bot-other", "").ok(204)
	other := s.bot("other", "write:repository")
	other.do("GET", "/repos/vibn-acme/app", "").ok(200).field("permissions", map[string]any{
		"admin": false,
		"push":  true, "pull": true,
	})
	other.do("GET", path+"/vibn-bot-acme/permission", "").ok(403)
	other.do("PUT", path+"/vibn-bot-other", `{"permission":"admin"}`).ok(403)
	if got := other.do("GET", path+"?page=1", "").ok(200).names("login"); cmp.Diff([]string{"vibn-bot-other"},
		got) != "" {
		t.Errorf("collaborators = %v", got)
	}
	if got := other.do("GET", "/user/repos", "").status; got != 403 {
		t.Errorf("GET /user/repos = %d without a user's scope", got)
	}
	if got := s.bot("other", "read:user", "read:repository").do("GET", "/user/repos",
		"").names("full_name"); len(got) != 2 {
		t.Errorf("the other bot's repositories = %v, want its own and this", got)
	}
	s.do("DELETE", path+"/vibn-bot-other", "").ok(204)
	s.do("GET", path+"/vibn-bot-other", "").ok(404)
	other.do("GET", "/repos/vibn-acme/app", "").ok(404)
}

func TestRepositorySearch(t *testing.T) {
	s := newSim(t, Config{})
	s.AddRepo("vibn-acme", Repo{Name: "site"})
	mine := fmt.Sprintf("/repos/search?page=1&exclusive=true&uid=%d", ownerID(s, "vibn-acme"))
	names := func(as *sim, path string) []string {
		var out []string
		data, _ := as.do("GET", path, "").ok(200).object()["data"].([]any)
		for _, o := range data {
			out = append(out, o.(map[string]any)["full_name"].(string))
		}
		return out
	}
	if got := names(s, mine); cmp.Diff([]string{"vibn-acme/app", "vibn-acme/site"}, got) != "" {
		t.Errorf("search by uid = %v", got)
	}
	if got := names(s.bot("other", "read:repository"), mine); got != nil {
		t.Errorf("another tenant finds %v", got)
	}
	if got := names(s, "/repos/search?page=1&owner=vibn-acme"); len(got) != 3 {
		t.Errorf("owner is no parameter, and yet found %v", got)
	}
	if got := names(s.bot("acme", "read:repository"),
		"/repos/search?page=1&q=SIT"); cmp.Diff([]string{"vibn-acme/site"}, got) != "" {
		t.Errorf("search by name = %v", got)
	}
	s.bot("acme", "read:issue").do("GET", "/repos/search?page=1", "").ok(403)
}

func TestPackagesAndRunners(t *testing.T) {
	s := newSim(t, Config{})
	s.AddPackage(Package{Owner: "vibn-acme", Type: "npm", Name: "lib", Version: "2.0.0"})
	s.bot("acme", "write:repository").do("GET", "/packages/vibn-acme?page=1", "").ok(403)
	bot := s.bot("acme", "write:package")
	bot.do("GET", "/packages/vibn-acme/npm/LIB/2.0.0", "").ok(200).field("name", "lib")
	bot.do("DELETE", "/packages/vibn-acme/npm/lib/2.0.0", "").ok(403) // its team does not write packages
	s.bot("other", "read:package").do("GET", "/packages/vibn-acme?page=1", "").ok(403)
	s.do("DELETE", "/packages/vibn-acme/npm/lib/1.0.0", "").ok(404)
	s.do("DELETE", "/packages/vibn-acme/npm/lib/2.0.0", "").ok(204)

	s.AddRunner(Runner{Name: "all", Labels: []string{"linux"}})
	s.AddRunner(Runner{Name: "org", Owner: "vibn-acme", Offline: true})
	s.AddRunner(Runner{Name: "repo", Repo: "vibn-acme/app"})
	for path, want := range map[string]float64{
		"/admin/actions/runners": 3, "/orgs/vibn-acme/actions/runners": 1, "/repos/vibn-acme/app/actions/runners": 1,
		"/orgs/vibn-other/actions/runners": 0,
	} {
		s.do("GET", path+"?page=1", "").ok(200).field("total_count", want)
	}
	bot.do("GET", "/admin/actions/runners?page=1", "").ok(403)
	newSim(t, Config{Behaviour: V121}).do("GET", "/admin/actions/runners", "").ok(404)
}

func TestForcePrivate(t *testing.T) {
	s := newSim(t, Config{ForcePrivate: true})
	s.AddCollaborator("vibn-acme/app", "vibn-bot-acme", "admin")
	s.bot("acme", "write:repository").do("PATCH", "/repos/vibn-acme/app", `{"private":false}`).ok(422)
	s.do("PATCH", "/repos/vibn-acme/app",
		`{"private":false,"has_actions":false,"archived":true,"description":"d"}`).ok(200).
		field("private", false).field("has_actions", false).field("internal", true)
	if got := repoState(t, s, "vibn-acme/app"); !got.NoActions || !got.Archived || got.Description != "d" {
		t.Errorf("repository = %+v", got)
	}
}

func TestMembers(t *testing.T) {
	s := newSim(t, Config{})
	s.AddUser(User{Login: "person"})
	s.do("GET", "/orgs/vibn-acme/members/person", "").ok(404)
	s.do("PUT", fmt.Sprintf("/teams/%d/members/person", teamID(s, "vibn-acme", "Writers")), "").ok(204)
	s.do("GET", "/orgs/vibn-acme/members/person", "").ok(204)
	if got := s.do("GET", "/orgs/vibn-acme/members?page=1", "").names("login"); len(got) != 3 {
		t.Errorf("members = %v, want 3", got)
	}
	person := s.with("token " + s.AddToken("person", "all"))
	person.do("GET", "/user/orgs", "").ok(200)
	person.do("GET", "/users/person/orgs/vibn-acme/permissions", "").ok(200).field("can_write", false) // though it can
	if got := person.do("GET", "/user/teams", "").names("name"); cmp.Diff([]string{"Writers"}, got) != "" {
		t.Errorf("teams of the person = %v", got)
	}
	person.do("POST", "/orgs/vibn-acme/teams", `{"name":"x","permission":"admin"}`).says(403,
		"Must be an organization owner")
	person.do("PATCH", "/orgs/vibn-acme", `{}`).ok(403)
	person.do("GET", "/orgs/vibn-other/teams?page=1", "").says(403, "Must be an organization member")
	person.do("GET", fmt.Sprintf("/teams/%d", teamID(s, "vibn-other", "Writers")), "").ok(404)
	s.do("DELETE", "/orgs/vibn-acme/members/person", "").ok(204)
	s.do("DELETE", "/orgs/vibn-acme/members/"+s.Admin(), "").ok(500)
	person.do("GET", "/repos/vibn-acme/app", "").ok(404)
}

// TestSnapshot: two ways to the same end cannot be told apart, and a snapshot
// holds no secret and shares nothing.
func TestSnapshot(t *testing.T) {
	a, b := newSim(t, Config{}), newSim(t, Config{})
	a.do("POST", "/orgs/vibn-acme/repos", `{"name":"one","private":true}`).ok(201)
	a.do("POST", "/repos/vibn-acme/one/keys", `{"title":"k","key":"`+keyA+`","read_only":true}`).ok(201)
	b.AddRepo("vibn-acme", Repo{Name: "one", Private: true, Keys: []DeployKey{{
		Title: "k", Key: keyA + " me",
		ReadOnly: true,
	}}})
	before := a.Snapshot()
	sameTokens := func(x, y State) (State, State) {
		x.Tokens, y.Tokens = nil, nil // they end in what chance gave them
		return x, y
	}
	x, y := sameTokens(before, b.Snapshot())
	if diff := cmp.Diff(x, y); diff != "" {
		t.Errorf("snapshots differ (-a +b):\n%s", diff)
	}
	for _, u := range before.Users {
		if u.Password != "" {
			t.Errorf("the snapshot shows the password of %s", u.Login)
		}
	}
	before.Orgs[0].Teams[0].Members[0] = "somebody"
	before.Repos[0].Collaborators["x"] = "y"
	*before.Users[1].MaxRepoCreation = 7
	x, y = sameTokens(a.Snapshot(), b.Snapshot())
	if diff := cmp.Diff(x, y); diff != "" {
		t.Errorf("a snapshot shares with the simulator:\n%s", diff)
	}
	if got := a.Snapshot().Tokens; len(got) != 1 || got[0].User != "siteadmin" || !got[0].Live ||
		len(got[0].LastEight) != 8 {
		t.Errorf("tokens = %+v", got)
	}
}

func TestUnknownNamesPanic(t *testing.T) {
	s := New(Config{})
	for name, call := range map[string]func(){
		"user": func() { s.AddToken("nobody", "all") }, "scope": func() { s.AdminToken("sudo") },
		"organisation": func() { s.AddTeam("siteadmin", Team{}) }, "repository": func() { s.DeleteRepo("siteadmin/nope") },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("an unknown %s does not panic", name)
				}
			}()
			call()
		}()
	}
}
