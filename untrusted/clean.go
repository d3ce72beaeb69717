package untrusted

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The lengths, in runes, that cleaned text is cut to.
const (
	MaxText = 500  // a name, a message: what [Clean] and [Text] give
	MaxLine = 2000 // a line of a log: what [CleanLines] and [Scrubber.Lines] give
)

const (
	ellipsis = "..." // ASCII, so that it shows in every terminal
	tab      = "    "
)

// Clean returns s as one line that is safe to show: valid UTF-8 without control
// characters, terminal escape sequences, bidi controls and invisible
// characters. Runs of white space become one space, the ends are trimmed, and
// what is longer than [MaxText] runes is cut and ends in "...".
func Clean(s string) string { return short(oneLine(s), MaxText) }

// CleanLines returns the lines of a block, each cleaned as by [Clean], except
// that white space inside and in front stays (a tab becomes four spaces) and
// that the limit is [MaxLine]. Lines end at \n, \r\n, U+0085, U+2028, U+2029,
// and at a lone \r, which a terminal would use to write over the line. Blank
// lines at the end are dropped; the result is never nil.
func CleanLines(s string) []string { return shortLines(cleanLines(s)) }

func oneLine(s string) string { return strings.Join(strings.Fields(strip(s)), " ") }

var lineBreaks = strings.NewReplacer("\r\n", "\n", "\r", "\n", "\u0085", "\n", "\u2028", "\n", "\u2029", "\n")

func cleanLines(s string) []string {
	lines := strings.Split(lineBreaks.Replace(s), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(strip(strings.ReplaceAll(line, "\t", tab)), " ")
	}
	end := len(lines)
	for end > 0 && lines[end-1] == "" {
		end--
	}
	return lines[:end]
}

func shortLines(lines []string) []string {
	out := slices.Clone(lines)
	for i, line := range lines {
		out[i] = short(line, MaxLine)
	}
	return out
}

// short cuts s to at most limit runes.
func short(s string, limit int) string {
	if len(s) <= limit || utf8.RuneCountInString(s) <= limit {
		return s
	}
	end := 0
	for range limit - len(ellipsis) {
		_, n := utf8.DecodeRuneInString(s[end:])
		end += n
	}
	return s[:end] + ellipsis
}

// strip returns s without escape sequences and without the characters that are
// not shown; white space of every kind becomes a plain space.
func strip(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		if n := escapeSequence(s[i:]); n > 0 {
			i += n
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		switch {
		case unicode.IsSpace(r):
			b.WriteByte(' ')
		case shown(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hidden are characters that Unicode counts as letters, marks or symbols but
// that leave nothing on the screen: fillers, variation selectors, blanks.
var hidden = []*unicode.RangeTable{
	unicode.Other_Default_Ignorable_Code_Point,
	unicode.Variation_Selector,
	{
		R16: []unicode.Range16{{Lo: 0x2800, Hi: 0x2800, Stride: 1}}, // braille blank
		R32: []unicode.Range32{
			{Lo: 0x16FE4, Hi: 0x16FE4, Stride: 1}, // Khitan filler
			{Lo: 0x1D159, Hi: 0x1D159, Stride: 1}, // null notehead
		},
	},
}

// shown reports whether r may be shown. U+FFFD, which stands for broken UTF-8,
// may not; nor may unassigned and private characters, whose looks nobody knows.
func shown(r rune) bool {
	if r < utf8.RuneSelf {
		return ' ' <= r && r <= '~'
	}
	return r != utf8.RuneError && unicode.IsPrint(r) && !unicode.In(r, hidden...)
}

const (
	bel = 0x07
	can = 0x18
	sub = 0x1A
	esc = 0x1B
)

// escapeSequence returns the length of the terminal escape sequence that s
// begins with (ECMA-48, in its 7-bit form and its 8-bit form in UTF-8); 0 if it
// begins with none.
func escapeSequence(s string) int {
	if len(s) < 2 {
		return 0
	}
	kind := s[1]
	switch {
	case s[0] == 0xC2 && 0x80 <= kind && kind < 0xA0:
		kind -= 0x40 // U+0080 … U+009F say in one character what ESC and this one say
	case s[0] != esc:
		return 0
	}
	switch kind {
	case '[':
		return 2 + controlLength(s[2:])
	case ']', 'P', 'X', '^', '_':
		return 2 + stringLength(s[2:])
	}
	if s[0] != esc {
		return 0 // an ordinary control character
	}
	return 1 + plainLength(s[1:])
}

// controlLength measures what follows CSI: parameters and one final byte.
func controlLength(s string) int {
	n := 0
	for n < len(s) && 0x20 <= s[n] && s[n] <= 0x3F {
		n++
	}
	if n < len(s) && 0x40 <= s[n] && s[n] <= 0x7E {
		n++
	}
	return n
}

// stringLength measures what follows OSC, DCS, SOS, PM or APC: all up to BEL or
// ST. Without an end it goes as far as the line.
func stringLength(s string) int {
	for i := range len(s) {
		switch s[i] {
		case bel, can, sub:
			return i + 1
		case '\n', '\r':
			return i
		case esc:
			if strings.HasPrefix(s[i+1:], `\`) {
				return i + 2
			}
			return i
		case 0xC2:
			if strings.HasPrefix(s[i:], "\u009c") {
				return i + 2
			}
		}
	}
	return len(s)
}

// plainLength measures what follows ESC in the other sequences: intermediate
// bytes and one final byte.
func plainLength(s string) int {
	n := 0
	for n < len(s) && 0x20 <= s[n] && s[n] <= 0x2F {
		n++
	}
	if n < len(s) && 0x30 <= s[n] && s[n] <= 0x7E {
		n++
	}
	return n
}
