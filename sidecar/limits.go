package sidecar

import (
	"container/list"
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
	// networkShare is how many times an address's limit a network of IPv6 may have. One
	// customer often has a whole /48, and with it 65,536 addresses as they are counted here.
	networkShare = 4
)

// limits holds a token bucket per client. If there are too many clients, it drops the
// bucket that was used the longest time ago. That bounds memory, and whoever floods from
// many addresses empties no other client's bucket.
type limits struct {
	rate  rate.Limit
	burst int
	mu    sync.Mutex
	of    map[string]*list.Element // of a bucket
	used  *list.List               // the buckets, the one used last in front
}

// A bucket is the limit of one client.
type bucket struct {
	who string
	*rate.Limiter
}

func newLimits(r rate.Limit, burst int) *limits {
	return &limits{rate: r, burst: burst, of: map[string]*list.Element{}, used: list.New()}
}

// allow counts one attempt of a person.
func (l *limits) allow(who string) bool { return l.take(who, 1) }

// allowFrom counts one attempt from an address, and from its network if it has one.
func (l *limits) allowFrom(o origin) bool {
	return (o.network == "" || l.take(o.network, networkShare)) && l.take(o.address, 1)
}

// take takes a token of a bucket of share times the limit.
func (l *limits) take(who string, share int) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	e, ok := l.of[who]
	if !ok {
		if len(l.of) >= maxLimited {
			delete(l.of, l.used.Remove(l.used.Back()).(*bucket).who) // buckets are all that it holds
		}
		e = l.used.PushFront(&bucket{who, rate.NewLimiter(l.rate*rate.Limit(share), l.burst*share)})
		l.of[who] = e
	}
	l.used.MoveToFront(e)
	return e.Value.(*bucket).Allow()
}

// An origin is where a request comes from, as it is limited.
type origin struct {
	address string // an IPv4 address, or the /64 of an IPv6 address
	network string // the /48 of an IPv6 address; empty for IPv4
}

// originOf returns a request's origin. A proxy on this machine or network adds the
// client's address last.
func originOf(r *http.Request) origin {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return origin{address: r.RemoteAddr}
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return origin{address: host}
	}
	if forwarded := r.Header.Values("X-Forwarded-For"); len(forwarded) > 0 && (ip.IsLoopback() || ip.IsPrivate()) {
		list := strings.Split(forwarded[len(forwarded)-1], ",")
		if client, err := netip.ParseAddr(strings.TrimSpace(list[len(list)-1])); err == nil {
			ip = client
		}
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return origin{address: ip.String()}
	}
	return origin{netip.PrefixFrom(ip, 64).Masked().String(), netip.PrefixFrom(ip, 48).Masked().String()}
}
