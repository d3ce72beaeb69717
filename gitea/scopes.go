package gitea

import (
	"context"
	"errors"
	"net/http"
)

// A token's scopes show themselves without a change, in every version: Gitea
// looks at them before it looks for the thing that is to be changed. So a request
// to change a thing that does not exist is refused in one way without the scope
// and in another with it.

// Nobody can have this name: names begin with a letter or a digit.
var nobody = segment{text: "-nobody"}

// MayWriteAdmin reports whether the token may manage users: nil if it may,
// [ErrScope] or another [ErrForbidden] if not. It asks to change nobody, so it
// changes nothing; so do the others of its kind.
//
//api:op PATCH /admin/users/{username}
func (a *Admin) MayWriteAdmin(ctx context.Context) error {
	return a.ask(ctx, newRequest("PATCH", "/admin/users/{username}", nobody).with(wireUserUpdate{LoginName: nobody.text}))
}

// MayWriteOrganization is [Admin.MayWriteAdmin] for organisations and teams.
//
//api:op DELETE /orgs/{org}/members/{username}
func (a *Admin) MayWriteOrganization(ctx context.Context) error {
	return a.ask(ctx, newRequest("DELETE", "/orgs/{org}/members/{username}", nobody, nobody))
}

// MayWriteRepository is [Admin.MayWriteAdmin] for repositories.
//
//api:op PATCH /repos/{owner}/{repo}
func (a *Admin) MayWriteRepository(ctx context.Context) error {
	return a.ask(ctx, newRequest("PATCH", "/repos/{owner}/{repo}", nobody, nobody).with(struct{}{}))
}

// MayWritePackage is [Admin.MayWriteAdmin] for packages.
//
//api:op DELETE /packages/{owner}/{type}/{name}/{version}
func (a *Admin) MayWritePackage(ctx context.Context) error {
	return a.ask(ctx, newRequest("DELETE", "/packages/{owner}/{type}/{name}/{version}", nobody, segment{text: "generic"}, nobody, nobody))
}

// ask returns nil for what Gitea only says of a request that it has let in. A
// success is none: there is nothing to be changed.
func (c client) ask(ctx context.Context, r request) error {
	answer, err := c.send(ctx, r)
	if err == nil {
		return answer.Unusable(errAnswer)
	}
	e, ok := errors.AsType[*Error](err)
	if ok && errors.Is(err, ErrNotFound) || ok && e.Status == http.StatusUnprocessableEntity && errors.Is(err, ErrInvalid) {
		return nil
	}
	return err
}

// UsersListed reports whether whoever signs in may search for the users that
// there are.
//
//api:op GET /users/search
func (a *Admin) UsersListed(ctx context.Context) (bool, error) {
	_, err := collect(ctx, a.client, newRequest("GET", "/users/search"), nil, readSearch)
	if errors.Is(err, ErrScope) {
		return false, err
	}
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrRouteMissing) {
		return false, nil
	}
	return err == nil, err
}
