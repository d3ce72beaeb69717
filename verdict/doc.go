// Package verdict has the acts of a workspace on whether what was asked for is
// what visitors meet: waiting, judging and diagnosing.
package verdict
