package giteatest

import (
	"net/http"
	"slices"
	"time"
)

// A Request is one that reached the simulator, answered or not.
type Request struct {
	Operation string // "GET /orgs/{org}"; "unknown" off the routing table
	Method    string
	Path      string
	Query     string // raw
	Body      string // "" for git's protocol
	Status    int    // 0 while unanswered, and for ever when the connection broke
	User      string // whose credential it is; "" = nobody's, or no good
	Sudo      string // as whom that user acts
	Basic     bool   // the credential came by Basic
	TokenID   int    // 0 = no token, or no good
	Scopes    []string
	Write     bool // it may change something: no GET, no HEAD, not git's
	At        time.Time
}

// Requests returns every request, refused ones too, in the order they came.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Request, len(s.requests))
	for i, r := range s.requests {
		out[i] = *r
	}
	return out
}

// Reset forgets the recorded requests, and nothing else.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests = nil
}

// Violations returns what no client of ours may do, in the order it was done:
// one line each, with the operation and no secret. They are never forgotten.
func (s *Server) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violations)
}

func (s *Server) record(c *call) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	git := c.route != nil && c.route.git
	rec := &Request{
		Operation: c.operation(), Method: c.r.Method, Path: c.r.URL.Path, Query: c.r.URL.RawQuery, At: s.cfg.Now(),
		Write: !git && c.r.Method != http.MethodGet && c.r.Method != http.MethodHead,
	}
	if !git {
		rec.Body = string(c.body)
	}
	rec.Sudo = c.r.Header.Get("Sudo") + c.query.Get("sudo")
	s.identify(c, rec)
	s.requests = append(s.requests, rec)
	for _, why := range s.judge(c, rec) {
		s.violations = append(s.violations, rec.Operation+": "+why)
	}
	return rec
}

// identify writes down whose credential it is, and leaves no trace of having
// looked.
func (s *Server) identify(c *call, rec *Request) {
	probe := call{s: s, r: c.r, query: c.query}
	if _, ok := probe.authenticate(); !ok || probe.doer == nil {
		return
	}
	rec.User, rec.Basic = probe.doer.Login, probe.basic
	if t := probe.token; t != nil {
		rec.TokenID, rec.Scopes = t.ID, slices.Clone(t.Scopes)
	}
}
