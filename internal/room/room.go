// Package room holds the pass that opens a tenancy.Scope. The packages that act for a
// tenant import it; the doors that face an agent may not, which a table of imports
// and a linter hold. So a door can ask a room to act, and cannot reach past it.
package room

// A Pass opens a Scope. Having one is all that it is good for: it holds nothing, and no
// other type converts to it.
type Pass struct{ _ [0]func() }
