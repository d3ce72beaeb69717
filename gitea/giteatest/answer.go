package giteatest

import (
	"bytes"
	"encoding/json"
	"net/http"
	"time"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// An object is one JSON object of an answer.
type object = map[string]any

type answer = upstreamtest.Answer

const (
	typeJSON = "application/json;charset=utf-8"
	typeText = "text/plain; charset=utf-8"
	typeHTML = "text/html; charset=utf-8"
)

func reply(status int, v any) answer { return typed(status, typeJSON, encode(v)) }

func typed(status int, contentType string, body []byte) answer {
	return upstreamtest.NewAnswer(status, contentType, body)
}

func text(status int, body string) answer { return typed(status, typeText, []byte(body)) }

func noContent() answer { return answer{Status: http.StatusNoContent, Header: http.Header{}} }

func noRoute() answer { return text(http.StatusNotFound, "404 page not found\n") }

// forbid is a refusal of the middleware: no url.
func forbid(why string) answer { return reply(http.StatusForbidden, object{"message": why}) }

// refuse is an answer of Gitea's APIError.
func (c *call) refuse(status int, why string) answer {
	if c.s.since(V127) {
		switch status {
		case http.StatusNotFound:
			why = "not found"
		case http.StatusUnauthorized:
			why = "invalid username, password or token"
		}
	}
	return reply(status, object{"message": why, "url": c.s.root() + "/api/swagger"})
}

// unprocessable is a 422.
func (c *call) unprocessable(why string) answer {
	return c.refuse(http.StatusUnprocessableEntity, why)
}

// broken is a 500. In production, only admins are told why.
func (c *call) broken(why string) answer {
	if c.doer == nil || !c.doer.Admin {
		why = ""
	}
	return c.refuse(http.StatusInternalServerError, why)
}

// notFound is a 404 of Gitea's APIErrorNotFound.
func (c *call) notFound() answer { return c.missing("", nil) }

func (c *call) missing(what string, why []string) answer {
	if c.s.since(V127) {
		return c.refuse(http.StatusNotFound, "")
	}
	if what == "" {
		what = "not found"
		if !c.s.since(V126) {
			what = "The target couldn't be found."
		}
	}
	return reply(http.StatusNotFound, object{"errors": why, "message": what, "url": c.s.root() + "/api/swagger"})
}

// redirect is what an old name of a user or a repository answers.
func redirect(status int, to string) answer {
	a := typed(status, typeHTML, []byte("<a href=\""+to+"\">"+http.StatusText(status)+"</a>.\n"))
	a.Header.Set("Location", to)
	return a
}

func encode(v any) []byte {
	var out bytes.Buffer
	if err := json.NewEncoder(&out).Encode(v); err != nil {
		panic(err) // a shape of ours that is no JSON
	}
	return out.Bytes()
}

const (
	never    = "0001-01-01T00:00:00Z" // a time that was not set
	unixZero = "1970-01-01T00:00:00Z" // a time column that holds 0
)

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
