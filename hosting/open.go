package hosting

import (
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Open returns the contents of an app's handle to another package with a Pass.
func (a *App) Open(room.Pass) (*tenancy.Scope, tenancy.FoundApp) { return a.scope, a.app }

// Open returns the contents of a deployment's handle to another package with a Pass.
func (d *Deployment) Open(room.Pass) tenancy.FoundDeployment { return d.deployment }

// Handle returns the handle of an application that was found.
func Handle(s tenancy.Inside, found tenancy.FoundApp) *App { return &App{s.Scope, found} }
