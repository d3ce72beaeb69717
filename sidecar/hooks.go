package sidecar

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// These are the limits of webhook requests. Before its signature is checked, a body may
// come from anyone, and costs memory and two look-ups. A part is kept for addresses whose
// last delivery was signed, which is where Gitea sends from.
const (
	maxHookBody         = 1 << 20
	hookSlots           = 128 // deliveries checked at the same time
	hookMemory          = 64 << 20
	hookRate, hookBurst = rate.Limit(100), 1000
	// hookRefusal is the least time that the refusal of a signature takes. What is looked up
	// takes less, so the time does not tell whether there is a workspace of that name.
	hookRefusal = 50 * time.Millisecond
	lookAfter   = 5 * time.Second // from a refused delivery to a look at its repositories
)

// accepted is the answer to every signed webhook request.
type accepted struct {
	Accepted bool `json:"accepted"`
}

var errHookBusy = &tenancy.Error{
	Code: tenancy.RateLimited, Msg: "too many webhook deliveries at the same time",
	Hint: "skipped pushes are found within minutes", Retryable: true, RetryAfter: time.Second,
}

// mountHooks serves Gitea's webhooks. The checks of all routes apply here too: Gitea
// sends no Origin, as it is not a browser, and it calls the host in VIBN_PUBLIC_URL,
// which is the address of its webhooks.
func mountHooks(mux *http.ServeMux, cfg Config) {
	h := &hooks{
		Config: cfg, from: newLimits(hookRate, hookBurst), known: map[string]bool{}, slots: newShares(hookSlots),
		memory: newShares(hookMemory),
	}
	mux.HandleFunc("POST /"+tenancy.HookPath+"/{workspace}", h.take)
}

// hooks handles webhook requests. It limits requests by address before it reads them.
// Package tenancy limits those of a workspace's own webhook.
type hooks struct {
	Config
	from   *limits
	slots  *shares // of deliveries that are checked
	memory *shares // bytes of bodies that have arrived
	missed missed

	mu    sync.Mutex
	known map[string]bool // addresses whose last delivery was signed
}

func (h *hooks) take(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxHookBody {
		refuseHookBody(w)
		return
	}
	from, began := originOf(r), time.Now()
	err := h.deliver(w, r, from)
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuseHookBody(w)
		return
	}
	if err == nil {
		answerWith(w, http.StatusAccepted, accepted{true})
		return
	}
	switch tenancy.Public(err).Code {
	case tenancy.NotFound:
		if r.Header.Get("X-Gitea-Signature") != "" {
			wait(r.Context(), time.Until(began.Add(hookRefusal)))
		}
	case tenancy.RateLimited:
		h.lookSoon(r.PathValue("workspace"), from) //nolint:contextcheck // the look outlives the delivery
	case tenancy.Invalid:
	default:
		h.Log.WarnContext(r.Context(), "webhook not taken", "err", h.Guard.ForLog(err))
	}
	refuse(w, err)
}

// wait waits, or until ctx is done.
func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// deliver reads a delivery, and only then takes a slot and checks it. A body that has not
// arrived takes neither a slot nor memory.
func (h *hooks) deliver(w http.ResponseWriter, r *http.Request, from origin) error {
	if !h.from.allowFrom(from) {
		return errHookBusy
	}
	known := h.isKnown(from)
	body := &metered{ReadCloser: r.Body, of: h.memory, address: from.address, known: known}
	defer func() { h.memory.give(from.address, body.n) }()
	r.Body = body
	raw, err := mcp.ReadBody(w, r, maxHookBody)
	if errors.Is(err, errHookBusy) {
		return errHookBusy
	}
	if err != nil {
		return err
	}
	if !h.slots.take(from.address, 1, known) {
		return errHookBusy
	}
	defer h.slots.give(from.address, 1)
	err = push.TakeDelivery(r.Context(), h.Guard, r.PathValue("workspace"), push.Delivery{
		Event: r.Header.Get("X-Gitea-Event"), Signature: r.Header.Get("X-Gitea-Signature"), Body: raw,
	})
	h.learn(from, err)
	return err
}

// maxKnown bounds how many addresses are known. A Gitea sends from few.
const maxKnown = 64

func (h *hooks) isKnown(from origin) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known[from.address]
}

// learn records whether an address's delivery was signed.
func (h *hooks) learn(from origin, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case tenancy.IsNotFound(err):
		delete(h.known, from.address)
	case err == nil && len(h.known) < maxKnown:
		h.known[from.address] = true
	}
}

// lookSoon has the repositories of a refused delivery looked at soon. Otherwise the sweep
// would find its push, a minute later or more.
func (h *hooks) lookSoon(slug string, from origin) {
	if tenancy.CheckSlug(slug) == nil && h.missed.add(slug, h.isKnown(from)) {
		time.AfterFunc(lookAfter, func() { push.LookAt(context.Background(), h.Guard, h.missed.drain()) })
	}
}

// refuseHookBody also closes the connection, because the rest of the body has not been
// read.
func refuseHookBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	send(
		w, http.StatusRequestEntityTooLarge,
		mcp.FailureOf(invalid("the body is larger than a webhook's limit")).JSON(),
	)
}
