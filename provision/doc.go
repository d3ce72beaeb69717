// Package provision makes, mends and ends what workspaces have on Coolify and
// Gitea, and tells the operator what stands against that. It acts for the
// platform, never for a tenant: it holds the platform's own clients, and no
// Scope comes in here.
package provision
