package upstreamtest

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

// Fail makes operation, for example "POST /orgs/{org}/teams", meet the fault
// until [Wire.Clear]. "unknown" is every path that is not simulated. Requests
// wait for f.Gate first, if there is one. Several faults of one operation stand
// in line: a request meets the first that is not used up.
func (w *Wire[R]) Fail(operation string, f Fault) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if f.Times == 0 {
		f.Times = -1
	}
	w.faults[operation] = append(w.faults[operation], &f)
}

// Clear takes the faults of an operation away.
func (w *Wire[R]) Clear(operation string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.faults, operation)
}

// fault returns the fault that a request meets, and counts it.
func (w *Wire[R]) fault(operation string) (Fault, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	i := slices.IndexFunc(w.faults[operation], func(f *Fault) bool { return f.Times != 0 })
	if i < 0 {
		return Fault{}, false
	}
	f := w.faults[operation][i]
	switch {
	case f.Skip > 0:
		f.Skip--
		return Fault{}, false
	case f.Times > 0:
		f.Times--
	}
	return *f, true
}

// respond answers a request with the faults in its way; false when the client
// went away first.
func (w *Wire[R]) respond(ctx context.Context, operation string, act Act) (Answer, bool) {
	f, ok := w.fault(operation)
	if !ok {
		return act(ctx)
	}
	if !Wait(ctx, f.Gate) {
		return Answer{}, false
	}
	var a Answer
	if f.After || f.Status == 0 && !f.Hang && !f.Drop {
		if a, ok = act(ctx); !ok {
			return Answer{}, false
		}
	}
	if f.Hang {
		<-ctx.Done()
		return Answer{}, false
	}
	return f.apply(a, w.faultType), true
}

func (f Fault) apply(a Answer, contentType string) Answer {
	if f.Status != 0 || a.Header == nil {
		a = NewAnswer(f.Status, contentType, []byte(f.Body))
	}
	maps.Copy(a.Header, f.Header)
	a.cut, a.drop = f.Cut, f.Drop
	return a
}
