// Package app starts whatever id the caller gives.
package app

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Start trusts the caller's id.
func Start(ctx context.Context, s *tenancy.Scope, id coolify.UUID) error {
	_, err := tenancy.Open(room.Pass{}, s).App(id).Start(ctx, true)
	return err
}
