// Package people manages who belongs to a workspace and what they may do there: members,
// invitations and keys, the people who sign in, and the operator's actions.
package people
