package gitea_test

import (
	"context"
	"errors"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea"
)

// lookCalls are the methods that doctor asks with, and those that rename.
var lookCalls = []call{
	{
		"Bot.MayFork", func(ctx context.Context, c clients) (any, error) {
			return c.bot.MayFork(ctx, "vibn-acme", "site")
		},
		as(bot, write("POST /repos/vibn-acme/site/forks", `{"name":"-"}`, 202, siteJSON)), true,
	},
	{
		"Bot.Assignees", func(ctx context.Context, c clients) (any, error) {
			return c.bot.Assignees(ctx, "vibn-acme", "site")
		},
		as(bot, get("/repos/vibn-acme/site/assignees", "["+bobJSON+"]")),
		[]gitea.User{bob},
	},
	{
		"Bot.RepositoryByID", func(ctx context.Context, c clients) (any, error) {
			return c.bot.RepositoryByID(ctx, 19)
		},
		as(bot, get("/repositories/19", siteJSON)), site,
	},
	{
		"Admin.NewestForks", func(ctx context.Context, c clients) (any, error) { return c.NewestForks(ctx, 1) },
		get("/repos/search?limit=50&mode=fork&order=desc&page=1&sort=id", `{"ok":true,"data":[`+siteJSON+`]}`),
		[]gitea.Repository{site},
	},
	{
		"Admin.Newest", func(ctx context.Context, c clients) (any, error) { return c.Newest(ctx) },
		get("/repos/search?limit=50&mode=&order=desc&page=1&sort=id", `{"ok":true,"data":[`+siteJSON+`]}`),
		[]gitea.Repository{site},
	},
	{
		"RepoClient.SSHWorks", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").SSHWorks(ctx)
		},
		write("POST /repos/vibn-acme/site/keys", `{"title":"-","key":"-","read_only":true}`, 422,
			`{"message":"Invalid key content"}`), true,
	},
	{
		"RepoClient.Runners", func(ctx context.Context, c clients) (any, error) {
			return c.Repo("vibn-acme", "site").Runners(ctx)
		},
		get("/repos/vibn-acme/site/actions/runners"+first, `{"runners":[{"id":3,"name":"r"}],"total_count":1}`),
		[]gitea.Runner{{ID: 3, Name: "r"}},
	},
	{
		"OrgClient.Rename", func(ctx context.Context, c clients) (any, error) {
			return only(c.Org("vibn-acme").Rename(ctx, "vibn-other"))
		},
		write("POST /orgs/vibn-acme/rename", `{"new_name":"vibn-other"}`, 204, ""), nil,
	},
	{
		"Admin.RenameUser", func(ctx context.Context, c clients) (any, error) {
			return only(c.RenameUser(ctx, "bob", "rob"))
		},
		write("POST /admin/users/bob/rename", `{"new_username":"rob"}`, 204, ""), nil,
	},
}

// TestLooks: what a server's refusal says of what it would have done.
func TestLooks(t *testing.T) {
	mayFork := func(ctx context.Context, c clients) (bool, error) { return c.bot.MayFork(ctx, "vibn-acme", "site") }
	ssh := func(ctx context.Context, c clients) (bool, error) { return c.Repo("vibn-acme", "site").SSHWorks(ctx) }
	for _, tc := range []struct {
		name   string
		ask    func(context.Context, clients) (bool, error)
		status int
		answer string
		want   bool
		err    error
	}{
		{"forks are counted", mayFork, 409, `{"message":"user has reached maximum limit of repositories [limit: 0]"}`, false, nil},
		{"a fork is there", mayFork, 409, `{"message":"repository is already forked by user [uname: b]"}`, true, nil},
		{"the name was next", mayFork, 500, `{"message":""}`, true, nil},
		{"the name was next, in Forgejo", mayFork, 422, `{"message":"name is reserved [name: -]"}`, true, nil},
		{"nobody may fork", mayFork, 403, `{"message":"no"}`, false, nil},
		{"the repository is gone", mayFork, 404, `{"message":"not found"}`, false, gitea.ErrNotFound},
		{"too few scopes", mayFork, 403, `{"message":"required=[write:repository], token scope=read:user"}`, false, gitea.ErrScope},
		{"SSH", ssh, 422, `{"message":"Invalid key content: extractTypeFromBase64Key"}`, true, nil},
		{"no SSH", ssh, 422, `{"message":"SSH is disabled"}`, false, nil},
		{"no repository", ssh, 404, `{"message":"not found"}`, false, gitea.ErrNotFound},
		{"a key that is taken", ssh, 201, keyJSON, false, gitea.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.ask(t.Context(), connect(t, serve(t, answer(tc.status, tc.answer))))
			if got != tc.want || (tc.err == nil) != (err == nil) || tc.err != nil && !errors.Is(err, tc.err) {
				t.Errorf("%v %v, want %v %v", got, err, tc.want, tc.err)
			}
		})
	}
}

// TestMissingScopes: only what a token lacks is named.
func TestMissingScopes(t *testing.T) {
	for text, want := range map[string]string{
		"token does not have at least one of required scope(s), required=[write:user], token scope=read:user,write:admin":                       "the token lacks write:user",
		"token does not have at least one of required scope(s), required=[write:organization write:repository], token scope=write:organization": "the token lacks write:repository",
		"token does not have at least one of required scope(s), required=[read:user], token scope=write:user":                                   gitea.ErrScope.Error(),
		"token does not have at least one of required scope(s): [write:admin]":                                                                  "the token lacks write:admin",
		"cannot create an access token with a broader scope than the authenticating token":                                                      gitea.ErrScope.Error(),
	} {
		c := connect(t, serve(t, answer(403, `{"message":"`+text+`"}`)))
		_, err := c.Self(t.Context())
		e := &gitea.Error{}
		if !errors.As(err, &e) || !errors.Is(err, gitea.ErrScope) || e.Err == nil || e.Err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}
