package sidecar

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// These are the limits of webhook requests. Before its signature is checked, a body may
// come from anyone, and costs memory and two look-ups.
const (
	maxHookBody         = 1 << 20
	hookSlots           = 128             // bodies read at the same time
	hookSlotsPerAddress = 32              // the same for one address
	hookTime            = 5 * time.Second // to read a body; Gitea also allows a delivery this long
	hookRate, hookBurst = rate.Limit(100), 1000
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
	h := &hooks{Config: cfg, from: newLimits(hookRate, hookBurst), slots: slots{byAddress: map[string]int{}}}
	mux.HandleFunc("POST /"+tenancy.HookPath+"/{workspace}", h.take)
}

// hooks handles webhook requests. It limits requests by address before it reads them.
// Package tenancy limits those of a workspace's own webhook.
type hooks struct {
	Config
	from  *limits
	slots slots
}

// slots limits how many deliveries are read at once, in total and per address.
type slots struct {
	mu        sync.Mutex
	byAddress map[string]int // by address
	taken     int
}

// take takes a slot, and reports whether one was free.
func (s *slots) take(address string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= hookSlots || s.byAddress[address] >= hookSlotsPerAddress {
		return false
	}
	s.taken++
	s.byAddress[address]++
	return true
}

func (s *slots) release(address string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	if s.byAddress[address]--; s.byAddress[address] == 0 {
		delete(s.byAddress, address)
	}
}

func (h *hooks) take(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxHookBody {
		refuseHookBody(w)
		return
	}
	from := originOf(r)
	if !h.from.allowFrom(from) || !h.slots.take(from.address) {
		refuse(w, errHookBusy)
		return
	}
	defer h.slots.release(from.address)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookTime)) // a test recorder has no deadline
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxHookBody))
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		refuseHookBody(w)
		return
	}
	if err != nil {
		refuse(w, invalid("the body could not be read"))
		return
	}
	err = push.TakeDelivery(r.Context(), h.Guard, r.PathValue("workspace"), push.Delivery{
		Event: r.Header.Get("X-Gitea-Event"), Signature: r.Header.Get("X-Gitea-Signature"), Body: body,
		Heard: h.Deliveries,
	})
	if err != nil {
		if code := tenancy.Public(err).Code; code != tenancy.NotFound && code != tenancy.RateLimited {
			h.Log.WarnContext(r.Context(), "webhook not taken", "err", h.Guard.ForLog(err))
		}
		refuse(w, err)
		return
	}
	answerWith(w, http.StatusAccepted, accepted{true})
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
