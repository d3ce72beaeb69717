package untrusted

import (
	"cmp"
	"encoding/json"
	"io"
	"regexp"
	"strings"
)

// A part is what stands in a value under a name of its own; name may be empty.
type part struct{ name, value string }

// maxPartDepth is how deep parts are looked for in parts: an address in a field of JSON
// has a password, and perhaps parameters.
const maxPartDepth = 3

// separators stand between the settings of a connection string: those of most databases,
// of URLs, of Redis for .NET, and of libpq.
var separators = []string{";", "&", ",", " "}

// quotedSetting matches a setting whose value may hold separators.
var quotedSetting = regexp.MustCompile(`([\w .-]+)=\s*(?:"([^"]*)(?:"|$)|'([^']*)(?:'|$))`)

// addressStart matches the scheme of a value that is an address as a whole; a setting
// may hold an address too.
var addressStart = regexp.MustCompile(`^[A-Za-z][\w+.:-]*://`)

// partsOf returns the fields of JSON, and the settings of a connection string.
func partsOf(v string) []part {
	if strings.HasPrefix(v, "{") || strings.HasPrefix(v, "[") {
		if parts, ok := jsonParts(v); ok {
			return parts
		}
	}
	if !strings.Contains(v, "=") {
		return nil
	}
	if _, query, ok := strings.Cut(v, "?"); ok && addressStart.MatchString(v) {
		v = query
	}
	var parts []part
	for _, m := range quotedSetting.FindAllStringSubmatch(v, -1) {
		parts = append(parts, part{m[1], m[2] + m[3]})
	}
	for i, sep := range separators {
		if i > 0 && !strings.Contains(v, sep) {
			continue
		}
		for setting := range strings.SplitSeq(v, sep) {
			if name, value, ok := strings.Cut(setting, "="); ok && value != v {
				parts = append(parts, part{name, value})
			}
		}
	}
	return parts
}

// jsonParts returns the texts and numbers in JSON, each under the name of the nearest
// field; false if v is no JSON.
func jsonParts(v string) ([]part, bool) {
	d := json.NewDecoder(strings.NewReader(v))
	d.UseNumber()
	var root any
	if d.Decode(&root) != nil {
		return nil, false
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, false
	}
	var parts []part
	var walk func(name string, v any)
	walk = func(name string, v any) {
		switch v := v.(type) {
		case string:
			parts = append(parts, part{name, v})
		case json.Number:
			parts = append(parts, part{name, v.String()})
		case []any:
			for _, e := range v {
				walk(name, e)
			}
		case map[string]any:
			for k, e := range v {
				walk(cmp.Or(k, name), e)
			}
		}
	}
	walk("", root)
	return parts, true
}
