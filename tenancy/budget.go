package tenancy

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/places"
)

// Budget divides what Coolify allows one user: 200 requests a minute, counted over all
// tenants together. A bucket of Burst that refills at PerMinute admits at most
// Burst+PerMinute in any minute, so the defaults add up to 200: 130 for all tenants and
// 70 in reserve.
type Budget struct {
	TenantsPerMinute, TenantsBurst     int // all workspaces together
	WorkspacePerMinute, WorkspaceBurst int // each workspace
	ReservePerMinute, ReserveBurst     int // operator, health, and the shared poll of running deployments
	Slow                               int // concurrent slow requests of one workspace
	Waits                              int // concurrent waits of one workspace
	CallsPerMinute, CallsBurst         int // calls of one workspace to this server, people's besides
	InFlight                           int // concurrent calls of one workspace to this server, waits included
	PushesPerMinute, PushesBurst       int // deliveries of one workspace's webhook
	MaxWait                            time.Duration
}

// DefaultBudget fits a Coolify with its default limit and one vibn-mcp process.
func DefaultBudget() Budget {
	return Budget{
		TenantsPerMinute: 100, TenantsBurst: 30,
		WorkspacePerMinute: 40, WorkspaceBurst: 30,
		ReservePerMinute: 50, ReserveBurst: 20,
		Slow: 2, Waits: 16, CallsPerMinute: 600, CallsBurst: 100, InFlight: 24,
		PushesPerMinute: 1200, PushesBurst: 1000, MaxWait: 2 * time.Second,
	}
}

// WithDefaults returns the budget with the figures of [DefaultBudget] where b has zero.
func (b Budget) WithDefaults() Budget {
	d := DefaultBudget()
	for _, f := range []struct{ got, def *int }{
		{&b.TenantsPerMinute, &d.TenantsPerMinute},
		{&b.TenantsBurst, &d.TenantsBurst},
		{&b.WorkspacePerMinute, &d.WorkspacePerMinute},
		{&b.WorkspaceBurst, &d.WorkspaceBurst},
		{&b.ReservePerMinute, &d.ReservePerMinute},
		{&b.ReserveBurst, &d.ReserveBurst},
		{&b.Slow, &d.Slow},
		{&b.Waits, &d.Waits},
		{&b.CallsPerMinute, &d.CallsPerMinute},
		{&b.CallsBurst, &d.CallsBurst},
		{&b.InFlight, &d.InFlight},
		{&b.PushesPerMinute, &d.PushesPerMinute},
		{&b.PushesBurst, &d.PushesBurst},
	} {
		if *f.got <= 0 {
			*f.got = *f.def
		}
	}
	if b.MaxWait <= 0 {
		b.MaxWait = d.MaxWait
	}
	return b
}

// maxIdle is the number of shares at which idle ones are dropped.
const maxIdle = 1_000

type budget struct {
	cfg     Budget
	tenants *rate.Limiter
	system  *rate.Limiter

	mu     sync.Mutex
	shares map[string]*share // by workspace id
}

// A share is one workspace's part of the budget.
type share struct {
	requests *rate.Limiter  // to Coolify
	calls    *places.Places // to this server
	slow     chan struct{}  // one element for each slow request in flight
	waits    chan struct{}  // one element for each wait
	retries  *rate.Limiter  // of provisioning, which uses the operator's reserve
	pushes   *rate.Limiter  // deliveries of the webhook
}

func newBudget(cfg Budget) *budget {
	cfg = cfg.WithDefaults()
	return &budget{
		cfg:     cfg,
		tenants: perMinute(cfg.TenantsPerMinute, cfg.TenantsBurst),
		system:  perMinute(cfg.ReservePerMinute, cfg.ReserveBurst),
		shares:  map[string]*share{},
	}
}

func perMinute(n, burst int) *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(n)/60), burst)
}

func (b *budget) share(workspaceID string) *share {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s, ok := b.shares[workspaceID]; ok {
		return s
	}
	if len(b.shares) >= maxIdle {
		for id, s := range b.shares {
			if s.idle(b.cfg) {
				delete(b.shares, id)
			}
		}
	}
	s := &share{
		requests: perMinute(b.cfg.WorkspacePerMinute, b.cfg.WorkspaceBurst),
		calls:    places.New(places.Rules{Places: b.cfg.InFlight, PerMinute: b.cfg.CallsPerMinute, Burst: b.cfg.CallsBurst}),
		retries:  rate.NewLimiter(rate.Every(retryEvery), 1),
		pushes:   perMinute(b.cfg.PushesPerMinute, b.cfg.PushesBurst),
		slow:     make(chan struct{}, b.cfg.Slow), waits: make(chan struct{}, b.cfg.Waits),
	}
	b.shares[workspaceID] = s
	return s
}

// idle reports whether a share is in the state of a new one, so that it can be dropped.
func (s *share) idle(cfg Budget) bool {
	return len(s.slow)+len(s.waits) == 0 && s.calls.Idle() && s.requests.Tokens() >= float64(cfg.WorkspaceBurst) &&
		s.retries.Tokens() >= 1 &&
		s.pushes.Tokens() >= float64(cfg.PushesBurst)
}

// admit lets one request of a workspace pass, at once or within MaxWait, or refuses it
// with [RateLimited]. The workspace's own limiter comes first, so that a workspace that
// floods does not drain the shared one.
func (b *budget) admit(
	ctx context.Context, workspaceID string, op coolify.Operation,
) (done func(), waited bool, err error) {
	s := b.share(workspaceID)
	leave := func() {}
	if op.Slow {
		if waited, err = b.enter(ctx, s.slow); err != nil {
			return nil, false, err
		}
		leave = func() { <-s.slow }
	}
	for _, l := range []*rate.Limiter{s.requests, b.tenants} {
		w, err := b.take(ctx, l)
		if err != nil {
			if e, ok := errors.AsType[*Error](err); ok && l == b.tenants {
				e.Msg = "Coolify's request limit is used up for the moment"
			}
			leave()
			return nil, false, err
		}
		waited = waited || w
	}
	if op.Slow {
		leave = sync.OnceFunc(releaseSlow(ctx, leave))
	}
	return leave, waited, nil
}

// slowest is how long Coolify keeps a worker on a host that does not answer (67 s as
// measured), even if the client has disconnected.
const slowest = 70 * time.Second

// releaseSlow gives a slow request's slot back: at once if it was answered, otherwise when
// Coolify must have ended it. Otherwise a workspace that disconnects repeatedly could
// occupy all of Coolify's workers.
func releaseSlow(ctx context.Context, leave func()) func() {
	began := time.Now()
	return func() {
		if ctx.Err() == nil {
			leave()
			return
		}
		time.AfterFunc(slowest-time.Since(began), leave)
	}
}

// reserve admits a request that no tenant caused.
func (b *budget) reserve(ctx context.Context, _ coolify.Operation) (func(), error) {
	_, err := b.take(ctx, b.system)
	return func() {}, err
}

// admitCall admits one call to this server.
func (b *budget) admitCall(workspaceID string, c places.Caller) error {
	if b.share(workspaceID).calls.Admit(c) {
		return nil
	}
	return limited("this workspace makes too many calls", "wait a little, then call again", time.Second)
}

// admitPush admits one delivery of a workspace's webhook.
func (b *budget) admitPush(workspaceID string) error {
	if b.share(workspaceID).pushes.Allow() {
		return nil
	}
	return limited("this workspace's webhook sends too many deliveries",
		"nothing is lost: skipped pushes are found within minutes", time.Second)
}

// retryEvery is the least time between two provisioning retries that a workspace asks
// for.
const retryEvery = time.Minute

// admitRetry admits one provisioning retry that a workspace's members ask for.
func (b *budget) admitRetry(workspaceID string) error {
	if b.share(workspaceID).retries.Allow() {
		return nil
	}
	return limited("this workspace was provisioned less than a minute ago", "wait a minute, then call again", retryEvery)
}

// errBusy says that a caller has no place for one more call or body.
var errBusy = limited("this workspace has too many calls running at the same time",
	"wait for some to finish, then call again", time.Second)

// enterWait admits one wait of a workspace; leave ends it.
func (b *budget) enterWait(workspaceID string) (leave func(), err error) {
	s := b.share(workspaceID)
	select {
	case s.waits <- struct{}{}:
		return func() { <-s.waits }, nil
	default:
		return nil, tooBusyError(5 * time.Second)
	}
}

func (b *budget) enter(ctx context.Context, slots chan struct{}) (waited bool, err error) {
	select {
	case slots <- struct{}{}:
		return false, nil
	default:
	}
	t := time.NewTimer(b.cfg.MaxWait)
	defer t.Stop()
	select {
	case slots <- struct{}{}:
		return true, nil
	case <-t.C:
		return false, tooBusyError(5 * time.Second)
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// take takes a token, and waits for it if it comes within MaxWait. It reserves no token
// that it cannot get: if several reserved tokens are cancelled at the same time, a
// Limiter loses all but one.
func (b *budget) take(ctx context.Context, l *rate.Limiter) (waited bool, err error) {
	if l.Allow() {
		return false, nil
	}
	within, cancel := context.WithTimeout(ctx, b.cfg.MaxWait)
	defer cancel()
	if l.Wait(within) == nil {
		return true, nil
	}
	if err := ctx.Err(); err != nil {
		return false, err
	}
	missing := max(0, 1-l.Tokens())
	return false, tooBusyError(time.Duration(missing / float64(l.Limit()) * float64(time.Second)))
}

func tooBusyError(d time.Duration) *Error {
	return limited("this workspace has used up its share of Coolify's request limit",
		"wait, then call again; one call with wait_seconds costs less than polling", d.Round(time.Second)+time.Second)
}

func limited(msg, hint string, after time.Duration) *Error {
	return &Error{Code: RateLimited, Msg: msg, Hint: hint, Retryable: true, RetryAfter: after}
}
