// Package tenancy decides who asks, which workspace that is, and what it may
// reach.
//
// The wall is made of values, not of checks. The clients of Coolify sit in
// unexported fields of a [Guard]. A [Scope] comes only from a principal that
// proved itself to the Guard: a key ([Guard.OpenKey]) or a member
// ([Guard.OpenMember]). A Scope cannot act on an id: it finds things,
// [Scope.App] and [Scope.Deployment], and finding proves that the thing is in
// the Scope's workspace. Only the handle that comes back can act. So a tool
// that forgets the check cannot be written.
//
// What is not in the workspace and what does not exist give the same error
// after the same requests. An upstream that fails proves nothing, so nothing is
// granted.
//
// Text that a tenant or an upstream wrote leaves as [untrusted.Text] only.
package tenancy
