package push

import (
	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// inside opens a Scope: its finders, its own handles, and what this package works with.
func inside(s *tenancy.Scope) tenancy.Inside { return tenancy.Open(room.Pass{}, s) }

func db(s *tenancy.Scope) Store { return tenancy.Records[Store](inside(s)) }

// outside opens a Guard, for work that no caller requested.
func outside(g *tenancy.Guard) tenancy.Outside { return tenancy.OpenGuard(room.Pass{}, g) }

func dbOf(g *tenancy.Guard) Store { return tenancy.RecordsOf[Store](outside(g)) }

func foundOf(a *hosting.App) tenancy.FoundApp {
	_, found := a.Open(room.Pass{})
	return found
}

func deploymentOf(d *hosting.Deployment) tenancy.FoundDeployment { return d.Open(room.Pass{}) }
