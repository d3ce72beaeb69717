package verdict

import (
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// inside opens a Scope: its finders, its own handles, and what this package works with.
func inside(s *tenancy.Scope) tenancy.Inside { return tenancy.Open(room.Pass{}, s) }

func db(s *tenancy.Scope) Store { return tenancy.Records[Store](inside(s)) }

func scopeOf(a *hosting.App) *tenancy.Scope {
	s, _ := a.Open(room.Pass{})
	return s
}

func foundOf(a *hosting.App) tenancy.FoundApp {
	_, found := a.Open(room.Pass{})
	return found
}
