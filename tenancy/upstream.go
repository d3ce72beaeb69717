package tenancy

import (
	"context"
	"errors"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
)

// UpstreamError turns a failure of Coolify or Gitea into one that a tenant may read.
// doing says what was tried, as in "list the apps". The server's own text goes to the log
// only, as the cause, because it names other tenants' things.
func UpstreamError(doing string, err error) error {
	detail, _ := errors.AsType[*coolify.Error](err)
	return upstreamOf(ServerName(detail), doing, err)
}

func upstreamOf(server, doing string, err error) error {
	if _, ok := errors.AsType[*Error](err); ok {
		return err // a budget or a right refused the request
	}
	e := &Error{Err: err}
	detail, _ := errors.AsType[*coolify.Error](err)
	switch {
	case detail != nil && detail.Unknown:
		e.Code, e.Msg = Timeout, server+" did not confirm the request to "+doing+"; it may have been carried out"
		e.Hint = "check the current state before you try again"
	case errors.Is(err, coolify.ErrNotFound):
		e.Code, e.Msg = NotFound, server+" no longer has what was needed to "+doing
		e.Hint = "list what exists, then try again"
	case errors.Is(
		err, coolify.ErrUnauthorized,
	), errors.Is(err, coolify.ErrForbidden), errors.Is(err, coolify.ErrRouteMissing), errors.Is(err, gitea.ErrRenamed):
		e.Code, e.Msg = Unavailable, server+" does not let this server "+doing
		e.Hint = "only the platform's operator can fix this: the server's token for " + server +
			", or its address, is wrong"
	case errors.Is(err, coolify.ErrConflict):
		e.Code, e.Msg = Conflict, server+" would not "+doing+" because it conflicts with something that exists"
	case errors.Is(err, coolify.ErrInvalid):
		e.Code, e.Msg = Invalid, server+" did not accept the request to "+doing
		e.Hint = "check the values that you gave"
	case errors.Is(err, coolify.ErrRateLimited):
		e.Code, e.Msg, e.Retryable = RateLimited, server+" accepts no more requests for the moment", true
		e.RetryAfter = 30 * time.Second
		if detail != nil && detail.RetryAfter > 0 {
			e.RetryAfter = detail.RetryAfter
		}
	case errors.Is(err, coolify.ErrTimeout), errors.Is(err, context.DeadlineExceeded):
		e.Code, e.Msg, e.Retryable = Timeout, server+" took too long to "+doing, true
		e.Hint = "try again; if it happens again, the host may be unreachable"
	case errors.Is(err, context.Canceled):
		e.Code, e.Msg, e.Retryable = Timeout, "the call was cancelled before "+server+" answered", true
	default:
		e.Code, e.Msg, e.Retryable = Unavailable, server+" could not "+doing+" just now", true
		e.Hint, e.RetryAfter = "try again in a moment", 5*time.Second
	}
	return e
}

// PlatformError is [UpstreamError] for a request that the platform composed. Its names
// and values are the platform's own, so the tenant cannot mend what Gitea refuses. A
// repeated call resumes where the last one stopped.
func PlatformError(doing string, err error) error {
	server := "Gitea"
	if detail, ok := errors.AsType[*coolify.Error](err); ok {
		server = ServerName(detail)
	}
	e, ok := errors.AsType[*Error](upstreamOf(server, doing, err))
	if !ok {
		return err
	}
	public := *e
	switch e.Code { //nolint:exhaustive // the other codes stay as they are
	case NotFound, Conflict, Invalid:
		public.Code, public.Hint = Unavailable, "only the platform's operator can fix this; \"vibn-mcp workspace "+
			"provision\" says what is wrong"
	case Timeout:
		public.Retryable = true
		public.Hint = "try again: completed steps are not repeated"
	}
	return &public
}

// ServerName returns the server of a failure, as people call it.
func ServerName(e *coolify.Error) string {
	if e != nil && e.Server == "gitea" {
		return "Gitea"
	}
	return "Coolify"
}
