// Package gitea reads the repository of whatever owner the caller names.
package gitea

import (
	"context"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Read trusts the caller's owner.
func Read(ctx context.Context, s *tenancy.Scope, owner, name string) (gitea.Repository, error) {
	return tenancy.Open(room.Pass{}, s).Org().Repo(owner, name).Get(ctx)
}
