package giteatest

import (
	"net/http"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

type teamForm struct {
	Name                    string            `json:"name"`
	Description             *string           `json:"description"`
	Permission              string            `json:"permission"`
	IncludesAllRepositories *bool             `json:"includes_all_repositories"`
	CanCreateOrgRepo        *bool             `json:"can_create_org_repo"`
	Units                   []string          `json:"units"`
	UnitsMap                map[string]string `json:"units_map"`
}

// unitModes are the units that a form speaks of; false when it speaks of none.
// Names that Gitea does not know are passed over in the list, and kept without a
// name in the map.
func (f teamForm) unitModes() (map[string]int, bool) {
	out := map[string]int{}
	for name, mode := range f.UnitsMap {
		if !slices.Contains(unitNames, name) {
			name = ""
		}
		out[name] = parseMode(mode)
	}
	if len(f.UnitsMap) > 0 {
		return out, true
	}
	for _, name := range f.Units {
		if slices.Contains(unitNames, name) {
			out[name] = parseMode(f.Permission, read, write)
		}
	}
	return out, len(f.Units) > 0
}

func is(flag *bool) bool { return flag != nil && *flag }

func (s *Server) createTeam(c *call) answer {
	form, refusal, ok := decode[teamForm](c)
	if !ok {
		return refusal
	}
	if why := forms.First(forms.Required("Name", form.Name), forms.AlphaDashDot(form.Name), forms.AtMost("Name",
		form.Name, 255)); why != "" {
		return c.unprocessable(why)
	}
	mode := parseMode(form.Permission, none, admin)
	units, said := form.unitModes()
	switch {
	case mode == admin:
		units = adminUnits()
	case !said:
		return c.broken("units permission should not be empty")
	}
	if slices.ContainsFunc(c.org.teams, func(t *team) bool { return strings.EqualFold(t.Name, form.Name) }) {
		return c.unprocessable(teamExists(c.org, form.Name))
	}
	added := &team{mode: mode, units: units, Team: Team{
		Name: form.Name, IncludesAllRepositories: is(form.IncludesAllRepositories),
		CanCreateOrgRepo: is(form.CanCreateOrgRepo),
	}}
	if form.Description != nil {
		added.Description = *form.Description
	}
	return reply(http.StatusCreated, s.teamJSON(s.addTeam(c.org, added), true))
}

func (s *Server) listTeams(c *call) answer {
	return list(c, sortedByName(c.org.teams), paging{}, func(t *team) any { return s.teamJSON(t, false) })
}

func (s *Server) searchTeams(c *call) answer {
	asked := strings.ToLower(c.query.Get("q"))
	found := slices.DeleteFunc(sortedByName(c.org.teams), func(t *team) bool {
		return !strings.Contains(strings.ToLower(t.Name), asked) || !c.doer.Admin && !c.doer.ownerOf(c.org) &&
			!c.doer.inTeam(t)
	})
	return wrapped(c, found, paging{links: true}, func(t *team) any { return s.teamJSON(t, false) },
		func(page []any) any {
			if len(page) == 0 && !s.since(V126) {
				page = nil
			}
			return object{"ok": true, "data": page}
		})
}

func (s *Server) listMyTeams(c *call) answer {
	var all []*team
	for _, a := range s.accounts {
		for _, t := range a.teams {
			if c.doer.inTeam(t) {
				all = append(all, t)
			}
		}
	}
	return list(c, all, paging{}, func(t *team) any { return s.teamJSON(t, true) })
}

func (s *Server) getTeam(c *call) answer { return reply(http.StatusOK, s.teamJSON(c.team, true)) }

// updateTeam applies includes_all_repositories only beside a permission.
func (s *Server) updateTeam(c *call) answer {
	form, refusal, ok := decode[teamForm](c)
	if !ok {
		return refusal
	}
	t := c.team
	if form.Name != "" {
		if why := forms.First(forms.AlphaDashDot(form.Name), forms.AtMost("Name", form.Name, 255)); why != "" {
			return c.unprocessable(why)
		}
		t.Name = form.Name
	}
	if form.Description != nil {
		t.Description = *form.Description
	}
	if form.CanCreateOrgRepo != nil {
		t.CanCreateOrgRepo = t.mode == owner || *form.CanCreateOrgRepo
	}
	t.allow(form)
	return reply(http.StatusOK, s.teamJSON(t, false))
}

func (t *team) allow(form teamForm) {
	if t.mode == owner {
		return
	}
	if form.Permission != "" {
		t.mode = parseMode(form.Permission, none, admin)
		if form.IncludesAllRepositories != nil {
			t.IncludesAllRepositories = *form.IncludesAllRepositories
		}
	}
	if t.mode == admin {
		t.units = adminUnits()
	} else if units, said := form.unitModes(); said {
		t.units = units
	}
}

// deleteTeam takes even the team Owners.
func (s *Server) deleteTeam(c *call) answer {
	c.team.org.teams = without(c.team.org.teams, c.team)
	return noContent()
}

func (s *Server) listTeamMembers(c *call) answer {
	members := s.accountsWhere(func(a *account) bool { return a.inTeam(c.team) })
	return list(c, members, paging{}, func(a *account) any { return s.userJSON(a, c.doer) })
}

// teamUser is {username}, who may be an organisation: nobody looks.
func (s *Server) teamUser(c *call) (*account, answer) {
	a := s.account(c.path["username"])
	if a == nil {
		return nil, c.missing("GetUserByName", []string{s.noUser(c.path["username"])})
	}
	return a, answer{}
}

func (s *Server) getTeamMember(c *call) answer {
	a, missing := s.teamUser(c)
	if a == nil {
		return missing
	}
	if !a.inTeam(c.team) {
		return c.notFound()
	}
	return reply(http.StatusOK, s.userJSON(a, c.doer))
}

func (s *Server) addTeamMember(c *call) answer {
	a, missing := s.teamUser(c)
	if a == nil {
		return missing
	}
	c.team.join(a)
	return noContent()
}

func (s *Server) removeTeamMember(c *call) answer {
	a, missing := s.teamUser(c)
	if a == nil {
		return missing
	}
	if c.team.mode == owner && c.team.org.lastOwner(a) {
		return c.broken("user is the last member of owner team " + uid(a.ID))
	}
	c.team.members = without(c.team.members, a)
	return noContent()
}

func (s *Server) listTeamRepos(c *call) answer {
	all := slices.DeleteFunc(s.reposOf(c.team.org), func(r *repo) bool {
		return !c.team.IncludesAllRepositories && !slices.Contains(c.team.repos, r)
	})
	return list(c, all, paging{}, func(r *repo) any { return s.repoJSON(r, s.access(r, c.doer)) })
}

// teamRepo is {org}/{repo}, which must be the team's organisation's.
func (s *Server) teamRepo(c *call) *repo {
	if !strings.EqualFold(c.path["org"], c.team.org.Login) {
		return nil
	}
	return s.repo(c.team.org, c.path["repo"])
}

func (s *Server) addTeamRepo(c *call) answer {
	r := s.teamRepo(c)
	if r == nil {
		return c.notFound()
	}
	if may := s.access(r, c.doer); may.mode < admin {
		return c.refuse(http.StatusForbidden, "Must have admin-level access to the repository")
	}
	if !slices.Contains(c.team.repos, r) {
		c.team.repos = append(c.team.repos, r)
	}
	return noContent()
}

func (s *Server) removeTeamRepo(c *call) answer {
	r := s.teamRepo(c)
	if r == nil {
		return c.notFound()
	}
	if may := s.access(r, c.doer); may.mode < admin {
		return c.refuse(http.StatusForbidden, "Must have admin-level access to the repository")
	}
	c.team.repos = without(c.team.repos, r)
	return noContent()
}
