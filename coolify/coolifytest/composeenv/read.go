// Package composeenv reads files of variables as Docker Compose does, whose parser its
// tests hold it against. The program has it for the simulator of Coolify in its demo, which
// is not to bring Docker Compose's packages with it.
package composeenv

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
)

// A Lookup finds variables by their names.
type Lookup func(name string) (value string, found bool)

// In looks names up in a map.
func In(m map[string]string) Lookup {
	return func(name string) (string, bool) { value, found := m[name]; return value, found }
}

// Read reads a file of variables as docker compose does. Names in unquoted
// values are looked up in its own environment first.
func Read(text string, own Lookup) (map[string]string, error) {
	r := reader{rest: text, line: 1, own: own, out: map[string]string{}}
	for r.skip(); r.rest != ""; r.skip() {
		key, assigned, err := r.key()
		if err != nil {
			return nil, err
		}
		if !assigned {
			if value, found := own(key); found {
				r.out[key] = value
			}
			continue
		}
		if r.out[key], err = r.value(); err != nil {
			return nil, err
		}
	}
	return r.out, nil
}

type reader struct {
	rest string
	line int
	own  Lookup
	out  map[string]string
}

func (r *reader) fail(format string, args ...any) error {
	return fmt.Errorf("line %d: %s", r.line, fmt.Sprintf(format, args...))
}

// skip goes to what is neither white space nor a comment.
func (r *reader) skip() {
	for {
		left := strings.TrimLeftFunc(r.rest, unicode.IsSpace)
		r.line += strings.Count(r.rest[:len(r.rest)-len(left)], "\n")
		if r.rest = left; !strings.HasPrefix(left, "#") {
			return
		}
		r.rest = left[len(firstLine(left)):]
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// blank is white space within a line.
func blank(r rune) bool { return strings.ContainsRune("\t\v\f\r \u0085\u00a0", r) }

var exportPrefix = regexp.MustCompile(`^export\s+`)

// key reads a name and what ends it; assigned is false for a name alone in its line.
func (r *reader) key() (key string, assigned bool, err error) {
	if exportPrefix.MatchString(r.rest) {
		r.rest = strings.TrimLeftFunc(strings.TrimPrefix(r.rest, "export"), blank)
	}
	if r.rest == "" {
		return "", false, errors.New("zero length string")
	}
	assigned = true
	for i, c := range r.rest {
		if blank(c) || unicode.IsLetter(c) || unicode.IsNumber(c) || strings.ContainsRune("_.-[]", c) {
			continue
		}
		if !strings.ContainsRune("=:\n", c) {
			return "", false, r.fail("unexpected character %q in variable name %q", string(c), firstLine(r.rest))
		}
		key, r.rest, assigned = r.rest[:i], r.rest[i+1:], c != '\n'
		break
	}
	if !assigned && !strings.Contains(key, " ") {
		r.line++
	}
	r.rest = strings.TrimLeftFunc(r.rest, blank)
	if key = strings.TrimRightFunc(key, unicode.IsSpace); strings.Contains(key, " ") {
		return "", false, r.fail("key cannot contain a space")
	}
	return key, assigned, nil
}

// ErrDoubleQuotes is returned for a value in double quotes. Coolify begins no value with
// one, so how Docker Compose reads them is left out; only a broken file comes to it.
var ErrDoubleQuotes = errors.New("double quotes are not read here")

// value reads what stands after a name. In quotes a backslash takes the quote that
// follows it for a character; all else stays as it is.
func (r *reader) value() (string, error) {
	if r.rest == "" || r.rest[0] != '\'' && r.rest[0] != '"' {
		line, rest, _ := strings.Cut(r.rest, "\n")
		r.rest = rest
		r.line++
		line, _, _ = strings.Cut(line, " #")
		return r.expand(strings.TrimRightFunc(line, unicode.IsSpace))
	}
	quote, out := r.rest[0], strings.Builder{}
	for i := 1; i < len(r.rest); i++ {
		c := r.rest[i]
		escape := c == '\\' && i+1 < len(r.rest)
		switch {
		case c == quote:
			r.rest = r.rest[i+1:]
			if quote == '"' {
				return "", ErrDoubleQuotes
			}
			return out.String(), nil
		case escape && r.rest[i+1] == quote:
			i++
			out.WriteByte(quote)
		case escape && r.rest[i+1] == '\\':
			i++
			out.WriteString(`\\`)
		default:
			out.WriteByte(c)
		}
		r.line += strings.Count(r.rest[i:i+1], "\n")
	}
	return "", r.fail("unterminated quoted value %s", firstLine(r.rest))
}

// reference is what docker compose replaces in a value: $$, $NAME, ${NAME} and
// ${NAME:-word} with its kin. What is ${ and nothing more is an error.
var reference = regexp.MustCompile(`\$(?i:(\$)|([_a-z][_a-z0-9]*)|\{(?:([_a-z][_a-z0-9]*)(?:(:?[-+?])(.*))?\}|))`)

// expand replaces the names in a value. What follows a closed ${…} is part of its match,
// as the pattern is greedy, and comes after it.
func (r *reader) expand(text string) (string, error) {
	var failed error
	out := reference.ReplaceAllStringFunc(text, func(match string) string {
		value, err := r.replace(match)
		if failed == nil && err != nil {
			failed = err
		}
		return value
	})
	return out, failed
}

func (r *reader) replace(match string) (string, error) {
	match, rest := cutBraced(match)
	m := reference.FindStringSubmatch(match)
	if m == nil || m[0] == "${" {
		return "", fmt.Errorf("%s: %q", "Invalid template", match)
	}
	name, operator, word := m[2]+m[3], m[4], m[5]
	value, set := r.own(name)
	if !set {
		value, set = r.out[name]
	}
	filled := set && (value != "" || !strings.HasPrefix(operator, ":"))
	var err error
	switch {
	case m[1] != "":
		return "$", nil
	case strings.HasSuffix(operator, "-") && !filled, strings.HasSuffix(operator, "+") && filled:
		value, err = r.expand(word)
	case strings.HasSuffix(operator, "?") && !filled:
		return "", fmt.Errorf("required variable %s is missing a value: %s", name, word)
	}
	if err != nil {
		return "", err
	}
	after, err := r.expand(rest)
	return value + after, err
}

// cutBraced cuts after the brace that closes the first one.
func cutBraced(match string) (first, rest string) {
	open := 0
	for i, c := range match {
		switch c {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return match[:i+1], match[i+1:]
			}
		}
	}
	return match, ""
}
