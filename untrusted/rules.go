package untrusted

import (
	"bytes"
	"regexp"
	"strings"
)

// A rule finds credentials by their shape, in one line. Its first group is what
// is hidden.
type rule struct {
	hint string // lower case; a text and a line without it are not looked at
	re   *regexp.Regexp
}

var userPassword = regexp.MustCompile(`://[^\s/:@"'<>]*:([^\s/"'<>]+)@`)

var rules = append([]rule{
	// Our own keys, also when something was cut off.
	{ownKey, regexp.MustCompile(`(vibn_sk_[0-9A-Za-z]{16,})`)},
	// Coolify's tokens: row number, bar, 40 random characters, on newer versions 8 of checksum.
	{"|", regexp.MustCompile(`([0-9]+\|[0-9A-Za-z]{40,})`)},
	// Gitea's tokens look like commits; only the word in front tells.
	{"token", regexp.MustCompile(`(?i)token[^0-9A-Za-z]{1,12}([0-9a-f]{40})\b`)},
	{
		"authorization",
		regexp.MustCompile(`(?i)authorization["'\\]*\s*[:=,]\s*["'\\]*(\[?["'\\]*(?:[a-z][a-z-]*[ \t]+)?[^\s"'\\]+)`),
	},
	{"bearer", regexp.MustCompile(`(?i)\bbearer\s+([0-9A-Za-z._~+/=-]{8,})`)},
	// The password in a URL; it may hold an @, but no slash.
	{"://", userPassword},
	// A token in place of the user.
	{"://", regexp.MustCompile(`://([^\s/:@"'<>]{20,})@`)},
}, tokenRules()...)

// byShape appends to hits what the rules find in text.
func byShape(text string, hits []span) []span {
	hits = privateKeys(text, hits)
	whole, active := strings.ToLower(text), make([]rule, 0, len(rules))
	for _, r := range rules {
		if strings.Contains(whole, r.hint) {
			active = append(active, r)
		}
	}
	start := 0
	for line := range strings.SplitAfterSeq(text, "\n") {
		hits = chatTokens(line, start, hits)
		lower := strings.ToLower(line)
		for _, r := range active {
			if !strings.Contains(lower, r.hint) {
				continue
			}
			for _, m := range r.re.FindAllStringSubmatchIndex(line, -1) {
				hits = hit(hits, span{offset(start + m[2]), offset(start + m[3])})
			}
		}
		start += len(line)
	}
	return hits
}

// The shape of our own keys; see tenancy.NewKey.
const (
	ownKey     = "vibn_sk_"
	ownKeyBody = 49 // base62 characters
)

// ownKeys appends to hits the whole keys of ours that a view shows, which the
// rules cannot see when they are packed or broken over lines.
func ownKeys(v *view, kept []byte, index []int32, hits []span) []span {
	for i := 0; ; i++ {
		k := bytes.Index(kept[i:], []byte(ownKey))
		if k < 0 {
			return hits
		}
		i += k
		end := i + len(ownKey)
		for end < len(kept) && end < i+len(ownKey)+ownKeyBody && base62Byte(kept[end]) {
			end++
		}
		if end == i+len(ownKey)+ownKeyBody {
			hits = hit(hits, span{v.at[index[i]].from, v.at[index[end-1]].to})
		}
	}
}

func base62Byte(c byte) bool { return c != '_' && c < 0x80 && wordByte(c) }
