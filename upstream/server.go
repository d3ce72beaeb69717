package upstream

import (
	"cmp"
	"errors"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
)

// Config says which server to talk to, and how.
type Config struct {
	Name        string            // begins every error: "coolify"
	Base        *url.URL          // prefix of all request paths
	Transport   http.RoundTripper // nil = a transport of this package, which obeys HTTPS_PROXY and the like
	Timeout     time.Duration     // of a whole call, repeats included; 0 = 10 s
	SlowTimeout time.Duration     // the same for an [Operation] that is Slow; 0 = 20 s
	RetryWait   time.Duration     // approximate wait before the first repeat; 0 = 200 ms
	UserAgent   string            // empty = "vibn-mcp"

	// Refusal reads an answer that is not a success.
	Refusal func(*Answer) Refusal
}

// A Refusal is the meaning of an answer that is not a success.
type Refusal struct {
	Kind  error  // see [Error]
	Cause error  // details beyond the kind; may be nil
	Said  string // the server's own text, not cleaned
}

// A Server is one server. It is safe for concurrent use. Clients hold it by
// pointer, so that printing a client prints an address.
type Server struct{ cfg Config }

// New returns the server that cfg describes. It sends nothing.
func New(cfg Config) *Server {
	cfg.Timeout = cmp.Or(cfg.Timeout, 10*time.Second)
	cfg.SlowTimeout = cmp.Or(cfg.SlowTimeout, 20*time.Second)
	cfg.RetryWait = cmp.Or(cfg.RetryWait, 200*time.Millisecond)
	cfg.UserAgent = cmp.Or(cfg.UserAgent, "vibn-mcp")
	if cfg.Transport == nil {
		cfg.Transport = newTransport()
	}
	return &Server{cfg}
}

// At returns the same server, on the same connections, with base as the prefix of its
// paths.
func (s *Server) At(base *url.URL) *Server {
	cfg := s.cfg
	cfg.Base = base
	return &Server{cfg}
}

func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		ForceAttemptHTTP2:      true,
		MaxIdleConnsPerHost:    16,
		IdleConnTimeout:        60 * time.Second, // below what proxies usually keep
		MaxResponseHeaderBytes: 64 << 10,
	}
}

// CheckRoot returns an error for a URL that cannot be the root of a server whose API is
// below /api/v1.
func CheckRoot(u *url.URL) error {
	switch {
	case u == nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return errors.New("the URL must begin with http:// or https:// and have a host")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return errors.New("the URL must have no user, query or fragment")
	case strings.HasSuffix(strings.TrimRight(u.Path, "/"), "/api/v1"):
		return errors.New("the URL must be that of the root, without /api/v1")
	}
	return nil
}

// Software between vibn-mcp and the server may issue tokens of any form, so every token
// that a header can carry is accepted.
var tokenForm = regexp.MustCompile(`^[!-~]+$`)

// CheckToken returns an error for a token that a header cannot carry.
func CheckToken(token secret.Text) error {
	if !tokenForm.MatchString(token.Reveal()) {
		return errors.New("the token is empty or has characters that tokens do not have")
	}
	return nil
}
