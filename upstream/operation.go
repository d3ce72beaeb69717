package upstream

import "context"

// An Operation is one kind of request, by the names of the server's published
// document.
type Operation struct {
	Method string // GET, POST, PUT, PATCH or DELETE
	Path   string // below /api/v1, as "/applications/{uuid}"
	// Slow operations keep a worker of the server's busy, for over a minute when
	// the host behind it does not answer.
	Slow bool
}

// String returns the operation as "GET /applications/{uuid}".
func (o Operation) String() string { return o.Method + " " + o.Path }

func (o Operation) changes() bool { return o.Method != "GET" }

// repeatable reports whether the operation may be sent again although it may
// have been carried out. One that keeps a worker busy is not sent again either.
func (o Operation) repeatable() bool { return !o.changes() && !o.Slow }

// A Meter is asked before every request that goes out, repeats included. It may
// wait. An error from it stops the call, which returns it wrapped in an
// *[Error]. done is called once, when the answer has been read.
type Meter func(ctx context.Context, op Operation) (done func(), err error)
