package gitea

import (
	"context"
	"time"
)

// A DeployKey lets whoever has its private half read one repository by SSH, or
// write to it.
type DeployKey struct {
	ID          int64 // of the key in this repository
	KeyID       int64 // of the key itself, which several repositories may share
	Title       string
	Key         string // in the form of authorized_keys
	Fingerprint string // "SHA256:…"
	ReadOnly    bool
	CreatedAt   time.Time // zero if Gitea did not tell
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
		int64(w.ID), int64(w.KeyID), string(w.Title), string(w.Key), string(w.Fingerprint), bool(w.ReadOnly), w.CreatedAt.Time,
	}
}

// DeployKeys lists the deploy keys of a repository.
//
//api:op GET /repos/{owner}/{repo}/keys
func (a *Admin) DeployKeys(ctx context.Context, owner, repo string) ([]DeployKey, error) {
	return all[wireDeployKey](ctx, a.client, newRequest("GET", "/repos/{owner}/{repo}/keys", login(owner), repository(repo)), nil)
}

// NewDeployKey describes a deploy key to be added.
type NewDeployKey struct {
	Title string
	Key   string // public, in the form of authorized_keys; Ed25519, or RSA of 3,072 bits
}

type wireNewDeployKey struct {
	Title    string `json:"title"`
	Key      string `json:"key"`
	ReadOnly bool   `json:"read_only"` // not said, it is false
}

// AddDeployKey adds a read-only key to a repository. [ErrInvalid] if the key or
// the title is there already, or if the key is that of a user.
//
//api:op POST /repos/{owner}/{repo}/keys
func (a *Admin) AddDeployKey(ctx context.Context, owner, repo string, k NewDeployKey) (DeployKey, error) {
	r := newRequest("POST", "/repos/{owner}/{repo}/keys", login(owner), repository(repo)).with(wireNewDeployKey{k.Title, k.Key, true})
	return one(ctx, a.client, r, func(w wireDeployKey) bool { return bool(w.ReadOnly) && string(w.Title) == k.Title })
}

// DeleteDeployKey deletes a deploy key; nothing happens if there is none with
// that id.
//
//api:op DELETE /repos/{owner}/{repo}/keys/{id}
func (a *Admin) DeleteDeployKey(ctx context.Context, owner, repo string, key int64) error {
	return a.do(ctx, newRequest("DELETE", "/repos/{owner}/{repo}/keys/{id}", login(owner), repository(repo), id(key)))
}

// Collaborators lists those who may do something in a repository by themselves,
// not by a team.
//
//api:op GET /repos/{owner}/{repo}/collaborators
func (a *Admin) Collaborators(ctx context.Context, owner, repo string) ([]User, error) {
	return all[wireUser](ctx, a.client, newRequest("GET", "/repos/{owner}/{repo}/collaborators", login(owner), repository(repo)), nil)
}

// RemoveCollaborator takes a user's own rights in a repository away; nothing
// happens if there are none.
//
//api:op DELETE /repos/{owner}/{repo}/collaborators/{collaborator}
func (a *Admin) RemoveCollaborator(ctx context.Context, owner, repo, user string) error {
	return a.do(ctx, newRequest("DELETE", "/repos/{owner}/{repo}/collaborators/{collaborator}", login(owner), repository(repo), login(user)))
}

// A PushMirror is a place that Gitea pushes a repository to.
type PushMirror struct {
	Name    string // by which it is deleted
	Address string
}

type wirePushMirror struct {
	Name    text `json:"remote_name"`
	Address text `json:"remote_address"`
}

func (w wirePushMirror) whole() bool       { return w.Name != "" }
func (w wirePushMirror) plain() PushMirror { return PushMirror{string(w.Name), string(w.Address)} }

// PushMirrors lists the push mirrors of a repository; [ErrInvalid] if the server
// has mirrors switched off.
//
//api:op GET /repos/{owner}/{repo}/push_mirrors
func (a *Admin) PushMirrors(ctx context.Context, owner, repo string) ([]PushMirror, error) {
	return all[wirePushMirror](ctx, a.client, newRequest("GET", "/repos/{owner}/{repo}/push_mirrors", login(owner), repository(repo)), nil)
}

// DeletePushMirror deletes a push mirror; nothing happens if there is none of
// that name.
//
//api:op DELETE /repos/{owner}/{repo}/push_mirrors/{name}
func (a *Admin) DeletePushMirror(ctx context.Context, owner, repo, mirror string) error {
	r := newRequest("DELETE", "/repos/{owner}/{repo}/push_mirrors/{name}", login(owner), repository(repo), matching(mirrorForm, mirror, errRule))
	return a.do(ctx, r)
}
