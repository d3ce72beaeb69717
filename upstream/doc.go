// Package upstream makes one call to a server that vibn-mcp stands in front of:
// Coolify and Gitea. A call has attempts, each admitted by a [Meter], and ends
// in a whole answer of bounded length or in an [*Error] that says what became of
// it. No redirect is followed, and what a server says is cleaned.
//
// What is asked, and what an answer means, belongs to packages coolify and
// gitea.
package upstream
