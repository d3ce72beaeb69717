package clients

import (
	"errors"
	"regexp"
	"strings"
)

// What an edit can come to besides a new text.
var (
	errOthers  = errors.New("it has its own \"vibn\" entry, or is not valid")
	errMarkers = errors.New("its lines \"vibn: begin\" and \"vibn: end\" are not exactly one pair")
	errNothing = errors.New("nothing is left")
)

// member is the name that every client knows the server by.
const member = "vibn"

// editJSON puts the member "vibn" with the value entry into the object that the
// text has under the name container, or with an empty entry takes it out. Every
// other byte stays as it is, comments and commas at the end of a list too. A
// text that is not JSON that this can be done to gives [errOthers]; one of which
// nothing would be left gives [errNothing]. Taking out what was put in gives the
// text that was there before: how a new member is set apart tells which it was.
//
// edit_json.awk does the same in the shell, and a test holds the two together.
func editJSON(text, container, entry string) (string, error) {
	whole := `"` + container + "\": {\n    \"" + member + `": ` + entry + "\n  }"
	if text == "" {
		if entry == "" {
			return "", nil
		}
		return "{\n  " + whole + "\n}", nil
	}
	s := &scanner{text: text, container: container}
	root, inner, ok := s.document()
	switch {
	case !ok:
		return "", errOthers
	case entry == "":
		return takeOut(text, root, inner)
	case inner.found:
		return text[:inner.from] + entry + text[inner.to:], nil
	case root.found:
		return inner.put(text, "\n    ", `"`+member+`": `+entry), nil
	}
	return root.put(text, "\n  ", whole), nil
}

// A place is what a scanner notes of an object, and of the member of it that is
// looked for. Positions are offsets into the text.
type place struct {
	open, close int // after "{", before "}"
	members     int
	found       bool
	start       int // of the member
	from, to    int // of its value
	after       int // the end of the "{" or "," before it
	comma, next int // the commas before and behind it; -1 = none
}

// put inserts a member at the front, so that no comma at the end and no comment
// is in the way.
func (p place) put(text, space, member string) string {
	if p.members > 0 {
		return text[:p.open] + space + member + "," + text[p.open:]
	}
	return text[:p.open] + " " + member + text[p.open:]
}

// lead is the white space before the member, if nothing else is there.
func (p place) lead(text string) string {
	if s := text[p.after:p.start]; strings.Trim(s, " \t\r\n") == "" {
		return s
	}
	return ""
}

// cut returns the text without the member.
func (p place) cut(text string) string {
	start := p.start - len(p.lead(text))
	switch {
	case p.next >= 0:
		return text[:start] + text[p.to:p.next] + text[p.next+1:]
	case p.comma >= 0:
		return text[:p.comma] + text[p.comma+1:start] + text[p.to:]
	}
	return text[:start] + text[p.to:]
}

func takeOut(text string, root, inner place) (string, error) {
	if !inner.found {
		return text, nil
	}
	if inner.members > 1 || inner.lead(text) != "\n    " || text[inner.to:inner.close] != "\n  " {
		return inner.cut(text), nil
	}
	if root.open == 1 && root.members == 1 && root.lead(text) == "\n  " {
		switch text[root.to:] {
		case "\n}\n":
			return "", errNothing
		case "\n}":
			return "", nil
		}
	}
	return root.cut(text), nil
}

// A scanner reads JSON with comments as far as an edit needs it.
type scanner struct {
	text      string
	container string
	p         int
	bad       bool
	inner     place
}

// document reads the whole text.
func (s *scanner) document() (root, inner place, ok bool) {
	if strings.HasPrefix(s.text, "\ufeff") {
		s.p = len("\ufeff")
	}
	if s.skip() != '{' {
		return root, inner, false
	}
	root = s.object(s.container)
	return root, s.inner, s.skip() == 0 && !s.bad
}

// fail ends the reading: nothing follows.
func (s *scanner) fail() {
	s.bad = true
	s.p = len(s.text)
}

// peek returns the next byte, and 0 at the end.
func (s *scanner) peek() byte {
	if s.p < len(s.text) {
		return s.text[s.p]
	}
	return 0
}

// step goes one byte on, but not beyond the end.
func (s *scanner) step() { s.p = min(s.p+1, len(s.text)) }

// skip steps over white space and comments, and returns the next byte.
func (s *scanner) skip() byte {
	for {
		rest := s.text[s.p:]
		switch {
		case rest == "":
			return 0
		case strings.IndexByte(" \t\r\n", rest[0]) >= 0:
			s.p++
		case strings.HasPrefix(rest, "//"):
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				s.p += n + 1
			} else {
				s.p = len(s.text)
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				s.fail()
				return 0
			}
			s.p += n + 4
		case rest[0] == '/', rest[0] == 0:
			s.fail()
			return 0
		default:
			return rest[0]
		}
	}
}

// str steps over a string and returns what is between its quotes.
func (s *scanner) str() string {
	s.p++
	from := s.p
	for ; s.p < len(s.text); s.p++ {
		switch s.text[s.p] {
		case '\\':
			s.p++
		case '"':
			s.p++
			return s.text[from : s.p-1]
		case '\n':
			s.fail()
			return ""
		}
	}
	s.fail()
	return ""
}

var scalar = regexp.MustCompile(`^[-0-9a-zA-Z][-+.0-9a-zA-Z]*`)

func (s *scanner) value() {
	switch s.peek() {
	case '{':
		s.object("")
	case '[':
		s.array()
	case '"':
		s.str()
	default:
		n := len(scalar.FindString(s.text[s.p:]))
		if n == 0 {
			s.fail()
		}
		s.p += n
	}
}

func (s *scanner) array() {
	s.p++
	for more := true; !s.bad && s.skip() != ']'; {
		if !more {
			s.fail()
			return
		}
		s.value()
		if more = s.skip() == ','; more {
			s.p++
		}
	}
	s.step()
}

// object steps over an object and notes where it is and, if want is not empty,
// its member of that name: for the container, also what is in it.
func (s *scanner) object(want string) place {
	s.p++
	o := place{open: s.p, comma: -1, next: -1}
	last, comma := s.p, -1
	for ; !s.bad; o.members++ {
		c := s.skip()
		if c == '}' {
			break
		}
		if c != '"' || (o.members > 0 && comma < 0) {
			s.fail()
			break
		}
		m := place{start: s.p, after: last, comma: comma, next: -1}
		key := s.str()
		if s.skip() != ':' || (want != "" && strings.Contains(key, `\u`)) {
			s.fail()
			break
		}
		s.p++
		c = s.skip()
		m.from = s.p
		if want == "" || key != want {
			s.value()
		} else if !s.wanted(o, c, want) {
			s.fail()
			break
		}
		m.to = s.p
		if comma = -1; s.skip() == ',' {
			comma, m.next = s.p, s.p
			s.p++
			last = s.p
		}
		if want != "" && key == want {
			m.open, m.members, m.found = o.open, o.members, true
			o = m
		}
	}
	o.close = s.p
	s.step()
	return o
}

// wanted steps over the value of the member that is looked for. There must be
// one only, and the container must be an object.
func (s *scanner) wanted(o place, c byte, want string) bool {
	switch {
	case o.found || (want == s.container && c != '{'):
		return false
	case want == s.container:
		s.inner = s.object(member)
	default:
		s.value()
	}
	return true
}

// ownLine matches the lines of ours in a file without markers.
var ownLine = regexp.MustCompile(`^(export[ \t]+)?VIBN_(URL|WORKSPACE|API_KEY)=`)

// takenLine matches lines of TOML that define what our lines define.
var takenLine = regexp.MustCompile(`^[ \t]*\[*[ \t]*["']?mcp_servers["']?[ \t]*\.[ \t]*["']?vibn["']?[ \t]*[\].=]` +
	`|^[ \t]*["']?mcp_servers["']?[ \t]*=|^[ \t]*["']?vibn["']?[ \t]*[.=]`)

// A block is lines of ours in a file: those from begin to end, both included, or
// without them those that set our variables.
type block struct {
	begin, end string
	toml       bool
}

// edit puts body in place of the block's lines, or at the end of the text; with
// remove it takes them out. Every other byte stays as it is, and what ended in a
// newline still does. [errOthers], [errMarkers] and [errNothing] say why not.
//
// edit_lines.awk does the same in the shell, and a test holds the two together.
func (b block) edit(text string, body []string, remove bool) (string, error) {
	ended := strings.HasSuffix(text, "\n")
	var lines []string
	if text != "" {
		lines = strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	}
	own, err := b.own(lines)
	if err != nil {
		return "", err
	}
	var out []string
	done := remove
	for i, line := range lines {
		switch {
		case own[i] && !done:
			out = append(out, body...)
			done = true
		case own[i]:
		case b.toml && !remove && takenLine.MatchString(strings.TrimSuffix(line, "\r")):
			return "", errOthers
		default:
			out = append(out, line)
		}
	}
	if !done {
		out = append(out, body...)
	}
	switch {
	case len(out) == 0 && ended:
		return "", errNothing
	case ended:
		out = append(out, "")
	}
	return strings.Join(out, "\n"), nil
}

// own says which lines are ours.
func (b block) own(lines []string) ([]bool, error) {
	own := make([]bool, len(lines))
	var inside, seen bool
	for i, line := range lines {
		line = strings.TrimSuffix(line, "\r")
		switch {
		case b.begin == "":
			own[i] = ownLine.MatchString(line)
		case line == b.begin:
			if seen {
				return nil, errMarkers
			}
			own[i], inside, seen = true, true, true
		case line == b.end:
			if !inside {
				return nil, errMarkers
			}
			own[i], inside = true, false
		default:
			own[i] = inside
		}
	}
	if inside {
		return nil, errMarkers
	}
	return own, nil
}

// holds reports whether the line stands in the block of a text.
func (b block) holds(text, line string) bool {
	lines := strings.Split(text, "\n")
	own, err := b.own(lines)
	if err != nil {
		return false
	}
	for i, l := range lines {
		if own[i] && strings.TrimSuffix(l, "\r") == line {
			return true
		}
	}
	return false
}
