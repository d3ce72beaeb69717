// Package tenancy is the kernel: it decides who asks, which workspace that is, and what
// it may reach. A [Scope] comes only from a principal that proved itself to the [Guard].
// Rooms open a Scope ([Open]) to find things; finding proves that the thing is in the
// Scope's workspace, and what is found brings the calls that act on it.
//
// What is not in the workspace and what does not exist give the same error after the same
// requests. An upstream that fails proves nothing, so nothing is granted. Text that a
// tenant or an upstream wrote leaves as [untrusted.Text] only.
package tenancy
