package giteatest

import (
	"net/http"
	"strings"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

// What the scopes of a token are about.
const (
	scopeAdmin   = "admin"
	scopeOrg     = "organization"
	scopePackage = "package"
	scopeRepo    = "repository"
	scopeUser    = "user"
)

// scope is Gitea's tokenRequiresScopes: a token needs each of the route's
// categories, to write if the request changes something. Who comes with a
// password, or with nothing, passes.
func (c *call) scope() (answer, bool) {
	if c.token == nil {
		return pass()
	}
	level, needed := "read:", c.route.scopes
	if c.changes() {
		level = "write:"
	}
	for _, category := range needed {
		if !forms.Allows(c.token.Scopes, category, c.changes()) {
			return c.refuse(http.StatusForbidden, c.lacks(level+strings.Join(needed, " "+level))), false
		}
	}
	return pass()
}

func (c *call) lacks(needed string) string {
	if !c.s.since(V126) {
		return "token does not have at least one of required scope(s): [" + needed + "]"
	}
	return "token does not have at least one of required scope(s), required=[" + needed + "], token scope=" +
		strings.Join(c.token.Scopes, ",")
}
