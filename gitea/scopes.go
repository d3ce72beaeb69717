package gitea

import (
	"context"
	"errors"
	"net/http"
)

// A token's scopes can be checked without a change, in every version. Gitea checks them
// before it looks up the object to change. So for an object that does not exist, it gives
// one error if the token lacks the scope and another if it has it.

// No user can have this name: names begin with a letter or a digit.
var nobody = segment{text: "-nobody"}

// MayWriteAdmin reports whether the token may manage users: nil if it may, [ErrScope] or
// another [ErrForbidden] if not. It requests a change of a user that does not exist, so
// it changes nothing. The other MayWrite methods work the same way.
//
//api:op PATCH /admin/users/{username}
func (a *Admin) MayWriteAdmin(ctx context.Context) error {
	return a.ask(
		ctx, newRequest("PATCH", "/admin/users/{username}", nobody).with(wireUserUpdate{LoginName: nobody.text}),
	)
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
	return a.ask(
		ctx,
		newRequest(
			"DELETE", "/packages/{owner}/{type}/{name}/{version}", nobody, segment{text: "generic"}, nobody, nobody,
		),
	)
}

// ask returns nil for an error that Gitea gives only to a request that it has admitted. A
// success is an error, because the object does not exist.
func (c client) ask(ctx context.Context, r request) error {
	answer, err := c.send(ctx, r)
	if err == nil {
		return answer.Unusable(errAnswer)
	}
	e, ok := errors.AsType[*Error](err)
	if ok && errors.Is(err, ErrNotFound) || ok && e.Status == http.StatusUnprocessableEntity &&
		errors.Is(err, ErrInvalid) {
		return nil
	}
	return err
}

// UsersListed reports whether any signed-in user can search the list of users.
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
