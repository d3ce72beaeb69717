// Package handle makes a client of its own out of an id.
package handle

import (
	"context"

	"github.com/vibnai/vibn-mcp/coolify"
)

// Stop trusts the caller's id.
func Stop(ctx context.Context, id coolify.UUID) error {
	return coolify.AppClient{id: id}.Stop(ctx)
}
