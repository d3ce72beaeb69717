// Package giteatest is a Gitea made of memory and, for its repositories, of
// real git: an [http.Handler] that answers as Gitea's HTTP API does, with its
// state, its quirks and its traps. It is hostile on purpose. Names are not
// unique where Gitea's are not, organisations pass for users, tokens that say
// too little still open doors, and what is not sent in a PATCH is wiped.
//
// It ships in the binary, so it imports no package testing.
package giteatest

import (
	"context"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/vibnai/vibn-mcp/upstream/upstreamtest"
)

// A Behaviour is one of the servers that the simulator can be.
type Behaviour string

// The behaviours, as they were observed. V126 stands for 1.22 to 1.26.
const (
	V121    Behaviour = "1.21"
	V126    Behaviour = "1.26"
	V127    Behaviour = "1.27"
	Forgejo Behaviour = "forgejo" // 16 and newer; as V126 but for the ways to a token
)

// versions is what GET /version says.
var versions = map[Behaviour]string{V121: "1.21.11", V126: "1.26.0", V127: "1.27.3", Forgejo: "16.0.0+gitea-1.22.0"}

// A Config says what kind of Gitea to be. The zero value is a 1.26 with Gitea's
// own defaults but for registration, which is closed.
type Config struct {
	Behaviour Behaviour // V126 by default
	Version   string    // what GET /version says; when empty, that of the behaviour
	// PublicURL is the root in links and clone addresses, without a slash at
	// its end. When empty it is http:// and the Host of the request.
	PublicURL string
	// GitRoot is the directory of the bare repositories, one for each id. When
	// empty, one is made with the first repository and removed by
	// [Server.Close].
	GitRoot string
	// Now is the clock; time.Now by default.
	Now func() time.Time
	// LoopbackHooks lets webhooks be delivered to loopback addresses, as
	// ALLOWED_HOST_LIST=loopback does. Nothing is ever delivered elsewhere.
	LoopbackHooks bool

	// SSHPort and SSHUser stand in clone addresses: [server] SSH_PORT, 22 by default,
	// and SSH_USER, git by default.
	SSHPort int
	SSHUser string

	RequireSignIn     bool // [service] REQUIRE_SIGNIN_VIEW
	NoBasicAuth       bool // [service] ENABLE_BASIC_AUTHENTICATION=false
	ProxyAuth         bool // [service] ENABLE_REVERSE_PROXY_AUTHENTICATION(_API)
	OpenRegistration  bool // [service] DISABLE_REGISTRATION=false
	NoUsersPage       bool // [service.explore] DISABLE_USERS_PAGE
	TwoFactorEnforced bool // [security] TWO_FACTOR_AUTH=enforced
	ForksCounted      bool // [repository] ALLOW_FORK_WITHOUT_MAXIMUM_LIMIT=false
	ForcePrivate      bool // [repository] FORCE_PRIVATE
	NoQueryToken      bool // [security] DISABLE_QUERY_AUTH_TOKEN
	NoWebhooks        bool // [security] DISABLE_WEBHOOKS
	NoSSH             bool // [server] DISABLE_SSH
}

// A Server is one simulated Gitea. Make it with [New]. All methods may be
// called at the same time as requests are served.
type Server struct {
	*upstreamtest.Wire[Request]
	cfg  Config
	stop context.CancelFunc
	done context.Context // ends deliveries when the server is closed

	mu         sync.Mutex
	ids        map[string]int // last id given, by kind
	accounts   []*account
	tokens     []*token
	repos      []*repo
	packages   []*pkg
	runners    []*runner
	left       []*hook             // webhooks of organisations that are gone
	userMoves  map[string]*account // old name, lower case
	repoMoves  map[string]*repo    // "owner id/old name", lower case
	sshKeys    map[string]int      // id of a key, by its content
	gitRoot    *os.Root            // nil until a repository has something in it
	host       string              // of the last request
	deliveries []*Delivery
	pending    int // deliveries on their way
	idle       chan struct{}
	races      int // how many tokens may still take a name that is taken
}

// New returns a Gitea with one user, the site admin, and nothing else.
func New(cfg Config) *Server {
	if cfg.Behaviour == "" {
		cfg.Behaviour = V126
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	cfg.PublicURL = strings.TrimRight(cfg.PublicURL, "/")
	s := &Server{
		Wire: upstreamtest.NewWire(func(r *Request) *upstreamtest.Request { return &r.Request }, typeJSON),
		cfg:  cfg, ids: map[string]int{}, userMoves: map[string]*account{}, repoMoves: map[string]*repo{},
		sshKeys: map[string]int{},
	}
	s.done, s.stop = context.WithCancel(context.Background())
	s.addAccount(&account{
		User: User{Login: adminLogin, Email: "siteadmin@example.com", Password: random(40), Admin: true},
	})
	return s
}

// Close ends the deliveries that are on their way and removes the directory of
// the repositories if the simulator made it.
func (s *Server) Close() error {
	s.stop()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.repos {
		if r.dir.Root != nil {
			_ = r.dir.Close()
		}
	}
	if s.gitRoot == nil {
		return nil
	}
	root := s.gitRoot
	s.gitRoot = nil
	if err := root.Close(); err != nil || s.cfg.GitRoot != "" {
		return err
	}
	return os.RemoveAll(root.Name())
}

// since reports whether this Gitea has what came with b.
func (s *Server) since(b Behaviour) bool {
	is := s.cfg.Behaviour
	if is == Forgejo {
		is = V126
	}
	return is >= b
}

// root is the address of this Gitea, without a slash at its end. A caller holds
// s.mu.
func (s *Server) root() string {
	if s.cfg.PublicURL != "" {
		return s.cfg.PublicURL
	}
	if s.host == "" {
		return "http://localhost:3000"
	}
	return "http://" + s.host
}

// ServeHTTP answers Gitea's paths at the handler's root: /api/v1/…,
// /api/healthz, /user/sign_up, and git's protocol at /{owner}/{repo}.git/…. A
// request that meets a crash point, or a [Fault] that drops or cuts the answer,
// ends with the panic [http.ErrAbortHandler], as net/http asks of a handler
// that aborts a connection.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c := s.newCall(r)
	s.Serve(w, r, s.record(c), func(ctx context.Context) (answer, bool) { return s.act(ctx, c), true })
}

// act carries the request out.
func (s *Server) act(ctx context.Context, c *call) answer {
	if c.route != nil && c.route.git {
		return s.serveGit(ctx, c)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admit(c)
}
