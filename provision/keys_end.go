package provision

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// removeKeys deletes the private halves of a deleted workspace's deploy keys. The public
// halves are deleted with the repositories.
func (r *run) removeKeys(ctx context.Context) error {
	projects, err := r.store.Projects(ctx, r.state.ID)
	if err != nil {
		return tenancy.StoreError("read or write the record", err)
	}
	if len(projects) == 0 {
		return nil
	}
	list, err := r.coolify.PrivateKeys(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		for _, k := range list {
			if !tenancy.HasMark(k.Description, p.KeyMark()) {
				continue
			}
			err := r.coolify.PrivateKey(k.UUID).Delete(ctx)
			if errors.Is(err, coolify.ErrInUse) {
				return &tenancy.PartError{
					Part: tenancy.PartKeys, Why: "an app still uses the workspace's deploy key " + k.UUID.String(),
					Again: true, Err: err,
					Fix: "what vibn-mcp created is being deleted; delete the rest in Coolify. It is tried again",
				}
			}
			if err != nil && !errors.Is(err, coolify.ErrNotFound) {
				return err
			}
		}
		if p.CoolifyKey == "" {
			continue
		}
		if err := r.store.ForgetDeployKey(ctx, r.state.ID, p.ID, p.CoolifyKey); err != nil &&
			!errors.Is(err, tenancy.ErrConflict) {
			return tenancy.StoreError("read or write the record", err)
		}
	}
	return nil
}
