package mcp

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strconv"
	"unicode/utf8"
)

const (
	// maxID is the longest id that a refusal repeats, in bytes.
	maxID = 1 << 10
	// maxOverrun is how much of a body larger than [MaxBody] is read, in bytes, to find
	// the id: many clients write it after the params.
	maxOverrun = 1 << 20
	// scanChunk is how much of a refused body is read at a time.
	scanChunk = 4 << 10
	// maxExactID is above every number that the SDK repeats exactly.
	maxExactID = 1 << 53
)

// An idScanner finds the id of the JSON-RPC request in a message that is written to it in
// pieces. It keeps one name and one short value at a time, so a message of any length
// needs little memory. It finds no id in a batch, a response or a notification.
type idScanner struct {
	seen     int64 // bytes
	depth    int   // of objects and arrays; 1 = in the message itself
	inString bool
	escaped  bool   // the previous byte was a backslash
	token    []byte // the name or value being read, at the message's top level
	name     string // name of the member whose value is being read, in quotes
	id       json.RawMessage
	method   bool // the message has one, so it is a request
	over     bool // nothing that follows can change the result
}

// Write implements [io.Writer]. It never fails.
func (s *idScanner) Write(p []byte) (int, error) {
	s.seen += int64(len(p))
	for _, c := range p {
		if s.over {
			break
		}
		s.step(c)
	}
	return len(p), nil
}

func (s *idScanner) step(c byte) {
	switch {
	case s.inString:
		s.keep(c)
		s.inString = s.escaped || c != '"'
		s.escaped = !s.escaped && c == '\\'
	case len(s.token) == 0 && isSpace(c):
	case s.depth == 0 && c != '{':
		s.over = true
	case c == '"':
		s.keep(c)
		s.inString = true
	case c == '{' || c == '[':
		s.depth++
	case c == '}' || c == ']':
		if s.depth == 1 {
			s.endMember()
			s.over = true
		}
		s.depth--
	case c == ':' && s.depth == 1:
		s.beginValue()
	case c == ',' && s.depth == 1:
		s.endMember()
	default:
		s.keep(c)
	}
}

// keep adds a byte to the token. It keeps one byte more than an id may have, so that a
// longer one is recognised.
func (s *idScanner) keep(c byte) {
	if s.depth == 1 && len(s.token) <= maxID {
		s.token = append(s.token, c)
	}
}

func (s *idScanner) beginValue() {
	s.name, s.token = string(bytes.TrimSpace(s.token)), s.token[:0]
	s.method = s.method || s.name == `"method"`
	s.over = s.method && s.id != nil
}

func (s *idScanner) endMember() {
	if value := bytes.TrimSpace(s.token); s.name == `"id"` && isID(value) {
		s.id = bytes.Clone(value)
	}
	s.name, s.token = "", s.token[:0]
	s.over = s.method && s.id != nil
}

// found returns the id as received; nil if the message has none.
func (s *idScanner) found() json.RawMessage {
	if !s.method {
		return nil
	}
	return s.id
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// isID reports whether a value is a string or a number that may be an id.
func isID(raw []byte) bool {
	return len(raw) > 0 && len(raw) <= maxID && (raw[0] == '"' || raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') &&
		json.Valid(raw) && utf8.Valid(raw)
}

// isExactID reports whether the SDK answers under this id. The SDK converts numbers to
// integers of 53 bits, and a client does not recognise an answer under another number.
func isExactID(id json.RawMessage) bool {
	if len(id) == 0 || id[0] == '"' {
		return true
	}
	n, err := strconv.ParseFloat(string(id), 64)
	return err == nil && n == math.Trunc(n) && math.Abs(n) < maxExactID
}

// A scannedBody is the body of an HTTP request. It finds the request's id while it is
// read.
type scannedBody struct {
	io.Reader
	io.Closer

	scan idScanner
}

// scanBody wraps a body so that its id is found while it is read.
func scanBody(body io.ReadCloser) *scannedBody {
	if b, ok := body.(*scannedBody); ok {
		return b
	}
	b := &scannedBody{Closer: body}
	b.Reader = io.TeeReader(body, &b.scan)
	return b
}

// id returns the id of the request in the body. It reads on until it finds the id, but
// not past the first most bytes.
func (b *scannedBody) id(most int64) json.RawMessage {
	if b.scan.over {
		return b.scan.found()
	}
	chunk := make([]byte, scanChunk)
	for !b.scan.over && b.scan.seen < most {
		if _, err := b.Read(chunk[:min(most-b.scan.seen, scanChunk)]); err != nil {
			break
		}
	}
	return b.scan.found()
}

// Identified wraps request bodies so that [Refuse] can find the request's id, no matter
// how much of a body another handler has read.
func Identified(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		with := *req
		with.Body = scanBody(req.Body)
		next.ServeHTTP(w, &with)
	})
}

// requestID returns the id of the JSON-RPC request in a request's body; nil if there is
// none in the first most bytes.
func requestID(req *http.Request, most int64) json.RawMessage { return scanBody(req.Body).id(most) }
