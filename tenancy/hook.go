package tenancy

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"

	"github.com/vibnai/vibn-mcp/secret"
)

// HookPath is where the webhook of a workspace posts to, below the public URL,
// before the workspace's slug.
const HookPath = "hooks/gitea"

// A Delivery is what Gitea's webhook posts. Only the body is under the signature.
type Delivery struct {
	Event     string // as the header X-Gitea-Event has it
	Signature string // as X-Gitea-Signature has it: HMAC-SHA256 of the body, in hexadecimal
	Body      []byte
}

// errNoHook is the same for a workspace that is not there, is suspended, or has no
// webhook, and for a body that its webhook did not sign.
var errNoHook = &Error{Code: NotFound, Msg: "there is no such webhook, or it did not sign this", Hint: "the platform makes its webhooks itself"}

// TakeDelivery takes what the webhook of the workspace with this slug posts. It is
// a wake-up and no more: of a body that is signed the id of a repository is read,
// and if it is one of the workspace's own, a job looks at what Gitea has there. All
// that is signed is answered alike, and so is all that is not ([NotFound]).
// [RateLimited] if the workspace's webhook posts too much: [Pusher.Sweep]
// finds what was not taken.
func (g *Guard) TakeDelivery(ctx context.Context, slug string, d Delivery) error {
	signature, err := hex.DecodeString(d.Signature)
	if err != nil || len(signature) != sha256.Size {
		return errNoHook
	}
	w, key, err := g.hookOf(ctx, slug)
	if err != nil {
		return err
	}
	mac := hmac.New(sha256.New, []byte(key.Reveal()))
	mac.Write(d.Body)
	if signed := hmac.Equal(mac.Sum(nil), signature); !signed || w.ID == "" || w.SuspendedAt != nil || w.DeletedAt != nil {
		return errNoHook
	}
	if err := g.budget.admitPush(w.ID); err != nil {
		return err
	}
	if d.Event != "push" {
		return nil
	}
	return g.pushed(ctx, w, d.Body)
}

// hookOf returns a workspace and what its webhook signs with. Where there is none,
// the workspace is zero and the key is nobody's, after as much work.
func (g *Guard) hookOf(ctx context.Context, slug string) (Workspace, secret.Text, error) {
	w, err := g.store.Workspace(ctx, slug)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Workspace{}, secret.Text{}, StoreError("look up a webhook", err)
	}
	p, err := g.store.Provision(ctx, w.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Workspace{}, secret.Text{}, StoreError("look up a webhook", err)
	}
	if err == nil && p.HookSealed != "" {
		if key, err := g.box.Open(p.HookSealed, HookPlace(p.ID)); err == nil {
			return p.Workspace, key, nil
		}
	}
	key, err := g.box.Open(g.noHook, HookPlace(""))
	return Workspace{}, key, err
}

// pushed wants a look at the repository that a signed body is about.
func (g *Guard) pushed(ctx context.Context, w Workspace, body []byte) error {
	var push struct {
		Repository struct {
			ID int64 `json:"id"`
		} `json:"repository"`
	}
	err := json.Unmarshal(body, &push)
	if err == nil {
		digest := sha256.Sum256(body)
		err = g.store.WantPush(ctx, w.ID, push.Repository.ID, hex.EncodeToString(digest[:]))
		if err != nil && !errors.Is(err, ErrNotFound) {
			return StoreError("write down a push", err)
		}
	}
	g.log.InfoContext(ctx, "webhook", "workspace", w.Slug, "repository_id", push.Repository.ID, "of_workspace", err == nil)
	return nil
}

// A hookPrincipal is what acts when something was pushed: nobody's key, so that
// it has no more rights than a push needs, and as long as the workspace is open.
type hookPrincipal struct{ workspaceID string }

func (p hookPrincipal) prove(ctx context.Context, g *Guard) (grant, error) {
	is, err := g.store.Provision(ctx, p.workspaceID)
	if errors.Is(err, ErrNotFound) || err == nil && is.DeletedAt != nil {
		return grant{}, &Error{Code: NotFound, Msg: "no such workspace"}
	}
	if err != nil {
		return grant{}, StoreError("look up a workspace", err)
	}
	const rights = Read | Deploy
	return grant{workspace: is.Workspace, rights: rights, held: rights, who: "hook"}, nil
}

// openHook returns the Scope of what was pushed to a workspace. Only [Pusher] may
// call it: a job is not asked by anybody, so there is nothing more to prove.
func (g *Guard) openHook(ctx context.Context, workspaceID string) (*Scope, error) {
	return g.open(ctx, hookPrincipal{workspaceID})
}
