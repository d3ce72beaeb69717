package gitea_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// kinds are all that an error can be.
var kinds = []error{
	gitea.ErrNotFound, gitea.ErrRouteMissing, gitea.ErrUnauthorized, gitea.ErrForbidden, gitea.ErrConflict, gitea.ErrInvalid,
	gitea.ErrRateLimited, gitea.ErrUnavailable, gitea.ErrTimeout, gitea.ErrUnmetered, gitea.ErrRenamed,
}

// When a call is tried again.
const (
	never   = iota
	reads   // what may be done twice
	anybody // writes too: it was surely not carried out
)

// A fault is one way in which an answer can be wrong.
type fault struct {
	name    string
	answer  http.HandlerFunc
	status  int
	kind    error
	unknown bool // a write may have been carried out
	again   int
	detail  string // in the error's Detail, for what sends no secret
}

// echo refuses with all that it was told.
func echo(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, password, _ := r.BasicAuth()
		header := r.Header.Get("Authorization")
		_, value, _ := strings.Cut(header, " ")
		said := strings.Join([]string{header, value, password, string(body)}, " ")
		answer(status, fmt.Sprintf(`{"message":%q}`, said))(w, r)
	}
}

// cut promises more than it sends.
func cut(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"message":"half`)
	}
}

func hangUp(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// endless promises more than any answer may have.
func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", strconv.Itoa(8<<20+1))
	_, _ = io.WriteString(w, `{`)
}

// renamed answers as Gitea does to an old name. The client must not follow.
func renamed(status int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, basePath+"/api/v1/stolen", status)
	}
}

func garbage(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Location", "://x")
	w.WriteHeader(http.StatusFound)
}

// page404 is what Go's routers say.
func page404(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

var faults = []fault{
	{"401", answer(401, `{"message":"invalid username, password or token","url":"u"}`), 401, gitea.ErrUnauthorized, false, never, "invalid username"},
	{"401 page", answer(401, `<html>`), 401, gitea.ErrUnauthorized, false, never, ""},
	{"403", answer(403, `{"message":"user should be the site admin"}`), 403, gitea.ErrForbidden, false, never, "site admin"},
	{"404", answer(404, `{"errors":null,"message":"not found","url":"u"}`), 404, gitea.ErrNotFound, false, never, "not found"},
	{"404 of the router", page404, 404, gitea.ErrRouteMissing, false, never, ""},
	{"404 page of a proxy", answer(404, "<html>nothing here"), 404, gitea.ErrUnavailable, false, never, ""},
	{"404 of something else", answer(404, `{"error":"no backend"}`), 404, gitea.ErrUnavailable, false, never, ""},
	{"404 cut", cut(404), 404, gitea.ErrUnavailable, false, never, ""},
	{"405", answer(405, `{"message":"no"}`), 405, gitea.ErrRouteMissing, false, never, "no"},
	{"409", answer(409, `{"message":"The repository with the same name already exists."}`), 409, gitea.ErrConflict, false, never, "already exists"},
	{"422", answer(422, `{"message":"user already exists [name: x]"}`), 422, gitea.ErrInvalid, false, never, "already exists"},
	{"400", answer(400, `{"message":"PasswordIsRequired"}`), 400, gitea.ErrInvalid, false, never, "PasswordIsRequired"},
	{"422 echo", echo(422), 422, gitea.ErrInvalid, false, never, ""},
	{"413 of a proxy", answer(413, `<html>`), 413, gitea.ErrInvalid, false, never, ""},
	{"429", answer(429, `<html>`), 429, gitea.ErrRateLimited, false, never, ""},
	{"429 now", answer(429, `<html>`, "Retry-After", "0"), 429, gitea.ErrRateLimited, false, anybody, ""},
	{"500", answer(500, `{"message":"user still has ownership of repositories [uid: 46]"}`), 500, gitea.ErrUnavailable, true, reads, "ownership"},
	{"500 echo", echo(500), 500, gitea.ErrUnavailable, true, reads, ""},
	{"500 without words", answer(500, `{"message":"","url":"u"}`), 500, gitea.ErrUnavailable, true, reads, ""},
	{"502 cut", cut(502), 502, gitea.ErrUnavailable, true, reads, ""},
	{"503 page", answer(503, `<!DOCTYPE html><html>overloaded</html>`), 503, gitea.ErrUnavailable, true, reads, ""},
	{"301", renamed(301), 301, gitea.ErrRenamed, false, never, ""},
	{"302", renamed(302), 302, gitea.ErrRenamed, false, never, ""},
	{"307", renamed(307), 307, gitea.ErrRenamed, false, never, ""},
	{"302 garbage", garbage, 302, gitea.ErrRenamed, false, reads, ""},
	{"cut", cut(200), 200, gitea.ErrUnavailable, true, reads, ""},
	{"hang up", hangUp, 0, gitea.ErrUnavailable, true, reads, ""},
	{"endless", endless, 200, gitea.ErrUnavailable, true, never, ""},
	{"page", answer(200, `<html>log in</html>`), 200, gitea.ErrUnavailable, true, never, ""},
	{"nothing", answer(200, ``), 200, gitea.ErrUnavailable, true, never, ""},
	{"null", answer(200, `null`), 200, gitea.ErrUnavailable, true, never, ""},
	{"{}", answer(200, `{}`), 200, gitea.ErrUnavailable, true, never, ""},
	{"other JSON", answer(200, `{"status":"ok"}`), 200, gitea.ErrUnavailable, true, never, ""},
	{"a list of nothing", answer(200, `[null]`), 200, gitea.ErrUnavailable, true, never, ""},
	{"another thing", answer(200, `{"id":77,"name":"other","username":"other","rule_name":"x","status":"fail","owner":{"id":8,"login":"other"},"config":{"url":"x"}}`), 200, gitea.ErrUnavailable, true, never, ""},
	{"a list of another's", answer(200, `[{"id":77,"name":"other","owner":{"id":8,"login":"other"}}]`), 200, gitea.ErrUnavailable, true, never, ""},
}

// sendSecrets are the methods whose requests hold one, whatever is sent.
var sendSecrets = []string{"Admin.CreateUser", "RepoClient.CreateHook", "OrgClient.CreateHook", "Admin.UpdateUser"}

// takes reports whether the method makes something else of the fault than an
// error, or sees no fault in it.
func (c call) takes(f fault) bool {
	if c.method == "Bot.MayFork" || c.method == "RepoClient.SSHWorks" { // what it makes of refusals: TestLooks
		return true
	}
	switch {
	case c.asks():
		return errors.Is(f.kind, gitea.ErrNotFound) || f.status == 422 // Gitea has looked at the scopes then
	case c.method == "Admin.UsersListed" && slices.ContainsFunc([]error{gitea.ErrNotFound, gitea.ErrForbidden, gitea.ErrRouteMissing}, f.is):
		return true
	case f.status == 200 && f.name != "cut" && f.name != "endless":
		return f.name == "nothing" && c.steps[0].answer == "" || fits[f.name][c.method]
	case f.status == 401:
		return slices.Contains([]string{"Admin.AnonymousAccess", "Admin.TrustsProxyHeader", "Admin.BasicAuthWorks", "Bot.Alive"}, c.method)
	case f.status == 403:
		return slices.Contains([]string{"Admin.AnonymousAccess", "Admin.TrustsProxyHeader", "Admin.BasicAuthWorks"}, c.method)
	}
	return false
}

// asks reports whether the method asks what the token may, and nothing more.
func (c call) asks() bool { return strings.Contains(c.method, ".MayWrite") }

func (f fault) is(kind error) bool { return errors.Is(f.kind, kind) }

// fits has the methods for which a wrong answer of others is a right one.
var fits = map[string]map[string]bool{
	"a list of another's": {
		"OrgClient.Teams": true, "Admin.UserKeys": true, "Admin.UserGPGKeys": true, "Admin.UserOAuth2Apps": true, "RepoClient.DeployKeys": true,
		"RepoClient.Hooks": true, "OrgClient.Hooks": true,
	},
}

// TestFaults proves for every call of one request and every fault what becomes
// of it.
func TestFaults(t *testing.T) {
	for _, f := range faults {
		t.Run(f.name, func(t *testing.T) {
			c := connect(t, serve(t, f.answer))
			for _, tc := range calls {
				if len(tc.steps) > 1 || tc.takes(f) {
					continue
				}
				c.meter.admitted.Store(0)
				got, err := tc.run(t.Context(), c)
				if err == nil {
					t.Errorf("%s = %v, want an error", tc.method, got)
					continue
				}
				judgeFault(t, f, tc, err)
				if n := c.meter.admitted.Load(); n != f.attempts(tc) {
					t.Errorf("%s: %d attempts, want %d", tc.method, n, f.attempts(tc))
				}
			}
		})
	}
}

// attempts returns how many requests the call sends.
func (f fault) attempts(c call) int64 {
	if f.again == anybody || (f.again == reads && !c.writes()) {
		return 3
	}
	if c.method == "Admin.UserByID" && slices.Contains([]error{gitea.ErrNotFound, gitea.ErrRouteMissing, gitea.ErrForbidden}, f.kind) {
		return 2 // and then the list of all users
	}
	return 1
}

func judgeFault(t *testing.T, f fault, tc call, err error) {
	t.Helper()
	refuseSecrets(t, err)
	for _, kind := range kinds {
		if is := errors.Is(err, kind); is != errors.Is(f.kind, kind) {
			t.Errorf("%s: errors.Is(%v, %v) = %v", tc.method, err, kind, is)
		}
	}
	e, ok := errors.AsType[*gitea.Error](err)
	if !ok {
		t.Fatalf("%s: %T, want *gitea.Error", tc.method, err)
	}
	if e.Status != f.status || e.Unknown != (f.unknown && tc.writes()) {
		t.Errorf("%s: status %d, unknown %v; want %d, %v", tc.method, e.Status, e.Unknown, f.status, f.unknown && tc.writes())
	}
	if slices.Contains(sendSecrets, tc.method) && strings.Contains(tc.steps[0].body, canaryPassword) {
		f.detail = ""
		if e.Detail != "" {
			t.Errorf("%s: detail %q could repeat a secret", tc.method, e.Detail)
		}
	}
	if !strings.Contains(e.Detail, f.detail) {
		t.Errorf("%s: detail %q, want %q in it", tc.method, e.Detail, f.detail)
	}
	if !strings.HasPrefix(err.Error(), "gitea: ") {
		t.Errorf("%s: %v does not say whose error it is", tc.method, err)
	}
}

// TestScope: the one 403 that a better token would cure is told apart, by words.
func TestScope(t *testing.T) {
	for message, want := range map[string]bool{
		"token does not have at least one of required scope(s), required=[write:admin], token scope=write:organization": true,
		"cannot create an access token with a broader scope than the authenticating token":                              true,
		"user should be the site admin": false, "Only administrators allowed to sudo.": false, "": false,
	} {
		c := connect(t, serve(t, answer(403, fmt.Sprintf(`{"message":%q}`, message))))
		_, err := c.Self(t.Context())
		if !errors.Is(err, gitea.ErrForbidden) || errors.Is(err, gitea.ErrScope) != want {
			t.Errorf("403 %q: %v, want %v, a scope: %v", message, err, gitea.ErrForbidden, want)
		}
	}
}

// TestHang: every request ends by itself, and a write that got no answer may
// have been carried out.
func TestHang(t *testing.T) {
	for _, tc := range calls {
		if len(tc.steps) > 1 {
			continue
		}
		t.Run(tc.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := connect(t, overWire(func(r *http.Request) (*http.Response, error) {
					<-r.Context().Done()
					return nil, r.Context().Err()
				}))
				began := time.Now()
				_, err := tc.run(context.Background(), c)
				if took := time.Since(began); took != 10*time.Second {
					t.Errorf("%s took %s, want 10s", tc.method, took)
				}
				judgeFault(t, fault{kind: gitea.ErrTimeout, unknown: true}, tc, err)
			})
		})
	}
}

// TestUnmetered: a client that nobody gave a meter sends nothing.
func TestUnmetered(t *testing.T) {
	cfg := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) })
	a, err := gitea.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b := a.Bot(secret.NewText(canaryBot))
	for name, unmetered := range map[string]clients{
		"new": {Admin: a, bot: b}, "without a meter": {Admin: a.Metered(nil), bot: b.Metered(nil)},
		"of a metered admin": {Admin: a, bot: connect(t, cfg).Bot(secret.NewText(canaryBot))},
	} {
		for _, tc := range calls {
			if _, err := tc.run(t.Context(), unmetered); !errors.Is(err, gitea.ErrUnmetered) {
				t.Errorf("%s of a client %s: %v, want %v", tc.method, name, err, gitea.ErrUnmetered)
			}
		}
	}
}

type refusal struct{}

func (*refusal) Error() string { return "not now" }

// TestMeterRefuses: each page and each attempt is asked for, and what a meter
// refuses is not sent.
func TestMeterRefuses(t *testing.T) {
	for allowed := range int64(4) {
		var asked, done, hits atomic.Int64
		c := connect(t, serve(t, func(w http.ResponseWriter, r *http.Request) {
			if hits.Add(1) > 1 {
				answer(502, `<html>`)(w, r)
				return
			}
			answer(200, "["+bobJSON+"]", "X-Total-Count", "2")(w, r)
		}))
		metered := c.Metered(func(context.Context, gitea.Operation) (func(), error) {
			if asked.Add(1) > allowed {
				return nil, &refusal{}
			}
			return func() { done.Add(1) }, nil
		})
		got, err := metered.Org("vibn-acme").Members(t.Context())
		if _, ok := errors.AsType[*refusal](err); !ok || got != nil {
			t.Errorf("OrgMembers() = %v, %v, want the meter's error", got, err)
		}
		if e, ok := errors.AsType[*gitea.Error](err); !ok || e.Kind != nil || e.Unknown || e.Path != "/orgs/vibn-acme/members" {
			t.Errorf("error = %#v, want one of the members with no kind", e)
		}
		if hits.Load() != allowed || done.Load() != allowed || asked.Load() != allowed+1 {
			t.Errorf("asked %d, sent %d, done %d; want %d, %d, %d", asked.Load(), hits.Load(), done.Load(), allowed+1, allowed, allowed)
		}
	}
}

// TestClientsDoNotPrint: no client shows its token.
func TestClientsDoNotPrint(t *testing.T) {
	cfg := serve(t, answer(200, `{}`))
	c := connect(t, cfg)
	tokens := c.TokensOf("bob")
	if _, err := tokens.List(t.Context()); err == nil {
		t.Error("no error")
	}
	cfg.Transport = nil // its connections may still be at work
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		for _, v := range []any{cfg, c.Admin, *c.Admin, c.bot, *c.bot, tokens, *tokens} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, "canary") || strings.Contains(text, "vA7-") {
				t.Errorf("%s of %T holds a secret: %s", verb, v, text)
			}
		}
	}
}
