package untrusted

import (
	"bytes"
	"html"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// A span is a half-open range of bytes in the text that is being scrubbed.
type span struct{ from, to int32 }

// offset is i as views keep it: there are many, and a text is short.
func offset(i int) int32 {
	return int32(i) //nolint:gosec // a text has at most MaxScrubBytes, four times as much with tabs
}

// A view is one reading of the text: as it is, or decoded. Each byte of it
// comes from a span of the text; spans may overlap, but never go back.
type view struct {
	b  []byte
	at []span
}

func (v *view) add(b byte, at span) {
	v.b = append(v.b, b)
	v.at = append(v.at, at)
}

// barrier separates parts of a view that do not belong together. No secret
// holds it, because it is never part of valid UTF-8.
const barrier = 0xFF

// joined is the text without its line breaks and the indentation after them, so
// that what was broken over lines is whole again.
func joined(text string) view {
	v := view{make([]byte, 0, len(text)), make([]span, 0, len(text))}
	indent := false
	for i := range len(text) {
		c := text[i]
		switch {
		case c == '\n' || c == '\r':
			indent = true
		case indent && (c == ' ' || c == '\t'):
		default:
			indent = false
			v.add(c, span{offset(i), offset(i + 1)})
		}
	}
	return v
}

// gap reports whether something of the text was left out before byte i.
func (v *view) gap(i int) bool { return v.at[i-1].to < v.at[i].from }

// holds reports whether the bytes from i on, which have the skeleton of whole,
// are whole, with no more than quoting, noise and line breaks in between. Noise
// in front of i may belong to whole.
func (v *view) holds(i int, whole string) bool {
	for n := 0; n < len(whole) && i > 0 && !v.countsAt(i-1); n++ {
		i--
	}
	for ; len(whole) > 0 && i < len(v.b); i++ {
		if whole[0] == ' ' && i > 0 && v.gap(i) {
			whole = whole[1:]
		}
		switch {
		case v.b[i] == whole[0], whole[0] == ' ' && !v.countsAt(i):
			whole = whole[1:]
		case v.countsAt(i):
			return false
		}
	}
	return whole == ""
}

// countsAt reports whether byte i is ASCII and in the skeleton.
func (v *view) countsAt(i int) bool { return v.b[i] < utf8.RuneSelf && counts[v.b[i]] }

// alone reports whether bytes i to j are a word by themselves on one line.
func (v *view) alone(i, j int) bool {
	if j < len(v.b) && wordByte(v.b[j-1]) && wordByte(v.b[j]) && !v.gap(j) {
		return false
	}
	if i > 0 && wordByte(v.b[i-1]) && wordByte(v.b[i]) && !v.gap(i) {
		return false
	}
	for k := i; k < j; k++ {
		if v.b[k] <= ' ' || k > i && v.gap(k) {
			return false
		}
	}
	return true
}

func wordByte(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c == '_' || c >= utf8.RuneSelf
}

// noise are the visible characters that quoting adds (' " \ and $, which Compose
// doubles) or that stand for a space (the + of URLs). Like white space they do
// not count, neither in a secret nor in the text.
const noise = `'"\$+`

var counts = func() (t [utf8.RuneSelf]bool) {
	for c := byte('!'); c <= '~'; c++ {
		t[c] = bytes.IndexByte([]byte(noise), c) < 0
	}
	return t
}()

// skeleton returns the bytes of b that count, and where each lies in b. It keeps
// barriers.
func skeleton(b []byte) (kept []byte, index []int32) {
	kept, index = make([]byte, 0, len(b)), make([]int32, 0, len(b))
	for i := 0; i < len(b); {
		n, keep := 1, b[i] == barrier
		if b[i] < utf8.RuneSelf {
			keep = counts[b[i]]
		} else if !keep {
			var r rune
			r, n = utf8.DecodeRune(b[i:])
			keep = shown(r) && !unicode.IsSpace(r)
		}
		for range n {
			if keep {
				kept, index = append(kept, b[i]), append(index, offset(i))
			}
			i++
		}
	}
	return kept, index
}

// decoders are the ways in which a text may hide what it holds. Each returns
// false if there is nothing for it in the view.
var decoders = []func(view) (view, bool){
	func(v view) (view, bool) { return unescape(v, '%', percent) },
	func(v view) (view, bool) { return unescape(v, '\\', backslash) },
	func(v view) (view, bool) { return unescape(v, '&', entity) },
	func(v view) (view, bool) { return base64Digits.unpack(v, 0) },
	func(v view) (view, bool) { return base64Digits.unpack(v, 1) },
	func(v view) (view, bool) { return base64Digits.unpack(v, 2) },
	func(v view) (view, bool) { return base64Digits.unpack(v, 3) },
	func(v view) (view, bool) { return hexDigits.unpack(v, 0) },
	func(v view) (view, bool) { return hexDigits.unpack(v, 1) },
}

// unescape decodes the escapes that begin with lead. read returns what the
// escape at the start of b means, and its length; 0 if it is none.
func unescape(v view, lead byte, read func(b []byte) (string, int)) (view, bool) {
	if bytes.IndexByte(v.b, lead) < 0 {
		return view{}, false
	}
	out, changed := view{make([]byte, 0, len(v.b)), make([]span, 0, len(v.b))}, false
	for i := 0; i < len(v.b); {
		s, n := "", 0
		if v.b[i] == lead {
			s, n = read(v.b[i:])
		}
		if n == 0 {
			out.add(v.b[i], v.at[i])
			i++
			continue
		}
		for k := range len(s) {
			out.add(s[k], span{v.at[i].from, v.at[i+n-1].to})
		}
		// \" and its like are no change: the skeleton is the same. \\ is one,
		// because what it leaves may be an escape again.
		changed = changed || n > 2 || s[0] != v.b[i+1] || s[0] == '\\'
		i += n
	}
	return out, changed
}

// percent reads the escapes of URLs.
func percent(b []byte) (string, int) {
	if c, ok := hexNumber(b, 1, 2); ok {
		return string([]byte{byte(c & 0xFF)}), 3
	}
	return "", 0
}

// backslash reads the escapes of JSON, shells and most languages.
func backslash(b []byte) (string, int) {
	if len(b) < 2 {
		return "", 0
	}
	switch c := b[1]; c {
	case 'n', 'r', 't', 'b', 'f', 'v', 'a', 'e':
		return "\n", 2 // controls and white space do not count; any of them will do
	case 'x':
		if x, ok := hexNumber(b, 2, 2); ok {
			return string([]byte{byte(x & 0xFF)}), 4
		}
	case 'u':
		if r, n := utf16Escape(b); n > 0 {
			return string(r), n
		}
	case 'U':
		if r, ok := hexNumber(b, 2, 8); ok {
			return string(r), 10
		}
	case '0', '1', '2', '3':
		if x, ok := number(b, 1, 3, 8); ok {
			return string([]byte{byte(x & 0xFF)}), 4
		}
	}
	return string(b[1:2]), 2
}

// utf16Escape reads \uXXXX, and two of them if the first is half a character.
func utf16Escape(b []byte) (rune, int) {
	r, ok := hexNumber(b, 2, 4)
	if !ok {
		return 0, 0
	}
	if low, ok := hexNumber(b, 8, 4); ok && b[6] == '\\' && b[7] == 'u' {
		if whole := utf16.DecodeRune(r, low); whole != unicode.ReplacementChar {
			return whole, 12
		}
	}
	return r, 6
}

func hexNumber(b []byte, i, digits int) (rune, bool) { return number(b, i, digits, 16) }

// number reads so many digits at b[i:].
func number(b []byte, i, digits, base int) (rune, bool) {
	if len(b) < i+digits {
		return 0, false
	}
	n, err := strconv.ParseUint(string(b[i:i+digits]), base, 31)
	return rune(n), err == nil
}

// longestEntity is enough for the entities that escaping writes: &#0000039;.
const longestEntity = 12

// entity reads the escapes of HTML.
func entity(b []byte) (string, int) {
	end := bytes.IndexByte(b[:min(len(b), longestEntity)], ';') + 1
	if end == 0 {
		return "", 0
	}
	s := string(b[:end])
	if out := html.UnescapeString(s); out != s {
		return out, end
	}
	return "", 0
}
