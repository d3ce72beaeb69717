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
	maxRefusal    = 64 << 10 // bytes read of an answer that is not a success
	maxRetryAfter = 24 * time.Hour
)

var errTooLong = errors.New("the answer is too long")

// An exchange is one call with all its attempts. It is the transport of each attempt, and
// the policy that decides on the next.
type exchange struct {
	server  *Server
	meter   Meter
	request Request

	attempts int
	wait     time.Duration // before the next attempt
	refused  error         // the meter's error
	status   int           // of the last attempt; 0 = no answer
	body     []byte        // of the last attempt
}

func (ex *exchange) run(ctx context.Context) (*Answer, error) {
	req, err := ex.newRequest(ctx)
	if err != nil {
		return nil, ex.failure(ErrInvalid, err)
	}
	resp, err := ex.client().Do(req)
	if resp != nil {
		_ = resp.Body.Close() // RoundTrip has read it to its end
	}
	switch {
	case ex.refused != nil:
		return nil, ex.failure(nil, ex.refused)
	case err != nil:
		return nil, ex.unanswered(ctx, err)
	}
	answer := &Answer{resp.StatusCode, resp.Header, ex.body, ex}
	if resp.StatusCode/100 != 2 {
		return nil, ex.rejected(answer)
	}
	return answer, nil
}

func (ex *exchange) newRequest(ctx context.Context) (*retryablehttp.Request, error) {
	u := ex.server.cfg.Base.JoinPath(ex.request.Path)
	u.RawQuery = ex.request.Query.Encode()
	var body any // nil, not an empty slice: no body at all
	if ex.request.Body != nil {
		b, err := json.Marshal(ex.request.Body)
		if err != nil {
			return nil, errors.New("the request cannot be written as JSON")
		}
		body = b
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, ex.request.Op.Method, u.String(), body)
	if err != nil {
		return nil, ex.cause(err)
	}
	// Without this Accept, Coolify answers errors with pages and redirects.
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", ex.server.cfg.UserAgent)
	if h := ex.request.Credential.header; !h.IsZero() {
		req.Header.Set("Authorization", h.Reveal())
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	maps.Copy(req.Header, ex.request.Header)
	return req, nil
}

func (ex *exchange) client() *retryablehttp.Client {
	return &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport:     ex,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax:     maxRepeats,
		CheckRetry:   ex.again,
		Backoff:      func(_, _ time.Duration, _ int, _ *http.Response) time.Duration { return ex.wait },
		ErrorHandler: retryablehttp.PassthroughErrorHandler, // the last answer, not "giving up"
	}
}

// RoundTrip makes one attempt: it asks the meter, sends, and reads the whole answer. So
// an answer cut short is a failed attempt.
func (ex *exchange) RoundTrip(req *http.Request) (*http.Response, error) {
	ex.status, ex.body = 0, nil
	done, err := ex.admit(req)
	if err != nil {
		return nil, err
	}
	if done != nil {
		defer done()
	}
	ex.attempts++
	resp, err := ex.server.cfg.Transport.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	ex.status = resp.StatusCode
	if ex.body, err = ex.readBody(resp); err != nil {
		return nil, err
	}
	resp.Body = http.NoBody
	return resp, nil
}

// admit asks the meter, unless the call's time is over.
func (ex *exchange) admit(req *http.Request) (done func(), err error) {
	if err = req.Context().Err(); err == nil {
		done, err = ex.meter(req.Context(), ex.request.Op)
		ex.refused = err
	}
	if err != nil && req.Body != nil {
		_ = req.Body.Close() // a RoundTripper must always close it
	}
	return done, err
}

func (ex *exchange) readBody(resp *http.Response) ([]byte, error) {
	if resp.StatusCode/100 != 2 {
		// The status is enough; an error while reading the text is ignored.
		b, _ := io.ReadAll(io.LimitReader(resp.Body, maxRefusal))
		return b, nil
	}
	if resp.ContentLength > ex.request.Max {
		return nil, errTooLong
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, ex.request.Max+1))
	if err == nil && int64(len(b)) > ex.request.Max {
		err = errTooLong
	}
	return b, err
}

// again decides on another attempt. It repeats a request that was surely not carried out,
// which is only a 429 with a Retry-After, and one that may be carried out twice. The wait
// must fit into the call's remaining time.
func (ex *exchange) again(ctx context.Context, resp *http.Response, err error) (bool, error) {
	after, given := retryAfter(resp)
	limited := resp != nil && resp.StatusCode == http.StatusTooManyRequests
	switch {
	case ex.refused != nil, errors.Is(err, errTooLong),
		limited && !given, !limited && !ex.request.Op.repeatable():
		return false, nil //nolint:nilerr // err is the input of the decision; the answer is no
	}
	first := ex.server.cfg.RetryWait
	ex.wait = max(after, retryablehttp.LinearJitterBackoff(first, 2*first, ex.attempts-1, nil))
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= ex.wait {
		return false, nil
	}
	again, _ := retryablehttp.DefaultRetryPolicy(ctx, resp, err) // resp and err already say what went wrong
	return again, nil
}

// retryAfter reads the header Retry-After, in seconds or as a date.
func retryAfter(resp *http.Response) (after time.Duration, given bool) {
	if resp == nil {
		return 0, false
	}
	return readRetryAfter(resp.Header)
}

func readRetryAfter(header http.Header) (after time.Duration, given bool) {
	h := header.Get("Retry-After")
	if n, err := strconv.ParseUint(h, 10, 32); err == nil {
		return min(time.Duration(n)*time.Second, maxRetryAfter), true
	}
	if at, err := http.ParseTime(h); err == nil {
		return min(max(time.Until(at), 0), maxRetryAfter), true
	}
	return 0, false
}
