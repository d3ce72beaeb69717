package sidecar

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// TestShares: one address has a quarter, strangers together three quarters, and known
// addresses the rest.
func TestShares(t *testing.T) {
	s := newShares(128)
	take := func(address string, known bool) (n int) {
		for range 200 {
			if s.take(address, 1, known) {
				n++
			}
		}
		return n
	}
	for i, want := range []int{32, 32, 32, 0} {
		if got := take(fmt.Sprint("stranger ", i), false); got != want {
			t.Errorf("stranger %d has %d, want %d", i, got, want)
		}
	}
	if got := take("gitea", true); got != 32 {
		t.Errorf("a known address has %d, want 32", got)
	}
	s.give("stranger 1", 32)
	if got := take("stranger 3", false); got != 0 || len(s.by) != 3 {
		t.Errorf("a stranger has %d of what is kept, and %d addresses are kept", got, len(s.by))
	}
}

// TestMetered: what has arrived counts, and what exceeds the memory is refused.
func TestMetered(t *testing.T) {
	s := newShares(40)
	m := &metered{ReadCloser: io.NopCloser(strings.NewReader(strings.Repeat("x", 11))), of: s, address: "a"}
	if _, err := io.ReadAll(m); !errors.Is(err, errHookBusy) {
		t.Errorf("a body beyond the memory: %v", err)
	}
	s.give("a", m.n)
	if s.taken != 0 || len(s.by) != 0 {
		t.Errorf("%d are taken by %v at the end", s.taken, s.by)
	}
}

// TestKnown: an address is known as long as its last delivery was signed.
func TestKnown(t *testing.T) {
	h := &hooks{known: map[string]bool{}}
	from := origin{address: "192.0.2.1"}
	for i, x := range []struct {
		err  error
		want bool
	}{{nil, true}, {&tenancy.Error{Code: tenancy.RateLimited}, true}, {&tenancy.Error{Code: tenancy.NotFound}, false}} {
		if h.learn(from, x.err); h.isKnown(from) != x.want {
			t.Errorf("after delivery %d known is %v", i, !x.want)
		}
	}
}

// TestMissed: strangers name few workspaces, and the first one starts the clock.
func TestMissed(t *testing.T) {
	var m missed
	for i := range 200 {
		if first := m.add(fmt.Sprint(i), false); first != (i == 0) {
			t.Errorf("number %d is the first: %v", i, first)
		}
	}
	if m.add("of-gitea", true) {
		t.Error("one more is the first")
	}
	if slugs := m.drain(); len(slugs) != maxMissed+1 || !slugs["of-gitea"] {
		t.Errorf("%d workspaces", len(slugs))
	}
	if !m.add("again", false) {
		t.Error("after the look nobody is the first")
	}
}
