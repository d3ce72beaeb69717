// Package room holds the pass that opens a tenancy.Scope. The packages that act for a
// tenant import it. The doors that face an agent may not, which a table of imports and a
// linter enforce. So a door can ask a room to act, but cannot bypass it.
package room

// A Pass opens a Scope. It holds nothing, and no other type converts to it.
type Pass struct{ _ [0]func() }
