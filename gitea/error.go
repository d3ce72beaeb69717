package gitea

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// The kinds of failure, for [errors.Is].
var (
	ErrNotFound     = upstream.ErrNotFound     // 404 of a thing: it is missing, or not for this token
	ErrRouteMissing = upstream.ErrRouteMissing // 404 of a path: an older version, or a proxy whose Gitea is down
	ErrUnauthorized = upstream.ErrUnauthorized // 401: no credential, a dead one, or of a sort that is not taken here
	ErrForbidden    = upstream.ErrForbidden    // 403: see [ErrScope] and [ErrAuthMethod]; a branch protection that exists
	ErrConflict     = upstream.ErrConflict     // 409: a repository of that name exists
	ErrInvalid      = upstream.ErrInvalid      // 400, 422: also what exists; or refused by this package
	ErrRateLimited  = upstream.ErrRateLimited  // 429
	ErrUnavailable  = upstream.ErrUnavailable  // no answer, or none of Gitea's; 500, which Gitea also says of bad requests
	ErrTimeout      = upstream.ErrTimeout      // no answer in time
	ErrUnmetered    = upstream.ErrUnmetered    // a programming error; nothing was sent
	ErrRenamed      = errors.New("redirected: it was renamed, or the URL is not that of Gitea")

	// ErrScope is the cause of an [ErrForbidden] for which Gitea's words blame the
	// token's scopes, or a ceiling on them. It is a hint: the words change.
	ErrScope = errors.New("the token lacks a scope")
	// ErrNotAdmin is the cause of an [ErrForbidden] for which Gitea's words want a
	// site administrator. It is a hint: the words change.
	ErrNotAdmin = errors.New("the token's user is no site administrator")
	// ErrAuthMethod is the cause of an [ErrForbidden] of [Tokens]: the server takes
	// none of the ways in which a site admin can make tokens for a user.
	ErrAuthMethod = errors.New("the server lets a site admin manage nobody's tokens: is basic authentication off?")
)

// An Error is a call that failed. It holds no credential and no secret that was
// sent.
type Error = upstream.Error

// An Operation is one kind of request, by the names of Gitea's published
// document. The few paths that are not below /api/v1 are below the root.
type Operation = upstream.Operation

// A Meter is asked before every request that goes out, repeats included.
type Meter = upstream.Meter

// routerSays is what Gitea's router says of a path that it does not have. Other
// routers written in Go say the same.
const routerSays = "404 page not found"

// refusal takes the word of Gitea only: of a proxy in front of it, a 404 proves
// nothing about a thing.
func refusal(a *upstream.Answer) upstream.Refusal {
	if a.Status == http.StatusNotFound && strings.TrimSpace(string(a.Body)) == routerSays {
		return upstream.Refusal{Kind: ErrRouteMissing}
	}
	var said struct {
		Message *text `json:"message"`
	}
	if err := json.Unmarshal(a.Body, &said); err != nil || said.Message == nil {
		return upstream.Refusal{Kind: upstream.KindOf(a.Status, false)}
	}
	r := upstream.Refusal{Kind: upstream.KindOf(a.Status, true), Said: string(*said.Message)}
	said403 := strings.ToLower(r.Said)
	switch {
	case a.Status != http.StatusForbidden:
	case strings.Contains(said403, "scope"):
		r.Cause = ErrScope
	case strings.Contains(said403, "should be the site admin"):
		r.Cause = ErrNotAdmin
	}
	return r
}
