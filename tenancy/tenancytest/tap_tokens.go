package tenancytest

import (
	"context"
	"time"

	"github.com/vibnai/vibn-mcp/tenancy"
)

// AddBotToken is tapped.
func (s Tap) AddBotToken(ctx context.Context, t tenancy.BotToken) error {
	return s.Hook("AddBotToken", func() error { return s.Store.AddBotToken(ctx, t) })
}

// FillBotToken is tapped.
func (s Tap) FillBotToken(ctx context.Context, t tenancy.BotToken) error {
	return s.Hook("FillBotToken", func() error { return s.Store.FillBotToken(ctx, t) })
}

// TakeOverBotToken is tapped.
func (s Tap) TakeOverBotToken(ctx context.Context, was tenancy.BotToken, name string, at time.Time) error {
	return s.Hook("TakeOverBotToken", func() error { return s.Store.TakeOverBotToken(ctx, was, name, at) })
}

// EndBotToken is tapped.
func (s Tap) EndBotToken(ctx context.Context, workspaceID, id string, at time.Time) error {
	return s.Hook("EndBotToken", func() error { return s.Store.EndBotToken(ctx, workspaceID, id, at) })
}

// BotTokens is tapped.
func (s Tap) BotTokens(ctx context.Context, workspaceID string) ([]tenancy.BotToken, error) {
	return get(s, "BotTokens", func() ([]tenancy.BotToken, error) { return s.Store.BotTokens(ctx, workspaceID) })
}

// RevokeEndedTokens is tapped.
func (s Tap) RevokeEndedTokens(ctx context.Context, workspaceID string, at, begunBefore time.Time) error {
	return s.Hook(
		"RevokeEndedTokens", func() error { return s.Store.RevokeEndedTokens(ctx, workspaceID, at, begunBefore) },
	)
}

// TokensDue is tapped.
func (s Tap) TokensDue(ctx context.Context, at, endedBefore time.Time) ([]string, error) {
	return get(s, "TokensDue", func() ([]string, error) { return s.Store.TokensDue(ctx, at, endedBefore) })
}

// EndedTokens is tapped.
func (s Tap) EndedTokens(ctx context.Context, workspaceID string, endedBefore time.Time) ([]tenancy.BotToken, error) {
	return get(s, "EndedTokens", func() ([]tenancy.BotToken, error) {
		return s.Store.EndedTokens(ctx, workspaceID, endedBefore)
	})
}

// TokenGone is tapped.
func (s Tap) TokenGone(ctx context.Context, workspaceID, id string, at time.Time) error {
	return s.Hook("TokenGone", func() error { return s.Store.TokenGone(ctx, workspaceID, id, at) })
}
