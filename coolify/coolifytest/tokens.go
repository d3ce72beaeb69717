package coolifytest

import (
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A TokenSpec says what token to mint.
type TokenSpec struct {
	User      int       // tokens of one user share the rate limit; user 0 shares it with its address
	Team      int       // all that the token reaches
	Abilities []string  // of read, read:sensitive, write, deploy, root
	Member    bool      // the user is neither admin nor owner of the team
	LeftTeam  bool      // the user has left the team
	ExpiresAt time.Time // zero = never
}

type token struct {
	TokenSpec
	id int
}

const ordinaryUser = 1

// Token mints "<id>|<40 characters>" for an admin of team 0 who is not the root
// user.
func (s *Server) Token(abilities ...string) string {
	return s.TokenOf(ordinaryUser, abilities...)
}

// TokenOf is [Server.Token] for another user of team 0.
func (s *Server) TokenOf(user int, abilities ...string) string {
	return s.Mint(TokenSpec{User: user, Abilities: abilities})
}

// Mint makes a token of any kind.
func (s *Server) Mint(spec TokenSpec) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := &token{TokenSpec: spec, id: s.next("token")}
	t.Abilities = slices.Clone(spec.Abilities)
	text := fmt.Sprintf("%d|%s", t.id, random(40))
	s.tokens[text] = t
	return text
}

// Revoke makes a token unknown.
func (s *Server) Revoke(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.tokens, text)
}

func (t *token) can(ability string) bool {
	return slices.Contains(t.Abilities, root) || slices.Contains(t.Abilities, ability)
}

// elevated reports an ability that only admins and owners may hold.
func (t *token) elevated() bool {
	return t.can(write) || t.can("write:sensitive") || t.can(deploy) || t.can(sensitive)
}

// sensitive reports whether the request sees secrets.
func (c *call) sensitive() bool { return c.token.can(sensitive) && !c.token.Member }

// admit runs Coolify's middleware in its order, then the route.
func (s *Server) admit(c *call) answer {
	if c.route == nil {
		return s.limited(c, func() answer { return notFoundRoute() })
	}
	if c.route.ability == "" {
		return s.limited(c, func() answer { return c.route.do(s, c) })
	}
	bearer, _ := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	t, ok := s.tokens[bearer]
	if !ok || !t.ExpiresAt.IsZero() && !s.cfg.Now().Before(t.ExpiresAt) {
		return message(http.StatusUnauthorized, "Unauthenticated.")
	}
	c.token = t
	return s.limited(c, func() answer {
		if refusal, refused := s.forbid(c); refused {
			return refusal
		}
		return c.route.do(s, c)
	})
}

// forbid is the middleware after the rate limit: team, role, switch, addresses,
// ability.
func (s *Server) forbid(c *call) (answer, bool) {
	t := c.token
	off := func(why string) (answer, bool) {
		return reply(http.StatusForbidden, object{"success": true, "message": why}), true
	}
	switch {
	case t.LeftTeam:
		return message(http.StatusUnauthorized, "Invalid token."), true
	case t.Member && t.elevated():
		return message(http.StatusForbidden, "Missing required team role."), true
	case s.apiOff:
		return off("API is disabled.")
	case s.ipRefused:
		return off("You are not allowed to access the API.")
	case !t.can(c.route.ability):
		return message(http.StatusForbidden, "Missing required permissions: "+c.route.ability), true
	}
	return answer{}, false
}

// A window counts the requests of one minute.
type window struct {
	used int
	ends time.Time
}

// limited counts the request and answers it, or refuses it.
func (s *Server) limited(c *call, next func() answer) answer {
	limit := s.cfg.RateLimit
	if limit < 0 {
		return next()
	}
	now, key := s.cfg.Now(), c.rateKey()
	w := s.windows[key]
	if w == nil || !now.Before(w.ends) {
		w = &window{ends: now.Add(time.Minute)}
		s.windows[key] = w
	}
	if w.used >= limit {
		return c.throttled(limit, w.ends, now)
	}
	w.used++
	a := next()
	a.Header.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	a.Header.Set("X-RateLimit-Remaining", strconv.Itoa(limit-w.used))
	return a
}

func (c *call) throttled(limit int, ends, now time.Time) answer {
	a := c.exception(http.StatusTooManyRequests, "Too Many Attempts.")
	seconds := int((ends.Sub(now) + time.Second - 1) / time.Second)
	a.Header.Set("Retry-After", strconv.Itoa(seconds))
	a.Header.Set("X-RateLimit-Limit", strconv.Itoa(limit))
	a.Header.Set("X-RateLimit-Remaining", "0")
	a.Header.Set("X-RateLimit-Reset", strconv.FormatInt(ends.Unix(), 10))
	return a
}

// rateKey is the user, or the address for those without one. The root user's id
// is 0, which PHP takes for none.
func (c *call) rateKey() string {
	if c.token != nil && c.token.User != 0 {
		return "user " + strconv.Itoa(c.token.User)
	}
	host, _, err := net.SplitHostPort(c.r.RemoteAddr)
	if err != nil {
		host = c.r.RemoteAddr
	}
	return "address " + host
}

const alphabet = "0123456789abcdefghijklmnopqrstuvwxyz"

// random returns n characters of [a-z0-9].
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails; see crypto/rand
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}
