package sidecar

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/time/rate"
)

// These are the limits of sign-in attempts: of one address, which many people may share,
// and of one person.
const (
	addressRate, addressBurst = rate.Limit(2), 60
	personRate, personBurst   = rate.Limit(1. / 6), 10
	maxLimited                = 10_000
)

// limits holds a token bucket per client. If there are too many clients, it drops all
// buckets. That bounds memory, and one client among thousands gains little.
type limits struct {
	rate  rate.Limit
	burst int
	mu    sync.Mutex
	of    map[string]*rate.Limiter
}

func newLimits(r rate.Limit, burst int) *limits {
	return &limits{rate: r, burst: burst, of: map[string]*rate.Limiter{}}
}

// allow counts one attempt.
func (l *limits) allow(who string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, ok := l.of[who]
	if !ok {
		if len(l.of) >= maxLimited {
			clear(l.of)
		}
		b = rate.NewLimiter(l.rate, l.burst)
		l.of[who] = b
	}
	return b.Allow()
}

// clientAddress returns the address used for rate limiting: the IPv4 address, or the
// /64 for IPv6. A proxy on this machine or network adds the client's address last.
func clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 && (ip.IsLoopback() || ip.IsPrivate()) {
		list := strings.Split(forwarded[len(forwarded)-1], ",")
		if client, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			ip = client
		}
	}
	if ip = ip.Unmap(); ip.Is6() {
		network, err := ip.WithZone("").Prefix(64)
		if err == nil {
			return network.String()
		}
	}
	return ip.String()
}
