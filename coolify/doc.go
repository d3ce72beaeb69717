// Package coolify is a client of the part of Coolify's HTTP API that vibn-mcp uses. It
// contains no policy: it knows nothing of workspaces, and performs every call for the
// whole team of its token. Callers decide who may do what.
//
// It supports Coolify 4.2 and later, which start things with POST and report the project
// of an application. Each method names its operation in Coolify's published document with
// a line "//api:op".
//
// It guards against Coolify's own behaviour. A "uuid" in a query or body overrides the
// one in the path, so no request contains one. A request that creates something names the
// project, server and so on by other keys, and has no id in its path. Every id is a
// parsed [UUID]. Answers are read tolerantly, field by field, and only the fields named
// here. An answer about another object than the requested one is an error.
package coolify
