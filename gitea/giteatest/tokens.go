package giteatest

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/gitea/giteatest/forms"
)

// A Token is a personal access token.
type Token struct {
	ID        int
	User      string
	Name      string
	LastEight string
	Scopes    []string // as Gitea orders them; nil opens nothing
	Live      bool     // its user may use it now
}

type token struct {
	Token
	user          *account
	secret        string
	created, used time.Time
}

func (s *Server) tokenOf(secret string) *token {
	if secret == "" {
		return nil
	}
	return find(s.tokens, func(t *token) bool { return t.secret == secret })
}

func (s *Server) addToken(a *account, name string, scopes []string) *token {
	secret, now := random(40), s.cfg.Now()
	t := &token{
		Token: Token{ID: s.next("token"), Name: name, LastEight: secret[32:], Scopes: scopes},
		user:  a, secret: secret, created: now, used: now,
	}
	s.tokens = append(s.tokens, t)
	return t
}

// AdminToken mints a token of the site admin. Scopes that Gitea does not know
// panic.
func (s *Server) AdminToken(scopes ...string) string { return s.AddToken(adminLogin, scopes...) }

// AddToken mints a token for a user, and gives it a name of its own. An unknown
// user or scope panics.
func (s *Server) AddToken(login string, scopes ...string) (secret string) {
	return s.AddNamedToken(login, "token-"+random(8), scopes...)
}

// AddNamedToken is [Server.AddToken] with a name, which may be taken.
func (s *Server) AddNamedToken(login, name string, scopes ...string) (secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	normal, err := forms.Normalize(scopes)
	if err != nil {
		panic("giteatest: " + err.Error())
	}
	return s.addToken(must(s.account(login), "user", login), name, normal).secret
}

// RaceTokens lets the next n tokens that are made take names that are taken, as
// happens to requests that come at the same moment.
func (s *Server) RaceTokens(n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.races = n
}

func (s *Server) tokensOf(a *account) []*token {
	return slices.DeleteFunc(slices.Clone(s.tokens), func(t *token) bool { return t.user != a })
}

// tokenJSON is a token; its secret is shown once, by the request that makes it.
func (s *Server) tokenJSON(t *token, secret, created, used string) object {
	o := object{
		"id": t.ID, "name": t.Name, "sha1": secret, "token_last_eight": t.LastEight, "scopes": t.Scopes,
		"created_at": created, "last_used_at": used,
	}
	if !s.since(V126) {
		drop(o, "created_at", "last_used_at")
	}
	return o
}

// listTokens is newest first, by the second.
func (s *Server) listTokens(c *call) answer {
	all := s.tokensOf(c.user)
	slices.SortStableFunc(all, func(a,
		b *token,
	) int {
		return b.created.Truncate(time.Second).Compare(a.created.Truncate(time.Second))
	})
	return list(c, all, paging{pageless: true}, func(t *token) any {
		return s.tokenJSON(t, "", stamp(t.created),
			stamp(t.used))
	})
}

func (s *Server) createToken(c *call) answer {
	form, refusal, ok := decode[struct {
		Name   string   `json:"name"`
		Scopes []string `json:"scopes"`
	}](c)
	if !ok {
		return refusal
	}
	if why := forms.Required("Name", form.Name); why != "" {
		return c.unprocessable(why)
	}
	if why := s.takeTokenName(c.user, form.Name); why != "" {
		return c.refuse(http.StatusBadRequest, why)
	}
	scopes, err := forms.Normalize(form.Scopes)
	if err != nil {
		return c.refuse(http.StatusBadRequest, "invalid access token scope provided: "+err.Error())
	}
	if len(scopes) == 0 && s.since(V126) {
		return c.refuse(http.StatusBadRequest, "access token must have a scope")
	}
	if s.since(V127) && c.token != nil && c.basic && !forms.Covers(c.token.Scopes, scopes) {
		return c.refuse(http.StatusForbidden,
			"cannot create an access token with a broader scope than the authenticating token")
	}
	t := s.addToken(c.user, form.Name, scopes)
	o := s.tokenJSON(t, t.secret, never, never)
	if !s.since(V126) {
		o["scopes"] = nil
	}
	return reply(http.StatusCreated, o)
}

// takeTokenName tells names apart by case. Nothing in the database does, so
// that requests at the same moment may pass.
func (s *Server) takeTokenName(a *account, name string) check {
	if !slices.ContainsFunc(s.tokensOf(a), func(t *token) bool { return t.Name == name }) {
		return ""
	}
	if s.races > 0 {
		s.races--
		return ""
	}
	return "access token name has been used already"
}

// deleteToken takes whatever reads as an integer, as 0x1f does, for an id.
func (s *Server) deleteToken(c *call) answer {
	ref := c.path["token"]
	mine := s.tokensOf(c.user)
	id, err := strconv.ParseInt(ref, 0, 64)
	if err != nil || id == 0 {
		mine = slices.DeleteFunc(mine, func(t *token) bool { return t.Name != ref })
		if len(mine) > 1 {
			return c.unprocessable("multiple matches for token name '" + ref + "'")
		}
	} else {
		mine = slices.DeleteFunc(mine, func(t *token) bool { return int64(t.ID) != id })
	}
	if len(mine) == 0 {
		return c.notFound()
	}
	s.tokens = without(s.tokens, mine[0])
	return noContent()
}

// itself lets a token ask about itself: it must come in its own header.
func itself(c *call) (answer, bool) {
	if c.token == nil || c.basic {
		return c.refuse(http.StatusUnauthorized, "token is required"), false
	}
	return pass()
}

func (s *Server) getOwnToken(c *call) answer {
	t := c.token
	return reply(http.StatusOK, object{
		"id": t.ID, "name": t.Name, "scopes": t.Scopes, "created_at": stamp(t.created), "last_used_at": stamp(t.used),
		"user": object{"id": t.user.ID, "login": t.user.Login},
	})
}

func (s *Server) deleteOwnToken(c *call) answer {
	s.tokens = without(s.tokens, c.token)
	return noContent()
}

// forgejo is a guard for what only Forgejo has.
func forgejo(c *call) (answer, bool) {
	if c.s.cfg.Behaviour != Forgejo {
		return noRoute(), false
	}
	return pass()
}

// An oauthApp is an application that a user registered, which survives every
// token of that user.
type oauthApp struct {
	id       int
	name     string
	clientID string
	created  time.Time
}

func (s *Server) addApp(a *account, name string) *oauthApp {
	app := &oauthApp{
		id: s.next("oauth app"), name: name, created: s.cfg.Now(),
		clientID: strings.Join([]string{random(8), random(4), random(4), random(4), random(12)}, "-"),
	}
	a.apps = append(a.apps, app)
	return app
}

func appJSON(app *oauthApp, secret string) object {
	return object{
		"id": app.id, "name": app.name, "client_id": app.clientID, "client_secret": secret, "confidential_client": true,
		"skip_secondary_authorization": false, "redirect_uris": []string{}, "created": stamp(app.created),
	}
}

func (s *Server) listApps(c *call) answer {
	return list(c, c.doer.apps, paging{}, func(app *oauthApp) any { return appJSON(app, "") })
}

func (s *Server) createApp(c *call) answer {
	form, refusal, ok := decode[struct {
		Name string `json:"name"`
	}](c)
	if !ok {
		return refusal
	}
	if why := forms.Required("Name", form.Name); why != "" {
		return c.unprocessable(why)
	}
	return reply(http.StatusCreated, appJSON(s.addApp(c.doer, form.Name), "gto_"+random(40)))
}

func (s *Server) deleteApp(c *call) answer {
	app := find(c.doer.apps, func(app *oauthApp) bool { return app.id == number(c.path["id"]) })
	if app == nil {
		return c.notFound()
	}
	c.doer.apps = without(c.doer.apps, app)
	return noContent()
}
