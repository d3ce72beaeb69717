package tenancy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/secret"
)

// Limits of the keys that a workspace mints for itself.
const (
	MaxKeyDays = 365
	MaxKeys    = 200 // that are in force
)

// MintKey is what a key is asked for with.
type MintKey struct {
	Name    string
	Rights  Rights
	Days    int    // until it expires, 1 to [MaxKeyDays]
	Request string // number of the form; a second key for it is [Conflict]. Empty = none
}

// Keys lists the workspace's keys, revoked and expired ones too, newest first.
func (s *Scope) Keys(ctx context.Context) ([]Key, error) {
	if err := s.Require(Keys); err != nil {
		return nil, err
	}
	list, err := s.guard.store.Keys(ctx, s.grant.workspace.ID)
	if err != nil {
		return nil, StoreError("list the keys", err)
	}
	return list, nil
}

// MintKey mints a key that may do nothing that the principal may not. One that a
// key mints ends with that key. The key itself is returned once and kept nowhere.
func (s *Scope) MintKey(ctx context.Context, m MintKey) (Key, secret.Text, error) {
	if err := s.Require(Keys); err != nil {
		return Key{}, secret.Text{}, err
	}
	m.Name = strings.TrimSpace(m.Name)
	switch {
	case m.Name == "" || len(m.Name) > 100 || !storable(m.Name):
		return Key{}, secret.Text{}, &Error{Code: Invalid, Msg: "a key needs a name of at most 100 bytes", Hint: "name the agent that will use it"}
	case m.Days < 1 || m.Days > MaxKeyDays:
		return Key{}, secret.Text{}, &Error{Code: Invalid, Msg: fmt.Sprintf("a key is good for 1 to %d days", MaxKeyDays)}
	case m.Rights == 0 || !s.grant.held.Has(m.Rights):
		return Key{}, secret.Text{}, &Error{
			Code: Forbidden, Msg: "nobody can mint a key that may do more than they may themselves", Hint: "you have: " + s.grant.held.String(),
		}
	}
	if err := s.roomForKeys(ctx); err != nil {
		return Key{}, secret.Text{}, err
	}
	k := Key{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: s.grant.workspace.ID, Name: m.Name, Rights: m.Rights, Request: m.Request,
		CreatedBy: s.grant.who, CreatedAt: s.guard.now(),
	}
	k.ExpiresAt = new(k.CreatedAt.Add(time.Duration(m.Days) * 24 * time.Hour))
	switch p := s.principal.(type) {
	case memberPrincipal:
		k.CreatedBy = p.userID
	case keyPrincipal:
		k.ParentID = strings.TrimPrefix(s.grant.who, "key:")
		if end := s.grant.ends; end != nil && end.Before(*k.ExpiresAt) {
			k.ExpiresAt = end
		}
	}
	key, digest := NewKey(&k)
	switch err := s.guard.store.CreateKey(ctx, k, digest); {
	case errors.Is(err, ErrConflict):
		return Key{}, secret.Text{}, &Error{
			Code: Conflict, Msg: "this form was sent already, and its key was made then",
			Hint: "a key is shown once; if you did not see it, revoke it and make another",
		}
	case errors.Is(err, ErrNotFound):
		return Key{}, secret.Text{}, ErrUnauthorized
	case err != nil:
		return Key{}, secret.Text{}, StoreError("store the key", err)
	}
	Inside{s}.RecordTarget(k.ID)
	return k, key, s.confirm(ctx, k)
}

// confirm takes a key back if its maker lost the right to it meanwhile.
func (s *Scope) confirm(ctx context.Context, k Key) error {
	again, err := s.guard.open(ctx, s.principal)
	if err == nil && again.grant.held.Has(k.Rights|Keys) {
		return nil
	}
	if err == nil {
		err = again.Require(k.Rights | Keys)
	}
	if failed := s.guard.store.RevokeKey(context.WithoutCancel(ctx), k.WorkspaceID, k.ID, s.guard.now()); failed != nil {
		return StoreError("take a key back", failed)
	}
	return err
}

func (s *Scope) roomForKeys(ctx context.Context) error {
	list, err := s.Keys(ctx)
	if err != nil {
		return err
	}
	alive, now := 0, s.guard.now()
	for _, k := range list {
		if k.State(now) == "active" {
			alive++
		}
	}
	if alive >= MaxKeys {
		return &Error{Code: Conflict, Msg: fmt.Sprintf("this workspace has %d keys in force, and may have no more", alive), Hint: "revoke those that nobody uses"}
	}
	return nil
}

// State returns what a key is at a time: active, expired or revoked.
func (k Key) State(now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	}
	return "active"
}

// RevokeKey revokes a key of the workspace, and those minted with it. It is refused
// at the next look.
func (s *Scope) RevokeKey(ctx context.Context, id string) error {
	if err := s.Require(Keys); err != nil {
		return err
	}
	err := s.guard.store.RevokeKey(ctx, s.grant.workspace.ID, id, s.guard.now())
	if errors.Is(err, ErrNotFound) {
		return &Error{Code: NotFound, Msg: "no such key in this workspace", Hint: "the list of keys shows their ids"}
	}
	if err != nil {
		return StoreError("revoke the key", err)
	}
	Inside{s}.RecordTarget(id)
	return nil
}
