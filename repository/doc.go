// Package repository holds what a workspace does with projects and their repositories,
// and how git reaches them. For a tenant it calls Gitea only as the workspace's own bot.
package repository
