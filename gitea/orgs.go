package gitea

import (
	"cmp"
	"context"
)

// An Org is an organisation.
type Org struct {
	ID          int64
	Name        string // in its original spelling; compared without case
	FullName    string
	Description string
	Website     string
	Location    string
	Visibility  string // public, limited or private
}

type wireOrg struct {
	ID          number `json:"id"`
	Name        text   `json:"name"`
	Username    text   `json:"username"`
	FullName    text   `json:"full_name"`
	Description text   `json:"description"`
	Website     text   `json:"website"`
	Location    text   `json:"location"`
	Visibility  text   `json:"visibility"`
}

func (w wireOrg) name() text  { return cmp.Or(w.Name, w.Username) }
func (w wireOrg) whole() bool { return w.ID > 0 && w.name() != "" }

func (w wireOrg) plain() Org {
	return Org{
		ID: int64(w.ID), Name: string(w.name()), FullName: string(w.FullName), Description: string(w.Description),
		Website: string(w.Website), Location: string(w.Location), Visibility: string(w.Visibility),
	}
}

func orgNamed(name string) func(wireOrg) bool {
	return func(w wireOrg) bool { return named(w.name(), name) }
}

// Get returns an organisation; [ErrNotFound] also if the name belongs to a user.
//
//api:op GET /orgs/{org}
func (c OrgClient) Get(ctx context.Context) (Org, error) {
	return one(ctx, c.admin.client, newRequest("GET", "/orgs/{org}", login(c.name)), orgNamed(c.name))
}

// NewOrg describes an organisation to be created.
type NewOrg struct{ Name, FullName, Description string }

type wireNewOrg struct {
	Name        string `json:"username"`
	FullName    string `json:"full_name"`
	Description string `json:"description"`
	Visibility  string `json:"visibility"`
	TeamAccess  bool   `json:"repo_admin_change_team_access"`
}

// CreateOrg creates a private organisation, whose only owner is the token's user.
// [ErrInvalid] if a user or an organisation has the name. Of two concurrent calls one may
// get [ErrUnavailable]; read the organisation to learn the result.
//
//api:op POST /orgs
func (a *Admin) CreateOrg(ctx context.Context, o NewOrg) (Org, error) {
	r := newRequest("POST", "/orgs").with(
		wireNewOrg{Name: o.Name, FullName: o.FullName, Description: o.Description, Visibility: "private"},
	)
	return one(ctx, a.client, r, orgNamed(o.Name))
}

// An OrgUpdate describes an organisation's new settings. All fields are sent, because
// Gitea clears absent ones.
type OrgUpdate struct {
	FullName    string `json:"full_name"`
	Description string `json:"description"`
	Website     string `json:"website"` // a URL, or empty
	Location    string `json:"location"`
	Visibility  string `json:"visibility,omitempty"` // public, limited or private; empty = unchanged
}

// Update changes an organisation.
//
//api:op PATCH /orgs/{org}
func (c OrgClient) Update(ctx context.Context, u OrgUpdate) (Org, error) {
	return one(ctx, c.admin.client, newRequest("PATCH", "/orgs/{org}", login(c.name)).with(u), orgNamed(c.name))
}

// Delete deletes an organisation; [ErrUnavailable] (500) if it has repositories or
// packages.
//
//api:op DELETE /orgs/{org}
func (c OrgClient) Delete(ctx context.Context) error {
	return c.admin.do(ctx, newRequest("DELETE", "/orgs/{org}", login(c.name)))
}

// Members lists the members of all teams.
//
//api:op GET /orgs/{org}/members
func (c OrgClient) Members(ctx context.Context) ([]User, error) {
	return all[wireUser](ctx, c.admin.client, newRequest("GET", "/orgs/{org}/members", login(c.name)), nil)
}
