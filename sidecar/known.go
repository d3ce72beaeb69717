package sidecar

import (
	"context"
	"net/http"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/vibnai/vibn-mcp/people"
)

// A SessionStore stores sessions, those in which nobody signed in apart.
type SessionStore interface {
	scs.CtxStore
	// CommitGuestCtx is CommitCtx for a session in which nobody signed in. If there are more
	// than most such sessions, it deletes those that expire first.
	CommitGuestCtx(ctx context.Context, token string, data []byte, expiry time.Time, most int) error
}

// maxGuests bounds the sessions in which nobody signed in. It is more than people begin a
// sign-in at the same time, and each is below a kilobyte, or has one form of a known browser.
const maxGuests = 5_000

// guestsApart stores the sessions in which nobody signed in as guests'.
type guestsApart struct{ SessionStore }

// CommitCtx implements [scs.CtxStore].
func (s guestsApart) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	_, values, err := scs.GobCodec{}.Decode(data)
	if err != nil {
		return err
	}
	if values[heldUser] == nil {
		return s.CommitGuestCtx(ctx, token, data, expiry, maxGuests)
	}
	return s.SessionStore.CommitCtx(ctx, token, data, expiry)
}

// knownCookie is the name of the cookie by which a browser shows that somebody signed in
// with it before. It is bound to this host as that of the session is.
func (s *site) knownCookie() string { return s.sessions.Cookie.Name + "-known" }

// markKnown gives the browser that cookie.
func (v *visit) markKnown() error {
	known, err := v.accounts.Remember()
	if err != nil {
		return err
	}
	http.SetCookie(v.w, &http.Cookie{ //nolint:gosec // it is secure where the session's is: not on one's own machine
		Name: v.knownCookie(), Value: known, Path: "/", MaxAge: int(people.RememberedFor / time.Second),
		Secure: v.sessions.Cookie.Secure, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
	return nil
}

// known reports whether a person is signed in, or somebody signed in with this browser
// before. What others send is not kept.
func (v *visit) known() bool {
	if v.user.ID != "" {
		return true
	}
	c, err := v.r.Cookie(v.knownCookie())
	return err == nil && v.accounts.Remembers(c.Value)
}
