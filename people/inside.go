package people

import (
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// inside opens a Scope: its finders, its own handles, and this room's tools.
func inside(s *tenancy.Scope) tenancy.Inside { return tenancy.Open(room.Pass{}, s) }

func db(s *tenancy.Scope) Store { return tenancy.Records[Store](inside(s)) }

// outside opens a Guard, for actions without a caller's Scope.
func outside(g *tenancy.Guard) tenancy.Outside { return tenancy.OpenGuard(room.Pass{}, g) }

func dbOf(g *tenancy.Guard) Store { return tenancy.RecordsOf[Store](outside(g)) }
