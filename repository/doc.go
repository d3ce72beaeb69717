// Package repository has the acts of a workspace on projects and their
// repositories, and how git reaches them. What it asks Gitea for a tenant, it asks as
// the workspace's own bot.
package repository
