package giteatest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

const adminLogin = "siteadmin"

// A User is a person or a bot. The zero value of a flag is what Gitea gives a
// new user.
type User struct {
	ID                   int
	Login                string
	LoginName            string
	Email                string
	FullName             string
	Description          string
	Visibility           string // public by default, limited or private
	Password             string // to add one; a [State] does not show it
	Admin                bool
	Restricted           bool
	Inactive             bool
	ProhibitLogin        bool
	MustChangePassword   bool
	NoCreateOrganization bool
	GitHooks             bool // may edit git hooks
	ImportLocal          bool // may import from the server's disk
	MaxRepoCreation      *int // nil = the server's default, no limit
	KeepEmailPrivate     bool // others see a placeholder of the address
	TwoFactor            bool // has enrolled; its password alone is then refused
	Keys                 []Key
	OAuthApps            []string
}

// A Key is an SSH key of a user.
type Key struct {
	ID    int
	Title string
	Key   string // without its comment
}

// An Org is an organisation.
type Org struct {
	ID          int
	Name        string
	FullName    string
	Description string
	Email       string
	Website     string
	Location    string
	Visibility  string // public by default, limited or private
	Teams       []Team
	Hooks       []Hook
}

// A Team of an organisation.
type Team struct {
	ID                      int
	Name                    string
	Description             string
	Permission              string // none, admin or owner; what units allow stands in Units
	IncludesAllRepositories bool
	CanCreateOrgRepo        bool
	Units                   map[string]string
	Members                 []string
	Repos                   []string // added one by one
}

// An account is a user or an organisation: to Gitea they are one.
type account struct {
	User
	org                bool
	website            string
	location           string
	repoAdminsSetTeams bool
	created            time.Time
	teams              []*team // of an organisation
	hooks              []*hook
	keys               []*userKey
	apps               []*oauthApp
}

type team struct {
	Team
	org     *account
	mode    int
	units   map[string]int
	members []*account
	repos   []*repo
}

type userKey struct {
	Key
	fingerprint string
	created     time.Time
}

// next gives the next id of a kind of row. Ids are never given twice.
func (s *Server) next(kind string) int {
	s.ids[kind]++
	return s.ids[kind]
}

func find[T any](all []*T, match func(*T) bool) *T {
	if i := slices.IndexFunc(all, match); i >= 0 {
		return all[i]
	}
	return nil
}

func without[T any](all []*T, one *T) []*T {
	return slices.DeleteFunc(slices.Clone(all), func(other *T) bool { return other == one })
}

// must panics for a name that the program around the simulator got wrong.
func must[T any](v *T, kind, name string) *T {
	if v == nil {
		panic(fmt.Sprintf("giteatest: no %s %q", kind, name))
	}
	return v
}

// random returns n hexadecimal digits.
func random(n int) string {
	b := make([]byte, (n+1)/2)
	_, _ = rand.Read(b) // never fails; see crypto/rand
	return hex.EncodeToString(b)[:n]
}

// account finds a user or an organisation by name, in any case.
func (s *Server) account(name string) *account {
	return find(s.accounts, func(a *account) bool { return strings.EqualFold(a.Login, name) })
}

func (s *Server) orgNamed(name string) *account {
	if a := s.account(name); a != nil && a.org {
		return a
	}
	return nil
}

func (s *Server) addAccount(a *account) *account {
	a.ID, a.created = s.next("user"), s.cfg.Now()
	if a.Visibility == "" {
		a.Visibility = "public"
	}
	s.accounts = append(s.accounts, a)
	delete(s.userMoves, strings.ToLower(a.Login))
	return a
}

// addOrg adds an organisation whose Owners are its creator.
func (s *Server) addOrg(a *account, creator *account) *account {
	a.org = true
	s.addAccount(a)
	s.addTeam(a, &team{
		Team: Team{Name: ownersTeam, IncludesAllRepositories: true, CanCreateOrgRepo: true},
		mode: owner, units: allUnits(owner), members: []*account{creator},
	})
	return a
}

func (s *Server) addTeam(org *account, t *team) *team {
	t.ID, t.org = s.next("team"), org
	org.teams = append(org.teams, t)
	return t
}

// Admin returns the login of the site admin that [New] made.
func (s *Server) Admin() string { return adminLogin }

// AdminPassword returns the password of the site admin.
func (s *Server) AdminPassword() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.account(adminLogin).Password
}

// AddUser adds a user as it is: nothing is checked, not even that the name is
// free. It may have keys.
func (s *Server) AddUser(u User) User {
	s.mu.Lock()
	defer s.mu.Unlock()
	if u.Password == "" {
		u.Password = random(40)
	}
	keys := u.Keys
	u.Keys = nil
	a := s.addAccount(&account{User: u})
	for _, k := range keys {
		s.addUserKey(a, k)
	}
	for _, name := range u.OAuthApps {
		s.addApp(a, name)
	}
	return a.public()
}

// SetUser changes a user, or an organisation, as an operator would. Keys stay.
// An unknown name panics.
func (s *Server) SetUser(login string, change func(*User)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(&must(s.account(login), "user", login).User)
}

// AddSSHKey gives a user a key.
func (s *Server) AddSSHKey(login, title, key string) Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addUserKey(must(s.account(login), "user", login), Key{Title: title, Key: key}).Key
}

// AddOrg adds an organisation as it is, owned by a user, who is put into the
// team Owners. Its other teams are added besides. An unknown name panics.
func (s *Server) AddOrg(o Org, ownedBy string) Org {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.addOrg(&account{
		User: User{
			Login: o.Name, FullName: o.FullName, Description: o.Description, Email: o.Email,
			Visibility: o.Visibility,
		},
		website: o.Website, location: o.Location,
	}, must(s.account(ownedBy), "user", ownedBy))
	for _, t := range o.Teams {
		s.addPublicTeam(a, t)
	}
	for _, h := range o.Hooks {
		a.hooks = append(a.hooks, s.newHook(h))
	}
	return a.publicOrg()
}

// AddTeam adds a team to an organisation, even one whose name is taken. An
// unknown organisation or member panics.
func (s *Server) AddTeam(org string, t Team) Team {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.addPublicTeam(must(s.orgNamed(org), "organisation", org), t).public()
}

func (s *Server) addPublicTeam(org *account, t Team) *team {
	added := &team{Team: t, mode: parseMode(t.Permission, none, admin), units: map[string]int{}}
	if added.mode == admin {
		added.units = adminUnits()
	}
	for unit, mode := range t.Units {
		added.units[unit] = parseMode(mode)
	}
	for _, name := range t.Members {
		added.members = append(added.members, must(s.account(name), "user", name))
	}
	return s.addTeam(org, added)
}

// AddMember puts a user into a team. Unknown names panic.
func (s *Server) AddMember(org, teamName, login string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := must(s.orgNamed(org), "organisation", org)
	t := must(find(o.teams, func(t *team) bool { return strings.EqualFold(t.Name, teamName) }), "team", teamName)
	t.join(must(s.account(login), "user", login))
}
