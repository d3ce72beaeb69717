package mcp

import (
	"context"

	"github.com/vibnai/vibn-mcp/hosting"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// none is the input of a tool that takes no arguments.
type none struct{}

func addWorkspace(r *Registry) {
	Add(r, Tool{
		Name: "workspace.describe", Route: "GET /", Needs: tenancy.Read, Title: "Describe the workspace",
		Description: "Show what this key may do and where: the workspace, its environments, your rights, and " +
			"what its " +
			"host may build. Call this first.",
	}, describe)
}

func describe(ctx context.Context, s *tenancy.Scope, _ none) (hosting.Description, error) {
	return hosting.Describe(ctx, s)
}
