package upstreamtest

import (
	"maps"
	"net/http"
	"strconv"
)

// An Answer is what a simulator says, before any fault.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte

	cut  bool // half of the body, then the connection breaks
	drop bool // nothing, the connection breaks
}

// NewAnswer returns an answer with a body of that type.
func NewAnswer(status int, contentType string, body []byte) Answer {
	return Answer{Status: status, Header: http.Header{"Content-Type": {contentType}}, Body: body}
}

func (a Answer) write(rw http.ResponseWriter) {
	if a.drop {
		panic(http.ErrAbortHandler)
	}
	maps.Copy(rw.Header(), a.Header)
	if a.Status != http.StatusNoContent {
		rw.Header().Set("Content-Length", strconv.Itoa(len(a.Body)))
	}
	rw.WriteHeader(a.Status)
	if !a.cut {
		_, _ = rw.Write(a.Body)
		return
	}
	_, _ = rw.Write(a.Body[:len(a.Body)/2])
	_ = http.NewResponseController(rw).Flush()
	panic(http.ErrAbortHandler)
}
