package sidecar_test

import (
	"context"
	"errors"
	"fmt"
	"html"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// age makes a browser's sign-in as old as that.
func (g *guest) age(t testing.TB, old time.Duration) {
	t.Helper()
	ctx, sessions := t.Context(), g.s.DB.Sessions()
	data, found, err := sessions.FindCtx(ctx, g.cookie)
	if err != nil || !found {
		t.Fatalf("the session: %v, %v", found, err)
	}
	codec := scs.GobCodec{}
	deadline, values, err := codec.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	values["since"] = time.Now().Add(-old).UnixMicro()
	if data, err = codec.Encode(deadline, values); err == nil {
		err = sessions.CommitCtx(ctx, g.cookie, data, deadline)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signsIn signs the person in again, in the same browser, and returns where that leads.
func (g *guest) signsIn(t testing.TB, x *tenancytest.Tenant, user string) string {
	t.Helper()
	r := g.post(t, "/link", url.Values{"token": {g.s.link(t, x, user, "")}})
	if r.status != http.StatusSeeOther {
		t.Fatalf("sign in again: %d %s", r.status, r.text())
	}
	return r.header.Get("Location")
}

// goOn sends the form with which a page offers to go on.
func (g *guest) goOn(t testing.TB, page reply) reply {
	t.Helper()
	card := regexp.MustCompile(`(?s)<form method="post" action="([^"]+)">((?:<input type="hidden"[^>]*>)*)\s*<button class="button">Go on</button>`).FindStringSubmatch(page.body)
	if card == nil {
		t.Fatalf("the page does not offer to go on: %s", page.text())
	}
	form := url.Values{}
	for _, f := range regexp.MustCompile(`name="([^"]*)" value="([^"]*)"`).FindAllStringSubmatch(card[2], -1) {
		form.Set(html.UnescapeString(f[1]), html.UnescapeString(f[2]))
	}
	return g.post(t, html.UnescapeString(card[1]), form)
}

// TestPageSignInAgain: what gives power or shows a secret needs a sign-in of the last five
// minutes. The person is told why, comes back to what they were doing, and it is done when
// they say so; nothing was done before.
func TestPageSignInAgain(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	home := "/w/" + s.A.Slug
	for user, role := range map[string]tenancy.Role{"raised": tenancy.RoleMember, "lowered": tenancy.RoleAdmin} {
		if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.A.ID, UserID: user, Role: role, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	roleOf := func(user string) tenancy.Role {
		_, role, err := s.DB.Membership(t.Context(), s.A.Slug, user)
		if err != nil {
			t.Fatal(err)
		}
		return role
	}
	for _, tc := range []struct {
		name, path string
		form       url.Values
		page, why  string
		offer      string // what the page says that it goes on with; empty = the form is filled in
		done       string // what the page says then
	}{
		{"invite", home + "/people/invite", url.Values{"role": {"admin"}}, home + "/people", "People are invited only shortly after", "make an invitation, admin", "Send this link"},
		{"role", home + "/people/role", url.Values{"user": {"raised"}, "role": {"owner"}}, home + "/people", "A role is raised only shortly after", "change a role, raised, owner", ""},
		{"token", home + "/bot-token", nil, home, "A secret is shown only shortly after", "show your token for git", "Your token for git"},
		{"value", home + "/apps/" + s.A.Web.UUID + "/reveal", url.Values{"key": {"SECRET_OF_ALPHA"}}, home + "/apps/" + s.A.Web.UUID, "A secret is shown only shortly after", "show a value, SECRET_OF_ALPHA", s.A.Canary},
		{"key", home + "/keys", url.Values{"request": {strings.Repeat("A", 26)}, "name": {"my agent"}, "preset": {"viewer"}, "days": {"7"}}, home + "/keys", "A key is made only shortly after", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			g := s.signedIn(t, s.A, owner(s.A))
			g.age(t, tenancy.Recently-time.Minute)
			if r := g.get(t, tc.page); strings.Contains(r.text(), "Go on?") {
				t.Errorf("before anything: %s", r.text())
			}
			g.age(t, tenancy.Recently+time.Second)
			r := g.post(t, tc.path, tc.form)
			login := r.header.Get("Location")
			if r.status != http.StatusSeeOther || !strings.HasPrefix(login, "/login?again=") {
				t.Fatalf("with an old sign-in: %d %s %s", r.status, login, r.text())
			}
			g.get(t, login).says(t, http.StatusOK, tc.why, "What you were doing is kept", "Cancel")
			if roleOf("raised") != tenancy.RoleMember && tc.name == "role" {
				t.Error("the role was raised before")
			}
			if to := g.signsIn(t, s.A, owner(s.A)); to != tc.page {
				t.Errorf("the sign-in leads to %s, want %s", to, tc.page)
			}
			page := g.get(t, tc.page)
			if tc.offer == "" {
				page.says(t, http.StatusOK)
				if !strings.Contains(page.body, `value="my agent"`) || strings.Contains(page.text(), "Go on?") {
					t.Errorf("the form is not filled in: %s", page.body)
				}
				return
			}
			page.says(t, http.StatusOK, tc.offer, "Nothing has been done yet")
			if r := g.goOn(t, page); !strings.Contains(r.text()+r.body, tc.done) {
				t.Errorf("going on: %d %s", r.status, r.text())
			}
			if again := g.get(t, tc.page); strings.Contains(again.text(), "Go on?") {
				t.Error("it is offered a second time")
			}
			if tc.name == "role" && roleOf("raised") != tenancy.RoleOwner {
				t.Error("the role is not raised")
			}
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		g := s.signedIn(t, s.A, owner(s.A))
		g.age(t, time.Hour)
		login := g.post(t, home+"/people/invite", url.Values{"role": {"admin"}}).header.Get("Location")
		g.get(t, login).says(t, http.StatusOK, "Cancel")
		if r := g.post(t, "/login/cancel", url.Values{"next": {home + "/people"}}); r.header.Get("Location") != home+"/people" {
			t.Errorf("cancel leads to %s", r.header.Get("Location"))
		}
		g.signsIn(t, s.A, owner(s.A))
		if r := g.get(t, home+"/people"); r.status != http.StatusOK || strings.Contains(r.text(), "Go on?") {
			t.Errorf("after cancelling: %d %s", r.status, r.text())
		}
	})
	t.Run("another person", func(t *testing.T) {
		g := s.signedIn(t, s.A, owner(s.A))
		g.age(t, time.Hour)
		g.post(t, home+"/people/invite", url.Values{"role": {"owner"}})
		g.signsIn(t, s.A, "lowered")
		if r := g.get(t, home+"/people"); strings.Contains(r.text(), "Go on?") {
			t.Error("another person is offered to go on")
		}
	})
	t.Run("what takes power away", func(t *testing.T) {
		g := s.signedIn(t, s.A, owner(s.A))
		g.age(t, time.Hour)
		g.post(t, home+"/people/role", url.Values{"user": {"lowered"}, "role": {"member"}}).says(t, http.StatusSeeOther)
		if roleOf("lowered") != tenancy.RoleMember {
			t.Error("to lower a role needs a sign-in")
		}
		g.post(t, home+"/people/remove", url.Values{"user": {"lowered"}}).says(t, http.StatusSeeOther)
	})
	t.Run("REST", func(t *testing.T) {
		g := s.signedIn(t, s.A, owner(s.A))
		mint := func() reply {
			return g.do(t, "POST", "/api/workspaces/"+s.A.Slug+"/keys", "application/json", `{"name":"x"}`, map[string]string{"Sec-Fetch-Site": "same-origin"})
		}
		g.age(t, time.Hour)
		if r := mint(); r.status != http.StatusForbidden || !strings.Contains(r.body, "sign-in of the last five minutes") {
			t.Errorf("a key over REST with an old sign-in: %d %s", r.status, r.body)
		}
		g.age(t, time.Minute)
		if r := mint(); r.status != http.StatusOK || !strings.Contains(r.body, `"key"`) {
			t.Errorf("a key over REST: %d %s", r.status, r.body)
		}
	})
}

// TestRoomsNeedARecentSignIn: the rooms prove it themselves, whatever a door forgets.
func TestRoomsNeedARecentSignIn(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.A.ID, UserID: "other", Role: tenancy.RoleMember, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	for name, act := range map[string]func(context.Context, *tenancy.Scope) error{
		"mint": func(ctx context.Context, sc *tenancy.Scope) error {
			_, _, err := people.Mint(ctx, sc, people.MintKey{Name: "x", Rights: tenancy.Read, Days: 1})
			return err
		},
		"invite": func(ctx context.Context, sc *tenancy.Scope) error {
			_, _, err := people.Invite(ctx, sc, tenancy.RoleMember)
			return err
		},
		"reveal a token": func(ctx context.Context, sc *tenancy.Scope) error {
			_, err := repository.Credentials(ctx, sc, true)
			return err
		},
		"raise": func(ctx context.Context, sc *tenancy.Scope) error {
			return people.SetRole(ctx, sc, "other", tenancy.RoleOwner)
		},
	} {
		for _, tc := range []struct {
			ago  time.Duration
			want error
		}{{tenancy.Recently, tenancy.ErrSignIn}, {tenancy.Recently / 2, nil}} {
			sc, err := s.Guard.OpenMember(t.Context(), owner(s.A), s.A.Slug, time.Now().Add(-tc.ago))
			if err != nil {
				t.Fatal(err)
			}
			if err := act(t.Context(), sc); !errors.Is(err, tc.want) {
				t.Errorf("%s, %s after the sign-in: %v, want %v", name, tc.ago, err, tc.want)
			}
		}
	}
}

// TestPageExportEnds: a download that is under way breaks off when its reader is removed or
// signs out everywhere.
func TestPageExportEnds(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	long := `{"a":"` + strings.Repeat("x", 8000) + `"}`
	const rows = 3000 // more than a connection holds on its way
	for i := range rows {
		e := tenancy.AuditEntry{ID: fmt.Sprintf("01900000-0000-7000-8000-%012d", i), WorkspaceID: s.A.ID, At: time.Now().Add(-time.Hour), Principal: "operator", Tool: "t.n", Args: long}
		if err := s.DB.StartAudit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	for name, end := range map[string]func(user string) error{
		"removed":               func(user string) error { return s.DB.ChangeMember(t.Context(), s.A.ID, user, "", time.Now()) },
		"signed out everywhere": func(user string) error { return s.DB.SignOut(t.Context(), user, time.Now()) },
		"nothing":               func(string) error { return nil },
	} {
		user := "reader-" + name
		if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.A.ID, UserID: user, Role: tenancy.RoleMember, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
		g := s.signedIn(t, s.A, user)
		req, err := http.NewRequestWithContext(t.Context(), "GET", s.url+"/w/"+s.A.Slug+"/activity/export.jsonl?tool=t.n", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.AddCookie(&http.Cookie{Name: sessionCookie, Value: g.cookie})
		resp, err := s.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := end(user); err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		_ = resp.Body.Close()
		n := strings.Count(string(body), "\n")
		if whole := err == nil && n == rows; whole != (name == "nothing") {
			t.Errorf("%s: %d rows of %d came, %v", name, n, rows, err)
		}
	}
}
