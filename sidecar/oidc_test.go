package sidecar_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/secret"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/sidecar/oidctest"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

var (
	ann  = oidctest.Person{ID: "7", Username: "ann", Email: "ann@example.com", Name: "Ann"}
	twin = oidctest.Person{ID: "8", Username: "twin", Email: "ann@example.com", Name: "Ann"} // says that it has Ann's address
)

const callback = "https://vibn.example.com/login/callback"

// withProvider is a server whose people sign in with a real provider.
func withProvider(t testing.TB, database string, gitea bool) *server {
	t.Helper()
	issuer, err := url.Parse(oidctest.Provider(t, callback, ann, twin))
	if err != nil {
		t.Fatal(err)
	}
	return newServerWith(t, tenancytest.Config{Database: database}, &sidecar.Provider{
		Issuer: issuer, ClientID: oidctest.ClientID, ClientSecret: secret.NewText(oidctest.ClientSecret), Name: "Example", IsGitea: gitea,
	})
}

// atProvider signs somebody in at the provider and returns where it sends them back
// to: the path of ours, with what it says there.
func atProvider(t testing.TB, address, username string) string {
	t.Helper()
	jar, _ := cookiejar.New(nil) // never fails
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Host == "vibn.example.com" {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	page, err := client.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(page.Body)
	page.Body.Close()
	id := regexp.MustCompile(`name="id" value="([^"]+)"`).FindSubmatch(raw)
	if err != nil || id == nil {
		t.Fatalf("the provider shows no form: %v %s", err, raw)
	}
	back, err := client.PostForm(page.Request.URL.ResolveReference(&url.URL{Path: "/login/username"}).String(), url.Values{
		"id": {string(id[1])}, "username": {username}, "password": {oidctest.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	back.Body.Close()
	to, err := back.Location()
	if err != nil || to.Host != "vibn.example.com" {
		t.Fatalf("the provider does not send back: %d %v", back.StatusCode, back.Header)
	}
	return to.RequestURI()
}

// begin begins a sign-in and returns the provider's address.
func (g *guest) begin(t testing.TB, query string) string {
	t.Helper()
	r := g.get(t, "/login/start"+query)
	r.says(t, http.StatusSeeOther)
	return r.header.Get("Location")
}

// through signs in with the provider.
func (g *guest) through(t testing.TB, username, query string) reply {
	t.Helper()
	return g.get(t, atProvider(t, g.begin(t, query), username))
}

// TestOIDC signs people in with a real provider. They are joined by issuer and
// subject: who says that they have another's address gets a workspace of their own.
func TestOIDC(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := withProvider(t, database, false)
			g := &guest{s: s}
			g.get(t, "/login").says(t, http.StatusOK, "Sign in with Example")
			address, err := url.Parse(g.begin(t, ""))
			q := address.Query()
			if err != nil || q.Get("code_challenge_method") != "S256" || len(q.Get("state")) < 20 || len(q.Get("nonce")) < 20 || q.Get("redirect_uri") != callback || q.Get("response_type") != "code" {
				t.Errorf("the provider is asked %v", q)
			}
			before := g.cookie
			r := g.through(t, "ann", "?next=/w/alpha")
			if r.status != http.StatusSeeOther || r.header.Get("Location") != "/w/ann" || g.cookie == before {
				t.Fatalf("the first sign-in: %d to %q, cookie renewed: %v", r.status, r.header.Get("Location"), g.cookie != before)
			}
			g.get(t, "/w/ann").says(t, http.StatusOK, "Welcome", "Ann")
			w, err := s.Operator.Workspace(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			if p, err := s.Operator.Parts(t.Context(), w); err != nil || p.Wanted == 0 {
				t.Errorf("the workspace is not to be provisioned: %+v %v", p, err)
			}
			if r := (&guest{s: s}).through(t, "ann", "?next=/w/ann/keys"); r.header.Get("Location") != "/w/ann/keys" {
				t.Errorf("the second sign-in: %d to %q", r.status, r.header.Get("Location"))
			}
			other := &guest{s: s}
			if r := other.through(t, "twin", ""); r.header.Get("Location") != "/w/ann-2" {
				t.Errorf("the twin lands on %q", r.header.Get("Location"))
			}
			other.get(t, "/w/ann").says(t, http.StatusNotFound)
			g.get(t, "/w/alpha").says(t, http.StatusNotFound)
			if s.Log.String() != "" && strings.Contains(s.Log.String(), oidctest.ClientSecret) {
				t.Error("the log holds the client's secret")
			}
		})
	}
}

// TestOIDCForged: an answer of the provider's counts for the browser that asked,
// once, and no other does.
func TestOIDCForged(t *testing.T) {
	s := withProvider(t, "sqlite", false)
	victim, attacker := &guest{s: s}, &guest{s: s}
	victim.begin(t, "")
	mine := atProvider(t, attacker.begin(t, ""), "twin")
	for what, r := range map[string]reply{
		"another browser's answer":        victim.get(t, mine),
		"an answer that nobody asked for": (&guest{s: s}).get(t, mine),
		"no state":                        (&guest{s: s}).get(t, "/login/callback?code=x"),
	} {
		if r.status != http.StatusUnprocessableEntity || !strings.Contains(r.text(), "started in another browser") {
			t.Errorf("%s: %d %s", what, r.status, r.text())
		}
	}
	attacker.get(t, mine).says(t, http.StatusSeeOther)
	attacker.get(t, mine).says(t, http.StatusUnprocessableEntity) // again
	again := &guest{s: s}
	path := atProvider(t, again.begin(t, ""), "ann")
	again.get(t, regexp.MustCompile(`code=[^&]+`).ReplaceAllString(path, "code=made-up")).says(t, http.StatusForbidden, "does not identify a person")
	if r := again.get(t, "/account"); r.status != http.StatusSeeOther {
		t.Errorf("a made-up code signs in: %d", r.status)
	}
	refused := &guest{s: s}
	state, _ := url.Parse(refused.begin(t, ""))
	refused.get(t, "/login/callback?error=access_denied&error_description=<script>&state="+state.Query().Get("state")).says(t, http.StatusForbidden, "did not sign you in")
}

// TestOIDCInvite: an invitation is taken by whom the provider proves, who gets no
// workspace besides.
func TestOIDCInvite(t *testing.T) {
	s := withProvider(t, "sqlite", false)
	token := s.link(t, s.A, "", tenancy.RoleMember)
	g := &guest{s: s}
	g.get(t, "/link/"+token).says(t, http.StatusOK, "Continue with Example")
	g.post(t, "/link", url.Values{"token": {token}}).says(t, http.StatusOK, "You join when you come back")
	if r := g.through(t, "ann", ""); r.header.Get("Location") != "/w/alpha" {
		t.Fatalf("%d to %q %s", r.status, r.header.Get("Location"), r.text())
	}
	g.get(t, "/w/alpha").says(t, http.StatusOK, "You are in as member")
	if r := g.get(t, "/api/workspaces"); strings.Count(r.body, `"slug"`) != 1 {
		t.Errorf("the person's workspaces: %s", r.body)
	}
}

// TestOIDCConnect: a person whose row came from the platform signs in by a link,
// connects the provider's account, and needs no link any more.
func TestOIDCConnect(t *testing.T) {
	s := withProvider(t, "sqlite", true)
	g := s.signedIn(t, s.A, s.A.OwnerUserID)
	g.get(t, "/account").says(t, http.StatusOK, "Connect Example")
	if r := g.through(t, "twin", "?connect=1"); r.header.Get("Location") == "/account" {
		t.Error("a link of another site connects an account")
	}
	g = s.signedIn(t, s.A, s.A.OwnerUserID)
	g.post(t, "/account/connect", nil).says(t, http.StatusOK, "with the account that is yours")
	if r := g.through(t, "ann", ""); r.header.Get("Location") != "/account" {
		t.Fatalf("%d %s", r.status, r.text())
	}
	g.get(t, "/account").says(t, http.StatusOK, "From now on you sign in with Example")
	if r := (&guest{s: s}).through(t, "ann", ""); r.header.Get("Location") != "/w" {
		t.Errorf("%d to %q", r.status, r.header.Get("Location"))
	}
	members, err := s.Operator.Members(t.Context(), s.A.Workspace)
	if err != nil || len(members) != 1 || members[0].GiteaUserID != 7 {
		t.Errorf("the account on Gitea is not kept: %+v %v", members, err)
	}
	b := s.signedIn(t, s.B, s.B.OwnerUserID)
	b.post(t, "/account/connect", nil)
	b.through(t, "ann", "").says(t, http.StatusConflict, "belongs to another person")
	g.post(t, "/account/connect", nil)
	g.through(t, "twin", "").says(t, http.StatusConflict)
}

// TestOIDCDown: the server starts while the provider is down, and links work.
func TestOIDCDown(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	issuer, _ := url.Parse(dead.URL)
	dead.Close()
	s := newServerWith(t, tenancytest.Config{}, &sidecar.Provider{Issuer: issuer, ClientID: "x", ClientSecret: secret.NewText("y"), Name: "Example"})
	began := time.Now()
	(&guest{s: s}).get(t, "/login/start").says(t, http.StatusServiceUnavailable, "Example does not answer")
	if time.Since(began) >= 10*time.Second { // the time that a provider is given
		t.Error("it took long to say so")
	}
	s.signedIn(t, s.A, s.A.OwnerUserID).get(t, "/w/alpha").says(t, http.StatusOK)
}
