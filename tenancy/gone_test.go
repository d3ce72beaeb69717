package tenancy_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// deploySite asks for a deployment of the app that was created from the site.
func (s *shop) deploySite(uuid string) error {
	app, err := hosting.FindApp(s.Context(), s.Open(s.T, s.A.Key, tenancy.Deploy), uuid)
	if err != nil {
		return err
	}
	_, err = app.Deploy(s.Context(), false)
	return err
}

// TestRenamedRepository: a name that a person gave in Gitea is adopted by the first tool that
// looks, and the app's address follows.
func TestRenamedRepository(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	app, err := s.create(siteApp())
	must(t, err)
	s.Git.RenameRepo(s.A.GiteaOrg+"/site", "shop")
	info, err := repository.Repository(t.Context(), s.Open(t, s.A.Key, tenancy.Read), "site")
	if err != nil || !strings.HasSuffix(info.CloneURL, "/"+s.A.GiteaOrg+"/shop.git") || info.LastCommit == nil {
		t.Fatalf("the repository after its renaming: %+v %v", info, err)
	}
	for _, name := range []string{"site", "shop", s.A.GiteaOrg + "/shop"} {
		if again, err := repository.Repository(t.Context(), s.Open(t, s.A.Key, tenancy.Read), name); err != nil ||
			again == nil {
			t.Errorf("as %s: %+v %v", name, again, err)
		}
	}
	s.Provision(t, s.A)
	if got, _ := s.Sim.App(app.UUID); got.GitRepository != "git@127.0.0.1:"+s.A.GiteaOrg+"/shop.git" {
		t.Errorf("the app's address is %s", got.GitRepository)
	}
	must(t, s.deploySite(app.UUID))
	if p, created, err := repository.CreateProject(t.Context(), s.Open(t, s.A.Key, tenancy.Write), "site",
		""); err != nil || created {
		t.Errorf("the project again: %+v %v %v", p, created, err)
	}
}

// TestMovedAwayRepository: what somebody gave to another organisation is not there, whatever
// redirects to it.
func TestMovedAwayRepository(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	s.Git.AddCollaborator(s.A.GiteaOrg+"/site", s.A.GiteaBot, "read") // it can even be read there
	s.Git.TransferRepo(s.A.GiteaOrg+"/site", s.B.GiteaOrg)
	_, err := repository.Repository(t.Context(), s.Open(t, s.A.Key, tenancy.Read), "site")
	if told := tenancy.Public(err); !errors.Is(err, repository.ErrDeleted) || strings.Contains(told.Msg+told.Hint,
		s.B.GiteaOrg) {
		t.Errorf("%v", err)
	}
}

// TestDeletedRepository: every tool says so, nothing is deployed, and the name is to be had
// again.
func TestDeletedRepository(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	app, err := s.create(siteApp())
	must(t, err)
	old := s.A.GiteaOrg + "/site"
	s.Git.DeleteRepo(old)
	says := func(what string, err error) {
		t.Helper()
		told := tenancy.Public(err)
		if told.Code != tenancy.NotFound || !strings.Contains(told.Msg, "deleted in Gitea") ||
			!strings.Contains(told.Hint, "projects_create") {
			t.Errorf("%s: %v (%s)", what, err, told.Hint)
		}
	}
	_, err = repository.Repository(t.Context(), s.Open(t, s.A.Key, tenancy.Read), "site")
	says("projects.get", err)
	s.Sim.Reset()
	says("apps.deploy", s.deploySite(app.UUID))
	for _, r := range s.Sim.Requests() {
		if r.Write {
			t.Errorf("Coolify was asked for %s", r.Operation)
		}
	}
	_, err = s.create(siteApp(func(n *hosting.NewApp) { n.Name = "second" }))
	says("apps.create", err)
	s.Provision(t, s.A)
	if hasRepo(s.Git, old) {
		t.Error("a run made the repository again, which nobody asked for")
	}
	p, created, err := repository.CreateProject(t.Context(), s.Open(t, s.A.Key, tenancy.Write), "site", "")
	if err != nil || !created || p.Project.String() != old || !hasRepo(s.Git, old) {
		t.Fatalf("the name again: %+v %v %v", p, created, err)
	}
	s.Provision(t, s.A)
	if len(s.keysOn(old)) != 1 {
		t.Errorf("deploy keys of the new repository: %+v", s.keysOn(old))
	}
	must(t, s.deploySite(app.UUID))
}

// TestDefaultBranchGone: it is named.
func TestDefaultBranchGone(t *testing.T) {
	s := newShop(t, tenancytest.Config{})
	_, err := s.Git.Push(s.A.GiteaOrg+"/site", "next", "another branch", map[string]string{"a": "b"})
	must(t, err)
	s.Git.DeleteBranch(s.A.GiteaOrg+"/site", "main")
	info, err := repository.Repository(t.Context(), s.Open(t, s.A.Key, tenancy.Read), "site")
	if err != nil || info.LastCommit != nil || !strings.Contains(info.Note.String(), `default branch "main" is gone`) {
		t.Errorf("projects.get: %+v %v", info, err)
	}
	_, err = s.create(siteApp())
	if told := tenancy.Public(err); told.Code != tenancy.NotFound || !strings.Contains(told.Msg, `"main" is gone`) ||
		len(s.made()) > 0 {
		t.Errorf("apps.create: %v; made %d", err, len(s.made()))
	}
}

// TestNames: a new organisation's and bot's names cannot be guessed, and the bot says nothing
// of whose it is.
func TestNames(t *testing.T) {
	h := tenancytest.New(t, tenancytest.Config{})
	long := h.AddTenant(t, "a"+strings.Repeat("-b", 15), tenancy.Shared)
	for _, x := range []*tenancytest.Tenant{h.A, h.B, long} {
		for name, form := range map[string]string{
			x.GiteaOrg: `^vibn-[a-z-]+-[a-z2-7]{8}$`,
			x.GiteaBot: `^vibn-bot-[a-z-]+-[a-z2-7]{8}$`,
		} {
			if !regexp.MustCompile(form).MatchString(name) || len(name) > 40 || strings.Contains(name, "--") {
				t.Errorf("%q is not of the form %s", name, form)
			}
		}
	}
	if h.A.GiteaOrg[len(h.A.GiteaOrg)-8:] == h.B.GiteaOrg[len(h.B.GiteaOrg)-8:] {
		t.Error("two workspaces have the same ending")
	}
	for _, u := range h.Git.Snapshot().Users {
		if strings.HasPrefix(u.Login, "vibn-bot-") && u.FullName != "" {
			t.Errorf("%s has the name %q", u.Login, u.FullName)
		}
	}
}

// TestScopesOfBots: tokens say nothing of issues unless the operator wants that, and those
// that do are replaced.
func TestScopesOfBots(t *testing.T) {
	wide := tenancytest.New(t, tenancytest.Config{Premises: tenancy.Premises{Issues: true}})
	h := tenancytest.New(t, tenancytest.Config{})
	scopes := func(git *giteatest.Server, bot string) (all []string) {
		for _, token := range git.Snapshot().Tokens {
			if token.User == bot {
				all = append(all, strings.Join(token.Scopes, ","))
			}
		}
		return all
	}
	if got := scopes(wide.Git, wide.A.GiteaBot); len(got) != 1 || got[0] != "write:issue,write:repository" {
		t.Errorf("where the operator wants issues: %q", got)
	}
	if got := scopes(h.Git, h.A.GiteaBot); len(got) != 1 || got[0] != "write:repository" {
		t.Errorf("else: %q", got)
	}
	old, err := repository.Credentials(t.Context(), wide.Open(t, wide.A.Key, tenancy.Git), true)
	must(t, err)
	narrow := wide.Restart(t, tenancy.Premises{})
	must(t, narrow.Provision(t.Context(), wide.A.ID))
	if got := scopes(wide.Git, wide.A.GiteaBot); len(got) != 1 || got[0] != "write:repository" {
		t.Errorf("after the operator's change of mind: %q", got)
	}
	again, err := repository.Credentials(t.Context(), wide.Open(t, wide.A.Key, tenancy.Git), true)
	if err != nil || again.Token.Reveal() == old.Token.Reveal() {
		t.Errorf("the key's token: the same %v, %v", again.Token.Reveal() == old.Token.Reveal(), err)
	}
}
