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

// Config holds the address of a Gitea and the settings for calling it.
type Config struct {
	URL       *url.URL          // root of the Gitea, without /api/v1; may have a path
	Token     secret.Text       // a site admin's access token
	Transport http.RoundTripper // nil = a default one, which obeys HTTPS_PROXY and similar variables
	Timeout   time.Duration     // of a request, including retries; 0 = 10 s
	RetryWait time.Duration     // approximate wait before the first retry; 0 = 200 ms
	UserAgent string            // empty = "vibn-mcp"
}

// A conn holds one Gitea and one token. Clients hold it by pointer, so that printing a
// client prints an address.
type conn struct {
	api       *upstream.Server
	root      *upstream.Server // for the few paths outside /api/v1
	token     secret.Text
	bad       error // why the token cannot be sent; nil = it can
	retryWait time.Duration
}

func (c *conn) credential() upstream.Credential {
	return upstream.Token("token", c.token, c.token)
}

// A client is a conn with the meter of its requests.
type client struct {
	conn  *conn
	meter Meter
}

// An Admin calls one Gitea with a site admin's token. The token needs the scopes
// write:admin, write:organization, read:user and write:repository, and write:package to
// delete packages. [Admin.TokensOf] may need more. It is safe for concurrent use. It
// refuses every request until [Admin.Metered] gives it a meter.
//
// Every request ends within [Config.Timeout]; a list may need several requests. Errors
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
	c := &conn{
		api: api, root: api.At(cfg.URL), token: cfg.Token, retryWait: cmp.Or(cfg.RetryWait, 200*time.Millisecond),
	}
	return &Admin{client{conn: c}}, nil
}

// Metered returns a copy of the client that asks m before every request. The copies share
// their connections.
func (a *Admin) Metered(m Meter) *Admin { return &Admin{client{a.conn, m}} }

// Bot returns a client of the same Gitea with a bot's token, which uses the same
// connections. It still needs a meter.
func (a *Admin) Bot(pat secret.Text) *Bot {
	c := *a.conn
	c.token, c.bad = pat, upstream.CheckToken(pat)
	return &Bot{client{conn: &c}}
}

// A Bot calls Gitea with the token of one user, and can do what that token may. It is
// safe for concurrent use. It refuses every request until [Bot.Metered] gives it a meter.
type Bot struct{ client }

// Metered returns a copy of the client that asks m before every request.
func (b *Bot) Metered(m Meter) *Bot { return &Bot{client{b.conn, m}} }
