package sidecar

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

//go:embed page
var pageFiles embed.FS

// A site serves the pages for people: who may act in a workspace, how to connect an
// agent, and what agents did.
type site struct {
	cfg      Config
	sessions *scs.SessionManager
	accounts *people.Accounts
	provider *provider // nil = people sign in by links only
	address  *limits
	people   *limits
	once     *once
	pages    map[string]*template.Template
	assets   map[string]asset // by path
	names    map[string]string
}

// newSite returns the pages; nil if people could not sign in safely.
func newSite(cfg Config) *site {
	if cfg.Sessions == nil {
		return nil
	}
	if !canSignIn(cfg.PublicURL) {
		cfg.Log.Warn(
			"there is no settings page: people sign in over https only, or on this machine", "public_url",
			cfg.PublicURL.String(),
		)
		return nil
	}
	s := &site{
		cfg: cfg, sessions: newSessions(cfg), accounts: people.NewAccounts(cfg.Guard), once: newOnce(),
		address: newLimits(addressRate, addressBurst), people: newLimits(personRate, personBurst),
	}
	if cfg.Provider != nil {
		s.provider = newProvider(*cfg.Provider, cfg.PublicURL)
	}
	s.loadAssets()
	s.loadPages()
	return s
}

// mount serves the pages.
func (s *site) mount(mux *http.ServeMux) {
	if s == nil {
		return
	}
	for p := range s.assets {
		mux.Handle("GET "+p, s.assets[p])
	}
	for route, serve := range map[string]func(*visit) error{
		"GET /login":              (*visit).login,
		"GET /login/start":        (*visit).loginStart,
		"GET /login/callback":     (*visit).loginCallback,
		"GET /link/{token}":       (*visit).showLink,
		"POST /link":              (*visit).useLink,
		"POST /login/cancel":      (*visit).cancel,
		"POST /logout":            (*visit).logout,
		"GET /account":            signedIn((*visit).account),
		"POST /account/connect":   signedIn((*visit).askConnect),
		"POST /logout/everywhere": signedIn((*visit).logoutEverywhere),
		"GET /w":                  signedIn((*visit).workspaces),
		"GET /w/":                 signedIn(func(*visit) error { return errNoPage }),

		"GET /w/{slug}":                       inWorkspace((*visit).access),
		"POST /w/{slug}/bot-token":            inWorkspace(recent("reveal", (*visit).revealToken)),
		"GET /w/{slug}/keys":                  inWorkspace((*visit).keys),
		"POST /w/{slug}/keys":                 inWorkspace(recent("key", (*visit).mintKey)),
		"POST /w/{slug}/keys/revoke":          inWorkspace((*visit).revokeKey),
		"GET /w/{slug}/workspace":             inWorkspace((*visit).workspace),
		"POST /w/{slug}/provision":            inWorkspace((*visit).provision),
		"GET /w/{slug}/apps/{app}":            inWorkspace((*visit).app),
		"POST /w/{slug}/apps/{app}/reveal":    inWorkspace(recent("reveal", (*visit).revealEnv)),
		"GET /w/{slug}/people":                inWorkspace((*visit).members),
		"POST /w/{slug}/people/invite":        inWorkspace(recent("invite", (*visit).invite)),
		"POST /w/{slug}/people/withdraw":      inWorkspace((*visit).withdraw),
		"POST /w/{slug}/people/role":          inWorkspace((*visit).setRole),
		"POST /w/{slug}/people/remove":        inWorkspace((*visit).removeMember),
		"GET /w/{slug}/activity":              inWorkspace((*visit).activity),
		"GET /w/{slug}/activity/export.csv":   inWorkspace((*visit).exportCSV),
		"GET /w/{slug}/activity/export.jsonl": inWorkspace((*visit).exportJSONL),
	} {
		mux.Handle(route, s.page(serve))
	}
}

// A visit is one request for a page.
type visit struct {
	*site
	w     http.ResponseWriter
	r     *http.Request
	user  tenancy.User   // the signed-in person; zero = none
	frame frame          // the parts around the page
	form  url.Values     // of a POST
	kept  url.Values     // of the page's own form, sent before a sign-in; nil = none
	scope *tenancy.Scope // of the workspace; nil outside one
}

// page serves one route with its session and with the headers of every page.
func (s *site) page(serve func(*visit) error) http.Handler {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.guardPage(w.Header())
		v := &visit{site: s, w: w, r: r}
		err := v.prepare(r.Context())
		if err == nil {
			err = serve(v)
		}
		if err != nil {
			v.fail(r.Context(), err)
		}
	})
	return s.sessions.LoadAndSave(h)
}

// guardPage sets what a browser may do with a page: only show it, with this server's
// style and script.
func (s *site) guardPage(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "+
		"form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()")
}

// prepare finds the signed-in person, and reads a form.
func (v *visit) prepare(ctx context.Context) (err error) {
	if v.user, err = v.person(ctx); err != nil {
		return err
	}
	v.frame = frame{Signed: v.user.ID != "", Person: personName(v.user), Notice: v.sessions.PopString(ctx, heldNotice)}
	if v.r.Method != http.MethodPost {
		return nil
	}
	v.r.Body = http.MaxBytesReader(v.w, v.r.Body, mcp.MaxBody)
	if err := v.r.ParseForm(); err != nil {
		return &tenancy.Error{Code: tenancy.Invalid, Msg: "the form could not be read", Err: err}
	}
	v.form = v.r.PostForm
	return nil
}

// personName returns a person's name, here and in the list of members.
func personName(u tenancy.User) string {
	return untrusted.Clean(cmp.Or(u.DisplayName, u.Email, u.ID))
}

var errNoPage = &tenancy.Error{Code: tenancy.NotFound, Msg: "there is no such page"}

// signedIn serves a page to a signed-in person, and sends other visitors to sign in.
func signedIn(serve func(*visit) error) func(*visit) error {
	return func(v *visit) error {
		if v.user.ID == "" {
			return v.signInFirst("")
		}
		return serve(v)
	}
}

// inWorkspace serves a workspace's page to its members. For any other person the page
// does not exist.
func inWorkspace(serve func(*visit) error) func(*visit) error {
	return signedIn(func(v *visit) (err error) {
		ctx := v.r.Context()
		if v.frame.Workspaces, err = v.accounts.Workspaces(ctx, v.user.ID); err != nil {
			return err
		}
		if v.scope, err = v.openFor(ctx, v.user, v.r.PathValue("slug")); err != nil {
			return err
		}
		leave, err := v.scope.Enter()
		if err != nil {
			return err
		}
		defer leave()
		v.frame.enter(v.scope)
		v.resume()
		return serve(v)
	})
}

// A frame holds the parts around every page.
type frame struct {
	Title      string
	Signed     bool
	Person     string
	Workspaces []tenancy.WorkspaceInfo // of the person, to switch between
	Here       *tenancy.WorkspaceInfo  // the page's workspace; nil = none
	Role       tenancy.Role
	Keys       bool   // whether the person may manage keys and members
	Tab        string // access, keys, workspace, people, activity
	Notice     string // the result of the last action
	Errand     *errand
	Assets     map[string]string
	Body       any
}

func (f *frame) enter(s *tenancy.Scope) {
	info := s.Info()
	f.Here, f.Role, f.Keys = &info, s.Role(), s.Require(tenancy.Keys) == nil
}

// show renders a page. It renders into memory first, so that an error yields a page of
// its own and not half a page.
func (v *visit) show(status int, name, title string, body any) error {
	f := v.frame
	f.Title, f.Body, f.Assets = title, body, v.names
	var b bytes.Buffer
	if err := v.pages[name].ExecuteTemplate(&b, "frame.html", f); err != nil {
		return err
	}
	v.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	v.w.WriteHeader(status)
	_, _ = v.w.Write(b.Bytes()) // it fails only if the client is gone
	return nil
}

// goTo redirects the browser to a path of this server.
func (v *visit) goTo(path string) error {
	http.Redirect(v.w, v.r, path, http.StatusSeeOther)
	return nil
}

// redirectWithNotice redirects to a page, which then shows the notice.
func (v *visit) redirectWithNotice(ctx context.Context, path, notice string) error {
	v.sessions.Put(ctx, heldNotice, notice)
	return v.goTo(path)
}

// workspacePath returns a path in the visit's workspace.
func (v *visit) workspacePath(elements ...string) string {
	escaped := []string{"", "w", url.PathEscape(v.r.PathValue("slug"))}
	for _, e := range elements {
		escaped = append(escaped, url.PathEscape(e))
	}
	return strings.Join(escaped, "/")
}

// fail shows an error as a page, with what to do about it.
func (v *visit) fail(ctx context.Context, err error) {
	p := tenancy.Public(err)
	if v.scope != nil {
		p = v.scope.Public(err)
	}
	if p.Err != nil {
		v.cfg.Log.WarnContext(ctx, "page failed", "path", v.r.Pattern, "err", v.cfg.Guard.ForLog(err))
	}
	if p.RetryAfter > 0 {
		v.w.Header().Set("Retry-After", strconv.Itoa(int(p.RetryAfter/time.Second)+1))
	}
	status := mcp.Status(p)
	body := map[string]any{
		"Message": sentence(p.Msg), "Hint": sentence(p.Hint), "Code": string(p.Code), "Back": v.returnPath(),
	}
	if err := v.show(status, "error.html", errorTitle(p.Code), body); err != nil {
		refuse(v.w, err)
	}
}

// returnPath returns where a person can continue after an error.
func (v *visit) returnPath() string {
	if v.scope != nil {
		return v.workspacePath()
	}
	return "/w"
}

func errorTitle(c tenancy.Code) string {
	switch c {
	case tenancy.NotFound:
		return "Not found"
	case tenancy.Forbidden:
		return "Not allowed"
	case tenancy.Unauthorized:
		return "Not signed in"
	case tenancy.RateLimited:
		return "Too many requests"
	case tenancy.Unavailable, tenancy.Timeout:
		return "Not available just now"
	case tenancy.Internal:
		return "Something went wrong"
	case tenancy.Conflict, tenancy.Invalid:
	}
	return "That did not work"
}

// sentence capitalises a text's first letter and adds a full stop.
func sentence(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if strings.HasSuffix(s, ".") || strings.HasSuffix(s, "?") {
		return s
	}
	return s + "."
}

// An asset is a file that pages use. Its path contains its digest, so browsers may cache
// it.
type asset struct {
	kind string
	data []byte
}

// ServeHTTP implements [http.Handler].
func (a asset) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", a.kind)
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	_, _ = w.Write(a.data)
}

func (s *site) loadAssets() {
	s.assets, s.names = map[string]asset{}, map[string]string{}
	for _, name := range []string{"style.css", "script.js", "icon.svg"} {
		data, err := fs.ReadFile(pageFiles, "page/"+name)
		if err != nil {
			panic(err) // the file is embedded in the program
		}
		digest := sha256.Sum256(data)
		ext := path.Ext(name)
		p := "/assets/" + strings.TrimSuffix(name, ext) + "-" + hex.EncodeToString(digest[:8]) + ext
		s.names[strings.TrimSuffix(name, ext)] = p
		s.assets[p] = asset{mime.TypeByExtension(ext), data}
	}
}

// loadPages reads the templates: each page with the frame and the parts.
func (s *site) loadPages() {
	s.pages = map[string]*template.Template{}
	names, err := fs.Glob(pageFiles, "page/*.html")
	if err != nil {
		panic(err)
	}
	shared := template.Must(template.New("").Funcs(pageFuncs).ParseFS(pageFiles, "page/frame.html", "page/parts.html"))
	for _, name := range names {
		if base := path.Base(name); base != "frame.html" && base != "parts.html" {
			s.pages[base] = template.Must(template.Must(shared.Clone()).ParseFS(pageFiles, name))
		}
	}
}

// pageFuncs are the functions of the templates. They clean text from outside.
var pageFuncs = template.FuncMap{
	"text":  func(s string) string { return untrusted.Clean(s) },
	"ago":   func(t time.Time) string { return ago(time.Now(), t) },
	"until": func(t time.Time) string { return until(time.Now(), t) },
	"stamp": func(t time.Time) string { return t.UTC().Format("2 Jan 2006, 15:04 UTC") },
	"clock": func(t time.Time) string { return t.UTC().Format("2 Jan, 15:04 UTC") },
	"iso":   func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
	"short": shorten,
	"dict": func(pairs ...any) map[string]any {
		m := map[string]any{}
		for i := 0; i+1 < len(pairs); i += 2 {
			m[pairs[i].(string)] = pairs[i+1] // the templates give names
		}
		return m
	},
}

// shorten cuts a text that only distinguishes one thing from others.
func shorten(s string) string {
	const most = 28
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// ago says in everyday words when something was.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	if d < time.Minute {
		return "just now"
	}
	return roughly(d) + " ago"
}

// until says in everyday words when something will be.
func until(now, t time.Time) string {
	d := t.Sub(now)
	if d <= 0 {
		return ago(now, t)
	}
	return "in " + roughly(d)
}

func roughly(d time.Duration) string {
	for _, u := range []struct {
		name     string
		of, from time.Duration
	}{
		{"year", 365 * day, 400 * day},
		{"month", 30 * day, 100 * day},
		{"day", day, 36 * time.Hour},
		{"hour", time.Hour, 90 * time.Minute},
	} {
		if d >= u.from {
			return plural(int((d+u.of/2)/u.of), u.name)
		}
	}
	return plural(max(1, int((d+30*time.Second)/time.Minute)), "minute")
}

const day = 24 * time.Hour

func plural(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

// soon limits how long a page waits for other servers; it then shows that they were slow.
const soon = 1500 * time.Millisecond

func (v *visit) shortContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(v.r.Context(), soon)
}
