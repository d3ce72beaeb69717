package coolifytest

import (
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// problems are the messages of a failed validation, by field.
type problems map[string][]string

// A rule judges one field of the input and returns what is wrong with it.
type rule struct {
	field    string
	required bool
	nullable bool
	kind     string // string, boolean or array
	judge    func(string) []string
}

const notAllowed = "This field is not allowed."

// spoken is how Laravel names a field in a message.
func spoken(field string) string { return strings.ReplaceAll(field, "_", " ") }

func (c *call) check(rules ...rule) problems { return check(c.input, rules...) }

func check(input map[string]any, rules ...rule) problems {
	bad := problems{}
	for _, r := range rules {
		if found := r.check(input); len(found) > 0 {
			bad[r.field] = found
		}
	}
	return bad
}

func (r rule) check(input map[string]any) []string {
	v, there := input[r.field]
	switch {
	case r.required && v == nil:
		return []string{"The " + spoken(r.field) + " field is required."}
	case !there, v == nil && r.nullable:
		return nil
	}
	switch r.kind {
	case "boolean":
		if !slices.Contains([]any{true, false, 0.0, 1.0, "0", "1"}, v) {
			return []string{"The " + spoken(r.field) + " field must be true or false."}
		}
	case "string":
		text, ok := v.(string)
		if !ok {
			return []string{"The " + spoken(r.field) + " field must be a string."}
		}
		if r.judge != nil {
			return r.judge(text)
		}
	}
	return nil
}

// extra adds every field of the input that is not one of allowed.
func (p problems) extra(c *call, allowed ...string) {
	for field := range c.input {
		if !slices.Contains(allowed, field) {
			p[field] = append(p[field], notAllowed)
		}
	}
}

var (
	namePattern        = regexp.MustCompile(`^[\p{L}\p{M}\p{N}\s\p{Z}\-_.@/&()#,:+]+$`)
	descriptionPattern = regexp.MustCompile(`^[\p{L}\p{M}\p{N}\s\p{Z}\-_.,!?()'"+=*@/&]+$`)
	branchPattern      = regexp.MustCompile(`^[a-zA-Z0-9\-_/.]+$`)
	directoryPattern   = regexp.MustCompile(`^/([a-zA-Z0-9._\-/~@+]*)?$`) // lets .. through, as Coolify does
	filePattern        = regexp.MustCompile(`^/[a-zA-Z0-9._\-/~@+]+$`)
	portsPattern       = regexp.MustCompile(`^(\d+)(,\d+)*$`)
	commitPattern      = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._\-/]*$`)
	networkPattern     = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9._-]*$`)
	sshURLPattern      = regexp.MustCompile(`^git@[a-zA-Z0-9.\-]+:[a-zA-Z0-9\-_/.~]+$`)
	gitURLPattern      = regexp.MustCompile(`^git://[a-zA-Z0-9.\-]+(:[0-9]+)?[:/][a-zA-Z0-9\-_/.~]+$`)
	gitPathPattern     = regexp.MustCompile(`^[a-zA-Z0-9\-_/.@~]*$`)
	keyPattern         = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.]*$`)
)

func nameRule(required bool) rule {
	return rule{field: "name", required: required, nullable: !required, kind: "string", judge: func(name string) []string {
		var out []string
		if utf8.RuneCountInString(name) < 3 {
			out = append(out, "The name must be at least 3 characters.")
		}
		if utf8.RuneCountInString(name) > 255 {
			out = append(out, "The name may not be greater than 255 characters.")
		}
		if !namePattern.MatchString(name) {
			out = append(
				out,
				"The name may only contain letters (including Unicode), numbers, spaces, and these characters: - _ . "+
					"/ @ & ( ) # , : +",
			)
		}
		return out
	}}
}

var descriptionRule = rule{field: "description", nullable: true, kind: "string", judge: func(text string) []string {
	var out []string
	if utf8.RuneCountInString(text) > 255 {
		out = append(out, "The description may not be greater than 255 characters.")
	}
	if !descriptionPattern.MatchString(text) {
		out = append(out, "The description may only contain letters (including Unicode), numbers, spaces, and common "+
			"punctuation: "+
			`- _ . , ! ? ( ) ' " + = * / @ &`)
	}
	return out
}}

func boolean(field string) rule { return rule{field: field, kind: "boolean"} }

// limited is a string of at most n characters.
func limited(field string, n int, nullable bool) rule {
	return matching(field, n, nullable, nil)
}

// matching is a string of at most n characters of a pattern.
func matching(field string, n int, nullable bool, pattern *regexp.Regexp) rule {
	return rule{field: field, nullable: nullable, kind: "string", judge: func(text string) []string {
		var out []string
		if utf8.RuneCountInString(text) > n {
			out = append(out, "The "+spoken(field)+" field must not be greater than "+strconv.Itoa(n)+" characters.")
		}
		if pattern != nil && !pattern.MatchString(text) {
			out = append(out, "The "+spoken(field)+" field format is invalid.")
		}
		return out
	}}
}

var branchRule = rule{field: "git_branch", kind: "string", judge: func(branch string) []string {
	switch {
	case strings.ContainsAny(branch, ";|&$`(){}<>\"'\\!*?[]~^: #\n\r"):
		return []string{"The git branch contains invalid characters."}
	case strings.Contains(branch, ".."), strings.Contains(branch, "//"):
		return []string{"The git branch contains invalid patterns."}
	case strings.HasPrefix(branch, "/"), strings.HasSuffix(branch, "/"), strings.HasPrefix(branch, "."), strings.HasSuffix(branch, "."):
		return []string{"The git branch cannot start or end with / or ."}
	case !branchPattern.MatchString(branch):
		return []string{"The git branch contains invalid characters. Only letters, numbers, hyphens, underscores, " +
			"forward slashes, and dots are allowed."}
	case branch == "HEAD":
		return []string{"The git branch cannot be HEAD."}
	}
	return nil
}}

// repositoryRule is that of a new application; a change may say anything.
var repositoryRule = rule{field: "git_repository", required: true, kind: "string", judge: func(address string) []string {
	const name = "The git repository "
	u, err := url.Parse(address)
	isHTTP := strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://")
	switch {
	case strings.ContainsAny(address, ";|&$`(){}[]<>\"'\\!?*^%=+#"):
		return []string{name + "contains invalid characters."}
	case strings.Contains(address, "../"):
		return []string{name + "contains invalid patterns."}
	case strings.HasPrefix(address, "git@"):
		if !sshURLPattern.MatchString(address) {
			return []string{name + "is not a valid SSH repository URL."}
		}
	case strings.HasPrefix(address, "git://"):
		if !gitURLPattern.MatchString(address) {
			return []string{name + "is not a valid git:// URL."}
		}
	case !isHTTP:
		return []string{name + "must start with https://, http://, git://, or git@."}
	case err != nil || u.Host == "":
		return []string{name + "is not a valid URL."}
	case net.ParseIP(u.Hostname()) != nil:
		return []string{name + "cannot use IP addresses."}
	case u.Hostname() == "localhost" || strings.HasSuffix(u.Hostname(), ".local"):
		return []string{name + "cannot point to internal hosts."}
	case !gitPathPattern.MatchString(u.Path):
		return []string{name + "path contains invalid characters."}
	}
	return nil
}}

var buildPackRule = rule{field: "build_pack", kind: "string", judge: func(pack string) []string {
	if !slices.Contains([]string{"nixpacks", "static", "dockerfile", "dockercompose", "railpack"}, pack) {
		return []string{"The selected build pack is invalid."}
	}
	return nil
}}
