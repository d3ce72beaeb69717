// Package provision creates, repairs and deletes what workspaces have on Coolify and
// Gitea, and tells the operator what prevents that. It acts for the platform, never for a
// tenant: it holds the platform's own clients, and takes no Scope.
package provision
