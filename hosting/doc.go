// Package hosting has the acts of a workspace on apps, their variables, logs and
// domains, databases, and the description of a workspace. It acts on what the kernel
// has found, by calls that are bound to it.
package hosting
