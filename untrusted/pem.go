package untrusted

import (
	"regexp"
	"strings"
)

// pemMark matches what stands around a private key in PEM; its group says which side.
var pemMark = regexp.MustCompile(`-----(BEGIN|END) [0-9A-Z ]{0,40}PRIVATE KEY(?: BLOCK)?-----`)

// pemLine matches a line that may be a part of a key, with the time or a name before it.
var pemLine = regexp.MustCompile(`[0-9A-Za-z+/]{16}`)

// maxPEM limits how many bytes of text are taken for one key: the longest ones have 13,000,
// to which a log adds a time on each line.
const maxPEM = 24 << 10

// privateKeys appends to hits the private keys in text, with all that stands between their
// marks. If one of the marks was cut off, the lines on the other's side that look like a
// part of a key are hidden.
func privateKeys(text string, hits []span) []span {
	if !strings.Contains(text, "PRIVATE KEY") {
		return hits
	}
	marks := pemMark.FindAllStringSubmatchIndex(text, -1)
	for i := 0; i < len(marks); i++ {
		from, to := marks[i][0], marks[i][1]
		switch {
		case text[marks[i][2]] == 'E':
			from = keyBefore(text, from)
		case i+1 < len(marks) && text[marks[i+1][2]] == 'E' && marks[i+1][1]-from <= maxPEM:
			i++
			to = marks[i][1]
		default:
			to = keyAfter(text, to)
		}
		hits = append(hits, span{offset(from), offset(to)})
	}
	return hits
}

// keyAfter returns the end of what may be a key that goes on at byte at.
func keyAfter(text string, at int) int {
	end := at
	for line := range strings.SplitAfterSeq(text[at:], "\n") {
		if end > at && (!pemLine.MatchString(line) || end-at > maxPEM) {
			break
		}
		end += len(line)
	}
	return len(strings.TrimSuffix(text[:end], "\n"))
}

// keyBefore returns the start of what may be a key that ends at byte at.
func keyBefore(text string, at int) int {
	from := strings.LastIndexByte(text[:at], '\n') + 1
	for lines := 0; from > 0 && at-from < maxPEM; lines++ {
		before := strings.LastIndexByte(text[:from-1], '\n') + 1
		if lines > 0 && !pemLine.MatchString(text[before:from]) { // a key's last line may be short
			break
		}
		from = before
	}
	return from
}
