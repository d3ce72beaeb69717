package gitea

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/upstream"
)

// A User is a user, or an organisation where Gitea treats one as a user.
type User struct {
	ID            int64
	Login         string // in its original spelling; compared without case
	LoginName     string // at its source; the value of the last change
	SourceID      int64  // id of the user's login source; 0 = Gitea itself
	Email         string
	FullName      string
	Description   string
	Visibility    string // public, limited or private
	IsAdmin       bool
	Restricted    bool
	Active        bool
	ProhibitLogin bool
	CreatedAt     time.Time // zero if Gitea did not report it
}

type wireUser struct {
	ID            number `json:"id"`
	Login         text   `json:"login"`
	LoginName     text   `json:"login_name"`
	SourceID      number `json:"source_id"`
	Email         text   `json:"email"`
	FullName      text   `json:"full_name"`
	Description   text   `json:"description"`
	Visibility    text   `json:"visibility"`
	IsAdmin       flag   `json:"is_admin"`
	Restricted    flag   `json:"restricted"`
	Active        flag   `json:"active"`
	ProhibitLogin flag   `json:"prohibit_login"`
	CreatedAt     moment `json:"created"`
}

func (w wireUser) whole() bool { return w.ID > 0 && w.Login != "" }

func (w wireUser) plain() User {
	return User{
		ID: int64(w.ID), Login: string(w.Login), LoginName: string(w.LoginName), SourceID: int64(w.SourceID),
		Email:    string(w.Email),
		FullName: string(w.FullName), Description: string(w.Description), Visibility: string(w.Visibility),
		IsAdmin:    bool(w.IsAdmin),
		Restricted: bool(w.Restricted), Active: bool(w.Active), ProhibitLogin: bool(w.ProhibitLogin),
		CreatedAt: w.CreatedAt.Time,
	}
}

func userNamed(name string) func(wireUser) bool {
	return func(w wireUser) bool { return named(w.Login, name) }
}

// Self returns the token's user.
//
//api:op GET /user
func (a *Admin) Self(ctx context.Context) (User, error) {
	return one[wireUser](ctx, a.client, newRequest("GET", "/user"), nil)
}

// User returns a user, or the organisation of that name.
//
//api:op GET /users/{username}
func (a *Admin) User(ctx context.Context, name string) (User, error) {
	return one(ctx, a.client, newRequest("GET", "/users/{username}", login(name)), userNamed(name))
}

// UserByID returns the user with an id, never an organisation. It searches, or reads the
// list of all users if the search is switched off.
//
//api:op GET /users/search
func (a *Admin) UserByID(ctx context.Context, user int64) (User, error) {
	r := newRequest("GET", "/users/search")
	if user <= 0 {
		return User{}, a.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, errID)
	}
	r.query = url.Values{"uid": {strconv.FormatInt(user, 10)}}
	found, err := collect(ctx, a.client, r, nil, readSearch)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrForbidden) || errors.Is(err, ErrRouteMissing) {
		found, err = a.users(ctx)
	}
	if err != nil {
		return User{}, err
	}
	i := slices.IndexFunc(found, func(u User) bool { return u.ID == user })
	if i < 0 {
		return User{}, a.conn.api.Refuse(r.op, r.op.Path, ErrNotFound, nil)
	}
	return found[i], nil
}

// readSearch reads the answer of a search, which is an object.
func readSearch(a *upstream.Answer) (page[wireUser], error) {
	p := page[wireUser]{total: -1}
	var w struct {
		Data []wireUser `json:"data"`
		OK   flag       `json:"ok"`
	}
	if err := a.Decode(&w); err != nil || !bool(w.OK) {
		return p, errAnswer
	}
	// An id matches at most one user, so this is the whole list.
	return page[wireUser]{w.Data, int64(len(w.Data))}, nil
}

func (a *Admin) users(ctx context.Context) ([]User, error) {
	return all[wireUser](ctx, a.client, newRequest("GET", "/admin/users"), nil)
}

// NewUser describes a user to be created. The e-mail address must be unique, and the
// password must meet the server's rules for length and kinds of characters.
type NewUser struct {
	Login    string
	Email    string
	FullName string
	Password secret.Text
}

// wireNewUser sends what must not be left to Gitea's defaults: a user who must change the
// password cannot use a token.
type wireNewUser struct {
	Login      string `json:"username"`
	LoginName  string `json:"login_name"`
	SourceID   int64  `json:"source_id"`
	Email      string `json:"email"`
	FullName   string `json:"full_name"`
	Password   string `json:"password"`
	MustChange bool   `json:"must_change_password"`
	Restricted bool   `json:"restricted"`
	Visibility string `json:"visibility"`
	SendNotify bool   `json:"send_notify"`
}

// CreateUser creates a user that is active, restricted and private. [ErrInvalid] if the
// name or the e-mail address is taken; an organisation can also have the name.
//
//api:op POST /admin/users
func (a *Admin) CreateUser(ctx context.Context, u NewUser) (User, error) {
	r := newRequest("POST", "/admin/users").with(wireNewUser{
		Login: u.Login, LoginName: u.Login, Email: u.Email, FullName: u.FullName, Password: u.Password.Reveal(),
		Restricted: true, Visibility: "private",
	})
	r.secret = true
	return one(ctx, a.client, r, userNamed(u.Login))
}

// A UserUpdate holds the fields to change; nil leaves a field as it is. Gitea does not
// report MaxRepoCreation and the three flags that begin with Allow.
type UserUpdate struct {
	Password                *secret.Text // does not affect access tokens
	ProhibitLogin           *bool        // true stops every token of the user at once
	Active                  *bool
	Admin                   *bool
	Restricted              *bool
	AllowCreateOrganization *bool
	AllowGitHook            *bool
	AllowImportLocal        *bool
	MaxRepoCreation         *int    // -1 = the server's default; forks may not be counted
	Visibility              *string // limited or private; before 1.24.3 Gitea ignores public
	FullName                *string
}

type wireUserUpdate struct {
	LoginName               string  `json:"login_name"`
	SourceID                int64   `json:"source_id"`
	MustChange              bool    `json:"must_change_password"`
	Password                string  `json:"password,omitempty"`
	ProhibitLogin           *bool   `json:"prohibit_login,omitempty"`
	Active                  *bool   `json:"active,omitempty"`
	Admin                   *bool   `json:"admin,omitempty"`
	Restricted              *bool   `json:"restricted,omitempty"`
	AllowCreateOrganization *bool   `json:"allow_create_organization,omitempty"`
	AllowGitHook            *bool   `json:"allow_git_hook,omitempty"`
	AllowImportLocal        *bool   `json:"allow_import_local,omitempty"`
	MaxRepoCreation         *int    `json:"max_repo_creation,omitempty"`
	Visibility              *string `json:"visibility,omitempty"`
	FullName                *string `json:"full_name,omitempty"`
}

// UpdateUser changes a user. It always makes Gitea itself the user's login source, with
// the user's name, and removes the duty to change the password. It also works on an
// organisation.
//
//api:op PATCH /admin/users/{username}
func (a *Admin) UpdateUser(ctx context.Context, name string, u UserUpdate) (User, error) {
	return a.updateUser(ctx, name, u)
}

func (c client) updateUser(ctx context.Context, name string, u UserUpdate) (User, error) {
	body := wireUserUpdate{
		LoginName: name, ProhibitLogin: u.ProhibitLogin, Active: u.Active, Admin: u.Admin, Restricted: u.Restricted,
		AllowCreateOrganization: u.AllowCreateOrganization, AllowGitHook: u.AllowGitHook,
		AllowImportLocal: u.AllowImportLocal,
		MaxRepoCreation:  u.MaxRepoCreation, Visibility: u.Visibility, FullName: u.FullName,
	}
	if u.Password != nil {
		body.Password = u.Password.Reveal()
	}
	r := newRequest("PATCH", "/admin/users/{username}", login(name)).with(body)
	r.secret = u.Password != nil
	return one(ctx, c, r, userNamed(name))
}

// DeleteUser deletes a user. With purge it first deletes the user's repositories and
// memberships, and every organisation whose last owner is the user, with its
// repositories. Without purge, [ErrInvalid] if the user has any of these.
//
//api:op DELETE /admin/users/{username}
func (a *Admin) DeleteUser(ctx context.Context, name string, purge bool) error {
	r := newRequest("DELETE", "/admin/users/{username}", login(name))
	r.query = url.Values{"purge": {strconv.FormatBool(purge)}}
	return a.do(ctx, r)
}

// A Key is a public key of a user.
type Key struct {
	ID          int64
	Title       string // "" for GPG
	Key         string // "" if Gitea did not report it
	Fingerprint string // of SSH; for GPG the id of the key
}

type wireKey struct {
	ID          number `json:"id"`
	Title       text   `json:"title"`
	Key         text   `json:"key"`
	Fingerprint text   `json:"fingerprint"`
}

func (w wireKey) whole() bool { return w.ID > 0 }

func (w wireKey) plain() Key {
	return Key{int64(w.ID), string(w.Title), string(w.Key), string(w.Fingerprint)}
}

// UserKeys lists a user's SSH keys.
//
//api:op GET /users/{username}/keys
func (a *Admin) UserKeys(ctx context.Context, name string) ([]Key, error) {
	return all[wireKey](ctx, a.client, newRequest("GET", "/users/{username}/keys", login(name)), nil)
}

type wireGPGKey struct {
	ID    number `json:"id"`
	KeyID text   `json:"key_id"`
	Key   text   `json:"public_key"`
}

func (w wireGPGKey) whole() bool { return w.ID > 0 }
func (w wireGPGKey) plain() Key {
	return Key{ID: int64(w.ID), Key: string(w.Key), Fingerprint: string(w.KeyID)}
}

// UserGPGKeys lists a user's GPG keys. They only sign and give no access.
//
//api:op GET /users/{username}/gpg_keys
func (a *Admin) UserGPGKeys(ctx context.Context, name string) ([]Key, error) {
	return all[wireGPGKey](ctx, a.client, newRequest("GET", "/users/{username}/gpg_keys", login(name)), nil)
}

// An OAuth2App is an application that a user has registered.
type OAuth2App struct {
	ID       int64
	Name     string // not unique
	ClientID string
}

type wireOAuth2App struct {
	ID       number `json:"id"`
	Name     text   `json:"name"`
	ClientID text   `json:"client_id"`
}

func (w wireOAuth2App) whole() bool { return w.ID > 0 }

func (w wireOAuth2App) plain() OAuth2App {
	return OAuth2App{int64(w.ID), string(w.Name), string(w.ClientID)}
}

// UserOAuth2Apps lists the OAuth2 applications that a user has registered. It acts as the
// user, so it fails for a suspended user.
//
//api:op GET /user/applications/oauth2
func (a *Admin) UserOAuth2Apps(ctx context.Context, name string) ([]OAuth2App, error) {
	r := newRequest("GET", "/user/applications/oauth2")
	if err := CheckLogin(name); err != nil {
		return nil, a.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, err)
	}
	r.header = http.Header{"Sudo": {name}}
	return all[wireOAuth2App](ctx, a.client, r, nil)
}
