package sidecar

import "net/http"

// Clients that a key was refused to look for OAuth, and show people and models what
// they are answered there, if it is an error of OAuth's.

// An oauthError is an error as OAuth has it (RFC 6749, section 5.2).
type oauthError struct {
	Error       string `json:"error"`
	Description string `json:"error_description"` // ASCII without quotes and backslashes
}

var errNoOAuth = oauthError{
	Error: "access_denied",
	Description: "This server takes a workspace key and has no OAuth sign-in: " +
		"send the key with each request as Authorization: Bearer vibn_sk_...",
}

// mountNoOAuth says at the routes of OAuth that there is none. A document of
// discovery is not found, so that a client goes on to the next; who would sign in is
// refused. Whatever a request carries does not matter here, as some send their key.
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
