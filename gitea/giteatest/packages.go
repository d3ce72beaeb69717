package giteatest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// A Package is one version of a package.
type Package struct {
	ID      int
	Owner   string
	Type    string // generic by default
	Name    string
	Version string // 1.0.0 by default
}

type pkg struct {
	Package
	owner   *account
	created time.Time
}

// AddPackage publishes a version of a package. An unknown owner panics.
func (s *Server) AddPackage(p Package) Package {
	s.mu.Lock()
	defer s.mu.Unlock()
	added := &pkg{Package: p, owner: must(s.account(p.Owner), "user", p.Owner), created: s.cfg.Now()}
	added.ID = s.next("package")
	for field, missing := range map[*string]string{&added.Type: "generic", &added.Version: "1.0.0"} {
		if *field == "" {
			*field = missing
		}
	}
	s.packages = append(s.packages, added)
	return added.Package
}

func (s *Server) packagesOf(a *account) []*pkg {
	return slices.DeleteFunc(slices.Clone(s.packages), func(p *pkg) bool { return p.owner != a })
}

// packageOwner finds {owner} of packages, and hides what the doer may not read.
func packageOwner(c *call) (answer, bool) {
	c.user = c.s.account(c.path["owner"])
	if c.user == nil {
		return c.refuse(http.StatusNotFound, noRedirect(c.path["owner"])), false
	}
	if c.s.packageAccess(c.user, c.doer) < read {
		return c.refuse(http.StatusForbidden, "user should have specific permission or be a site admin"), false
	}
	return pass()
}

func (s *Server) packageAccess(of, doer *account) int {
	if doer.Admin || doer == of {
		return owner
	}
	mode := none
	if s.visible(of, doer) { // members of a private organisation, too
		mode = read
	}
	for _, t := range of.teams {
		if doer.inTeam(t) {
			mode = max(mode, t.units[packagesUnit], t.mode)
		}
	}
	return mode
}

func (s *Server) packageJSON(p *pkg, doer *account) object {
	return object{
		"id": p.ID, "owner": s.userJSON(p.owner, doer), "repository": nil, "creator": s.userJSON(p.owner, doer),
		"type": p.Type,
		"name": p.Name, "version": p.Version, "created_at": stamp(p.created),
		"html_url": s.root() + "/" + p.owner.Login + "/-/packages/" + p.Type + "/" + p.Name + "/" + p.Version,
	}
}

func (s *Server) listPackages(c *call) answer {
	return list(c, s.packagesOf(c.user), paging{links: true}, func(p *pkg) any { return s.packageJSON(p, c.doer) })
}

func (s *Server) askedPackage(c *call) *pkg {
	return find(s.packagesOf(c.user), func(p *pkg) bool {
		return p.Type == c.path["type"] && strings.EqualFold(p.Name, c.path["name"]) && strings.EqualFold(p.Version,
			c.path["version"])
	})
}

func (s *Server) getPackage(c *call) answer {
	p := s.askedPackage(c)
	if p == nil {
		return c.notFound()
	}
	return reply(http.StatusOK, s.packageJSON(p, c.doer))
}

func (s *Server) deletePackage(c *call) answer {
	p := s.askedPackage(c)
	if p == nil {
		return c.notFound()
	}
	if s.packageAccess(c.user, c.doer) < write {
		return c.refuse(http.StatusForbidden, "user should have specific permission or be a site admin")
	}
	s.packages = without(s.packages, p)
	return noContent()
}

// A Runner runs Actions.
type Runner struct {
	ID      int
	Name    string
	Owner   string // "" with no Repo: the instance's, which runs everybody's
	Repo    string // owner/name
	Labels  []string
	Offline bool
}

type runner struct{ Runner }

func (r *runner) public() Runner {
	out := r.Runner
	out.Labels = slices.Clone(r.Labels)
	return out
}

// AddRunner registers a runner.
func (s *Server) AddRunner(r Runner) Runner {
	s.mu.Lock()
	defer s.mu.Unlock()
	r.ID, r.Labels = s.next("runner"), slices.Clone(r.Labels)
	s.runners = append(s.runners, &runner{r})
	return r
}

func (r *runner) json() object {
	labels := []object{}
	for i, name := range r.Labels {
		labels = append(labels, object{"id": i, "name": name, "type": "custom"})
	}
	state := "online"
	if r.Offline {
		state = "offline"
	}
	return object{"id": r.ID, "name": r.Name, "status": state, "busy": false, "ephemeral": false, "labels": labels}
}

func (s *Server) runnersWhere(c *call, match func(*runner) bool) answer {
	all := slices.DeleteFunc(slices.Clone(s.runners), func(r *runner) bool { return !match(r) })
	return wrapped(c, all, paging{pageless: true, untotal: true}, func(r *runner) any { return r.json() },
		func(page []any) any { return object{"runners": page, "total_count": len(all)} })
}

// listRunners shows everybody's, and does not say whose they are.
func (s *Server) listRunners(c *call) answer {
	return s.runnersWhere(c, func(*runner) bool { return true })
}

func (s *Server) listOrgRunners(c *call) answer {
	return s.runnersWhere(c, func(r *runner) bool { return r.Repo == "" && strings.EqualFold(r.Owner, c.org.Login) })
}

func (s *Server) listRepoRunners(c *call) answer {
	return s.runnersWhere(c, func(r *runner) bool { return strings.EqualFold(r.Repo, c.repo.fullName()) })
}
