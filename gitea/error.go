package gitea

import (
	"encoding/json"
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/upstream"
)

// These are the kinds of failure, for [errors.Is].
var (
	ErrNotFound     = upstream.ErrNotFound     // 404 of an object: it does not exist, or the token may not see it
	ErrRouteMissing = upstream.ErrRouteMissing // 404 of a path: an older version, or a proxy whose Gitea is down
	ErrUnauthorized = upstream.ErrUnauthorized // 401: no credential, an invalid one, or of a wrong kind
	// 403: see [ErrScope], [ErrAuthMethod]; also a branch protection that exists
	ErrForbidden   = upstream.ErrForbidden
	ErrConflict    = upstream.ErrConflict    // 409: a repository of that name exists
	ErrInvalid     = upstream.ErrInvalid     // 400, 422: also an object that exists; or refused by this package
	ErrRateLimited = upstream.ErrRateLimited // 429
	ErrUnavailable = upstream.ErrUnavailable // no answer, or not Gitea's; 500, also for some bad requests
	ErrTimeout     = upstream.ErrTimeout     // no answer in time
	ErrUnmetered   = upstream.ErrUnmetered   // a programming error; nothing was sent
	ErrRenamed     = errors.New("redirected: it was renamed, or the URL is not that of Gitea")

	// ErrScope is the cause of an [ErrForbidden] whose text names the token's scopes, or
	// a limit on them. It is a hint, because the text may change.
	ErrScope = errors.New("the token lacks a scope")
	// ErrNotAdmin is the cause of an [ErrForbidden] whose text requires a site
	// administrator. It is a hint, because the text may change.
	ErrNotAdmin = errors.New("the token's user is not a site administrator")
	// ErrWebhooksOff is the cause of an [ErrForbidden] where the operator has switched
	// webhooks off. It is a hint, because the text may change.
	ErrWebhooksOff = errors.New("the server has its webhooks switched off")
	// ErrSSHOff is the cause of an [ErrInvalid] where the operator has switched SSH off. It
	// is a hint too.
	ErrSSHOff = errors.New("the server has SSH switched off")
	// ErrAuthMethod is the cause of an [ErrForbidden] of [Tokens]: the server accepts
	// none of the ways in which a site admin can create tokens for a user.
	ErrAuthMethod = errors.New("the server does not let a site administrator manage users' tokens: is basic " +
		"authentication off?")
)

// An Error is a failed call. It contains no credential and no secret that was sent.
type Error = upstream.Error

// An Operation is one kind of request, by its name in Gitea's published document. The few
// paths outside /api/v1 are relative to the root.
type Operation = upstream.Operation

// A Meter is asked before every request, including retries.
type Meter = upstream.Meter

// routerSays is the answer of Gitea's router for an unknown path. Other routers written
// in Go send the same.
const routerSays = "404 page not found"

// refusal reads only Gitea's own answers: a 404 of a proxy in front of it proves nothing
// about an object.
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
	r.Cause = causeOf(a.Status, r.Said)
	return r
}

// causeOf reads the cause of a refusal from its text; nil if it tells none.
func causeOf(status int, said string) error {
	said = strings.ToLower(said)
	switch {
	case status == http.StatusUnprocessableEntity && strings.Contains(said, "ssh is disabled"):
		return ErrSSHOff
	case status != http.StatusForbidden:
	case strings.Contains(said, "scope"):
		return missingScopes(said)
	case strings.Contains(said, "should be the site admin"):
		return ErrNotAdmin
	case strings.Contains(said, "webhooks disabled"):
		return ErrWebhooksOff
	}
	return nil
}

// A ScopeError is an [ErrScope] whose text names the scopes that are missing.
type ScopeError struct{ Missing []string }

// Error names the scopes.
func (e *ScopeError) Error() string { return "the token lacks " + strings.Join(e.Missing, ", ") }

// Is reports whether target is [ErrScope].
func (e *ScopeError) Is(target error) bool { return target == ErrScope }

var (
	scopesAsked = regexp.MustCompile(`required=?:? ?\[([a-z: -]+)\]|required scope\(s\): \[([a-z: -]+)\]`)
	scopesHeld  = regexp.MustCompile(`token scope=([a-z:,-]+)`)
)

// missingScopes reads which scopes a request needed and the token has not. Gitea names
// both since 1.22, before only the first; [ErrScope] if it names none.
func missingScopes(said string) error {
	m := scopesAsked.FindStringSubmatch(said)
	if m == nil {
		return ErrScope
	}
	var held []string
	if h := scopesHeld.FindStringSubmatch(said); h != nil {
		held = strings.Split(h[1], ",")
	}
	missing := slices.DeleteFunc(strings.Fields(m[1]+m[2]), func(scope string) bool {
		return slices.Contains(held, scope) || slices.Contains(held, strings.Replace(scope, "read:", "write:", 1))
	})
	if len(missing) == 0 {
		return ErrScope
	}
	return &ScopeError{missing}
}
