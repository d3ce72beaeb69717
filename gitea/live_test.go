package gitea_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

func free(context.Context, gitea.Operation) (func(), error) { return func() {}, nil }

// live connects to a real Gitea.
func live(t *testing.T) *gitea.Admin {
	t.Helper()
	root, token := os.Getenv("VIBN_TEST_GITEA_URL"), os.Getenv("VIBN_TEST_GITEA_ADMIN_TOKEN")
	if root == "" || token == "" {
		t.Skip("VIBN_TEST_GITEA_URL and VIBN_TEST_GITEA_ADMIN_TOKEN name no Gitea")
	}
	u, err := url.Parse(root)
	if err != nil {
		t.Fatal(err)
	}
	a, err := gitea.New(gitea.Config{URL: u, Token: secret.NewText(token)})
	if err != nil {
		t.Fatal(err)
	}
	return a.Metered(free)
}

// must returns v, or ends the test.
func must[T any](v T, err error) func(testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		return v
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// publicKey makes an Ed25519 key as authorized_keys has it.
func publicKey(t *testing.T) string {
	t.Helper()
	public := must(firstOf(ed25519.GenerateKey(rand.Reader)))(t)
	var blob []byte
	for _, part := range [][]byte{[]byte("ssh-ed25519"), public} {
		blob = binary.BigEndian.AppendUint32(blob, uint32(len(part)))
		blob = append(blob, part...)
	}
	return "ssh-ed25519 " + base64.StdEncoding.EncodeToString(blob)
}

func firstOf[T, U any](v T, _ U, err error) (T, error) { return v, err }

// A stage is what the live tests work on, made and taken away again.
type stage struct {
	admin    *gitea.Admin
	self     gitea.User
	org, bot string
	team     gitea.Team
}

func setUp(t *testing.T) stage {
	t.Helper()
	a, ctx := live(t), t.Context()
	suffix := strings.ToLower(rand.Text()[:8])
	s := stage{admin: a, self: must(a.Self(ctx))(t), org: "vibnlive-" + suffix, bot: "vibnbot-" + suffix}
	t.Cleanup(func() { s.tearDown(t) })
	org := must(a.CreateOrg(ctx, gitea.NewOrg{Name: s.org, FullName: "Live", Description: "nonce"}))(t)
	if org.Visibility != "private" || org.Description != "nonce" {
		t.Errorf("CreateOrg() = %+v", org)
	}
	bot := must(a.CreateUser(ctx, gitea.NewUser{Login: s.bot, Email: s.bot + "@vibn.invalid", Password: secret.NewText("aA1-" + rand.Text())}))(t)
	if !bot.Restricted || !bot.Active || bot.Visibility != "private" || bot.IsAdmin {
		t.Errorf("CreateUser() = %+v", bot)
	}
	s.team = must(a.Org(s.org).CreateTeam(ctx, gitea.TeamSpec{Name: "Writers", Units: writes, AllRepositories: true}))(t)
	check(t, a.AddTeamMember(ctx, s.team.ID, s.bot))
	return s
}

var writes = map[string]string{"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write"}

func (s stage) tearDown(t *testing.T) {
	ctx := context.WithoutCancel(t.Context())
	repos, err := s.admin.Org(s.org).Repositories(ctx)
	if err != nil {
		t.Error(err)
	}
	for _, r := range repos {
		check(t, s.admin.Repo(s.org, r.Name).Delete(ctx))
	}
	check(t, s.admin.Org(s.org).Delete(ctx))
	check(t, s.admin.DeleteUser(ctx, s.bot, true))
	if _, err := s.admin.User(ctx, s.bot); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("User() after its deletion: %v, want %v", err, gitea.ErrNotFound)
	}
}

// TestLiveIdentities: organisations, teams and users, as a real Gitea has them.
func TestLiveIdentities(t *testing.T) {
	s, ctx := setUp(t), t.Context()
	a := s.admin
	org := must(a.Org(s.org).Update(ctx, gitea.OrgUpdate{FullName: "L", Description: "nonce", Website: "https://example.com", Location: "x", Visibility: "private"}))(t)
	if again := must(a.Org(strings.ToUpper(s.org)).Get(ctx))(t); again != org {
		t.Errorf("Org() = %+v, want %+v", again, org)
	}
	if _, err := a.Org(s.bot).Get(ctx); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Org() of a user: %v", err)
	}
	if _, err := a.CreateOrg(ctx, gitea.NewOrg{Name: s.bot}); !errors.Is(err, gitea.ErrInvalid) {
		t.Errorf("CreateOrg() of a user's name: %v", err)
	}
	team := must(a.UpdateTeam(ctx, s.team.ID, gitea.TeamSpec{Name: "Writers", Units: map[string]string{"repo.code": "write"}}))(t)
	if team.AllRepositories || team.CreatesRepositories || len(team.Units) != 1 {
		t.Errorf("UpdateTeam() = %+v", team)
	}
	if teams := must(a.Org(s.org).Teams(ctx))(t); len(teams) != 2 || teams[0].Permission != "owner" {
		t.Errorf("Teams() = %+v", teams)
	}
	for name, members := range map[string][]gitea.User{"team": must(a.TeamMembers(ctx, team.ID))(t), "org": must(a.Org(s.org).Members(ctx))(t)} {
		if !slices.ContainsFunc(members, func(u gitea.User) bool { return u.Login == s.bot }) {
			t.Errorf("the bot is not a member of the %s: %+v", name, members)
		}
	}
	user := must(a.UpdateUser(ctx, s.bot, gitea.UserUpdate{MaxRepoCreation: new(0), AllowCreateOrganization: new(false), Visibility: new("limited")}))(t)
	if byID := must(a.UserByID(ctx, user.ID))(t); byID != user || byID.Visibility != "limited" {
		t.Errorf("UserByID() = %+v, want %+v", byID, user)
	}
	if _, err := a.UserByID(ctx, 1<<40); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("UserByID() of nobody: %v", err)
	}
	n := len(must(a.UserKeys(ctx, s.bot))(t)) + len(must(a.UserGPGKeys(ctx, s.bot))(t)) + len(must(a.UserOAuth2Apps(ctx, s.bot))(t))
	if n != 0 {
		t.Errorf("%d keys and apps of a new user", n)
	}
	check(t, a.RemoveTeamMember(ctx, team.ID, s.bot))
}

// TestLiveTokens: a token is made, works, and is dead when it is deleted; also
// of a user that is suspended.
func TestLiveTokens(t *testing.T) {
	s, ctx := setUp(t), t.Context()
	tokens := s.admin.TokensOf(s.bot)
	token := must(tokens.Create(ctx, "vibn-a", []string{"write:issue", "write:repository"}))(t)
	second := must(s.admin.TokensOf(s.bot).Create(ctx, "vibn-b", []string{"write:repository"}))(t)
	if !strings.HasSuffix(token.Secret.Reveal(), token.LastEight) || token.LastEight == "" {
		t.Errorf("Create() = %+v: the secret does not end in its last eight", token)
	}
	if _, err := tokens.Create(ctx, "vibn-a", []string{"read:user"}); !errors.Is(err, gitea.ErrInvalid) {
		t.Errorf("Create() of a name that is taken: %v", err)
	}
	listed := must(tokens.List(ctx))(t)
	if len(listed) != 2 || !slices.ContainsFunc(listed, func(l gitea.Token) bool { return l.ID == token.ID && l.LastEight == token.LastEight }) {
		t.Errorf("List() = %+v, want %+v among two", listed, token)
	}
	bot := s.admin.Bot(token.Secret).Metered(free)
	if alive := must(bot.Alive(ctx))(t); !alive {
		t.Error("a new token is dead")
	}
	check(t, tokens.Delete(ctx, token.ID))
	if err := tokens.Delete(ctx, token.ID); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Delete() again: %v", err)
	}
	if alive := must(bot.Alive(ctx))(t); alive {
		t.Error("a deleted token lives")
	}
	must(s.admin.UpdateUser(ctx, s.bot, gitea.UserUpdate{ProhibitLogin: new(true)}))(t)
	if _, err := s.admin.Bot(second.Secret).Metered(free).Alive(ctx); !errors.Is(err, gitea.ErrForbidden) {
		t.Errorf("Alive() of a suspended user: %v", err)
	}
	check(t, s.admin.TokensOf(s.bot).Delete(ctx, second.ID))
	if left := must(s.admin.TokensOf(s.bot).List(ctx))(t); len(left) != 0 {
		t.Errorf("List() = %+v, want none", left)
	}
}

// TestLiveRepositories: a repository with its keys, hooks and rules.
func TestLiveRepositories(t *testing.T) {
	s, ctx := setUp(t), t.Context()
	a := s.admin
	repo := must(a.Org(s.org).CreateRepository(ctx, gitea.NewRepository{Name: "site", Description: "d", DefaultBranch: "main"}))(t)
	if !repo.Private || repo.DefaultBranch != "main" || !repo.Empty {
		t.Errorf("CreateRepository() = %+v", repo)
	}
	if _, err := a.Org(s.org).CreateRepository(ctx, gitea.NewRepository{Name: "Site"}); !errors.Is(err, gitea.ErrConflict) {
		t.Errorf("CreateRepository() again: %v", err)
	}
	if repo = must(a.Repo(s.org, "site").Update(ctx, gitea.RepositoryUpdate{HasActions: new(false), Name: new("site2")}))(t); repo.HasActions {
		t.Errorf("UpdateRepository() = %+v", repo)
	}
	if _, err := a.Repo(s.org, "site").Get(ctx); !errors.Is(err, gitea.ErrRenamed) {
		t.Errorf("Repository() of an old name: %v", err)
	}
	if again := must(a.RepositoryByID(ctx, repo.ID))(t); again.Name != "site2" || again.OwnerID != repo.OwnerID {
		t.Errorf("RepositoryByID() = %+v", again)
	}
	key := must(a.Repo(s.org, "site2").AddDeployKey(ctx, gitea.NewDeployKey{Title: "k", Key: publicKey(t)}))(t)
	if keys := must(a.Repo(s.org, "site2").DeployKeys(ctx))(t); len(keys) != 1 || keys[0] != key || !key.ReadOnly {
		t.Errorf("DeployKeys() = %+v, want %+v", keys, key)
	}
	check(t, a.Repo(s.org, "site2").DeleteDeployKey(ctx, key.ID))
	liveHooks(t, s)
	liveRules(t, s)
	n := len(must(a.Repo(s.org, "site2").Collaborators(ctx))(t)) + len(must(a.Repo(s.org, "site2").PushMirrors(ctx))(t)) +
		len(must(a.Repo(s.org, "site2").Forks(ctx))(t)) + len(must(a.Packages(ctx, s.org))(t)) + len(must(a.UserRepositories(ctx, s.bot))(t))
	if n != 0 {
		t.Errorf("%d collaborators, mirrors, forks, packages and repositories of the bot", n)
	}
}

func liveHooks(t *testing.T, s stage) {
	t.Helper()
	a, ctx := s.admin, t.Context()
	spec := gitea.NewHook{Secret: secret.NewText("s3cr3t"), HookSpec: gitea.HookSpec{
		URL: "http://127.0.0.1:9/x", Events: []string{"push"}, BranchFilter: "main", Active: true,
	}}
	off := gitea.HookSpec{URL: "http://127.0.0.1:9/y", Events: []string{"push"}, BranchFilter: "main"}
	hook := must(a.Repo(s.org, "site2").CreateHook(ctx, spec))(t)
	hook = must(a.Repo(s.org, "site2").UpdateHook(ctx, hook.ID, off))(t)
	if hooks := must(a.Repo(s.org, "site2").Hooks(ctx))(t); len(hooks) != 1 || hooks[0].Active || hooks[0].BranchFilter != "main" || hooks[0].URL != off.URL {
		t.Errorf("Hooks() = %+v after %+v", hooks, hook)
	}
	check(t, a.Repo(s.org, "site2").DeleteHook(ctx, hook.ID))
	hook = must(a.Org(s.org).CreateHook(ctx, spec))(t)
	must(a.Org(s.org).UpdateHook(ctx, hook.ID, off))(t)
	if hooks := must(a.Org(s.org).Hooks(ctx))(t); len(hooks) != 1 || hooks[0].Active {
		t.Errorf("OrgHooks() = %+v", hooks)
	}
	check(t, a.Org(s.org).DeleteHook(ctx, hook.ID))
}

func liveRules(t *testing.T, s stage) {
	t.Helper()
	a, ctx := s.admin, t.Context()
	for _, rule := range []string{"main", "release/*"} {
		must(a.Repo(s.org, "site2").CreateBranchProtection(ctx, rule, gitea.BranchProtectionSpec{EnablePush: true, EnablePushList: true, PushUsers: []string{s.self.Login}, RequiredApprovals: 1}))(t)
		if _, err := a.Repo(s.org, "site2").CreateBranchProtection(ctx, rule, gitea.BranchProtectionSpec{}); !errors.Is(err, gitea.ErrForbidden) || errors.Is(err, gitea.ErrScope) {
			t.Errorf("CreateBranchProtection() again: %v", err)
		}
		got := must(a.Repo(s.org, "site2").BranchProtection(ctx, rule))(t)
		if got.Rule != rule || got.RequiredApprovals != 1 || !slices.Equal(got.PushUsers, []string{s.self.Login}) {
			t.Errorf("BranchProtection() = %+v", got)
		}
		got = must(a.Repo(s.org, "site2").UpdateBranchProtection(ctx, rule, gitea.BranchProtectionSpec{EnablePush: true}))(t)
		if got.RequiredApprovals != 0 || got.EnablePushList {
			t.Errorf("UpdateBranchProtection() = %+v", got)
		}
	}
	if rules := must(a.Repo(s.org, "site2").BranchProtections(ctx))(t); len(rules) != 2 {
		t.Errorf("BranchProtections() = %+v", rules)
	}
	for _, rule := range []string{"main", "release/*"} {
		check(t, a.Repo(s.org, "site2").DeleteBranchProtection(ctx, rule))
	}
}

// TestLiveBot: what is done with a bot's token.
func TestLiveBot(t *testing.T) {
	s, ctx := setUp(t), t.Context()
	must(s.admin.Org(s.org).CreateRepository(ctx, gitea.NewRepository{Name: "site", DefaultBranch: "feat/x"}))(t)
	token := must(s.admin.TokensOf(s.bot).Create(ctx, "vibn-c", []string{"write:repository"}))(t)
	bot := s.admin.Bot(token.Secret).Metered(free)
	if repo := must(bot.Repository(ctx, s.org, "site"))(t); repo.CanAdmin || !repo.CanPush || !repo.CanPull {
		t.Errorf("Repository() = %+v", repo)
	}
	readme := gitea.NewFile{
		Name: "README.md", Content: "# site\n", Branch: "feat/x", Message: "Initial commit", Author: gitea.Identity{Name: "x", Email: "x@x.invalid"},
	}
	sha := must(bot.CreateFile(ctx, s.org, "site", readme))(t)
	if _, err := bot.CreateFile(ctx, s.org, "site", readme); !errors.Is(err, gitea.ErrInvalid) {
		t.Errorf("CreateFile() again: %v", err)
	}
	branch := must(bot.Branch(ctx, s.org, "site", "feat/x"))(t)
	if branch.Commit.SHA != sha || branch.Commit.Author != "x" || branch.Commit.Message == "" || branch.Commit.At.IsZero() {
		t.Errorf("Branch() = %+v", branch)
	}
	if in := must(bot.Contains(ctx, s.org, "site", sha, sha))(t); !in {
		t.Error("Contains() of the head = false")
	}
	if _, err := bot.Contains(ctx, s.org, "site", sha, strings.Repeat("0", 40)); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Contains() of no commit: %v", err)
	}
	said := gitea.Status{State: "success", Context: "vibn", Description: "done", TargetURL: "https://example.com/"}
	check(t, bot.CreateStatus(ctx, s.org, "site", branch.Commit.SHA, said))
	if all := must(bot.Statuses(ctx, s.org, "site", branch.Commit.SHA))(t); len(all) != 1 || all[0] != said {
		t.Errorf("Statuses() = %+v, want %+v", all, said)
	}
	if owner, err := bot.Owner(ctx); owner != s.bot && !errors.Is(err, gitea.ErrRouteMissing) && !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Owner() = %q, %v", owner, err)
	}
}

// TestLiveInstance: what the server tells of itself.
func TestLiveInstance(t *testing.T) {
	a, ctx := live(t), t.Context()
	check(t, a.Health(ctx))
	version, settings := must(a.Version(ctx))(t), must(a.APISettings(ctx))(t)
	runners, err := a.Runners(ctx)
	if err != nil && !errors.Is(err, gitea.ErrRouteMissing) && !errors.Is(err, gitea.ErrNotFound) {
		t.Error(err)
	}
	anonymous, basic, open := must(a.AnonymousAccess(ctx))(t), must(a.BasicAuthWorks(ctx))(t), must(a.SignUpOpen(ctx))(t)
	for what, err := range map[string]error{
		"admin": a.MayWriteAdmin(ctx), "organization": a.MayWriteOrganization(ctx), "repository": a.MayWriteRepository(ctx), "package": a.MayWritePackage(ctx),
	} {
		if err != nil {
			t.Errorf("the token may not write:%s: %v", what, err)
		}
	}
	trusts := must(a.TrustsProxyHeader(ctx, must(a.Self(ctx))(t).Login))(t)
	scopes, err := a.TokenScopes(ctx)
	t.Logf("%s, %+v, %d runners, anonymous %v, basic %v, open %v, trusts %v, scopes %v, %v", version, settings, len(runners), anonymous, basic, open, trusts, scopes, err)
}
