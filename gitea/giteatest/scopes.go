package giteatest

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// What the scopes of a token are about.
const (
	scopeAdmin   = "admin"
	scopeOrg     = "organization"
	scopePackage = "package"
	scopeRepo    = "repository"
	scopeUser    = "user"
)

const (
	scopeAll    = "all"
	scopePublic = "public-only"
)

// categories are in Gitea's order, which is that of its answers.
var categories = []string{"activitypub", scopeAdmin, "misc", "notification", scopeOrg, scopePackage, "issue", scopeRepo, scopeUser}

// allows reports whether the scopes of a token open a category.
func allows(scopes []string, category string, change bool) bool {
	return slices.Contains(scopes, scopeAll) || slices.Contains(scopes, "write:"+category) ||
		!change && slices.Contains(scopes, "read:"+category)
}

// normalize puts scopes in Gitea's order, each once, without what another one
// implies.
func normalize(scopes []string) ([]string, error) {
	known := []string{scopeAll, scopePublic, ""}
	for _, c := range categories {
		known = append(known, "read:"+c, "write:"+c)
	}
	for _, scope := range scopes {
		if !slices.Contains(known, scope) {
			return nil, fmt.Errorf("invalid access token scope: %s", scope)
		}
	}
	var out []string
	writable := 0
	if slices.Contains(scopes, scopePublic) {
		out = append(out, scopePublic)
	}
	for _, c := range categories {
		switch {
		case allows(scopes, c, true):
			writable++
			out = append(out, "write:"+c)
		case allows(scopes, c, false):
			out = append(out, "read:"+c)
		}
	}
	if writable == len(categories) {
		out = append(out[:len(out)-writable], scopeAll)
	}
	return out, nil
}

// covers reports whether one set of scopes is within another.
func covers(have, want []string) bool {
	return !slices.ContainsFunc(categories, func(c string) bool {
		return allows(want, c, true) && !allows(have, c, true) || allows(want, c, false) && !allows(have, c, false)
	})
}

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
		if !allows(c.token.Scopes, category, c.changes()) {
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
