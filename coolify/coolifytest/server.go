// Package coolifytest is a Coolify made of memory: an [http.Handler] that
// answers as Coolify's HTTP API does, with its state, its quirks and its traps.
// It is hostile on purpose. Lists hold every tenant's things, a uuid in the
// input wins over the one in the path, uuids are handed out for deployments
// that do not exist, and secrets stand in the logs.
//
// It ships in the binary, so it imports no package testing.
package coolifytest

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// Versions that the simulator knows. Any other version behaves as the nearest of them.
const (
	Version41  = "4.1.2"
	Version437 = "4.3.7" // the last one that makes a network with a destination
	Version43  = "4.3.11"
)

const defaultRateLimit = 200

// A Config says what kind of Coolify to be. The zero value is a 4.3.11 with
// Coolify's own limits, whose deployments move by [Server.Advance] only.
type Config struct {
	// Version is 4.3.11 by default. Before 4.2, GET is accepted for deploy,
	// start, stop and restart, GET of an application has no environment, and
	// GET /team and PATCH of an environment do not exist.
	Version string
	// RateLimit is the number of requests a minute for each user: 0 is 200,
	// below 0 is no limit.
	RateLimit int
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// BuildTime is how long a deployment is queued, and then how long it is in
	// progress. Both are worked out when somebody looks. The deletion of an
	// application, a database or a service takes as long. With 0, nothing moves but by
	// [Server.Advance], [Server.FinishDeletions] and [Server.CheckServers].
	BuildTime time.Duration
	// CheckEvery is how often the servers are looked at, for the statuses of services and
	// the networks of the proxies; 0 is BuildTime. See [Server.CheckServers].
	CheckEvery time.Duration
	// StatusLag is how long after a change of a container Coolify notices it: about 15 s
	// on a real one, and at most a minute. 0 is at once.
	StatusLag time.Duration
	// Builder runs the builds, and everybody waits for it. Without one, builds
	// succeed and run nothing.
	Builder *Builder
}

// A Server is one simulated Coolify. Make it with [New]. All methods may be
// called at the same time as requests are served.
type Server struct {
	*upstreamtest.Wire[Request]
	cfg       Config
	authority *upstreamtest.Authority // of the proxies' certificates

	mu        sync.Mutex
	ids       map[string]int // last id given, by kind
	hosts     []*host
	projects  []*project
	apps      []*app
	databases []*database
	services  []*service
	checked   time.Time // when the servers were looked at last
	backups   []*backup
	keys      []*privateKey // the first is that of the servers
	builds    []*deployment
	helpers   []string // deployments whose helper container was left on its host
	shared    []sharedVariable
	tokens    map[string]*token
	windows   map[string]*window                           // rate limit, by user or address
	heads     func(repository, branch string) (sha string) // nil = the commits that applications hold
	ssh       <-chan struct{}                              // gate of every command on a host; nil = fast
	apiOff    bool
	ipRefused bool
}

// New returns a Coolify with one team, 0, one host, and the SSH key of its
// servers.
func New(cfg Config) *Server {
	if cfg.Version == "" {
		cfg.Version = Version43
	}
	if cfg.RateLimit == 0 {
		cfg.RateLimit = defaultRateLimit
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	s := &Server{
		Wire: upstreamtest.NewWire(func(r *Request) *upstreamtest.Request { return &r.Request }, typeJSON),
		cfg:  cfg, authority: upstreamtest.NewAuthority(), ids: map[string]int{}, tokens: map[string]*token{},
		windows: map[string]*window{},
	}
	s.addHost(Host{Name: "host1"})
	s.addServerKey()
	return s
}

// since reports whether this Coolify is of version 4.minor or newer.
func (s *Server) since(minor int) bool {
	parts := strings.SplitN(strings.TrimPrefix(s.cfg.Version, "v"), ".", 3)
	if len(parts) < 2 || parts[0] != "4" {
		return true
	}
	got, err := strconv.Atoi(parts[1])
	return err != nil || got >= minor
}

// makesNetworks reports whether this Coolify makes a network with a destination.
func (s *Server) makesNetworks() bool {
	var minor, patch int
	_, err := fmt.Sscanf(strings.TrimPrefix(s.cfg.Version, "v"), "4.%d.%d", &minor, &patch)
	return err == nil && (minor < 3 || minor == 3 && patch <= 7)
}

// Fail makes operation, for example "POST /applications/{uuid}/start", meet the
// fault until [upstreamtest.Wire.Clear], instead of the fault that it had.
func (s *Server) Fail(operation string, f Fault) {
	s.Clear(operation)
	s.Wire.Fail(operation, f)
}

// ServeHTTP answers /api/v1/… at the handler's root. A request that meets a
// crash point, or a [Fault] that drops or cuts the answer, ends with the panic
// [http.ErrAbortHandler], as net/http asks of a handler that aborts a
// connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(r)
	s.Serve(w, r, s.record(c), func(ctx context.Context) (answer, bool) { return s.act(ctx, c) })
}

// act carries the request out. Commands on a host are waited for with the lock
// free, after the change is made, as Coolify does.
func (s *Server) act(ctx context.Context, c *call) (answer, bool) {
	a := s.locked(c) //nolint:contextcheck // a build outlives the request that looks at it
	if !c.ssh {
		return a, true
	}
	s.mu.Lock()
	gate := s.ssh
	s.mu.Unlock()
	return a, upstreamtest.Wait(ctx, gate)
}

func (s *Server) locked(c *call) answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settle()
	return s.admit(c)
}

// SlowSSH makes every command on a host (container logs, cancelling) wait until
// gate gives a value or is closed. Nil makes them fast again.
func (s *Server) SlowSSH(gate <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ssh = gate
}

// DisableAPI switches the API off or on, as an operator can.
func (s *Server) DisableAPI(off bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.apiOff = off
}

// RefuseIP makes every caller one that is not on the address allow-list.
func (s *Server) RefuseIP(refuse bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ipRefused = refuse
}
