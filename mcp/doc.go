// Package mcp holds the tools and serves them. The protocol itself is in the go-sdk's
// package of the same name, imported here as sdk.
//
// A tool is data and a plain function of a [tenancy.Scope]. It sees no request, header,
// token or client. MCP here and REST in package sidecar both call it through
// [Registry.Call], so that each tool is written once.
package mcp
