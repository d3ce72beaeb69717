package giteatest

import (
	"net/http"
	"net/url"
	"strings"
)

// A guard prepares something of a call, or refuses it: false.
type guard func(*call) (answer, bool)

func pass() (answer, bool) { return answer{}, true }

func signedIn(c *call) (answer, bool) {
	if c.doer == nil {
		return c.refuse(http.StatusUnauthorized, "token is required"), false
	}
	return pass()
}

func siteAdmin(c *call) (answer, bool) {
	if !c.doer.Admin {
		return c.refuse(http.StatusForbidden, "user should be the site admin"), false
	}
	return pass()
}

// user finds {username}: a user, or an organisation.
func user(c *call) (answer, bool) {
	name := c.path["username"]
	if c.user = c.s.account(name); c.user != nil {
		return pass()
	}
	if to := c.s.userMoves[strings.ToLower(name)]; to != nil {
		return c.moved(http.StatusTemporaryRedirect, name, to.Login), false
	}
	return c.refuse(http.StatusNotFound, noRedirect(name)), false
}

// individual hides private users. Organisations pass.
func individual(c *call) (answer, bool) {
	u := c.user
	if c.s.since(V126) && !u.org && (u.Visibility == "private" && c.doer != u && !c.isAdmin() ||
		u.Visibility == "limited" && c.doer == nil) {
		return c.missing("Visit Project", nil), false
	}
	return pass()
}

func (c *call) isAdmin() bool { return c.doer != nil && c.doer.Admin }

func selfOrAdmin(c *call) (answer, bool) {
	if !c.isAdmin() && c.user != c.doer {
		return c.refuse(http.StatusForbidden, "doer should be the site admin or be same as the contextUser"), false
	}
	return pass()
}

// basicAuth is what every operation on /users/{username}/tokens asks for. That
// is why a token in its own header opens none of them.
func basicAuth(c *call) (answer, bool) {
	switch {
	case c.proxy:
		return pass()
	case !c.basic:
		return c.refuse(http.StatusUnauthorized, "auth required"), false
	case c.s.cfg.Behaviour == Forgejo && c.token != nil:
		return c.refuse(http.StatusUnauthorized, "auth method not allowed"), false
	}
	return pass()
}

func org(c *call) (answer, bool) {
	name := c.path["org"]
	if c.org = c.s.orgNamed(name); c.org != nil {
		return pass()
	}
	if to := c.s.userMoves[strings.ToLower(name)]; to != nil {
		return c.moved(http.StatusTemporaryRedirect, name, to.Login), false
	}
	return c.missing("GetOrgByName", []string{noRedirect(name)}), false
}

func orgOwner(c *call) (answer, bool) {
	if !c.doer.Admin && !c.doer.ownerOf(c.org) {
		return c.refuse(http.StatusForbidden, "Must be an organization owner"), false
	}
	return pass()
}

func orgMember(c *call) (answer, bool) {
	if !c.doer.Admin && !c.doer.memberOf(c.org) {
		return c.refuse(http.StatusForbidden, "Must be an organization member"), false
	}
	return pass()
}

func teamByID(c *call) (answer, bool) {
	id := number(c.path["id"])
	for _, a := range c.s.accounts {
		if c.team = find(a.teams, func(t *team) bool { return t.ID == id }); c.team != nil {
			return pass()
		}
	}
	return c.notFound(), false
}

func teamMember(c *call) (answer, bool) {
	of := c.team.org
	switch {
	case c.doer.Admin, c.doer.ownerOf(of), c.doer.inTeam(c.team):
		return pass()
	case c.doer.memberOf(of):
		return c.refuse(http.StatusForbidden, "Must be a team member"), false
	}
	return c.notFound(), false
}

func teamOwner(c *call) (answer, bool) {
	if !c.doer.Admin && !c.doer.ownerOf(c.team.org) {
		return c.notFound(), false
	}
	return pass()
}

// repository finds {owner}/{repo}, and hides it from who may not know of it.
func repository(c *call) (answer, bool) {
	name := c.path["owner"]
	of := c.s.account(name)
	if of == nil {
		if to := c.s.userMoves[strings.ToLower(name)]; to != nil {
			return c.moved(http.StatusTemporaryRedirect, name, to.Login), false
		}
		return c.missing("GetUserByName", []string{noRedirect(name)}), false
	}
	if c.repo = c.s.repo(of, c.path["repo"]); c.repo == nil {
		if to := c.s.repoMoves[moveKey(of, c.path["repo"])]; to != nil {
			return c.movedRepo(to), false
		}
		return c.notFound(), false
	}
	if !c.seesRepo() {
		return c.notFound(), false
	}
	return pass()
}

func repoReader(c *call) (answer, bool) {
	if c.may.unit(codeUnit) < read && !c.isAdmin() {
		return c.refuse(http.StatusForbidden,
			"user should have specific read permission or be a repo admin or a site admin"), false
	}
	return pass()
}

func repoWriter(c *call) (answer, bool) {
	if c.may.unit(codeUnit) < write && !c.isAdmin() {
		return c.refuse(http.StatusForbidden, "user should have a permission to write to a repo"), false
	}
	return pass()
}

func repoAdmin(c *call) (answer, bool) {
	if c.may.mode < admin && !c.isAdmin() {
		return c.refuse(http.StatusForbidden,
			"user should be an owner or a collaborator with admin write of a repository"), false
	}
	return pass()
}

func repoOwner(c *call) (answer, bool) {
	if c.may.mode < owner && !c.isAdmin() {
		return c.refuse(http.StatusForbidden, "user should be the owner of the repo"), false
	}
	return pass()
}

// moved sends the client to a new name. A client that follows takes its body
// and its credential along.
func (c *call) moved(status int, from, to string) answer {
	escape := func(name string) string { return strings.ReplaceAll(url.PathEscape(name), "%2F", "/") }
	path := strings.Replace(c.r.URL.EscapedPath(), escape(from), escape(to), 1)
	if c.r.URL.RawQuery != "" {
		path += "?" + c.r.URL.RawQuery
	}
	return redirect(status, path)
}

func (c *call) movedRepo(to *repo) answer {
	status := http.StatusMovedPermanently
	if !c.s.since(V126) {
		status = http.StatusTemporaryRedirect
	}
	return c.moved(status, c.path["owner"]+"/"+c.path["repo"], to.owner.Login+"/"+to.Name)
}
