package giteatest

import (
	"slices"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// A Request is one that reached the simulator, answered or not. Git's own
// requests have no Body and are no writes, so a crash point does not count them.
type Request struct {
	upstreamtest.Request
	User    string // whose credential it is; "" = nobody's, or no good
	Sudo    string // as whom that user acts
	Basic   bool   // the credential came by Basic
	TokenID int    // 0 = no token, or no good
	Scopes  []string
}

// A Fault is what goes wrong with an operation. Those of git's protocol are
// "POST /{owner}/{repo}/git-receive-pack" and the like.
type Fault = upstreamtest.Fault

func (s *Server) record(c *call) *Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	rec := &Request{Request: upstreamtest.NewRequest(c.operation(), c.r, c.body, s.cfg.Now())}
	if c.route != nil && c.route.git {
		rec.Body, rec.Write = "", false
	}
	rec.Sudo = c.r.Header.Get("Sudo") + c.query.Get("sudo")
	s.identify(c, rec)
	s.Record(rec, s.judge(c, rec))
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
