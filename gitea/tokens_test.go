package gitea_test

import (
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// A tokenServer is a Gitea that has one user, bob, and lets in by some ways
// only.
type tokenServer struct {
	byPassword   http.HandlerFunc // nil = open
	byAdminToken http.HandlerFunc
	byAdminRoute http.HandlerFunc
	patch        http.HandlerFunc

	mu  sync.Mutex
	log []string
}

// requests returns what was asked since it was last called.
func (s *tokenServer) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	log := s.log
	s.log = nil
	return log
}

var (
	unauthorized = answer(401, `{"message":"auth required"}`)
	anonymous403 = answer(403, `{"message":"doer should be the site admin or be same as the contextUser"}`)
	notFound     = answer(404, `{"message":"not found"}`)
	ceiling      = answer(403, `{"message":"cannot create an access token with a broader scope than the authenticating token"}`)
)

func (s *tokenServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	who := credential(r)
	s.mu.Lock()
	s.log = append(s.log, r.Method+" as "+who)
	s.mu.Unlock()
	door := s.byAdminRoute
	switch {
	case r.Method == http.MethodPatch && s.patch != nil:
		door = s.patch
	case r.Method == http.MethodPatch:
		door = answer(200, bobJSON)
	case who == user:
		door = s.byPassword
	case who == adminBasic && r.Header.Get("Sudo") == "bob":
		door = s.byAdminToken
	case who != admin || !strings.HasPrefix(r.URL.Path, basePath+"/api/v1/admin/users/bob/tokens"):
		door = answer(400, `{"message":"this is no way at all"}`)
	}
	switch {
	case door != nil:
		door(w, r)
	case r.Method == http.MethodPost:
		answer(201, tokenJSON)(w, r)
	case r.Method == http.MethodDelete:
		answer(204, "")(w, r)
	default:
		answer(200, `[{"id":43,"name":"vibn-1"}]`, "X-Total-Count", "1")(w, r)
	}
}

// TestWays: the first way that is open is taken, found once, and a server that
// has none says so.
func TestWays(t *testing.T) {
	const (
		patch = "PATCH as " + admin
		byPw  = " as " + user
		byTok = " as " + adminBasic
		byAdm = " as " + admin
	)
	for _, tc := range []struct {
		name   string
		server *tokenServer
		ways   []string // of a Create
		kind   error
	}{
		{"by password", &tokenServer{}, []string{patch, "POST" + byPw}, nil},
		{"basic off", &tokenServer{byPassword: anonymous403}, []string{patch, "POST" + byPw, "POST" + byTok}, nil},
		{"basic off, private user", &tokenServer{byPassword: notFound}, []string{patch, "POST" + byPw, "POST" + byTok}, nil},
		{
			"Forgejo with basic off", &tokenServer{byPassword: anonymous403, byAdminToken: unauthorized},
			[]string{patch, "POST" + byPw, "POST" + byTok, "POST" + byAdm},
			nil,
		},
		{
			"no way", &tokenServer{byPassword: notFound, byAdminToken: unauthorized, byAdminRoute: page404},
			[]string{patch, "POST" + byPw, "POST" + byTok, "POST" + byAdm},
			gitea.ErrAuthMethod,
		},
		{"a ceiling", &tokenServer{byPassword: anonymous403, byAdminToken: ceiling}, []string{patch, "POST" + byPw, "POST" + byTok}, gitea.ErrScope},
		{"no such user", &tokenServer{patch: notFound}, []string{patch}, gitea.ErrNotFound},
		{"admin token dead", &tokenServer{patch: unauthorized}, []string{patch}, gitea.ErrUnauthorized},
		{"no admin", &tokenServer{patch: anonymous403}, []string{patch}, gitea.ErrForbidden},
		{"another user changed", &tokenServer{patch: answer(200, `{"id":8,"login":"eve"}`)}, []string{patch}, gitea.ErrUnavailable},
		{"name taken", &tokenServer{byPassword: answer(400, `{"message":"access token name has been used already"}`)}, []string{patch, "POST" + byPw}, gitea.ErrInvalid},
		{"suspended", &tokenServer{patch: answer(200, strings.Replace(bobJSON, `"prohibit_login":false`, `"prohibit_login":true`, 1))}, []string{patch, "POST" + byTok}, nil},
		{"lost", &tokenServer{byPassword: hangUp}, []string{patch, "POST" + byPw}, gitea.ErrUnavailable},
		{"a secret of nothing", &tokenServer{byPassword: answer(201, `{"id":43,"name":"vibn-1","sha1":""}`)}, []string{patch, "POST" + byPw}, gitea.ErrUnavailable},
		{"another token", &tokenServer{byPassword: answer(201, `{"id":43,"name":"other","sha1":"x"}`)}, []string{patch, "POST" + byPw}, gitea.ErrUnavailable},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := connect(t, serve(t, tc.server.ServeHTTP))
			tokens := c.TokensOf("bob")
			got, err := tokens.Create(t.Context(), "vibn-1", []string{"write:issue"})
			if diff := cmp.Diff(tc.ways, tc.server.requests()); diff != "" {
				t.Errorf("requests (-want +got):\n%s", diff)
			}
			if tc.kind != nil {
				refuseSecrets(t, err)
				if !errors.Is(err, tc.kind) || got.ID != 0 || !got.Secret.IsZero() {
					t.Errorf("Create() = %+v, %v, want %v", got, err, tc.kind)
				}
				return
			}
			if diff := cmp.Diff(made, got, same); diff != "" || err != nil {
				t.Errorf("Create(): %v (-want +got):\n%s", err, diff)
			}
			err = tokens.Delete(t.Context(), 43)
			if log := tc.server.requests(); err != nil || len(log) != 1 {
				t.Errorf("Delete() = %v after %q, want one request by the way that is known", err, log)
			}
		})
	}
}

// TestAuthMethod: that no way is open is a refusal, and nothing else.
func TestAuthMethod(t *testing.T) {
	s := &tokenServer{byPassword: notFound, byAdminToken: unauthorized, byAdminRoute: page404}
	_, err := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob").List(t.Context())
	if !errors.Is(err, gitea.ErrForbidden) || errors.Is(err, gitea.ErrScope) || errors.Is(err, gitea.ErrNotFound) || errors.Is(err, gitea.ErrRouteMissing) {
		t.Errorf("List() = %v, want %v only", err, gitea.ErrForbidden)
	}
}

// TestDeleteFindsItsWay: where basic authentication is off, a user that is not
// shown is not taken for a token that is gone.
func TestDeleteFindsItsWay(t *testing.T) {
	s := &tokenServer{byPassword: notFound}
	if err := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob").Delete(t.Context(), 43); err != nil {
		t.Errorf("Delete() = %v, want it to be done", err)
	}
	if log := s.requests(); log[len(log)-1] != "DELETE as "+adminBasic {
		t.Errorf("the requests were %q", log)
	}
	s = &tokenServer{byPassword: func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			notFound(w, r)
			return
		}
		answer(200, `[]`)(w, r)
	}}
	if err := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob").Delete(t.Context(), 43); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Delete() of what is gone = %v, want %v", err, gitea.ErrNotFound)
	}
}

// TestSuspendedSince: tokens can be deleted of a user that was suspended after
// others were made.
func TestSuspendedSince(t *testing.T) {
	s := &tokenServer{}
	tokens := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob")
	if _, err := tokens.Create(t.Context(), "vibn-1", []string{"write:issue"}); err != nil {
		t.Fatal(err)
	}
	s.patch, s.byPassword = answer(200, strings.Replace(bobJSON, `"active":true`, `"active":false`, 1)), unauthorized
	if err := tokens.Delete(t.Context(), 43); err != nil {
		t.Errorf("Delete() = %v", err)
	}
	s.byAdminToken = notFound
	if err := tokens.Delete(t.Context(), 43); !errors.Is(err, gitea.ErrNotFound) {
		t.Errorf("Delete() again = %v, want %v", err, gitea.ErrNotFound)
	}
}

// A contested server has one password, which each of several clients sets.
type contested struct {
	mu       sync.Mutex
	password string
	resets   int
	made     int
}

func (s *contested) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.Method == http.MethodPatch {
		s.resets++
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		_, after, _ := strings.Cut(string(body), `"password":"`)
		s.password, _, _ = strings.Cut(after, `"`)
		answer(200, bobJSON)(w, r)
		return
	}
	if _, password, _ := r.BasicAuth(); password != s.password {
		unauthorized(w, r)
		return
	}
	s.made++
	answer(201, tokenJSON)(w, r)
}

// TestReplicas: several at once each get their token, though each sets the
// password of the same user.
func TestReplicas(t *testing.T) {
	s := &contested{}
	c := connect(t, serve(t, s.ServeHTTP))
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := c.TokensOf("bob").Create(t.Context(), "vibn-1", []string{"write:issue"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.made != 3 {
		t.Errorf("%d tokens were made, want 3", s.made)
	}
}

// TestOthersKeepWinning: the password is set eight times and no more, and then
// another way is tried.
func TestOthersKeepWinning(t *testing.T) {
	s := &tokenServer{byPassword: unauthorized, byAdminToken: unauthorized, byAdminRoute: page404}
	_, err := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob").Create(t.Context(), "vibn-1", []string{"write:issue"})
	if n := len(s.requests()); !errors.Is(err, gitea.ErrAuthMethod) || n != 18 {
		t.Errorf("Create() = %v after %d requests, want %v after 18", err, n, gitea.ErrAuthMethod)
	}
	lost := 0
	s = &tokenServer{byPassword: func(w http.ResponseWriter, r *http.Request) {
		if lost++; lost < 8 {
			unauthorized(w, r)
			return
		}
		answer(201, tokenJSON)(w, r)
	}}
	if _, err := connect(t, serve(t, s.ServeHTTP)).TokensOf("bob").Create(t.Context(), "vibn-1", nil); err != nil {
		t.Errorf("Create() at the eighth time: %v", err)
	}
}

// TestPasswords: each is another, and has characters of every sort that a server
// may demand.
func TestPasswords(t *testing.T) {
	seen := map[string]bool{}
	s := &tokenServer{patch: func(w http.ResponseWriter, r *http.Request) {
		body := make([]byte, r.ContentLength)
		_, _ = r.Body.Read(body)
		_, after, _ := strings.Cut(string(body), `"password":"`)
		password, _, _ := strings.Cut(after, `"`)
		for _, sort := range []string{"abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789", "-"} {
			if !strings.ContainsAny(password, sort) || len(password) < 40 || len(password) > 255 || seen[password] {
				t.Errorf("password %q", password)
			}
		}
		seen[password] = true
		answer(200, bobJSON)(w, r)
	}}
	c := connect(t, serve(t, s.ServeHTTP))
	for range 4 {
		if _, err := c.TokensOf("bob").List(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 4 {
		t.Errorf("%d passwords, want 4", len(seen))
	}
}

// TestInstance: what the probes make of a refusal.
func TestInstance(t *testing.T) {
	for _, tc := range []struct {
		status                  int
		anonymous, trust, basic bool
	}{{401, false, false, true}, {403, false, false, false}} {
		c := connect(t, serve(t, answer(tc.status, `{"message":"no"}`)))
		for name, probe := range map[string]struct {
			run  func() (bool, error)
			want bool
		}{
			"AnonymousAccess":   {func() (bool, error) { return c.AnonymousAccess(t.Context()) }, tc.anonymous},
			"TrustsProxyHeader": {func() (bool, error) { return c.TrustsProxyHeader(t.Context(), "bob") }, tc.trust},
			"BasicAuthWorks":    {func() (bool, error) { return c.BasicAuthWorks(t.Context()) }, tc.basic},
		} {
			if got, err := probe.run(); got != probe.want || err != nil {
				t.Errorf("%s() of a %d = %v, %v, want %v", name, tc.status, got, err, probe.want)
			}
		}
	}
	c := connect(t, serve(t, unauthorized))
	if alive, err := c.bot.Alive(t.Context()); alive || err != nil {
		t.Errorf("Alive() of a 401 = %v, %v, want false", alive, err)
	}
	for page, want := range map[string]bool{
		`<form action="/code/user/sign_up" method="post"><p>Registration is disabled.</p></form>`: false,
		`<form method="post" action="/user/sign_up"><input name="user_name">`:                     true,
	} {
		c := connect(t, serve(t, answer(200, page)))
		if open, err := c.SignUpOpen(t.Context()); open != want || err != nil {
			t.Errorf("SignUpOpen() of %s = %v, %v, want %v", page, open, err, want)
		}
	}
}

// TestDeadBot: a bot whose token no header can carry sends nothing.
func TestDeadBot(t *testing.T) {
	c := connect(t, serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s %s was sent", r.Method, r.URL) }))
	for _, pat := range []string{"", "canary\nX-Evil: 1"} {
		b := c.Bot(secret.NewText(pat)).Metered(free)
		if _, err := b.Alive(t.Context()); !errors.Is(err, gitea.ErrInvalid) {
			t.Errorf("Alive() = %v, want %v", err, gitea.ErrInvalid)
		}
	}
}
