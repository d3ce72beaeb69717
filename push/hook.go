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

// A Delivery is a request of Gitea's webhook. The signature covers only the body.
type Delivery struct {
	Event     string // header X-Gitea-Event
	Signature string // header X-Gitea-Signature: HMAC-SHA256 of the body, in hexadecimal
	Body      []byte
	Heard     *Deliveries // remembers the delivery; may be nil
}

// errNoHook is the same for a workspace that does not exist, is suspended, or has no
// webhook, and for a body that its webhook did not sign.
var errNoHook = &tenancy.Error{
	Code: tenancy.NotFound, Msg: "unknown webhook, or the signature is wrong",
	Hint: "the platform creates its own webhooks",
}

// TakeDelivery handles a request of the webhook of the workspace with this slug. The
// request only triggers a check. TakeDelivery reads a repository's id from a signed body;
// if the repository is the workspace's own, a job reads its state from Gitea. Every
// signed request gets the same answer, and every other one gets [NotFound]. If the
// workspace's webhook sends too much, the answer is [RateLimited], and [Pusher.Sweep]
// finds what was rejected.
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
	signed := hmac.Equal(mac.Sum(nil), signature)
	d.Heard.note(w.ID, signed, outside(g).Now())
	if !signed || w.ID == "" || w.SuspendedAt != nil ||
		w.DeletedAt != nil {
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

// hookOf returns a workspace and its webhook's signing key. If there is no webhook, it
// does the same work, and returns a zero workspace and a key that no webhook uses.
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

// requestLook requests a check of the repository that a signed body names.
func requestLook(ctx context.Context, g *tenancy.Guard, w tenancy.Workspace, body []byte) error {
	var push struct {
		Repository struct {
			ID int64 `json:"id"`
		} `json:"repository"`
	}
	err := json.Unmarshal(body, &push)
	if err == nil {
		digest := sha256.Sum256(body)
		err = dbOf(g).RequestPush(ctx, w.ID, push.Repository.ID, hex.EncodeToString(digest[:]))
		if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
			return tenancy.StoreError("write down a push", err)
		}
	}
	outside(g).Log().InfoContext(
		ctx, "webhook", "workspace", w.Slug, "repository_id", push.Repository.ID, "of_workspace", err == nil,
	)
	return nil
}
