package coolifytest

import (
	"context"
	"maps"
	"net/http"
	"slices"
)

// A Fault is what goes wrong with an operation. One with neither Status, Hang,
// Drop nor Cut lets the ordinary answer through, after its Gate and with its
// Header.
type Fault struct {
	Status int         // answer this; 0 with Cut = the ordinary answer
	Body   string      // with this body; JSON unless Header says otherwise
	Header http.Header // and these headers besides
	Hang   bool        // say nothing until the client goes away
	Drop   bool        // say nothing, the connection is aborted
	Cut    bool        // half of the body, then the connection is aborted
	Times  int         // how many requests meet it; 0 = all
	Skip   int         // how many requests pass before the first one meets it
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
	switch {
	case f == nil || f.Times == 0:
		return Fault{}, false
	case f.Skip > 0:
		f.Skip--
		return Fault{}, false
	case f.Times > 0:
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
	if f.After || f.Status == 0 && !f.Hang && !f.Drop {
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
	if f.Status != 0 || a.header == nil {
		a = typed(f.Status, typeJSON, []byte(f.Body))
	}
	maps.Copy(a.header, f.Header)
	a.cut, a.drop = f.Cut, f.Drop
	return a
}

// A crash is the point where the program that speaks to us dies.
type crash struct {
	writes int  // still to come, with the one it dies at
	after  bool // the last one is carried out
	dead   bool
}

// CrashAt makes the program that speaks to the simulator die, as far as it can
// tell, at the n-th request from now that changes something, counted from 1:
// the connection is aborted before that request has its effect or, with after,
// after it. So is every request after it, until [Server.Revive].
func (s *Server) CrashAt(n int, after bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crash = &crash{writes: n, after: after}
}

// Revive takes the crash point away and reports whether it was reached.
func (s *Server) Revive() (crashed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	crashed = s.crash != nil && s.crash.dead
	s.crash = nil
	return crashed
}

// OnRequest calls f for each request, from the goroutine that serves it: once
// before it has its effect, with Status 0, and once after, before the answer is
// sent. When f returns an error the connection is aborted. Nil ends it.
func (s *Server) OnRequest(f func(Request) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watch = f
}

// dead reports whether the connection breaks before the effect.
func (s *Server) dead(c *call, rec *Request) bool {
	if s.refusedByWatch(rec) {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k := s.crash
	if k == nil || k.dead {
		return k != nil
	}
	if rec.Write {
		k.writes--
	}
	k.dead = rec.Write && k.writes == 0
	c.last = k.dead && k.after
	return k.dead && !k.after
}

// finish writes the status down and reports whether the connection breaks now,
// with the effect made.
func (s *Server) finish(c *call, rec *Request, a answer) bool {
	s.mu.Lock()
	rec.Status = a.status
	s.mu.Unlock()
	return c.last || s.refusedByWatch(rec)
}

func (s *Server) refusedByWatch(rec *Request) bool {
	s.mu.Lock()
	watch, copied := s.watch, *rec
	s.mu.Unlock()
	copied.Abilities = slices.Clone(rec.Abilities)
	return watch != nil && watch(copied) != nil
}
