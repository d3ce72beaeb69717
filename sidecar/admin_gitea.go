package sidecar

import "github.com/vibnai/vibn-mcp/tenancy"

// adminRename orders a workspace's new names in Gitea, or takes the order back.
func adminRename(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	if err := c.op.RenameInGitea(c.Context(), w, !c.in.Cancel); err != nil {
		return nil, err
	}
	return c.settled(w)
}

func adminAllow(c *adminCall) (any, error) {
	w, err := c.workspace()
	if err != nil {
		return nil, err
	}
	access := tenancy.RepositoryAccess{
		RepositoryID: c.in.RepositoryID, Kind: tenancy.AccessKind(c.in.Kind), Ref: c.in.Ref,
	}
	if err := c.op.Allow(c.Context(), w, access, !c.in.Remove); err != nil {
		return nil, err
	}
	return c.settled(w)
}
