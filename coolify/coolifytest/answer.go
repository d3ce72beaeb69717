package coolifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// An object is one JSON object of an answer.
type object = map[string]any

type answer = upstreamtest.Answer

const (
	typeJSON = "application/json"
	typeHTML = "text/html; charset=utf-8"
)

func reply(status int, v any) answer {
	return typed(status, typeJSON, phpJSON(v))
}

func typed(status int, contentType string, body []byte) answer {
	return upstreamtest.NewAnswer(status, contentType, body)
}

func message(status int, text string) answer {
	return reply(status, object{"message": text})
}

func notFoundRoute() answer {
	return reply(http.StatusNotFound, object{"message": "Not found.", "docs": "https://coolify.io/docs"})
}

func postRequired() answer {
	a := message(http.StatusMethodNotAllowed, "This endpoint has changed to a POST request.")
	a.Header.Set("Allow", http.MethodPost)
	return a
}

func invalid(errors any) answer {
	return reply(http.StatusUnprocessableEntity, object{"message": "Validation failed.", "errors": errors})
}

// exception is what Laravel's own handler says: JSON to who asks for it, a page
// to everybody else.
func (c *call) exception(status int, text string) answer {
	if !c.wantsJSON() {
		page := fmt.Sprintf("<!DOCTYPE html>\n<html><head><title>%[1]s</title></head><body>%[1]s</body></html>\n", text)
		return typed(status, typeHTML, []byte(page))
	}
	if status == http.StatusInternalServerError {
		return typed(status, typeJSON, []byte("{\n    \"message\": \""+text+"\"\n}"))
	}
	return message(status, text)
}

func (c *call) serverError() answer {
	return c.exception(http.StatusInternalServerError, "Server Error")
}

// phpJSON encodes as PHP's json_encode does: slashes and everything outside
// ASCII escaped. It copies what needs no escape in one piece, as the lists of
// applications are long.
func phpJSON(v any) []byte {
	text := plainJSON(v)
	out := make([]byte, 0, len(text)+len(text)/8)
	done := 0
	for i := 0; i < len(text); i++ {
		if text[i] < utf8.RuneSelf && text[i] != '/' {
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		out = append(out, text[done:i]...)
		out = appendEscaped(out, r)
		done = i + n
		i = done - 1
	}
	return append(out, text[done:]...)
}

func appendEscaped(out []byte, r rune) []byte {
	switch hi, lo := utf16.EncodeRune(r); {
	case r == '/':
		return append(out, `\/`...)
	case hi == utf8.RuneError:
		return fmt.Appendf(out, `\u%04x`, r)
	default:
		return fmt.Appendf(out, `\u%04x\u%04x`, hi, lo)
	}
}

func plainJSON(v any) []byte {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // a shape of ours that is no JSON
	}
	return bytes.TrimRight(out.Bytes(), "\n")
}

// A keyed list is a PHP array whose keys are not 0, 1, 2…: an object in JSON, in
// the order of the array.
type keyed []struct {
	key   int
	value any
}

// MarshalJSON keeps the order, which a map would lose.
func (k keyed) MarshalJSON() ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte('{')
	for i, e := range k {
		if i > 0 {
			out.WriteByte(',')
		}
		fmt.Fprintf(&out, `"%d":`, e.key)
		out.Write(plainJSON(e.value))
	}
	out.WriteByte('}')
	return out.Bytes(), nil
}
