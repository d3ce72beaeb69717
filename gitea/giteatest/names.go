package giteatest

import (
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A check returns what is wrong, or "".
type check = string

// first is the first thing that is wrong.
func first(checks ...check) check {
	if i := slices.IndexFunc(checks, func(c check) bool { return c != "" }); i >= 0 {
		return checks[i]
	}
	return ""
}

func wrong(field, why string) check { return "[" + field + "]: " + why }

func required(field, value string) check {
	if value == "" {
		return wrong(field, "Required")
	}
	return ""
}

func atMost(field, value string, limit int) check {
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

func userName(field, value string) check {
	if !userNames.MatchString(value) || doubled.MatchString(value) {
		return wrong(field, "invalid username")
	}
	return ""
}

func visibility(value string) check {
	if !slices.Contains([]string{"", "public", "limited", "private"}, value) {
		return wrong("Visibility", "In")
	}
	return ""
}

func mail(value string) check {
	switch {
	case value == "":
		return wrong("Email", "Required")
	case !mails.MatchString(strings.TrimPrefix(value, "-")):
		return wrong("Email", "Email")
	}
	return ""
}

func link(field, value string) check {
	if value != "" && !isURL(value) {
		return wrong(field, "Url")
	}
	return ""
}

func isURL(value string) bool {
	u, err := url.Parse(value)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

func alphaDashDot(name string) check {
	if !repoNames.MatchString(name) {
		return wrong("Name", "AlphaDashDot")
	}
	return ""
}

func refName(field, value string) check {
	if value != "" && (!refNames.MatchString(value) || strings.Contains(value, "..")) {
		return wrong(field, "GitRefName")
	}
	return ""
}

// filePath keeps a path inside its tree.
func filePath(value string) check {
	for part := range strings.SplitSeq(value, "/") {
		if part == "" || part == "." || part == ".." || strings.EqualFold(part, ".git") || strings.ContainsRune(part, 0) {
			return "path contains a malformed path component [path: " + value + "]"
		}
	}
	return ""
}

var (
	reservedUsers = strings.Fields(". .. .well-known api metrics v2 assets attachments avatar avatars repo-avatars captcha login " +
		"org repo user explore issues pulls milestones notifications favicon.ico manifest.json robots.txt sitemap.xml ssh_info " +
		"swagger.v1.json ghost gitea-actions")
	userPatterns  = strings.Fields("*.keys *.gpg *.rss *.atom *.png")
	reservedRepos = strings.Fields(". .. -")
	repoPatterns  = strings.Fields("*.wiki *.git *.rss *.atom")
)

// usable is the second look that Gitea takes at a name: reserved, or of a
// pattern that means something else in a path.
func usable(name string, reserved, patterns []string) check {
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

// takeName looks whether a user or an organisation may have a name.
func (s *Server) takeName(name string) check {
	reserved := reservedUsers
	if !s.since(V126) {
		reserved = append([]string{"admin", "new"}, reserved...)
	}
	if why := usable(name, reserved, userPatterns); why != "" {
		return why
	}
	if s.account(name) != nil {
		return "user already exists [name: " + name + "]"
	}
	return ""
}

func (s *Server) noUser(name string) string {
	if !s.since(V126) {
		name += ", keyid: 0"
	}
	return "user does not exist [uid: 0, name: " + name + "]"
}

func noRedirect(name string) string { return "user redirect does not exist [name: " + name + "]" }

func uid(id int) string { return "[uid: " + strconv.Itoa(id) + "]" }
