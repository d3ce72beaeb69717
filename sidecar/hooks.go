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

// Limits of what is posted by webhooks. Until its signature is proved a body is
// anybody's, and costs memory and two look-ups.
const (
	maxHookBody         = 1 << 20
	hookSlots           = 128             // at the same time, each of them for a body
	hookSlotsPerAddress = 32              // the same of one address
	hookTime            = 5 * time.Second // to read a body; Gitea gives a delivery as long
	hookRate, hookBurst = rate.Limit(100), 1000
)

// accepted is the answer to all that a webhook signed.
type accepted struct {
	Accepted bool `json:"accepted"`
}

var errHookBusy = &tenancy.Error{
	Code: tenancy.RateLimited, Msg: "too many webhooks post at the same time", Hint: "what was not taken is found within minutes", Retryable: true, RetryAfter: time.Second,
}

// mountHooks serves Gitea's webhooks. Gitea is no browser and sends no Origin, so
// that what holds for all routes holds here too; it comes to the name in
// VIBN_PUBLIC_URL, which is the address that its webhooks have.
func mountHooks(mux *http.ServeMux, cfg Config) {
	h := &hooks{Config: cfg, from: newLimits(hookRate, hookBurst), slots: slots{byAddress: map[string]int{}}}
	mux.HandleFunc("POST /"+tenancy.HookPath+"/{workspace}", h.take)
}

// hooks take what webhooks post. Somebody who floods is bounded by the address
// before anything is read, and a workspace's own webhook in tenancy.
type hooks struct {
	Config
	from  *limits
	slots slots
}

// slots bound how many deliveries are read at once, in all and by address.
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
	address := clientAddress(r)
	if !h.from.allow(address) || !h.slots.take(address) {
		refuse(w, errHookBusy)
		return
	}
	defer h.slots.release(address)
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(hookTime)) // a recorder has none
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

// refuseHookBody ends the connection as well: what is left of the body is not read.
func refuseHookBody(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	send(w, http.StatusRequestEntityTooLarge, mcp.FailureOf(invalid("the body is larger than a webhook's may be")).JSON())
}
