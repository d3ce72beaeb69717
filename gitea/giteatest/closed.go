package giteatest

import (
	"net/http"
	"slices"
)

// What an operator may have switched off, and what a server tells nevertheless.

// webhooksOn refuses where [security] DISABLE_WEBHOOKS is set.
func webhooksOn(c *call) (answer, bool) {
	if c.s.cfg.NoWebhooks {
		return c.refuse(http.StatusForbidden, "webhooks disabled by administrator"), false
	}
	return pass()
}

// getRepoByID finds a repository under whatever name it has now.
func (s *Server) getRepoByID(c *call) answer {
	c.repo = find(s.repos, func(r *repo) bool { return r.ID == number(c.path["id"]) })
	if c.repo == nil || !c.seesRepo() {
		return c.notFound()
	}
	return reply(http.StatusOK, s.repoJSON(c.repo, c.may))
}

// seesRepo works out what the doer may do with the repository.
func (c *call) seesRepo() bool {
	if c.doer == nil || !c.s.cfg.TwoFactorEnforced || c.doer.TwoFactor {
		c.may = c.s.access(c.repo, c.doer)
	}
	return c.may.any()
}

// listAssignees shows whom an issue may be given: whoever may write, a site administrator
// who owns the organisation among them.
func (s *Server) listAssignees(c *call) answer {
	all := s.accountsWhere(func(a *account) bool {
		mode, collaborates := c.repo.collaborators[a.ID]
		return !a.org && (collaborates && mode >= write || a == c.repo.owner || a.memberOf(c.repo.owner))
	})
	shown := []object{} // neither pages nor a count
	for _, a := range all {
		shown = append(shown, s.userJSON(a, c.doer))
	}
	return reply(http.StatusOK, shown)
}

// listSubscribers shows who watches the repository: the owners, until they stop.
func (s *Server) listSubscribers(c *call) answer {
	all := s.accountsWhere(func(a *account) bool { return !a.org && (a == c.repo.owner || a.ownerOf(c.repo.owner)) })
	return list(c, all, paging{}, func(a *account) any { return s.userJSON(a, c.doer) })
}

// forksInto reports whether the doer may fork into a space: since 1.27, and in Forgejo, into
// an organisation only who may create repositories there.
func (s *Server) forksInto(c *call, of *account) bool {
	if s.cfg.Behaviour != V127 && s.cfg.Behaviour != Forgejo || !of.org {
		return true
	}
	return c.doer.Admin || c.doer.mayCreateIn(of)
}

// dropRunners takes a repository's runners along with it.
func (s *Server) dropRunners(r *repo) {
	s.runners = slices.DeleteFunc(s.runners, func(one *runner) bool { return one.Repo == r.fullName() })
}
