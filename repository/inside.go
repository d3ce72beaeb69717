package repository

import (
	"github.com/vibnai/vibn-mcp/internal/room"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// inside opens a Scope: its finders, its own handles, and what this package works with.
func inside(s *tenancy.Scope) tenancy.Inside { return tenancy.Open(room.Pass{}, s) }

func db(s *tenancy.Scope) Store { return tenancy.Records[Store](inside(s)) }
