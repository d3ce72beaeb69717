// Package careful does it as a room does, and compiles.
package careful

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Start starts an app that is proved to be the workspace's own.
func Start(ctx context.Context, s *tenancy.Scope, id coolify.UUID) error {
	app, ok, err := tenancy.Open(room.Pass{}, s).FindApp(ctx, id)
	if err != nil || !ok {
		return err
	}
	_, err = app.Calls.Start(ctx, true)
	return err
}
