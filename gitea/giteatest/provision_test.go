package giteatest

import (
	"fmt"
	"testing"
)

// TestProvisioning walks through what a platform does for a new tenant, with
// the least scopes that it needs.
func TestProvisioning(t *testing.T) {
	for _, behaviour := range []Behaviour{V121, V126, V127, Forgejo} {
		t.Run(string(behaviour), func(t *testing.T) {
			s := newSim(t, Config{Behaviour: behaviour}).admin("write:admin", "write:organization", "read:user",
				"write:repository")
			s.do("GET", "/orgs/vibn-new", "").ok(404)
			s.do("POST", "/orgs", `{"username":"vibn-new","visibility":"private","description":"mark"}`).ok(201).field("visibility", "private")
			s.do("POST", "/admin/users",
				`{"username":"vibn-bot-new","email":"bot+new@vibnai.invalid","password":"Str0ng-passw0rd-xyz",
				"must_change_password":false,"restricted":true,"visibility":"private","login_name":"vibn-bot-new"}`).ok(201)
			s.do("PATCH", "/admin/users/vibn-bot-new",
				`{"login_name":"vibn-bot-new","source_id":0,"password":"An0ther-passw0rd-xyz",
				"max_repo_creation":0,"allow_create_organization":false,"must_change_password":false}`).ok(200)
			team := s.do("POST", "/orgs/vibn-new/teams",
				`{"name":"Writers","permission":"write","includes_all_repositories":true,
				"units_map":{"repo.code":"write","repo.issues":"write"}}`).ok(201).id()
			s.do("PUT", fmt.Sprintf("/teams/%d/members/vibn-bot-new", team), "").ok(204)
			minted := s.with(basic("vibn-bot-new", "An0ther-passw0rd-xyz")).do("POST", "/users/vibn-bot-new/tokens",
				`{"name":"t","scopes":["write:repository","write:issue"]}`).ok(201).object()
			s.do("POST", "/orgs/vibn-new/repos",
				`{"name":"site","private":true,"auto_init":true}`).ok(201).field("empty", false)
			bot := s.with("token " + minted["sha1"].(string))
			bot.do("GET", "/repos/vibn-new/site", "").ok(200).
				field("permissions", map[string]any{"admin": false, "push": true, "pull": true})
			bot.do("GET", "/repos/vibn-other/app", "").ok(404)
			s.violated()
		})
	}
}
