package gitea

import (
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// A segment fills one pair of braces in a path. It is already escaped.
type segment struct {
	text string
	err  error
}

var (
	// One pattern covers users and organisations, because they share a namespace.
	loginForm  = regexp.MustCompile(`^[0-9A-Za-z]+(?:[-._][0-9A-Za-z]+)*$`)
	repoForm   = regexp.MustCompile(`^[-.\w]{1,100}$`)
	shaForm    = regexp.MustCompile(`^(?:[0-9a-f]{40}|[0-9a-f]{64})$`)
	mirrorForm = regexp.MustCompile(`^[-.\w]{1,255}$`)
	typeForm   = regexp.MustCompile(`^[a-z0-9]{1,32}$`)
	// branchBars matches what git forbids in a branch's name, besides what [branchName]
	// checks.
	branchBars = regexp.MustCompile(`[\x00-\x20\x7f~^:?*\[\\]|\.\.|//|@\{|\.lock(?:/|$)|/\.|^[./-]|[./]$`)
	controls   = regexp.MustCompile(`[\x00-\x1f\x7f]`)
)

var (
	errLogin = errors.New(
		"not a name of a user or an organisation: letters and digits with single -, _ or . between; 1 to 40",
	)
	errRepo   = errors.New("not a name of a repository: letters, digits, -, _ and .; 1 to 100")
	errBranch = errors.New("not a name of a branch")
	errSHA    = errors.New("not a commit: 40 or 64 hexadecimal digits, in lower case")
	errRule   = errors.New("not a name of a rule, mirror, package or file")
	errID     = errors.New("not an id: it is above 0")
)

// CheckLogin refuses what Gitea does not accept as the name of a user or an organisation.
// It cannot determine whether the name is reserved or taken.
func CheckLogin(name string) error {
	if len(name) > 40 || !loginForm.MatchString(name) {
		return errLogin
	}
	return nil
}

// CheckRepository refuses what Gitea does not accept as the name of a repository. It
// cannot determine whether the name is reserved or taken.
func CheckRepository(name string) error {
	if !repoForm.MatchString(name) || name == "." || name == "-" || strings.Contains(name, "..") {
		return errRepo
	}
	return nil
}

func login(name string) segment      { return segment{name, CheckLogin(name)} }
func repository(name string) segment { return segment{name, CheckRepository(name)} }

func id(n int64) segment {
	if n <= 0 {
		return segment{err: errID}
	}
	return segment{text: strconv.FormatInt(n, 10)}
}

func matching(form *regexp.Regexp, s string, otherwise error) segment {
	if !form.MatchString(s) || s == "." || s == ".." {
		return segment{err: otherwise}
	}
	return segment{text: s}
}

// branchName does not escape slashes: Gitea's route takes the rest of the path, and some
// proxies refuse an escaped slash.
func branchName(name string) segment {
	if name == "" || len(name) > 255 || name == "@" || branchBars.MatchString(name) {
		return segment{err: errBranch}
	}
	parts := strings.Split(name, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	return segment{text: strings.Join(parts, "/")}
}

// anyName escapes a name as one segment of a path.
func anyName(name string) segment {
	if name == "" || len(name) > 255 || name == "." || name == ".." || controls.MatchString(name) {
		return segment{err: errRule}
	}
	return segment{text: url.PathEscape(name)}
}
