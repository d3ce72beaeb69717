package coolify

import (
	"context"
	"errors"
	"net/http"

	"github.com/vibnai/vibn-mcp/secret"
)

// A PrivateKey is an SSH key that Coolify holds, without its private half.
type PrivateKey struct {
	UUID        UUID
	Name        string // not unique
	Description string
	Fingerprint string // SHA-256 in base64, without "SHA256:" before it
	PublicKey   string // as in authorized_keys
	GitRelated  bool
}

// wirePrivateKey leaves out "private_key": a token that sees secrets is shown
// those of the servers too.
type wirePrivateKey struct {
	UUID        uid  `json:"uuid"`
	Name        text `json:"name"`
	Description text `json:"description"`
	Fingerprint text `json:"fingerprint"`
	PublicKey   text `json:"public_key"`
	GitRelated  flag `json:"is_git_related"`
}

// PrivateKeys lists the keys of the token's team, those of its servers among
// them.
//
//api:op GET /security/keys
func (c *Client) PrivateKeys(ctx context.Context) ([]PrivateKey, error) {
	var w list[wirePrivateKey]
	if err := c.do(ctx, newRequest("GET", "/security/keys"), &w); err != nil {
		return nil, err
	}
	all := make([]PrivateKey, 0, len(w))
	for _, k := range w {
		all = append(all, PrivateKey{
			k.UUID.UUID, string(k.Name), string(k.Description), string(k.Fingerprint), string(k.PublicKey), bool(k.GitRelated),
		})
	}
	return all, nil
}

// NewPrivateKey describes a key to be stored.
type NewPrivateKey struct {
	Name        string // at most 255 characters; empty = one that Coolify makes up
	Description string // likewise
	Key         secret.Text
}

type wireNewPrivateKey struct {
	Name        string `json:"name,omitempty"`
	Description string `json:"description,omitempty"`
	Key         string `json:"private_key"`
}

// CreatePrivateKey stores a private key, as PEM. [ErrConflict] if any team has
// that key already. Coolify's words are not kept: they may repeat it.
//
//api:op POST /security/keys
func (c *Client) CreatePrivateKey(ctx context.Context, k NewPrivateKey) (UUID, error) {
	r := newRequest("POST", "/security/keys")
	r.secret = true
	r.body = wireNewPrivateKey{k.Name, k.Description, k.Key.Reveal()}
	var w created
	err := c.do(ctx, r, &w)
	return w.UUID.UUID, err
}

// Delete deletes a key; [ErrInUse] while an application, also one that
// is being deleted, or a server has it.
//
//api:op DELETE /security/keys/{uuid}
func (k KeyClient) Delete(ctx context.Context) error {
	err := k.c.do(ctx, newRequest("DELETE", "/security/keys/{uuid}", k.id), &acknowledged{})
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusUnprocessableEntity && errors.Is(e, ErrInvalid) {
		e.Kind = ErrInUse
	}
	return err
}
