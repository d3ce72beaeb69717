package coolify_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// A wire answers without a network, so that time can be counted exactly.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

// silent never answers.
func silent(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func overWire(w wire) coolify.Config {
	return coolify.Config{
		URL: &url.URL{Scheme: "https", Host: "coolify.example.com", Path: basePath}, Token: secret.NewText(canaryToken), Transport: w,
	}
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

// TestHang: every call ends by itself, and a write that got no answer may have
// been carried out.
func TestHang(t *testing.T) {
	for _, tc := range calls {
		t.Run(tc.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, overWire(silent))
				began := time.Now()
				_, err := tc.run(context.Background(), c)
				want := 10 * time.Second
				if tc.slow() {
					want = 20 * time.Second
				}
				if took := time.Since(began); took != want {
					t.Errorf("%s took %s, want %s", tc.method, took, want)
				}
				judgeFault(t, fault{kind: coolify.ErrTimeout, unknown: true}, tc, err)
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v, want %v in it", tc.method, err, context.DeadlineExceeded)
				}
				if n := c.meter.admitted.Load(); n != 1 {
					t.Errorf("%s: %d attempts, want 1", tc.method, n)
				}
			})
		})
	}
}

// TestCallerGivesUp: a caller's own deadline is a timeout, and what a caller
// cancels is nobody's fault.
func TestCallerGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, overWire(silent))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.Version(ctx)
		if !errors.Is(err, coolify.ErrTimeout) {
			t.Errorf("Version past the deadline: %v, want %v", err, coolify.ErrTimeout)
		}
		ctx, stop := context.WithCancelCause(t.Context())
		go func() {
			<-time.After(time.Second)
			stop(errors.New("shutting down"))
		}()
		err = c.App(app).Stop(ctx)
		e, ok := errors.AsType[*coolify.Error](err)
		if !ok || e.Kind != nil || !e.Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("Stop of a caller that gave up: %#v, want no kind, unknown, and %v", e, context.Canceled)
		}
		before := c.meter.admitted.Load()
		err = c.App(app).Stop(ctx)
		if e, ok := errors.AsType[*coolify.Error](err); !ok || e.Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("Stop after giving up: %#v, want %v and not unknown", e, context.Canceled)
		}
		if n := c.meter.admitted.Load() - before; n != 0 {
			t.Errorf("Stop after giving up asked the meter %d times", n)
		}
	})
}

// TestWaits: Retry-After is kept to, where it fits into the time that is left.
func TestWaits(t *testing.T) {
	for _, tc := range []struct {
		name, header string
		status       int
		attempts     int64
		least, most  time.Duration
	}{
		{"a 500", "", 500, 3, 600 * time.Millisecond, 1200 * time.Millisecond},
		{"a 429 with seconds", "4", 429, 3, 8 * time.Second, 8 * time.Second},
		{"a 429 that would end too late", "6", 429, 2, 6 * time.Second, 6 * time.Second},
		{"a 429 with a date", "Sat, 01 Jan 2000 00:00:03 GMT", 429, 3, 3 * time.Second, 4 * time.Second},
		{"a 503 that asks for more time", "4", 503, 3, 8 * time.Second, 8 * time.Second},
		{"a 503 that asks for too much time", "60", 503, 1, 0, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time begins at midnight of 2000-01-01 UTC
				c := connect(t, overWire(func(*http.Request) (*http.Response, error) {
					return reply(tc.status, `{"message":"no"}`, "Retry-After", tc.header), nil
				}))
				began := time.Now()
				_, err := c.Version(t.Context())
				if err == nil {
					t.Fatal("no error")
				}
				if took := time.Since(began); took < tc.least || took > tc.most {
					t.Errorf("took %s, want %s to %s", took, tc.least, tc.most)
				}
				if n := c.meter.admitted.Load(); n != tc.attempts {
					t.Errorf("%d attempts, want %d", n, tc.attempts)
				}
				if e, ok := errors.AsType[*coolify.Error](err); !ok || e.Status != tc.status {
					t.Errorf("error = %v, want status %d", err, tc.status)
				}
			})
		})
	}
}

// TestCancelledWait: a caller that gives up between two attempts is not kept.
func TestCancelledWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, overWire(func(*http.Request) (*http.Response, error) {
			return reply(429, `{"message":"no"}`, "Retry-After", "5"), nil
		}))
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		began := time.Now()
		err := c.App(app).Stop(ctx)
		if took := time.Since(began); took != time.Second {
			t.Errorf("took %s, want 1s", took)
		}
		if e, ok := errors.AsType[*coolify.Error](err); !ok || e.Unknown || !errors.Is(err, context.Canceled) {
			t.Errorf("error = %v, want %v and not unknown", err, context.Canceled)
		}
	})
}

type slowHandshake struct{ error }

func (slowHandshake) Timeout() bool   { return true }
func (slowHandshake) Temporary() bool { return true }

// TestTransportTimeout: a timeout of the transport's own is a timeout too.
func TestTransportTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := connect(t, overWire(func(*http.Request) (*http.Response, error) {
			return nil, slowHandshake{errors.New("no handshake")}
		}))
		_, err := c.Version(t.Context())
		if !errors.Is(err, coolify.ErrTimeout) || errors.Is(err, coolify.ErrUnavailable) {
			t.Errorf("error = %v, want %v", err, coolify.ErrTimeout)
		}
		if n := c.meter.admitted.Load(); n != 3 {
			t.Errorf("%d attempts, want 3", n)
		}
	})
}
