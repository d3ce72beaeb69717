package provision

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// ensureHook makes the organisation's webhook exist. Gitea never reports a webhook's secret,
// and never changes it. So only a webhook that was recorded when it was created is known
// to sign with the recorded secret. [run.otherHooks] deletes every other one, including
// one with the same address whose answer was lost.
func (r *run) ensureHook(ctx context.Context) error {
	if r.publicURL == nil {
		return nil // there is no server that receives deliveries
	}
	key, err := r.hookKey(ctx)
	if err != nil {
		return err
	}
	hooks, err := r.gitea.Org(r.state.Org).Hooks(ctx)
	if err != nil {
		return err
	}
	spec := gitea.HookSpec{URL: r.hookURL(), Events: []string{"push"}, Active: true}
	if slices.ContainsFunc(hooks, func(h gitea.Hook) bool { return h.ID == r.state.HookID && h.Type == "gitea" }) {
		_, err := r.gitea.Org(r.state.Org).UpdateHook(ctx, r.state.HookID, spec)
		return err
	}
	h, err := r.gitea.Org(r.state.Org).CreateHook(ctx, gitea.NewHook{HookSpec: spec, Secret: key})
	if err != nil {
		return err
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.HookID = h.ID })
}

// hookKey returns the webhook's secret. It records a new secret before any webhook has
// it, and in the same step drops the record of the webhook that signs with another.
func (r *run) hookKey(ctx context.Context) (secret.Text, error) {
	if r.state.HookSealed != "" {
		key, err := r.box.Open(r.state.HookSealed, tenancy.HookPlace(r.state.ID))
		if err != nil { // another process may have a key that this one lacks
			return secret.Text{}, &tenancy.PartError{
				Part: tenancy.PartHook, Why: "the webhook's secret does not open with VIBN_SECRETS_KEY",
				Fix: "give the key that sealed it in VIBN_SECRETS_KEY_OLD; if that is lost, \"vibn-mcp workspace " +
					"rotate\" makes a new secret",
			}
		}
		return key, nil
	}
	key := secret.NewText(tenancy.RandomHex() + tenancy.RandomHex())
	sealed, err := r.box.Seal(key, tenancy.HookPlace(r.state.ID))
	if err != nil {
		return secret.Text{}, err
	}
	return key, r.record(ctx, func(p *tenancy.Parts) { p.HookID, p.HookSealed = 0, sealed })
}

func (r *run) hookURL() string { return r.publicURL.JoinPath(tenancy.HookPath, r.state.Slug).String() }

// otherHooks deletes the organisation's webhooks except the recorded one: each receives
// every push to every repository.
func (r *run) otherHooks(ctx context.Context) error {
	if r.state.OrgID == 0 {
		return nil
	}
	if _, err := r.knownOrg(ctx); errors.Is(err, gitea.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	hooks, err := r.gitea.Org(r.state.Org).Hooks(ctx)
	if errors.Is(err, gitea.ErrWebhooksOff) {
		return nil // none is delivered
	}
	if err != nil {
		return err
	}
	access, err := r.store.RepositoryAccess(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	for _, h := range hooks {
		own := tenancy.RepositoryAccess{Kind: tenancy.Hook, Ref: strconv.FormatInt(h.ID, 10)}
		if h.ID == r.state.HookID || slices.Contains(access, own) {
			continue
		}
		drop := func() error { return r.gitea.Org(r.state.Org).DeleteHook(ctx, h.ID) }
		if err := r.removeAuditedFrom(ctx, r.state.Org, string(tenancy.Hook), h.URL, drop); err != nil {
			return err
		}
	}
	return nil
}

// endHook deletes every webhook of the organisation. Its first step drops the own
// webhook's secret, so that its deliveries are refused from then on.
func (r *run) endHook(ctx context.Context) error {
	if r.state.HookID != 0 || r.state.HookSealed != "" {
		if err := r.record(ctx, func(p *tenancy.Parts) { p.HookID, p.HookSealed = 0, "" }); err != nil {
			return err
		}
	}
	return r.otherHooks(ctx)
}

// wantPushes requests a check of the repositories that apps are built from: a delivery
// may have been lost, or refused while the webhook was being replaced.
func (r *run) wantPushes(ctx context.Context) error {
	apps, err := r.store.AppRecords(ctx, r.state.ID)
	if err != nil || len(apps) == 0 {
		return tenancy.StoreError("read or write the record", err)
	}
	projects, err := r.store.Projects(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	for _, p := range projects {
		if !p.Made() || !tenancy.BuiltFrom(p, apps) {
			continue
		}
		// a random digest, which no body has
		err := r.store.RequestPush(ctx, r.state.ID, p.RepositoryID, tenancy.RandomHex())
		if err != nil && !errors.Is(err, tenancy.ErrNotFound) {
			return tenancy.StoreError("read or write the record", err)
		}
	}
	return nil
}
