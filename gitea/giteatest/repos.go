package giteatest

import (
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
	"github.com/vibnai/vibn-mcp/gitea/giteatest/gitdir"
)

// A Repo is a repository. The zero value of a flag is what Gitea gives a new
// one.
type Repo struct {
	ID            int
	Owner         string
	Name          string
	Description   string
	DefaultBranch string // main by default
	Private       bool
	Archived      bool
	NoActions     bool
	Fork          string // owner/name of what it was forked from
	Keys          []DeployKey
	Hooks         []Hook
	Mirrors       []Mirror          // to which it is pushed
	Collaborators map[string]string // read, write or admin, by login
	Protected     []string          // rules of branch protection
	Heads         map[string]string // commits, by branch
	Statuses      []Status
}

type repo struct {
	Repo
	owner            *account
	parent           *repo
	website          string
	created, updated time.Time
	dir              gitdir.Dir
	heads            map[string]string
	keys             []*deployKey
	hooks            []*hook
	mirrors          []*mirror
	collaborators    map[int]int // modes, by id of the account
	rules            []*rule
	statuses         []*status
}

func (r *repo) fullName() string { return r.owner.Login + "/" + r.Name }

func (r *repo) empty() bool { return len(r.heads) == 0 }

func moveKey(of *account, name string) string {
	return strconv.Itoa(of.ID) + "/" + strings.ToLower(name)
}

func (s *Server) repo(of *account, name string) *repo {
	return find(s.repos, func(r *repo) bool { return r.owner == of && strings.EqualFold(r.Name, name) })
}

// repoNamed finds "owner/name".
func (s *Server) repoNamed(full string) *repo {
	of, name, _ := strings.Cut(full, "/")
	if a := s.account(of); a != nil {
		return s.repo(a, name)
	}
	return nil
}

func (s *Server) reposOf(a *account) []*repo {
	return slices.DeleteFunc(slices.Clone(s.repos), func(r *repo) bool { return r.owner != a })
}

func (s *Server) forksOf(of *repo) []*repo {
	return slices.DeleteFunc(slices.Clone(s.repos), func(r *repo) bool { return r.parent != of })
}

func (s *Server) addRepo(of *account, r Repo) *repo {
	if r.DefaultBranch == "" {
		r.DefaultBranch = "main"
	}
	now := s.cfg.Now()
	r.ID = s.next("repository")
	added := &repo{
		Repo: r, owner: of, created: now, updated: now, heads: map[string]string{},
		collaborators: map[int]int{},
	}
	s.repos = append(s.repos, added)
	delete(s.repoMoves, moveKey(of, r.Name))
	return added
}

// git returns the directory of a repository, made if need be.
func (s *Server) git(r *repo) (gitdir.Dir, error) {
	if r.dir.Root != nil {
		return r.dir, nil
	}
	if err := s.openGitRoot(); err != nil {
		return gitdir.Dir{}, err
	}
	dir, err := gitdir.New(s.gitRoot, r.dirName(), r.DefaultBranch)
	if err != nil {
		return gitdir.Dir{}, err
	}
	r.dir = dir
	return dir, nil
}

func (r *repo) dirName() string { return strconv.Itoa(r.ID) + ".git" }

func (s *Server) openGitRoot() (err error) {
	if s.gitRoot != nil {
		return nil
	}
	dir := s.cfg.GitRoot
	if dir == "" {
		dir, err = os.MkdirTemp("", "giteatest-")
	} else if dir, err = filepath.Abs(dir); err == nil { // git runs elsewhere
		err = os.MkdirAll(dir, 0o750)
	}
	if err != nil {
		return err
	}
	s.gitRoot, err = os.OpenRoot(dir)
	return err
}

// GitDir returns the bare repository on disk, for tests that look at it. An
// unknown "owner/name" panics.
func (s *Server) GitDir(repo string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir, err := s.git(must(s.repoNamed(repo), "repository", repo))
	if err != nil {
		return "", err
	}
	return dir.Name(), nil
}

// AddRepo adds a repository as it is, with its keys, hooks, mirrors and
// collaborators. It has no commit; see [Server.Push]. An unknown owner panics.
func (s *Server) AddRepo(owner string, r Repo) Repo {
	s.mu.Lock()
	defer s.mu.Unlock()
	plain := r
	plain.Keys, plain.Hooks, plain.Mirrors, plain.Collaborators, plain.Protected, plain.Heads, plain.Statuses = nil,
		nil, nil, nil, nil, nil, nil
	added := s.addRepo(must(s.account(owner), "user", owner), plain)
	if r.Fork != "" {
		added.parent = must(s.repoNamed(r.Fork), "repository", r.Fork)
	}
	for _, k := range r.Keys {
		s.addDeployKey(added, k)
	}
	for _, h := range r.Hooks {
		added.hooks = append(added.hooks, s.newHook(h))
	}
	for _, m := range r.Mirrors {
		s.addMirror(added, m)
	}
	for login, mode := range r.Collaborators {
		added.collaborators[must(s.account(login), "user", login).ID] = parseMode(mode)
	}
	return s.publicRepo(added)
}

// SetRepo changes the flags, the description or the default branch of a
// repository as an operator would. An unknown "owner/name" panics.
func (s *Server) SetRepo(repo string, change func(*Repo)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&must(s.repoNamed(repo), "repository", repo).Repo)
}

// AddCollaborator lets a user into a repository: read, write or admin. Unknown
// names panic.
func (s *Server) AddCollaborator(repo, login, mode string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	must(s.repoNamed(repo), "repository", repo).collaborators[must(s.account(login), "user",
		login).ID] = parseMode(mode)
}

type repoForm struct {
	Name          string `json:"name"`
	Description   string `json:"description"`
	Private       bool   `json:"private"`
	AutoInit      bool   `json:"auto_init"`
	DefaultBranch string `json:"default_branch"`
	Gitignores    string `json:"gitignores"`
}

func (s *Server) createOrgRepo(c *call) answer {
	return s.createRepo(c, c.org, func() (answer, bool) {
		if !s.visible(c.org, c.doer) {
			return c.missing("HasOrgOrUserVisible", nil), false
		}
		if !c.doer.Admin && !c.doer.mayCreateIn(c.org) {
			return c.refuse(http.StatusForbidden, "Given user is not allowed to create repository in organization."),
				false
		}
		return pass()
	})
}

func (s *Server) createUserRepo(c *call) answer { return s.createRepo(c, c.user, pass) }

func (s *Server) createMyRepo(c *call) answer {
	return s.createRepo(c, c.doer, func() (answer, bool) {
		if c.doer.org {
			return c.unprocessable("not allowed creating repository for organization"), false
		}
		return pass()
	})
}

func (s *Server) createRepo(c *call, of *account, allowed func() (answer, bool)) answer {
	form, refusal, ok := decode[repoForm](c)
	if !ok {
		return refusal
	}
	if why := forms.First(forms.Required("Name", form.Name), forms.AlphaDashDot(form.Name), forms.AtMost("Name",
		form.Name, 100),
		forms.AtMost("Description", form.Description, 2048), forms.RefName("DefaultBranch",
			form.DefaultBranch)); why != "" {
		return c.unprocessable(why)
	}
	if refusal, ok := allowed(); !ok {
		return refusal
	}
	if s.atLimit(c.doer, of) {
		return c.refuse(http.StatusForbidden,
			fmt.Sprintf("user has reached maximum limit of repositories [limit: %d]", *of.MaxRepoCreation))
	}
	if refusal, ok := s.takeRepoName(c, of, form.Name); !ok {
		return refusal
	}
	if form.Gitignores == "Nope" { // stands for every template that does not exist
		return c.broken("initRepository: prepareRepoCommit: GetRepoInitFile[Nope]: file does not exist")
	}
	r := s.addRepo(of, Repo{
		Name: form.Name, Description: form.Description, Private: form.Private || s.cfg.ForcePrivate,
		DefaultBranch: form.DefaultBranch,
	})
	s.creatorRules(r, c.doer)
	if form.AutoInit {
		if err := s.firstCommit(r, c.doer); err != nil {
			s.removeRepo(r)
			return c.broken("initRepository: " + err.Error())
		}
	}
	return reply(http.StatusCreated, s.repoJSON(r, access{mode: owner}))
}

func (s *Server) takeRepoName(c *call, of *account, name string) (answer, bool) {
	if strings.Contains(name, "..") && s.since(V126) {
		return c.broken("name is invalid [" + name +
			"]: must be valid alpha or numeric or dash(-_) or dot characters"), false
	}
	if why := forms.Usable(name, forms.ReservedRepos, forms.RepoPatterns); why != "" {
		return c.unprocessable(why), false
	}
	if s.repo(of, name) != nil {
		return c.refuse(http.StatusConflict, "The repository with the same name already exists."), false
	}
	return pass()
}

// creatorRules makes whoever creates a repository an admin of it: the way out
// for a bot.
func (s *Server) creatorRules(r *repo, doer *account) {
	if s.access(r, doer).mode < admin {
		r.collaborators[doer.ID] = admin
	}
}

func (s *Server) getRepo(c *call) answer { return reply(http.StatusOK, s.repoJSON(c.repo, c.may)) }

type repoPatch struct {
	Name          *string `json:"name"`
	Description   *string `json:"description"`
	Website       *string `json:"website"`
	Private       *bool   `json:"private"`
	Archived      *bool   `json:"archived"`
	HasActions    *bool   `json:"has_actions"`
	DefaultBranch *string `json:"default_branch"`
}

func (s *Server) updateRepo(c *call) answer {
	form, refusal, ok := decode[repoPatch](c)
	if !ok {
		return refusal
	}
	r := c.repo
	if name := or(form.Name); name != "" {
		if why := forms.First(forms.AlphaDashDot(name), forms.AtMost("Name", name, 100)); why != "" {
			return c.unprocessable(why)
		}
		if why := s.moveRepo(r, name); why != "" {
			return c.unprocessable(why)
		}
	}
	if s.cfg.ForcePrivate && form.Private != nil && !*form.Private && r.Private && !c.doer.Admin {
		return c.unprocessable("cannot change private repository to public")
	}
	if r.parent == nil { // a fork is as private as what it was forked from
		set(&r.Private, form.Private)
	}
	set(&r.Description, form.Description)
	set(&r.website, form.Website)
	set(&r.Archived, form.Archived)
	unset(&r.NoActions, form.HasActions)
	if branch := or(form.DefaultBranch); branch != "" && forms.RefName("", branch) == "" && (r.empty() ||
		r.heads[branch] != "") {
		r.DefaultBranch = branch
		if r.dir.Root != nil {
			if err := r.dir.SetDefault(branch); err != nil {
				return c.broken(err.Error())
			}
		}
	}
	r.updated = s.cfg.Now()
	return reply(http.StatusOK, s.repoJSON(r, c.may))
}

// moveRepo gives a new name; the old one redirects until somebody takes it.
func (s *Server) moveRepo(r *repo, name string) check {
	if !strings.EqualFold(name, r.Name) {
		if why := forms.Usable(name, forms.ReservedRepos, forms.RepoPatterns); why != "" {
			return why
		}
		if s.repo(r.owner, name) != nil {
			return "repository already exists [uname: " + r.owner.Login + ", name: " + name + "]"
		}
		s.repoMoves[moveKey(r.owner, r.Name)] = r
		delete(s.repoMoves, moveKey(r.owner, name))
	}
	r.Name = name
	return ""
}

func (s *Server) deleteRepo(c *call) answer {
	if c.repo.owner.org && !c.doer.Admin && !c.doer.ownerOf(c.repo.owner) {
		return c.refuse(http.StatusForbidden, "Given user is not owner of organization.")
	}
	s.removeRepo(c.repo)
	return noContent()
}

func (s *Server) removeRepo(r *repo) {
	s.repos = without(s.repos, r)
	s.dropRunners(r)
	maps.DeleteFunc(s.repoMoves, func(_ string, to *repo) bool { return to == r })
	for _, t := range r.owner.teams {
		t.repos = without(t.repos, r)
	}
	for _, fork := range s.forksOf(r) {
		fork.parent = nil
	}
	if r.dir.Root != nil && s.gitRoot != nil { // what is left is in nobody's way: ids are never given twice
		_ = r.dir.Close()
		_ = s.gitRoot.RemoveAll(r.dirName())
	}
}

// seen are the repositories that the doer may know of, by name.
func (s *Server) seen(doer *account, match func(*repo) bool) []*repo {
	out := slices.DeleteFunc(slices.Clone(s.repos), func(r *repo) bool { return !match(r) || !s.access(r, doer).any() })
	slices.SortStableFunc(out, func(a, b *repo) int {
		return strings.Compare(strings.ToLower(a.Name),
			strings.ToLower(b.Name))
	})
	return out
}

func (s *Server) searchRepos(c *call) answer {
	asked, id := strings.ToLower(c.query.Get("q")), number(c.query.Get("uid"))
	found := s.seen(c.doer, func(r *repo) bool {
		_, collaborates := r.collaborators[id]
		return (c.query.Get("mode") != "fork" || r.parent != nil) && strings.Contains(strings.ToLower(r.Name), asked) &&
			(id == 0 || r.owner.ID == id || collaborates && !c.flag("exclusive"))
	})
	if c.query.Get("sort") == "id" {
		slices.SortFunc(found, func(a, b *repo) int { return a.ID - b.ID })
	}
	if c.query.Get("order") == "desc" {
		slices.Reverse(found)
	}
	return wrapped(c, found, paging{links: true}, func(r *repo) any { return s.repoJSON(r, s.access(r, c.doer)) },
		func(page []any) any { return object{"ok": true, "data": page} })
}

func (s *Server) listMyRepos(c *call) answer {
	mine := s.seen(c.doer, func(r *repo) bool {
		_, collaborates := r.collaborators[c.doer.ID]
		return r.owner == c.doer || collaborates || c.doer.memberOf(r.owner)
	})
	return list(c, mine, paging{links: true}, func(r *repo) any { return s.repoJSON(r, s.access(r, c.doer)) })
}

func (s *Server) listUserRepos(c *call) answer { return s.listReposOf(c, c.user) }
