package upstream

import "context"

// An Operation is one kind of request, named as in the server's published document.
type Operation struct {
	Method string // GET, POST, PUT, PATCH or DELETE
	Path   string // below /api/v1, as "/applications/{uuid}"
	// Slow operations keep one of the server's workers busy, for over a minute if the
	// host behind it does not answer.
	Slow bool
}

// String returns the operation as "GET /applications/{uuid}".
func (o Operation) String() string { return o.Method + " " + o.Path }

func (o Operation) changes() bool { return o.Method != "GET" }

// repeatable reports whether the operation may be sent again although it may have been
// carried out. An operation that keeps a worker busy is not sent again either.
func (o Operation) repeatable() bool { return !o.changes() && !o.Slow }

// A Meter admits every outgoing request, repeats included. It may wait. Its error stops
// the call, which returns it wrapped in an *[Error]. done is called once, when the answer
// has been read.
type Meter func(ctx context.Context, op Operation) (done func(), err error)
