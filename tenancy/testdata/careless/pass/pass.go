// Package pass opens a Scope as a door would have to, without a pass.
package pass

import "github.com/vibnai/vibn-mcp/tenancy"

// Open opens a Scope.
func Open(s *tenancy.Scope) tenancy.Inside { return tenancy.Open(struct{}{}, s) }
