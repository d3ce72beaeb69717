package gitea

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream"
)

// Config says which Gitea to talk to, and how.
type Config struct {
	URL       *url.URL          // root of the Gitea, without /api/v1; may have a path
	Token     secret.Text       // a site admin's access token
	Transport http.RoundTripper // nil = one of our own, which obeys HTTPS_PROXY and the like
	Timeout   time.Duration     // of a request with its repeats; 0 = 10 s
	RetryWait time.Duration     // about how long before a first repeat; 0 = 200 ms
	UserAgent string            // empty = "vibn-mcp"
}

// A conn is one Gitea and one token. Clients hold it by pointer, so that
// printing a client prints an address.
type conn struct {
	api       *upstream.Server
	root      *upstream.Server // of the few paths that are not below /api/v1
	token     secret.Text
	bad       error // the token cannot be sent
	retryWait time.Duration
}

func (c *conn) credential() upstream.Credential {
	return upstream.Token("token", c.token, c.token)
}

// A client is a conn and who pays for its requests.
type client struct {
	conn  *conn
	meter Meter
}

// An Admin talks to one Gitea with a site admin's token. It needs the scopes
// write:admin, write:organization, read:user and write:repository;
// write:package to delete packages; see [Admin.TokensOf] for more. It is safe
// for concurrent use. Until [Admin.Metered] gives it a meter it refuses every
// request.
//
// Every request ends within [Config.Timeout]; a list may take several. Errors
// are *[Error].
type Admin struct{ client }

// New returns an Admin that still needs a meter. It sends nothing.
func New(cfg Config) (*Admin, error) {
	for _, err := range []error{upstream.CheckRoot(cfg.URL), upstream.CheckToken(cfg.Token)} {
		if err != nil {
			return nil, fmt.Errorf("gitea: %w", err)
		}
	}
	api := upstream.New(upstream.Config{
		Name: "gitea", Base: cfg.URL.JoinPath("api", "v1"), Transport: cfg.Transport, Timeout: cfg.Timeout,
		RetryWait: cfg.RetryWait, UserAgent: cfg.UserAgent, Refusal: refusal,
	})
	c := &conn{api: api, root: api.At(cfg.URL), token: cfg.Token, retryWait: cmp.Or(cfg.RetryWait, 200*time.Millisecond)}
	return &Admin{client{conn: c}}, nil
}

// Metered returns a copy of the client whose requests are all admitted by m.
// The copies share their connections.
func (a *Admin) Metered(m Meter) *Admin { return &Admin{client{a.conn, m}} }

// Bot returns a client of the same Gitea with a bot's token, on the same
// connections. It still needs a meter.
func (a *Admin) Bot(pat secret.Text) *Bot {
	c := *a.conn
	c.token, c.bad = pat, upstream.CheckToken(pat)
	return &Bot{client{conn: &c}}
}

// A Bot talks to Gitea with the token of one user, and does what that token may.
// It is safe for concurrent use. Until [Bot.Metered] gives it a meter it refuses
// every request.
type Bot struct{ client }

// Metered returns a copy of the client whose requests are all admitted by m.
func (b *Bot) Metered(m Meter) *Bot { return &Bot{client{b.conn, m}} }
