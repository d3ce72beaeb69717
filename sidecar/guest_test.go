package sidecar_test

import (
	"context"
	"html"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// These are what the server, whose public URL is https, calls its cookies.
const sessionCookie, knownCookie = "__Host-vibn", "__Host-vibn-known"

// A guest is a browser that follows nothing by itself.
type guest struct {
	s      *server
	cookie string // of the session; empty = none
	known  string // by which the browser is known; empty = nobody signed in with it
}

// signedIn returns the browser of a person who used a sign-in link.
func (s *server) signedIn(t testing.TB, x *tenancytest.Tenant, user string) *guest {
	t.Helper()
	g := &guest{s: s}
	r := g.post(t, "/link", url.Values{"token": {s.link(t, x, user, "")}})
	if r.status != http.StatusSeeOther || g.cookie == "" {
		t.Fatalf("the link of %s: %d %s", user, r.status, r.body)
	}
	return g
}

// link makes a link: for a person to sign in with, or to join as.
func (s *server) link(t testing.TB, x *tenancytest.Tenant, user string, role tenancy.Role) string {
	t.Helper()
	_, token, err := s.Operator.LoginLink(t.Context(), x.Workspace, user, role, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token.Reveal()
}

func (g *guest) get(t testing.TB, path string) reply {
	t.Helper()
	return g.do(t, "GET", path, "", "", nil)
}

// post sends a form, as a page of ours would.
func (g *guest) post(t testing.TB, path string, form url.Values) reply {
	t.Helper()
	return g.do(t, "POST", path, "application/x-www-form-urlencoded", form.Encode(), map[string]string{"Sec-Fetch-Site": "same-origin"})
}

func (g *guest) do(t testing.TB, method, path, kind, body string, header map[string]string) reply {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, g.s.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	req.Header.Set("User-Agent", "Mozilla/5.0 (a test)")
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	for name, v := range header {
		req.Header.Set(name, v)
	}
	if g.cookie != "" {
		req.AddCookie(&http.Cookie{Name: sessionCookie, Value: g.cookie})
	}
	if g.known != "" {
		req.AddCookie(&http.Cookie{Name: knownCookie, Value: g.known})
	}
	client := *g.s.client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range resp.Cookies() {
		if c.Name != sessionCookie && c.Name != knownCookie || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			t.Errorf("%s %s sets the cookie %s", method, path, c)
		}
		if c.Name == knownCookie {
			g.known = c.Value
			continue
		}
		if g.cookie = c.Value; c.MaxAge < 0 {
			g.cookie = ""
		}
	}
	return reply{resp.StatusCode, resp.Header, string(raw)}
}

// call calls a tool's twin with the session.
func (g *guest) call(t testing.TB, tool mcp.Tool, slug string, args map[string]any) string {
	t.Helper()
	method, path, body := twinOf(t, tool, slug, args)
	kind := ""
	if body != "" {
		kind = "application/json"
	}
	r := g.do(t, method, path, kind, body, map[string]string{"Sec-Fetch-Site": "same-origin"})
	return r.body
}

// says fails the test unless a page has this status and says this.
func (r reply) says(t testing.TB, status int, want ...string) {
	t.Helper()
	if r.status != status {
		t.Fatalf("%d, want %d: %s %s", r.status, status, r.header.Get("Location"), r.text())
	}
	for _, w := range want {
		if !strings.Contains(r.text(), w) {
			t.Errorf("the page does not say %q:\n%s", w, r.text())
		}
	}
}

var tag = regexp.MustCompile(`<[^>]*>`)

// text is what a page says.
func (r reply) text() string {
	return strings.Join(strings.Fields(html.UnescapeString(tag.ReplaceAllString(r.body, " "))), " ")
}

// field returns the value of a form's hidden field.
func (r reply) field(t testing.TB, name string) string {
	t.Helper()
	m := regexp.MustCompile(`name="` + name + `" value="([^"]*)"`).FindStringSubmatch(r.body)
	if m == nil {
		t.Fatalf("no field %s in %s", name, r.body)
	}
	return html.UnescapeString(m[1])
}

// An expiries is a store of sessions that remembers when the last one that was stored ends.
type expiries struct {
	store.Sessions

	last  time.Time
	guest bool // nobody signed in, in that one
}

// CommitCtx implements scs.CtxStore.
func (e *expiries) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	e.last, e.guest = expiry, false
	return e.Sessions.CommitCtx(ctx, token, data, expiry)
}

// CommitGuestCtx implements sidecar.SessionStore.
func (e *expiries) CommitGuestCtx(ctx context.Context, token string, data []byte, expiry time.Time, most int) error {
	e.last, e.guest = expiry, true
	return e.Sessions.CommitGuestCtx(ctx, token, data, expiry, most)
}

// TestStrangersSessionsEndSoon: what a stranger's browser keeps here ends within the time
// that a sign-in takes, and the session of a person who signs in with it does not.
func TestStrangersSessionsEndSoon(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	sessions := &expiries{Sessions: s.DB.Sessions()}
	handler := sidecar.Handler(sidecar.Config{
		Guard: s.Guard, Registry: s.registry, PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"},
		Ready: func(context.Context) error { return nil }, Log: s.Logger, Sessions: sessions,
	})
	post := func(path string, form url.Values, cookies ...*http.Cookie) []*http.Cookie {
		r := httptest.NewRequestWithContext(t.Context(), "POST", path, strings.NewReader(form.Encode()))
		r.Host = "localhost"
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		for _, c := range cookies {
			r.AddCookie(c)
		}
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, r)
		if w.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", path, w.Code, w.Body)
		}
		return w.Result().Cookies()
	}
	known := &http.Cookie{Name: knownCookie, Value: s.signedIn(t, s.A, owner(s.A)).known}
	cookies := append(post("/w/"+s.A.Slug+"/keys", url.Values{"name": {"x"}}, known), known)
	if left := time.Until(sessions.last); left <= 0 || left > 31*time.Minute || !sessions.guest {
		t.Errorf("a stranger's session lasts %v, and is one of those that make room: %v", left, sessions.guest)
	}
	post("/link", url.Values{"token": {s.link(t, s.A, s.A.OwnerUserID, "")}}, cookies...)
	if left := time.Until(sessions.last); left < 2*time.Hour || sessions.guest {
		t.Errorf("a person's session lasts %v, and is one of those that make room: %v", left, sessions.guest)
	}
}

// TestStrangersFormsAreNotKept: a form is kept only for a browser with which somebody
// signed in, and nothing but what this server gave it then shows that.
func TestStrangersFormsAreNotKept(t *testing.T) {
	var ahead atomic.Int64
	s := newServer(t, tenancytest.Config{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	person := s.signedIn(t, s.A, owner(s.A))
	form := url.Values{"name": {"typed before"}}
	for who, known := range map[string]string{
		"a stranger":                  "",
		"who made something up":       "known",
		"who changed it":              person.known[:len(person.known)-1] + "x",
		"who shows a session's token": person.cookie,
	} {
		g := &guest{s: s, known: known}
		r := g.post(t, "/w/"+s.A.Slug+"/keys", form)
		if r.status != http.StatusSeeOther || g.cookie != "" || r.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: %d, with the session %q", who, r.status, g.cookie)
		}
		if page := g.get(t, r.header.Get("Location")); strings.Contains(page.text(), "is kept") {
			t.Errorf("%s: %s", who, page.text())
		}
	}
	if strings.Contains(person.known, owner(s.A)) || strings.Contains(person.known, s.A.Slug) {
		t.Errorf("the cookie tells who signed in: %s", person.known)
	}
	for days, kept := range map[int]bool{0: true, 89: true, 91: false} {
		ahead.Store(int64(days) * int64(24*time.Hour))
		g := &guest{s: s, known: person.known}
		r := g.post(t, "/w/"+s.A.Slug+"/keys", form)
		if page := g.get(t, r.header.Get("Location")); strings.Contains(page.text(), "What you typed is kept") != kept {
			t.Errorf("%d days after the sign-in: %s", days, page.text())
		}
	}
}
