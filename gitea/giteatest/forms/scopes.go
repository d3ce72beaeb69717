package forms

import (
	"fmt"
	"slices"
)

const (
	scopeAll    = "all"
	scopePublic = "public-only"
)

// categories are in Gitea's order, which is that of its answers.
var categories = []string{
	"activitypub", "admin", "misc", "notification", "organization", "package", "issue",
	"repository", "user",
}

// Allows reports whether the scopes of a token open a category.
func Allows(scopes []string, category string, change bool) bool {
	return slices.Contains(scopes, scopeAll) || slices.Contains(scopes, "write:"+category) ||
		!change && slices.Contains(scopes, "read:"+category)
}

// Normalize puts scopes in Gitea's order, each once, without what another one
// implies.
func Normalize(scopes []string) ([]string, error) {
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
		case Allows(scopes, c, true):
			writable++
			out = append(out, "write:"+c)
		case Allows(scopes, c, false):
			out = append(out, "read:"+c)
		}
	}
	if writable == len(categories) {
		out = append(out[:len(out)-writable], scopeAll)
	}
	return out, nil
}

// Covers reports whether one set of scopes is within another.
func Covers(have, want []string) bool {
	return !slices.ContainsFunc(categories, func(c string) bool {
		return Allows(want, c, true) && !Allows(have, c, true) || Allows(want, c, false) && !Allows(have, c, false)
	})
}
