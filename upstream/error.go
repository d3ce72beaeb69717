package upstream

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
	ErrNotFound     = errors.New("not found")                           // 404 of a thing, also of another tenant's
	ErrRouteMissing = errors.New("no such route: wrong URL or version") // 404 or 405 of a path
	ErrUnauthorized = errors.New("the token is not accepted")           // 401
	ErrForbidden    = errors.New("the token may not do this")           // 403; also API off, address not allowed
	ErrConflict     = errors.New("conflict")                            // 409
	ErrInvalid      = errors.New("invalid request")                     // 400, 413, 422, or refused before it was sent
	ErrRateLimited  = errors.New("too many requests")                   // 429
	ErrUnavailable  = errors.New("unavailable")                         // no answer, or one that is not the server's
	ErrTimeout      = errors.New("timeout")                             // no answer in time
	ErrUnmetered    = errors.New("the client has no meter")             // a programming error; nothing was sent
)

// An Error is a call that failed. It holds no credential and no secret that was sent. It
// is for the operator: a server's text may name other tenants' things.
type Error struct {
	Server     string // "coolify"
	Op         Operation
	Path       string        // below /api/v1, with the ids
	Status     int           // of the answer; 0 = no answer
	RetryAfter time.Duration // how long to wait, if the server said so; 0 = it did not
	Unknown    bool          // the request changes something, and may have been carried out
	// one of the kinds of the server's package; nil if the meter refused or the caller
	// cancelled
	Kind   error
	Detail string // the server's own text in printable ASCII, cut; empty if it could repeat a secret
	Err    error  // cause: no answer or an unusable one, or details beyond the kind; may be nil
}

// Error returns all that is known, on one line.
func (e *Error) Error() string {
	parts := []string{e.Server, e.Op.Method + " " + e.Path}
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

// KindOf returns the kind of an answer with that status. Some statuses count from any
// sender; the others only if the server itself answers (speaks), and not a proxy in front
// of it.
func KindOf(status int, speaks bool) error {
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
	if !speaks {
		return ErrUnavailable
	}
	switch status {
	case http.StatusNotFound:
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

// failure returns the error of a call that ended before an attempt or between two.
func (ex *exchange) failure(kind, err error) *Error {
	return ex.server.Refuse(ex.request.Op, ex.request.Path, kind, err)
}

// unanswered returns the error of a call that got no answer, or one cut short.
func (ex *exchange) unanswered(ctx context.Context, err error) *Error {
	e := ex.failure(ErrUnavailable, ex.cause(err))
	e.Status = ex.status
	e.Unknown = e.Op.changes() && ex.attempts > 0 && !neverSent(err) && (ex.status == 0 || ex.status/100 == 2)
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

// rejected returns the error of a call whose answer was not a success.
func (ex *exchange) rejected(answer *Answer) *Error {
	refusal := ex.server.cfg.Refusal(answer)
	e := ex.failure(refusal.Kind, refusal.Cause)
	e.Status = answer.Status
	e.RetryAfter, _ = readRetryAfter(answer.Header)
	e.Unknown = e.Op.changes() && answer.Status >= 500
	e.Detail = ex.words(refusal.Said)
	return e
}

// neverSent reports whether there was no connection on which to send the request.
func neverSent(err error) bool {
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](err); untrusted {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "dial"
}

// withoutURL returns the error inside a *url.Error, whose text repeats the whole URL.
func withoutURL(err error) error {
	for {
		u, ok := errors.AsType[*url.Error](err)
		if !ok {
			return err
		}
		err = u.Err
	}
}

// A cause is an error of the network. Its text may quote what came over the wire, so a
// cleaned text is kept beside it.
type cause struct {
	text string
	err  error
}

func (c *cause) Error() string { return c.text }
func (c *cause) Unwrap() error { return c.err }

func (ex *exchange) cause(err error) error {
	err = withoutURL(err)
	text := ex.words(err.Error())
	if text == "" {
		text = "connection trouble"
	}
	return &cause{text, err}
}

const maxWords = 300

// words prepares text from outside for a log: without credentials, in printable ASCII,
// cut. It returns "" if the request held a secret that the text could repeat.
func (ex *exchange) words(s string) string {
	if ex.request.Secret {
		return ""
	}
	for _, hidden := range ex.request.Credential.hidden {
		if hidden.IsZero() {
			continue
		}
		s = strings.ReplaceAll(s, hidden.Reveal(), "[redacted]")
	}
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s)
	return s[:min(len(s), maxWords)]
}
