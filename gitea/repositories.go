package gitea

import (
	"context"
	"time"
)

// A Repository is a repository. Its addresses are as Gitea forms them from its
// own settings.
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
	Mirror        bool // pulls from elsewhere
	Archived      bool
	HasActions    bool  // true also if Gitea did not tell
	ParentID      int64 // of a fork; 0 = none, or not told
	CanAdmin      bool  // what the token's user may
	CanPush       bool
	CanPull       bool
	UpdatedAt     time.Time // zero if Gitea did not tell
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
		ID: int64(w.ID), OwnerID: int64(w.Owner.Value.ID), Owner: string(w.Owner.Value.Login), Name: string(w.Name), FullName: string(w.FullName),
		CloneURL: string(w.CloneURL), SSHURL: string(w.SSHURL), HTMLURL: string(w.HTMLURL),
		DefaultBranch: string(w.DefaultBranch), Description: string(w.Description),
		Private: bool(w.Private), Empty: bool(w.Empty), Fork: bool(w.Fork), Mirror: bool(w.Mirror), Archived: bool(w.Archived),
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

// OrgRepositories lists the repositories of an organisation.
//
//api:op GET /orgs/{org}/repos
func (a *Admin) OrgRepositories(ctx context.Context, org string) ([]Repository, error) {
	return all(ctx, a.client, newRequest("GET", "/orgs/{org}/repos", login(org)), ownedBy(org))
}

// UserRepositories lists the repositories of a user, forks included.
//
//api:op GET /users/{username}/repos
func (a *Admin) UserRepositories(ctx context.Context, user string) ([]Repository, error) {
	return all(ctx, a.client, newRequest("GET", "/users/{username}/repos", login(user)), ownedBy(user))
}

// Repository returns a repository. [ErrRenamed] if it, or its owner, has another
// name now.
//
//api:op GET /repos/{owner}/{repo}
func (a *Admin) Repository(ctx context.Context, owner, name string) (Repository, error) {
	return a.repository(ctx, owner, name)
}

func (c client) repository(ctx context.Context, owner, name string) (Repository, error) {
	return one(ctx, c, newRequest("GET", "/repos/{owner}/{repo}", login(owner), repository(name)), repositoryNamed(owner, name))
}

// RepositoryByID returns a repository, whatever it is called now.
//
//api:op GET /repositories/{id}
func (a *Admin) RepositoryByID(ctx context.Context, repo int64) (Repository, error) {
	return one(ctx, a.client, newRequest("GET", "/repositories/{id}", id(repo)), func(w wireRepository) bool { return int64(w.ID) == repo })
}

// NewRepository describes a repository to be made.
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

// CreateRepository makes a private repository without a commit in an
// organisation: with one, Gitea would write the description into README.md. It is
// [ErrConflict] if it has one of that name, [ErrNotFound] if there
// is no such organisation.
//
//api:op POST /orgs/{org}/repos
func (a *Admin) CreateRepository(ctx context.Context, org string, n NewRepository) (Repository, error) {
	r := newRequest("POST", "/orgs/{org}/repos", login(org))
	if err := CheckRepository(n.Name); err != nil { // some of what it refuses Gitea answers with 500
		return Repository{}, a.conn.api.Refuse(r.op, r.op.Path, ErrInvalid, err)
	}
	r = r.with(wireNewRepository{n.Name, n.Description, n.DefaultBranch, true})
	return one(ctx, a.client, r, repositoryNamed(org, n.Name))
}

// RepositoryUpdate says what to change; nil leaves a field as it is.
type RepositoryUpdate struct {
	Private       *bool   `json:"private,omitempty"`
	HasActions    *bool   `json:"has_actions,omitempty"`
	Archived      *bool   `json:"archived,omitempty"`
	Name          *string `json:"name,omitempty"` // the old name redirects, until it is taken
	Description   *string `json:"description,omitempty"`
	DefaultBranch *string `json:"default_branch,omitempty"`
}

// UpdateRepository changes a repository.
//
//api:op PATCH /repos/{owner}/{repo}
func (a *Admin) UpdateRepository(ctx context.Context, owner, name string, u RepositoryUpdate) (Repository, error) {
	r := newRequest("PATCH", "/repos/{owner}/{repo}", login(owner), repository(name)).with(u)
	if u.Name != nil {
		name = *u.Name
	}
	return one(ctx, a.client, r, repositoryNamed(owner, name))
}

// DeleteRepository deletes a repository with all that hangs on it.
//
//api:op DELETE /repos/{owner}/{repo}
func (a *Admin) DeleteRepository(ctx context.Context, owner, name string) error {
	return a.do(ctx, newRequest("DELETE", "/repos/{owner}/{repo}", login(owner), repository(name)))
}

// Forks lists the forks of a repository, wherever they are.
//
//api:op GET /repos/{owner}/{repo}/forks
func (a *Admin) Forks(ctx context.Context, owner, repo string) ([]Repository, error) {
	r := newRequest("GET", "/repos/{owner}/{repo}/forks", login(owner), repository(repo))
	return collect(ctx, a.client, r, nil, readUncounted[wireRepository])
}
