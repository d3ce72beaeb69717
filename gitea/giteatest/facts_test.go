package giteatest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var everyBehaviour = []Behaviour{V121, V126, V127, Forgejo}

const mint = `{"name":"n","scopes":["write:repository","write:issue"]}`

// TestTokenHeaderOpensNoTokens: with an admin's token in its own header, with
// sudo or without, nobody's tokens can be made, listed or deleted.
func TestTokenHeaderOpensNoTokens(t *testing.T) {
	for _, behaviour := range everyBehaviour {
		s := newSim(t, Config{Behaviour: behaviour})
		for _, scheme := range []string{"token ", "Bearer ", "TOKEN "} {
			for _, sudo := range []string{"", "vibn-bot-acme"} {
				as := s.with(scheme + s.secret())
				for _, tc := range []struct{ method, path, body string }{
					{"POST", "/users/vibn-bot-acme/tokens", mint},
					{"GET", "/users/vibn-bot-acme/tokens?page=1", ""},
					{"DELETE", "/users/vibn-bot-acme/tokens/1", ""},
				} {
					as.do(tc.method, tc.path, tc.body, "Sudo", sudo).ok(401)
				}
			}
		}
		s.do("POST", "/users/vibn-bot-acme/tokens?sudo=vibn-bot-acme", mint).ok(401)
	}
}

// TestWaysToAToken: B, with the bot's own password, works everywhere; A, with
// the admin's token in Basic, whatever the name beside it, works on Gitea;
// Forgejo has a route of its own.
func TestWaysToAToken(t *testing.T) {
	for _, behaviour := range everyBehaviour {
		t.Run(string(behaviour), func(t *testing.T) {
			s := newSim(t, Config{Behaviour: behaviour})
			admin, i := s.secret(), 0
			try := func(want int, auth string, headers ...string) {
				t.Helper()
				i++
				s.with(auth).do("POST", "/users/vibn-bot-acme/tokens",
					fmt.Sprintf(`{"name":"n%d","scopes":["read:misc"]}`, i), headers...).ok(want)
			}
			s.do("PATCH", "/admin/users/vibn-bot-acme", `{"login_name":"x","password":"N3w-passw0rd-zzz"}`).ok(200)
			for _, name := range []string{"vibn-bot-acme", "VIBN-BOT-ACME", "bot+acme@vibnai.invalid"} {
				try(201, basic(name, "N3w-passw0rd-zzz"))
			}
			try(401, basic("vibn-bot-acme", "Str0ng-passw0rd-xyz"))
			try(201, basic(s.Admin(), s.AdminPassword()))
			try(201, basic(s.Admin(), s.AdminPassword()), "Sudo", "vibn-bot-acme")
			other := 404 // the bot is private
			if behaviour == V121 {
				other = 403
			}
			try(other, basic("vibn-bot-other", "Str0ng-passw0rd-xyz"))
			byA := 201
			if behaviour == Forgejo {
				byA = 401
			}
			for _, auth := range []string{
				basic("x", admin), basic("", admin), basic(admin, ""), basic(admin, "x-oauth-basic"), basic("vibn-bot-acme", admin),
			} {
				try(byA, auth)
			}
			try(byA, basic("x", admin), "Sudo", "vibn-bot-acme")
			byRoute := 404
			if behaviour == Forgejo {
				byRoute = 201
			}
			s.do("POST", "/admin/users/vibn-bot-acme/tokens", mint).ok(byRoute)
		})
	}
}

// TestScopeCeiling: before 1.27 a token with write:user mints any scope.
func TestScopeCeiling(t *testing.T) {
	for behaviour, want := range map[Behaviour]int{V121: 201, V126: 201, V127: 403} {
		s := newSim(t, Config{Behaviour: behaviour})
		bot := s.bot("acme", "write:user", "write:repository")
		s.with(basic("x", bot.secret())).do("POST", "/users/vibn-bot-acme/tokens",
			`{"name":"out","scopes":["all"]}`).ok(want)
		s.with(basic("x", bot.secret())).do("POST", "/users/vibn-bot-acme/tokens",
			`{"name":"in","scopes":["read:repository","write:user"]}`).ok(201)
		s.with(basic("vibn-bot-acme", "Str0ng-passw0rd-xyz")).do("POST", "/users/vibn-bot-acme/tokens",
			`{"name":"pw","scopes":["all"]}`).ok(201)
		less := s.bot("acme", "write:repository", "write:issue")
		s.with(basic("x", less.secret())).do("POST", "/users/vibn-bot-acme/tokens", mint).says(403, "required")
		bot.do("POST", "/user/applications/oauth2", `{"name":"evil","redirect_uris":["http://127.0.0.1/x"]}`).ok(201)
		bot.do("POST", "/user/keys", `{"title":"k","key":"`+keyA+`"}`).ok(201)
		if got := s.Snapshot().Users; len(got[1].Keys) != 1 || len(got[1].OAuthApps) != 1 {
			t.Errorf("the snapshot shows %d keys and %d applications of the bot, want one of each", len(got[1].Keys),
				len(got[1].OAuthApps))
		}
	}
}

func TestBotCannotCreateReposInItsOrg(t *testing.T) {
	s := newSim(t, Config{})
	s.bot("acme", "write:repository", "write:issue").do("POST", "/orgs/vibn-acme/repos", `{"name":"x"}`).says(403,
		"required=[write:organization]")
	s.bot("acme", "write:organization").do("POST", "/orgs/vibn-acme/repos", `{"name":"x"}`).says(403,
		"not allowed to create repository")
	s.admin("write:organization").do("POST", "/orgs/vibn-acme/repos", `{"name":"x","private":true}`).ok(201)
	v127 := newSim(t, Config{Behaviour: V127})
	v127.admin("write:organization").do("POST", "/orgs/vibn-acme/repos", `{"name":"x"}`).says(403, "write:repository")
	v127.admin("write:organization", "write:repository").do("POST", "/orgs/vibn-acme/repos",
		`{"name":"x","private":true}`).ok(201)
}

// TestCreatorOfARepoIsItsAdmin: the way out for a bot that may create.
func TestCreatorOfARepoIsItsAdmin(t *testing.T) {
	s := newSim(t, Config{})
	s.AddTeam("vibn-acme", Team{
		Name: "Creators", CanCreateOrgRepo: true,
		Units: map[string]string{"repo.code": "read"},
	})
	s.AddMember("vibn-acme", "creators", "vibn-bot-acme")
	bot := s.bot("acme", "write:organization", "write:repository")
	bot.do("POST", "/orgs/vibn-acme/repos", `{"name":"mine","private":true,"auto_init":true}`).ok(201)
	bot.do("GET", "/repos/vibn-acme/mine", "").field("permissions", map[string]any{
		"admin": true, "push": true,
		"pull": true,
	})
	bot.do("PUT", "/repos/vibn-acme/mine/collaborators/vibn-bot-other", `{"permission":"write"}`).ok(204)
	s.bot("other", "read:repository").do("GET", "/repos/vibn-acme/mine", "").ok(200)
	bot.do("POST", "/repos/vibn-acme/mine/keys", `{"title":"k","key":"`+keyA+`"}`).ok(201).field("read_only", false)
	bot.do("PATCH", "/repos/vibn-acme/mine", `{"private":false,"name":"renamed"}`).ok(200)
	bot.do("DELETE", "/repos/vibn-acme/renamed", "").says(403, "owner of the repo")
	s.with("").do("GET", "/repos/vibn-acme/renamed", "").ok(404)
	if got := repoState(t, s, "vibn-acme/renamed").Collaborators; cmp.Diff(map[string]string{
		"vibn-bot-acme":  "admin",
		"vibn-bot-other": "write",
	}, got) != "" {
		t.Errorf("collaborators = %v, want the bot and its friend", got)
	}
}

func repoState(t *testing.T, s *sim, full string) Repo {
	t.Helper()
	for _, r := range s.Snapshot().Repos {
		if r.Owner+"/"+r.Name == full {
			return r
		}
	}
	t.Fatalf("no repository %s", full)
	return Repo{}
}

func TestMustChangePasswordIsTheDefault(t *testing.T) {
	s := newSim(t, Config{})
	create := `{"username":"mc","email":"mc@vibnai.invalid","password":"Str0ng-passw0rd-xyz"}`
	s.do("POST", "/admin/users", create).ok(201)
	s.AddMember("vibn-acme", "Writers", "mc")
	mc := s.with("token " + s.AddToken("mc", "all"))
	got := mc.do("GET", "/repos/vibn-acme/app", "")
	got.says(403, "You must change your password")
	if diff := cmp.Diff([]string{"message"}, keysOf(got.object())); diff != "" {
		t.Errorf("keys of the refusal (-want +got):\n%s", diff)
	}
	page := mc.with(basic("x", mc.secret())).do("GET", "//vibn-acme/app.git/info/refs?service=git-upload-pack",
		"").ok(303)
	if to := page.header.Get("Location"); to != "/user/settings/change_password" {
		t.Errorf("git is sent to %q", to)
	}
	s.do("PATCH", "/admin/users/mc", `{"login_name":"mc","password":"An0ther-passw0rd"}`).ok(200) // does not clear it
	mc.do("GET", "/repos/vibn-acme/app", "").ok(403)
	s.do("PATCH", "/admin/users/mc", `{"login_name":"mc","must_change_password":false}`).ok(200)
	mc.do("GET", "/repos/vibn-acme/app", "").ok(200)
}

func TestLimitsAreSetUnseenAndForksPassThem(t *testing.T) {
	s := newSim(t, Config{})
	got := s.do("PATCH", "/admin/users/vibn-bot-acme",
		`{"login_name":"b","max_repo_creation":0,"allow_create_organization":false}`).ok(200).object()
	for _, field := range []string{"max_repo_creation", "allow_create_organization"} {
		if _, shown := got[field]; shown {
			t.Errorf("%s is shown", field)
		}
	}
	bot := s.bot("acme", "write:repository")
	s.bot("acme", "all").do("POST", "/user/repos", `{"name":"own"}`).says(403,
		"maximum limit of repositories [limit: 0]")
	s.bot("acme", "all").do("POST", "/orgs", `{"username":"own"}`).ok(403)
	bot.do("POST", "/repos/vibn-acme/app/forks", `{"name":"personal"}`).ok(202).field("private", true)
	bot.do("POST", "/repos/vibn-acme/app/forks", `{"name":"again"}`).ok(409)
	bot.do("POST", "/repos/vibn-acme/app/forks", `{"organization":"vibn-acme","name":"inside"}`).ok(202)
	bot.do("POST", "/repos/vibn-acme/app/forks", `{"organization":"vibn-other"}`).says(403,
		"no Member of Organisation 'vibn-other'")
	bot.do("GET", "/repos/vibn-acme/inside", "").field("permissions", map[string]any{
		"admin": true, "push": true,
		"pull": true,
	})
	if got := repoState(t, s, "vibn-acme/inside").Fork; got != "vibn-acme/app" {
		t.Errorf("the fork is of %q", got)
	}
	counted := newSim(t, Config{ForksCounted: true})
	counted.bot("acme", "write:repository").do("POST", "/repos/vibn-acme/app/forks", `{}`).says(409, "limit: 0")
}

func TestCountsOfOthersLeak(t *testing.T) {
	for _, behaviour := range everyBehaviour {
		s := newSim(t, Config{Behaviour: behaviour})
		s.AddRepo("vibn-other", Repo{Name: "second", Private: true})
		bot := s.bot("acme", "read:organization")
		got := bot.do("GET", "/orgs/vibn-other/repos?page=1", "").ok(200)
		if got.header.Get("X-Total-Count") != "2" || len(got.list()) != 0 {
			t.Errorf("%s: %d shown of %s, want 0 of 2", behaviour, len(got.list()), got.header.Get("X-Total-Count"))
		}
		bot.do("GET", "/orgs/nope/repos?page=1", "").ok(404)
		bot.do("GET", "/orgs/vibn-other", "").ok(404)
		blind := s.bot("acme", "write:repository", "write:issue")
		blind.do("GET", "/orgs/vibn-other/repos?page=1", "").ok(403)
		blind.do("GET", "/orgs/nope/repos?page=1", "").ok(403) // the scope comes first
	}
}

func TestRestrictedSeesPublicReposSince125(t *testing.T) {
	for _, tc := range []struct {
		cfg  Config
		want int
	}{
		{Config{Behaviour: V121}, 404},
		{Config{}, 200},
		{Config{Behaviour: V127}, 200},
		{Config{RequireSignIn: true}, 404},
	} {
		s := newSim(t, tc.cfg)
		s.AddOrg(Org{Name: "pub"}, s.Admin())
		s.AddRepo("pub", Repo{Name: "repo"})
		s.AddOrg(Org{Name: "lim", Visibility: "limited"}, s.Admin())
		s.AddRepo("lim", Repo{Name: "repo"})
		bot := s.bot("acme", "write:repository")
		bot.do("GET", "/repos/pub/repo", "").ok(tc.want)
		bot.do("GET", "/repos/lim/repo", "").ok(404)
		s.SetUser("vibn-bot-acme", func(u *User) { u.Restricted = false })
		bot.do("GET", "/repos/lim/repo", "").ok(200)
	}
}

// TestOneNamespace: users and organisations share names, in any case, and pass
// for each other.
func TestOneNamespace(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", "/orgs", `{"username":"VIBN-bot-Acme","visibility":"private"}`).says(422, "user already exists")
	s.do("POST", "/admin/users", `{"username":"Vibn-Acme","email":"a@b.c","password":"Str0ng-passw0rd"}`).says(422,
		"user already exists")
	s.do("POST", "/orgs", `{"username":"`+strings.Repeat("x", 41)+`"}`).says(422, "MaxSize")
	s.do("GET", "/users/vibn-acme", "").ok(200).field("login", "vibn-acme")
	s.do("GET", "/orgs/vibn-bot-acme", "").ok(404)
	s.do("PATCH", "/admin/users/vibn-acme", `{"login_name":"x"}`).ok(200)
	s.do("PUT", fmt.Sprintf("/teams/%d/members/vibn-other", teamID(s, "vibn-acme", "Writers")), "").ok(204)
	s.with(basic("x", s.secret())).do("POST", "/users/vibn-acme/tokens", mint).ok(201)
	s.do("GET", "/user", "", "Sudo", "vibn-acme").ok(200).field("login", "vibn-acme")
	s.violated(
		"POST /admin/users: no must_change_password: the default hurts",
		"POST /admin/users: no restricted: the default hurts",
		"POST /admin/users: no visibility: the default hurts", "POST /orgs: no visibility: the default is public",
		"PATCH /admin/users/{username}: it is an organisation",
		"PUT /teams/{id}/members/{username}: it is an organisation",
		"POST /users/{username}/tokens: it is an organisation",
	)
}

func TestDeletionsThatFailAndThatTakeTooMuch(t *testing.T) {
	s := newSim(t, Config{})
	s.do("DELETE", "/orgs/vibn-acme", "").says(500, "ownership of repositories")
	s.do("DELETE", "/repos/vibn-acme/app", "").ok(204)
	s.AddPackage(Package{Owner: "vibn-acme", Name: "p"})
	s.do("DELETE", "/orgs/vibn-acme", "").says(500, "ownership of packages")
	s.do("DELETE", "/packages/vibn-acme/generic/p/1.0.0", "").ok(204)
	s.do("DELETE", "/orgs/vibn-acme", "").ok(204)
	s.do("DELETE", "/orgs/vibn-acme", "").ok(404)

	s.AddUser(User{Login: "sole"})
	s.AddOrg(Org{Name: "soles-org"}, "sole")
	s.AddRepo("soles-org", Repo{Name: "r"})
	s.do("DELETE", "/admin/users/sole", "").says(422, "membership of organizations")
	s.do("DELETE", "/admin/users/sole?purge=true", "").ok(204)
	s.do("GET", "/orgs/soles-org", "").ok(404)
	s.do("DELETE", "/admin/users/vibn-other?purge=true", "").says(422, "is an organization")
	s.do("DELETE", "/admin/users/"+s.Admin()+"?purge=true", "").says(422, "yourself")
	owners := teamID(s, "vibn-other", "Owners")
	s.do("DELETE", fmt.Sprintf("/teams/%d/members/%s", owners, s.Admin()), "").says(500, "last member of owner team")
	s.do("DELETE", fmt.Sprintf("/teams/%d", owners), "").ok(204) // even that one
}

func TestPurgeTakesTheUsersThings(t *testing.T) {
	s := newSim(t, Config{})
	pat := s.bot("acme", "all")
	if _, err := s.AddFork("vibn-acme/app", "vibn-bot-acme", "fork", "vibn-bot-acme"); err != nil {
		t.Fatal(err)
	}
	s.AddCollaborator("vibn-other/app", "vibn-bot-acme", "read")
	s.do("DELETE", "/admin/users/vibn-bot-acme", "").says(422, "ownership of repositories")
	s.do("DELETE", "/admin/users/vibn-bot-acme?purge=true", "").ok(204)
	pat.do("GET", "/user", "").ok(401)
	s.do("GET", "/repos/vibn-bot-acme/fork", "").ok(404)
	if got := repoState(t, s, "vibn-other/app").Collaborators; len(got) != 0 {
		t.Errorf("collaborators = %v, want none", got)
	}
	again := `{"username":"vibn-bot-acme","email":"bot+acme@vibnai.invalid","password":"Str0ng-passw0rd-xyz"}`
	s.do("POST", "/admin/users", again).ok(201) // name and address are free at once
}

func TestSudo(t *testing.T) {
	s := newSim(t, Config{})
	s.do("GET", "/user", "", "Sudo", "VIBN-bot-acme").ok(200).field("login", "vibn-bot-acme")
	s.do("GET", "/user?sudo=vibn-bot-acme", "").ok(200).field("login", "vibn-bot-acme")
	s.do("GET", "/user", "", "Sudo", "nope").ok(404)
	got := s.bot("acme", "all").do("GET", "/user", "", "Sudo", s.Admin())
	got.says(403, "Only administrators allowed to sudo.")
	if _, there := got.object()["url"]; there {
		t.Error("the refusal of sudo has a url, want none")
	}
	s.with("").do("GET", "/user", "", "Sudo", s.Admin()).ok(403)
	s.do("GET", "/repos/vibn-other/app", "", "Sudo", "vibn-bot-acme").ok(404)
	s.do("GET", "/admin/users?page=1", "", "Sudo", "vibn-bot-acme").says(403, "user should be the site admin")
	narrow := s.admin("read:repository")
	narrow.do("GET", "/repos/vibn-acme/app", "", "Sudo", "vibn-bot-acme").ok(200)
	narrow.do("GET", "/user", "", "Sudo", "vibn-bot-acme").says(403, "required=[read:user]")
}

func TestCredentials(t *testing.T) {
	for _, behaviour := range everyBehaviour {
		s := newSim(t, Config{Behaviour: behaviour})
		pat := s.secret()
		for _, auth := range []string{
			"token " + pat, "bearer " + pat, basic("any", pat), basic("", pat), basic(pat, ""), basic(pat, "x-oauth-basic"),
			basic("vibn-bot-acme", pat),
		} {
			s.with(auth).do("GET", "/user", "").ok(200).field("login", s.Admin())
		}
		for _, auth := range []string{"token 0000", "Bearer 0000", basic("x", "0000"), basic("0000", "")} {
			s.with(auth).do("GET", "/version", "").ok(401) // even there
		}
		s.with(pat).do("GET", "/user", "").ok(401)
		s.with("").do("GET", "/user", "").ok(401)
		s.with("").do("GET", "/version", "").ok(200)
		got := s.with("").do("GET", "/user?token="+pat, "").ok(200)
		if got.header.Get("X-Gitea-Warning") == "" {
			t.Error("a token in the query brings no warning")
		}
	}
	off := newSim(t, Config{NoQueryToken: true})
	off.with("").do("GET", "/user?access_token="+off.secret(), "").ok(401)
	if got := newSim(t, Config{Behaviour: V127}).with("token x").do("GET", "/user",
		""); got.object()["message"] != "invalid username, password or token" {
		t.Errorf("1.27 says %s", got.text)
	}
}

func TestKillSwitch(t *testing.T) {
	for _, body := range []string{`{"login_name":"b","prohibit_login":true}`, `{"login_name":"b","active":false}`} {
		s := newSim(t, Config{})
		bot := s.bot("acme", "write:repository")
		s.do("PATCH", "/admin/users/vibn-bot-acme", body).ok(200)
		bot.do("GET", "/repos/vibn-acme/app", "").says(403, "prohibited from signing in")
		page := s.with(basic("x", bot.secret())).do("GET", "//vibn-acme/app.git/info/refs?service=git-upload-pack",
			"").ok(200)
		if !strings.HasPrefix(page.text, "<!DOCTYPE html>") {
			t.Errorf("git gets %q, want a page", page.text)
		}
		for _, tok := range s.Snapshot().Tokens {
			if tok.User == "vibn-bot-acme" && tok.Live {
				t.Error("the bot's token counts as live")
			}
		}
		s.do("PATCH", "/admin/users/vibn-bot-acme", `{"login_name":"b","prohibit_login":false,"active":true}`).ok(200)
		bot.do("GET", "/repos/vibn-acme/app", "").ok(200)
	}
}

func TestSwitches(t *testing.T) {
	closed := newSim(t, Config{RequireSignIn: true, NoUsersPage: true, ForcePrivate: true})
	closed.with("").do("GET", "/version", "").says(403, "Only signed in user is allowed to call APIs.")
	closed.with("").do("GET", "//api/healthz", "").ok(200).field("status", "pass")
	closed.do("GET", "/version", "").ok(200)
	closed.do("GET", "/users/search?page=1", "").ok(404)
	closed.do("POST", "/orgs/vibn-acme/repos", `{"name":"x"}`).ok(201).field("private", true)

	noBasic := newSim(t, Config{NoBasicAuth: true})
	password := basic("vibn-bot-acme", "Str0ng-passw0rd-xyz")
	noBasic.with(password).do("POST", "/users/vibn-bot-acme/tokens", mint).ok(404) // nobody, and the bot is private
	noBasic.with(password).do("POST", "/users/"+noBasic.Admin()+"/tokens", mint).says(403, "doer should be")
	noBasic.with(basic("x", noBasic.secret())).do("POST", "/users/vibn-bot-acme/tokens", mint).ok(201)

	enforced := newSim(t, Config{TwoFactorEnforced: true})
	bot := enforced.bot("acme", "all")
	bot.do("GET", "/repos/vibn-acme/app", "").ok(404)
	bot.do("GET", "/orgs/vibn-acme", "").ok(200)
	enforced.do("GET", "/repos/vibn-acme/app", "").ok(404)
	enforced.SetUser(enforced.Admin(), func(u *User) { u.TwoFactor = true })
	enforced.do("GET", "/repos/vibn-acme/app", "").ok(200)
	enforced.with(basic(enforced.Admin(), enforced.AdminPassword())).do("GET", "/user", "").ok(401)

	proxied := newSim(t, Config{ProxyAuth: true})
	proxied.with("").do("POST", "/users/vibn-bot-acme/tokens", mint, "X-Webauth-User", proxied.Admin()).ok(201)
	proxied.do("POST", "/users/vibn-bot-acme/tokens", mint, "X-Webauth-User", proxied.Admin()).ok(401) // the token wins
	newSim(t, Config{}).with("").do("GET", "/user", "", "X-Webauth-User", "siteadmin").ok(401)

	for open, want := range map[bool]string{true: `name="user_name"`, false: "Registration is disabled"} {
		got := newSim(t, Config{OpenRegistration: open}).with("").do("GET", "//user/sign_up", "").ok(200)
		if !strings.Contains(got.text, want) {
			t.Errorf("open registration %t: %q, want %q in it", open, got.text, want)
		}
	}
	newSim(t, Config{}).do("GET", "/settings/api", "").ok(200).field("max_response_items", 50.0)
}

func TestTokensOfTheirOwn(t *testing.T) {
	s := newSim(t, Config{Behaviour: V127})
	bot := s.bot("acme", "read:misc")
	got := bot.do("GET", "/token", "").ok(200).object()
	if user, _ := got["user"].(map[string]any); user["login"] != "vibn-bot-acme" {
		t.Errorf("GET /token = %v, want the bot's", got)
	}
	bot.do("DELETE", "/token", "").ok(204)
	bot.do("GET", "/token", "").ok(401)
	s.with(basic("x", s.secret())).do("GET", "/token", "").ok(401)
	newSim(t, Config{}).do("GET", "/token", "").ok(404)
}

func TestTokenNames(t *testing.T) {
	s := newSim(t, Config{})
	as := s.with(basic("x", s.secret()))
	path := "/users/vibn-bot-acme/tokens"
	created := as.do("POST", path, `{"name":"race","scopes":["read:misc"]}`).ok(201)
	created.field("created_at", never).field("token_last_eight", created.object()["sha1"].(string)[32:])
	as.do("POST", path, `{"name":"race","scopes":["read:misc"]}`).says(400, "used already")
	s.RaceTokens(1)
	as.do("POST", path, `{"name":"race","scopes":["read:misc"]}`).ok(201)
	as.do("DELETE", path+"/race", "").says(422, "multiple matches for token name 'race'")
	s.AddNamedToken("vibn-bot-acme", "0x1", "read:misc")
	as.do("DELETE", path+"/0x63", "").ok(404) // an id
	as.do("DELETE", fmt.Sprintf("%s/%d", path, created.id()), "").ok(204)
	as.do("DELETE", path+"/race", "").ok(204)
	admins := s.Snapshot().Tokens[0]
	as.do("DELETE", fmt.Sprintf("%s/%d", path, admins.ID), "").ok(404) // somebody else's
	for _, o := range as.do("GET", path+"?page=1", "").list() {
		if o["sha1"] != "" || o["created_at"] == never {
			t.Errorf("a listed token is %v, want a time and no secret", o)
		}
	}
}

func TestOrgPatchWipes(t *testing.T) {
	s := newSim(t, Config{})
	s.do("PATCH", "/orgs/vibn-acme", `{"description":"mark","full_name":"ACME"}`).ok(200)
	s.do("PATCH", "/orgs/vibn-acme", `{"visibility":"limited"}`).ok(200).field("description", "").field("full_name",
		"").
		field("visibility", "limited")
	s.do("PATCH", "/orgs/vibn-acme", `{"description":"mark"}`).ok(200).field("visibility", "limited")
}

func TestTeamQuirks(t *testing.T) {
	s := newSim(t, Config{})
	path := fmt.Sprintf("/teams/%d", teamID(s, "vibn-acme", "Writers"))
	s.do("PATCH", path, `{"includes_all_repositories":false,"can_create_org_repo":true}`).ok(200).
		field("includes_all_repositories", true).field("can_create_org_repo", true)
	s.do("PATCH", path, `{"includes_all_repositories":false,"permission":"write"}`).ok(200).field("includes_all_repositories", false)
	bot := s.bot("acme", "write:repository")
	bot.do("GET", "/repos/vibn-acme/app", "").ok(404)
	s.do("PUT", path+"/repos/vibn-acme/app", "").ok(204)
	bot.do("GET", "/repos/vibn-acme/app", "").ok(200)
	s.do("GET", path+"/repos", "").ok(200)
	s.do("DELETE", path+"/repos/vibn-acme/app", "").ok(204)
	s.do("POST", "/orgs/vibn-acme/teams", `{"name":"None","permission":"write"}`).says(500,
		"units permission should not be empty")
	s.AddTeam("vibn-acme", Team{Name: "writers", Units: map[string]string{"repo.code": "read"}})
	if got := s.do("GET", "/orgs/vibn-acme/teams?page=1", "").names("name"); len(got) != 3 {
		t.Errorf("teams = %v, want Owners and two writers", got)
	}
}

// TestRenameRedirects: whoever follows takes the credential along.
func TestRenameRedirects(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", "/orgs/vibn-acme/rename", `{"new_name":"vibn-new"}`).ok(204)
	for _, tc := range []struct{ method, path, want string }{
		{"GET", "/orgs/vibn-acme", "/orgs/vibn-new"},
		{"PATCH", "/orgs/vibn-acme", "/orgs/vibn-new"},
		{"GET", "/users/VIBN-acme?x=1", "/users/vibn-new?x=1"},
		{"PATCH", "/admin/users/vibn-acme", "/admin/users/vibn-new"},
		{"GET", "/repos/vibn-acme/app/keys", "/repos/vibn-new/app/keys"},
	} {
		got := s.do(tc.method, tc.path, "").ok(307)
		if to := got.header.Get("Location"); !strings.EqualFold(to, prefix+tc.want) {
			t.Errorf("%s %s leads to %q, want %s", tc.method, tc.path, to, tc.want)
		}
	}
	s.do("POST", "/orgs", `{"username":"vibn-acme","visibility":"private"}`).ok(201) // and ends it
	s.do("GET", "/orgs/vibn-acme", "").ok(200)
	s.do("PATCH", "/repos/vibn-new/app", `{"name":"site"}`).ok(200)
	if got := s.do("GET", "/repos/vibn-new/app",
		"").ok(301).header.Get("Location"); got != prefix+"/repos/vibn-new/site" {
		t.Errorf("the old repository leads to %q", got)
	}
	s.do("POST", "/admin/users/vibn-new/rename", `{"new_username":"x"}`).says(422, "is an organization")
	s.do("POST", "/admin/users/vibn-bot-other/rename", `{"new_username":"vibn-bot-acme"}`).says(422, "already exists")
	s.do("POST", "/admin/users/vibn-bot-other/rename", `{"new_username":"VIBN-bot-other"}`).ok(204) // only its case
	s.RenameUser("vibn-bot-acme", "vibn-bot-new")
	s.do("GET", "/users/vibn-bot-acme", "").ok(307)
	if diff := cmp.Diff([]string{"vibn-bot-acme", fmt.Sprintf("%d/app", ownerID(s, "vibn-new"))},
		s.Snapshot().Moved); diff != "" {
		t.Errorf("moved (-want +got):\n%s", diff)
	}
}

func ownerID(s *sim, org string) int {
	for _, o := range s.Snapshot().Orgs {
		if o.Name == org {
			return o.ID
		}
	}
	return 0
}

func TestErrorsHideFromStrangersIn500(t *testing.T) {
	s := newSim(t, Config{})
	s.AddUser(User{Login: "boss"})
	s.AddOrg(Org{Name: "hers"}, "boss")
	boss := s.with("token " + s.AddToken("boss", "all"))
	boss.do("POST", "/orgs/hers/teams", `{"name":"x","permission":"write"}`).ok(500).field("message", "")
}

func TestMissingContentType(t *testing.T) {
	s := newSim(t, Config{})
	s.do("POST", "/orgs", `{"username":"x"}`, "Content-Type", "text/plain").says(422, "Unsupported Content-Type")
	s.do("POST", "/orgs", "").says(422, "Empty Content-Type")
	s.do("POST", "/orgs", "not json").says(422, "[]: ")
}
