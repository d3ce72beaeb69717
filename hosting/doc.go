// Package hosting holds what a workspace does with apps, their variables, logs and
// domains, with databases, and the description of a workspace. It acts only on objects
// that package tenancy has found, through calls bound to them.
package hosting
