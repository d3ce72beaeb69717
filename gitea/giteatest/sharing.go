package giteatest

import (
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
	"github.com/vibnai/vibn-mcp/gitea/giteatest/gitdir"
)

// A Mirror is a place to which a repository is pushed.
type Mirror struct {
	Name    string // made when empty
	Address string // without credentials
}

type mirror struct {
	Mirror
	interval     time.Duration
	syncOnCommit bool
	created      time.Time
}

// AddMirror makes a repository be pushed to an address. An unknown "owner/name"
// panics. Nothing is ever pushed.
func (s *Server) AddMirror(repo string, m Mirror) Mirror {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addMirror(must(s.repoNamed(repo), "repository", repo), m).Mirror
}

func (s *Server) addMirror(r *repo, m Mirror) *mirror {
	if m.Name == "" {
		m.Name = "remote_mirror_" + random(10)
	}
	added := &mirror{Mirror: m, created: s.cfg.Now()}
	r.mirrors = append(r.mirrors, added)
	return added
}

func mirrorJSON(r *repo, m *mirror) object {
	return object{
		"repo_name": r.Name, "remote_name": m.Name, "remote_address": m.Address, "created": stamp(m.created),
		"last_update": nil,
		"last_error":  "", "interval": m.interval.String(), "sync_on_commit": m.syncOnCommit,
	}
}

func (s *Server) createMirror(c *call) answer {
	form, refusal, ok := decode[struct {
		RemoteAddress string `json:"remote_address"`
		Interval      string `json:"interval"`
		SyncOnCommit  bool   `json:"sync_on_commit"`
	}](c)
	if !ok {
		return refusal
	}
	interval, err := time.ParseDuration(form.Interval)
	if err != nil || interval != 0 && interval < 10*time.Minute {
		return c.refuse(http.StatusBadRequest, fmt.Sprint(err))
	}
	u, err := url.Parse(form.RemoteAddress)
	if err != nil || !forms.IsURL(form.RemoteAddress) {
		return c.refuse(http.StatusBadRequest, "Invalid Url ")
	}
	u.User = nil
	m := s.addMirror(c.repo, Mirror{Address: u.String()})
	m.interval, m.syncOnCommit = interval, form.SyncOnCommit
	return reply(http.StatusOK, mirrorJSON(c.repo, m))
}

func (s *Server) listMirrors(c *call) answer {
	return list(c, c.repo.mirrors, paging{links: true}, func(m *mirror) any { return mirrorJSON(c.repo, m) })
}

func (c *call) mirror() *mirror {
	return find(c.repo.mirrors, func(m *mirror) bool { return m.Name == c.path["name"] })
}

func (s *Server) getMirror(c *call) answer {
	m := c.mirror()
	if m == nil {
		return c.notFound()
	}
	return reply(http.StatusOK, mirrorJSON(c.repo, m))
}

// deleteMirror answers the same for mirrors that were never there.
func (s *Server) deleteMirror(c *call) answer {
	if m := c.mirror(); m != nil {
		c.repo.mirrors = without(c.repo.mirrors, m)
	}
	return noContent()
}

// collaborator is {collaborator}, any user at all: nobody asks them, nor
// whether the doer may know of them.
func (s *Server) collaborator(c *call) (*account, answer) {
	a := s.account(c.path["collaborator"])
	if a == nil {
		return nil, c.unprocessable(s.noUser(c.path["collaborator"]))
	}
	return a, answer{}
}

func (s *Server) listCollaborators(c *call) answer {
	all := s.accountsWhere(func(a *account) bool { _, ok := c.repo.collaborators[a.ID]; return ok })
	return list(c, all, paging{}, func(a *account) any { return s.userJSON(a, c.doer) })
}

func (s *Server) isCollaborator(c *call) answer {
	a, missing := s.collaborator(c)
	if a == nil {
		return missing
	}
	if _, ok := c.repo.collaborators[a.ID]; !ok {
		return c.notFound()
	}
	return noContent()
}

func (s *Server) addCollaborator(c *call) answer {
	form, refusal, ok := decode[struct {
		Permission *string `json:"permission"`
	}](c)
	if !ok {
		return refusal
	}
	a, missing := s.collaborator(c)
	if a == nil {
		return missing
	}
	if a.Inactive {
		return c.broken("collaborator's account is inactive")
	}
	mode := write
	if form.Permission != nil {
		mode = parseMode(*form.Permission, read, write, admin)
	}
	c.repo.collaborators[a.ID] = mode
	return noContent()
}

func (s *Server) deleteCollaborator(c *call) answer {
	a, missing := s.collaborator(c)
	if a == nil {
		return missing
	}
	delete(c.repo.collaborators, a.ID)
	return noContent()
}

func (s *Server) collaboratorPermission(c *call) answer {
	name := c.path["collaborator"]
	if !c.doer.Admin && !strings.EqualFold(c.doer.Login, name) && c.may.mode < admin {
		return c.refuse(http.StatusForbidden,
			"Only admins can query all permissions, repo admins can query all repo permissions, collaborators "+
				"can query only their own")
	}
	a := s.account(name)
	if a == nil {
		return c.refuse(http.StatusNotFound, s.noUser(name))
	}
	mode := modeNames[s.access(c.repo, a).mode]
	return reply(http.StatusOK, object{"permission": mode, "role_name": mode, "user": s.userJSON(a, c.doer)})
}

func (s *Server) listForks(c *call) answer {
	return list(c, s.forksOf(c.repo), paging{}, func(r *repo) any {
		may := s.access(r, c.doer)
		if !may.any() {
			return nil
		}
		return s.repoJSON(r, may)
	})
}

// createFork asks for no more than reading, not even for the right to create
// repositories in the organisation, and makes the doer an admin of the fork.
func (s *Server) createFork(c *call) answer {
	form, refusal, ok := decode[struct {
		Organization *string `json:"organization"`
		Name         *string `json:"name"`
	}](c)
	if !ok {
		return refusal
	}
	of, name := c.doer, c.repo.Name
	if form.Organization != nil {
		if of = s.orgNamed(*form.Organization); of == nil {
			return c.unprocessable("org does not exist [id: 0, name: " + *form.Organization + "]")
		}
		if !c.doer.Admin && !c.doer.memberOf(of) {
			return c.refuse(http.StatusForbidden, "User is no Member of Organisation '"+of.Login+"'")
		}
	}
	if form.Name != nil {
		name = *form.Name
	}
	if !s.forksInto(c, of) {
		return c.refuse(http.StatusForbidden, "User is not allowed to create repositories in this organization.")
	}
	switch {
	case s.cfg.ForksCounted && s.atLimit(c.doer, of):
		return c.refuse(http.StatusConflict, fmt.Sprintf("user has reached maximum limit of repositories [limit: %d]",
			*of.MaxRepoCreation))
	case find(s.forksOf(c.repo), func(r *repo) bool { return r.owner == of }) != nil:
		return c.refuse(http.StatusConflict,
			"repository is already forked by user [uname: "+of.Login+", repo path: "+c.repo.fullName()+"]")
	case s.repo(of, name) != nil:
		return c.refuse(http.StatusConflict, "repository already exists [uname: "+of.Login+", name: "+name+"]")
	}
	if why := forms.Usable(name, forms.ReservedRepos, forms.RepoPatterns); why != "" { // judged last, and nothing is made
		return c.broken(why)
	}
	r, err := s.fork(c.repo, of, name)
	if err != nil {
		return c.broken(err.Error())
	}
	s.creatorRules(r, c.doer)
	return reply(http.StatusAccepted, s.repoJSON(r, access{mode: owner}))
}

func (s *Server) fork(base *repo, of *account, name string) (*repo, error) {
	r := s.addRepo(of, Repo{
		Name: name, Description: base.Description, DefaultBranch: base.DefaultBranch,
		Private: base.Private || base.owner.Visibility == "private",
	})
	r.parent = base
	if base.dir.Root == nil {
		return r, nil
	}
	dir, err := s.git(r)
	if err != nil {
		return nil, err
	}
	for _, part := range []string{"objects", "refs"} {
		if err := copyTo(base.dir, dir, part); err != nil {
			return nil, err
		}
	}
	r.heads, err = dir.Heads()
	return r, err
}

// copyTo copies the files of a directory into another repository.
func copyTo(d gitdir.Dir, to gitdir.Dir, part string) error {
	return fs.WalkDir(d.FS(), part, func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		content, err := d.ReadFile(name)
		if err != nil {
			return err
		}
		return to.Replace(name, content)
	})
}

// AddFork forks a repository into the space of a user or an organisation, as
// the user by who thereby is an admin of it. Unknown names panic.
func (s *Server) AddFork(repo, into, name, by string) (Repo, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r, err := s.fork(must(s.repoNamed(repo), "repository", repo), must(s.account(into), "user", into), name)
	if err != nil {
		return Repo{}, err
	}
	s.creatorRules(r, must(s.account(by), "user", by))
	return s.publicRepo(r), nil
}
