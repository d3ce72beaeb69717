package provision

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// A workspace from the time when names held the slug alone is renamed when the operator asks
// for it. Each step looks whether it has been done, so that a run goes on where one ended.

// renameOrg gives the organisation the name that a new one would have.
func (r *run) renameOrg(ctx context.Context) error {
	to := OrgName(r.state.Slug, r.state.Nonce)
	if !r.state.Renaming || r.state.OrgID == 0 || r.state.Org == to {
		return nil
	}
	o, err := r.gitea.Org(to).Get(ctx)
	if err == nil && o.ID != r.state.OrgID {
		return foreignError(tenancy.PartOrg, "an organisation", to)
	}
	if isFree(err) {
		if _, err = r.knownOrg(ctx); err != nil {
			return err
		}
		err = r.gitea.Org(r.state.Org).Rename(ctx, to)
	}
	if errors.Is(err, gitea.ErrRouteMissing) {
		return &tenancy.PartError{
			Part: tenancy.PartOrg, Why: "this Gitea is too old to rename an organisation",
			Fix: "upgrade it to 1.24 or newer, or take the order back: \"vibn-mcp workspace rename-in-gitea " +
				r.state.Slug + " --cancel\"",
		}
	}
	if err != nil {
		return err
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.Org = to })
}

// renameBot is renameOrg for the bot. Its tokens stay valid.
func (r *run) renameBot(ctx context.Context) error {
	to := BotName(r.state.Slug, r.state.Nonce)
	if !r.state.Renaming || r.state.BotID == 0 || r.state.Bot == to {
		return nil
	}
	u, err := r.gitea.User(ctx, to)
	if err == nil && u.ID != r.state.BotID {
		return foreignError(tenancy.PartBot, "a user", to)
	}
	if isFree(err) {
		if _, err = r.knownBot(ctx); err != nil {
			return err
		}
		err = r.gitea.RenameUser(ctx, r.state.Bot, to)
	}
	if err != nil {
		return err
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.Bot = to })
}

// isFree reports whether nobody has the name that was asked for: one that redirects is free.
func isFree(err error) bool {
	return errors.Is(err, gitea.ErrNotFound) || errors.Is(err, gitea.ErrRenamed)
}

// moveApps gives the apps that were created here the address that their repository has now:
// Coolify fetches over SSH, where an old name leads nowhere. An app that an operator pointed
// elsewhere is left alone.
func (r *run) moveApps(ctx context.Context) error {
	records, err := r.store.AppRecords(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	records = slices.DeleteFunc(records, func(a tenancy.AppRecord) bool { return !a.Made || a.DeletingAt != nil })
	if len(records) == 0 || len(r.addresses) == 0 {
		return nil
	}
	project, err := r.coolifyProject()
	if err != nil {
		return err
	}
	apps, err := project.Apps(ctx)
	if err != nil {
		return err
	}
	for _, app := range apps {
		i := slices.IndexFunc(records, func(a tenancy.AppRecord) bool { return a.UUID == app.UUID.String() })
		if i < 0 {
			continue
		}
		to := r.addresses[records[i].ProjectID]
		if to == "" || app.GitRepository == to || serverOf(app.GitRepository) != serverOf(to) {
			continue
		}
		if err := app.Calls.Update(ctx, coolify.ApplicationUpdate{Repository: &to}); err != nil {
			return fmt.Errorf("give an app its repository's address: %w", err)
		}
	}
	return nil
}

// serverOf returns a clone address without its last two parts, owner and name.
func serverOf(address string) string {
	at := strings.LastIndexByte(address, '/')
	if at < 0 {
		return address
	}
	return address[:strings.LastIndexAny(address[:at], "/:")+1]
}
