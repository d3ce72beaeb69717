package push

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A Delivery is what Gitea's webhook posts. Only the body is under the signature.
type Delivery struct {
	Event     string // as the header X-Gitea-Event has it
	Signature string // as X-Gitea-Signature has it: HMAC-SHA256 of the body, in hexadecimal
	Body      []byte
}

// errNoHook is the same for a workspace that is not there, is suspended, or has no
// webhook, and for a body that its webhook did not sign.
var errNoHook = &tenancy.Error{Code: tenancy.NotFound, Msg: "there is no such webhook, or it did not sign this", Hint: "the platform makes its webhooks itself"}

// TakeDelivery takes what the webhook of the workspace with this slug posts. It is
// a wake-up and no more: of a body that is signed the id of a repository is read,
// and if it is one of the workspace's own, a job looks at what Gitea has there. All
// that is signed is answered alike, and so is all that is not ([NotFound]).
// [RateLimited] if the workspace's webhook posts too much: [Pusher.Sweep]
// finds what was not taken.
func TakeDelivery(ctx context.Context, g *tenancy.Guard, slug string, d Delivery) error {
	signature, err := hex.DecodeString(d.Signature)
	if err != nil || len(signature) != sha256.Size {
		return errNoHook
	}
	w, key, err := hookOf(ctx, g, slug)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(d.Body)
	if signed := hmac.Equal(mac.Sum(nil), signature); !signed || w.ID == "" || w.SuspendedAt != nil || w.DeletedAt != nil {
		return errNoHook
	}
	if err := outside(g).AdmitPush(w.ID); err != nil {
		return err
	}
	if d.Event != "push" {
		return nil
	}
	return requestLook(ctx, g, w, d.Body)
}

// hookOf returns a workspace and what its webhook signs with. Where there is none,
// the workspace is zero and the key is nobody's, after as much work.
func hookOf(ctx context.Context, g *tenancy.Guard, slug string) (tenancy.Workspace, secret.Text, error) {
	w, err := dbOf(g).Workspace(ctx, slug)
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.Workspace{}, secret.Text{}, tenancy.StoreError("look up a webhook", err)
	}
	p, err := dbOf(g).Provision(ctx, w.ID)
	if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
		return tenancy.Workspace{}, secret.Text{}, tenancy.StoreError("look up a webhook", err)
	}
	if err == nil && p.HookSealed != "" {
		if key, err := outside(g).Box().Open(p.HookSealed, tenancy.HookPlace(p.ID)); err == nil {
			return p.Workspace, key, nil
		}
	}
	key, err := outside(g).Box().Open(outside(g).NoHook(), tenancy.HookPlace(""))
	return tenancy.Workspace{}, key, err
}

// requestLook requests a look at the repository that a signed body is about.
func requestLook(ctx context.Context, g *tenancy.Guard, w tenancy.Workspace, body []byte) error {
	var push struct {
		Repository struct {
			ID int64 `json:"id"`
		} `json:"repository"`
	}
	err := json.Unmarshal(body, &push)
	if err == nil {
		digest := sha256.Sum256(body)
		err = dbOf(g).WantPush(ctx, w.ID, push.Repository.ID, hex.EncodeToString(digest[:]))
		if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
			return tenancy.StoreError("write down a push", err)
		}
	}
	outside(g).Log().InfoContext(ctx, "webhook", "workspace", w.Slug, "repository_id", push.Repository.ID, "of_workspace", err == nil)
	return nil
}
