// Package coolify is a client of the part of Coolify's HTTP API that vibn-mcp
// uses. It is faithful and has no policy: it knows nothing of workspaces and
// does what it is told, for the whole team that its token belongs to. Callers
// decide who may do what.
//
// It speaks to Coolify 4.2 and later, which start things with POST and tell the
// project of an application. Each method names its operation in Coolify's
// published document with a line "//api:op".
//
// What it guards against is Coolify itself. A "uuid" in a query or body
// overrides the one in the path, so no request carries one: what is made names
// its project, server and the like by other keys, and has no id in its path.
// Every id is a parsed [UUID]. Answers are read with tolerance, field by field,
// and only the fields that are named here. An answer about another thing than
// was asked for is an error.
package coolify
