package untrusted

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/vibnai/vibn-mcp/secret"
)

// What a [Scrubber] takes on. A tenant chooses both the values and the text, so
// both have limits; within them the time is linear.
const (
	MaxValues     = 2000      // different values
	MaxValueLen   = 128 << 10 // bytes of one value; Linux takes no longer variable either
	MaxValueBytes = 288 << 10 // of all values together
	MaxScrubBytes = 1 << 20   // of one text
	maxPatterns   = 1 << 20   // bytes of the values and their parts, in each form
	maxReadings   = 24 << 20  // bytes of all readings of a text in one pass
	maxDepth      = 2         // of encodings in each other
	maxPasses     = 5         // over a text, until nothing more is found
)

// ErrTooMuch means that the values or the text are over a limit, so that the
// text was not searched. It must be withheld.
var ErrTooMuch = errors.New("too much to search for secrets")

const redacted = "[redacted]"

// A Scrubber replaces secrets in text by "[redacted]": those that it was told
// with [Scrubber.Add], and whatever has the shape of a credential (our own keys,
// Coolify's tokens, Gitea's tokens after the word "token", Authorization
// headers, bearer tokens, passwords in URLs).
//
// A secret is found as it is; quoted or escaped for a shell, JSON, a URL or
// HTML; in base64 (both alphabets, at any offset) and in hex, where the whole
// run is replaced; each of these once more inside another; and each of them
// broken over lines. For that, white space, quotes, backslashes, $ and + do not
// count when a secret is compared. It is not found where other text stands in
// its middle, such as the time at the start of each line of a log.
//
// The replacement says neither which secret it was nor how long. The set must
// hold values of one workspace only. A Scrubber may be used by several
// goroutines; the zero Scrubber knows no secret but the shapes.
type Scrubber struct {
	mu       sync.Mutex
	patterns map[string]pattern // by skeleton
	seen     map[seen]bool
	bytes    int // of the values in seen
	spent    int // bytes of the patterns
	over     bool
	built    *matcher // nil after a change
}

type seen struct {
	value  string
	naming naming
}

// NewScrubber returns a Scrubber that knows no secret but the shapes.
func NewScrubber() *Scrubber { return &Scrubber{} }

const (
	minSecret = 8  // bytes of a secret under any name
	minWord   = 4  // bytes of one under a name that says so; and bytes that count in any
	maxWhole  = 64 // bytes of a secret of which fewer than minSecret count
	around    = " \t\r\n'\""
)

// Add makes the value of a variable a secret, or not. White space and quotes
// around it are not part of it.
//
//   - A value of 8 bytes or more always is one, except the few that everybody
//     knows, such as "production" and "localhost"; these only under a name that
//     says that it is secret (PASS, TOKEN, KEY, PIN …).
//   - A value of 4 to 7 bytes without white space is one under such a name only,
//     unless everybody knows it, or it is a number and the name says that it counts
//     something, as TOKEN_TTL does. It is replaced where it stands as a word by itself.
//   - A shorter value never is: to replace "1" would destroy the log, and tell it.
//     Nor is one of which fewer than 4 bytes count (see [Scrubber]).
//
// Each line of a value, a field of JSON and a setting of a connection string
// (Key=Value;) in it are secrets by the same rules, under their own names. So is
// the password of a URL in it, unless everybody knows it. Once the values are
// over a limit, Scrub, Lines and Text return [ErrTooMuch].
func (s *Scrubber) Add(name string, value secret.Text) {
	v, n := trimmed(value.Reveal()), namingOf(name)
	if harmless(v, n) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.seen[seen{v, n}] {
		return
	}
	s.bytes += len(v)
	s.over = s.bytes > MaxValueBytes || len(v) > MaxValueLen || len(s.seen) == MaxValues
	if s.over {
		return
	}
	if s.seen == nil {
		s.seen, s.patterns = map[seen]bool{}, map[string]pattern{}
	}
	s.seen[seen{v, n}] = true
	s.built = nil
	s.addValue(v, n)
	s.addParts(name, v, maxPartDepth)
}

// Hides reports whether [Scrubber.Add] makes a value, or a part of it, a secret.
func Hides(name string, value secret.Text) bool {
	s := NewScrubber()
	s.Add(name, value)
	return s.over || len(s.patterns) > 0
}

func trimmed(v string) string { return strings.Trim(strings.ToValidUTF8(v, ""), around) }

// harmless reports whether a value is none that is looked for.
func harmless(v string, n naming) bool {
	return len(v) < minWord || n != secretive && ordinary[strings.ToLower(v)]
}

func (s *Scrubber) addParts(name, v string, depth int) {
	if depth == 0 || s.over {
		return
	}
	for _, p := range partsOf(v) {
		p.name, p.value = cmp.Or(p.name, name), trimmed(p.value)
		if n := namingOf(p.name); !harmless(p.value, n) {
			s.addValue(p.value, n)
			s.addParts(p.name, p.value, depth-1)
		}
	}
}

func (s *Scrubber) addValue(v string, n naming) {
	s.addPattern(strip(v), n) // as it looks in cleaned text
	for _, v := range forms(v) {
		s.addPattern(v, n)
		for line := range strings.Lines(v) {
			if len(line) >= minSecret {
				s.addPattern(line, plain)
			}
		}
	}
	for _, password := range passwords(v) {
		for _, password := range forms(password) {
			if !guessable(password, secretive) {
				s.addPattern(password, secretive)
			}
		}
	}
}

func (s *Scrubber) addPattern(v string, n naming) {
	kept, _ := skeleton([]byte(v))
	p := pattern{skeleton: string(kept)}
	if len(kept) < minSecret {
		p.whole = strings.Trim(oneLine(v), around)
		p.alone = len(p.whole) < minSecret
	}
	switch {
	case len(kept) < minWord || len(p.whole) > maxWhole:
		return
	case p.alone && (n == plain || guessable(p.whole, n)):
		return
	case strings.Contains(redacted, p.skeleton):
		return // it would be found in what it is replaced by
	}
	old, ok := s.patterns[p.skeleton]
	if ok {
		s.patterns[p.skeleton] = p.with(&old)
		return
	}
	s.spent += len(kept)
	s.over = s.over || s.spent > maxPatterns
	s.patterns[p.skeleton] = p
}

// Scrub returns text with the secrets replaced. It expects text that is clean,
// as [CleanLines] gives; in other text a secret with escape sequences in it is
// not found. Line breaks stay where they are. What Scrub returns it returns
// unchanged when asked again. It fails with [ErrTooMuch].
func (s *Scrubber) Scrub(text string) (string, error) {
	if len(text) > MaxScrubBytes {
		return "", ErrTooMuch
	}
	return s.scrub(text)
}

func (s *Scrubber) scrub(text string) (string, error) {
	m, err := s.matcher()
	if err != nil {
		return "", err
	}
	for range maxPasses {
		hits, err := search(m, text, maxReadings)
		if err != nil {
			return "", err
		}
		out := replace(text, hits)
		if out == text {
			return out, nil
		}
		text = out
	}
	return "", ErrTooMuch
}

// Lines cleans a block of text as [CleanLines] does, with the secrets replaced:
// there are as many lines, and each is at most [MaxLine] runes long. It fails
// with [ErrTooMuch].
func (s *Scrubber) Lines(raw string) ([]string, error) {
	if len(raw) > MaxScrubBytes {
		return nil, ErrTooMuch
	}
	lines := cleanLines(raw)
	if len(lines) == 0 {
		return lines, nil
	}
	text, err := s.scrub(strings.Join(lines, "\n"))
	if err != nil {
		return nil, err
	}
	return shortLines(strings.Split(text, "\n")), nil
}

// Text cleans a name or a message as [Clean] does, with the secrets replaced. It
// fails with [ErrTooMuch].
func (s *Scrubber) Text(raw string) (Text, error) {
	if len(raw) > MaxScrubBytes {
		return Text{}, ErrTooMuch
	}
	text, err := s.scrub(oneLine(raw))
	return Text{text}, err
}

func (s *Scrubber) matcher() (*matcher, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return nil, ErrTooMuch
	}
	if s.built == nil {
		s.built = newMatcher(slices.Collect(maps.Values(s.patterns)))
	}
	return s.built, nil
}

// search returns where secrets stand in text, in order and without overlap. It
// reads at most budget bytes.
func search(m *matcher, text string, budget int) ([]span, error) {
	hits, err := m.read(joined(text), maxDepth, &budget)
	if err != nil {
		return nil, err
	}
	hits = byShape(text, hits)
	slices.SortFunc(hits, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var union []span
	for _, h := range hits {
		union = hit(union, h)
	}
	return union, nil
}

// read finds the secrets in a view, and in what it holds encoded.
func (m *matcher) read(v view, depth int, budget *int) ([]span, error) {
	if *budget -= len(v.b); *budget < 0 {
		return nil, ErrTooMuch
	}
	kept, index := skeleton(v.b)
	hits := m.find(&v, kept, index, nil)
	hits = ownKeys(&v, kept, index, hits)
	if depth == 0 {
		return hits, nil
	}
	for _, decode := range decoders {
		inner, ok := decode(v)
		if !ok {
			continue
		}
		more, err := m.read(inner, depth-1, budget)
		if err != nil {
			return nil, err
		}
		hits = append(hits, more...)
	}
	return hits, nil
}

// replace writes "[redacted]" over the hits, once for each line that they touch.
func replace(text string, hits []span) string {
	var b strings.Builder
	end := int32(0)
	for _, h := range hits {
		b.WriteString(text[end:h.from])
		end = h.to
		for line := range strings.Lines(text[h.from:h.to]) {
			if strings.TrimSpace(line) != "" {
				b.WriteString(redacted)
			}
			if strings.HasSuffix(line, "\n") {
				b.WriteByte('\n')
			}
		}
	}
	b.WriteString(text[end:])
	return b.String()
}
