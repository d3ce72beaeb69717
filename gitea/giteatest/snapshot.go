package giteatest

import (
	"maps"
	"slices"
	"strings"
)

// A State is everything that is there, without secrets and times, in an order
// that does not depend on how it came about but for ids.
type State struct {
	Users    []User
	Orgs     []Org
	Tokens   []Token
	Repos    []Repo
	Packages []Package
	Runners  []Runner
	Left     []Hook   // webhooks of organisations that are gone: their rows stay
	Moved    []string // old names that redirect: "name" or "owner id/name"
}

// Snapshot returns what is there now. It shares nothing with the simulator.
func (s *Server) Snapshot() State {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := State{Moved: slices.Sorted(maps.Keys(s.userMoves))}
	out.Moved = append(out.Moved, slices.Sorted(maps.Keys(s.repoMoves))...)
	for _, a := range s.accountsWhere(func(*account) bool { return true }) {
		if a.org {
			out.Orgs = append(out.Orgs, a.publicOrg())
		} else {
			out.Users = append(out.Users, a.public())
		}
	}
	for _, t := range s.tokens {
		out.Tokens = append(out.Tokens, t.public())
	}
	for _, r := range s.repos {
		out.Repos = append(out.Repos, s.publicRepo(r))
	}
	slices.SortFunc(out.Repos, func(a, b Repo) int { return strings.Compare(a.Owner+"/"+a.Name, b.Owner+"/"+b.Name) })
	for _, p := range s.packages {
		out.Packages = append(out.Packages, p.Package)
	}
	for _, h := range s.left {
		out.Left = append(out.Left, h.public())
	}
	for _, r := range s.runners {
		out.Runners = append(out.Runners, r.public())
	}
	return out
}

func (a *account) public() User {
	u := a.User
	u.Password = ""
	if a.MaxRepoCreation != nil {
		u.MaxRepoCreation = new(*a.MaxRepoCreation)
	}
	u.Keys, u.OAuthApps = nil, nil
	for _, k := range a.keys {
		u.Keys = append(u.Keys, k.Key)
	}
	for _, app := range a.apps {
		u.OAuthApps = append(u.OAuthApps, app.name)
	}
	return u
}

func (a *account) publicOrg() Org {
	o := Org{
		ID: a.ID, Name: a.Login, FullName: a.FullName, Description: a.Description, Email: a.Email,
		Website: a.website, Location: a.location, Visibility: a.Visibility,
	}
	for _, t := range sortedByName(a.teams) {
		o.Teams = append(o.Teams, t.public())
	}
	for _, h := range a.hooks {
		o.Hooks = append(o.Hooks, h.public())
	}
	return o
}

func (t *team) public() Team {
	out := t.Team
	out.Permission = modeNames[t.mode]
	out.Units, out.Members, out.Repos = map[string]string{}, nil, nil
	for unit, mode := range t.units {
		out.Units[unit] = modeNames[mode]
	}
	for _, a := range t.members {
		out.Members = append(out.Members, a.Login)
	}
	for _, r := range t.repos {
		out.Repos = append(out.Repos, r.fullName())
	}
	slices.Sort(out.Members)
	slices.Sort(out.Repos)
	return out
}

func (t *token) public() Token {
	out := t.Token
	out.User, out.Live = t.user.Login, t.user.usable()
	out.Scopes = slices.Clone(t.Scopes)
	return out
}

func (s *Server) publicRepo(r *repo) Repo {
	out := r.Repo
	out.Owner, out.Heads, out.Fork = r.owner.Login, maps.Clone(r.heads), ""
	if r.parent != nil {
		out.Fork = r.parent.fullName()
	}
	out.Keys, out.Hooks, out.Mirrors, out.Protected, out.Statuses = nil, nil, nil, nil, nil
	for _, k := range r.keys {
		out.Keys = append(out.Keys, k.DeployKey)
	}
	for _, h := range r.hooks {
		out.Hooks = append(out.Hooks, h.public())
	}
	for _, m := range r.mirrors {
		out.Mirrors = append(out.Mirrors, m.Mirror)
	}
	for _, p := range r.rules {
		out.Protected = append(out.Protected, p.name)
	}
	for _, st := range r.statuses {
		out.Statuses = append(out.Statuses, st.Status)
	}
	out.Collaborators = map[string]string{}
	for _, a := range s.accounts {
		if mode, ok := r.collaborators[a.ID]; ok {
			out.Collaborators[a.Login] = modeNames[mode]
		}
	}
	return out
}

// Secrets returns what a [State] leaves out: the tokens, the passwords of users and
// what webhooks prove themselves with. For tests that look for them elsewhere.
func (s *Server) Secrets() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []string
	for _, t := range s.tokens {
		all = append(all, t.secret)
	}
	hooks := []*hook{}
	for _, a := range s.accounts {
		all = append(all, a.Password)
		hooks = append(hooks, a.hooks...)
	}
	for _, r := range s.repos {
		hooks = append(hooks, r.hooks...)
	}
	for _, h := range hooks {
		all = append(all, h.Secret, h.Authorization)
	}
	return slices.DeleteFunc(all, func(secret string) bool { return secret == "" })
}
