package sidecar

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// localPath matches a path to which people may be sent after sign-in. A browser cannot
// read it as another host.
var localPath = regexp.MustCompile(`^/(?:w|account)(?:[/?][A-Za-z0-9._~/?&=%-]*)?$`)

// nextPath returns s if it is a safe local path, else /w.
func nextPath(s string) string {
	if len(s) > 500 || !localPath.MatchString(s) || strings.Contains(s, "//") || strings.Contains(s, "..") {
		return "/w"
	}
	return s
}

var errTooMany = &tenancy.Error{
	Code: tenancy.RateLimited, Msg: "too many attempts", Hint: "wait a minute, then try again",
	Retryable: true, RetryAfter: 30 * time.Second,
}

// attempt counts an attempt to sign in, and refuses it above the limit.
func (v *visit) attempt() error {
	if !v.address.allowFrom(originOf(v.r)) {
		return errTooMany
	}
	return nil
}

type loginPage struct {
	Provider string // the provider's name; empty = there is none
	Next     string
	Again    string // one of [purposes]' names; empty = the person is signed out
	Why      string // of Again
	Kept     bool   // a form has been kept for the person
}

func (v *visit) login() error {
	q := v.r.URL.Query()
	p := loginPage{
		Next: nextPath(q.Get("next")), Why: purposes[q.Get("again")], Kept: v.sessions.Exists(v.r.Context(), heldForm),
	}
	if p.Why != "" && v.user.ID != "" {
		p.Again = q.Get("again")
	}
	if v.user.ID != "" && p.Again == "" {
		return v.goTo(p.Next)
	}
	if v.provider != nil {
		p.Provider = v.provider.Name
	}
	return v.show(http.StatusOK, "login.html", "Sign in", p)
}

// loginStart redirects a person to the provider. It is a GET: a form that ends on another
// origin would need that origin in the page's policy. It only starts a sign-in.
func (v *visit) loginStart() error {
	if v.provider == nil {
		return errNoRoute
	}
	if err := v.attempt(); err != nil {
		return err
	}
	q := v.r.URL.Query()
	asked := time.Unix(v.sessions.GetInt64(v.r.Context(), heldConnect), 0)
	connect := v.user.ID != "" && time.Since(asked) < tenancy.Recently
	v.sessions.Remove(v.r.Context(), heldConnect)
	address, c, err := v.provider.begin(
		v.r.Context(), nextPath(q.Get("next")), connect, q.Get("again") != "" || connect,
	)
	if err != nil {
		return v.providerDown(err)
	}
	v.hold(v.r.Context(), heldCeremony, c.String())
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

func (v *visit) providerDown(err error) error {
	return &tenancy.Error{
		Code: tenancy.Unavailable, Msg: v.provider.Name + " does not answer",
		Hint:      "try again in a moment; a sign-in link from the operator works without it",
		Retryable: true, RetryAfter: providerRetry, Err: err,
	}
}

var errCeremony = &tenancy.Error{
	Code: tenancy.Invalid, Msg: "this sign-in was started in another browser, or too long ago",
	Hint: "go back and sign in again",
}

func (v *visit) loginCallback() error {
	if v.provider == nil {
		return errNoRoute
	}
	if err := v.attempt(); err != nil {
		return err
	}
	ctx, q := v.r.Context(), v.r.URL.Query()
	c, ok := parseCeremony(v.sessions.PopString(ctx, heldCeremony))
	if !ok || q.Get("state") != c.State {
		return errCeremony
	}
	if q.Get("error") != "" || q.Get("code") == "" {
		return &tenancy.Error{
			Code: tenancy.Forbidden, Msg: v.provider.Name + " did not sign you in", Hint: "go back and try again",
		}
	}
	id, err := v.provider.finish(ctx, c, q.Get("code"))
	if err != nil {
		return &tenancy.Error{
			Code: tenancy.Forbidden, Msg: "the answer of " + v.provider.Name + " does not identify a person",
			Hint: "go back and sign in again", Err: err,
		}
	}
	if c.Connect {
		return v.connect(ctx, id)
	}
	return v.welcome(ctx, id, c.Next)
}

// askConnect records that the person's next sign-in at the provider connects that
// account. Only a form of this server may request that. Otherwise another site could make
// a browser connect that site's account, and sign in as the person later.
func (v *visit) askConnect() error {
	if v.provider == nil {
		return errNoRoute
	}
	v.sessions.Put(v.r.Context(), heldConnect, time.Now().Unix())
	return v.show(http.StatusOK, "connect.html", "Connect "+v.provider.Name, v.provider.Name)
}

// connect connects the provider's account to the signed-in person.
func (v *visit) connect(ctx context.Context, id people.Identity) error {
	if v.user.ID == "" {
		return errCeremony
	}
	if err := v.accounts.Connect(ctx, v.user.ID, id); err != nil {
		return err
	}
	if err := v.signIn(ctx, v.user.ID); err != nil {
		return err
	}
	return v.redirectWithNotice(ctx, "/account", "From now on you sign in with "+v.provider.Name+".")
}

// welcome signs in the person whom the provider has proved. A person without a workspace
// and without an invitation gets a workspace.
func (v *visit) welcome(ctx context.Context, id people.Identity, next string) error {
	u, err := v.accounts.SignIn(ctx, id)
	if err != nil {
		return err
	}
	if !v.people.allow(u.ID) {
		return errTooMany
	}
	invite := v.sessions.PopString(ctx, heldInvite)
	if err := v.signIn(ctx, u.ID); err != nil {
		return err
	}
	if raw, err := hex.DecodeString(invite); err == nil && len(raw) == len(tenancy.Digest{}) {
		return v.join(ctx, tenancy.Digest(raw), u)
	}
	list, err := v.accounts.Workspaces(ctx, u.ID)
	if err != nil {
		return err
	}
	if len(list) > 0 {
		return v.goTo(next)
	}
	w, err := v.accounts.EnsureWorkspace(ctx, u, v.cfg.Placement)
	if err != nil {
		return err
	}
	return v.redirectWithNotice(
		ctx, "/w/"+w.Slug, "Welcome. Your workspace is being made; its parts are ready in a minute.",
	)
}

// A linkPage shows what a link is for. Showing it does not use up the link, because
// message previews open links too.
type linkPage struct {
	Info     people.LinkInfo
	Token    string
	Provider string // the provider to sign in with before joining; empty = none
	Person   string // the person who would join
	Waiting  bool   // the person has to sign in now
}

func (v *visit) showLink() error {
	if err := v.attempt(); err != nil {
		return err
	}
	digest, err := people.LinkDigest(v.r.PathValue("token"))
	if err != nil {
		return err
	}
	info, err := v.accounts.Link(v.r.Context(), digest)
	if err != nil {
		return err
	}
	p := linkPage{Info: info, Token: v.r.PathValue("token")}
	if info.Invites() && v.user.ID != "" {
		p.Person = personName(v.user)
	} else if info.Invites() && v.provider != nil {
		p.Provider = v.provider.Name
	}
	return v.show(http.StatusOK, "link.html", "Welcome", p)
}

func (v *visit) useLink() error {
	if err := v.attempt(); err != nil {
		return err
	}
	ctx := v.r.Context()
	digest, err := people.LinkDigest(v.form.Get("token"))
	if err != nil {
		return err
	}
	info, err := v.accounts.Link(ctx, digest)
	if err != nil {
		return err
	}
	if info.Invites() && v.user.ID == "" && v.provider != nil {
		v.hold(ctx, heldInvite, hex.EncodeToString(digest[:]))
		return v.show(
			http.StatusOK, "link.html", "Sign in to join",
			linkPage{Info: info, Provider: v.provider.Name, Waiting: true},
		)
	}
	if info.Invites() {
		u := v.user
		if u.ID == "" {
			u.DisplayName = strings.TrimSpace(v.form.Get("name"))
		}
		return v.join(ctx, digest, u)
	}
	userID, _, err := v.accounts.UseLink(ctx, digest, tenancy.User{})
	if err != nil {
		return err
	}
	if err := v.signIn(ctx, userID); err != nil {
		return err
	}
	if path := v.sessions.GetString(ctx, heldPath); path != "" { // a form is kept there
		return v.goTo(nextPath(path))
	}
	return v.goTo("/w/" + info.Slug)
}

// join makes a person a member by an invitation.
func (v *visit) join(ctx context.Context, digest tenancy.Digest, u tenancy.User) error {
	userID, info, err := v.accounts.UseLink(ctx, digest, u)
	if err != nil {
		return err
	}
	if u.ID == "" {
		if err := v.signIn(ctx, userID); err != nil {
			return err
		}
	}
	return v.redirectWithNotice(ctx, "/w/"+info.Slug, "Welcome. You are in as "+string(info.Role)+".")
}

func (v *visit) logout() error {
	if err := v.sessions.Destroy(v.r.Context()); err != nil {
		return err
	}
	return v.goTo("/login")
}

func (v *visit) logoutEverywhere() error {
	if err := v.accounts.SignOut(v.r.Context(), v.user.ID); err != nil {
		return err
	}
	return v.logout()
}

type accountPage struct {
	User      tenancy.User
	Provider  string // the provider's name; empty = there is none
	Connected bool
	Since     time.Time
}

func (v *visit) account() (err error) {
	p := accountPage{User: v.user, Connected: v.user.Issuer != "", Since: v.since(v.r.Context())}
	if v.provider != nil {
		p.Provider = v.provider.Name
	}
	if v.frame.Workspaces, err = v.accounts.Workspaces(v.r.Context(), v.user.ID); err != nil {
		return err
	}
	return v.show(http.StatusOK, "account.html", "Your account", p)
}

// workspaces lists a person's workspaces. If there is only one, it redirects to it.
func (v *visit) workspaces() (err error) {
	if v.frame.Workspaces, err = v.accounts.Workspaces(v.r.Context(), v.user.ID); err != nil {
		return err
	}
	if len(v.frame.Workspaces) == 1 {
		return v.goTo("/w/" + v.frame.Workspaces[0].Slug)
	}
	return v.show(http.StatusOK, "workspaces.html", "Workspaces", v.frame.Workspaces)
}

// LinkURL returns the address of a sign-in link or an invitation, by its token.
func LinkURL(public *url.URL, token string) string { return public.JoinPath("link", token).String() }
