package giteatest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

type orgForm struct {
	Username                  string `json:"username"`
	FullName                  string `json:"full_name"`
	Description               string `json:"description"`
	Email                     string `json:"email"`
	Website                   string `json:"website"`
	Location                  string `json:"location"`
	Visibility                string `json:"visibility"`
	RepoAdminChangeTeamAccess *bool  `json:"repo_admin_change_team_access"`
}

func (f orgForm) check() check {
	return forms.First(
		forms.AtMost("FullName", f.FullName, 100), forms.AtMost("Description", f.Description, 255),
		forms.AtMost("Email", f.Email, 255),
		forms.Link("Website", f.Website), forms.AtMost("Website", f.Website, 255), forms.AtMost("Location",
			f.Location, 50), forms.Visibility(f.Visibility),
	)
}

func (s *Server) createOrg(c *call) answer { return s.createOrgFor(c, c.doer) }

// createUserOrg is for admins: the organisation is another user's.
func (s *Server) createUserOrg(c *call) answer { return s.createOrgFor(c, c.user) }

func (s *Server) createOrgFor(c *call, by *account) answer {
	form, refusal, ok := decode[orgForm](c)
	if !ok {
		return refusal
	}
	if why := forms.First(forms.Required("UserName", form.Username), forms.AtMost("UserName", form.Username, 40),
		forms.UserName("UserName", form.Username), form.check()); why != "" {
		return c.unprocessable(why)
	}
	if !by.Admin && by.NoCreateOrganization {
		why := "%!s(<nil>)"
		if s.since(V127) {
			why = "user is not allowed to create organizations"
		}
		return c.refuse(http.StatusForbidden, why)
	}
	if why := s.takeName(form.Username); why != "" {
		return c.unprocessable(why)
	}
	a := s.addOrg(&account{
		User: User{
			Login: form.Username, FullName: form.FullName, Description: form.Description, Email: form.Email,
			Visibility: form.Visibility, // public when missing, whatever the server's default
		},
		website: form.Website, location: form.Location,
		repoAdminsSetTeams: form.RepoAdminChangeTeamAccess != nil && *form.RepoAdminChangeTeamAccess,
	}, by)
	return reply(http.StatusCreated, orgJSON(s, a))
}

func (s *Server) getOrg(c *call) answer {
	if !s.visible(c.org, c.doer) {
		return c.missing("HasOrgOrUserVisible", nil)
	}
	o := orgJSON(s, c.org)
	if c.doer == nil {
		o["email"] = ""
	}
	return reply(http.StatusOK, o)
}

func (s *Server) listOrgs(c *call) answer {
	return list(c, s.orgsWhere(func(a *account) bool {
		switch {
		case c.isAdmin():
			return true
		case c.doer == nil:
			return s.visible(a, nil)
		}
		return a.Visibility != "private" && (!c.doer.Restricted || c.doer.memberOf(a))
	}), paging{pageless: true, links: true}, func(a *account) any { return orgJSON(s, a) })
}

func (s *Server) adminListOrgs(c *call) answer {
	return list(c, s.orgsWhere(func(*account) bool { return true }), paging{pageless: true, links: true},
		func(a *account) any { return orgJSON(s, a) })
}

func (s *Server) orgsWhere(match func(*account) bool) []*account {
	return s.accountsWhere(func(a *account) bool { return a.org && match(a) })
}

// accountsWhere is sorted by name.
func (s *Server) accountsWhere(match func(*account) bool) []*account {
	var out []*account
	for _, a := range s.accounts {
		if match(a) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b *account) int {
		return strings.Compare(strings.ToLower(a.Login),
			strings.ToLower(b.Login))
	})
	return out
}

func (s *Server) listUserOrgs(c *call) answer {
	return list(c, s.orgsWhere(func(a *account) bool { return c.user.memberOf(a) && s.visible(a, c.doer) }),
		paging{pageless: true},
		func(a *account) any { return orgJSON(s, a) })
}

func (s *Server) listMyOrgs(c *call) answer {
	return list(c, s.orgsWhere(c.doer.memberOf), paging{pageless: true, links: true},
		func(a *account) any { return orgJSON(s, a) })
}

// updateOrg wipes what it is not told: the trap for whoever keeps a mark in the
// description.
func (s *Server) updateOrg(c *call) answer {
	form, refusal, ok := decode[orgForm](c)
	if !ok {
		return refusal
	}
	if why := form.check(); why != "" {
		return c.unprocessable(why)
	}
	a := c.org
	a.FullName, a.Description, a.website, a.location = form.FullName, form.Description, form.Website, form.Location
	if form.Email != "" {
		a.Email = form.Email
	}
	if form.Visibility != "" {
		a.Visibility = form.Visibility
	}
	if form.RepoAdminChangeTeamAccess != nil {
		a.repoAdminsSetTeams = *form.RepoAdminChangeTeamAccess
	}
	return reply(http.StatusOK, orgJSON(s, a))
}

func (s *Server) renameOrg(c *call) answer { return s.rename(c, c.org) }

func (s *Server) renameUser(c *call) answer {
	if c.user.org {
		return c.unprocessable(c.user.Login + " is an organization not a user")
	}
	return s.rename(c, c.user)
}

func (s *Server) rename(c *call, a *account) answer {
	form, refusal, ok := decode[struct {
		NewName     string `json:"new_name"`
		NewUsername string `json:"new_username"`
	}](c)
	if !ok {
		return refusal
	}
	name := form.NewName + form.NewUsername
	why := forms.First(forms.Required("NewName", name), forms.AtMost("NewName", name, 40), forms.UserName("NewName",
		name))
	if why == "" && !strings.EqualFold(name, a.Login) {
		why = s.takeName(name)
	}
	if why != "" {
		return c.unprocessable(why)
	}
	s.move(a, name)
	return noContent()
}

// move gives a new name; the old one redirects until somebody takes it.
func (s *Server) move(a *account, name string) {
	if !strings.EqualFold(name, a.Login) {
		s.userMoves[strings.ToLower(a.Login)] = a
	}
	delete(s.userMoves, strings.ToLower(name))
	a.Login = name
}

// RenameUser renames a user or an organisation as a person can on its own
// settings page. An unknown name panics.
func (s *Server) RenameUser(from, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.move(must(s.account(from), "user", from), to)
}

func (s *Server) deleteOrg(c *call) answer {
	if len(s.reposOf(c.org)) > 0 {
		return c.broken("user still has ownership of repositories " + uid(c.org.ID))
	}
	if len(s.packagesOf(c.org)) > 0 {
		return c.broken("user still has ownership of packages " + uid(c.org.ID))
	}
	s.left = append(s.left, c.org.hooks...) // their rows stay, with the secret in clear
	s.removeAccount(c.org)
	return noContent()
}

// removeAccount forgets a user or an organisation, its names and its tokens.
func (s *Server) removeAccount(a *account) {
	s.accounts = without(s.accounts, a)
	s.tokens = slices.DeleteFunc(s.tokens, func(t *token) bool { return t.user == a })
	for name, to := range s.userMoves {
		if to == a {
			delete(s.userMoves, name)
		}
	}
	for _, r := range s.repos {
		delete(r.collaborators, a.ID)
	}
}

func (s *Server) members(o *account) []*account {
	return s.accountsWhere(func(a *account) bool { return a.memberOf(o) })
}

func (s *Server) listMembers(c *call) answer {
	members := s.members(c.org)
	if !c.doer.Admin && !c.doer.memberOf(c.org) {
		members = nil // nobody of them is a public member
	}
	return list(c, members, paging{}, func(a *account) any { return s.userJSON(a, c.doer) })
}

func (s *Server) isMember(c *call) answer {
	a := s.account(c.path["username"])
	if a == nil {
		return c.missing("GetUserByName", []string{s.noUser(c.path["username"])})
	}
	if (c.doer.Admin || c.doer.memberOf(c.org)) && a.memberOf(c.org) {
		return noContent()
	}
	return c.notFound()
}

func (s *Server) removeMember(c *call) answer {
	a := s.account(c.path["username"])
	if a == nil {
		return c.missing("GetUserByName", []string{s.noUser(c.path["username"])})
	}
	if c.org.lastOwner(a) {
		return c.broken("user is the last member of owner team " + uid(a.ID))
	}
	for _, t := range c.org.teams {
		t.members = without(t.members, a)
	}
	return noContent()
}

// lastOwner reports whether an organisation would be nobody's without one.
func (a *account) lastOwner(one *account) bool {
	t := find(a.teams, func(t *team) bool { return t.mode == owner })
	return t != nil && len(t.members) == 1 && t.members[0] == one
}

// orgPermissions says what a member may do, and gets it wrong for teams whose
// units decide.
func (s *Server) orgPermissions(c *call) answer {
	o := s.account(c.path["org"])
	if o == nil {
		return c.missing("GetUserByName", []string{s.noUser(c.path["org"])})
	}
	if !s.visible(o, c.user) {
		return c.missing("HasOrgOrUserVisible", nil)
	}
	mode := none
	for _, t := range o.teams {
		if c.user.inTeam(t) {
			mode = max(mode, t.mode)
		}
	}
	return reply(http.StatusOK, object{
		"can_read": mode > none, "can_write": mode > read, "is_admin": mode > write, "is_owner": mode > admin,
		"can_create_repository": c.user.mayCreateIn(o),
	})
}

// listOrgRepos shows only what the doer may see, and counts everything.
func (s *Server) listOrgRepos(c *call) answer { return s.listReposOf(c, c.org) }

func (s *Server) listReposOf(c *call, a *account) answer {
	all := s.reposOf(a)
	if c.doer == nil {
		all = slices.DeleteFunc(all, func(r *repo) bool { return r.Private })
	}
	return list(c, all, paging{links: true}, func(r *repo) any {
		may := s.access(r, c.doer)
		if !may.any() {
			return nil
		}
		return s.repoJSON(r, may)
	})
}

func teamExists(org *account, name string) string {
	return fmt.Sprintf("team already exists [org_id: %d, name: %s]", org.ID, strings.ToLower(name))
}
