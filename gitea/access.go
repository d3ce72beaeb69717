package gitea

import (
	"context"
	"time"
)

// A DeployKey is an SSH key. The holder of its private half can read one repository, or
// write to it.
type DeployKey struct {
	ID          int64 // of the key in this repository
	KeyID       int64 // of the key itself, which several repositories can share
	Title       string
	Key         string // in the form of authorized_keys
	Fingerprint string // "SHA256:…"
	ReadOnly    bool
	CreatedAt   time.Time // zero if Gitea did not report it
}

type wireDeployKey struct {
	ID          number `json:"id"`
	KeyID       number `json:"key_id"`
	Title       text   `json:"title"`
	Key         text   `json:"key"`
	Fingerprint text   `json:"fingerprint"`
	ReadOnly    flag   `json:"read_only"`
	CreatedAt   moment `json:"created_at"`
}

func (w wireDeployKey) whole() bool { return w.ID > 0 }

func (w wireDeployKey) plain() DeployKey {
	return DeployKey{
		int64(w.ID), int64(w.KeyID), string(w.Title), string(w.Key), string(w.Fingerprint), bool(w.ReadOnly),
		w.CreatedAt.Time,
	}
}

// DeployKeys lists the deploy keys of a repository.
//
//api:op GET /repos/{owner}/{repo}/keys
func (c RepoClient) DeployKeys(ctx context.Context) ([]DeployKey, error) {
	return all[wireDeployKey](
		ctx, c.admin.client, newRequest("GET", "/repos/{owner}/{repo}/keys", login(c.owner), repository(c.name)), nil,
	)
}

// NewDeployKey describes a deploy key to be added.
type NewDeployKey struct {
	Title string
	Key   string // public, in the form of authorized_keys; Ed25519, or RSA of 3,072 bits
}

type wireNewDeployKey struct {
	Title    string `json:"title"`
	Key      string `json:"key"`
	ReadOnly bool   `json:"read_only"` // Gitea's default is false
}

// AddDeployKey adds a read-only key to a repository. [ErrInvalid] if the key or the title
// already exists, or if the key belongs to a user.
//
//api:op POST /repos/{owner}/{repo}/keys
func (c RepoClient) AddDeployKey(ctx context.Context, k NewDeployKey) (DeployKey, error) {
	r := newRequest(
		"POST", "/repos/{owner}/{repo}/keys", login(c.owner), repository(c.name),
	).with(wireNewDeployKey{k.Title, k.Key, true})
	return one(
		ctx, c.admin.client, r, func(w wireDeployKey) bool { return bool(w.ReadOnly) && string(w.Title) == k.Title },
	)
}

// DeleteDeployKey deletes a deploy key. It does nothing if no key has that id.
//
//api:op DELETE /repos/{owner}/{repo}/keys/{id}
func (c RepoClient) DeleteDeployKey(ctx context.Context, key int64) error {
	return c.admin.do(
		ctx, newRequest("DELETE", "/repos/{owner}/{repo}/keys/{id}", login(c.owner), repository(c.name), id(key)),
	)
}

// Collaborators lists the users with rights of their own in a repository, not through a
// team.
//
//api:op GET /repos/{owner}/{repo}/collaborators
func (c RepoClient) Collaborators(ctx context.Context) ([]User, error) {
	return all[wireUser](
		ctx, c.admin.client,
		newRequest("GET", "/repos/{owner}/{repo}/collaborators", login(c.owner), repository(c.name)), nil,
	)
}

// RemoveCollaborator removes a user's own rights in a repository. It does nothing if
// there are none.
//
//api:op DELETE /repos/{owner}/{repo}/collaborators/{collaborator}
func (c RepoClient) RemoveCollaborator(ctx context.Context, user string) error {
	return c.admin.do(
		ctx,
		newRequest(
			"DELETE", "/repos/{owner}/{repo}/collaborators/{collaborator}", login(c.owner), repository(c.name),
			login(user),
		),
	)
}

// A PushMirror is an address to which Gitea pushes a repository.
type PushMirror struct {
	Name    string // identifies the mirror to delete
	Address string
}

type wirePushMirror struct {
	Name    text `json:"remote_name"`
	Address text `json:"remote_address"`
}

func (w wirePushMirror) whole() bool       { return w.Name != "" }
func (w wirePushMirror) plain() PushMirror { return PushMirror{string(w.Name), string(w.Address)} }

// PushMirrors lists the push mirrors of a repository; [ErrInvalid] if mirrors are
// switched off on the server.
//
//api:op GET /repos/{owner}/{repo}/push_mirrors
func (c RepoClient) PushMirrors(ctx context.Context) ([]PushMirror, error) {
	return all[wirePushMirror](
		ctx, c.admin.client,
		newRequest("GET", "/repos/{owner}/{repo}/push_mirrors", login(c.owner), repository(c.name)), nil,
	)
}

// DeletePushMirror deletes a push mirror. It does nothing if none has that name.
//
//api:op DELETE /repos/{owner}/{repo}/push_mirrors/{name}
func (c RepoClient) DeletePushMirror(ctx context.Context, mirror string) error {
	r := newRequest(
		"DELETE", "/repos/{owner}/{repo}/push_mirrors/{name}", login(c.owner), repository(c.name),
		matching(mirrorForm, mirror, errRule),
	)
	return c.admin.do(ctx, r)
}
