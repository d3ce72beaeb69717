package people

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// RenameInGitea orders that a workspace's organisation and bot get names that nobody can
// guess, as new ones have, or takes the order back. A job renames them, and gives the apps
// that were created here the new address of their repository. It does nothing for a
// workspace whose names are such already.
func (o *Operator) RenameInGitea(ctx context.Context, w tenancy.Workspace, wanted bool) error {
	entry := tenancy.AuditEntry{
		Tool: "workspace.rename_in_gitea", Args: tenancy.AuditArgs(map[string]any{"wanted": wanted}),
	}
	return o.audited(ctx, w, entry, func() error { return o.store.RequestRename(ctx, w.ID, wanted) })
}

// Allow records something of the operator's own on one of a workspace's repositories, or with
// the repository id 0 a webhook of its organisation, which reconcile then leaves alone; or
// drops the record.
func (o *Operator) Allow(ctx context.Context, w tenancy.Workspace, a tenancy.RepositoryAccess, allowed bool) error {
	if err := checkAccess(a); err != nil {
		return err
	}
	entry := tenancy.AuditEntry{Tool: "workspace.allow", Args: tenancy.AuditArgs(map[string]any{
		"repository_id": a.RepositoryID, "kind": a.Kind, "ref": a.Ref, "allowed": allowed,
	})}
	return o.audited(ctx, w, entry, func() error { return o.store.SetAccess(ctx, w.ID, a, allowed, o.now()) })
}

// checkAccess validates what an operator typed.
func checkAccess(a tenancy.RepositoryAccess) error {
	kinds := []tenancy.AccessKind{tenancy.DeployKey, tenancy.Hook, tenancy.Collaborator, tenancy.PushMirror}
	id, err := strconv.ParseInt(a.Ref, 10, 64)
	switch {
	case !slices.Contains(kinds, a.Kind):
		return invalid(errors.New("the kind is deploy_key, hook, collaborator or push_mirror"))
	case a.Ref == "" || len(a.Ref) > 255 || !storable(a.Ref):
		return invalid(errors.New("the ref is the id of a key or webhook, a login, or the name of a mirror"))
	case (a.Kind == tenancy.DeployKey || a.Kind == tenancy.Hook) && (err != nil || id <= 0):
		return invalid(errors.New("the ref of a key or a webhook is its id in Gitea, a number"))
	case a.RepositoryID < 0 || a.RepositoryID == 0 && a.Kind != tenancy.Hook:
		return invalid(errors.New("the repository's id in Gitea is missing"))
	}
	return nil
}
