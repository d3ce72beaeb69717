// Package sidecar is the HTTP server around the tools. It checks where a request comes
// from. It serves MCP at /mcp, the tools' REST routes below /api/workspaces/{slug}, and
// the settings page for people at /w.
package sidecar

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"path"
	"runtime/debug"
	"strings"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/push"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// Config holds the server's parts and settings. AllowedHosts, Sessions and Provider are
// optional. Placement and Migrate are optional if the Guard has no operator.
type Config struct {
	Guard        *tenancy.Guard
	Registry     *mcp.Registry
	PublicURL    *url.URL                    // where clients reach the server; its host is allowed
	AllowedHosts []string                    // further host names, without port
	Ready        func(context.Context) error // returns why the server cannot serve now; nil = it can
	Version      string
	Log          *slog.Logger
	Deliveries   *push.Deliveries  // where webhooks are noted; may be nil
	Placement    tenancy.Placement // of workspaces that the operator's API or a first sign-in creates
	// brings the database up to date; for the operator's API. See [store.DB.Migrate]
	Migrate  func(context.Context) (applied int, rotated []string, err error)
	Sessions SessionStore // store of people's sessions; nil = no sign-in and no pages
	Provider *Provider    // nil = people sign in by links only
	site     *site
}

// Handler returns the whole server.
func Handler(cfg Config) http.Handler {
	mux := http.NewServeMux()
	cfg.site = newSite(cfg)
	protocol := mcp.Handler(cfg.Registry, cfg.Guard, cfg.Version, cfg.Log)
	mux.Handle("/mcp", protocol)
	mux.Handle("/api/mcp", protocol)
	mountTools(mux, cfg)
	mountKeys(mux, cfg)
	mountSetup(mux, cfg)
	mountAdmin(mux, cfg)
	mountHooks(mux, cfg)
	mountNoOAuth(mux)
	cfg.site.mount(mux)
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Accept")
		if cfg.site != nil && strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.Redirect(w, r, "/w", http.StatusSeeOther)
			return
		}
		answer(w, about{"vibn-mcp", cfg.Version, cfg.PublicURL.JoinPath("mcp").String()})
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { refuse(w, errNoRoute) })

	outer := http.NewServeMux()
	outer.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, health{true}) })
	outer.HandleFunc("GET /readyz", ready(cfg))
	outer.Handle("/", knownHost(cfg, sameOrigin(cfg, cfg.site.loaded(mux))))
	return identified(recovered(cfg.Log, guarded(outer)))
}

// identified lets every MCP refusal carry the id of its request.
func identified(next http.Handler) http.Handler {
	known := mcp.Identified(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isMCP(r) {
			known.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// isMCP reports whether a request is for one of MCP's two routes.
func isMCP(r *http.Request) bool { return r.URL.Path == "/mcp" || r.URL.Path == "/api/mcp" }

// guarded forbids caching every answer and reading it as a page. It also refuses unclean
// paths: the mux would redirect /apps/../x to /x.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if p := r.URL.EscapedPath(); p != path.Clean(p) && p != path.Clean(p)+"/" {
			refuse(w, errNoRoute)
			return
		}
		next.ServeHTTP(w, r)
	})
}

var errNoRoute = &tenancy.Error{Code: tenancy.NotFound, Msg: "there is no such route", Hint: "MCP is served at /mcp"}

// ready answers load balancers whether the server can serve.
func ready(cfg Config) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := cfg.Ready(r.Context()); err != nil {
			cfg.Log.WarnContext(r.Context(), "not ready", "err", err)
			refuse(
				w,
				&tenancy.Error{
					Code: tenancy.Unavailable, Msg: "the server is not ready", Hint: "its log says why",
					Retryable: true,
				},
			)
			return
		}
		answer(w, health{true})
	}
}

// knownHost refuses requests for an unknown host name. A web page can point its own name
// at this address and make a browser on this machine call it.
func knownHost(cfg Config, next http.Handler) http.Handler {
	known := map[string]bool{
		"localhost": true, "127.0.0.1": true, "::1": true, strings.ToLower(cfg.PublicURL.Hostname()): true,
	}
	for _, h := range cfg.AllowedHosts {
		known[strings.ToLower(h)] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !known[strings.ToLower(hostname(r.Host))] {
			forbid(
				w, r, "this server does not serve that host name",
				"the operator can allow it with VIBN_ALLOWED_HOSTS",
			)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// hostname returns the name in a Host header, without a trailing dot.
func hostname(hostport string) string {
	h, _, err := net.SplitHostPort(hostport)
	if err != nil {
		h = strings.Trim(hostport, "[]")
	}
	return strings.TrimSuffix(h, ".")
}

// sameOrigin refuses requests that a page of another origin sends through a browser.
func sameOrigin(cfg Config, next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	if err := protection.AddTrustedOrigin(cfg.PublicURL.Scheme + "://" + cfg.PublicURL.Host); err != nil {
		cfg.Log.Warn("public URL is not an origin", "err", err)
	}
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		forbid(w, r, "requests from pages of another origin are refused", "")
	}))
	return protection.Handler(next)
}

// recovered answers a panic with an error. It does not log the panic's value, which may
// hold a secret.
func recovered(log *slog.Logger, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { //nolint:contextcheck // an answer needs no context
			p := recover()
			if p == http.ErrAbortHandler { //nolint:errorlint // this very value ends the connection
				panic(p)
			}
			if p != nil {
				log.ErrorContext(
					r.Context(), "request panicked", "type", fmt.Sprintf("%T", p), "stack", string(debug.Stack()),
				)
				refuseAt(w, r, errors.New("panic in a request"))
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// forbid refuses a request before authentication.
func forbid(w http.ResponseWriter, r *http.Request, msg, hint string) {
	refuseAt(w, r, &tenancy.Error{Code: tenancy.Forbidden, Msg: msg, Hint: hint})
}

// refuseAt sends an error in the form of the request's route.
func refuseAt(w http.ResponseWriter, r *http.Request, err error) {
	if isMCP(r) {
		mcp.Refuse(w, r, err)
		return
	}
	refuse(w, err)
}

// answer sends JSON.
func answer(w http.ResponseWriter, v any) { answerWith(w, http.StatusOK, v) }

func answerWith(w http.ResponseWriter, status int, v any) {
	raw, err := json.Marshal(v)
	if err != nil {
		refuse(w, err)
		return
	}
	send(w, status, raw)
}

// refuse sends an error in the same form as a tool's error.
func refuse(w http.ResponseWriter, err error) {
	mcp.Challenge(w, err)
	send(w, mcp.Status(err), mcp.FailureOf(err).JSON())
}

func send(w http.ResponseWriter, status int, raw []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(raw, '\n')) //nolint:gosec // JSON, and said to be; the client is gone if this fails
}
