// Package gitea is a client of the part of Gitea's HTTP API that vibn-mcp uses. It
// contains no policy: it knows nothing of workspaces, and performs every call with all
// rights of its token. Callers decide who may do what.
//
// There are two clients. [Admin] has a site admin's token: it provisions, and creates
// repositories, keys and hooks. [Bot] has the token of one tenant's bot, and acts on
// behalf of that tenant.
//
// It was written against Gitea 1.21 to 1.27. It does not read the version, but tries what
// differs between versions. Each method names its operation in Gitea's published document
// with a line "//api:op".
//
// It guards against Gitea's own behaviour. Names are checked before they become part of a
// path. An old name that redirects is [ErrRenamed] and is never followed. Lists are read
// completely or fail. An answer about another object than the requested one is an error.
// Users and organisations share one namespace, and most operations on a user accept an
// organisation: the caller has to distinguish them, with [OrgClient.Get].
package gitea
