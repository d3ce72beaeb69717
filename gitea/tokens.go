package gitea

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream"
)

// A Token is an access token of a user.
type Token struct {
	ID        int64
	Name      string
	LastEight string      // characters of the secret
	Scopes    []string    // nil if Gitea did not tell, as in the answer of 1.21
	Secret    secret.Text // from [Tokens.Create] only
	CreatedAt time.Time   // zero if Gitea did not tell, as before 1.25
}

type wireToken struct {
	ID        number `json:"id"`
	Name      text   `json:"name"`
	Secret    text   `json:"sha1"`
	LastEight text   `json:"token_last_eight"`
	Scopes    []text `json:"scopes"`
	CreatedAt moment `json:"created_at"`
}

func (w wireToken) whole() bool { return w.ID > 0 && w.Name != "" }

func (w wireToken) plain() Token {
	return Token{
		ID: int64(w.ID), Name: string(w.Name), LastEight: string(w.LastEight), Scopes: plainTexts(w.Scopes),
		Secret: secret.NewText(string(w.Secret)), CreatedAt: w.CreatedAt.Time,
	}
}

// Tokens are the access tokens of one user, managed by a site admin. Gitea takes
// no token for that, so there are three ways, tried in this order:
//
//   - The user's password is set to a fresh random one, which then proves who
//     asks. The password is kept in memory only.
//   - Where basic authentication is off, or the user suspended: the admin's token in the place of a
//     password. It needs the scope write:user and, since 1.27, each scope that it
//     gives.
//   - Where that is not taken either: the route that Forgejo has for it.
//
// The ways that fail are tried once. A Tokens is for one goroutine; several, in
// several processes, may manage the tokens of one user at once.
type Tokens struct {
	client
	user      string
	password  secret.Text // zero = none is known to work
	suspended bool        // the user cannot sign in, whatever the password
	way       way
}

// TokensOf returns the access tokens of a user. It sends nothing.
func (a *Admin) TokensOf(user string) *Tokens { return &Tokens{client: a.client, user: user} }

// A way to be let in to a user's tokens.
type way int

const (
	notKnown way = iota
	byPassword
	byAdminToken
	byAdminRoute
)

// A door is what a way adds to a request.
type door struct {
	prefix     string // of the path
	credential *upstream.Credential
	header     http.Header
}

func (t *Tokens) request(d door, method, path string, more ...segment) request {
	r := newRequest(method, d.prefix+path, append([]segment{login(t.user)}, more...)...)
	r.credential, r.header = d.credential, d.header
	return r
}

// Create makes a token. The name is unique among the user's: [ErrInvalid] if
// not. It must not look like a number. [ErrForbidden] with [ErrScope] if the
// admin's token lacks a scope, with [ErrAuthMethod] if the server lets it in by
// no way. If the answer is lost (Unknown), so is the secret: the token can only
// be deleted.
//
//api:op POST /users/{username}/tokens
func (t *Tokens) Create(ctx context.Context, name string, scopes []string) (Token, error) {
	var token Token
	err := t.enter(ctx, func(d door) (err error) {
		r := t.request(d, "POST", "/{username}/tokens").with(struct {
			Name   string   `json:"name"`
			Scopes []string `json:"scopes"`
		}{name, append([]string{}, scopes...)})
		token, err = one(ctx, t.client, r, func(w wireToken) bool { return string(w.Name) == name && w.Secret != "" })
		return err
	})
	return token, err
}

// List lists the user's tokens.
//
//api:op GET /users/{username}/tokens
func (t *Tokens) List(ctx context.Context) ([]Token, error) {
	var tokens []Token
	err := t.enter(ctx, func(d door) (err error) {
		tokens, err = all[wireToken](ctx, t.client, t.request(d, "GET", "/{username}/tokens"), nil)
		return err
	})
	return tokens, err
}

// Delete deletes a token, which is dead at once; [ErrNotFound] if the user has
// none with that id.
//
//api:op DELETE /users/{username}/tokens/{token}
func (t *Tokens) Delete(ctx context.Context, token int64) error {
	// Where basic authentication is off, Gitea says of a private user what it says
	// of a token that does not exist. So the way is found first.
	if t.way == notKnown {
		if err := t.findWay(ctx); err != nil {
			return err
		}
	}
	return t.enter(ctx, func(d door) error {
		return t.do(ctx, t.request(d, "DELETE", "/{username}/tokens/{token}", id(token)))
	})
}

// findWay finds out which way is open.
func (t *Tokens) findWay(ctx context.Context) error {
	return t.enter(ctx, func(d door) error {
		r := t.request(d, "GET", "/{username}/tokens")
		r.query = url.Values{"page": {"1"}, "limit": {"1"}}
		_, err := t.send(ctx, r)
		return err
	})
}

// enter makes a call by the first way that is open.
func (t *Tokens) enter(ctx context.Context, call func(door) error) error {
	if t.way != notKnown {
		return t.enterAgain(ctx, call)
	}
	var err error
	for _, w := range []way{byPassword, byAdminToken, byAdminRoute} {
		if err = t.try(ctx, w, call); !closed(err) {
			if err == nil {
				t.way = w
			}
			return err
		}
	}
	e, _ := errors.AsType[*Error](err)
	return &Error{Server: e.Server, Op: e.Op, Path: e.Path, Status: e.Status, Kind: ErrForbidden, Detail: e.Detail, Err: ErrAuthMethod}
}

// enterAgain makes a call by the way that is known. If the user was suspended
// since, another is looked for.
func (t *Tokens) enterAgain(ctx context.Context, call func(door) error) error {
	err := t.try(ctx, t.way, call)
	if !errors.Is(err, errSuspended) {
		return err
	}
	t.way = notKnown
	if err := t.findWay(ctx); err != nil {
		return err
	}
	return t.try(ctx, t.way, call)
}

var errSuspended = errors.New("the user is suspended")

// closed reports whether a door is closed, and another may be open.
func closed(err error) bool {
	if errors.Is(err, errSuspended) {
		return true
	}
	if e, ok := errors.AsType[*Error](err); !ok || e.Status == 0 {
		return false
	}
	if _, reset := errors.AsType[*resetError](err); reset || errors.Is(err, ErrScope) {
		return false
	}
	for _, kind := range []error{ErrUnauthorized, ErrForbidden, ErrNotFound, ErrRouteMissing} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

func (t *Tokens) try(ctx context.Context, w way, call func(door) error) error {
	switch w {
	case byPassword:
		return t.tryPassword(ctx, call)
	case byAdminToken:
		// Versions up to 1.20 look at Sudo, not at the name in the path.
		admin := upstream.Basic("x", t.conn.token)
		return call(door{"/users", &admin, http.Header{"Sudo": {t.user}}})
	default:
		return call(door{prefix: "/admin/users"})
	}
}

// maxResets is how often the password is set, when others set it as well.
const maxResets = 8

// tryPassword makes a call with the user's password. A 401 means that another
// process has set another password in between.
func (t *Tokens) tryPassword(ctx context.Context, call func(door) error) error {
	for attempt := 1; ; attempt++ {
		if err := t.reset(ctx); err != nil {
			return err
		}
		if t.suspended {
			return errSuspended
		}
		user := upstream.Basic(t.user, t.password)
		err := call(door{prefix: "/users", credential: &user})
		if !errors.Is(err, ErrUnauthorized) {
			return err
		}
		t.password = secret.Text{}
		if attempt == maxResets || !wait(ctx, mathrand.N(time.Duration(attempt)*t.conn.retryWait)) { //nolint:gosec // jitter
			return err
		}
	}
}

// A resetError marks what went wrong before there was a door.
type resetError struct{ cause error }

func (e *resetError) Error() string {
	if e.cause == nil {
		return "the user's password could not be set"
	}
	return "the user's password could not be set: " + e.cause.Error()
}

func (e *resetError) Unwrap() error { return e.cause }

// reset gives the user a password, if none is known to work.
func (t *Tokens) reset(ctx context.Context) error {
	if !t.password.IsZero() && !t.suspended {
		return nil
	}
	// Upper and lower case, digits and a dash, whatever the server demands.
	password := secret.NewText("vA7-" + rand.Text() + "-" + strings.ToLower(rand.Text()))
	user, err := t.updateUser(ctx, t.user, UserUpdate{Password: &password})
	if e, ok := errors.AsType[*Error](err); ok {
		e.Err = &resetError{e.Err}
		return e
	}
	t.password, t.suspended = password, user.ProhibitLogin || !user.Active
	return nil
}

// wait reports whether it has waited for the whole time.
func wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
