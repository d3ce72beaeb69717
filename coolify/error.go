package coolify

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of failure, for [errors.Is].
var (
	ErrNotFound       = errors.New("not found")                           // 404 of a thing, also of another team's
	ErrRouteMissing   = errors.New("no such route: wrong URL or version") // 404 or 405 of a path
	ErrUnauthorized   = errors.New("the token is not accepted")           // 401
	ErrForbidden      = errors.New("the token may not do this")           // 403; also API off, address not allowed
	ErrConflict       = errors.New("conflict")                            // 409
	ErrInvalid        = errors.New("invalid request")                     // 400, 413, 422, or refused by this package
	ErrRateLimited    = errors.New("too many requests")                   // 429
	ErrUnavailable    = errors.New("unavailable")                         // no answer, or none of Coolify's
	ErrTimeout        = errors.New("timeout")                             // no answer in time
	ErrNotRunning     = errors.New("the application is not running")      // [Client.Logs]
	ErrNotCancellable = errors.New("the deployment has ended already")    // [Client.CancelDeployment]
	ErrUnmetered      = errors.New("the client has no meter")             // a programming error; nothing was sent
)

// An Error is a call that failed. It holds no credential and no value of a
// variable. It is for the operator: what Coolify says may name other tenants'
// things.
type Error struct {
	Op         Operation
	Path       string        // below /api/v1, with the ids
	Status     int           // of the answer; 0 = there was none
	RetryAfter time.Duration // how long to wait, if Coolify told; 0 = not told
	Unknown    bool          // a change was asked for, and may have been carried out
	Kind       error         // one of the kinds above; nil if the meter refused or the caller gave up
	Detail     string        // Coolify's own words in printable ASCII, cut; empty if they could repeat a secret
	Err        error         // cause, if Coolify did not answer or not sensibly; may be nil
}

// Error returns all that is known, on one line.
func (e *Error) Error() string {
	parts := []string{"coolify", e.Op.Method + " " + e.Path}
	if e.Status != 0 {
		parts = append(parts, strconv.Itoa(e.Status))
	}
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			parts = append(parts, err.Error())
		}
	}
	if e.Detail != "" {
		parts = append(parts, strconv.Quote(e.Detail))
	}
	if e.Unknown {
		parts = append(parts, "may have been carried out")
	}
	return strings.Join(parts, ": ")
}

// Unwrap returns the kind and the cause.
func (e *Error) Unwrap() []error {
	return slices.DeleteFunc([]error{e.Kind, e.Err}, func(err error) bool { return err == nil })
}

// failure is the error of a call that ended before an attempt or between two.
func (x *exchange) failure(kind, err error) *Error {
	return &Error{Op: x.request.op, Path: x.path, Kind: kind, Err: err}
}

// unanswered is the error of a call that got no answer, or one cut short.
func (x *exchange) unanswered(ctx context.Context, err error) *Error {
	e := x.failure(ErrUnavailable, x.cause(err))
	e.Status = x.status
	e.Unknown = x.changes() && x.attempts > 0 && !neverSent(err) && (x.status == 0 || x.status/100 == 2)
	timeout, _ := errors.AsType[net.Error](err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		e.Kind, e.Err = nil, ctx.Err()
	case ctx.Err() != nil:
		e.Kind, e.Err = ErrTimeout, ctx.Err()
	case timeout != nil && timeout.Timeout():
		e.Kind = ErrTimeout
	}
	return e
}

// rejected is the error of a call that was answered, but not with a success.
func (x *exchange) rejected(resp *http.Response) *Error {
	said := readEnvelope(x.body)
	e := x.failure(kindOf(x.status, said), nil)
	e.Status = x.status
	e.RetryAfter, _ = retryAfter(resp)
	e.Unknown = x.changes() && x.status >= 500
	e.Detail = x.words(said.String())
	return e
}

// unusable is the error of a call that succeeded with an answer that cannot be
// used.
func (x *exchange) unusable(err error) *Error {
	e := x.failure(ErrUnavailable, err)
	e.Status, e.Unknown = x.status, x.changes()
	if errors.Is(err, errNotSensitive) {
		e.Kind = ErrForbidden
	}
	return e
}

// kindOf takes the word of Coolify only: a proxy in front of it answers 404 as
// well, when Coolify is down, and that proves nothing about a thing.
func kindOf(status int, said envelope) error {
	switch status {
	case http.StatusUnauthorized:
		return ErrUnauthorized
	case http.StatusForbidden:
		return ErrForbidden
	case http.StatusTooManyRequests:
		return ErrRateLimited
	case http.StatusRequestEntityTooLarge:
		return ErrInvalid
	}
	if said.Message == nil {
		return ErrUnavailable
	}
	switch status {
	case http.StatusNotFound:
		if said.Docs != nil {
			return ErrRouteMissing
		}
		return ErrNotFound
	case http.StatusMethodNotAllowed:
		return ErrRouteMissing
	case http.StatusConflict:
		return ErrConflict
	case http.StatusBadRequest, http.StatusUnprocessableEntity:
		return ErrInvalid
	}
	return ErrUnavailable
}

func (x *exchange) changes() bool { return x.request.op.Method != http.MethodGet }

// neverSent reports whether there was no connection to send anything on.
func neverSent(err error) bool {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// withoutURL returns what lies below a *url.Error, which repeats the whole URL.
func withoutURL(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// A cause is an error of the network. Its text may quote what came over the
// wire, so it is kept beside it, cleaned.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func (x *exchange) cause(err error) error {
	err = withoutURL(err)
	text := x.words(err.Error())
	if text == "" {
		text = "connection trouble"
	}
	return &cause{text, err}
}

const maxWords = 300

// words makes text from outside fit for a log: no token, printable ASCII only,
// cut. It returns "" if the request held a secret that the text could repeat.
func (x *exchange) words(s string) string {
	if x.request.secret {
		return ""
	}
	token := x.conn.token.Reveal()
	if _, part, _ := strings.Cut(token, "|"); part != "" {
		token = part // the number before the bar is no secret
	}
	s = strings.ReplaceAll(s, token, "[redacted]")
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxWords)]
}
