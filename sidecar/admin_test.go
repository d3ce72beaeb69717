package sidecar_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea/giteatest"
	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/people"
	"github.com/vibnai/vibn-mcp/repository"
	"github.com/vibnai/vibn-mcp/sidecar"
	"github.com/vibnai/vibn-mcp/store"
	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/tenancy/tenancytest"
)

const operatorsToken = "operators-token-of-at-least-32-characters"

// newOperated is a server that an operator may reach over the network.
func newOperated(t testing.TB, database string) *server {
	t.Helper()
	return newServer(t, tenancytest.Config{Admin: operatorsToken, Database: database})
}

// operate sends a request of the operator's.
func (s *server) operate(t testing.TB, method, path, body string) reply {
	t.Helper()
	r := s.ask(t, question{method: method, path: "/api/admin" + path, body: body, key: operatorsToken})
	s.checkOperators(t, r)
	return r
}

// checkOperators holds for each answer to the operator: it tells nothing that is
// sealed, and no nonce.
func (s *server) checkOperators(t testing.TB, r reply) {
	t.Helper()
	secrets := append(slices.Clone(s.Secrets), s.Git.Secrets()...)
	list, err := s.DB.Workspaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range list {
		p, err := s.DB.Provision(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, p.Nonce, p.TokenSealed)
	}
	for _, secret := range secrets {
		if secret != "" && strings.Contains(r.body, secret) {
			t.Errorf("the operator is told a secret: %s", r.body)
		}
	}
}

// A shownWorkspace is a workspace as the operator's API shows it.
type shownWorkspace struct {
	ID, Slug, Name string
	OwnerUserID    string `json:"owner_user_id"`
	Status         string `json:"provision_status"`
	Settled        bool
	Errors         []tenancy.PartError `json:"provision_errors"`
	CoolifyProject string              `json:"coolify_project_uuid"`
	Network        string              `json:"coolify_network_uuid"`
	GiteaOrg       string              `json:"gitea_org"`
	GiteaBot       string              `json:"gitea_bot_username"`
	Server         string              `json:"placement_server"`
	Destination    string              `json:"placement_destination"`
	Trust          string              `json:"placement_trust"`
	Plan           map[string]any      `json:"plan"`
	Suspended      bool
	Deleted        bool
	CreatedAt      time.Time `json:"created_at"`
}

// read reads an answer that has to be a good one.
func read[T any](t testing.TB, r reply) T {
	t.Helper()
	var v T
	dec := json.NewDecoder(strings.NewReader(r.body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil || r.status != http.StatusOK {
		t.Fatalf("%d %s (%v)", r.status, r.body, err)
	}
	return v
}

type shownEnsured struct {
	Workspace shownWorkspace
	Created   bool
}

// work runs the jobs of the database, as "serve" does, until the test ends.
func (s *server) work(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	p, ended := s.Provisioner, make(chan error, 1)
	go func() {
		ended <- s.DB.Work(ctx, store.Jobs{Provision: p.Provision, Sweep: func(ctx context.Context) error { return p.Sweep(ctx, s.DB.Queue) }}, s.Logger)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the jobs: %v", err)
		}
	})
}

// adminRoutes are all routes of the operator's, for a workspace.
func adminRoutes(slug string) []question {
	one := "/api/admin/workspaces/" + slug
	return []question{
		{method: "POST", path: "/api/admin/workspaces", body: `{"user_id":"u1"}`},
		{method: "GET", path: "/api/admin/workspaces"},
		{method: "GET", path: one},
		{method: "DELETE", path: one, body: `{"confirm":"` + slug + `"}`},
		{method: "POST", path: one + "/provision", body: "{}"},
		{method: "POST", path: one + "/suspend", body: "{}"},
		{method: "POST", path: one + "/resume", body: "{}"},
		{method: "POST", path: one + "/rotate", body: "{}"},
		{method: "POST", path: one + "/plan", body: `{"apps":5}`},
		{method: "GET", path: one + "/keys"},
		{method: "POST", path: one + "/keys", body: `{"name":"k"}`},
		{method: "DELETE", path: one + "/keys/01a210e7-b726-7213-a787-bbfa60525fe6"},
		{method: "POST", path: "/api/admin/migrate", body: "{}"},
	}
}

// TestAdminAbsent: without a token of the operator's there is no such route, and
// nobody can tell that there might be.
func TestAdminAbsent(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	for _, q := range adminRoutes(s.A.Slug) {
		other := q
		other.path = "/api/nothing" + strings.TrimPrefix(q.path, "/api/admin")
		for _, key := range []string{"", s.A.Key, operatorsToken, "Bearer"} {
			q.key, other.key = key, key
			got, want := s.ask(t, q), s.ask(t, other)
			got.header.Del("Date")
			want.header.Del("Date")
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(reply{})); diff != "" || got.status != 404 {
				t.Errorf("%s %s is told from no route (-none +got)\n%s", q.method, q.path, diff)
			}
		}
	}
	if w, err := s.DB.Workspaces(t.Context()); err != nil || len(w) != 2 {
		t.Errorf("workspaces: %v, %v", w, err)
	}
}

// TestAdminUnauthorized: whatever is not the operator's token is refused with the
// same bytes on every route, and changes nothing.
func TestAdminUnauthorized(t *testing.T) {
	s := newOperated(t, "sqlite")
	c, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	owner, _ := s.AddKey(t, s.A, "owner", 0)
	s.forget()
	before, giteaBefore := s.dump(t), s.Git.Snapshot()
	var first string
	for _, q := range adminRoutes(s.A.Slug) {
		for name, authorization := range map[string]string{
			"nothing": "", "rubbish": "Bearer rubbish", "a tenant's key": "Bearer " + s.A.Key, "an owner's key": "Bearer " + owner,
			"a bot's token": "Bearer " + c.Token.Reveal(), "Gitea's admin token": "Bearer " + s.Secrets[3], "Coolify's token": "Bearer " + s.Secrets[0],
			"no scheme": operatorsToken, "another scheme": "Token " + operatorsToken, "basic": "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+operatorsToken)),
			"more": "Bearer " + operatorsToken + "x", "less": "Bearer " + operatorsToken[1:], "twice": "Bearer " + operatorsToken + " " + operatorsToken,
			"another case": "Bearer " + strings.ToUpper(operatorsToken), "an empty one": "Bearer ",
		} {
			q.header = map[string]string{"Authorization": authorization}
			got := s.ask(t, q)
			if first == "" {
				first = got.body
			}
			if got.status != 401 || got.body != first || got.header.Get("WWW-Authenticate") != `Bearer realm="vibn", error="invalid_token"` {
				t.Errorf("%s %s with %s: %d %v %s", q.method, q.path, name, got.status, got.header, got.body)
			}
		}
		q.path += "?token=" + operatorsToken
		q.header = map[string]string{"X-Api-Key": operatorsToken, "Cookie": "token=" + operatorsToken}
		if got := s.ask(t, q); got.status != 401 {
			t.Errorf("%s %s with the token elsewhere: %d", q.method, q.path, got.status)
		}
	}
	if diff := cmp.Diff(before, s.dump(t)); diff != "" {
		t.Errorf("workspaces and keys changed (-before +after)\n%s", diff)
	}
	if diff := cmp.Diff(giteaBefore, s.Git.Snapshot()); diff != "" || len(s.caused()) > 0 {
		t.Errorf("asked: %v; on Gitea (-before +after)\n%s", s.caused(), diff)
	}
	for _, q := range append(guardedRoutes(s), question{path: "/api/admin/nothing"}) { // the token opens nothing else
		q.key = operatorsToken
		if got := s.ask(t, q); got.status != 401 && !strings.Contains(got.body, "there is no such route") {
			t.Errorf("%s %s with the operator's token: %d %s", q.method, q.path, got.status, got.body)
		}
	}
	for _, scheme := range []string{"Bearer ", "bearer ", "BEARER   "} {
		if got := s.ask(t, question{path: "/api/admin/workspaces", header: map[string]string{"Authorization": scheme + operatorsToken}}); got.status != 200 {
			t.Errorf("%q before the token: %d %s", scheme, got.status, got.body)
		}
	}
	foreign := question{method: "POST", path: "/api/admin/workspaces/alpha/suspend", key: operatorsToken, body: "{}", header: map[string]string{"Origin": "https://example.org"}}
	checkForbidden(t, foreign, s.ask(t, foreign))
	if strings.Contains(s.Log.String(), operatorsToken) {
		t.Error("the log holds the operator's token")
	}
}

// dump is what an operator can change, as text.
func (s *server) dump(t testing.TB) string {
	t.Helper()
	var out strings.Builder
	list, err := s.DB.Workspaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range list {
		p, err := s.DB.Provision(t.Context(), w.ID)
		if err != nil {
			t.Fatal(err)
		}
		keys, err := s.DB.Keys(t.Context(), w.ID, people.KeyQuery{Limit: 1000})
		if err != nil {
			t.Fatal(err)
		}
		for i := range keys {
			keys[i].LastUsedAt = nil
		}
		fmt.Fprintf(&out, "%s\n%s\n", encode(t, p), encode(t, keys))
	}
	return out.String()
}

// TestAdminRefusals: what is wrong with a request is said, and nothing is done.
func TestAdminRefusals(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) { testAdminRefusals(t, newOperated(t, database)) })
	}
}

func testAdminRefusals(t *testing.T, s *server) {
	before := s.dump(t)
	alpha := "/workspaces/alpha"
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/workspaces", `{"userid":"u1"}`, 422, `there is no field \"userid\"`},
		{"POST", "/workspaces", `{"user_id":"u1","slug":"mine"}`, 422, `there is no field \"slug\"`},
		{"POST", "/workspaces", `{"user_id":7}`, 422, "the field user_id has another type"},
		{"POST", "/workspaces", `{"user_id":"u1","gitea_user_id":"7"}`, 422, "the field gitea_user_id has another type"},
		{"POST", "/workspaces", `{"user_id":"u1","gitea_user_id":-7}`, 422, "a Gitea id that is not negative"},
		{"POST", "/workspaces", `{"user_id":"u1","gitea_user_id":1.5}`, 422, "the field gitea_user_id has another type"},
		{"POST", "/workspaces", `{}`, 422, "a person needs the platform's id"},
		{"POST", "/workspaces", ``, 422, "a person needs the platform's id"},
		{"POST", "/workspaces", `{"user_id":""}`, 422, "a person needs the platform's id"},
		{"POST", "/workspaces", `{"user_id":"a\u0000b"}`, 422, "a person needs the platform's id"},
		{"POST", "/workspaces", `{"user_id":"` + strings.Repeat("u", 256) + `"}`, 422, "at most 255 bytes"},
		{"POST", "/workspaces", `{"user_id":"u1","wait_seconds":46}`, 422, "wait_seconds must be between 0 and 45"},
		{"POST", "/workspaces", `{"user_id":"u1","wait_seconds":-1}`, 422, "wait_seconds must be between 0 and 45"},
		{"POST", "/workspaces", `{"user_id":"u1","wait_seconds":"5"}`, 422, "the field wait_seconds has another type"},
		{"POST", "/workspaces", `[]`, 422, "the body is not a JSON object"},
		{"POST", "/workspaces", `"x"`, 422, "the body is not a JSON object"},
		{"POST", "/workspaces", `{"user_id":"u1"} {}`, 422, "the body is not a JSON object"},
		{"POST", "/workspaces", `{"user_id":"u1"`, 422, "the body is not a JSON object"},
		{"POST", "/workspaces", `{"user_id":"` + strings.Repeat("u", mcp.MaxBody) + `"}`, 413, "the body is larger than"},
		{"GET", "/workspaces/gamma", "", 404, `no workspace \"gamma\"`},
		{"GET", "/workspaces/%00", "", 404, "no workspace"},
		{"POST", "/workspaces/gamma/provision", "{}", 404, `no workspace \"gamma\"`},
		{"POST", "/workspaces/gamma/suspend", "{}", 404, `no workspace \"gamma\"`},
		{"POST", "/workspaces/gamma/resume", "{}", 404, `no workspace \"gamma\"`},
		{"POST", "/workspaces/gamma/rotate", "{}", 404, `no workspace \"gamma\"`},
		{"DELETE", "/workspaces/gamma", `{"confirm":"gamma"}`, 404, `no workspace \"gamma\"`},
		{"GET", "/workspaces/gamma/keys", "", 404, `no workspace \"gamma\"`},
		{"POST", "/workspaces/gamma/keys", `{"name":"k"}`, 404, `no workspace \"gamma\"`},
		{"POST", alpha + "/suspend", `{"now":true}`, 422, `there is no field \"now\"`},
		{"POST", alpha + "/rotate", `{"wait_seconds":99}`, 422, "wait_seconds must be between 0 and 45"},
		{"DELETE", alpha, "", 422, `{\"confirm\": \"alpha\"}`},
		{"DELETE", alpha, `{"confirm":"beta"}`, 422, "this deletes the workspace and its repositories permanently"},
		{"DELETE", alpha, `{"confirm":true}`, 422, "the field confirm has another type"},
		{"POST", alpha + "/keys", `{}`, 422, "a key needs a name"},
		{"POST", alpha + "/keys", `{"name":"  "}`, 422, "a key needs a name"},
		{"POST", alpha + "/keys", `{"name":"a\u0000b"}`, 422, "a key needs a name"},
		{"POST", alpha + "/keys", `{"name":"` + strings.Repeat("k", 101) + `"}`, 422, "a key needs a name"},
		{"POST", alpha + "/keys", `{"name":"k","preset":"king"}`, 422, `preset \"king\" is none of viewer`},
		{"POST", alpha + "/keys", `{"name":"k","days":-1}`, 422, "days must be between 0 and 36500"},
		{"POST", alpha + "/keys", `{"name":"k","days":36501}`, 422, "days must be between 0 and 36500"},
		{"DELETE", alpha + "/keys/nothing", "", 404, "no such key in workspace alpha"},
		{"DELETE", alpha + "/keys/" + s.B.KeyID, "", 404, "no such key in workspace alpha"},
		{"PUT", alpha, "{}", 404, "there is no such route"},
		{"POST", alpha, "{}", 404, "there is no such route"},
		{"GET", alpha + "/suspend", "", 404, "there is no such route"},
		{"GET", "/migrate", "", 404, "there is no such route"},
		{"GET", "/", "", 404, "there is no such route"},
	} {
		r := s.operate(t, tc.method, tc.path, tc.body)
		if r.status != tc.status || !strings.Contains(r.body, tc.want) || r.failure(t).Code == tenancy.Internal {
			t.Errorf("%s %s %.80s: %d %s, want %d %s", tc.method, tc.path, tc.body, r.status, r.body, tc.status, tc.want)
		}
	}
	if diff := cmp.Diff(before, s.dump(t)); diff != "" {
		t.Errorf("workspaces and keys changed (-before +after)\n%s", diff)
	}
}

// TestAdminEnsure: one person has one workspace, however often and however many
// processes ask, and an e-mail joins nobody to anything.
func TestAdminEnsure(t *testing.T) {
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := newOperated(t, database)
			long := strings.Repeat("é", 119) + "@example.com" // cut in the middle of a character if it is cut by bytes
			ada := encode(t, map[string]any{"user_id": "user 7/ä", "email": "Ada.Lovelace@example.com", "display_name": "Ada\u202e\nLovelace", "gitea_user_id": 7})
			first := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", ada))
			w := first.Workspace
			if !first.Created || w.Slug != "ada-lovelace" || w.Name != "Ada Lovelace" || w.OwnerUserID != "user 7/ä" || w.Status != "pending" || w.Settled ||
				w.Trust != "shared" || w.Errors == nil || w.CreatedAt.IsZero() {
				t.Errorf("created: %+v", first)
			}
			var wg sync.WaitGroup
			for range 6 {
				wg.Go(func() {
					again := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"user 7/ä","email":"other@example.com"}`))
					if again.Created || again.Workspace.ID != w.ID {
						t.Errorf("asked again: %+v, want %s", again, w.ID)
					}
				})
			}
			made := make(chan shownEnsured, 6)
			for range cap(made) {
				wg.Go(func() {
					made <- read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"at once","email":"at@once.example.com"}`))
				})
			}
			wg.Wait()
			close(made)
			ids, created := map[string]bool{}, 0
			for m := range made {
				ids[m.Workspace.ID] = true
				if m.Created {
					created++
				}
			}
			if len(ids) != 1 || created != 1 {
				t.Errorf("six at once for one person: %d workspaces, %d created", len(ids), created)
			}
			for i, body := range []string{
				encode(t, map[string]any{"user_id": "another", "email": "ada.lovelace@example.com"}),
				encode(t, map[string]any{"user_id": "long", "email": long, "display_name": long}),
				`{"user_id":"nul","email":"a\u0000b@example.com","display_name":"\u0000"}`,
				`{"user_id":"bot","email":"bot@example.com"}`,
				`{"user_id":"none"}`,
			} {
				got := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", body))
				if !got.Created || got.Workspace.ID == w.ID || tenancy.CheckSlug(got.Workspace.Slug) != nil {
					t.Errorf("%d: %+v", i, got)
				}
			}
			members, err := s.DB.Members(t.Context(), w.ID)
			if err != nil || len(members) != 1 || members[0].UserID != "user 7/ä" || members[0].Role != tenancy.RoleOwner || members[0].GiteaUserID != 7 || members[0].Email == "" {
				t.Errorf("members: %+v, %v", members, err)
			}
			list := read[struct{ Workspaces []shownWorkspace }](t, s.operate(t, "GET", "/workspaces", ""))
			if len(list.Workspaces) != 2+1+1+5 {
				t.Errorf("%d workspaces are listed", len(list.Workspaces))
			}
		})
	}
}

// TestAdminWait: with jobs running, who waits is told that the workspace is ready;
// a key opens it then, and its repositories. Without jobs the wait ends in time.
func TestAdminWait(t *testing.T) {
	const longest = 45 * time.Second // that a caller may ask for
	for _, database := range []string{"sqlite", "postgres"} {
		t.Run(database, func(t *testing.T) {
			t.Parallel()
			s := newOperated(t, database)
			began := time.Now()
			slow := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"u1","email":"gamma@example.com","wait_seconds":1}`))
			if took := time.Since(began); slow.Workspace.Settled || slow.Workspace.Status != "pending" || took < time.Second || took >= longest {
				t.Errorf("without jobs, after %v: %+v", took, slow)
			}
			s.work(t)
			got := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"u1","wait_seconds":45}`))
			for !got.Workspace.Settled { // a slow machine may take longer than one wait
				got = read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"u1","wait_seconds":45}`))
			}
			w := got.Workspace
			if got.Created || w.Slug != "gamma" || w.Status != "ready" || !w.Settled || len(w.Errors) > 0 || !strings.HasPrefix(w.GiteaOrg, "vibn-gamma-") || !strings.HasPrefix(w.GiteaBot, "vibn-bot-gamma-") || w.CoolifyProject == "" {
				t.Fatalf("with jobs: %+v", got)
			}
			key := s.mint(t, "gamma", `{"name":"agent"}`)
			for tool, args := range map[string]map[string]any{"projects.create": {"name": "site"}, "gitea.credentials": {"reveal": true}, "apps.list": {}} {
				if answer := s.overMCP(t, toolNamed(t, s.registry, tool), key.Key, args); strings.Contains(answer, `"isError":true`) {
					t.Errorf("%s with a minted key: %s", tool, answer)
				}
			}
			tokens := len(s.giteaOf(&tenancytest.Tenant{Workspace: tenancy.Workspace{GiteaBot: w.GiteaBot}}).Tokens)
			rotated := read[shownWorkspace](t, s.operate(t, "POST", "/workspaces/gamma/rotate", `{"wait_seconds":45}`))
			if !rotated.Settled || rotated.Status != "ready" || tokens != 2 {
				t.Errorf("rotated: %+v; there were %d tokens", rotated, tokens)
			}
			if left := s.giteaOf(&tenancytest.Tenant{Workspace: tenancy.Workspace{GiteaBot: w.GiteaBot}}).Tokens; len(left) != 1 {
				t.Errorf("after the rotation: %+v, want the workspace's alone", left)
			}
			s.deleteGamma(t, key.Key)
		})
	}
}

// deleteGamma ends the workspace and waits until nothing of it is left.
func (s *server) deleteGamma(t *testing.T, key string) {
	t.Helper()
	gone := read[shownWorkspace](t, s.operate(t, "DELETE", "/workspaces/gamma", `{"confirm":"gamma","wait_seconds":45}`))
	if !gone.Deleted || !gone.Settled || len(gone.Errors) > 0 {
		t.Errorf("deleted: %+v", gone)
	}
	left := s.giteaOf(&tenancytest.Tenant{Workspace: tenancy.Workspace{GiteaBot: gone.GiteaBot, GiteaOrg: gone.GiteaOrg}})
	if len(left.Users)+len(left.Orgs)+len(left.Repos)+len(left.Tokens) > 0 {
		t.Errorf("left on Gitea: %+v", left)
	}
	if got := s.ask(t, question{path: "/api/workspaces", key: key}); got.status != 401 {
		t.Errorf("a key of a deleted workspace: %d", got.status)
	}
	shown := read[shownWorkspace](t, s.operate(t, "GET", "/workspaces/gamma", ""))
	if !shown.Deleted || shown.ID != gone.ID {
		t.Errorf("shown when it is deleted: %+v", shown)
	}
	if again := read[shownWorkspace](t, s.operate(t, "DELETE", "/workspaces/gamma", `{"confirm":"gamma","wait_seconds":45}`)); !again.Deleted || !again.Settled {
		t.Errorf("deleted again: %+v", again)
	}
	for _, act := range []string{"provision", "suspend", "resume", "rotate", "keys"} {
		if r := s.operate(t, "POST", "/workspaces/gamma/"+act, `{"name":"k"}`); r.status != 404 {
			t.Errorf("%s of a deleted workspace: %d %s", act, r.status, r.body)
		}
	}
	next := read[shownEnsured](t, s.operate(t, "POST", "/workspaces", `{"user_id":"u1","email":"gamma@example.com"}`))
	if !next.Created || next.Workspace.Slug == "gamma" {
		t.Errorf("the same person's next workspace: %+v", next)
	}
}

// TestAdminList: the list says of each workspace what the workspace's own route says,
// also that something is still to be done to it.
func TestAdminList(t *testing.T) {
	s := newOperated(t, "sqlite")
	s.operate(t, "POST", "/workspaces", `{"user_id":"u1","email":"gamma@example.com"}`)
	var want []shownWorkspace
	for _, slug := range []string{"alpha", "beta", "gamma"} {
		want = append(want, read[shownWorkspace](t, s.operate(t, "GET", "/workspaces/"+slug, "")))
	}
	got := read[struct{ Workspaces []shownWorkspace }](t, s.operate(t, "GET", "/workspaces", "")).Workspaces
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the list (-one by one +listed)\n%s", diff)
	}
	if len(got) != 3 || !got[0].Settled || got[2].Settled || got[0].Server == "" || got[0].GiteaBot == "" {
		t.Errorf("listed: %+v", got)
	}
}

// A mintedKey is a key as the operator's API shows it.
type mintedKey struct {
	ID, Name, Prefix, Last4, Rights, State string

	CreatedBy  string `json:"created_by"`
	ExpiresAt  string `json:"expires_at"`
	LastUsedAt string `json:"last_used_at"`
	RevokedAt  string `json:"revoked_at"`
	Key        string
}

func (s *server) mint(t testing.TB, slug, body string) mintedKey {
	t.Helper()
	k := read[mintedKey](t, s.operate(t, "POST", "/workspaces/"+slug+"/keys", body))
	if _, err := tenancy.ParseKey(k.Key); err != nil {
		t.Fatalf("minted %+v: %v", k, err)
	}
	return k
}

// TestAdminKeys: a key is shown once, opens its workspace over MCP, and stops at
// the next call when it is revoked.
func TestAdminKeys(t *testing.T) {
	s := newOperated(t, "sqlite")
	whoami := func(key string) string {
		_, answer := s.send(t, "POST", "/mcp", key, callOf("workspace.describe", "{}"))
		return answer
	}
	for preset, want := range map[string]string{"": "read,deploy,write,git", "viewer": "read", "owner": "read,deploy,write,git,danger,keys"} {
		k := s.mint(t, "alpha", encode(t, map[string]any{"name": "for " + preset, "preset": preset}))
		if k.State != "active" {
			t.Errorf("minted as %q", k.State)
		}
		if k.Rights != want || k.CreatedBy != "operator" || k.ExpiresAt == "" || k.RevokedAt != "" || k.Name != strings.TrimSpace("for "+preset) {
			t.Errorf("minted: %+v", k)
		}
		if got := whoami(k.Key); !strings.Contains(got, `"workspace":"alpha"`) || !strings.Contains(got, `"rights":"`+want+`"`) {
			t.Errorf("over MCP: %s", got)
		}
		list := s.operate(t, "GET", "/workspaces/alpha/keys", "")
		if strings.Contains(list.body, k.Key) || !strings.Contains(list.body, k.ID) || !strings.Contains(list.body, k.Last4) {
			t.Errorf("listed: %s", list.body)
		}
		if r := s.operate(t, "DELETE", "/workspaces/alpha/keys/"+k.ID, ""); r.body != "{\"ok\":true}\n" {
			t.Errorf("revoked: %d %s", r.status, r.body)
		}
		if got := whoami(k.Key); !strings.Contains(got, `"unauthorized"`) {
			t.Errorf("with a revoked key: %s", got)
		}
	}
	if k := s.mint(t, "alpha", `{"name":"for ever","days":0}`); k.ExpiresAt != "" {
		t.Errorf("a key for ever: %+v", k)
	}
	keys := read[keyPage](t, s.operate(t, "GET", "/workspaces/alpha/keys", ""))
	if n := len(keys.Keys); n != 5 || keys.Keys[0].Name != "for ever" || keys.Keys[0].Key != "" {
		t.Errorf("keys: %+v", keys)
	}
	if strings.Contains(s.operate(t, "GET", "/workspaces/beta/keys", "").body, keys.Keys[0].ID) {
		t.Error("B's keys are those of A")
	}
}

// TestAdminSuspend: from the answer on nobody of the workspace gets in, whatever
// jobs there are, until it is resumed; both are in the audit trail.
func TestAdminSuspend(t *testing.T) {
	s := newOperated(t, "sqlite")
	status := func(key string) int {
		got := s.ask(t, question{path: "/api/workspaces", key: key})
		return got.status
	}
	c, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is as once
		got := read[shownWorkspace](t, s.operate(t, "POST", "/workspaces/alpha/suspend", ""))
		if !got.Suspended || got.Settled {
			t.Errorf("suspended: %+v", got)
		}
		if a, b := status(s.A.Key), status(s.B.Key); a != 403 || b != 200 {
			t.Errorf("A's next call: %d, want 403; B's: %d", a, b)
		}
	}
	if r := s.ask(t, question{method: "POST", path: "/api/workspaces/alpha/provision", key: s.A.Key}); r.status != 403 {
		t.Errorf("provision of a suspended workspace: %d %s", r.status, r.body)
	}
	s.work(t)
	got := read[shownWorkspace](t, s.operate(t, "POST", "/workspaces/alpha/provision", `{"wait_seconds":45}`))
	if !got.Suspended || !got.Settled || len(got.Errors) > 0 {
		t.Errorf("after the job: %+v", got)
	}
	bot := s.giteaOf(s.A).Users[0]
	if live := slices.ContainsFunc(s.Git.Snapshot().Tokens, func(k giteatest.Token) bool { return k.User == bot.Login && k.Live }); live || !bot.ProhibitLogin {
		t.Errorf("on Gitea: %+v, a live token: %v", bot, live)
	}
	got = read[shownWorkspace](t, s.operate(t, "POST", "/workspaces/alpha/resume", `{"wait_seconds":45}`))
	if got.Suspended || !got.Settled || got.Status != "ready" || status(s.A.Key) != 200 {
		t.Errorf("resumed: %+v", got)
	}
	again, err := repository.Credentials(t.Context(), s.Open(t, s.A.Key, tenancy.Git), true)
	if err != nil || again.Token.Reveal() == c.Token.Reveal() {
		t.Errorf("a key's token after the suspension: the same %v, %v", again.Token.Reveal() == c.Token.Reveal(), err)
	}
	answer := s.overREST(t, toolNamed(t, s.registry, "activity.list"), s.A.Slug, s.A.Key, map[string]any{})
	if !strings.Contains(answer, `"workspace.suspend"`) || !strings.Contains(answer, `"workspace.resume"`) || !strings.Contains(answer, `"operator"`) {
		t.Errorf("A's activity: %s", answer)
	}
}

// TestAdminPlan: what is given replaces what the workspace has, and nothing is the
// platform's default again; the workspace itself is told what it may use.
func TestAdminPlan(t *testing.T) {
	s := newOperated(t, "sqlite")
	for _, step := range []struct {
		body string
		want map[string]any
		told string
	}{
		{`{"memory":"1g","apps":5}`, map[string]any{"memory": "1g", "apps": 5.0}, `"plan":{"memory":"1g","cpus":"1","apps":{"used":0,"most":5},"databases":{"used":0,"most":3}}`},
		{`{"cpus":"0.5","databases":1}`, map[string]any{"memory": "1g", "cpus": "0.5", "apps": 5.0, "databases": 1.0}, `"cpus":"0.5"`},
		{`{"memory":"0"}`, map[string]any{"memory": "0", "cpus": "0.5", "apps": 5.0, "databases": 1.0}, `"memory":"0"`},
		{`{"memory":"","apps":0}`, map[string]any{"cpus": "0.5", "databases": 1.0}, `"plan":{"memory":"512m","cpus":"0.5","apps":{"used":0,"most":10},"databases":{"used":0,"most":1}}`},
	} {
		got := read[shownWorkspace](t, s.operate(t, "POST", "/workspaces/alpha/plan", step.body))
		if diff := cmp.Diff(step.want, got.Plan); diff != "" {
			t.Errorf("%s (-want +got)\n%s", step.body, diff)
		}
		if told := s.overREST(t, toolNamed(t, s.registry, "workspace.describe"), s.A.Slug, s.A.Key, map[string]any{}); !strings.Contains(told, step.told) {
			t.Errorf("%s: the workspace is told %s", step.body, told)
		}
	}
	before := read[shownWorkspace](t, s.operate(t, "GET", "/workspaces/alpha", "")).Plan
	for _, bad := range []string{
		`{"memory":"lots"}`, `{"memory":"512"}`, `{"memory":"-1m"}`, `{"memory":"512m --privileged"}`, `{"memory":"1.5g"}`, `{"cpus":"one"}`, `{"cpus":"-1"}`, `{"cpus":"1,2"}`,
		`{"apps":-1}`, `{"apps":1001}`, `{"databases":-1}`, `{"apps":"5"}`, `{"disk":"1g"}`,
	} {
		if r := s.operate(t, "POST", "/workspaces/alpha/plan", bad); r.status != 422 {
			t.Errorf("%s: %d %s", bad, r.status, r.body)
		}
	}
	if diff := cmp.Diff(before, read[shownWorkspace](t, s.operate(t, "GET", "/workspaces/alpha", "")).Plan); diff != "" {
		t.Errorf("after what was refused\n%s", diff)
	}
	if b := read[shownWorkspace](t, s.operate(t, "GET", "/workspaces/beta", "")).Plan; len(b) > 0 {
		t.Errorf("B's plan: %v", b)
	}
	if told := s.overREST(t, toolNamed(t, s.registry, "activity.list"), s.A.Slug, s.A.Key, map[string]any{}); !strings.Contains(told, `"workspace.plan"`) {
		t.Errorf("A's activity: %s", told)
	}
}

// TestAdminMigrate: the database can be brought up to date over the network; why it
// could not is in the log only.
func TestAdminMigrate(t *testing.T) {
	s := newOperated(t, "sqlite")
	if r := s.operate(t, "POST", "/migrate", ""); r.status != 200 || r.body != "{\"applied\":0}\n" {
		t.Errorf("migrate: %d %s", r.status, r.body)
	}
	broken := sidecar.Handler(sidecar.Config{
		Guard: s.Guard, Registry: s.registry, PublicURL: &url.URL{Scheme: "https", Host: "vibn.example.com"}, Log: s.Logger, Version: "test",
		Ready: func(context.Context) error { return nil }, Migrate: func(context.Context) (int, []string, error) { return 0, nil, errors.New("cause-of-it " + s.Secrets[0]) },
	})
	req := httptest.NewRequestWithContext(t.Context(), "POST", "/api/admin/migrate", nil)
	req.Host = "localhost"
	req.Header.Set("Authorization", "Bearer "+operatorsToken)
	w := httptest.NewRecorder()
	broken.ServeHTTP(w, req)
	if w.Code != 503 || strings.Contains(w.Body.String(), "cause-of-it") || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("a migration that fails: %d %s", w.Code, w.Body)
	}
	if log := s.Log.String(); !strings.Contains(log, "cause-of-it") || strings.Contains(log, s.Secrets[0]) {
		t.Error("the log does not say why, or holds a token")
	}
}

// TestProvisionRoute: a tenant may have the parts looked at again: its own, with
// the right for it, and once at a time.
func TestProvisionRoute(t *testing.T) {
	s := newServer(t, tenancytest.Config{})
	path := "/api/workspaces/alpha/provision"
	wanted := func() int64 {
		p, err := s.DB.Provision(t.Context(), s.A.ID)
		if err != nil {
			t.Fatal(err)
		}
		return p.Wanted - p.Done
	}
	for _, preset := range []string{"viewer", "deployer"} {
		key, _ := s.AddKey(t, s.A, preset, 0)
		r := s.ask(t, question{method: "POST", path: path, key: key})
		if f := r.failure(t); r.status != 403 || f.Code != tenancy.Forbidden || !strings.Contains(f.Message, `"write"`) {
			t.Errorf("%s: %d %s", preset, r.status, r.body)
		}
	}
	none := s.ask(t, question{method: "POST", path: "/api/workspaces/nobody/provision", key: s.A.Key})
	theirs := s.ask(t, question{method: "POST", path: "/api/workspaces/beta/provision", key: s.A.Key})
	if none.status != 404 || none.body != theirs.body || none.failure(t).Message != "no such workspace" {
		t.Errorf("nobody's: %d %s; B's: %d %s", none.status, none.body, theirs.status, theirs.body)
	}
	if r := s.ask(t, question{method: "POST", path: path}); r.status != 401 {
		t.Errorf("without a key: %d", r.status)
	}
	if r := s.ask(t, question{path: path, key: s.A.Key}); r.status != 404 {
		t.Errorf("GET: %d", r.status)
	}
	if n := wanted(); n != 0 {
		t.Fatalf("%d things are wanted after the refusals", n)
	}
	call := func(want string, wishes int64) {
		t.Helper()
		r := s.ask(t, question{method: "POST", path: path, key: s.A.Key})
		if r.status != 200 || r.body != `{"status":"`+want+`"}`+"\n" || wanted() != wishes {
			t.Errorf("provision: %d %s, %d things are wanted; want %q and %d", r.status, r.body, wanted(), want, wishes)
		}
	}
	spoil := func() {
		t.Helper()
		o := tenancy.Outcome{Status: tenancy.Partial, Error: tenancy.PartErrors{{Part: tenancy.PartTeam, Why: "why", Fix: "fix"}}.String()}
		if _, err := s.DB.FinishProvision(t.Context(), s.A.ID, 0, o, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	call("ready", 0) // nothing is to be done
	spoil()
	for range 3 {
		call("partial", 1) // once, for all that ask
	}
	s.Provision(t, s.A)
	call("ready", 0)
	spoil()
	if r := s.ask(t, question{method: "POST", path: path, key: s.A.Key}); r.status != 429 || r.header.Get("Retry-After") != "60" || wanted() != 0 {
		t.Errorf("a second try within a minute: %d %s, %d things are wanted", r.status, r.body, wanted())
	}
	if ops := s.caused(); len(ops) > 0 {
		t.Errorf("the calls themselves asked for %v", ops)
	}
}
