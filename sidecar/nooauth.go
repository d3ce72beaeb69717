package sidecar

import "net/http"

// Clients whose key was refused look for OAuth. They show people and models the answer,
// if it is an OAuth error.

// An oauthError is an error in OAuth's form (RFC 6749, section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"` // ASCII without quotes and backslashes
}

var errNoOAuth = oauthError{
	Error: "access_denied",
	Description: "This server takes a workspace key and has no OAuth sign-in: " +
		"send the key with each request as Authorization: Bearer vibn_sk_...",
}

// mountNoOAuth answers at OAuth's routes that this server has no OAuth. A discovery
// document is not found, so that a client tries the next one; a sign-in is refused. The
// routes ignore what a request carries, because some clients send their key.
func mountNoOAuth(mux *http.ServeMux) {
	say := func(status int, patterns ...string) {
		for _, p := range patterns {
			mux.HandleFunc(p, func(w http.ResponseWriter, _ *http.Request) { answerWith(w, status, errNoOAuth) })
		}
	}
	for _, name := range []string{"oauth-protected-resource", "oauth-authorization-server", "openid-configuration"} {
		say(http.StatusNotFound,
			"/.well-known/"+name, "/.well-known/"+name+"/mcp", "/.well-known/"+name+"/api/mcp",
			"/mcp/.well-known/"+name, "/api/mcp/.well-known/"+name)
	}
	say(http.StatusForbidden, "/register", "/authorize", "/token")
}
