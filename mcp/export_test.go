package mcp

// What tests need of the unexported: the HTTP stack around a server of their
// own, and the methods that the program serves.
var (
	HandlerOf = handler
	Served    = served
)
