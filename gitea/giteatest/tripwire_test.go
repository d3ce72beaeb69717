package giteatest

import (
	"fmt"
	"testing"
)

func TestViolations(t *testing.T) {
	for _, tc := range []struct {
		method, path, body string
		want               []string
	}{
		{"POST", "/orgs", `{"username":"n"}`, []string{"POST /orgs: no visibility: the default is public"}},
		{"POST", "/orgs", `{"username":"n","visibility":"private"}`, nil},
		{"PATCH", "/orgs/vibn-acme", `{"full_name":"","website":"","location":""}`, []string{"PATCH /orgs/{org}: no description: it is wiped"}},
		{"POST", "/orgs/vibn-acme/repos", `{"name":"n"}`, []string{"POST /orgs/{org}/repos: no private: the default is public"}},
		{"PATCH", "/admin/users/vibn-acme", `{"login_name":"x"}`, []string{"PATCH /admin/users/{username}: it is an organisation"}},
		{"PATCH", "/admin/users/vibn-bot-acme", `{}`, []string{"PATCH /admin/users/{username}: no login_name: before 1.27.3 it is required"}},
		{
			"DELETE", "/admin/users/sole?purge=true", "",
			[]string{`DELETE /admin/users/{username}: it takes organisation "soles-org" along`},
		},
		{"DELETE", "/admin/users/vibn-bot-acme?purge=true", "", nil},
		{"PATCH", "/teams/TEAM", `{"includes_all_repositories":true}`, []string{
			"PATCH /teams/{id}: no permission: includes_all_repositories does not count without",
		}},
		{"DELETE", "/teams/OWNERS", "", []string{"DELETE /teams/{id}: they are the Owners"}},
		{"PUT", "/teams/OWNERS/members/vibn-bot-acme", "", []string{"PUT /teams/{id}/members/{username}: a member of the Owners"}},
		{"PUT", "/teams/TEAM/members/vibn-other", "", []string{"PUT /teams/{id}/members/{username}: it is an organisation"}},
		{"GET", "/orgs/vibn-acme/teams", "", []string{"GET /orgs/{org}/teams: no page"}},
		{"GET", "/orgs/vibn-acme/teams?page=1", "", nil},
		{"GET", "/users//keys?page=1", "", []string{"unknown: an empty path segment"}},
		{"GET", "/version?token=x", "", []string{"GET /version: a token in the query"}},
		{
			"POST", "/repos/vibn-acme/app/statuses/x", `{}`,
			[]string{"POST /repos/{owner}/{repo}/statuses/{sha}: on a tenant's behalf, with the admin's credential"},
		},
		{"POST", "/repos/vibn-acme/app/keys", `{}`, []string{"POST /repos/{owner}/{repo}/keys: no read_only: the default may write"}},
		{"POST", "/repos/vibn-acme/app/hooks", `{}`, []string{"POST /repos/{owner}/{repo}/hooks: no active: the default is not active"}},
		{"PATCH", "/repos/vibn-acme/app/hooks/1", `{"events":[]}`, []string{
			"PATCH /repos/{owner}/{repo}/hooks/{id}: no branch_filter: it is wiped",
		}},
	} {
		s := newSim(t, Config{})
		s.t = t
		s.AddUser(User{Login: "sole"})
		s.AddOrg(Org{Name: "soles-org"}, "sole")
		path := replaceAll(tc.path, "TEAM", fmt.Sprint(teamID(s, "vibn-acme", "Writers")), "OWNERS",
			fmt.Sprint(teamID(s, "vibn-acme", "Owners")))
		s.do(tc.method, path, tc.body)
		s.violated(tc.want...)
	}
}

// TestViolationsOfTokens: what matters is what the token can do, whoever asks.
func TestViolationsOfTokens(t *testing.T) {
	s := newSim(t, Config{})
	bot := s.with(basic("vibn-bot-acme", "Str0ng-passw0rd-xyz"))
	bot.do("POST", "/users/vibn-bot-acme/tokens", `{"name":"good","scopes":["write:repository","write:issue"]}`).ok(201)
	bot.do("DELETE", "/users/vibn-bot-acme/tokens/2", "").ok(204)
	s.violated()
	bot.do("POST", "/users/vibn-bot-acme/tokens", `{"name":"bad","scopes":["write:repository","write:user"]}`).ok(201)
	bot.do("DELETE", "/users/vibn-bot-acme/tokens/bad", "").ok(204)
	bot.do("GET", "/users/vibn-bot-acme/tokens", "").ok(200)
	s.violated(
		"POST /users/{username}/tokens: scope write:user lets it out",
		"DELETE /users/{username}/tokens/{token}: by name, which may be another's id, or several",
		"GET /users/{username}/tokens: no page",
	)
}

// TestBotsViolateNothing: what a tenant does is not what our clients do.
func TestBotsViolateNothing(t *testing.T) {
	s := newSim(t, Config{})
	s.AddCollaborator("vibn-acme/app", "vibn-bot-acme", "admin")
	bot := s.bot("acme", "all")
	bot.do("GET", "/repos/vibn-acme/app/keys", "").ok(200)
	bot.do("POST", "/repos/vibn-acme/app/keys", `{"title":"k","key":"`+keyA+`"}`).ok(201)
	bot.do("POST", "/repos/vibn-acme/app/forks", `{}`).ok(202)
	s.violated()
}
