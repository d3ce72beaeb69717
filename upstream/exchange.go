package upstream

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/hashicorp/go-retryablehttp"
)

const (
	maxRepeats    = 2
	maxRefusal    = 64 << 10 // bytes read of an answer that is no success
	maxRetryAfter = 24 * time.Hour
)

var errTooLong = errors.New("the answer is too long")

// An exchange is one call with all its attempts. It is the transport that makes
// an attempt, and the policy that decides on another.
type exchange struct {
	server  *Server
	meter   Meter
	request Request

	attempts int
	wait     time.Duration // before the next attempt
	refused  error         // by the meter
	status   int           // of the last attempt; 0 = no answer
	body     []byte        // of the last attempt
}

func (x *exchange) run(ctx context.Context) (*Answer, error) {
	req, err := x.newRequest(ctx)
	if err != nil {
		return nil, x.failure(ErrInvalid, err)
	}
	resp, err := x.client().Do(req)
	if resp != nil {
		_ = resp.Body.Close() // read and emptied by RoundTrip
	}
	switch {
	case x.refused != nil:
		return nil, x.failure(nil, x.refused)
	case err != nil:
		return nil, x.unanswered(ctx, err)
	}
	answer := &Answer{resp.StatusCode, resp.Header, x.body, x}
	if resp.StatusCode/100 != 2 {
		return nil, x.rejected(answer)
	}
	return answer, nil
}

func (x *exchange) newRequest(ctx context.Context) (*retryablehttp.Request, error) {
	u := x.server.cfg.Base.JoinPath(x.request.Path)
	u.RawQuery = x.request.Query.Encode()
	var body any // nil, not an empty slice: no body at all
	if x.request.Body != nil {
		b, err := json.Marshal(x.request.Body)
		if err != nil {
			return nil, errors.New("the request cannot be written as JSON")
		}
		body = b
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, x.request.Op.Method, u.String(), body)
	if err != nil {
		return nil, x.cause(err)
	}
	// Without this Accept, Coolify answers errors with pages and redirects.
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", x.server.cfg.UserAgent)
	if h := x.request.Credential.header; !h.IsZero() {
		req.Header.Set("Authorization", h.Reveal())
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, x.request.Header)
	return req, nil
}

func (x *exchange) client() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     x,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     maxRepeats,
		CheckRetry:   x.again,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return x.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the last answer, not "giving up"
	}
}

// RoundTrip makes one attempt: it asks the meter, sends, and reads the whole
// answer, so that an answer cut short is a failed attempt.
func (x *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	x.status, x.body = 0, nil
	done, err := x.admit(req)
	if err != nil {
		return nil, err
	}
	if done != nil {
		defer done()
	}
	x.attempts++
	resp, err := x.server.cfg.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	x.status = resp.StatusCode
	if x.body, err = x.readBody(resp); err != nil {
		return nil, err
	}
	resp.Body = http.NoBody
	return resp, nil
}

// admit asks the meter, unless it is too late anyway.
func (x *exchange) admit(req *http.Request) (done func(), err error) {
	if err = req.Context().Err(); err == nil {
		done, err = x.meter(req.Context(), x.request.Op)
		x.refused = err
	}
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // a RoundTripper closes it in any case
	}
	return done, err
}

func (x *exchange) readBody(resp *http.Response) ([]byte, error) {
	if resp.StatusCode/100 != 2 {
		// The status says enough, whatever becomes of the words.
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return b, nil
	}
	if resp.ContentLength > x.request.Max {
		return nil, errTooLong
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, x.request.Max+1))
	if err == nil && int64(len(b)) > x.request.Max {
		err = errTooLong
	}
	return b, err
}

// again decides on another attempt: for what was surely not carried out, which
// is only a 429 that says when to come back, and for what may be done twice.
// The wait must fit into the time that the call has left.
func (x *exchange) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	after, told := retryAfter(resp)
	limited := resp != nil && resp.StatusCode == http.StatusTooManyRequests
	switch {
	case x.refused != nil, errors.Is(err, errTooLong),
		limited && !told, !limited && !x.request.Op.repeatable():
		return false, nil //nolint:nilerr // err is what is judged; the answer is no
	}
	first := x.server.cfg.RetryWait
	x.wait = max(after, retryablehttp.LinearJitterBackoff(first, 2*first, x.attempts-1, nil))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= x.wait {
		return false, nil
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err) // what went wrong is in resp and err
	return again, nil
}

// retryAfter reads the header Retry-After, in seconds or as a date.
func retryAfter(resp *http.Response) (after time.Duration, told bool) {
	if resp == nil {
		return 0, false
	}
	return readRetryAfter(resp.Header)
}

func readRetryAfter(header http.Header) (after time.Duration, told bool) {
	h := header.Get("Retry-After")
	if n, err := strconv.ParseUint(h, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(h); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter), true
	}
	return 0, false
}
