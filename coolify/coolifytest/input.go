package coolifytest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
)

const maxBody = 64 << 20

// A call is one request on its way through the simulator.
type call struct {
	r     *http.Request
	route *route
	path  map[string]string // parameters of the route
	token *token            // nil before the token is known
	body  []byte
	query map[string]any // as sent
	json  map[string]any // as sent; nil when the body is no JSON object
	input map[string]any // query with the JSON on top, trimmed, "" = nil
	ssh   bool           // answering runs a command on the host
}

// operation names the request as the published document does, for example
// "GET /applications/{uuid}".
func (c *call) operation() string {
	if c.route == nil {
		return "unknown"
	}
	return c.r.Method + " " + c.route.pattern
}

func (s *Server) newCall(r *http.Request) *call {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // a body cut short is judged as what came
	c := &call{r: r, body: body, query: map[string]any{}, input: map[string]any{}}
	c.route, c.path = s.routeOf(r.Method, r.URL.Path)
	values, _ := url.ParseQuery(r.URL.RawQuery) // PHP too takes what it can read
	for k, v := range values {
		c.query[k] = v[len(v)-1]
		c.input[k] = clean(v[len(v)-1])
	}
	if c.isJSON() && json.Unmarshal(body, &c.json) == nil {
		for k, v := range c.json {
			c.input[k] = clean(v)
		}
	}
	return c
}

func (c *call) isJSON() bool { return saysJSON(c.r.Header.Get("Content-Type")) }

// wantsJSON is Laravel's test of the first type that the client accepts.
func (c *call) wantsJSON() bool {
	first, _, _ := strings.Cut(c.r.Header.Get("Accept"), ",")
	return saysJSON(first)
}

func saysJSON(mediaType string) bool {
	return strings.Contains(mediaType, "/json") || strings.Contains(mediaType, "+json")
}

// param is $request->name: what the input says wins over the path. That is the
// trap; [Server.Violations] tells who stepped into it.
func (c *call) param(name string) string {
	v, ok := c.input[name]
	switch {
	case !ok:
		return c.path[name]
	case v == nil:
		return ""
	default:
		return fmt.Sprint(v)
	}
}

func (c *call) has(name string) bool {
	_, ok := c.input[name]
	return ok
}

// text returns a string of the input; "" when it is missing, null or no string.
func (c *call) text(name string) string {
	v, _ := c.input[name].(string)
	return v
}

// flag is Laravel's $request->boolean; false when missing.
func (c *call) flag(name string) bool { return truthy(c.input[name]) }

func truthy(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v == 1
	case string:
		switch strings.ToLower(v) {
		case "1", "true", "on", "yes":
			return true
		}
	}
	return false
}

// refuseBody is validateIncomingRequest, which most changing endpoints call.
func (c *call) refuseBody() (answer, bool) {
	bad := func(why string) (answer, bool) {
		return reply(http.StatusBadRequest, object{"message": "Invalid request.", "error": why}), true
	}
	var v any
	switch {
	case !c.isJSON():
		return bad("Content-Type must be application/json.")
	case json.Unmarshal(c.body, &v) != nil || v == nil || v == false || v == "" || v == 0.0:
		return bad("Invalid JSON.")
	}
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			return bad("Empty JSON.")
		}
	case []any:
		if len(v) == 0 { // json_decode gives an array, and PHP takes an empty one for false
			return bad("Invalid JSON.")
		}
	}
	return answer{}, false
}

// clean is TrimStrings and ConvertEmptyStringsToNull, which see every string of
// every request.
func clean(v any) any {
	switch v := v.(type) {
	case string:
		if v = Trim(v); v == "" {
			return nil
		}
		return v
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = clean(v[i])
		}
		return out
	case map[string]any:
		out := make(map[string]any, len(v))
		for k := range v {
			out[k] = clean(v[k])
		}
		return out
	}
	return v
}

// InvisibleCharacters are those that Laravel's Str::trim removes besides white
// space. Coolify trims with it what stands between {{ and }}.
const InvisibleCharacters = "\u0009\u0020\u00A0\u00AD\u034F\u061C\u115F\u1160\u17B4\u17B5\u180E" +
	"\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200A\u200B\u200C\u200D\u200E\u200F" +
	"\u202F\u205F\u2060\u2061\u2062\u2063\u2064\u2065\u206A\u206B\u206C\u206D\u206E\u206F" +
	"\u3000\u2800\u3164\uFEFF\uFFA0" +
	"\U0001D159\U0001D173\U0001D174\U0001D175\U0001D176\U0001D177\U0001D178\U0001D179\U0001D17A\U000E0020"

// Trim is Laravel's Str::trim: white space of Unicode, NUL and
// [InvisibleCharacters] go from both ends.
func Trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool {
		return r == 0 || unicode.IsSpace(r) || unicode.Is(unicode.Z, r) || strings.ContainsRune(InvisibleCharacters, r)
	})
}
