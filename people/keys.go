package people

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// Limits of the keys that a workspace mints itself.
const (
	MaxKeyDays     = 365
	MaxKeys        = 200 // that are active
	MaxKeysPerHour = 30
)

// MintKey describes a key to be minted.
type MintKey struct {
	Name    string
	Rights  tenancy.Rights
	Days    int    // until it expires, 1 to [MaxKeyDays]
	Request string // number of the form; a second key for it is [tenancy.Conflict]. Empty = none
}

// Keys lists a page of the workspace's keys, newest first.
func Keys(ctx context.Context, s *tenancy.Scope, q KeyQuery) (KeyPage, error) {
	if err := s.Require(tenancy.Keys); err != nil {
		return KeyPage{}, err
	}
	q.At = inside(s).Now()
	return keysOf(ctx, db(s), inside(s).Workspace().ID, q)
}

// Mint mints a key with at most the principal's rights. A key that another key mints ends
// with that key. A person needs a recent sign-in. Mint returns the key itself once; it is stored nowhere.
func Mint(ctx context.Context, s *tenancy.Scope, m MintKey) (tenancy.Key, secret.Text, error) {
	if err := cmp.Or(s.Require(tenancy.Keys), inside(s).SignedIn()); err != nil {
		return tenancy.Key{}, secret.Text{}, err
	}
	m.Name = keyName(m.Name)
	switch {
	case m.Name == "":
		return tenancy.Key{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Invalid, Msg: "a key needs a name of at most 100 bytes",
			Hint: "name the agent that will use it",
		}
	case m.Days < 1 || m.Days > MaxKeyDays:
		return tenancy.Key{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Invalid, Msg: fmt.Sprintf("a key is good for 1 to %d days", MaxKeyDays),
		}
	case m.Rights == 0 || !inside(s).Held().Has(m.Rights):
		return tenancy.Key{}, secret.Text{}, &tenancy.Error{
			Code: tenancy.Forbidden, Msg: "a key cannot have more rights than the person who mints it",
			Hint: "you have: " + inside(s).Held().String(),
		}
	}
	k := tenancy.Key{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: inside(s).Workspace().ID, Name: m.Name, Rights: m.Rights,
		Request:   m.Request,
		CreatedBy: s.Principal(), CreatedAt: inside(s).Now(),
	}
	k.ExpiresAt = new(k.CreatedAt.Add(time.Duration(m.Days) * 24 * time.Hour))
	if userID, ok := inside(s).MemberID(); ok {
		k.CreatedBy = userID
	}
	if parent, ok := inside(s).KeyID(); ok {
		k.ParentID = parent
		if end := inside(s).Ends(); end != nil && end.Before(*k.ExpiresAt) {
			k.ExpiresAt = end
		}
	}
	key, digest := tenancy.NewKey(&k)
	if err := db(s).CreateKey(ctx, k, digest); err != nil {
		return tenancy.Key{}, secret.Text{}, mintError(err)
	}
	inside(s).RecordTarget(k.ID)
	return k, key, revokeUnlessEntitled(ctx, s, k)
}

// mintError turns a failure of the store to keep a new key into the error that its
// principal reads.
func mintError(err error) error {
	switch {
	case errors.Is(err, tenancy.ErrConflict):
		return &tenancy.Error{
			Code: tenancy.Conflict, Msg: "this form was sent already, and its key was minted then",
			Hint: "a key is shown once; if you did not see it, revoke it and mint another",
		}
	case errors.Is(err, tenancy.ErrNotFound):
		return tenancy.ErrUnauthorized
	case errors.Is(err, tenancy.ErrFull):
		return &tenancy.Error{
			Code: tenancy.Conflict,
			Msg:  fmt.Sprintf("the workspace has %d active keys, the most that it may have", MaxKeys),
			Hint: "revoke the ones that are not used",
		}
	case errors.Is(err, tenancy.ErrTooMany):
		return &tenancy.Error{
			Code: tenancy.RateLimited,
			Msg:  fmt.Sprintf("the workspace minted %d keys within an hour, the most that it may", MaxKeysPerHour),
			Hint: "use a key that is there, or wait", Retryable: true, RetryAfter: 10 * time.Minute,
		}
	}
	return tenancy.StoreError("store the key", err)
}

// keyName returns a key's name as it is stored: cleaned, because lists, the audit trail
// and terminals show it. It is empty for what cannot be a name.
func keyName(raw string) string {
	raw = strings.TrimSpace(raw)
	if len(raw) > 100 || !storable(raw) {
		return ""
	}
	return untrusted.Clean(raw)
}

// revokeUnlessEntitled revokes a key if its creator lost the right to it meanwhile.
func revokeUnlessEntitled(ctx context.Context, s *tenancy.Scope, k tenancy.Key) error {
	again, err := inside(s).Again(ctx)
	if err == nil && again.Held().Has(k.Rights|tenancy.Keys) {
		return nil
	}
	if err == nil {
		err = again.Require(k.Rights | tenancy.Keys)
	}
	if failed := db(s).RevokeKey(context.WithoutCancel(ctx), k.WorkspaceID, k.ID, inside(s).Now()); failed != nil {
		return tenancy.StoreError("take a key back", failed)
	}
	return err
}

// KeyState returns the state of a key at a time: active, expired or revoked.
func KeyState(k tenancy.Key, now time.Time) string {
	switch {
	case k.RevokedAt != nil:
		return "revoked"
	case k.ExpiresAt != nil && !now.Before(*k.ExpiresAt):
		return "expired"
	}
	return "active"
}

// RevokeKey revokes a key of the workspace, and those minted with it. The next request
// with the key is refused.
func RevokeKey(ctx context.Context, s *tenancy.Scope, id string) error {
	if err := s.Require(tenancy.Keys); err != nil {
		return err
	}
	err := db(s).RevokeKey(ctx, inside(s).Workspace().ID, id, inside(s).Now())
	if errors.Is(err, tenancy.ErrNotFound) {
		return &tenancy.Error{
			Code: tenancy.NotFound, Msg: "no such key in this workspace", Hint: "the list of keys shows their ids",
		}
	}
	if err != nil {
		return tenancy.StoreError("revoke the key", err)
	}
	inside(s).RecordTarget(id)
	return nil
}
