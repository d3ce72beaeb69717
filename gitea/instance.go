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

// versionForm also matches "development", the version of a server between two releases.
var versionForm = regexp.MustCompile(`^[0-9A-Za-z][0-9A-Za-z.+~-]{0,63}$`)

func (w wireVersion) whole() bool   { return versionForm.MatchString(string(w.Version)) }
func (w wireVersion) plain() string { return string(w.Version) }

// Version returns the version of Gitea, for example "1.26.0" or "development". Callers
// should not depend on it.
//
//api:op GET /version
func (a *Admin) Version(ctx context.Context) (string, error) {
	return one[wireVersion](ctx, a.client, newRequest("GET", "/version"), nil)
}

// APISettings holds limits of the API.
type APISettings struct {
	MaxResponseItems int64 // items per page
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

// Health returns nil if Gitea reports that it, its database and its cache are healthy. It
// sends no token.
//
//api:op GET /api/healthz
func (a *Admin) Health(ctx context.Context) error {
	r := newRequest("GET", "/api/healthz").anonymously()
	r.root = true
	_, err := one[wireHealth](ctx, a.client, r, nil)
	return err
}

// A Runner runs jobs of Gitea Actions.
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

// Runners lists all runners, including those of only one organisation or repository.
// [ErrRouteMissing] or [ErrNotFound] if the server is too old or has Actions switched
// off.
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

// TokenScopes returns the scopes of the token; [ErrRouteMissing] or [ErrNotFound] before
// 1.27, which does not report them.
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

// AnonymousAccess reports whether Gitea answers requests without credentials, which
// REQUIRE_SIGNIN_VIEW forbids. It sends no token.
//
//api:op GET /version
func (a *Admin) AnonymousAccess(ctx context.Context) (bool, error) {
	_, err := one[wireVersion](ctx, a.client, newRequest("GET", "/version").anonymously(), nil)
	return admitted(err)
}

// admitted reports whether Gitea admitted a request that it may refuse.
func admitted(err error) (bool, error) {
	if errors.Is(err, ErrUnauthorized) || errors.Is(err, ErrForbidden) {
		return false, nil
	}
	return err == nil, err
}

// TrustsProxyHeader reports whether Gitea trusts the header X-WEBAUTH-USER in requests
// from this address. login is the name of an existing user. It sends no token. It does
// not detect a server that reads another header.
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

// BasicAuthWorks reports whether Gitea checks user names and passwords. It sends those of
// a user that does not exist: if Gitea rejects them as wrong, it checked them. The failed
// attempt appears in Gitea's log.
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
		return false, nil // Gitea treated the request as anonymous
	}
	return false, err
}

var (
	signUpForm  = regexp.MustCompile(`<form[^>]*\baction="[^"]*/user/sign_up"`)
	signUpField = regexp.MustCompile(`<input[^>]*\bname="user_name"`)
)

// SignUpOpen reports whether visitors can register with a user name. Gitea's registration
// page then has the field for it, and otherwise a sentence that registration is disabled.
// It sends no token.
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
