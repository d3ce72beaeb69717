// Package tenancy identifies the caller and its workspace, and decides what it may reach.
//
// Isolation rests on values, not on checks. The clients of Coolify sit in unexported
// fields of a [Guard]. A [Scope] comes only from a principal that proved itself to the
// Guard: a key ([Guard.OpenKey]) or a member ([Guard.OpenMember]). A Scope cannot act on
// an id: it finds things, [Scope.App] and [Scope.Deployment], and finding proves that the
// thing is in the Scope's workspace. Only the handle that it returns can act. So a tool
// that forgets the check cannot be written.
//
// A thing outside the workspace and a thing that does not exist give the same error after
// the same requests. If an upstream request fails, nothing is proved, so nothing is
// granted.
//
// Text that a tenant or an upstream wrote leaves as [untrusted.Text] only.
package tenancy
