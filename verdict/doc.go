// Package verdict decides whether visitors of an app get what the workspace asked for. It
// waits for deployments, judges their results and diagnoses problems.
package verdict
