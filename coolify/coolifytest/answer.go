package coolifytest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// An object is one JSON object of an answer.
type object = map[string]any

// An answer is what a handler says, before any fault.
type answer struct {
	status int
	header http.Header
	body   []byte
	ssh    bool // a command on the host ran while answering
	cut    bool // half of the body, then the connection breaks
	drop   bool // no answer, the connection breaks
}

const (
	typeJSON = "application/json"
	typeHTML = "text/html; charset=utf-8"
)

func reply(status int, v any) answer {
	return typed(status, typeJSON, phpJSON(v))
}

func typed(status int, contentType string, body []byte) answer {
	return answer{status: status, header: http.Header{"Content-Type": {contentType}}, body: body}
}

func message(status int, text string) answer {
	return reply(status, object{"message": text})
}

func notFoundRoute() answer {
	return reply(http.StatusNotFound, object{"message": "Not found.", "docs": "https://coolify.io/docs"})
}

func postRequired() answer {
	a := message(http.StatusMethodNotAllowed, "This endpoint has changed to a POST request.")
	a.header.Set("Allow", http.MethodPost)
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

func (a answer) write(w http.ResponseWriter) {
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(w.Header(), a.header)
	w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	if !a.cut {
		_, _ = w.Write(a.body)
		return
	}
	_, _ = w.Write(a.body[:len(a.body)/2])
	_ = http.NewResponseController(w).Flush()
	panic(http.ErrAbortHandler)
}

// phpJSON encodes as PHP's json_encode does: slashes and everything outside
// ASCII escaped.
func phpJSON(v any) []byte {
	var out bytes.Buffer
	for text := plainJSON(v); len(text) > 0; {
		r, n := utf8.DecodeRune(text)
		text = text[n:]
		switch hi, lo := utf16.EncodeRune(r); {
		case r == '/':
			out.WriteString(`\/`)
		case r < utf8.RuneSelf:
			out.WriteRune(r)
		case hi == utf8.RuneError:
			fmt.Fprintf(&out, `\u%04x`, r)
		default:
			fmt.Fprintf(&out, `\u%04x\u%04x`, hi, lo)
		}
	}
	return out.Bytes()
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
