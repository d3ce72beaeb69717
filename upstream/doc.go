// Package upstream makes one call to a server behind vibn-mcp: Coolify or Gitea. A
// [Meter] admits each attempt of a call. The call returns a whole answer of bounded
// length, or an [*Error] that says what happened. It follows no redirect, and cleans the
// server's texts.
//
// Packages coolify and gitea define the requests and the meaning of the answers.
package upstream
