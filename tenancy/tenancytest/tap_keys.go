package tenancytest

import (
	"context"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Keys is tapped.
func (s Tap) Keys(ctx context.Context, workspaceID string, q people.KeyQuery) ([]tenancy.Key, error) {
	return get(s, "Keys", func() ([]tenancy.Key, error) { return s.Store.Keys(ctx, workspaceID, q) })
}

// KeyNames is tapped.
func (s Tap) KeyNames(ctx context.Context, workspaceID string, ids []string) (map[string]string, error) {
	return get(s, "KeyNames", func() (map[string]string, error) { return s.Store.KeyNames(ctx, workspaceID, ids) })
}
