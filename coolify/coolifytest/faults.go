package coolifytest

import (
	"context"
	"maps"
	"net/http"
)

// A Fault is what goes wrong with an operation. One with neither Status, Hang
// nor Cut lets the ordinary answer through, after its Gate and with its Header.
type Fault struct {
	Status int         // answer this; 0 with Cut = the ordinary answer
	Body   string      // with this body; JSON unless Header says otherwise
	Header http.Header // and these headers besides
	Hang   bool        // say nothing until the client goes away
	Cut    bool        // half of the body, then the connection is aborted
	Times  int         // how many requests meet it; 0 = all
	After  bool        // the change is made, then the fault answers
	Gate   chan struct{}
}

// Fail makes operation, for example "POST /applications/{uuid}/start", meet the
// fault until [Server.Clear]. "unknown" is every path that Coolify does not
// have. Requests wait for f.Gate first, if there is one.
func (s *Server) Fail(operation string, f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	s.faults[operation] = &f
}

// Clear takes the fault of an operation away.
func (s *Server) Clear(operation string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.faults, operation)
}

// fault returns the fault that the call meets, and counts it.
func (s *Server) fault(operation string) (Fault, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.faults[operation]
	if f == nil || f.Times == 0 {
		return Fault{}, false
	}
	if f.Times > 0 {
		f.Times--
	}
	return *f, true
}

// respond answers a call with the faults in its way; false when the client went
// away first.
func (s *Server) respond(ctx context.Context, c *call) (answer, bool) {
	f, ok := s.fault(c.operation())
	if !ok {
		return s.act(ctx, c)
	}
	if !wait(ctx, f.Gate) {
		return answer{}, false
	}
	var a answer
	if f.After || f.Status == 0 && !f.Hang {
		if a, ok = s.act(ctx, c); !ok {
			return answer{}, false
		}
	}
	if f.Hang {
		<-ctx.Done()
		return answer{}, false
	}
	return f.apply(a), true
}

func (f Fault) apply(a answer) answer {
	if f.Status != 0 {
		a = typed(f.Status, typeJSON, []byte(f.Body))
	}
	maps.Copy(a.header, f.Header)
	a.cut = f.Cut
	return a
}
