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
	LastEight string      // the last eight characters of the secret
	Scopes    []string    // nil if Gitea did not report them, as in the answer of 1.21
	Secret    secret.Text // from [Tokens.Create] only
	CreatedAt time.Time   // zero if Gitea did not report it, as before 1.25
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

// Tokens manages the access tokens of one user for a site admin. Gitea does not accept a
// token for that, so there are three ways, tried in this order:
//
//   - Set the user's password to a new random one, and use it for basic authentication.
//     The password is kept in memory only.
//   - If basic authentication is off or the user is suspended: use the admin's token in
//     place of a password. It needs the scope write:user and, since 1.27, each scope that
//     it grants.
//   - If that is not accepted either: use Forgejo's route for it.
//
// A way that fails is not tried again. A Tokens is for one goroutine. Several Tokens,
// also in several processes, may manage one user's tokens at once.
type Tokens struct {
	client
	user      string
	password  secret.Text // zero = no working password is known
	suspended bool        // the user cannot sign in with any password
	way       way
}

// TokensOf returns the access tokens of a user. It sends nothing.
func (a *Admin) TokensOf(user string) *Tokens { return &Tokens{client: a.client, user: user} }

// A way is a method of access to a user's tokens.
type way int

const (
	notKnown way = iota
	byPassword
	byAdminToken
	byAdminRoute
)

// A door holds what a way adds to a request.
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

// Create creates a token. Its name must be unique among the user's tokens, otherwise
// [ErrInvalid], and must not look like a number. [ErrForbidden] with [ErrScope] if the
// admin's token lacks a scope, with [ErrAuthMethod] if the server accepts none of the
// ways. If the answer is lost (Unknown), so is the secret, and the token can only be
// deleted.
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

// Delete deletes a token, which becomes invalid at once; [ErrNotFound] if the user has
// none with that id.
//
//api:op DELETE /users/{username}/tokens/{token}
func (t *Tokens) Delete(ctx context.Context, token int64) error {
	// If basic authentication is off, Gitea gives the same error for a private user as
	// for a token that does not exist. So Delete first determines the way.
	if t.way == notKnown {
		if err := t.findWay(ctx); err != nil {
			return err
		}
	}
	return t.enter(ctx, func(d door) error {
		return t.do(ctx, t.request(d, "DELETE", "/{username}/tokens/{token}", id(token)))
	})
}

// findWay determines which way the server accepts.
func (t *Tokens) findWay(ctx context.Context) error {
	return t.enter(ctx, func(d door) error {
		r := t.request(d, "GET", "/{username}/tokens")
		r.query = url.Values{"page": {"1"}, "limit": {"1"}}
		_, err := t.send(ctx, r)
		return err
	})
}

// enter makes a call by the first way that the server accepts.
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
	return &Error{
		Server: e.Server, Op: e.Op, Path: e.Path, Status: e.Status, Kind: ErrForbidden, Detail: e.Detail,
		Err: ErrAuthMethod,
	}
}

// enterAgain makes a call by the known way. If the user has been suspended since, it
// determines the way again.
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

// closed reports whether the server refused a way, so that another may work.
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
		// Versions up to 1.20 read Sudo instead of the name in the path.
		admin := upstream.Basic("x", t.conn.token)
		return call(door{"/users", &admin, http.Header{"Sudo": {t.user}}})
	default:
		return call(door{prefix: "/admin/users"})
	}
}

// maxResets limits how often the password is set while other processes also set it.
const maxResets = 8

// tryPassword makes a call with the user's password. A 401 means that another process has
// set another password meanwhile.
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

// A resetError marks a failure to set the password, before the actual call.
type resetError struct{ cause error }

func (e *resetError) Error() string {
	if e.cause == nil {
		return "the user's password could not be set"
	}
	return "the user's password could not be set: " + e.cause.Error()
}

func (e *resetError) Unwrap() error { return e.cause }

// reset sets a new password for the user, unless a working one is known.
func (t *Tokens) reset(ctx context.Context) error {
	if !t.password.IsZero() && !t.suspended {
		return nil
	}
	// It contains upper and lower case, digits and a dash, to meet the server's rules.
	password := secret.NewText("vA7-" + rand.Text() + "-" + strings.ToLower(rand.Text()))
	user, err := t.updateUser(ctx, t.user, UserUpdate{Password: &password})
	if e, ok := errors.AsType[*Error](err); ok {
		e.Err = &resetError{e.Err}
		return e
	}
	t.password, t.suspended = password, user.ProhibitLogin || !user.Active
	return nil
}

// wait reports whether it waited for the whole time.
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
