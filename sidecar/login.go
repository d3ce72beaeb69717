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

// localPath matches a path that people may be sent to after they signed in: nothing that a
// browser could take for another host.
var localPath = regexp.MustCompile(`^/(?:w|account)(?:[/?][A-Za-z0-9._~/?&=%-]*)?$`)

// nextPath returns where to go after the sign-in.
func nextPath(s string) string {
	if len(s) > 500 || !localPath.MatchString(s) || strings.Contains(s, "//") || strings.Contains(s, "..") {
		return "/w"
	}
	return s
}

var errTooMany = &tenancy.Error{
	Code: tenancy.RateLimited, Msg: "there were too many attempts", Hint: "wait a minute, then try again", Retryable: true, RetryAfter: 30 * time.Second,
}

// attempt counts an attempt to sign in.
func (v *visit) attempt() error {
	if !v.address.allow(clientAddress(v.r)) {
		return errTooMany
	}
	return nil
}

// signInFirst has a person sign in and come back. What they had typed into a form
// is kept, and never the secrets: no form of ours takes one.
func (v *visit) signInFirst(again bool) error {
	next, ctx := v.r.URL.RequestURI(), v.r.Context()
	if v.r.Method == http.MethodPost {
		next = v.formPath()
		if fields := v.form.Encode(); len(fields) <= maxKeptForm && v.address.allow(clientAddress(v.r)) {
			v.sessions.Put(ctx, heldForm, fields)
			v.sessions.Put(ctx, heldPath, next)
		}
	}
	query := url.Values{"next": {nextPath(next)}}
	if again {
		query.Set("again", "1")
	}
	return v.goTo("/login?" + query.Encode())
}

// maxKeptForm is the size in bytes of the largest form that is kept.
const maxKeptForm = 4096

// formPath is the page that the form of this POST is on.
func (v *visit) formPath() string {
	path := v.r.URL.Path
	for _, act := range []string{"/revoke", "/invite", "/withdraw", "/role", "/remove", "/reveal", "/bot-token"} {
		path = strings.TrimSuffix(path, act)
	}
	if home, ok := strings.CutSuffix(path, "/provision"); ok {
		path = home + "/workspace"
	}
	return path
}

// savedForm returns the fields of a form that was sent from this page while nobody was
// signed in.
func (v *visit) savedForm() url.Values {
	ctx := v.r.Context()
	if v.sessions.GetString(ctx, heldPath) != v.r.URL.Path {
		return url.Values{}
	}
	v.sessions.Remove(ctx, heldPath)
	fields, err := url.ParseQuery(v.sessions.PopString(ctx, heldForm))
	if err != nil {
		return url.Values{}
	}
	return fields
}

type loginPage struct {
	Provider string // its name; empty = there is none
	Next     string
	Again    bool
	Kept     bool // a form waits for the person
}

func (v *visit) login() error {
	q := v.r.URL.Query()
	p := loginPage{Next: nextPath(q.Get("next")), Again: q.Get("again") != "", Kept: v.sessions.Exists(v.r.Context(), heldForm)}
	if v.user.ID != "" && !p.Again {
		return v.goTo(p.Next)
	}
	if v.provider != nil {
		p.Provider = v.provider.Name
	}
	return v.show(http.StatusOK, "login.html", "Sign in", p)
}

// loginStart sends a person to the provider. It is a GET, as a form that ends on
// another origin would need that origin in the page's policy; it does nothing but
// begin.
func (v *visit) loginStart() error {
	if v.provider == nil {
		return errNoRoute
	}
	if err := v.attempt(); err != nil {
		return err
	}
	q := v.r.URL.Query()
	asked := time.Unix(v.sessions.GetInt64(v.r.Context(), heldConnect), 0)
	connect := v.user.ID != "" && time.Since(asked) < recently
	v.sessions.Remove(v.r.Context(), heldConnect)
	address, c, err := v.provider.begin(v.r.Context(), nextPath(q.Get("next")), connect, q.Get("again") != "" || connect)
	if err != nil {
		return v.providerDown(err)
	}
	v.sessions.Put(v.r.Context(), heldCeremony, c.String())
	http.Redirect(v.w, v.r, address, http.StatusSeeOther)
	return nil
}

func (v *visit) providerDown(err error) error {
	return &tenancy.Error{
		Code: tenancy.Unavailable, Msg: v.provider.Name + " does not answer", Hint: "try again in a moment; a sign-in link of the operator's works without it",
		Retryable: true, RetryAfter: providerRetry, Err: err,
	}
}

var errCeremony = &tenancy.Error{
	Code: tenancy.Invalid, Msg: "this sign-in was not begun in this browser, or too long ago", Hint: "go back and sign in again",
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
		return &tenancy.Error{Code: tenancy.Forbidden, Msg: v.provider.Name + " did not sign you in", Hint: "go back and try again"}
	}
	id, err := v.provider.finish(ctx, c, q.Get("code"))
	if err != nil {
		return &tenancy.Error{Code: tenancy.Forbidden, Msg: "the answer of " + v.provider.Name + " proves nobody", Hint: "go back and sign in again", Err: err}
	}
	if c.Connect {
		return v.connect(ctx, id)
	}
	return v.welcome(ctx, id, c.Next)
}

// askConnect says that the next sign-in at the provider is to be the person's from
// now on. That takes a form of ours: else another site could have a browser connect
// an account of its own, and sign in as the person later.
func (v *visit) askConnect() error {
	if v.provider == nil {
		return errNoRoute
	}
	v.sessions.Put(v.r.Context(), heldConnect, time.Now().Unix())
	return v.show(http.StatusOK, "connect.html", "Connect "+v.provider.Name, v.provider.Name)
}

// connect has the person who is signed in use the provider from now on.
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

// welcome signs in whom the provider has proved. Who has no workspace and no
// invitation gets one.
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

// A linkPage shows what a link is for. To see it uses nothing up, as previews of
// messages look at links too.
type linkPage struct {
	Info     people.LinkInfo
	Token    string
	Provider string // whom to sign in with before joining; empty = nobody
	Person   string // who would join
	Waiting  bool   // the person is to sign in now
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
		v.sessions.Put(ctx, heldInvite, hex.EncodeToString(digest[:]))
		return v.show(http.StatusOK, "link.html", "Sign in to join", linkPage{Info: info, Provider: v.provider.Name, Waiting: true})
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
	if path := v.sessions.GetString(ctx, heldPath); path != "" { // a form waits there
		return v.goTo(nextPath(path))
	}
	return v.goTo("/w/" + info.Slug)
}

// join makes a person a member, by an invitation.
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
	Provider  string // name; empty = there is none
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

// workspaces lists a person's workspaces, or goes to the only one.
func (v *visit) workspaces() (err error) {
	if v.frame.Workspaces, err = v.accounts.Workspaces(v.r.Context(), v.user.ID); err != nil {
		return err
	}
	if len(v.frame.Workspaces) == 1 {
		return v.goTo("/w/" + v.frame.Workspaces[0].Slug)
	}
	return v.show(http.StatusOK, "workspaces.html", "Workspaces", v.frame.Workspaces)
}

// LinkURL is the address of a sign-in link or an invitation, by its token.
func LinkURL(public *url.URL, token string) string { return public.JoinPath("link", token).String() }
