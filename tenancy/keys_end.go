package tenancy

import (
	"context"
	"errors"

	"github.com/vibnai/vibn-mcp/coolify"
)

// removeKeys deletes the private halves of a deleted workspace's deploy keys. The
// public ones go with the repositories.
func (r *run) removeKeys(ctx context.Context) error {
	projects, err := r.store.Projects(ctx, r.is.ID)
	if err != nil {
		return ownTrouble(err)
	}
	if len(projects) == 0 {
		return nil
	}
	list, err := r.coolify.PrivateKeys(ctx)
	if err != nil {
		return err
	}
	for _, p := range projects {
		for _, k := range keysOf(list, p) {
			err := r.coolify.DeletePrivateKey(ctx, k.UUID)
			if errors.Is(err, coolify.ErrInUse) {
				return &PartError{
					Part: PartKeys, Why: "an app still uses the workspace's deploy key " + k.UUID.String(), Again: true, err: err,
					Fix: "what was created here is on its way out; delete in Coolify what was not. It is tried again",
				}
			}
			if err != nil && !errors.Is(err, coolify.ErrNotFound) {
				return err
			}
		}
		if p.CoolifyKey == "" {
			continue
		}
		if err := r.store.ForgetDeployKey(ctx, r.is.ID, p.ID, p.CoolifyKey); err != nil && !errors.Is(err, ErrConflict) {
			return ownTrouble(err)
		}
	}
	return nil
}
