package provision

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/google/uuid"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// reconcile brings each repository of the organisation back to its record, and deletes
// the bot's own repositories. A bot is administrator of what it forks, and could then add
// keys, hooks and people that outlive its tokens.
//
// Each removal is written to the audit trail first.
func (r *run) reconcile(ctx context.Context) error {
	if r.state.OrgID == 0 || r.state.BotID == 0 {
		r.reconciled = true // there is nothing to check
		return nil
	}
	r.addresses = map[string]string{}
	projects, err := r.store.Projects(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	access, err := r.store.RepositoryAccess(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	own, err := r.gitea.UserRepositories(ctx, r.state.Bot)
	if err != nil {
		return err
	}
	for _, repo := range own {
		if repo.OwnerID != r.state.BotID {
			continue // one that it may only read
		}
		if err := r.dropRepository(ctx, repo, "repository of the bot's own"); err != nil {
			return err
		}
	}
	repos, err := r.gitea.Org(r.state.Org).Repositories(ctx)
	if err != nil {
		return err
	}
	for _, repo := range repos {
		if repo.OwnerID != r.state.OrgID {
			continue
		}
		if err := r.renewLease(ctx); err != nil {
			return err
		}
		err := r.reconcileRepository(ctx, repo, projects, access)
		if errors.Is(err, gitea.ErrNotFound) {
			err = r.hiddenOrDeleted(ctx, repo)
		}
		if err != nil {
			return err
		}
	}
	r.reconciled = true
	return nil
}

// ensureMissing makes the repositories that a crash left unmade or unfinished. It comes after
// reconcile, so that a taken name does not hold up reconcile.
func (r *run) ensureMissing(ctx context.Context) error {
	projects, err := r.store.Projects(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	w := r.state.Workspace
	w.GiteaOrg, w.GiteaOrgID, w.GiteaBot = r.state.Org, r.state.OrgID, r.state.Bot
	for _, p := range projects {
		if p.Made() {
			continue
		}
		bot, err := r.asBot()
		if err != nil {
			return err
		}
		_, err = EnsureRepository(ctx, r.gitea.Org(w.GiteaOrg), bot, r.store, w, p)
		if errors.Is(err, ErrForeignRepository) {
			return foreignError(tenancy.PartRepositories, "a repository", p.Slug)
		}
		if errors.Is(err, ErrHidden) {
			return hiddenError(r.state.Org + "/" + p.Slug)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// hiddenOrDeleted says why a listed repository was not found when it was read. Either it was
// deleted meanwhile, which is no error, or it is hidden.
func (r *run) hiddenOrDeleted(ctx context.Context, repo gitea.Repository) error {
	repos, err := r.gitea.Org(r.state.Org).Repositories(ctx)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(repos, func(other gitea.Repository) bool { return other.ID == repo.ID }) {
		return hiddenError(repo.FullName)
	}
	return nil
}

// hiddenError is [ErrHidden] for the operator.
func hiddenError(repository string) *tenancy.PartError {
	return &tenancy.PartError{
		Part: tenancy.PartRepositories,
		Why: fmt.Sprintf(
			"Gitea does not show the repository %q; enforced two-factor authentication causes this",
			tenancy.ShortText(repository),
		),
		Fix: "unset [security] TWO_FACTOR_AUTH in Gitea's configuration, as bots cannot have a second factor; " +
			"then provision it again",
	}
}

// reconcileRepository reconciles one repository of the organisation.
func (r *run) reconcileRepository(
	ctx context.Context, repo gitea.Repository, projects []tenancy.Project, access []tenancy.RepositoryAccess,
) error {
	i := slices.IndexFunc(projects, func(p tenancy.Project) bool { return p.RepositoryID == repo.ID })
	if i < 0 && repo.Fork {
		return r.dropRepository(ctx, repo, "fork")
	}
	if i >= 0 {
		if address, err := CloneAddress(repo); err == nil { // otherwise no app was created from it
			r.addresses[projects[i].ID] = address
		}
	}
	finished := i >= 0 && (projects[i].Made() || !repo.Empty) // otherwise run.missing finishes it
	if finished && projects[i].Repository != repo.FullName {
		if err := r.store.RecordRepository(ctx, r.state.ID, projects[i].ID, repo.ID, repo.FullName); err != nil {
			return tenancy.StoreError("read or write the record", err)
		}
	}
	if i >= 0 && tenancy.HasMark(repo.Description, tenancy.MarkText(projects[i].Nonce, "repository")) {
		if _, err := r.gitea.Repo(repo.Owner, repo.Name).Update(
			ctx, gitea.RepositoryUpdate{Description: &projects[i].Description},
		); err != nil {
			return err
		}
	}
	if !repo.Private || repo.HasActions {
		err := r.removeAudited(ctx, repo, "public visibility or Actions", "", func() error {
			_, err := r.gitea.Repo(repo.Owner, repo.Name).Update(
				ctx, gitea.RepositoryUpdate{Private: new(true), HasActions: new(false)},
			)
			return err
		})
		if err != nil {
			return err
		}
	}
	extra, err := r.listExtraAccess(ctx, repo)
	if err != nil {
		return err
	}
	deployKey := ""
	if i >= 0 {
		if deployKey, err = r.restoreDeployKey(ctx, repo, projects[i], extra); err != nil {
			return err
		}
	}
	for _, e := range extra {
		if slices.Contains(access, tenancy.RepositoryAccess{RepositoryID: repo.ID, Kind: e.kind, Ref: e.ref}) ||
			e.key != "" && e.key == deployKey {
			continue
		}
		if err := r.removeAudited(ctx, repo, string(e.kind), e.name, e.drop); err != nil {
			return err
		}
	}
	return nil
}

// restoreDeployKey returns the key that a project's repository should have, and puts it back if
// it is missing. It reads the project again: a call that creates an app may have recorded
// the key since.
func (r *run) restoreDeployKey(
	ctx context.Context, repo gitea.Repository, p tenancy.Project, has []extraAccess,
) (string, error) {
	p, err := ProjectNow(ctx, r.store, p)
	if err != nil || p.DeployKey == "" || slices.ContainsFunc(
		has, func(e extraAccess) bool { return e.key == p.DeployKey },
	) {
		return p.DeployKey, err
	}
	return p.DeployKey, EnsurePublicHalf(ctx, r.gitea.Repo(repo.Owner, repo.Name), p)
}

// An extraAccess is an access to a repository besides the team.
type extraAccess struct {
	kind tenancy.AccessKind
	ref  string
	name string // for people; untrusted
	key  string // of a read-only deploy key, in the format of authorized_keys
	drop func() error
}

// listExtraAccess lists the accesses to a repository besides the team.
func (r *run) listExtraAccess(ctx context.Context, repo gitea.Repository) ([]extraAccess, error) {
	g, owner, name := r.gitea, repo.Owner, repo.Name
	var all []extraAccess
	keys, err := g.Repo(owner, name).DeployKeys(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		e := extraAccess{
			kind: tenancy.DeployKey, ref: strconv.FormatInt(k.ID, 10), name: k.Title,
			drop: func() error { return g.Repo(owner, name).DeleteDeployKey(ctx, k.ID) },
		}
		if k.ReadOnly {
			e.key = KeyMaterial(k.Key)
		}
		all = append(all, e)
	}
	hooks, err := g.Repo(owner, name).Hooks(ctx)
	if err != nil && !errors.Is(err, gitea.ErrWebhooksOff) { // then none is delivered
		return nil, err
	}
	for _, h := range hooks {
		all = append(
			all,
			extraAccess{
				kind: tenancy.Hook, ref: strconv.FormatInt(h.ID, 10), name: h.URL,
				drop: func() error { return g.Repo(owner, name).DeleteHook(ctx, h.ID) },
			},
		)
	}
	people, err := g.Repo(owner, name).Collaborators(ctx)
	if err != nil {
		return nil, err
	}
	for _, u := range people {
		all = append(
			all,
			extraAccess{
				kind: tenancy.Collaborator, ref: u.Login, name: u.Login,
				drop: func() error { return g.Repo(owner, name).RemoveCollaborator(ctx, u.Login) },
			},
		)
	}
	mirrors, err := g.Repo(owner, name).PushMirrors(ctx)
	if err != nil {
		return nil, err
	}
	for _, m := range mirrors {
		all = append(
			all,
			extraAccess{
				kind: tenancy.PushMirror, ref: m.Name, name: m.Name,
				drop: func() error { return g.Repo(owner, name).DeletePushMirror(ctx, m.Name) },
			},
		)
	}
	return all, nil
}

func (r *run) dropRepository(ctx context.Context, repo gitea.Repository, what string) error {
	return r.removeAudited(ctx, repo, what, "", func() error {
		return r.gitea.Repo(repo.Owner, repo.Name).Delete(ctx)
	})
}

// removeAudited writes a removal to the audit trail and then carries it out.
func (r *run) removeAudited(ctx context.Context, repo gitea.Repository, kind, name string, drop func() error) error {
	return r.removeAuditedFrom(ctx, repo.FullName, kind, name, drop)
}

// removeAuditedFrom is [run.takeAway] for a target that is a repository or the organisation.
func (r *run) removeAuditedFrom(ctx context.Context, target, kind, name string, drop func() error) error {
	args, err := json.Marshal(map[string]string{"removed": kind, "name": r.auditName(name)})
	if err != nil {
		return err
	}
	began := r.now()
	entry := tenancy.AuditEntry{
		ID: uuid.Must(uuid.NewV7()).String(), WorkspaceID: r.state.ID, At: began, Principal: tenancy.PlatformPrincipal,
		Tool: "platform.reconcile", Target: r.auditName(target), Args: string(args),
	}
	if err := r.store.StartAudit(ctx, entry); err != nil {
		return tenancy.StoreError("read or write the record", fmt.Errorf("start an audit entry: %w", err))
	}
	err = drop()
	if errors.Is(err, gitea.ErrNotFound) {
		err = nil
	}
	finish := tenancy.AuditFinish{Outcome: "ok", Duration: r.now().Sub(began), UpstreamCalls: 1}
	if err != nil {
		finish.Outcome = string(tenancy.Unavailable)
	}
	if err := r.store.FinishAudit(ctx, r.state.ID, entry.ID, finish); err != nil {
		return tenancy.StoreError("read or write the record", fmt.Errorf("finish an audit entry: %w", err))
	}
	r.log.InfoContext(
		ctx, "reconcile took something away", "workspace", r.state.Slug, "target", entry.Target, "what", kind,
		"outcome", finish.Outcome,
	)
	return err
}

// auditName returns the part of a name of unknown origin that the audit trail keeps: a hook's
// address may hold a credential.
func (r *run) auditName(s string) string {
	t, err := r.shown.Text(s[:min(len(s), tenancy.MaxShown)])
	if err != nil {
		return "[withheld]"
	}
	return tenancy.ShortText(t.String())
}
