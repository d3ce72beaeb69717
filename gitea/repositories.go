package gitea

import (
	"context"
	"time"
)

// A Repository is a repository. Gitea forms its addresses from its own settings.
type Repository struct {
	ID            int64
	OwnerID       int64
	Owner         string
	Name          string
	FullName      string // owner/name
	CloneURL      string
	SSHURL        string
	HTMLURL       string
	DefaultBranch string
	Description   string
	Private       bool
	Empty         bool
	Fork          bool
	Mirror        bool // it pulls from another server
	Archived      bool
	HasActions    bool  // true also if Gitea did not report it
	ParentID      int64 // of a fork; 0 = none, or not reported
	CanAdmin      bool  // rights of the token's user, as are the next two
	CanPush       bool
	CanPull       bool
	UpdatedAt     time.Time // zero if Gitea did not report it
}

type wireRepository struct {
	ID            number         `json:"id"`
	Owner         part[wireUser] `json:"owner"`
	Name          text           `json:"name"`
	FullName      text           `json:"full_name"`
	CloneURL      text           `json:"clone_url"`
	SSHURL        text           `json:"ssh_url"`
	HTMLURL       text           `json:"html_url"`
	DefaultBranch text           `json:"default_branch"`
	Description   text           `json:"description"`
	Private       flag           `json:"private"`
	Empty         flag           `json:"empty"`
	Fork          flag           `json:"fork"`
	Mirror        flag           `json:"mirror"`
	Archived      flag           `json:"archived"`
	HasActions    *flag          `json:"has_actions"`
	Parent        part[struct {
		ID number `json:"id"`
	}] `json:"parent"`
	Permissions part[struct {
		Admin flag `json:"admin"`
		Push  flag `json:"push"`
		Pull  flag `json:"pull"`
	}] `json:"permissions"`
	UpdatedAt moment `json:"updated_at"`
}

func (w wireRepository) whole() bool { return w.ID > 0 && w.Name != "" && w.Owner.Value.whole() }

func (w wireRepository) plain() Repository {
	may := w.Permissions.Value
	return Repository{
		ID: int64(w.ID), OwnerID: int64(w.Owner.Value.ID), Owner: string(w.Owner.Value.Login), Name: string(w.Name),
		FullName: string(w.FullName),
		CloneURL: string(w.CloneURL), SSHURL: string(w.SSHURL), HTMLURL: string(w.HTMLURL),
		DefaultBranch: string(w.DefaultBranch), Description: string(w.Description),
		Private: bool(w.Private), Empty: bool(w.Empty), Fork: bool(w.Fork), Mirror: bool(w.Mirror),
		Archived:   bool(w.Archived),
		HasActions: w.HasActions.OrTrue(), ParentID: int64(w.Parent.Value.ID),
		CanAdmin: bool(may.Admin), CanPush: bool(may.Push), CanPull: bool(may.Pull), UpdatedAt: w.UpdatedAt.Time,
	}
}

func ownedBy(owner string) func(wireRepository) bool {
	return func(w wireRepository) bool { return named(w.Owner.Value.Login, owner) }
}

func repositoryNamed(owner, name string) func(wireRepository) bool {
	return func(w wireRepository) bool { return named(w.Owner.Value.Login, owner) && named(w.Name, name) }
}

// Repositories lists the repositories of an organisation.
//
//api:op GET /orgs/{org}/repos
func (c OrgClient) Repositories(ctx context.Context) ([]Repository, error) {
	return all(ctx, c.admin.client, newRequest("GET", "/orgs/{org}/repos", login(c.name)), ownedBy(c.name))
}

// UserRepositories lists the repositories of a user, including forks.
//
//api:op GET /users/{username}/repos
func (a *Admin) UserRepositories(ctx context.Context, user string) ([]Repository, error) {
	return all(ctx, a.client, newRequest("GET", "/users/{username}/repos", login(user)), ownedBy(user))
}

// Get returns a repository. [ErrRenamed] if it or its owner has been renamed.
//
//api:op GET /repos/{owner}/{repo}
func (c RepoClient) Get(ctx context.Context) (Repository, error) {
	return c.admin.repository(ctx, c.owner, c.name)
}

func (c client) repository(ctx context.Context, owner, name string) (Repository, error) {
	return one(
		ctx, c, newRequest("GET", "/repos/{owner}/{repo}", login(owner), repository(name)),
		repositoryNamed(owner, name),
	)
}

// RepositoryByID returns a repository, even if it has been renamed.
//
//api:op GET /repositories/{id}
func (a *Admin) RepositoryByID(ctx context.Context, repo int64) (Repository, error) {
	return a.repositoryByID(ctx, repo)
}

func (c client) repositoryByID(ctx context.Context, repo int64) (Repository, error) {
	return one(
		ctx, c, newRequest("GET", "/repositories/{id}", id(repo)),
		func(w wireRepository) bool { return int64(w.ID) == repo },
	)
}

// NewRepository describes a repository to be created.
type NewRepository struct {
	Name          string
	Description   string
	DefaultBranch string // empty = the server's default
}

type wireNewRepository struct {
	Name          string `json:"name"`
	Description   string `json:"description"`
	DefaultBranch string `json:"default_branch,omitempty"`
	Private       bool   `json:"private"`
}

// CreateRepository creates a private repository without a commit in an organisation: in a
// first commit, Gitea would write the description into README.md. [ErrConflict] if the
// organisation has a repository of that name, [ErrNotFound] if the organisation does not
// exist.
//
//api:op POST /orgs/{org}/repos
func (c OrgClient) CreateRepository(ctx context.Context, n NewRepository) (Repository, error) {
	r := newRequest("POST", "/orgs/{org}/repos", login(c.name))
	if err := CheckRepository(n.Name); err != nil { // Gitea answers 500 to some invalid names
		return Repository{}, c.admin.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, err)
	}
	r = r.with(wireNewRepository{n.Name, n.Description, n.DefaultBranch, true})
	return one(ctx, c.admin.client, r, repositoryNamed(c.name, n.Name))
}

// RepositoryUpdate holds the fields to change; nil leaves a field as it is.
type RepositoryUpdate struct {
	Private       *bool   `json:"private,omitempty"`
	HasActions    *bool   `json:"has_actions,omitempty"`
	Archived      *bool   `json:"archived,omitempty"`
	Name          *string `json:"name,omitempty"` // the old name redirects until it is used again
	Description   *string `json:"description,omitempty"`
	DefaultBranch *string `json:"default_branch,omitempty"`
}

// Update changes a repository.
//
//api:op PATCH /repos/{owner}/{repo}
func (c RepoClient) Update(ctx context.Context, u RepositoryUpdate) (Repository, error) {
	r := newRequest("PATCH", "/repos/{owner}/{repo}", login(c.owner), repository(c.name)).with(u)
	if u.Name != nil {
		c.name = *u.Name
	}
	return one(ctx, c.admin.client, r, repositoryNamed(c.owner, c.name))
}

// Delete deletes a repository with everything that belongs to it.
//
//api:op DELETE /repos/{owner}/{repo}
func (c RepoClient) Delete(ctx context.Context) error {
	return c.admin.do(ctx, newRequest("DELETE", "/repos/{owner}/{repo}", login(c.owner), repository(c.name)))
}

// Forks lists the forks of a repository, of all owners.
//
//api:op GET /repos/{owner}/{repo}/forks
func (c RepoClient) Forks(ctx context.Context) ([]Repository, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/forks", login(c.owner), repository(c.name))
	return collect(ctx, c.admin.client, r, nil, readUncounted[wireRepository])
}
