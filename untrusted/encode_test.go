package untrusted

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// An encoding is a way in which a secret gets into a log.
type encoding struct {
	name   string
	encode func(string) string
}

var encodings = slices.Concat([]encoding{
	{"raw", func(s string) string { return s }},
	{"single quotes", func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }},
	{"single quotes, as Coolify writes", func(s string) string { return "'" + strings.ReplaceAll(s, "'", `'"'"'`) + "'" }},
	{"double quotes", func(s string) string { return `"` + backslashed.Replace(s) + `"` }},
	{"Compose", func(s string) string { return strings.ReplaceAll(s, "$", "$$") }},
	{"Go", func(s string) string { return fmt.Sprintf("%q", s) }},
	{"Go in ASCII", func(s string) string { return fmt.Sprintf("%+q", s) }},
	{"JSON", asJSON},
	{"JSON of PHP", func(s string) string { return strings.ReplaceAll(asJSON(s), "/", `\/`) }},
	{"JSON in JSON", func(s string) string { return asJSON(`{"a":` + asJSON(s) + `}`) }},
	{"line breaks as \\n", func(s string) string { return strings.ReplaceAll(s, "\n", `\n`) }},
	{"query", url.QueryEscape},
	{"query, lower case", func(s string) string { return lowerEscapes(url.QueryEscape(s)) }},
	{"path", url.PathEscape},
	{"percent all", func(s string) string { return percentAll(s) }},
	{"percent twice", func(s string) string { return url.QueryEscape(url.QueryEscape(s)) }},
	{"HTML", html.EscapeString},
	{"HTML numbers", func(s string) string { return entities(s, "&#%d;") }},
	{"HTML hex numbers", func(s string) string { return entities(s, "&#x%X;") }},
	{"hex", func(s string) string { return hex.EncodeToString([]byte(s)) }},
	{"HEX", func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) }},
	{"hex in base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(hex.EncodeToString([]byte(s)))) }},
	{"base64 in hex", func(s string) string { return hex.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(s)))) }},
	{"base64 in a query", func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(s))) }},
	{"wrapped base64 in JSON", func(s string) string { return asJSON(wrap(base64.StdEncoding.EncodeToString([]byte(s)), 64, "\n")) }},
	{"JSON in base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(asJSON(s))) }},
	{"query in base64", func(s string) string { return base64.StdEncoding.EncodeToString([]byte(url.QueryEscape(s))) }},
}, base64s())

// base64s are the variants of base64, with the secret at each offset in what is
// encoded and the digits at each offset in their run.
func base64s() []encoding {
	var all []encoding
	for name, variant := range map[string]*base64.Encoding{
		"std": base64.StdEncoding, "raw std": base64.RawStdEncoding, "URL": base64.URLEncoding, "raw URL": base64.RawURLEncoding,
	} {
		for offset := range 3 {
			inside := func(s string) string { return "A=;"[:offset] + s + ";B=1"[:offset+1] }
			outside := "Zz/9"[:offset+1]
			all = append(
				all,
				encoding{fmt.Sprintf("base64 %s+%d", name, offset), func(s string) string { return variant.EncodeToString([]byte(inside(s))) }},
				encoding{fmt.Sprintf("base64 %s+%d after digits", name, offset), func(s string) string { return outside + variant.EncodeToString([]byte(s)) }},
				encoding{fmt.Sprintf("base64 twice %s+%d", name, offset), func(s string) string {
					return variant.EncodeToString([]byte(inside(variant.EncodeToString([]byte(s)))))
				}},
			)
		}
	}
	slices.SortFunc(all, func(a, b encoding) int { return strings.Compare(a.name, b.name) })
	return all
}

var backslashed = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "$", `\$`, "`", "\\`")

func asJSON(s string) string {
	b, _ := json.Marshal(s) // a string always marshals
	return string(b)
}

func percentAll(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02x", s[i])
	}
	return b.String()
}

func entities(s, format string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, format, r)
	}
	return b.String()
}

func lowerEscapes(s string) string {
	parts := strings.Split(s, "%")
	for i, part := range parts[1:] {
		parts[i+1] = strings.ToLower(part[:2]) + part[2:]
	}
	return strings.Join(parts, "%")
}

// A split is what may happen to a secret, encoded or not, on its way.
type split struct {
	name  string
	apply func(s string, at int) string
}

var splits = []split{
	{"whole", func(s string, _ int) string { return s }},
	{"over two lines", func(s string, at int) string { return insert(s, at, "\n") }},
	{"over two lines of Windows", func(s string, at int) string { return insert(s, at, "\r\n") }},
	{"indented", func(s string, at int) string { return insert(s, at, "\n\t  ") }},
	{"over short lines", func(s string, at int) string { return wrap(s, 1+at%20, "\n") }},
	{"at 64 columns", func(s string, _ int) string { return wrap(s, 64, "\n") }},
	{"at 76 columns", func(s string, _ int) string { return wrap(s, 76, "\r\n") }},
	{"coloured", func(s string, at int) string { return insert(s, at, "\x1b[1;31m") }},
	{"a colour for each character", func(s string, _ int) string { return wrap(s, 1, "\x1b[0m") }},
	{"around a title", func(s string, at int) string { return insert(s, at, "\x1b]0;x\x07") }},
	{"invisible characters", func(s string, at int) string { return insert(s, at, "\u200b\u00ad\U000E0041\x00") }},
	{"broken UTF-8", func(s string, at int) string { return insert(s, at, "\xff") }},
}

// insert puts part into s before the character at about byte at.
func insert(s string, at int, part string) string {
	at %= len(s)
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + part + s[at:]
}

// wrap breaks s with sep after each n characters.
func wrap(s string, n int, sep string) string {
	var b strings.Builder
	k := 0
	for _, r := range s {
		if k > 0 && k%n == 0 {
			b.WriteString(sep)
		}
		b.WriteRune(r)
		k++
	}
	return b.String()
}
