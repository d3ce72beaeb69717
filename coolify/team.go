package coolify

import (
	"context"
	"net/http"
	"strconv"
	"strings"
)

// A Team owns everything that a token can reach. Team 0 is the root team, whose tokens
// can switch off the API.
type Team struct {
	ID   int
	Name string
}

// Team returns the team of the token.
//
//api:op GET /teams
func (c *Client) Team(ctx context.Context) (Team, error) {
	var w wireTeams
	if err := c.do(ctx, newRequest("GET", "/teams"), &w); err != nil {
		return Team{}, err
	}
	return Team{int(*w.list[0].ID), string(w.list[0].Name)}, nil
}

// wireTeams is a list with one team.
type wireTeams struct {
	list[struct {
		ID   *number `json:"id"`
		Name text    `json:"name"`
	}]
}

func (w *wireTeams) check([]UUID) error {
	if len(w.list) != 1 || w.list[0].ID == nil {
		return errAnswer
	}
	return nil
}

// A Limit is the number of requests that Coolify accepts per minute.
type Limit struct {
	PerMinute int // 0 = Coolify did not report it
	Left      int // in this minute
}

// Limit returns the limit that all tokens of the token's user share. For the root user it
// is that of [Client.AddressLimit], because Coolify treats the root user's id as none.
//
//api:op GET /version
func (c *Client) Limit(ctx context.Context) (Limit, error) {
	var v version
	header, err := c.conn.doHeader(ctx, c.meter, newRequest("GET", "/version"), &v)
	return limitOf(header), err
}

// AddressLimit returns the limit that all requests without a user from this address
// share. It sends no token.
//
//api:op GET /health
func (c *Client) AddressLimit(ctx context.Context) (Limit, error) {
	r := newRequest("GET", "/health")
	r.anonymous = true
	var h health
	header, err := c.conn.doHeader(ctx, c.meter, r, &h)
	return limitOf(header), err
}

func limitOf(h http.Header) Limit {
	perMinute, err := strconv.Atoi(h.Get("X-RateLimit-Limit"))
	left, err2 := strconv.Atoi(h.Get("X-RateLimit-Remaining"))
	if err != nil || err2 != nil || perMinute <= 0 {
		return Limit{}
	}
	return Limit{perMinute, left}
}

// health is plain text, as a version is.
type health struct{}

func (*health) decode(body []byte) error {
	if strings.Trim(strings.TrimSpace(string(body)), `"`) != "OK" {
		return errAnswer
	}
	return nil
}
