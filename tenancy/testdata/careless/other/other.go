// Package other proves one app and acts on another.
package other

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Delete finds the first id and deletes the second.
func Delete(ctx context.Context, s *tenancy.Scope, own, id coolify.UUID) error {
	app, ok, err := tenancy.Open(room.Pass{}, s).FindApp(ctx, own)
	if err != nil || !ok {
		return err
	}
	return app.Calls.Delete(ctx, id, coolify.DeleteOptions{})
}
