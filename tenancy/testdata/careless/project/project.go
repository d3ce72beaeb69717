// Package project reaches from the workspace's project to a database by its id.
package project

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Read trusts the caller's id.
func Read(ctx context.Context, s *tenancy.Scope, id coolify.UUID) (coolify.Database, error) {
	p, err := tenancy.Open(room.Pass{}, s).Project()
	if err != nil {
		return coolify.Database{}, err
	}
	return p.Database(id).Get(ctx)
}
