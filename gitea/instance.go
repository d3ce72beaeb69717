package gitea

import (
	"context"
	"crypto/rand"
	"errors"
	"net/http"
	"regexp"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream"
)

type wireVersion struct {
	Version text `json:"version"`
}

// A server between two releases is of version "development".
var versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$`)

func (w wireVersion) whole() bool   { return versionForm.MatchString(string(w.Version)) }
func (w wireVersion) plain() string { return string(w.Version) }

// Version returns the version of Gitea, as "1.26.0" or "development". Nothing
// should depend on it.
//
//api:op GET /version
func (a *Admin) Version(ctx context.Context) (string, error) {
	return one[wireVersion](ctx, a.client, newRequest("GET", "/version"), nil)
}

// APISettings are limits of the API.
type APISettings struct {
	MaxResponseItems int64 // of a page
	DefaultPagingNum int64
}

type wireAPISettings struct {
	MaxResponseItems number `json:"max_response_items"`
	DefaultPagingNum number `json:"default_paging_num"`
}

func (w wireAPISettings) whole() bool { return w.MaxResponseItems > 0 }

func (w wireAPISettings) plain() APISettings {
	return APISettings{int64(w.MaxResponseItems), int64(w.DefaultPagingNum)}
}

// APISettings returns limits of the API.
//
//api:op GET /settings/api
func (a *Admin) APISettings(ctx context.Context) (APISettings, error) {
	return one[wireAPISettings](ctx, a.client, newRequest("GET", "/settings/api"), nil)
}

type wireHealth struct {
	Status text `json:"status"`
}

func (w wireHealth) whole() bool   { return w.Status == "pass" }
func (w wireHealth) plain() string { return string(w.Status) }

// Health reports whether Gitea says that it is well: it, its database and its
// cache. It sends no token.
//
//api:op GET /api/healthz
func (a *Admin) Health(ctx context.Context) error {
	r := newRequest("GET", "/api/healthz").anonymously()
	r.root = true
	_, err := one[wireHealth](ctx, a.client, r, nil)
	return err
}

// A Runner runs Actions.
type Runner struct {
	ID     int64
	Name   string
	Status string // online, offline …
	Labels []string
}

type wireRunner struct {
	ID     number `json:"id"`
	Name   text   `json:"name"`
	Status text   `json:"status"`
	Labels []struct {
		Name text `json:"name"`
	} `json:"labels"`
}

func (w wireRunner) whole() bool { return w.ID > 0 }

func (w wireRunner) plain() Runner {
	r := Runner{ID: int64(w.ID), Name: string(w.Name), Status: string(w.Status)}
	for _, l := range w.Labels {
		r.Labels = append(r.Labels, string(l.Name))
	}
	return r
}

// Runners lists all runners, also those of one organisation or repository only.
// [ErrRouteMissing] or [ErrNotFound] of servers that are too old or have Actions
// switched off.
//
//api:op GET /admin/actions/runners
func (a *Admin) Runners(ctx context.Context) ([]Runner, error) {
	return collect(ctx, a.client, newRequest("GET", "/admin/actions/runners"), nil, readRunners)
}

func readRunners(a *upstream.Answer) (page[wireRunner], error) {
	var w struct {
		Runners []wireRunner `json:"runners"`
		Total   *number      `json:"total_count"`
	}
	if err := a.Decode(&w); err != nil || w.Total == nil {
		return page[wireRunner]{}, errAnswer
	}
	return page[wireRunner]{w.Runners, int64(*w.Total)}, nil
}

// TokenScopes returns the scopes of the token; [ErrRouteMissing] or
// [ErrNotFound] before 1.27, where nothing tells.
//
//api:op GET /token
func (a *Admin) TokenScopes(ctx context.Context) ([]string, error) {
	t, err := one[wireOwnToken](ctx, a.client, newRequest("GET", "/token"), nil)
	return t.scopes, err
}

type wireOwnToken struct {
	Scopes []text         `json:"scopes"`
	User   part[wireUser] `json:"user"`
}

type ownToken struct {
	owner  string
	scopes []string
}

func (w wireOwnToken) whole() bool { return w.User.Value.whole() }

func (w wireOwnToken) plain() ownToken {
	return ownToken{string(w.User.Value.Login), plainTexts(w.Scopes)}
}

// AnonymousAccess reports whether Gitea answers to nobody in particular, which
// REQUIRE_SIGNIN_VIEW forbids. It sends no token.
//
//api:op GET /version
func (a *Admin) AnonymousAccess(ctx context.Context) (bool, error) {
	_, err := one[wireVersion](ctx, a.client, newRequest("GET", "/version").anonymously(), nil)
	return admitted(err)
}

// admitted reports whether a request that Gitea may refuse was admitted.
func admitted(err error) (bool, error) {
	if errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

// TrustsProxyHeader reports whether Gitea believes the header X-WEBAUTH-USER of
// whoever connects from here: login is the name of a user that exists. It sends
// no token. A server that reads another header is not found out.
//
//api:op GET /user
func (a *Admin) TrustsProxyHeader(ctx context.Context, login string) (bool, error) {
	r := newRequest("GET", "/user").anonymously()
	if err := CheckLogin(login); err != nil {
		return false, a.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, err)
	}
	r.header = http.Header{"X-Webauth-User": {login}}
	_, err := one[wireUser](ctx, a.client, r, nil)
	return admitted(err)
}

// BasicAuthWorks reports whether Gitea looks at user names and passwords. It
// sends those of nobody: refused as wrong, they were looked at. The failure
// shows in Gitea's log.
//
//api:op GET /version
func (a *Admin) BasicAuthWorks(ctx context.Context) (bool, error) {
	nobody := upstream.Basic("vibn-doctor-"+rand.Text(), secret.NewText(rand.Text()))
	r := newRequest("GET", "/version")
	r.credential = &nobody
	_, err := one[wireVersion](ctx, a.client, r, nil)
	switch {
	case errors.Is(err, ErrUnauthorized):
		return true, nil
	case errors.Is(err, ErrForbidden):
		return false, nil // as to nobody in particular
	}
	return false, err
}

var (
	signUpForm  = regexp.MustCompile(`<form[^>]*\baction="[^"]*/user/sign_up"`)
	signUpField = regexp.MustCompile(`<input[^>]*\bname="user_name"`)
)

// SignUpOpen reports whether anybody may register with a user name: Gitea's page
// for that has the field, and not a sentence that it is disabled. It sends no
// token.
//
//api:op GET /user/sign_up
func (a *Admin) SignUpOpen(ctx context.Context) (bool, error) {
	r := newRequest("GET", "/user/sign_up").anonymously()
	r.root = true
	r.header = http.Header{"Accept": {"text/html"}}
	answer, err := a.send(ctx, r)
	if err != nil {
		return false, err
	}
	if !signUpForm.Match(answer.Body) {
		return false, answer.Unusable(errAnswer)
	}
	return signUpField.Match(answer.Body), nil
}
