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

// RenameRepo gives a repository another name, as a person does: the old one redirects. An
// unknown "owner/name", or a name that is taken, panics.
func (s *Server) RenameRepo(repo, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why := s.moveRepo(must(s.repoNamed(repo), "repository", repo), name); why != "" {
		panic("giteatest: " + why)
	}
}

// DeleteRepo deletes a repository, as a person does. An unknown "owner/name" panics.
func (s *Server) DeleteRepo(repo string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeRepo(must(s.repoNamed(repo), "repository", repo))
}

// TransferRepo gives a repository another owner; the old name redirects. Unknown names
// panic.
func (s *Server) TransferRepo(repo, to string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := must(s.repoNamed(repo), "repository", repo)
	s.repoMoves[moveKey(r.owner, r.Name)] = r
	r.owner = must(s.account(to), "user", to)
}

// DeleteBranch deletes a branch, as a push can. Unknown names panic.
func (s *Server) DeleteBranch(repo, branch string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := must(s.repoNamed(repo), "repository", repo)
	if err := r.dir.Remove("refs/heads/" + branch); err != nil {
		panic("giteatest: " + err.Error())
	}
	delete(r.heads, branch)
}
