package coolify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream"
)

// Config holds the address of a Coolify and the settings for calling it.
type Config struct {
	URL         *url.URL          // root of the Coolify, without /api/v1; may have a path
	Token       secret.Text       // "<id>|<secret>", created in Coolify's settings
	Transport   http.RoundTripper // nil = a default one, which obeys HTTPS_PROXY and similar variables
	Timeout     time.Duration     // of a whole call, including retries; 0 = 10 s
	SlowTimeout time.Duration     // the same for an [Operation] that is Slow; 0 = 20 s
	RetryWait   time.Duration     // approximate wait before the first retry; 0 = 200 ms
	UserAgent   string            // empty = "vibn-mcp"
}

func (cfg Config) check() error {
	if err := upstream.CheckRoot(cfg.URL); err != nil {
		return err
	}
	return upstream.CheckToken(cfg.Token)
}

// A conn holds one Coolify and one token. Clients hold it by pointer, so that printing a
// client prints an address.
type conn struct {
	server *upstream.Server
	token  upstream.Credential
}

func newConn(cfg Config) (*conn, error) {
	if err := cfg.check(); err != nil {
		return nil, fmt.Errorf("coolify: %w", err)
	}
	server := upstream.New(upstream.Config{
		Name: "coolify", Base: cfg.URL.JoinPath("api", "v1"), Transport: cfg.Transport, Timeout: cfg.Timeout,
		SlowTimeout: cfg.SlowTimeout,
		RetryWait:   cfg.RetryWait, UserAgent: cfg.UserAgent, Refusal: refusal,
	})
	hidden := cfg.Token
	if _, part, _ := strings.Cut(cfg.Token.Reveal(), "|"); part != "" {
		hidden = secret.NewText(part) // the number before the bar is not secret
	}
	return &conn{server, upstream.Token("Bearer", cfg.Token, hidden)}, nil
}

// A Client calls one Coolify with an ordinary token: read, write and deploy. It is safe
// for concurrent use. It refuses every request until [Client.Metered] gives it a meter.
//
// Every method ends within [Config.Timeout], or within SlowTimeout if its comment says
// "Slow". Its errors are *[Error].
type Client struct {
	conn  *conn
	meter Meter
}

// New returns a Client that still needs a meter. It sends nothing.
func New(cfg Config) (*Client, error) {
	c, err := newConn(cfg)
	if err != nil {
		return nil, err
	}
	return &Client{conn: c}, nil
}

// Metered returns a copy of the client that asks m before every request. The copies share
// their connections.
func (c *Client) Metered(m Meter) *Client { return &Client{c.conn, m} }

func (c *Client) do(ctx context.Context, r request, out any) error {
	return c.conn.do(ctx, c.meter, r, out)
}

// versionForm matches Coolify's answer, but not the page of a proxy.
var versionForm = regexp.MustCompile(`^v?[0-9]+\.[0-9]+[0-9A-Za-z.+-]{0,40}$`)

// Version returns the version of Coolify, for example "4.3.11".
//
//api:op GET /version
func (c *Client) Version(ctx context.Context) (string, error) {
	var v version
	err := c.do(ctx, newRequest("GET", "/version"), &v)
	return string(v), err
}

// A version is the one answer in plain text. Coolify labels it HTML although the request
// asks for JSON.
type version string

func (v *version) decode(body []byte) error {
	s := strings.Trim(strings.TrimSpace(string(body)), `"`)
	if !versionForm.MatchString(s) {
		return errors.New("not a version")
	}
	*v = version(s)
	return nil
}
