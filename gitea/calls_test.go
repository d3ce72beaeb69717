package gitea_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// A step is one request of a call, and a good answer to it.
type step struct {
	sends  string // method, path below the root of the API, query
	body   string // JSON; empty = none
	as     string // who asks
	status int
	answer string
	total  int // X-Total-Count; 0 = not told
}

// A call is one use of one method: what it sends, good answers, and what comes
// of it.
type call struct {
	method string // type and method
	run    func(context.Context, clients) (any, error)
	steps  []step
	want   any // nil = the method returns an error only
}

func (c call) writes() bool { return !strings.HasPrefix(c.steps[len(c.steps)-1].sends, "GET ") }

// only turns a method that returns an error only into one that returns nothing.
func only(err error) (any, error) { return nil, err }

// first is the page that every list begins with.
const first = "?limit=50&page=1"

// get, write and list make the steps of a call that has one.
func get(path, answer string) []step {
	return []step{{sends: "GET " + path, as: admin, status: 200, answer: answer}}
}

func list(path, items string) []step {
	return []step{{sends: "GET " + path + first, as: admin, status: 200, answer: "[" + items + "]", total: 1}}
}

func write(sends, body string, status int, answer string) []step {
	return []step{{sends: sends, body: body, as: admin, status: status, answer: answer}}
}

func remove(path string) []step { return write("DELETE "+path, "", 204, "") }

// as returns the steps as somebody else's.
func as(who string, steps []step) []step {
	for i := range steps {
		steps[i].as = who
	}
	return steps
}

const (
	sha     = "0123456789abcdef0123456789abcdef01234567"
	orgJSON = `{"id":2,"name":"Vibn-Acme","full_name":"A","description":"d","website":"https://a.example","location":"l","visibility":"private","username":"Vibn-Acme"}`
	bobJSON = `{"id":9,"login":"bob","login_name":"bob","source_id":0,"full_name":"Bob","email":"bob@x.invalid","description":"d","visibility":"private",` +
		`"is_admin":true,"restricted":true,"active":true,"prohibit_login":false,"created":"2026-11-23T19:20:13Z"}`
	teamJSON = `{"id":10,"name":"Writers","permission":"none","units_map":{"repo.code":"write"},"includes_all_repositories":true,"can_create_org_repo":true}`
	siteJSON = `{"id":19,"owner":{"id":2,"login":"Vibn-Acme"},"name":"Site","full_name":"Vibn-Acme/Site","clone_url":"c","ssh_url":"s","html_url":"h",` +
		`"default_branch":"main","description":"d","private":true,"empty":true,"fork":true,"mirror":true,"archived":true,"has_actions":false,"parent":{"id":7},` +
		`"permissions":{"admin":true,"push":true,"pull":true},"updated_at":"2026-11-23T20:20:13+01:00"}`
	keyJSON  = `{"id":3,"key_id":5,"key":"ssh-ed25519 AAAA","title":"coolify","fingerprint":"SHA256:x","created_at":"2026-11-23T19:20:13Z","read_only":true}`
	hookJSON = `{"id":4,"type":"gitea","branch_filter":"main","config":{"content_type":"json","url":"https://x.example/"},"events":["push"],"authorization_header":"Bearer zz","active":true}`
	ruleJSON = `{"rule_name":"main","enable_push":true,"enable_push_whitelist":true,"push_whitelist_usernames":["bob"],"push_whitelist_teams":["t"],` +
		`"push_whitelist_deploy_keys":true,"enable_force_push":true,"required_approvals":1}`
	containsQuery = "files=false&limit=1&not=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa&page=1&sha=" + sha + "&stat=false&verification=false"
	tokenJSON     = `{"id":43,"name":"vibn-1","sha1":"` + sha + `","token_last_eight":"01234567","scopes":["write:issue"],"created_at":"2026-11-23T19:20:13Z"}`
)

var (
	created = time.Date(2026, 11, 23, 19, 20, 13, 0, time.UTC)
	org     = gitea.Org{ID: 2, Name: "Vibn-Acme", FullName: "A", Description: "d", Website: "https://a.example", Location: "l", Visibility: "private"}
	bob     = gitea.User{
		ID: 9, Login: "bob", LoginName: "bob", Email: "bob@x.invalid", FullName: "Bob", Description: "d", Visibility: "private",
		IsAdmin: true, Restricted: true, Active: true, CreatedAt: created,
	}
	team = gitea.Team{ID: 10, Name: "Writers", Permission: "none", Units: map[string]string{"repo.code": "write"}, AllRepositories: true, CreatesRepositories: true}
	spec = gitea.TeamSpec{Name: "writers", Units: map[string]string{"repo.code": "write"}, AllRepositories: true}
	site = gitea.Repository{
		ID: 19, OwnerID: 2, Owner: "Vibn-Acme", Name: "Site", FullName: "Vibn-Acme/Site", CloneURL: "c", SSHURL: "s", HTMLURL: "h", DefaultBranch: "main",
		Description: "d", Private: true, Empty: true, Fork: true, Mirror: true, Archived: true, ParentID: 7, CanAdmin: true, CanPush: true, CanPull: true,
		UpdatedAt: created,
	}
	key      = gitea.DeployKey{ID: 3, KeyID: 5, Title: "coolify", Key: "ssh-ed25519 AAAA", Fingerprint: "SHA256:x", ReadOnly: true, CreatedAt: created}
	hook     = gitea.Hook{ID: 4, Type: "gitea", URL: "https://x.example/", ContentType: "json", BranchFilter: "main", Events: []string{"push"}, Active: true, Authorization: true}
	hookSpec = gitea.HookSpec{URL: "https://x.example/", Events: []string{"push", "create"}, BranchFilter: "main", Active: true}
	newHook  = gitea.NewHook{HookSpec: hookSpec, Secret: secret.NewText(canaryPassword)}
	rule     = gitea.BranchProtection{
		Rule: "main", EnablePush: true, EnablePushList: true, PushUsers: []string{"bob"}, PushTeams: []string{"t"}, PushDeployKeys: true, EnableForcePush: true,
		RequiredApprovals: 1,
	}
	made = gitea.Token{ID: 43, Name: "vibn-1", LastEight: "01234567", Scopes: []string{"write:issue"}, Secret: secret.NewText(sha), CreatedAt: created}
)

const (
	hookBody     = `"active":true,"events":["push","create"],"branch_filter":"main","config":{"url":"https://x.example/","content_type":"json"`
	newHookBody  = `{"type":"gitea",` + hookBody + `,"secret":"` + canaryPassword + `"}}`
	ruleBody     = `"enable_push":true,"enable_push_whitelist":true,"push_whitelist_usernames":["bob"],"push_whitelist_teams":[],"push_whitelist_deploy_keys":false,"enable_force_push":false,"required_approvals":1}`
	teamBody     = `{"name":"writers","permission":"write","units_map":{"repo.code":"write"},"includes_all_repositories":true,"can_create_org_repo":false}`
	resetBody    = `{"login_name":"bob","source_id":0,"must_change_password":false,"password":"<random>"}`
	tokenRequest = `{"name":"vibn-1","scopes":["write:issue"]}`
	tokensPath   = "/users/bob/tokens"
)

var (
	reset    = step{sends: "PATCH /admin/users/bob", body: resetBody, as: admin, status: 200, answer: bobJSON}
	ruleSpec = gitea.BranchProtectionSpec{EnablePush: true, EnablePushList: true, PushUsers: []string{"bob"}, RequiredApprovals: 1}
)

// calls has every method of the clients, at least once.
var calls = append(lookCalls, []call{
	{"OrgClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").Get(ctx) }, get("/orgs/vibn-acme", orgJSON), org},
	{
		"Admin.CreateOrg", func(ctx context.Context, c clients) (any, error) {
			return c.CreateOrg(ctx, gitea.NewOrg{Name: "vibn-acme", FullName: "A", Description: "d"})
		},
		write("POST /orgs", `{"username":"vibn-acme","full_name":"A","description":"d","visibility":"private","repo_admin_change_team_access":false}`, 201, orgJSON), org,
	},
	{
		"OrgClient.Update", func(ctx context.Context, c clients) (any, error) {
			return c.Org("vibn-acme").Update(ctx, gitea.OrgUpdate{Description: "d"})
		},
		write("PATCH /orgs/vibn-acme", `{"full_name":"","description":"d","website":"","location":""}`, 200, orgJSON), org,
	},
	{"OrgClient.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.Org("vibn-acme").Delete(ctx)) }, remove("/orgs/vibn-acme"), nil},
	{
		"OrgClient.Members", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").Members(ctx) },
		list("/orgs/vibn-acme/members", bobJSON),
		[]gitea.User{bob},
	},
	{"OrgClient.Teams", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").Teams(ctx) }, list("/orgs/vibn-acme/teams", teamJSON), []gitea.Team{team}},
	{
		"OrgClient.CreateTeam", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").CreateTeam(ctx, spec) },
		write("POST /orgs/vibn-acme/teams", teamBody, 201, teamJSON), team,
	},
	{"Admin.UpdateTeam", func(ctx context.Context, c clients) (any, error) { return c.UpdateTeam(ctx, 10, spec) }, write("PATCH /teams/10", teamBody, 200, teamJSON), team},
	{"Admin.TeamMembers", func(ctx context.Context, c clients) (any, error) { return c.TeamMembers(ctx, 10) }, list("/teams/10/members", bobJSON), []gitea.User{bob}},
	{
		"Admin.AddTeamMember", func(ctx context.Context, c clients) (any, error) { return only(c.AddTeamMember(ctx, 10, "bob")) },
		write("PUT /teams/10/members/bob", "", 204, ""), nil,
	},
	{
		"Admin.RemoveTeamMember", func(ctx context.Context, c clients) (any, error) { return only(c.RemoveTeamMember(ctx, 10, "bob")) },
		remove("/teams/10/members/bob"), nil,
	},
	{"Admin.Self", func(ctx context.Context, c clients) (any, error) { return c.Self(ctx) }, get("/user", bobJSON), bob},
	{"Admin.User", func(ctx context.Context, c clients) (any, error) { return c.User(ctx, "BOB") }, get("/users/BOB", bobJSON), bob},
	{
		"Admin.UserByID", func(ctx context.Context, c clients) (any, error) { return c.UserByID(ctx, 9) },
		get("/users/search?limit=50&page=1&uid=9", `{"ok":true,"data":[`+bobJSON+`]}`), bob,
	},
	{
		"Admin.UserByID", func(ctx context.Context, c clients) (any, error) { return c.UserByID(ctx, 9) },
		[]step{
			{sends: "GET /users/search?limit=50&page=1&uid=9", as: admin, status: 404, answer: `{"message":"not found"}`},
			{sends: "GET /admin/users" + first, as: admin, status: 200, answer: `[{"id":8,"login":"eve"}]`, total: 2},
			{sends: "GET /admin/users?limit=50&page=2", as: admin, status: 200, answer: "[" + bobJSON + "]", total: 2},
		},
		bob,
	},
	{
		"Admin.CreateUser", func(ctx context.Context, c clients) (any, error) {
			return c.CreateUser(ctx, gitea.NewUser{Login: "bob", Email: "bob@x.invalid", FullName: "Bob", Password: secret.NewText(canaryPassword)})
		},
		write("POST /admin/users", `{"username":"bob","login_name":"bob","source_id":0,"email":"bob@x.invalid","full_name":"Bob","password":"`+canaryPassword+
			`","must_change_password":false,"restricted":true,"visibility":"private","send_notify":false}`, 201, bobJSON), bob,
	},
	{
		"Admin.UpdateUser", func(ctx context.Context, c clients) (any, error) {
			return c.UpdateUser(ctx, "bob", gitea.UserUpdate{
				Password: new(secret.NewText(canaryPassword)), ProhibitLogin: new(false), Active: new(true), Admin: new(false), Restricted: new(true),
				AllowCreateOrganization: new(false), AllowGitHook: new(false), AllowImportLocal: new(false), MaxRepoCreation: new(0), Visibility: new("private"),
			})
		},
		write("PATCH /admin/users/bob", `{"login_name":"bob","source_id":0,"must_change_password":false,"password":"`+canaryPassword+
			`","prohibit_login":false,"active":true,"admin":false,"restricted":true,"allow_create_organization":false,"allow_git_hook":false,`+
			`"allow_import_local":false,"max_repo_creation":0,"visibility":"private"}`, 200, bobJSON), bob,
	},
	{
		"Admin.UpdateUser", func(ctx context.Context, c clients) (any, error) {
			return c.UpdateUser(ctx, "bob", gitea.UserUpdate{ProhibitLogin: new(true)})
		},
		write("PATCH /admin/users/bob", `{"login_name":"bob","source_id":0,"must_change_password":false,"prohibit_login":true}`, 200, bobJSON), bob,
	},
	{"Admin.DeleteUser", func(ctx context.Context, c clients) (any, error) { return only(c.DeleteUser(ctx, "bob", true)) }, remove("/admin/users/bob?purge=true"), nil},
	{
		"Admin.UserKeys", func(ctx context.Context, c clients) (any, error) { return c.UserKeys(ctx, "bob") },
		list("/users/bob/keys", keyJSON),
		[]gitea.Key{{ID: 3, Title: "coolify", Key: "ssh-ed25519 AAAA", Fingerprint: "SHA256:x"}},
	},
	{
		"Admin.UserGPGKeys", func(ctx context.Context, c clients) (any, error) { return c.UserGPGKeys(ctx, "bob") },
		list("/users/bob/gpg_keys", `{"id":6,"key_id":"38EA3BCED732982C","public_key":"k"}`),
		[]gitea.Key{{ID: 6, Key: "k", Fingerprint: "38EA3BCED732982C"}},
	},
	{
		"Admin.UserOAuth2Apps", func(ctx context.Context, c clients) (any, error) { return c.UserOAuth2Apps(ctx, "bob") },
		list("/user/applications/oauth2", `{"id":4,"name":"evil","client_id":"e6"}`),
		[]gitea.OAuth2App{{ID: 4, Name: "evil", ClientID: "e6"}},
	},
	{
		"Tokens.Create", func(ctx context.Context, c clients) (any, error) {
			return c.TokensOf("bob").Create(ctx, "vibn-1", []string{"write:issue"})
		},
		[]step{reset, {sends: "POST " + tokensPath, body: tokenRequest, as: user, status: 201, answer: tokenJSON}},
		made,
	},
	{
		"Tokens.List", func(ctx context.Context, c clients) (any, error) { return c.TokensOf("bob").List(ctx) },
		[]step{reset, {sends: "GET " + tokensPath + first, as: user, status: 200, answer: `[{"id":43,"name":"vibn-1","sha1":"","scopes":null}]`, total: 1}},
		[]gitea.Token{{ID: 43, Name: "vibn-1"}},
	},
	{
		"Tokens.Delete", func(ctx context.Context, c clients) (any, error) { return only(c.TokensOf("bob").Delete(ctx, 43)) },
		[]step{
			reset,
			{sends: "GET " + tokensPath + "?limit=1&page=1", as: user, status: 200, answer: `[]`},
			{sends: "DELETE " + tokensPath + "/43", as: user, status: 204},
		},
		nil,
	},
	{
		"OrgClient.Repositories", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").Repositories(ctx) },
		list("/orgs/vibn-acme/repos", siteJSON),
		[]gitea.Repository{site},
	},
	{
		"Admin.UserRepositories", func(ctx context.Context, c clients) (any, error) { return c.UserRepositories(ctx, "vibn-acme") },
		list("/users/vibn-acme/repos", siteJSON),
		[]gitea.Repository{site},
	},
	{
		"RepoClient.Get", func(ctx context.Context, c clients) (any, error) { return c.Repo("vibn-acme", "site").Get(ctx) },
		get("/repos/vibn-acme/site", siteJSON), site,
	},
	{"Admin.RepositoryByID", func(ctx context.Context, c clients) (any, error) { return c.RepositoryByID(ctx, 19) }, get("/repositories/19", siteJSON), site},
	{
		"OrgClient.CreateRepository", func(ctx context.Context, c clients) (any, error) {
			return c.Org("vibn-acme").CreateRepository(ctx, gitea.NewRepository{Name: "site", Description: "d", DefaultBranch: "main"})
		},
		write("POST /orgs/vibn-acme/repos", `{"name":"site","description":"d","default_branch":"main","private":true}`, 201, siteJSON), site,
	},
	{
		"RepoClient.Update", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "old").Update(ctx, gitea.RepositoryUpdate{
				Private: new(true), HasActions: new(false), Archived: new(false), Name: new("site"), Description: new(""), DefaultBranch: new("main"),
			})
		},
		write("PATCH /repos/vibn-acme/old", `{"private":true,"has_actions":false,"archived":false,"name":"site","description":"","default_branch":"main"}`, 200, siteJSON), site,
	},
	{
		"RepoClient.Delete", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").Delete(ctx))
		},
		remove("/repos/vibn-acme/site"), nil,
	},
	{
		"RepoClient.Forks", func(ctx context.Context, c clients) (any, error) { return c.Repo("vibn-acme", "base").Forks(ctx) },
		[]step{
			{sends: "GET /repos/vibn-acme/base/forks" + first, as: admin, status: 200, answer: "[" + siteJSON + "]", total: 1},
			{sends: "GET /repos/vibn-acme/base/forks?limit=50&page=2", as: admin, status: 200, answer: "[]", total: 1},
		},
		[]gitea.Repository{site},
	},
	{
		"RepoClient.DeployKeys", func(ctx context.Context, c clients) (any, error) { return c.Repo("vibn-acme", "site").DeployKeys(ctx) },
		list("/repos/vibn-acme/site/keys", keyJSON),
		[]gitea.DeployKey{key},
	},
	{
		"RepoClient.AddDeployKey", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").AddDeployKey(ctx, gitea.NewDeployKey{Title: "coolify", Key: "ssh-ed25519 AAAA"})
		},
		write("POST /repos/vibn-acme/site/keys", `{"title":"coolify","key":"ssh-ed25519 AAAA","read_only":true}`, 201, keyJSON), key,
	},
	{
		"RepoClient.DeleteDeployKey", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").DeleteDeployKey(ctx, 3))
		},
		remove("/repos/vibn-acme/site/keys/3"), nil,
	},
	{
		"RepoClient.Collaborators", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").Collaborators(ctx)
		},
		list("/repos/vibn-acme/site/collaborators", bobJSON),
		[]gitea.User{bob},
	},
	{
		"RepoClient.RemoveCollaborator", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").RemoveCollaborator(ctx, "bob"))
		},
		remove("/repos/vibn-acme/site/collaborators/bob"), nil,
	},
	{
		"RepoClient.PushMirrors", func(ctx context.Context, c clients) (any, error) { return c.Repo("vibn-acme", "site").PushMirrors(ctx) },
		list("/repos/vibn-acme/site/push_mirrors", `{"remote_name":"remote_mirror_x","remote_address":"https://evil.example/"}`),
		[]gitea.PushMirror{{Name: "remote_mirror_x", Address: "https://evil.example/"}},
	},
	{
		"RepoClient.DeletePushMirror", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").DeletePushMirror(ctx, "remote_mirror_x"))
		},
		remove("/repos/vibn-acme/site/push_mirrors/remote_mirror_x"), nil,
	},
	{
		"RepoClient.Hooks", func(ctx context.Context, c clients) (any, error) { return c.Repo("vibn-acme", "site").Hooks(ctx) },
		list("/repos/vibn-acme/site/hooks", hookJSON),
		[]gitea.Hook{hook},
	},
	{
		"RepoClient.CreateHook", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").CreateHook(ctx, newHook)
		},
		write("POST /repos/vibn-acme/site/hooks", newHookBody, 201, hookJSON), hook,
	},
	{
		"RepoClient.UpdateHook", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").UpdateHook(ctx, 4, hookSpec)
		},
		write("PATCH /repos/vibn-acme/site/hooks/4", `{`+hookBody+`}}`, 200, hookJSON), hook,
	},
	{
		"RepoClient.UpdateHook", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").UpdateHook(ctx, 4, gitea.HookSpec{URL: "https://x.example/"})
		},
		write("PATCH /repos/vibn-acme/site/hooks/4", `{"active":false,"events":["push"],"branch_filter":"","config":{"url":"https://x.example/","content_type":"json"}}`, 200, hookJSON), hook,
	},
	{
		"RepoClient.DeleteHook", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").DeleteHook(ctx, 4))
		},
		remove("/repos/vibn-acme/site/hooks/4"), nil,
	},
	{"OrgClient.Hooks", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").Hooks(ctx) }, list("/orgs/vibn-acme/hooks", hookJSON), []gitea.Hook{hook}},
	{
		"OrgClient.CreateHook", func(ctx context.Context, c clients) (any, error) { return c.Org("vibn-acme").CreateHook(ctx, newHook) },
		write("POST /orgs/vibn-acme/hooks", newHookBody, 201, hookJSON), hook,
	},
	{
		"OrgClient.UpdateHook", func(ctx context.Context, c clients) (any, error) {
			return c.Org("vibn-acme").UpdateHook(ctx, 4, hookSpec)
		},
		write("PATCH /orgs/vibn-acme/hooks/4", `{`+hookBody+`}}`, 200, hookJSON), hook,
	},
	{"OrgClient.DeleteHook", func(ctx context.Context, c clients) (any, error) { return only(c.Org("vibn-acme").DeleteHook(ctx, 4)) }, remove("/orgs/vibn-acme/hooks/4"), nil},
	{
		"RepoClient.BranchProtections", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").BranchProtections(ctx)
		},
		get("/repos/vibn-acme/site/branch_protections", "["+ruleJSON+"]"),
		[]gitea.BranchProtection{rule},
	},
	{
		"RepoClient.BranchProtection", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").BranchProtection(ctx, "main")
		},
		get("/repos/vibn-acme/site/branch_protections/main", ruleJSON), rule,
	},
	{
		"RepoClient.CreateBranchProtection", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").CreateBranchProtection(ctx, "main", ruleSpec)
		},
		write("POST /repos/vibn-acme/site/branch_protections", `{"rule_name":"main",`+ruleBody, 201, ruleJSON), rule,
	},
	{
		"RepoClient.UpdateBranchProtection", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").UpdateBranchProtection(ctx, "main", ruleSpec)
		},
		write("PATCH /repos/vibn-acme/site/branch_protections/main", `{`+ruleBody, 200, ruleJSON), rule,
	},
	{
		"RepoClient.DeleteBranchProtection", func(ctx context.Context, c clients) (any, error) {
			return only(c.Repo("vibn-acme", "site").DeleteBranchProtection(ctx, "main"))
		},
		remove("/repos/vibn-acme/site/branch_protections/main"), nil,
	},
	{
		"Admin.Packages", func(ctx context.Context, c clients) (any, error) { return c.Packages(ctx, "vibn-acme") },
		list("/packages/vibn-acme", `{"id":1,"type":"container","name":"a/b","version":"1.0"}`),
		[]gitea.Package{{ID: 1, Type: "container", Name: "a/b", Version: "1.0"}},
	},
	{
		"Admin.DeletePackage", func(ctx context.Context, c clients) (any, error) {
			return only(c.DeletePackage(ctx, "vibn-acme", gitea.Package{Type: "npm", Name: "@a", Version: "1.0+x y"}))
		},
		remove("/packages/vibn-acme/npm/@a/1.0+x%20y"), nil,
	},
	{
		"Admin.Runners", func(ctx context.Context, c clients) (any, error) { return c.Runners(ctx) },
		get("/admin/actions/runners"+first, `{"runners":[{"id":7,"name":"r","status":"online","labels":[{"name":"ubuntu"}]}],"total_count":1}`),
		[]gitea.Runner{{ID: 7, Name: "r", Status: "online", Labels: []string{"ubuntu"}}},
	},
	{"Admin.Version", func(ctx context.Context, c clients) (any, error) { return c.Version(ctx) }, get("/version", `{"version":"1.26.0+dev-1"}`), "1.26.0+dev-1"},
	{
		"Admin.APISettings", func(ctx context.Context, c clients) (any, error) { return c.APISettings(ctx) },
		get("/settings/api", `{"max_response_items":50,"default_paging_num":30}`),
		gitea.APISettings{MaxResponseItems: 50, DefaultPagingNum: 30},
	},
	{"Admin.Health", func(ctx context.Context, c clients) (any, error) { return only(c.Health(ctx)) }, as(nobody, get("../../api/healthz", `{"status":"pass"}`)), nil},
	{
		"Admin.TokenScopes", func(ctx context.Context, c clients) (any, error) { return c.TokenScopes(ctx) },
		get("/token", `{"id":1,"scopes":["all"],"user":{"id":1,"login":"siteadmin"}}`),
		[]string{"all"},
	},
	{
		"Admin.MayWriteAdmin", func(ctx context.Context, c clients) (any, error) { return only(c.MayWriteAdmin(ctx)) },
		write("PATCH /admin/users/-nobody", `{"login_name":"-nobody","source_id":0,"must_change_password":false}`, 404, `{"message":"not found"}`), nil,
	},
	{
		"Admin.MayWriteOrganization", func(ctx context.Context, c clients) (any, error) { return only(c.MayWriteOrganization(ctx)) },
		write("DELETE /orgs/-nobody/members/-nobody", "", 404, `{"message":"GetOrgByName"}`), nil,
	},
	{
		"Admin.MayWriteRepository", func(ctx context.Context, c clients) (any, error) { return only(c.MayWriteRepository(ctx)) },
		write("PATCH /repos/-nobody/-nobody", `{}`, 422, `{"message":"no"}`), nil,
	},
	{
		"Admin.MayWritePackage", func(ctx context.Context, c clients) (any, error) { return only(c.MayWritePackage(ctx)) },
		write("DELETE /packages/-nobody/generic/-nobody/-nobody", "", 404, `{"message":"not found"}`), nil,
	},
	{
		"Admin.UsersListed", func(ctx context.Context, c clients) (any, error) { return c.UsersListed(ctx) },
		get("/users/search"+first, `{"ok":true,"data":[`+bobJSON+`]}`), true,
	},
	{
		"Admin.UsersListed", func(ctx context.Context, c clients) (any, error) { return c.UsersListed(ctx) },
		write("GET /users/search"+first, "", 404, `{"message":"not found"}`), false,
	},
	{"Admin.AnonymousAccess", func(ctx context.Context, c clients) (any, error) { return c.AnonymousAccess(ctx) }, as(nobody, get("/version", `{"version":"1.26.0"}`)), true},
	{"Admin.TrustsProxyHeader", func(ctx context.Context, c clients) (any, error) { return c.TrustsProxyHeader(ctx, "bob") }, as(nobody, get("/user", bobJSON)), true},
	{"Admin.BasicAuthWorks", func(ctx context.Context, c clients) (any, error) { return c.BasicAuthWorks(ctx) }, as(stranger, get("/version", `{"version":"1.26.0"}`)), false},
	{
		"Admin.SignUpOpen", func(ctx context.Context, c clients) (any, error) { return c.SignUpOpen(ctx) },
		as(nobody, get("../../user/sign_up", `<form class="ui form" action="/code/user/sign_up" method="post"><input id="user_name" type="text" name="user_name" value="">`)), true,
	},
	{"Bot.Alive", func(ctx context.Context, c clients) (any, error) { return c.bot.Alive(ctx) }, as(bot, get("/repos/search?limit=1&page=1", `{"ok":true,"data":[]}`)), true},
	{"Bot.Owner", func(ctx context.Context, c clients) (any, error) { return c.bot.Owner(ctx) }, as(bot, get("/token", `{"user":{"id":9,"login":"bob"}}`)), "bob"},
	{"Bot.Repository", func(ctx context.Context, c clients) (any, error) { return c.bot.Repository(ctx, "vibn-acme", "site") }, as(bot, get("/repos/vibn-acme/site", siteJSON)), site},
	{
		"Bot.Branch", func(ctx context.Context, c clients) (any, error) {
			return c.bot.Branch(ctx, "vibn-acme", "site", "main")
		},
		as(bot, get("/repos/vibn-acme/site/branches/main", `{"name":"main","commit":{"id":"`+sha+`","message":"m","author":{"name":"Bob"},"timestamp":"2026-11-23T19:20:13Z"}}`)),
		gitea.Branch{Name: "main", Commit: gitea.Commit{SHA: sha, Message: "m", Author: "Bob", At: created}},
	},
	{
		"Bot.Contains", func(ctx context.Context, c clients) (any, error) {
			return c.bot.Contains(ctx, "vibn-acme", "site", strings.Repeat("a", 40), sha)
		},
		as(bot, get("/repos/vibn-acme/site/commits?"+containsQuery, `[]`)), true,
	},
	{
		"Bot.Contains", func(ctx context.Context, c clients) (any, error) {
			return c.bot.Contains(ctx, "vibn-acme", "site", strings.Repeat("a", 40), sha)
		},
		as(bot, get("/repos/vibn-acme/site/commits?"+containsQuery, `[{"sha":"`+sha+`"}]`)), false,
	},
	{
		"Bot.CreateFile", func(ctx context.Context, c clients) (any, error) {
			return c.bot.CreateFile(ctx, "vibn-acme", "site", gitea.NewFile{
				Name: "README.md", Content: "hi", Branch: "main", Message: "m", Author: gitea.Identity{Name: "bot", Email: "bot@x.invalid"},
			})
		},
		as(bot, write("POST /repos/vibn-acme/site/contents/README.md",
			`{"content":"aGk=","branch":"main","message":"m","author":{"name":"bot","email":"bot@x.invalid"}}`, 201,
			`{"content":{"path":"README.md"},"commit":{"sha":"`+sha+`"}}`)), sha,
	},
	{
		"Bot.CreateStatus", func(ctx context.Context, c clients) (any, error) {
			return only(c.bot.CreateStatus(ctx, "vibn-acme", "site", sha, gitea.Status{State: "success", Context: "vibn", Description: "d", TargetURL: "https://x.example/"}))
		},
		as(bot, write("POST /repos/vibn-acme/site/statuses/"+sha, `{"state":"success","context":"vibn","description":"d","target_url":"https://x.example/"}`, 201, `{"id":1,"status":"success","context":"vibn"}`)), nil,
	},
	{
		"Bot.Statuses", func(ctx context.Context, c clients) (any, error) {
			return c.bot.Statuses(ctx, "vibn-acme", "site", sha)
		},
		as(bot, list("/repos/vibn-acme/site/statuses/"+sha, `{"id":1,"status":"success","context":"vibn","description":"d","target_url":"https://x.example/"}`)),
		[]gitea.Status{{State: "success", Context: "vibn", Description: "d", TargetURL: "https://x.example/"}},
	},
}...)

// asSent writes a request as a step has it.
func asSent(r *http.Request) step {
	body, _ := io.ReadAll(r.Body)
	text := string(bytes.TrimSpace(body))
	if before, after, ok := strings.Cut(text, `"password":"vA7-`); ok {
		_, rest, _ := strings.Cut(after, `"`)
		text = before + `"password":"<random>"` + rest
	}
	uri, ok := strings.CutPrefix(r.URL.RequestURI(), basePath+"/api/v1")
	if !ok {
		uri = "../.." + strings.TrimPrefix(uri, basePath)
	}
	return step{sends: r.Method + " " + uri, body: text, as: credential(r)}
}

// play answers a call's requests one after the other, and keeps them.
func (c call) play(sent *[]step) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n := len(*sent)
		if *sent = append(*sent, asSent(r)); n >= len(c.steps) {
			answer(500, `{"message":"one request too many"}`)(w, r)
			return
		}
		s := c.steps[n]
		var header []string
		if s.total > 0 {
			header = []string{"X-Total-Count", fmt.Sprint(s.total)}
		}
		answer(s.status, s.answer, header...)(w, r)
	}
}

// TestCalls proves what each method sends, as whom, and what it makes of good
// answers.
func TestCalls(t *testing.T) {
	for _, tc := range calls {
		t.Run(tc.method, func(t *testing.T) {
			var sent, want []step
			c := connect(t, serve(t, tc.play(&sent)))
			got, err := tc.run(t.Context(), c)
			if err != nil {
				t.Fatalf("%s: %v", tc.method, err)
			}
			if diff := cmp.Diff(tc.want, got, same); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tc.method, diff)
			}
			for _, s := range tc.steps {
				want = append(want, step{sends: s.sends, body: s.body, as: s.as})
			}
			if diff := cmp.Diff(want, sent, cmp.AllowUnexported(step{})); diff != "" {
				t.Errorf("%s sends (-want +got):\n%s", tc.method, diff)
			}
			if n, done := c.meter.admitted.Load(), c.meter.done.Load(); n != int64(len(want)) || done != n {
				t.Errorf("%s: %d requests admitted and %d done, want %d", tc.method, n, done, len(want))
			}
		})
	}
}
