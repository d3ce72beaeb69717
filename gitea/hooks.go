package gitea

import (
	"context"

	"github.com/vibnai/vibn-mcp/secret"
)

// A Hook is a webhook of a repository or an organisation. Gitea never reports its secret.
type Hook struct {
	ID            int64
	Type          string // gitea, or one of other services
	URL           string
	ContentType   string   // json or form
	BranchFilter  string   // glob; empty = every branch
	Events        []string // in Gitea's terms: it splits some of the requested ones
	Active        bool     // true also if Gitea did not report it
	Authorization bool     // the hook sends an Authorization header, whose value is not read
}

type wireHook struct {
	ID            number `json:"id"`
	Type          text   `json:"type"`
	BranchFilter  text   `json:"branch_filter"`
	Events        []text `json:"events"`
	Active        *flag  `json:"active"`
	Authorization text   `json:"authorization_header"`
	Config        part[struct {
		URL         text `json:"url"`
		ContentType text `json:"content_type"`
	}] `json:"config"`
}

func (w wireHook) whole() bool { return w.ID > 0 }

func (w wireHook) plain() Hook {
	return Hook{
		ID: int64(w.ID), Type: string(w.Type), URL: string(w.Config.Value.URL),
		ContentType:  string(w.Config.Value.ContentType),
		BranchFilter: string(w.BranchFilter), Events: plainTexts(w.Events), Active: w.Active.OrTrue(),
		Authorization: w.Authorization != "",
	}
}

// A HookSpec describes the settings of a webhook. The webhook posts JSON.
type HookSpec struct {
	URL          string
	Events       []string // for example "push"; empty = push only; Gitea drops unknown ones
	BranchFilter string   // glob; empty = every branch
	Active       bool
}

// A NewHook is a webhook to create. Its deliveries are signed with Secret for its whole
// lifetime: Gitea accepts a change of the secret, but ignores it.
type NewHook struct {
	HookSpec
	Secret secret.Text
}

type wireHookConfig struct {
	URL         string `json:"url"`
	ContentType string `json:"content_type"`
	Secret      string `json:"secret,omitempty"` // only when creating
}

// wireHookSpec sends every field: in a change, Gitea clears an absent branch_filter and
// makes a hook without active inactive.
type wireHookSpec struct {
	Type         string         `json:"type,omitempty"` // only when creating
	Active       bool           `json:"active"`
	Events       []string       `json:"events"`
	BranchFilter string         `json:"branch_filter"`
	Config       wireHookConfig `json:"config"`
}

func (s HookSpec) wire() wireHookSpec {
	events := s.Events
	if len(events) == 0 {
		events = []string{"push"}
	}
	return wireHookSpec{
		Active: s.Active, Events: events, BranchFilter: s.BranchFilter,
		Config: wireHookConfig{URL: s.URL, ContentType: "json"},
	}
}

func (a *Admin) createHook(ctx context.Context, r request, n NewHook) (Hook, error) {
	body := n.wire()
	body.Type, body.Config.Secret = "gitea", n.Secret.Reveal()
	r = r.with(body)
	r.secret = !n.Secret.IsZero()
	return one(ctx, a.client, r, func(w wireHook) bool { return string(w.Config.Value.URL) == n.URL })
}

func (a *Admin) updateHook(ctx context.Context, r request, hook int64, s HookSpec) (Hook, error) {
	return one(
		ctx, a.client, r.with(s.wire()),
		func(w wireHook) bool { return int64(w.ID) == hook && string(w.Config.Value.URL) == s.URL },
	)
}

// Hooks lists the webhooks of a repository.
//
//api:op GET /repos/{owner}/{repo}/hooks
func (c RepoClient) Hooks(ctx context.Context) ([]Hook, error) {
	return all[wireHook](
		ctx, c.admin.client, newRequest("GET", "/repos/{owner}/{repo}/hooks", login(c.owner), repository(c.name)), nil,
	)
}

// CreateHook creates a webhook. A second call creates a second webhook. If the server
// does not allow the URL's host, deliveries fail silently.
//
//api:op POST /repos/{owner}/{repo}/hooks
func (c RepoClient) CreateHook(ctx context.Context, n NewHook) (Hook, error) {
	return c.admin.createHook(
		ctx, newRequest("POST", "/repos/{owner}/{repo}/hooks", login(c.owner), repository(c.name)), n,
	)
}

// UpdateHook changes a webhook to the settings in s. Its secret stays unchanged.
//
//api:op PATCH /repos/{owner}/{repo}/hooks/{id}
func (c RepoClient) UpdateHook(ctx context.Context, hook int64, s HookSpec) (Hook, error) {
	return c.admin.updateHook(
		ctx, newRequest("PATCH", "/repos/{owner}/{repo}/hooks/{id}", login(c.owner), repository(c.name), id(hook)),
		hook, s,
	)
}

// DeleteHook deletes a webhook.
//
//api:op DELETE /repos/{owner}/{repo}/hooks/{id}
func (c RepoClient) DeleteHook(ctx context.Context, hook int64) error {
	return c.admin.do(
		ctx, newRequest("DELETE", "/repos/{owner}/{repo}/hooks/{id}", login(c.owner), repository(c.name), id(hook)),
	)
}

// Hooks lists the webhooks of an organisation, which fire for each of its repositories.
//
//api:op GET /orgs/{org}/hooks
func (c OrgClient) Hooks(ctx context.Context) ([]Hook, error) {
	return all[wireHook](ctx, c.admin.client, newRequest("GET", "/orgs/{org}/hooks", login(c.name)), nil)
}

// CreateHook creates a webhook of an organisation. A second call creates a second
// webhook.
//
//api:op POST /orgs/{org}/hooks
func (c OrgClient) CreateHook(ctx context.Context, n NewHook) (Hook, error) {
	return c.admin.createHook(ctx, newRequest("POST", "/orgs/{org}/hooks", login(c.name)), n)
}

// UpdateHook changes a webhook of an organisation to the settings in s. Its secret stays
// unchanged.
//
//api:op PATCH /orgs/{org}/hooks/{id}
func (c OrgClient) UpdateHook(ctx context.Context, hook int64, s HookSpec) (Hook, error) {
	return c.admin.updateHook(ctx, newRequest("PATCH", "/orgs/{org}/hooks/{id}", login(c.name), id(hook)), hook, s)
}

// DeleteHook deletes a webhook of an organisation.
//
//api:op DELETE /orgs/{org}/hooks/{id}
func (c OrgClient) DeleteHook(ctx context.Context, hook int64) error {
	return c.admin.do(ctx, newRequest("DELETE", "/orgs/{org}/hooks/{id}", login(c.name), id(hook)))
}
