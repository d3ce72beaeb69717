package giteatest

import (
	"slices"
	"strconv"
	"strings"
)

// judge returns what no client of ours may do. Most of it goes for the site
// admin's credential and for whoever asks for tokens; what a tenant's bot does
// with its own is its own affair. A caller holds s.mu.
func (s *Server) judge(c *call, rec *Request) []string {
	var out []string
	add := func(why string) { out = append(out, why) }
	if rest, ok := strings.CutPrefix(c.r.URL.EscapedPath(), prefix+"/"); ok && slices.Contains(strings.Split(rest,
		"/"), "") {
		add("an empty path segment")
	}
	if c.query.Has("token") || c.query.Has("access_token") {
		add("a token in the query")
	}
	a := s.account(rec.User)
	if c.route == nil || a == nil || !a.Admin && !strings.Contains(c.route.pattern, "/tokens") {
		return out
	}
	if slices.Contains(pagedLists, rec.Operation) && number(c.query.Get("page")) < 1 {
		add("no page")
	}
	if trap := traps[rec.Operation]; trap != nil {
		trap(s, c, add)
	}
	return out
}

// pagedLists are those that forget the limit without a page, or show 30 of
// many.
var pagedLists = []string{
	"GET /admin/users", "GET /admin/orgs", "GET /users/{username}/tokens", "GET /users/{username}/keys",
	"GET /orgs/{org}/teams",
	"GET /orgs/{org}/repos", "GET /orgs/{org}/members", "GET /orgs/{org}/hooks", "GET /teams/{id}/members",
	"GET /repos/{owner}/{repo}/keys", "GET /repos/{owner}/{repo}/hooks", "GET /repos/{owner}/{repo}/collaborators",
	"GET /repos/{owner}/{repo}/push_mirrors", "GET /repos/{owner}/{repo}/forks", "GET /packages/{owner}",
	"GET /repos/search",
	"GET /admin/actions/runners",
}

// notForBots are scopes that let a bot out of its organisation.
var notForBots = []string{
	"all", "write:user", "write:admin", "read:admin", "write:organization", "read:organization", "write:package",
	"write:activitypub",
}

// omits trips for fields that are left out.
func omits(why string, fields ...string) func(*Server, *call, func(string)) {
	return func(_ *Server, c *call, add func(string)) {
		for _, field := range fields {
			if !c.sent(field) {
				add("no " + field + ": " + why)
			}
		}
	}
}

var traps map[string]func(*Server, *call, func(string))

// The traps name functions, and those name the table of routes.
func init() {
	traps = map[string]func(*Server, *call, func(string)){
		"POST /orgs": omits("the default is public", "visibility"),
		"PATCH /orgs/{org}": omits("it is wiped", "full_name", "description", "website",
			"location"),
		"POST /orgs/{org}/repos": omits("the default is public", "private"),
		"POST /admin/users": omits("the default hurts", "must_change_password", "restricted",
			"visibility"),
		"PATCH /admin/users/{username}":           (*Server).trapUser,
		"DELETE /admin/users/{username}":          (*Server).trapPurge,
		"POST /users/{username}/tokens":           (*Server).trapMint,
		"POST /admin/users/{username}/tokens":     (*Server).trapMint,
		"DELETE /users/{username}/tokens/{token}": (*Server).trapTokenName,
		"PATCH /teams/{id}":                       (*Server).trapTeam,
		"DELETE /teams/{id}":                      (*Server).trapOwners,
		"PUT /teams/{id}/members/{username}":      (*Server).trapMember,
		"POST /repos/{owner}/{repo}/keys":         omits("the default may write", "read_only"),
		"POST /repos/{owner}/{repo}/hooks":        omits("the default is not active", "active"),
		"PATCH /repos/{owner}/{repo}/hooks/{id}":  omits("it is wiped", "branch_filter", "events"),
		"POST /repos/{owner}/{repo}/statuses/{sha}": func(_ *Server, _ *call, add func(string)) {
			add("on a tenant's behalf, with the admin's credential")
		},
	}
}

func (s *Server) trapUser(c *call, add func(string)) {
	if a := s.account(c.path["username"]); a != nil && a.org {
		add("it is an organisation")
	}
	omits("before 1.27.3 it is required", "login_name")(s, c, add)
}

func (s *Server) trapPurge(c *call, add func(string)) {
	a := s.account(c.path["username"])
	if a == nil || !c.flag("purge") {
		return
	}
	for _, o := range s.orgsWhere(func(o *account) bool { return o.lastOwner(a) }) {
		add("it takes organisation " + strconv.Quote(o.Login) + " along")
	}
}

func (s *Server) trapMint(c *call, add func(string)) {
	a := s.account(c.path["username"])
	if a == nil || a.Admin {
		return
	}
	if a.org {
		add("it is an organisation")
	}
	form, _, _ := decode[struct {
		Scopes []string `json:"scopes"`
	}](c)
	for _, scope := range form.Scopes {
		if slices.Contains(notForBots, scope) {
			add("scope " + scope + " lets it out")
		}
	}
}

func (s *Server) trapTokenName(c *call, add func(string)) {
	if number(c.path["token"]) < 1 {
		add("by name, which may be another's id, or several")
	}
}

func (s *Server) trapTeam(c *call, add func(string)) {
	if c.sent("includes_all_repositories") && !c.sent("permission") {
		add("no permission: includes_all_repositories does not count without")
	}
}

func (s *Server) askedTeam(c *call) *team {
	probe := call{s: s, path: c.path, r: c.r}
	if _, ok := teamByID(&probe); !ok {
		return nil
	}
	return probe.team
}

func (s *Server) trapOwners(c *call, add func(string)) {
	if t := s.askedTeam(c); t != nil && t.mode == owner {
		add("they are the Owners")
	}
}

func (s *Server) trapMember(c *call, add func(string)) {
	if t := s.askedTeam(c); t != nil && t.mode == owner {
		add("a member of the Owners")
	}
	if a := s.account(c.path["username"]); a != nil && a.org {
		add("it is an organisation")
	}
}
