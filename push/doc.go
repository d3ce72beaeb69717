// Package push has the acts of a workspace on webhooks and the jobs that have
// pushes deployed.
package push
