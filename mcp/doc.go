// Package mcp holds the tools and serves them; the protocol itself is the
// go-sdk's package of the same name, imported here as sdk.
//
// A tool is data and a plain function of a [tenancy.Scope]. It sees no request,
// no header, no token and no client. Every door, MCP here and REST in package
// sidecar, calls it through [Registry.Call], so that nothing about a tool is
// written twice.
package mcp
