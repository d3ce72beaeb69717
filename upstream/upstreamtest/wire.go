// Package upstreamtest is what the simulated servers have in common: faults,
// crash points, and the log of requests. What a request means, and what it is
// answered, belongs to packages coolifytest and giteatest.
//
// It ships in the binary, so it imports no package testing.
package upstreamtest

import (
	"context"
	"net/http"
	"slices"
	"sync"
)

// A Wire stands between a simulated server and its clients. R is the record that
// the simulator keeps of a request. Make it with [NewWire]. All methods may be
// called at the same time as requests are served.
type Wire[R any] struct {
	common    func(*R) *Request
	faultType string

	mu         sync.Mutex
	faults     map[string][]*Fault // by operation, oldest first
	crash      *crash
	watch      func(R) error
	requests   []*R
	violations []string
}

// NewWire returns a wire without faults. common returns the part of a record
// that all simulators have; faultType is the Content-Type of a [Fault]'s body.
func NewWire[R any](common func(*R) *Request, faultType string) *Wire[R] {
	return &Wire[R]{common: common, faultType: faultType, faults: map[string][]*Fault{}}
}

// An Act carries a request out and returns the answer, or false when the client
// went away first.
type Act func(context.Context) (Answer, bool)

// Serve answers the request that rec is about with what act returns, unless a
// fault or a crash point is in the way. Where the connection is to break, Serve
// ends with the panic [http.ErrAbortHandler], as net/http asks of a handler that
// aborts one.
func (w *Wire[R]) Serve(rw http.ResponseWriter, r *http.Request, rec *R, act Act) {
	if w.refusedByWatch(rec) {
		panic(http.ErrAbortHandler)
	}
	last, dead := w.countdown(w.common(rec).Write)
	if dead {
		panic(http.ErrAbortHandler)
	}
	a, answered := w.respond(r.Context(), w.common(rec).Operation, act)
	if !answered {
		return // the client went away
	}
	w.mu.Lock()
	w.common(rec).Status = a.Status
	w.mu.Unlock()
	if last || w.refusedByWatch(rec) {
		panic(http.ErrAbortHandler)
	}
	a.write(rw)
}

// Record appends rec to the log, and to the violations what the request did that
// no client may do.
func (w *Wire[R]) Record(rec *R, violations []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = append(w.requests, rec)
	for _, why := range violations {
		w.violations = append(w.violations, w.common(rec).Operation+": "+why)
	}
}

// Violate appends one line to the violations.
func (w *Wire[R]) Violate(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.violations = append(w.violations, line)
}

// Requests returns every request, refused ones too, in the order they came.
func (w *Wire[R]) Requests() []R {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]R, len(w.requests))
	for i, rec := range w.requests {
		out[i] = *rec
	}
	return out
}

// Reset forgets the recorded requests, and nothing else.
func (w *Wire[R]) Reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.requests = nil
}

// Violations returns what no client may do, in the order it was done: one line
// each, with the operation and no secret. They are never forgotten.
func (w *Wire[R]) Violations() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.violations)
}

// OnRequest calls f for each request, from the goroutine that serves it: once
// before it has its effect, with Status 0, and once after, before the answer is
// sent. When f returns an error the connection is aborted. Nil ends it.
func (w *Wire[R]) OnRequest(f func(R) error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.watch = f
}

func (w *Wire[R]) refusedByWatch(rec *R) bool {
	w.mu.Lock()
	watch, copied := w.watch, *rec
	w.mu.Unlock()
	return watch != nil && watch(copied) != nil
}

// Wait returns true when the gate is open and false when ctx ends first. A nil
// gate is open.
func Wait(ctx context.Context, gate <-chan struct{}) bool {
	if gate == nil {
		return true
	}
	select {
	case <-gate:
		return true
	case <-ctx.Done():
		return false
	}
}
