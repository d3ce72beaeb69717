package giteatest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const maxBody = 64 << 20

// A call is one request on its way through the simulator.
type call struct {
	s     *Server
	r     *http.Request
	route *route
	path  map[string]string // parameters of the route
	query url.Values
	body  []byte

	credential
	user *account // {username}
	org  *account // {org}
	team *team    // {id} of a team
	repo *repo    // {owner}/{repo}
	may  access   // of the doer to repo
}

// operation names the request as the published document does, for example
// "GET /orgs/{org}/teams", or by its path from the root.
func (c *call) operation() string {
	if c.route == nil {
		return "unknown"
	}
	return c.route.method + " " + c.route.pattern
}

func (s *Server) newCall(r *http.Request) *call {
	body, _ := io.ReadAll(io.LimitReader(r.Body, maxBody)) // a body cut short is judged as what came
	query, _ := url.ParseQuery(r.URL.RawQuery)             // Go too takes what it can read
	c := &call{s: s, r: r, body: body, query: query}
	c.route, c.path = s.routeOf(r)
	return c
}

// number is a number of the path or query; 0 when it is none.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

func (c *call) flag(name string) bool {
	v, err := strconv.ParseBool(c.query.Get(name))
	return err == nil && v
}

// decode reads the body into the form that an operation takes. Unknown fields
// are passed over, as Gitea does.
func decode[T any](c *call) (T, answer, bool) {
	var form T
	mediaType := c.r.Header.Get("Content-Type")
	switch {
	case mediaType == "":
		return form, c.unprocessable("[]: Empty Content-Type"), false
	case !strings.Contains(mediaType, "json"):
		return form, c.unprocessable("[]: Unsupported Content-Type"), false
	case len(c.body) == 0:
		return form, answer{}, true
	}
	if err := json.Unmarshal(c.body, &form); err != nil {
		return form, c.unprocessable("[]: " + err.Error()), false
	}
	return form, answer{}, true
}

// sent reports whether the body is a JSON object that has the field.
func (c *call) sent(field string) bool {
	var o map[string]json.RawMessage
	if json.Unmarshal(c.body, &o) != nil {
		return false
	}
	_, ok := o[field]
	return ok
}
