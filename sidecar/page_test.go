package sidecar_test

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

// each runs a test on each kind of database.
func each(t *testing.T, test func(t *testing.T, s *server)) {
	t.Helper()
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			test(t, newServer(t, tenancytest.Config{Database: database}))
		})
	}
}

func owner(x *tenancytest.Tenant) string { return x.OwnerUserID }

// pagesOf are the pages of a workspace.
func pagesOf(x *tenancytest.Tenant) []string {
	home := "/w/" + x.Slug
	return []string{home, home + "/keys", home + "/workspace", home + "/people", home + "/activity", home + "/apps/" + x.Web.UUID, home + "/activity/export.csv", home + "/activity/export.jsonl"}
}

// actsOf are the forms of a workspace's pages, each with what an owner may do.
func actsOf(x *tenancytest.Tenant) map[string]url.Values {
	home := "/w/" + x.Slug
	return map[string]url.Values{
		home + "/bot-token": {}, home + "/keys": {"request": {strings.Repeat("A", 26)}, "name": {"x"}, "preset": {"viewer"}, "days": {"7"}},
		home + "/keys/revoke": {"key": {x.KeyID}}, home + "/provision": {}, home + "/apps/" + x.Web.UUID + "/reveal": {"key": {"SECRET_OF_" + strings.ToUpper(x.Slug)}},
		home + "/people/invite": {"role": {"member"}}, home + "/people/withdraw": {"invite": {"x"}},
		home + "/people/role": {"user": {owner(x)}, "role": {"member"}}, home + "/people/remove": {"user": {owner(x)}},
	}
}

// TestPageStranger: to who is no member, a workspace is as one that is not there,
// on each page and for each form.
func TestPageStranger(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		g := s.signedIn(t, s.A, owner(s.A))
		none := func(path string) string { return strings.Replace(path, "/w/"+s.B.Slug, "/w/nobody", 1) }
		for _, path := range pagesOf(s.B) {
			theirs, nobodys := g.get(t, path), g.get(t, none(path))
			if theirs.status != http.StatusNotFound || theirs.body != nobodys.body || nobodys.status != theirs.status {
				t.Errorf("%s: %d %s, and for nobody's %d %s", path, theirs.status, theirs.text(), nobodys.status, nobodys.text())
			}
		}
		before := s.giteaOf(s.B)
		for path, form := range actsOf(s.B) {
			theirs, nobodys := g.post(t, path, form), g.post(t, none(path), form)
			if theirs.status != http.StatusNotFound || theirs.body != nobodys.body {
				t.Errorf("POST %s: %d %s, and for nobody's %d %s", path, theirs.status, theirs.text(), nobodys.status, nobodys.text())
			}
		}
		for _, path := range []string{"", "/apps", "/keys", "/agents.md", "/bootstrap.sh"} {
			theirs, nobodys := g.get(t, "/api/workspaces/"+s.B.Slug+path), g.get(t, "/api/workspaces/nobody"+path)
			if theirs.status != http.StatusNotFound || theirs.body != nobodys.body {
				t.Errorf("REST %s: %d %s, and for nobody's %s", path, theirs.status, theirs.body, nobodys.body)
			}
		}
		if len(before.Tokens) != len(s.giteaOf(s.B).Tokens) {
			t.Error("something happened to B on Gitea")
		}
		if _, err := s.Guard.OpenKey(t.Context(), s.B.Key); err != nil {
			t.Errorf("B's key: %v", err)
		}
	})
}

// TestPageSignedOut: without a session there is nothing but the way to sign in.
func TestPageSignedOut(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, path := range append(pagesOf(s.A), "/w", "/account") {
		g := &guest{s: s}
		r := g.get(t, path)
		if to := r.header.Get("Location"); r.status != http.StatusSeeOther || !strings.HasPrefix(to, "/login?next=") || g.cookie != "" {
			t.Errorf("%s: %d to %q with cookie %q", path, r.status, to, g.cookie)
		}
	}
	for path, form := range actsOf(s.A) {
		if r := (&guest{s: s}).post(t, path, form); r.status != http.StatusSeeOther || !strings.HasPrefix(r.header.Get("Location"), "/login?") {
			t.Errorf("POST %s: %d %s", path, r.status, r.text())
		}
	}
	if r := (&guest{s: s}).get(t, "/"); r.header.Get("Location") != "/w" {
		t.Errorf("/ for a browser: %d %s", r.status, r.body)
	}
}

// TestPageRoles: what a role does not have is refused, whatever form is sent.
func TestPageRoles(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, role := range []tenancy.Role{tenancy.RoleAdmin, tenancy.RoleMember} {
		if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.A.ID, UserID: string(role), Role: role, CreatedAt: time.Now()}); err != nil {
			t.Fatal(err)
		}
	}
	home := "/w/" + s.A.Slug
	member, admin := s.signedIn(t, s.A, "member"), s.signedIn(t, s.A, "admin")
	for path, form := range map[string]url.Values{
		home + "/keys":          {"request": {strings.Repeat("B", 26)}, "name": {"x"}, "preset": {"viewer"}, "days": {"7"}},
		home + "/keys/revoke":   {"key": {s.A.KeyID}},
		home + "/people/invite": {"role": {"member"}},
		home + "/people/role":   {"user": {"member"}, "role": {"owner"}},
		home + "/people/remove": {"user": {"admin"}},
	} {
		member.post(t, path, form).says(t, http.StatusForbidden)
	}
	member.get(t, home+"/keys").says(t, http.StatusOK, "Your role here is member")
	if r := member.get(t, home+"/people"); strings.Contains(r.body, "Invite somebody") || strings.Contains(r.body, "Remove…") {
		t.Errorf("a member is offered what only others may: %s", r.text())
	}
	for path, form := range map[string]url.Values{
		home + "/people/invite": {"role": {"owner"}},
		home + "/people/role":   {"user": {"admin"}, "role": {"owner"}},
		home + "/people/remove": {"user": {owner(s.A)}},
	} {
		admin.post(t, path, form).says(t, http.StatusForbidden, "Only an owner")
	}
	first := s.signedIn(t, s.A, owner(s.A))
	first.post(t, home+"/people/remove", url.Values{"user": {owner(s.A)}}).says(t, http.StatusConflict, "needs an owner")
	first.post(t, home+"/people/role", url.Values{"user": {owner(s.A)}, "role": {"member"}}).says(t, http.StatusConflict)
	member.post(t, home+"/people/remove", url.Values{"user": {"member"}}).says(t, http.StatusSeeOther)
	member.get(t, home).says(t, http.StatusNotFound)
	first.post(t, home+"/people/role", url.Values{"user": {"admin"}, "role": {"member"}}).says(t, http.StatusSeeOther)
	admin.post(t, home+"/people/invite", url.Values{"role": {"member"}}).says(t, http.StatusForbidden) // at the next request
}

// mint sends the form for a key.
func (g *guest) mint(t testing.TB, slug, name, preset string) (r reply, key string) {
	t.Helper()
	form := g.get(t, "/w/"+slug+"/keys")
	r = g.post(t, "/w/"+slug+"/keys", url.Values{"request": {form.field(t, "request")}, "name": {name}, "preset": {preset}, "days": {"7"}})
	return r, keyIn.FindString(r.text())
}

var keyIn = regexp.MustCompile(`vibn_sk_[0-9A-Za-z]{49}`)

// TestPageKeys mints a key, uses it, finds it in the list without its middle, and
// revokes it.
func TestPageKeys(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		g := s.signedIn(t, s.A, owner(s.A))
		r, key := g.mint(t, s.A.Slug, "my agent", "deployer")
		r.says(t, http.StatusOK, "shown this once", "bootstrap.sh")
		scope, err := s.Guard.OpenKey(t.Context(), key)
		if err != nil || scope.Rights().String() != "read,deploy" || scope.Slug() != s.A.Slug {
			t.Fatalf("the key %q: %v %v", key, scope, err)
		}
		list := g.get(t, "/w/"+s.A.Slug+"/keys")
		list.says(t, http.StatusOK, "my agent", "deployer", key[:12]+"…"+key[len(key)-4:], "by "+owner(s.A))
		if strings.Contains(list.body, key) {
			t.Error("the list shows the key again")
		}
		id := regexp.MustCompile(`id="revoke-([^"]+)" class`).FindStringSubmatch(list.body)
		g.post(t, "/w/"+s.A.Slug+"/keys/revoke", url.Values{"key": {id[1]}}).says(t, http.StatusSeeOther)
		if _, err := s.Guard.OpenKey(t.Context(), key); err == nil {
			t.Error("a revoked key opens")
		}
		g.get(t, "/w/"+s.A.Slug+"/keys").says(t, http.StatusOK, "The key is revoked", "Revoked and expired")
		g.post(t, "/w/"+s.A.Slug+"/keys/revoke", url.Values{"key": {s.B.KeyID}}).says(t, http.StatusNotFound)
		g.get(t, "/w/"+s.A.Slug+"/activity").says(t, http.StatusOK, "keys.create", "keys.revoke", "my agent", "browser")
		g.get(t, "/w/"+s.A.Slug+"/activity?tool=keys.revoke&who=member:"+owner(s.A)).says(t, http.StatusOK, "keys.revoke")
	})
}

// TestPageKeyForm: what is wrong with a form is said beside it, with what was typed.
func TestPageKeyForm(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	g := s.signedIn(t, s.A, owner(s.A))
	form := url.Values{"request": {strings.Repeat("C", 26)}, "name": {"<b>name</b>"}, "preset": {"builder"}, "days": {"9999"}}
	r := g.post(t, "/w/"+s.A.Slug+"/keys", form)
	r.says(t, http.StatusUnprocessableEntity, "1 to 365 days")
	if !strings.Contains(r.body, `value="&lt;b&gt;name&lt;/b&gt;"`) {
		t.Errorf("what was typed is lost: %s", r.body)
	}
	form.Set("days", "7")
	form.Set("preset", "god")
	g.post(t, "/w/"+s.A.Slug+"/keys", url.Values{"request": {strings.Repeat("D", 26)}, "name": {"x"}, "preset": {"god"}, "days": {"7"}}).says(t, http.StatusUnprocessableEntity)
	g.post(t, "/w/"+s.A.Slug+"/keys", url.Values{"name": {"x"}}).says(t, http.StatusUnprocessableEntity, "number")
}

// TestPageMintOnce: a form that is sent twice, at once or again, is one key, and
// both answers of a double click show it.
func TestPageMintOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		g := s.signedIn(t, s.A, owner(s.A))
		form := url.Values{"request": {g.get(t, "/w/"+s.A.Slug+"/keys").field(t, "request")}, "name": {"once"}, "preset": {"viewer"}, "days": {"7"}}
		keys := make([]string, 4)
		var wg sync.WaitGroup
		for i := range keys {
			wg.Go(func() {
				twin := &guest{s: s, cookie: g.cookie}
				keys[i] = keyIn.FindString(twin.post(t, "/w/"+s.A.Slug+"/keys", form).text())
			})
		}
		wg.Wait()
		for _, k := range keys {
			if k == "" || k != keys[0] {
				t.Errorf("the answers show %q", keys)
			}
		}
		list, err := s.Operator.Keys(t.Context(), s.A.Workspace, people.KeyQuery{})
		if err != nil || len(list.Keys) != 2 { // the house's own, and this one
			t.Errorf("there are %d keys (%v)", len(list.Keys), err)
		}
	})
}

// TestPageLink: to look at a link uses nothing up; to use it does, once.
func TestPageLink(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		token := s.link(t, s.A, owner(s.A), "")
		for range 3 {
			(&guest{s: s}).get(t, "/link/"+token).says(t, http.StatusOK, "signs you in as "+owner(s.A), "works once")
		}
		planted := &guest{s: s, cookie: "a-token-that-somebody-planted-in-the-browser"}
		was := planted.cookie
		planted.post(t, "/link", url.Values{"token": {token}}).says(t, http.StatusSeeOther)
		if planted.cookie == was {
			t.Error("the session has the token that was planted")
		}
		old := planted.cookie
		planted.post(t, "/link", url.Values{"token": {s.link(t, s.A, owner(s.A), "")}}).says(t, http.StatusSeeOther)
		if planted.cookie == old {
			t.Error("a second sign-in keeps the session's token")
		}
		if r := (&guest{s: s, cookie: old}).get(t, "/account"); r.status != http.StatusSeeOther {
			t.Errorf("the token before the sign-in still opens a session: %d", r.status)
		}
		bad := (&guest{s: s}).get(t, "/link/"+strings.Repeat("A", 43))
		for what, r := range map[string]reply{
			"a used one, looked at": (&guest{s: s}).get(t, "/link/"+token), "a used one": (&guest{s: s}).post(t, "/link", url.Values{"token": {token}}),
			"rubbish": (&guest{s: s}).get(t, "/link/rubbish"),
		} {
			if r.status != http.StatusNotFound || r.text() != bad.text() {
				t.Errorf("%s: %d %s, want as one that never was: %s", what, r.status, r.text(), bad.text())
			}
		}
		if _, _, err := s.Operator.LoginLink(t.Context(), s.A.Workspace, owner(s.B), "", time.Hour); err == nil {
			t.Error("a link signs somebody in who is no member")
		}
	})
}

// TestPageInvite: an invitation makes one person a member, with a role that the
// inviter has.
func TestPageInvite(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		first := s.signedIn(t, s.A, owner(s.A))
		r := first.post(t, "/w/"+s.A.Slug+"/people/invite", url.Values{"role": {"member"}})
		r.says(t, http.StatusOK, "shown this once")
		link := regexp.MustCompile(`https://vibn\.example\.com(/link/[\w-]+)`).FindStringSubmatch(r.text())
		g := &guest{s: s}
		g.get(t, link[1]).says(t, http.StatusOK, "You are invited", "as member", "Your name")
		token := strings.TrimPrefix(link[1], "/link/")
		g.post(t, "/link", url.Values{"token": {token}, "name": {"<i>Eve</i>\u202e"}}).says(t, http.StatusSeeOther)
		g.get(t, "/w/"+s.A.Slug).says(t, http.StatusOK, "You are in as member", "<i>Eve</i>")
		(&guest{s: s}).post(t, "/link", url.Values{"token": {token}, "name": {"Mallory"}}).says(t, http.StatusNotFound)
		first.get(t, "/w/"+s.A.Slug+"/people").says(t, http.StatusOK, "<i>Eve</i>")
		first.get(t, "/w/"+s.A.Slug+"/activity").says(t, http.StatusOK, "link.join", "members.invite")

		again := s.link(t, s.A, "", tenancy.RoleAdmin)
		g.post(t, "/link", url.Values{"token": {again}}).says(t, http.StatusConflict, "already")
		s.signedIn(t, s.B, owner(s.B)).post(t, "/link", url.Values{"token": {again}}).says(t, http.StatusSeeOther) // it stayed good
		withdrawn := first.post(t, "/w/"+s.A.Slug+"/people/invite", url.Values{"role": {"admin"}})
		token = regexp.MustCompile(`/link/([\w-]+)`).FindStringSubmatch(withdrawn.text())[1]
		first.post(t, "/w/"+s.A.Slug+"/people/withdraw", url.Values{"invite": {withdrawn.field(t, "invite")}}).says(t, http.StatusSeeOther)
		(&guest{s: s}).post(t, "/link", url.Values{"token": {token}, "name": {"x"}}).says(t, http.StatusNotFound)
	})
}

// TestPageInviteOfFormerMember: who was removed does not come back by an invitation
// of their own, with this account or another, and nobody is shown it any more.
func TestPageInviteOfFormerMember(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		people := "/w/" + s.A.Slug + "/people"
		member := tenancy.Member{WorkspaceID: s.A.ID, UserID: "second", Role: tenancy.RoleOwner, CreatedAt: time.Now()}
		if err := s.DB.SetMember(t.Context(), member); err != nil {
			t.Fatal(err)
		}
		first, second := s.signedIn(t, s.A, owner(s.A)), s.signedIn(t, s.A, "second")
		invite := func(role tenancy.Role) (token string) {
			r := second.post(t, people+"/invite", url.Values{"role": {string(role)}})
			return regexp.MustCompile(`/link/([\w-]+)`).FindStringSubmatch(r.text())[1]
		}
		refused := func(token string) {
			t.Helper()
			other := s.signedIn(t, s.B, owner(s.B))
			for what, g := range map[string]*guest{"the maker": second, "another account": other, "a stranger": {s: s}} {
				g.get(t, "/account") // it takes the message of what was done before
				unknown := g.get(t, "/link/"+strings.Repeat("A", 43))
				use := url.Values{"token": {token}, "name": {"x"}}
				for _, r := range []reply{g.get(t, "/link/"+token), g.post(t, "/link", use)} {
					if r.status != http.StatusNotFound || r.text() != unknown.text() {
						t.Errorf("%s: %d %s, want as a link that never was: %s", what, r.status, r.text(), unknown.text())
					}
				}
			}
			if r := first.get(t, people); strings.Contains(r.body, `name="invite"`) {
				t.Errorf("the invitation is listed: %s", r.text())
			}
		}

		asOwner, asMember := invite(tenancy.RoleOwner), invite(tenancy.RoleMember)
		first.post(t, people+"/role", url.Values{"user": {"second"}, "role": {"admin"}}).says(t, http.StatusSeeOther)
		if r := (&guest{s: s}).get(t, "/link/"+asOwner); r.status != http.StatusNotFound {
			t.Errorf("an admin's link for an owner: %d %s", r.status, r.text())
		}
		(&guest{s: s}).get(t, "/link/"+asMember).says(t, http.StatusOK, "You are invited")
		first.post(t, people+"/role", url.Values{"user": {"second"}, "role": {"member"}}).says(t, http.StatusSeeOther)
		refused(asMember)

		first.post(t, people+"/role", url.Values{"user": {"second"}, "role": {"owner"}}).says(t, http.StatusSeeOther)
		refused(asOwner) // it stays withdrawn
		asOwner = invite(tenancy.RoleOwner)
		first.post(t, people+"/remove", url.Values{"user": {"second"}}).says(t, http.StatusSeeOther)
		refused(asOwner)

		if err := s.DB.SetMember(t.Context(), member); err != nil {
			t.Fatal(err)
		}
		asOwner = invite(tenancy.RoleOwner)
		// They leave by themselves.
		second.post(t, people+"/remove", url.Values{"user": {"second"}}).says(t, http.StatusSeeOther)
		refused(asOwner)
	})
}

// TestPageSignOut: a session ends where its person says so, and all of them at once.
func TestPageSignOut(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		one, two, other := s.signedIn(t, s.A, owner(s.A)), s.signedIn(t, s.A, owner(s.A)), s.signedIn(t, s.B, owner(s.B))
		stolen := &guest{s: s, cookie: one.cookie}
		one.post(t, "/logout", nil).says(t, http.StatusSeeOther)
		if r := stolen.get(t, "/account"); one.cookie != "" || r.status != http.StatusSeeOther {
			t.Errorf("after signing out the session opens: %d", r.status)
		}
		two.get(t, "/account").says(t, http.StatusOK)
		three := s.signedIn(t, s.A, owner(s.A))
		three.post(t, "/logout/everywhere", nil).says(t, http.StatusSeeOther)
		for what, g := range map[string]*guest{"two": two, "three": three} {
			if r := g.get(t, "/account"); r.status != http.StatusSeeOther {
				t.Errorf("after signing out everywhere, %s opens: %d", what, r.status)
			}
			if r := g.get(t, "/api/workspaces"); r.status != http.StatusUnauthorized && g.cookie != "" {
				t.Errorf("after signing out everywhere, REST answers %s: %d %s", what, r.status, r.body)
			}
		}
		other.get(t, "/account").says(t, http.StatusOK)
		s.signedIn(t, s.A, owner(s.A)).get(t, "/account").says(t, http.StatusOK)
	})
}

// TestPageHeaders: no page may be framed, kept, or run what is not ours; a link to
// another site tells it nothing.
func TestPageHeaders(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	g := s.signedIn(t, s.A, owner(s.A))
	for _, path := range append(pagesOf(s.A), "/login", "/account", "/w", "/w/nobody", "/link/x") {
		r := g.get(t, path)
		policy := r.header.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "script-src 'self'", "style-src 'self'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", path, policy, want)
			}
		}
		if r.header.Get("Cache-Control") != "no-store" || r.header.Get("X-Frame-Options") != "DENY" || r.header.Get("X-Content-Type-Options") != "nosniff" || r.header.Get("Referrer-Policy") != "same-origin" {
			t.Errorf("%s: %v", path, r.header)
		}
		if strings.Contains(policy, "unsafe") || regexp.MustCompile(`(?i)<[^>]*\s(style|on\w+)=|<script>|<style`).MatchString(r.body) {
			t.Errorf("%s has code or style in it: %s", path, r.body)
		}
	}
	page := g.get(t, "/w/"+s.A.Slug)
	for _, path := range regexp.MustCompile(`/assets/[\w.-]+`).FindAllString(page.body, -1) {
		if r := g.get(t, path); r.status != http.StatusOK || !strings.Contains(r.header.Get("Cache-Control"), "immutable") || r.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %v", path, r.status, r.header)
		}
	}
}

// TestPageForeign: a form that another site has a browser send does nothing.
func TestPageForeign(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	g := s.signedIn(t, s.A, owner(s.A))
	token := s.link(t, s.A, owner(s.A), "")
	acts := actsOf(s.A)
	acts["/logout"], acts["/logout/everywhere"], acts["/link"] = nil, nil, url.Values{"token": {token}}
	for path, form := range acts {
		for what, header := range map[string]map[string]string{
			"another origin":   {"Origin": "https://evil.example.com"},
			"another site":     {"Sec-Fetch-Site": "cross-site"},
			"a subdomain":      {"Sec-Fetch-Site": "same-site", "Origin": "https://app.vibn.example.com"},
			"no origin at all": {"Origin": "null"},
		} {
			r := g.do(t, "POST", path, "application/x-www-form-urlencoded", form.Encode(), header)
			if r.status != http.StatusForbidden || !strings.Contains(r.body, "another origin") {
				t.Errorf("POST %s from %s: %d %s", path, what, r.status, r.body)
			}
		}
	}
	for _, body := range []struct{ kind, text string }{{"text/plain", `{"name":"x"}`}, {"application/x-www-form-urlencoded", `{"name":"x"}`}} {
		if r := g.do(t, "POST", "/api/workspaces/"+s.A.Slug+"/keys", body.kind, body.text, nil); r.status != http.StatusUnprocessableEntity {
			t.Errorf("REST takes %s from a page: %d %s", body.kind, r.status, r.body)
		}
	}
	if _, err := s.Guard.OpenKey(t.Context(), s.A.Key); err != nil {
		t.Errorf("the key: %v", err)
	}
	g.get(t, "/account").says(t, http.StatusOK)
}

// TestPageNext: after signing in nobody lands on another site.
func TestPageNext(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	g := s.signedIn(t, s.A, owner(s.A))
	for _, next := range []string{
		"https://evil.example.com", "//evil.example.com", "/\\evil.example.com", "/w//evil.example.com", "\\\\evil", "/%2f/evil", "javascript:alert(1)",
		"/w/../../evil", "/wevil", "/login", "/api/workspaces", "/w/x\r\nSet-Cookie: a=b", "/w/\u202e", " /w",
	} {
		r := g.get(t, "/login?next="+url.QueryEscape(next))
		if to := r.header.Get("Location"); r.status != http.StatusSeeOther || to != "/w" {
			t.Errorf("next=%q: %d to %q", next, r.status, to)
		}
	}
	if r := g.get(t, "/login?next=/w/alpha/keys"); r.header.Get("Location") != "/w/alpha/keys" {
		t.Errorf("a page of ours: %q", r.header.Get("Location"))
	}
}

// TestPageReveal: a secret is in no page but the answer to a form, and the audit
// trail says who looked.
func TestPageReveal(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.Provision(t, s.A)
		g := s.signedIn(t, s.A, owner(s.A))
		value := "value-" + s.A.Canary
		state, err := s.Operator.Parts(t.Context(), s.A.Workspace)
		if err != nil {
			t.Fatal(err)
		}
		shown := g.post(t, "/w/"+s.A.Slug+"/bot-token", nil)
		shown.says(t, http.StatusOK, "on record")
		token := regexp.MustCompile(`id="bot-token"[^>]*><code>([0-9a-f]{40})</code>`).FindStringSubmatch(shown.body)
		if token == nil || !strings.HasPrefix(shown.header.Get("Refresh"), "30") || shown.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the token: %v %s", shown.header, shown.body)
		}
		r := g.post(t, "/w/"+s.A.Slug+"/apps/"+s.A.Web.UUID+"/reveal", url.Values{"key": {"SECRET_OF_ALPHA"}})
		r.says(t, http.StatusOK, value, "on record")
		g.post(t, "/w/"+s.A.Slug+"/apps/"+s.A.Web.UUID+"/reveal", url.Values{"key": {"NO_SUCH"}}).says(t, http.StatusNotFound)
		g.post(t, "/w/"+s.A.Slug+"/apps/"+s.B.Web.UUID+"/reveal", url.Values{"key": {"SECRET_OF_BETA"}}).says(t, http.StatusNotFound)
		for _, path := range append(pagesOf(s.A), "/api/workspaces/"+s.A.Slug+"/gitea-credentials", "/api/workspaces/"+s.A.Slug+"/gitea-credentials?reveal=true",
			"/api/workspaces/"+s.A.Slug+"/keys", "/api/workspaces/"+s.A.Slug+"/bootstrap.sh", "/api/workspaces/"+s.A.Slug+"/apps/"+s.A.Web.UUID+"/envs") {
			r := g.get(t, path)
			for _, hidden := range []string{token[1], value, s.A.Key, state.TokenSealed} {
				if strings.Contains(r.body, hidden) {
					t.Errorf("GET %s shows a secret: %s", path, r.body)
				}
			}
		}
		if r := g.get(t, "/api/workspaces/"+s.A.Slug+"/gitea-credentials?reveal=true"); r.status != http.StatusForbidden {
			t.Errorf("reveal over a session: %d %s", r.status, r.body)
		}
		g.get(t, "/w/"+s.A.Slug+"/activity").says(t, http.StatusOK, "gitea.credentials", "reveal: yes", "envs.reveal", "key: SECRET_OF_ALPHA")
		if strings.Contains(s.Log.String(), token[1]) || strings.Contains(s.Log.String(), value) {
			t.Error("the log holds a secret")
		}
	})
}

// TestPageTokenOfFormerMember: the token that a member was shown dies in Gitea once the
// member may do less, whoever changes that, or signs out everywhere, and asks nothing of
// Coolify for it. The workspace's own, and other people's, live on.
func TestPageTokenOfFormerMember(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	s.AddRepository(t, s.A, "site")
	people := "/w/" + s.A.Slug + "/people"
	first := s.signedIn(t, s.A, owner(s.A))
	owners := revealed(t, first)
	change := func(by *guest, what string, form url.Values) {
		by.post(t, people+what, form).says(t, http.StatusSeeOther)
	}
	for i, tc := range []struct {
		name   string
		role   tenancy.Role
		dies   bool
		change func(user string, by *guest)
	}{
		{"removed", tenancy.RoleMember, true, func(user string, _ *guest) {
			change(first, "/remove", url.Values{"user": {user}})
		}},
		{"left", tenancy.RoleMember, true, func(user string, by *guest) {
			change(by, "/remove", url.Values{"user": {user}})
		}},
		{"lowered", tenancy.RoleAdmin, true, func(user string, _ *guest) {
			change(first, "/role", url.Values{"user": {user}, "role": {"member"}})
		}},
		{"lowered themselves", tenancy.RoleOwner, true, func(user string, by *guest) {
			change(by, "/role", url.Values{"user": {user}, "role": {"member"}})
		}},
		{"no owner any more", tenancy.RoleOwner, true, func(user string, _ *guest) {
			change(first, "/role", url.Values{"user": {user}, "role": {"admin"}})
		}},
		{"raised", tenancy.RoleMember, false, func(user string, _ *guest) {
			change(first, "/role", url.Values{"user": {user}, "role": {"admin"}})
		}},
		{"signed out", tenancy.RoleMember, false, func(_ string, by *guest) {
			by.post(t, "/logout", nil).says(t, http.StatusSeeOther)
		}},
		{"signed out everywhere", tenancy.RoleMember, true, func(_ string, by *guest) {
			by.post(t, "/logout/everywhere", nil).says(t, http.StatusSeeOther)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			user := fmt.Sprint("person-", i)
			m := tenancy.Member{WorkspaceID: s.A.ID, UserID: user, Role: tc.role, CreatedAt: time.Now()}
			if err := s.DB.SetMember(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			g := s.signedIn(t, s.A, user)
			known := revealed(t, g)
			if got := s.gitea(t, known); got != http.StatusOK || known == owners {
				t.Fatalf("the token that was shown: %d, is the owner's: %v", got, known == owners)
			}
			tc.change(user, g)

			asked := len(s.Sim.Requests())
			if err := s.Provisioner.EndTokens(t.Context(), s.A.ID); err != nil {
				t.Fatal(err)
			}
			if n := len(s.Sim.Requests()) - asked; n > 0 {
				t.Errorf("%d requests to Coolify", n)
			}
			want := map[bool]int{true: http.StatusUnauthorized, false: http.StatusOK}[tc.dies]
			if got := s.gitea(t, known); got != want {
				t.Errorf("the token that was shown, in the end: %d, want %d", got, want)
			}
			s.readsRepository(t)
			if got := s.gitea(t, owners); got != http.StatusOK || revealed(t, first) != owners {
				t.Errorf("the owner's token: %d", got)
			}
		})
	}
}

// revealed has a person shown their token.
func revealed(t *testing.T, g *guest) string {
	t.Helper()
	r := g.post(t, "/w/"+g.s.A.Slug+"/bot-token", nil)
	token := regexp.MustCompile(`id="bot-token"[^>]*><code>([0-9a-f]{40})</code>`).FindStringSubmatch(r.body)
	if token == nil {
		t.Fatalf("the bot's token: %d %s", r.status, r.text())
	}
	return token[1]
}

// gitea returns what Gitea answers who asks for a repository with a token.
func (s *server) gitea(t *testing.T, token string) int {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/repos/"+s.A.GiteaOrg+"/site", nil)
	req.Header.Set("Authorization", "token "+token)
	rec := httptest.NewRecorder()
	s.Git.ServeHTTP(rec, req)
	return rec.Code
}

// readsRepository holds that what reads a repository of the workspace works.
func (s *server) readsRepository(t *testing.T) {
	t.Helper()
	r := s.ask(t, question{method: "GET", path: "/api/workspaces/" + s.A.Slug + "/projects/site", key: s.A.Key})
	if r.status != http.StatusOK || !strings.Contains(r.body, "site.git") {
		t.Errorf("the project: %d %s", r.status, r.body)
	}
}

// TestPageSlow: a page does not wait for a Coolify that says nothing, and says what is
// missing. Were it to wait, it would until the client of Coolify gives up.
func TestPageSlow(t *testing.T) {
	const givesUp = 10 * time.Minute
	s := newServer(t, tenancytest.Config{Timeout: givesUp})
	g := s.signedIn(t, s.A, owner(s.A))
	for _, operation := range []string{"GET /projects/{uuid}/environments", "GET /projects/{uuid}/{environment_name_or_uuid}", "GET /applications/{uuid}"} {
		s.Sim.Fail(operation, coolifytest.Fault{Hang: true})
	}
	for _, path := range []string{"/w/" + s.A.Slug + "/workspace", "/w/" + s.A.Slug, "/w/" + s.A.Slug + "/keys"} {
		began := time.Now()
		r := g.get(t, path)
		if took := time.Since(began); r.status != http.StatusOK || took >= givesUp {
			t.Errorf("%s: %d after %s", path, r.status, took)
		}
		if strings.HasSuffix(path, "workspace") {
			r.says(t, http.StatusOK, "could not show the apps", "Coolify project")
		}
	}
}

// TestPageHostile stores names that are code in other languages; pages show them as
// they are, and spreadsheets take none for a formula.
func TestPageHostile(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	hostile := `"><script>alert(1)</script><img src=x onerror=alert(1)>`
	app := s.Sim.AddApp(s.A.Project.Environments[0].UUID, coolifytest.App{
		Name: hostile, FQDN: "javascript:alert(1)", Status: "running:" + hostile, Description: hostile, GitRepository: "https://x/" + hostile, GitBranch: hostile,
	})
	s.Sim.AddDeployment(app.UUID, coolifytest.Deployment{Status: "finished", Message: hostile + "\x1b[31m\u202e"})
	s.Sim.AddEnv(app.UUID, coolifytest.Env{Key: "X_Y", Value: hostile, Runtime: true, Literal: true})
	user := `user-<u>`
	if err := s.DB.SetMember(t.Context(), tenancy.Member{WorkspaceID: s.A.ID, UserID: user, Role: tenancy.RoleOwner, CreatedAt: time.Now()}); err != nil {
		t.Fatal(err)
	}
	g := s.signedIn(t, s.A, user)
	g.mint(t, s.A.Slug, "=HYPERLINK(\"http://evil\")", "viewer")
	g.mint(t, s.A.Slug, hostile, "viewer")
	for _, client := range []string{"=1+1", "+x", "-x", "@SUM(1)", "\tx", hostile} {
		args := map[string]any{"app": s.A.Web.UUID, "set": map[string]string{"PROBE": "1"}}
		g.do(t, "PATCH", "/api/workspaces/"+s.A.Slug+"/apps/"+s.A.Web.UUID+"/envs", "application/json", encode(t, map[string]any{"set": args["set"]}), map[string]string{"User-Agent": client})
	}
	for _, path := range append(pagesOf(s.A)[:5], "/w/"+s.A.Slug+"/apps/"+app.UUID, "/account") {
		r := g.get(t, path)
		if r.status != http.StatusOK || strings.Contains(r.body, "<img src=x") || strings.Contains(r.body, "<script>alert") || strings.Contains(r.body, "<u>") ||
			strings.Contains(r.body, `href="javascript`) || strings.ContainsAny(r.body, "\x1b\u202e") {
			t.Errorf("%s: %d %s", path, r.status, r.body)
		}
	}
	rows, err := csv.NewReader(strings.NewReader(g.get(t, "/w/"+s.A.Slug+"/activity/export.csv").body)).ReadAll()
	if err != nil || len(rows) < 8 {
		t.Fatalf("the CSV has %d rows (%v)", len(rows), err)
	}
	for _, row := range rows {
		for _, cell := range row {
			if strings.ContainsAny(cell[:min(1, len(cell))], "=+-@\t\r") {
				t.Errorf("a cell is a formula: %q", cell)
			}
		}
	}
	lines := strings.Split(strings.TrimSpace(g.get(t, "/w/"+s.A.Slug+"/activity/export.jsonl").body), "\n")
	if len(lines) != len(rows)-1 {
		t.Errorf("the JSONL has %d lines, the CSV %d rows below its head", len(lines), len(rows)-1)
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Errorf("no JSON: %s", l)
		}
	}
}

// TestPageActivityPages goes through a long trail, a page at a time.
func TestPageActivityPages(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for i := range 120 {
		e := tenancy.AuditEntry{ID: fmt.Sprintf("01900000-0000-7000-8000-%012d", i), WorkspaceID: s.A.ID, At: time.Now().Add(time.Duration(i-500) * time.Second), Principal: "operator", Tool: "t.n", Target: fmt.Sprintf("n%03d", i), Args: "{}"}
		if err := s.DB.StartAudit(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
	g, seen, path := s.signedIn(t, s.A, owner(s.A)), map[string]int{}, "/w/"+s.A.Slug+"/activity?tool=t.n"
	for range 5 {
		r := g.get(t, path)
		for _, m := range regexp.MustCompile(`>(n\d{3})<`).FindAllStringSubmatch(r.body, -1) {
			seen[m[1]]++
		}
		older := regexp.MustCompile(`href="([^"]*after=[^"]*)"`).FindStringSubmatch(r.body)
		if older == nil {
			break
		}
		path = strings.ReplaceAll(older[1], "&amp;", "&")
	}
	if len(seen) != 120 {
		t.Errorf("%d entries seen, want 120", len(seen))
	}
	for n, times := range seen {
		if times != 1 {
			t.Errorf("%s was seen %d times", n, times)
		}
	}
	if r := s.signedIn(t, s.B, owner(s.B)).get(t, strings.Replace(path, s.A.Slug, s.B.Slug, 1)); r.status != http.StatusUnprocessableEntity {
		t.Errorf("a cursor of A's in B: %d", r.status)
	}
	if strings.Count(g.get(t, "/w/"+s.A.Slug+"/activity/export.csv?tool=t.n").body, "\n") != 121 {
		t.Error("the CSV has not a head and 120 rows")
	}
}

// TestPageAttempts: who tries to sign in again and again is asked to wait.
func TestPageAttempts(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	g := &guest{s: s}
	for range 200 {
		if r := g.get(t, "/link/"+strings.Repeat("A", 43)); r.status == http.StatusTooManyRequests {
			if r.header.Get("Retry-After") == "" {
				t.Error("it is not said when to try again")
			}
			return
		}
	}
	t.Error("nobody was asked to wait")
}

// TestPageFormKept: a form that was sent after the session had ended waits for the
// person to sign in, and holds what was typed.
func TestPageFormKept(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		g := s.signedIn(t, s.A, owner(s.A))
		g.cookie = ""
		form := url.Values{"request": {strings.Repeat("E", 26)}, "name": {"typed before"}, "preset": {"viewer"}, "days": {"30"}}
		r := g.post(t, "/w/"+s.A.Slug+"/keys", form)
		g.get(t, r.header.Get("Location")).says(t, http.StatusOK, "What you typed is kept")
		r = g.post(t, "/link", url.Values{"token": {s.link(t, s.A, owner(s.A), "")}})
		if r.header.Get("Location") != "/w/"+s.A.Slug+"/keys" {
			t.Fatalf("after signing in: %q", r.header.Get("Location"))
		}
		page := g.get(t, "/w/"+s.A.Slug+"/keys")
		page.says(t, http.StatusOK, "the key is not made yet")
		if !strings.Contains(page.body, `value="typed before"`) || !regexp.MustCompile(`value="viewer" checked`).MatchString(page.body) || !regexp.MustCompile(`value="30" selected`).MatchString(page.body) {
			t.Errorf("what was typed is lost: %s", page.body)
		}
		if again := g.get(t, "/w/"+s.A.Slug+"/keys"); strings.Contains(again.body, "typed before") {
			t.Error("it is there again")
		}
	})
}

// TestRESTKeys: the routes of keys take a key that may, and a session whose person
// may; nothing beyond what they have themselves is minted.
func TestRESTKeys(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		path := "/api/workspaces/" + s.A.Slug + "/keys"
		boss, bossID := s.AddKey(t, s.A, "owner", time.Hour)
		if r := s.ask(t, question{method: "POST", path: path, key: s.A.Key, body: `{"name":"x","preset":"viewer"}`}); r.status != http.StatusForbidden {
			t.Errorf("a builder mints: %d %s", r.status, r.body)
		}
		r := s.ask(t, question{method: "POST", path: path, key: boss, body: `{"name":"child","preset":"builder"}`})
		var made struct {
			ID, Key, Rights string
			ExpiresAt       time.Time `json:"expires_at"`
		}
		if err := json.Unmarshal([]byte(r.body), &made); err != nil || made.Key == "" {
			t.Fatalf("%d %s", r.status, r.body)
		}
		if made.ExpiresAt.After(time.Now().Add(time.Hour)) {
			t.Error("a key outlives the one that minted it")
		}
		if list := s.ask(t, question{path: path, key: boss}); !strings.Contains(list.body, made.ID) || strings.Contains(list.body, made.Key) {
			t.Errorf("the list: %s", list.body)
		}
		if r := s.ask(t, question{method: "DELETE", path: path + "/" + bossID, key: boss}); r.status != http.StatusOK {
			t.Errorf("revoke itself: %d %s", r.status, r.body)
		}
		if r := s.ask(t, question{path: "/api/workspaces", key: made.Key}); r.status != http.StatusUnauthorized {
			t.Errorf("the child of a revoked key: %d", r.status)
		}
		g := s.signedIn(t, s.A, owner(s.A))
		mine := g.do(t, "POST", path, "application/json", `{"name":"mine","preset":"owner","days":1}`, nil)
		if mine.status != http.StatusOK || !keyIn.MatchString(mine.body) {
			t.Errorf("a session mints: %d %s", mine.status, mine.body)
		}
		if r := g.do(t, "POST", path, "application/json", `{"name":"mine","preset":"owner","days":0}`, nil); r.status != http.StatusUnprocessableEntity {
			t.Errorf("for ever: %d %s", r.status, r.body)
		}
		if r := g.get(t, "/api/workspaces"); r.status != http.StatusOK || !strings.Contains(r.body, s.A.Slug) || strings.Contains(r.body, s.B.Slug) {
			t.Errorf("the workspaces of a session: %d %s", r.status, r.body)
		}
		if r := g.do(t, "POST", "/mcp", "application/json", listTools, nil); r.status != http.StatusUnauthorized {
			t.Errorf("MCP takes a session: %d %s", r.status, r.body)
		}
	})
}

// TestAdminLoginLink: a platform's front end sends a person to the page.
func TestAdminLoginLink(t *testing.T) {
	admin := strings.Repeat("operator", 5)
	s := newServer(t, tenancytest.Config{Admin: admin})
	path := "/api/admin/workspaces/" + s.A.Slug + "/login-links"
	r := s.ask(t, question{method: "POST", path: path, key: admin, body: `{"user_id":"` + owner(s.A) + `","minutes":5}`})
	var made struct {
		URL       string
		ExpiresAt time.Time `json:"expires_at"`
	}
	if err := json.Unmarshal([]byte(r.body), &made); err != nil || r.status != http.StatusOK || time.Until(made.ExpiresAt) > 5*time.Minute {
		t.Fatalf("%d %s (%v)", r.status, r.body, err)
	}
	token, ours := strings.CutPrefix(made.URL, "https://vibn.example.com/link/")
	g := &guest{s: s}
	if g.post(t, "/link", url.Values{"token": {token}}); !ours || g.cookie == "" {
		t.Errorf("the link %s signs nobody in", made.URL)
	}
	for _, body := range []string{`{"user_id":"` + owner(s.B) + `"}`, `{"user_id":"x","role":"member"}`, `{"role":"god"}`, `{"minutes":0}`, `{"minutes":999999}`} {
		if r := s.ask(t, question{method: "POST", path: path, key: admin, body: body}); r.status != http.StatusUnprocessableEntity && r.status != http.StatusNotFound {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	if r := s.ask(t, question{method: "POST", path: path, key: s.A.Key}); r.status != http.StatusUnauthorized {
		t.Errorf("with a tenant's key: %d", r.status)
	}
}
