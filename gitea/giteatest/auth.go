package giteatest

import (
	"encoding/base64"
	"net/http"
	"slices"
	"strings"
)

// A credential is what a request proved.
type credential struct {
	doer  *account // who acts, after sudo; nil = nobody
	token *token   // nil = a password, a proxy's word, or nothing
	basic bool     // it came by Basic
	proxy bool     // a reverse proxy said so
}

// authorization splits the header: scheme in lower case, and what follows it.
func authorization(r *http.Request) (scheme, rest string) {
	scheme, rest, _ = strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.ToLower(scheme), strings.TrimSpace(rest)
}

// presented returns the token of a request that came in a header or the query,
// and whether there was one.
func (c *call) presented() (secret string, there bool) {
	if !c.s.cfg.NoQueryToken {
		for _, name := range []string{"token", "access_token"} {
			if v := c.query.Get(name); v != "" {
				return v, true
			}
		}
	}
	scheme, rest := authorization(c.r)
	return rest, (scheme == "token" || scheme == "bearer") && rest != ""
}

// authenticate finds out who asks. An error means that a credential was given
// and is no good; no credential is no error.
func (c *call) authenticate() (refusal string, ok bool) {
	if secret, there := c.presented(); there {
		t := c.s.tokenOf(secret)
		if t == nil {
			return c.s.noUser(""), false
		}
		c.credential = credential{doer: t.user, token: t}
		return "", true
	}
	if scheme, rest := authorization(c.r); scheme == "basic" {
		return c.authenticateBasic(rest)
	}
	if name := c.r.Header.Get("X-Webauth-User"); c.s.cfg.ProxyAuth && name != "" {
		if a := c.s.account(name); a != nil && !a.org {
			c.credential = credential{doer: a, proxy: true}
		}
	}
	return "", true
}

// authenticateBasic takes a token in either half. Then the other half does not
// count, not even as a name.
func (c *call) authenticateBasic(encoded string) (refusal string, ok bool) {
	raw, err := base64.StdEncoding.DecodeString(encoded)
	name, password, found := strings.Cut(string(raw), ":")
	if err != nil || !found {
		return "", true // no credential, to Gitea
	}
	secret := password
	if password == "" || password == "x-oauth-basic" { //nolint:gosec // no secret, but what says that the name is one
		secret = name
	}
	if t := c.s.tokenOf(secret); t != nil {
		c.credential = credential{doer: t.user, token: t, basic: true}
		return "", true
	}
	if c.s.cfg.NoBasicAuth {
		return "", true
	}
	return c.signIn(name, password)
}

func (c *call) signIn(name, password string) (refusal string, ok bool) {
	a := find(c.s.accounts, func(a *account) bool {
		return !a.org && (strings.EqualFold(a.Login, name) || strings.Contains(name, "@") &&
			strings.EqualFold(a.Email, name))
	})
	switch {
	case a == nil:
		return c.s.noUser(name), false
	case a.Password != password:
		return "user's password is invalid " + strings.TrimSuffix(uid(a.ID), "]") + ", name: " + a.Login + "]", false
	case a.TwoFactor:
		return "invalid provided OTP", false
	}
	c.credential = credential{doer: a, basic: true}
	return "", true
}

// admit runs Gitea's middleware in its order, then the route.
func (s *Server) admit(c *call) answer {
	s.host = c.r.Host
	if c.route == nil {
		return noRoute()
	}
	if c.route.open {
		return c.route.do(s, c)
	}
	if why, ok := c.authenticate(); !ok {
		return c.refuse(http.StatusUnauthorized, why)
	}
	c.touch()
	for _, step := range []func() (answer, bool){c.verified, c.sudo, c.scope} {
		if refusal, ok := step(); !ok {
			return refusal
		}
	}
	for _, g := range c.route.guards {
		if refusal, ok := g(c); !ok {
			return refusal
		}
	}
	a := c.route.do(s, c)
	if c.query.Has("token") || c.query.Has("access_token") {
		a.Header.Set("X-Gitea-Warning",
			"token and access_token API authentication is deprecated and will be removed in gitea 1.23.")
	}
	return a
}

// touch writes down that the token was used.
func (c *call) touch() {
	if c.token != nil {
		c.token.used = c.s.cfg.Now()
	}
}

// verified refuses who may not sign in, and nobody where somebody is required.
func (c *call) verified() (answer, bool) {
	if c.doer == nil {
		if c.s.cfg.RequireSignIn {
			return forbid("Only signed in user is allowed to call APIs."), false
		}
		return answer{}, true
	}
	if c.doer.Inactive || c.doer.ProhibitLogin {
		return forbid("This account is prohibited from signing in, please contact your site administrator."), false
	}
	if c.doer.MustChangePassword {
		return forbid("You must change your password. Change it at: " + c.s.root() + "//user/change_password"), false
	}
	return answer{}, true
}

// sudo makes an admin somebody else, an organisation if need be.
func (c *call) sudo() (answer, bool) {
	name := c.query.Get("sudo")
	if name == "" {
		name = c.r.Header.Get("Sudo")
	}
	if name == "" {
		return answer{}, true
	}
	if c.doer == nil || !c.doer.Admin {
		return forbid("Only administrators allowed to sudo."), false
	}
	a := c.s.account(name)
	if a == nil {
		return c.notFound(), false
	}
	c.doer = a
	return answer{}, true
}

// changes reports whether the request needs a scope to write.
func (c *call) changes() bool {
	return slices.Contains([]string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete}, c.r.Method)
}
