package upstreamtest

import (
	"net/http"
	"time"
)

// A Request is what every simulator writes down of a request that reached it,
// answered or not. Each adds whose credential it was.
type Request struct {
	Operation string // as in the published document: "GET /orgs/{org}"; "unknown" off the routing table
	Method    string
	Path      string
	Query     string // raw
	Body      string
	Status    int  // 0 while unanswered, and for ever when the connection broke
	Write     bool // it may change something, so [Wire.CrashAt] counts it
	At        time.Time
}

// NewRequest returns the record of r, whose body was read. Every method but GET
// and HEAD writes.
func NewRequest(operation string, r *http.Request, body []byte, at time.Time) Request {
	return Request{
		Operation: operation, Method: r.Method, Path: r.URL.Path, Query: r.URL.RawQuery, Body: string(body),
		Write: r.Method != http.MethodGet && r.Method != http.MethodHead, At: at,
	}
}
