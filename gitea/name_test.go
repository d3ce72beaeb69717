package gitea_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea"
)

var (
	logins    = []string{"vibn-acme", "a", "0", "a.b_c-d", "VIBN", "foo.git", strings.Repeat("x", 40)}
	notLogins = []string{
		"", ".", "..", "-a", "_a", "a-", "a.", "a--b", "a..b", "a_-b", "a b", "a/b", "a%2fb", "é", "a\n", "a\x00", "a?b", "a#b", strings.Repeat("x", 41), ".well-known",
	}
	repositories    = []string{"site", "a", ".github", "-a", "_", "a.b", strings.Repeat("x", 100)}
	notRepositories = []string{"", ".", "..", "-", "a..b", "a b", "a/b", "../a", "a%2fb", "é", "a\n", strings.Repeat("x", 101)}
)

func TestNames(t *testing.T) {
	for name, tc := range map[string]struct {
		check     func(string) error
		good, bad []string
	}{"CheckLogin": {gitea.CheckLogin, logins, notLogins}, "CheckRepository": {gitea.CheckRepository, repositories, notRepositories}} {
		for _, s := range tc.good {
			if err := tc.check(s); err != nil {
				t.Errorf("%s(%q) = %v", name, s, err)
			}
		}
		for _, s := range tc.bad {
			if err := tc.check(s); err == nil {
				t.Errorf("%s(%q): no error", name, s)
			}
		}
	}
}

// TestBadNames: what is no name never becomes a path.
func TestBadNames(t *testing.T) {
	c := connect(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }))
	refused := func(what string, err error) {
		t.Helper()
		e, ok := errors.AsType[*gitea.Error](err)
		if !ok || !errors.Is(err, gitea.ErrInvalid) || !strings.Contains(e.Path+"{", "{") || e.Unknown {
			t.Errorf("%s: %v, want %v and nothing of it in the path", what, err, gitea.ErrInvalid)
		}
	}
	ctx := t.Context()
	for _, bad := range notLogins {
		refused("Org "+bad, second(c.Org(bad).Get(ctx)))
		refused("DeleteOrg "+bad, c.Org(bad).Delete(ctx))
		refused("User "+bad, second(c.User(ctx, bad)))
		refused("DeleteUser "+bad, c.DeleteUser(ctx, bad, true))
		refused("AddTeamMember "+bad, c.AddTeamMember(ctx, 1, bad))
		refused("UserOAuth2Apps "+bad, second(c.UserOAuth2Apps(ctx, bad)))
		refused("TrustsProxyHeader "+bad, second(c.TrustsProxyHeader(ctx, bad)))
		refused("Tokens "+bad, second(c.TokensOf(bad).List(ctx)))
		refused("Repository of "+bad, second(c.Repo(bad, "a").Get(ctx)))
	}
	for _, bad := range notRepositories {
		refused("Repository "+bad, second(c.Repo("a", bad).Get(ctx)))
		refused("DeleteRepository "+bad, c.Repo("a", bad).Delete(ctx))
		refused("CreateRepository "+bad, second(c.Org("a").CreateRepository(ctx, gitea.NewRepository{Name: bad})))
	}
	for _, bad := range []string{
		"", "/", "a/", "/a", "a//b", "a/../b", "..", "a..b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "-a", "@", "a@{b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", `a\b`, "a\x7f", "a\n",
		strings.Repeat("a", 256),
	} {
		refused("Branch "+bad, second(c.bot.Branch(ctx, "a", "b", bad)))
	}
	for _, bad := range []string{"", "main", sha[1:], strings.ToUpper(sha) + "G", sha + "/", sha + "\n"} {
		refused("Statuses "+bad, second(c.bot.Statuses(ctx, "a", "b", bad)))
	}
	for _, bad := range []string{"", ".", "..", "a\nb", strings.Repeat("a", 256)} {
		refused("BranchProtection "+bad, second(c.Repo("a", "b").BranchProtection(ctx, bad)))
		refused("DeletePackage "+bad, c.DeletePackage(ctx, "a", gitea.Package{Type: "npm", Name: bad, Version: "1"}))
		refused("DeletePackage of version "+bad, c.DeletePackage(ctx, "a", gitea.Package{Type: "npm", Name: "a", Version: bad}))
		refused("DeletePackage of type "+bad, c.DeletePackage(ctx, "a", gitea.Package{Type: bad, Name: "a", Version: "1"}))
		refused("DeletePushMirror "+bad, c.Repo("a", "b").DeletePushMirror(ctx, bad))
	}
	for _, bad := range []int64{0, -1} {
		refused("TeamMembers", second(c.TeamMembers(ctx, bad)))
		refused("DeleteHook", c.Repo("a", "b").DeleteHook(ctx, bad))
		refused("RepositoryByID", second(c.RepositoryByID(ctx, bad)))
	}
}

// FuzzPaths: whatever a caller passes, the path of a request has the segments
// that it should, and no others.
func FuzzPaths(f *testing.F) {
	for _, s := range append(append([]string{"feat/x", "release/*", "%2e%2e", "a%2fb", "a;b", "@a/b"}, notLogins...), repositories...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var asked *url.URL
		c := connect(t, overWire(func(r *http.Request) (*http.Response, error) {
			asked = r.URL
			return reply(404, `{"message":"not found"}`), nil
		}))
		for _, tc := range []struct {
			prefix, suffix string
			slashes        int
			run            func(context.Context) error
		}{
			{"/orgs/", "/teams", 0, func(ctx context.Context) error { return second(c.Org(s).Teams(ctx)) }},
			{"/repos/a/", "/hooks", 0, func(ctx context.Context) error { return second(c.Repo("a", s).Hooks(ctx)) }},
			{"/repos/a/b/branch_protections/", "", 0, func(ctx context.Context) error { return c.Repo("a", "b").DeleteBranchProtection(ctx, s) }},
			{"/packages/a/npm/", "/1", 0, func(ctx context.Context) error {
				return c.DeletePackage(ctx, "a", gitea.Package{Type: "npm", Name: s, Version: "1"})
			}},
			{"/repos/a/b/branches/", "", strings.Count(s, "/"), func(ctx context.Context) error { return second(c.bot.Branch(ctx, "a", "b", s)) }},
		} {
			asked = nil
			err := tc.run(t.Context())
			if asked == nil {
				if !errors.Is(err, gitea.ErrInvalid) {
					t.Errorf("%q: nothing sent, and %v", s, err)
				}
				continue
			}
			middle, ok := strings.CutPrefix(asked.EscapedPath(), basePath+"/api/v1"+tc.prefix)
			middle, ended := strings.CutSuffix(middle, tc.suffix)
			if !ok || !ended || strings.Count(middle, "/") != tc.slashes {
				t.Errorf("%q became %s", s, asked)
			}
			if back, err := url.PathUnescape(middle); back != s || err != nil {
				t.Errorf("%q became %s, which is %q", s, asked, back)
			}
		}
	})
}
