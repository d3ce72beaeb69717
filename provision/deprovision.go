package provision

import (
	"context"
	"errors"
	"fmt"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// maxRounds bounds how often a list is read until it is empty.
const maxRounds = 100

// removeAll deletes what a deleted workspace has upstream: first the accesses, then the
// things that hold data. It checks ids before each delete, as any Gitea user may take a
// free name. A thing that is gone already is not an error.
func (r *run) removeAll(ctx context.Context) error {
	if r.gitea != nil {
		for _, s := range []step{
			{tenancy.PartHook, "delete the webhooks", r.endHook}, // Gitea keeps those of a deleted organisation
			{tenancy.PartBot, "suspend the bot", r.shutOut},
			{tenancy.PartOrg, "delete the organisation", r.removeOrg},
			{tenancy.PartBot, "delete the bot", r.removeBot},
		} {
			if s.part == tenancy.PartOrg && r.isWrong(tenancy.PartHook) ||
				s.part == tenancy.PartBot && r.isWrong(tenancy.PartOrg) {
				break // its owners are unknown, so the bot stays; and no webhook may be left behind
			}
			if err := r.do(ctx, s); err != nil {
				return err
			}
		}
	}
	for _, s := range []step{
		{tenancy.PartApps, "delete the apps", r.removeAllApps},
		{tenancy.PartDatabases, "delete the databases", r.endDatabases},
		{tenancy.PartKeys, "delete the deploy keys", r.removeKeys},
		{tenancy.PartNetwork, "delete the network", r.removeNetworks},
		{tenancy.PartProject, "delete the project", r.removeProject},
	} {
		if s.part != tenancy.PartDatabases && (r.isWrong(tenancy.PartApps) || r.isWrong(tenancy.PartDatabases)) {
			break // what is left of them still uses the rest
		}
		if s.part == tenancy.PartProject && r.isWrong(tenancy.PartNetwork) {
			break // its service is in the project
		}
		if err := r.do(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) removeOrg(ctx context.Context) error {
	if err := r.tokens.RevokeEndedTokens(ctx, r.state.ID, r.now(), r.now()); err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	o, err := r.knownOrg(ctx)
	if errors.Is(err, gitea.ErrNotFound) {
		return r.record(ctx, func(p *tenancy.Parts) { p.OrgID, p.TeamID, p.HookID, p.HookSealed = 0, 0, 0, "" })
	}
	if _, alien := errors.AsType[*tenancy.PartError](err); alien && r.state.OrgID == 0 {
		return nil // another user's, and this workspace has made none
	}
	if err != nil {
		return err
	}
	if r.state.BotID != 0 {
		if err := r.outOfOwners(ctx); err != nil {
			return err
		}
	}
	if err := r.emptyOrg(ctx, o); err != nil {
		return err
	}
	if err := r.gitea.Org(o.Name).Delete(ctx); err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return err
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.OrgID, p.TeamID, p.HookID, p.HookSealed = 0, 0, 0, "" })
}

// emptyOrg deletes the repositories and packages: Gitea does not delete an organisation
// that has any.
func (r *run) emptyOrg(ctx context.Context, o gitea.Org) error {
	for range maxRounds {
		repos, err := r.gitea.Org(o.Name).Repositories(ctx)
		if err != nil {
			return err
		}
		packages, err := r.gitea.Packages(ctx, o.Name)
		if err != nil && !errors.Is(err, gitea.ErrNotFound) && !errors.Is(err, gitea.ErrRouteMissing) {
			return err
		}
		if len(repos)+len(packages) == 0 {
			return nil
		}
		for _, repo := range repos {
			if repo.OwnerID != o.ID {
				return errors.New("the list of the organisation's repositories has one of another owner")
			}
			if err := r.gitea.Repo(repo.Owner, repo.Name).Delete(ctx); err != nil &&
				!errors.Is(err, gitea.ErrNotFound) {
				return err
			}
		}
		for _, p := range packages {
			if err := r.gitea.DeletePackage(ctx, o.Name, p); err != nil && !errors.Is(err, gitea.ErrNotFound) {
				return err
			}
		}
	}
	return errors.New("the organisation still has repositories after several rounds of deleting them")
}

// removeBot deletes the bot and everything that it owns. It owns no organisation by now:
// purging the last owner of one would delete that too.
func (r *run) removeBot(ctx context.Context) error {
	u, err := r.knownBot(ctx)
	if _, alien := errors.AsType[*tenancy.PartError](err); alien && r.state.BotID == 0 {
		return nil
	}
	if err != nil && !errors.Is(err, gitea.ErrNotFound) {
		return err
	}
	if err == nil {
		if err := r.gitea.DeleteUser(ctx, u.Login, true); err != nil && !errors.Is(err, gitea.ErrNotFound) {
			return err
		}
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.BotID, p.TokenID, p.TokenSealed = 0, 0, "" })
}

// removeProject deletes the Coolify projects that vibn-mcp made, if they are empty. A
// project that the operator provided stays.
func (r *run) removeProject(ctx context.Context) error {
	list, err := r.coolify.Projects(ctx)
	if err != nil {
		return err
	}
	for _, p := range list {
		if !r.bearsMark(p) {
			continue
		}
		err := r.coolify.Project(p.UUID).Delete(ctx)
		if errors.Is(err, coolify.ErrInvalid) {
			return &tenancy.PartError{
				Part: tenancy.PartProject, Why: fmt.Sprintf("the Coolify project %s still holds something", p.UUID),
				Fix: "delete its resources in Coolify, which deletes their data; then run the delete again",
			}
		}
		if err != nil && !errors.Is(err, coolify.ErrNotFound) {
			return err
		}
	}
	return r.record(ctx, func(p *tenancy.Parts) { p.CoolifyProject = "" })
}
