// Package gitea is a client of the part of Gitea's HTTP API that vibn-mcp uses.
// It is faithful and has no policy: it knows nothing of workspaces and does what
// it is told, with all that its token may do. Callers decide who may do what.
//
// There are two clients. [Admin] has a site admin's token: it provisions, makes
// repositories, keys and hooks. [Bot] has the token of one tenant's bot, and
// does what is done on behalf of that tenant.
//
// It was written against Gitea 1.21 to 1.27 and does not ask for the version:
// what differs is tried. Each method names its operation in Gitea's published
// document with a line "//api:op".
//
// What it guards against is Gitea itself. Names are checked before they become
// a path; an old name that redirects is [ErrRenamed], never followed; lists are
// read whole or not at all; an answer about another thing than was asked for is
// an error. Users and organisations share one namespace, and most operations on
// a user accept an organisation: telling them apart is up to the caller, with
// [OrgClient.Get].
package gitea
