// Package people has who belongs to a workspace and what they may do there: members,
// invitations and keys, the people who sign in, and the acts of the operator.
package people
