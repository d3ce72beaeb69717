package sidecar

import (
	"fmt"
	"net/http"
	"testing"

	"golang.org/x/time/rate"
)

// TestOrigin: an address of IPv6 is its /64, and its /48 is counted too.
func TestOrigin(t *testing.T) {
	for remote, want := range map[string]origin{
		"192.0.2.7:80":               {address: "192.0.2.7"},
		"[::ffff:192.0.2.7]:80":      {address: "192.0.2.7"},
		"[2001:db8:1:2:3::4]:80":     {"2001:db8:1:2::/64", "2001:db8:1::/48"},
		"[fe80::1:2:3:4%eth0]:80":    {"fe80::/64", "fe80::/48"},
		"no address":                 {address: "no address"},
		"[2001:db8:1:ffff:3::4]:443": {"2001:db8:1:ffff::/64", "2001:db8:1::/48"},
	} {
		if got := originOf(&http.Request{RemoteAddr: remote}); got != want {
			t.Errorf("%s is %+v, want %+v", remote, got, want)
		}
	}
}

// TestLimitsOfNetwork: whoever has a /48 has no more than a few addresses' attempts.
func TestLimitsOfNetwork(t *testing.T) {
	l := newLimits(rate.Limit(0), 3)
	allowed := 0
	for i := range 1000 {
		r := &http.Request{RemoteAddr: fmt.Sprintf("[2001:db8:1:%x::1]:80", i)}
		if l.allowFrom(originOf(r)) {
			allowed++
		}
	}
	if allowed != 3*networkShare {
		t.Errorf("%d attempts of one network, want %d", allowed, 3*networkShare)
	}
	if !l.allowFrom(originOf(&http.Request{RemoteAddr: "[2001:db8:2::1]:80"})) {
		t.Error("another network is refused")
	}
}

// TestLimitsEvict: a flood of addresses makes neither the table larger nor the buckets of
// clients that come again full.
func TestLimitsEvict(t *testing.T) {
	l := newLimits(rate.Limit(0), 1)
	if !l.allow("known") {
		t.Fatal("the first attempt is refused")
	}
	for i := range 2 * maxLimited {
		l.allow(fmt.Sprint(i))
		if i%100 == 0 && l.allow("known") {
			t.Fatalf("after %d others an attempt is allowed again", i+1)
		}
	}
	if len(l.of) != maxLimited || l.used.Len() != maxLimited {
		t.Errorf("%d and %d buckets, want %d", len(l.of), l.used.Len(), maxLimited)
	}
}
