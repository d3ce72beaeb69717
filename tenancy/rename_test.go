package tenancy_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// oldNames gives a workspace the names that it had before names could not be guessed.
func (s *shop) oldNames() {
	s.Helper()
	was, err := s.Operator.Parts(s.Context(), s.A.Workspace)
	must(s.T, err)
	now := was.Parts
	now.Org, now.Bot = "vibn-"+s.A.Slug, "vibn-bot-"+s.A.Slug
	s.Git.RenameUser(was.Org, now.Org)
	s.Git.RenameUser(was.Bot, now.Bot)
	must(s.T, s.DB.SetParts(s.Context(), s.A.ID, was.Parts, now))
	for _, a := range s.made() {
		s.Sim.SetApp(a.UUID, func(a *coolifytest.App) {
			a.GitRepository = strings.Replace(a.GitRepository, was.Org, now.Org, 1)
		})
	}
	s.Provision(s.T, s.A)
}

// TestRenameInGitea: the operator has a workspace of old renamed: the organisation, the bot,
// the addresses in its apps; keys, webhook and tokens go with them. An app that an operator
// pointed elsewhere is left alone.
func TestRenameInGitea(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	app, err := s.create(siteApp())
	must(t, err)
	foreign, err := s.create(siteApp(func(n *hosting.NewApp) { n.Name = "mirrored" }))
	must(t, err)
	names := [2]string{s.A.GiteaOrg, s.A.GiteaBot}
	s.oldNames()
	const elsewhere = "git@github.example.com:somebody/site.git"
	s.Sim.SetApp(foreign.UUID, func(a *coolifytest.App) { a.GitRepository = elsewhere })
	creds, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true)
	must(t, err)
	keys := s.keysOn("vibn-alpha/site")
	if s.A.GiteaOrg != "vibn-alpha" || len(keys) != 1 {
		t.Fatalf("before: %s %+v", s.A.GiteaOrg, keys)
	}
	must(t, s.Operator.RenameInGitea(t.Context(), s.A.Workspace, true))
	state := s.Provision(t, s.A)
	if got := [2]string{state.Org, state.Bot}; got != names || state.Renaming {
		t.Errorf("the names are %v, want %v; still wanted: %v", got, names, state.Renaming)
	}
	if got, _ := s.Sim.App(app.UUID); got.GitRepository != "git@127.0.0.1:"+state.Org+"/site.git" {
		t.Errorf("the app's address: %s", got.GitRepository)
	}
	if got, _ := s.Sim.App(foreign.UUID); got.GitRepository != elsewhere {
		t.Errorf("the address of an app that was pointed elsewhere: %s", got.GitRepository)
	}
	if now := s.keysOn(state.Org + "/site"); len(now) != 1 || now[0].Key != keys[0].Key {
		t.Errorf("deploy keys: %+v", now)
	}
	there := s.Git.Snapshot()
	if i := slices.IndexFunc(there.Orgs, func(o giteatest.Org) bool { return o.Name == state.Org }); i < 0 ||
		len(there.Orgs[i].Hooks) != 1 {
		t.Errorf("the organisations: %+v", there.Orgs)
	}
	if again, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true); err != nil ||
		again.Token.Reveal() != creds.Token.Reveal() || again.Username != state.Bot {
		t.Errorf("the credentials: %v, of %s", err, again.Username)
	}
	must(t, s.deploySite(app.UUID))
	s.Fine(t)
}

// TestRenameOnAnOldGitea: the operator is told what to do, also how to take the order back.
func TestRenameOnAnOldGitea(t *testing.T) {
	s := newShop(t, tenancytest.Config{GiteaServer: giteatest.Config{Behaviour: giteatest.V121}})
	s.oldNames()
	must(t, s.Operator.RenameInGitea(t.Context(), s.A.Workspace, true))
	err := s.Provisioner.Provision(t.Context(), s.A.ID)
	state, stateErr := s.Operator.Parts(t.Context(), s.A.Workspace)
	if err == nil || stateErr != nil || !strings.Contains(state.ProvisionError, "rename-in-gitea alpha --cancel") {
		t.Fatalf("%v %v %s", err, stateErr, state.ProvisionError)
	}
	must(t, s.Operator.RenameInGitea(t.Context(), s.A.Workspace, false))
	s.Provision(t, s.A)
}

// TestAllowed: what the operator recorded stays; what nobody did goes, and with the record
// taken back the rest too.
func TestAllowed(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	repo := s.A.GiteaOrg + "/site"
	s.Git.AddUser(giteatest.User{Login: "auditor"})
	s.Git.AddCollaborator(repo, "auditor", "read")
	key := s.Git.AddDeployKey(repo, giteatest.DeployKey{Title: "backup", Key: publicKey(t), ReadOnly: true})
	hook := s.Git.AddHook(repo, giteatest.Hook{URL: "https://audit.example.com"})
	orgHook := s.Git.AddOrgHook(s.A.GiteaOrg, giteatest.Hook{URL: "https://audit.example.com/org"})
	id := int64(repoOf(s.Git, repo).ID)
	allowed := []tenancy.RepositoryAccess{
		{RepositoryID: id, Kind: tenancy.DeployKey, Ref: strconv.Itoa(key.ID)},
		{RepositoryID: id, Kind: tenancy.Hook, Ref: strconv.Itoa(hook.ID)},
		{RepositoryID: id, Kind: tenancy.Collaborator, Ref: "auditor"},
		{Kind: tenancy.Hook, Ref: strconv.Itoa(orgHook.ID)},
	}
	for _, a := range allowed {
		must(t, s.Operator.Allow(t.Context(), s.A.Workspace, a, true))
	}
	s.Git.AddHook(repo, giteatest.Hook{URL: "https://thief.example.com"})
	s.Provision(t, s.A)
	check := func(when string, want int) {
		t.Helper()
		r := repoOf(s.Git, repo)
		orgs := s.Git.Snapshot().Orgs
		i := slices.IndexFunc(orgs, func(o giteatest.Org) bool { return o.Name == s.A.GiteaOrg })
		if len(r.Keys) != want || len(r.Hooks) != want || len(r.Collaborators) != want || len(orgs[i].Hooks) != 1+want {
			t.Errorf("%s: %+v %+v %+v %+v", when, r.Keys, r.Hooks, r.Collaborators, orgs[i].Hooks)
		}
	}
	check("allowed", 1)
	for _, a := range allowed {
		must(t, s.Operator.Allow(t.Context(), s.A.Workspace, a, false))
	}
	s.Provision(t, s.A)
	check("no longer", 0)
	for _, bad := range []tenancy.RepositoryAccess{
		{RepositoryID: id, Kind: "everything", Ref: "1"},
		{RepositoryID: id, Kind: tenancy.Hook, Ref: "name"},
		{Kind: tenancy.Collaborator, Ref: "auditor"},
		{RepositoryID: id, Kind: tenancy.PushMirror},
	} {
		if err := s.Operator.Allow(t.Context(), s.A.Workspace, bad, true); codeOf(err) != tenancy.Invalid {
			t.Errorf("%+v: %v", bad, err)
		}
	}
}

func repoOf(git *giteatest.Server, name string) giteatest.Repo {
	for _, r := range git.Snapshot().Repos {
		if r.Owner+"/"+r.Name == name {
			return r
		}
	}
	return giteatest.Repo{}
}
