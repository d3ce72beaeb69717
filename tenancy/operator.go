package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

// An Operator runs the platform: it makes workspaces and keys. It needs the
// store only, so it works while Coolify is down. Whoever holds one has proved
// to be the operator, by running the program on the server.
type Operator struct {
	store Store
	now   func() time.Time
}

// NewOperator returns an Operator on the store.
func NewOperator(s Store) *Operator { return &Operator{s, time.Now} }

// DefaultKeyLife is how long a key lives unless it is said otherwise.
const DefaultKeyLife = 90 * 24 * time.Hour

// NewWorkspace is what a workspace is created from.
type NewWorkspace struct {
	Slug           string
	Name           string // empty = the slug
	OwnerUserID    string // may be empty
	OwnerGiteaID   int64  // the owner's account on Gitea; 0 = not known
	CoolifyProject string // uuid; may be empty, then the workspace reaches nothing yet
	Placement      Placement
}

// CreateWorkspace stores a new workspace. A slug that was ever used is
// [Conflict].
func (o *Operator) CreateWorkspace(ctx context.Context, n NewWorkspace) (Workspace, error) {
	if err := CheckSlug(n.Slug); err != nil {
		return Workspace{}, invalid(err)
	}
	if n.Placement.Trust == "" {
		n.Placement.Trust = Shared
	}
	if err := n.Placement.check(); err != nil {
		return Workspace{}, err
	}
	if !utf8.ValidString(n.Name) || !utf8.ValidString(n.OwnerUserID) {
		return Workspace{}, invalid(errors.New("the name or the owner is not valid UTF-8"))
	}
	if _, err := coolify.ParseUUID(n.CoolifyProject); n.CoolifyProject != "" && err != nil {
		return Workspace{}, invalid(fmt.Errorf("the Coolify project's uuid: %w", err))
	}
	now := o.now()
	w := Workspace{
		ID: uuid.Must(uuid.NewV7()).String(), Slug: n.Slug, Name: n.Name, OwnerUserID: n.OwnerUserID, CoolifyProject: n.CoolifyProject,
		Placement: n.Placement, Status: Pending, CreatedAt: now, UpdatedAt: now,
	}
	if w.Name == "" {
		w.Name = w.Slug
	}
	if w.CoolifyProject != "" {
		w.Status = Partial // it has a Coolify project, and no Gitea organisation yet
	}
	switch err := o.store.CreateWorkspace(ctx, w, n.OwnerGiteaID); {
	case errors.Is(err, ErrConflict):
		return Workspace{}, &Error{Code: Conflict, Msg: fmt.Sprintf("the slug %q is or was in use", n.Slug), Hint: "choose another; a slug is never used again"}
	case errors.Is(err, ErrProjectTaken):
		return Workspace{}, &Error{
			Code: Conflict, Msg: "another workspace has this Coolify project",
			Hint: "make a project of its own in Coolify: workspaces on one project would see each other's apps",
		}
	case err != nil:
		return Workspace{}, storeError("create the workspace", err)
	}
	return w, nil
}

// Workspaces lists the living workspaces by slug.
func (o *Operator) Workspaces(ctx context.Context) ([]Workspace, error) {
	list, err := o.store.Workspaces(ctx)
	if err != nil {
		return nil, storeError("list the workspaces", err)
	}
	return list, nil
}

// Workspace returns the living workspace with this slug.
func (o *Operator) Workspace(ctx context.Context, slug string) (Workspace, error) {
	w, err := o.store.Workspace(ctx, slug)
	if errors.Is(err, ErrNotFound) {
		return w, &Error{Code: NotFound, Msg: fmt.Sprintf("no workspace %q", slug), Hint: "\"vibn-mcp workspace list\" shows them"}
	}
	if err != nil {
		return w, storeError("look up the workspace", err)
	}
	return w, nil
}

// Members lists the members of a workspace.
func (o *Operator) Members(ctx context.Context, w Workspace) ([]Member, error) {
	list, err := o.store.Members(ctx, w.ID)
	if err != nil {
		return nil, storeError("list the members", err)
	}
	return list, nil
}

// Place changes where a workspace's apps run and what its host may be asked to.
func (o *Operator) Place(ctx context.Context, w Workspace, p Placement) error {
	if err := p.check(); err != nil {
		return err
	}
	if err := o.store.SetPlacement(ctx, w.ID, p, o.now()); err != nil {
		return storeError("place the workspace", err)
	}
	return nil
}

// DeleteWorkspace ends a workspace and all its keys. What it has on Coolify and
// Gitea stays there; its slug is never used again.
func (o *Operator) DeleteWorkspace(ctx context.Context, w Workspace) error {
	if err := o.store.DeleteWorkspace(ctx, w.ID, o.now()); err != nil {
		return storeError("delete the workspace", err)
	}
	return nil
}

// CreateKey mints a key for a workspace. life 0 means that it never expires.
// The key itself is returned once and kept nowhere.
func (o *Operator) CreateKey(ctx context.Context, w Workspace, name string, rights Rights, life time.Duration) (Key, secret.Text, error) {
	name = strings.TrimSpace(name)
	if name == "" || len(name) > 100 || rights == 0 || life < 0 {
		return Key{}, secret.Text{}, invalid(errors.New("a key needs a name of at most 100 bytes, a right, and a life that is not negative"))
	}
	k := Key{ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: w.ID, Name: name, Rights: rights, CreatedBy: "operator", CreatedAt: o.now()}
	if life > 0 {
		k.ExpiresAt = new(k.CreatedAt.Add(life))
	}
	key, digest := NewKey(&k)
	if err := o.store.CreateKey(ctx, k, digest); err != nil {
		return Key{}, secret.Text{}, storeError("store the key", err)
	}
	return k, key, nil
}

// Keys lists a workspace's keys, revoked ones too, newest first.
func (o *Operator) Keys(ctx context.Context, w Workspace) ([]Key, error) {
	list, err := o.store.Keys(ctx, w.ID)
	if err != nil {
		return nil, storeError("list the keys", err)
	}
	return list, nil
}

// RevokeKey revokes a key of a workspace, and those minted with it.
func (o *Operator) RevokeKey(ctx context.Context, w Workspace, keyID string) error {
	err := o.store.RevokeKey(ctx, w.ID, keyID, o.now())
	if errors.Is(err, ErrNotFound) {
		return &Error{Code: NotFound, Msg: "no such key in workspace " + w.Slug, Hint: "\"vibn-mcp key list " + w.Slug + "\" shows the keys and their ids"}
	}
	if err != nil {
		return storeError("revoke the key", err)
	}
	return nil
}

// check judges a placement that an operator typed.
func (p Placement) check() error {
	for what, id := range map[string]string{"server": p.Server, "destination": p.Destination} {
		if _, err := coolify.ParseUUID(id); id != "" && err != nil {
			return invalid(fmt.Errorf("the %s's uuid: %w", what, err))
		}
	}
	if p.Trust == Dedicated && p.Server == "" {
		return &Error{
			Code: Invalid, Msg: "a dedicated placement names the server that is the workspace's own",
			Hint: "give --coolify-server-uuid; apps on any other server are treated as on a shared one",
		}
	}
	return nil
}

// invalid is for what the operator typed.
func invalid(err error) *Error { return &Error{Code: Invalid, Msg: err.Error()} }
