package hosting

import (
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Open returns what an app's handle is made of, for another room.
func (a *App) Open(room.Pass) (*tenancy.Scope, tenancy.FoundApp) { return a.scope, a.app }

// Open returns what a deployment's handle is made of, for another room.
func (d *Deployment) Open(room.Pass) tenancy.FoundDeployment { return d.deployment }

// Handle returns the handle of an app that was found.
func Handle(s tenancy.Inside, found tenancy.FoundApp) *App { return &App{s.Scope, found} }
