// Package forms says what Gitea takes in a form: names, scopes, events of webhooks,
// SSH keys. It knows nothing of what is there.
package forms

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Problem says what is wrong, as Gitea does; "" if nothing is.
type Problem = string

// First returns the first thing that is wrong; "" if nothing is.
func First(checks ...Problem) Problem {
	if i := slices.IndexFunc(checks, func(c Problem) bool { return c != "" }); i >= 0 {
		return checks[i]
	}
	return ""
}

func wrong(field, why string) Problem { return "[" + field + "]: " + why }

// Required says that a field must not be empty.
func Required(field, value string) Problem {
	if value == "" {
		return wrong(field, "Required")
	}
	return ""
}

// AtMost bounds a field, in characters.
func AtMost(field, value string, limit int) Problem {
	if utf8.RuneCountInString(value) > limit {
		return wrong(field, "MaxSize")
	}
	return ""
}

var (
	userNames = regexp.MustCompile(`^[0-9A-Za-z][-.\w]*$`)
	doubled   = regexp.MustCompile(`[-._]{2,}|[-._]$`)
	repoNames = regexp.MustCompile(`^[-.\w]+$`)
	mails     = regexp.MustCompile("^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(\\.[a-zA-Z0-9-]+)+$")
	refNames  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/-]*$`)
)

// UserName judges the name of a user or an organisation.
func UserName(field, value string) Problem {
	if !userNames.MatchString(value) || doubled.MatchString(value) {
		return wrong(field, "invalid username")
	}
	return ""
}

// Visibility judges who may see a user or an organisation; "" leaves it as it is.
func Visibility(value string) Problem {
	if !slices.Contains([]string{"", "public", "limited", "private"}, value) {
		return wrong("Visibility", "In")
	}
	return ""
}

// Mail judges an e-mail address.
func Mail(value string) Problem {
	switch {
	case value == "":
		return wrong("Email", "Required")
	case !mails.MatchString(strings.TrimPrefix(value, "-")):
		return wrong("Email", "Email")
	}
	return ""
}

// Link judges an address that may be left out.
func Link(field, value string) Problem {
	if value != "" && !IsURL(value) {
		return wrong(field, "Url")
	}
	return ""
}

// IsURL reports whether a text is an address of the web.
func IsURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// AlphaDashDot judges the characters of a name.
func AlphaDashDot(name string) Problem {
	if !repoNames.MatchString(name) {
		return wrong("Name", "AlphaDashDot")
	}
	return ""
}

// RefName judges the name of a branch; "" is none.
func RefName(field, value string) Problem {
	if value != "" && (!refNames.MatchString(value) || strings.Contains(value, "..")) {
		return wrong(field, "GitRefName")
	}
	return ""
}

// FilePath keeps a path inside its tree.
func FilePath(value string) Problem {
	for part := range strings.SplitSeq(value, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsRune(part,
			0) {
			return "path contains a malformed path component [path: " + value + "]"
		}
	}
	return ""
}

// What Gitea keeps for itself: names, and patterns of names.
var (
	// ReservedUsers are names of users and organisations.
	ReservedUsers = strings.Fields(". .. .well-known api metrics v2 assets attachments avatar avatars " +
		"repo-avatars captcha login " +
		"org repo user explore issues pulls milestones notifications favicon.ico manifest.json robots.txt " +
		"sitemap.xml ssh_info " +
		"swagger.v1.json ghost gitea-actions")
	// UserPatterns are those of users and organisations.
	UserPatterns = strings.Fields("*.keys *.gpg *.rss *.atom *.png")
	// ReservedRepos are names of repositories.
	ReservedRepos = strings.Fields(". .. -")
	// RepoPatterns are those of repositories.
	RepoPatterns = strings.Fields("*.wiki *.git *.rss *.atom")
)

// Usable is the second look that Gitea takes at a name: reserved, or of a
// pattern that means something else in a path.
func Usable(name string, reserved, patterns []string) Problem {
	lower := strings.ToLower(name)
	if slices.Contains(reserved, lower) {
		return "name is reserved [name: " + name + "]"
	}
	for _, p := range patterns {
		if ok, _ := path.Match(p, lower); ok {
			return "name pattern is not allowed [pattern: " + p + "]"
		}
	}
	return ""
}
