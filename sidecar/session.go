package sidecar

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// These are a session's maximum idle time and lifetime.
const (
	sessionIdle = 8 * time.Hour
	sessionLife = 7 * 24 * time.Hour
	guestLife   = 30 * time.Minute // of a session in which nobody signed in
)

// These are the values in a session. None of them is a secret.
const (
	heldUser    = "user"    // id of the person
	heldSince   = "since"   // when they signed in, in microseconds
	heldNotice  = "notice"  // a sentence for the next page
	heldForm    = "form"    // fields of a form that was sent while signed out
	heldPath    = "path"    // of the form's page
	heldAction  = "action"  // where the form goes
	heldConnect = "connect" // when the person asked to connect the provider's account, in seconds
	heldInvite  = "invite"  // digest of an invitation to accept after the sign-in
)

// newSessions keeps sessions in the server's database. The prefix of the cookie's name
// makes the browser bind it to this host and to TLS. Browsers reject that prefix over
// plain HTTP, which is used on one's own machine.
func newSessions(cfg Config) *scs.SessionManager {
	s := scs.New()
	s.Store = guestsApart{cfg.Sessions}
	s.IdleTimeout, s.Lifetime = sessionIdle, sessionLife
	s.Cookie.Name, s.Cookie.Secure = "__Host-vibn", true
	if cfg.PublicURL.Scheme != "https" {
		s.Cookie.Name, s.Cookie.Secure = "vibn", false
	}
	s.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		cfg.Log.WarnContext(r.Context(), "sessions do not answer", "err", cfg.Guard.ForLog(err))
		refuse(
			w,
			&tenancy.Error{
				Code: tenancy.Unavailable, Msg: "the server's database did not answer", Hint: "try again in a moment",
				Retryable: true,
			},
		)
	}
	return s
}

// canSignIn reports whether people can sign in at this address: a cookie sent in the
// clear could be stolen.
func canSignIn(public *url.URL) bool {
	switch public.Hostname() {
	case "localhost", "127.0.0.1", "::1":
		return true
	}
	return public.Scheme == "https"
}

var errSignedOut = &tenancy.Error{
	Code: tenancy.Unauthorized, Msg: "you are not signed in",
	Hint: "sign in to the settings page, or send a key as \"Authorization: Bearer vibn_sk_…\"",
}

// person returns the signed-in person; a zero User if there is none. It ends a session
// that began before its person signed out everywhere.
func (s *site) person(ctx context.Context) (tenancy.User, error) {
	id := s.sessions.GetString(ctx, heldUser)
	if id == "" {
		return tenancy.User{}, nil
	}
	u, err := s.accounts.User(ctx, id)
	if err != nil {
		return tenancy.User{}, err
	}
	if u.SignedOutAt != nil && !s.since(ctx).After(*u.SignedOutAt) {
		return tenancy.User{}, s.sessions.Destroy(ctx)
	}
	return u, nil
}

// stillIn returns an error if the person was signed out, or lost the right to what the
// visit shows, since it began.
func (v *visit) stillIn(ctx context.Context) error {
	u, err := v.accounts.User(ctx, v.user.ID)
	if err != nil {
		return err
	}
	if u.SignedOutAt != nil && !v.since(ctx).After(*u.SignedOutAt) {
		return errSignedOut
	}
	return v.scope.Prove(ctx)
}

// since returns when the person signed in.
func (s *site) since(ctx context.Context) time.Time {
	return time.UnixMicro(s.sessions.GetInt64(ctx, heldSince))
}

// hold keeps a value in the visitor's session. A session in which nobody signed in ends
// soon, so that strangers leave few behind; a sign-in gives it the lifetime of others.
func (v *visit) hold(ctx context.Context, name, value string) {
	if v.user.ID == "" {
		v.sessions.SetDeadline(ctx, time.Now().Add(guestLife))
	}
	v.sessions.Put(ctx, name, value)
}

// signIn starts a session of a person. It renews the session's token, so that a token
// planted before is worthless. It keeps the browser's other session values.
func (v *visit) signIn(ctx context.Context, userID string) error {
	if was := v.sessions.GetString(ctx, heldUser); was != "" && was != userID {
		if err := v.sessions.Clear(ctx); err != nil { // the values belong to another person
			return err
		}
	}
	if err := v.sessions.RenewToken(ctx); err != nil {
		return err
	}
	v.sessions.Put(ctx, heldUser, userID)
	v.sessions.Put(ctx, heldSince, time.Now().UnixMicro())
	return v.markKnown()
}

// hasSession reports whether a request has a session cookie and no key. A key takes
// precedence.
func (s *site) hasSession(r *http.Request) bool {
	if s == nil || r.Header.Get("Authorization") != "" {
		return false
	}
	_, err := r.Cookie(s.sessions.Cookie.Name)
	return err == nil
}

// loaded gives the REST routes access to their session.
func (s *site) loaded(next http.Handler) http.Handler {
	if s == nil {
		return next
	}
	with := s.sessions.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/api/workspaces") && s.hasSession(r) {
			with.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// open opens the workspace that a request names, with its key or its session.
func (c Config) open(r *http.Request) (*tenancy.Scope, error) {
	slug := r.PathValue("slug")
	if !c.site.hasSession(r) {
		scope, err := c.Guard.OpenKey(r.Context(), mcp.Bearer(r))
		if err != nil {
			return nil, err
		}
		if r.Pattern == revokeRoute {
			scope.Revoking()
		}
		if err := scope.Admit(); err != nil {
			return nil, err
		}
		return scope, scope.CheckClaim(slug)
	}
	u, err := c.site.person(r.Context())
	if err != nil {
		return nil, err
	}
	if u.ID == "" {
		return nil, errSignedOut
	}
	return c.site.openFor(r.Context(), u, slug)
}

// enter opens the workspace that a request names, reads the body into memory, and only
// then takes one of the workspace's places for concurrent calls; leave gives it back.
func (c Config) enter(w http.ResponseWriter, r *http.Request) (scope *tenancy.Scope, leave func(), err error) {
	if scope, err = c.open(r); err != nil {
		return nil, nil, err
	}
	body, err := mcp.ReadFrom(scope, w, r)
	if err != nil {
		return nil, nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	leave, err = scope.Enter()
	return scope, leave, err
}

// openFor opens a workspace for a signed-in person, and counts the request.
func (s *site) openFor(ctx context.Context, u tenancy.User, slug string) (*tenancy.Scope, error) {
	scope, err := s.cfg.Guard.OpenMember(ctx, u.ID, slug, s.since(ctx))
	if err != nil {
		return nil, err
	}
	return scope, scope.Admit()
}

// refuseReveal refuses a secret to a GET with a session: a page of another origin, or a
// link, can cause such a GET.
func (c Config) refuseReveal(r *http.Request, args map[string]any) error {
	if reveal, _ := args["reveal"].(bool); !reveal || !c.site.hasSession(r) {
		return nil
	}
	return &tenancy.Error{
		Code: tenancy.Forbidden, Msg: "a session cannot read the token here",
		Hint: "the settings page reveals it, after a recent sign-in",
	}
}
