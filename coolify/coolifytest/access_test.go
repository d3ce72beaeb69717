package coolifytest

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestTokens(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	for _, tc := range []struct {
		name   string
		token  string
		method string
		path   string
		status int
		body   string
	}{
		{"none", "", "GET", "/projects", 401, `{"message":"Unauthenticated."}`},
		{"unknown", "9|nothing", "GET", "/projects", 401, `{"message":"Unauthenticated."}`},
		{"expired", s.Mint(TokenSpec{User: 1, Abilities: readOnly, ExpiresAt: now.at}), "GET", "/projects", 401, `{"message":"Unauthenticated."}`},
		{"user left", s.Mint(TokenSpec{User: 1, Abilities: readOnly, LeftTeam: true}), "GET", "/projects", 401, `{"message":"Invalid token."}`},
		{"member with write", s.Mint(TokenSpec{User: 1, Abilities: ordinary, Member: true}), "GET", "/projects", 403, `{"message":"Missing required team role."}`},
		{"write is not read", s.Token(write), "GET", "/projects", 403, `{"message":"Missing required permissions: read"}`},
		{"deploy is not read", s.Token(deploy), "GET", "/projects", 403, `{"message":"Missing required permissions: read"}`},
		{"write is not deploy", s.Token(write), "POST", "/applications/" + s.web.UUID + "/start", 403, `{"message":"Missing required permissions: deploy"}`},
		{"read is not write", s.Token(read), "POST", "/projects", 403, `{"message":"Missing required permissions: write"}`},
		{"another team", s.Mint(TokenSpec{User: 1, Team: 5, Abilities: readOnly}), "GET", "/applications/" + s.web.UUID, 404, `{"message":"Application not found."}`},
		{"another team's project", s.Mint(TokenSpec{User: 1, Team: 5, Abilities: readOnly}), "GET", "/projects/" + s.alpha.UUID, 404, `{"message":"Project not found."}`},
		{"another team's list", s.Mint(TokenSpec{User: 1, Team: 5, Abilities: readOnly}), "GET", "/projects", 200, `[]`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			other := *s
			other.t, other.token = t, tc.token
			other.do(tc.method, tc.path, "").is(tc.status, tc.body)
		})
	}
	if got := s.as(root).do("GET", "/projects", ""); got.status != http.StatusOK {
		t.Errorf("root: status = %d, want 200", got.status)
	}
	if got := s.Token(read); len(got) < 42 || !strings.Contains(got, "|") || len(strings.SplitN(got, "|", 2)[1]) != 40 {
		t.Errorf("Token = %q, want <id>|<40 characters>", got)
	}
	revoked := s.Token(read)
	s.Revoke(revoked)
	s.do("GET", "/projects", "", "Authorization", "Bearer "+revoked).ok(http.StatusUnauthorized)
}

func TestSwitchAndAddresses(t *testing.T) {
	s := newSim(t, Config{})
	s.DisableAPI(true)
	s.do("GET", "/projects", "").is(403, `{"success":true,"message":"API is disabled."}`)
	s.do("GET", "/health", "").ok(200)
	s.DisableAPI(false)
	s.RefuseIP(true)
	s.do("GET", "/projects", "").is(403, `{"success":true,"message":"You are not allowed to access the API."}`)
	s.RefuseIP(false)
	s.do("GET", "/projects", "").ok(200)
}

func TestRoutes(t *testing.T) {
	nowhere := `{"message":"Not found.","docs":"https://coolify.io/docs"}`
	legacy := `{"message":"This endpoint has changed to a POST request."}`
	for _, tc := range []struct {
		version, method, path string
		status                int
		body                  string
	}{
		{Version43, "PUT", "/projects", 404, nowhere},
		{Version43, "GET", "/resources", 404, nowhere},
		{Version43, "GET", "/applications//envs", 404, nowhere},
		{Version43, "GET", "/applications/WEB/start", 405, legacy},
		{Version43, "GET", "/applications/WEB/stop", 405, legacy},
		{Version43, "GET", "/applications/WEB/restart", 405, legacy},
		{Version43, "GET", "/deploy?uuid=WEB", 405, legacy},
		{Version41, "GET", "/applications/WEB/stop", 200, `{"message":"Application stopping request queued."}`},
		{Version41, "GET", "/team", 404, nowhere},
		{Version41, "PATCH", "/projects/ALPHA/environments/production", 404, nowhere},
		{Version41, "GET", "/projects/ALPHA/envs", 404, `{"message":"Environment not found."}`},
		{Version43, "GET", "/projects/ALPHA/envs", 200, `[]`},
	} {
		t.Run(tc.version+" "+tc.method+" "+tc.path, func(t *testing.T) {
			s := newSim(t, Config{Version: tc.version})
			path := strings.NewReplacer("WEB", s.web.UUID, "ALPHA", s.alpha.UUID).Replace(tc.path)
			got := s.do(tc.method, path, "")
			got.is(tc.status, tc.body)
			if tc.status == http.StatusMethodNotAllowed && got.header.Get("Allow") != "POST" {
				t.Errorf("Allow = %q, want POST", got.header.Get("Allow"))
			}
		})
	}
	s := newSim(t, Config{Version: Version41})
	for _, action := range []string{"start", "restart"} {
		s.do("GET", "/applications/"+s.web.UUID+"/"+action, "").ok(200)
	}
	s.do("GET", "/deploy?force=1&uuid="+s.web.UUID, "").ok(200)
	if got := len(s.Deployments(s.web.UUID)); got != 2 {
		t.Errorf("4.1 has %d deployments after GET start, restart and deploy, want 2", got)
	}
	if got := s.do("GET", "/version", "").text; got != Version41 {
		t.Errorf("version = %q, want %q", got, Version41)
	}
}

func TestHealthOutsideTheVersion(t *testing.T) {
	s := newSim(t, Config{})
	rec := httptest.NewRecorder()
	s.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", "/api/health", nil))
	if rec.Code != 200 || rec.Body.String() != "OK" {
		t.Errorf("GET /api/health = %d %q, want 200 OK", rec.Code, rec.Body)
	}
	s.do("GET", "/health", "", "Authorization", "").ok(200)
	s.do("GET", "/teams/current", "").ok(200)
	s.do("GET", "/teams/7", "").is(404, `{"message":"Team not found."}`)
	for _, path := range []string{"/", "/api/v1", "/api/v1health", "/elsewhere"} {
		rec := httptest.NewRecorder()
		s.ServeHTTP(rec, httptest.NewRequestWithContext(t.Context(), "GET", path, nil))
		if rec.Code != 404 {
			t.Errorf("GET %s = %d, want 404", path, rec.Code)
		}
	}
}

func TestRateLimit(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{RateLimit: 2, Now: now.now})
	for left := 1; left >= 0; left-- {
		got := s.do("GET", "/version", "").ok(200)
		if have := got.header.Get("X-RateLimit-Remaining"); have != fmt.Sprint(left) || got.header.Get("X-RateLimit-Limit") != "2" {
			t.Errorf("remaining %s of %s, want %d of 2", have, got.header.Get("X-RateLimit-Limit"), left)
		}
	}
	now.at = now.at.Add(20 * time.Second)
	got := s.do("GET", "/version", "")
	got.is(429, `{"message":"Too Many Attempts."}`)
	for name, want := range map[string]string{
		"Retry-After": "40", "X-RateLimit-Limit": "2", "X-RateLimit-Remaining": "0",
		"X-RateLimit-Reset": fmt.Sprint(now.at.Add(40 * time.Second).Unix()),
	} {
		if have := got.header.Get(name); have != want {
			t.Errorf("%s = %q, want %q", name, have, want)
		}
	}
	s.as(read).do("GET", "/version", "").ok(429) // the tokens of one user share it
	other := *s
	other.token = s.TokenOf(2, read)
	other.do("GET", "/version", "").ok(200)
	now.at = now.at.Add(40 * time.Second)
	s.do("GET", "/version", "").ok(200)
}

func TestWhoIsCounted(t *testing.T) {
	s := newSim(t, Config{RateLimit: 2})
	unauthorized := s.do("GET", "/version", "", "Authorization", "Bearer 0|x").ok(401)
	if unauthorized.header.Get("X-RateLimit-Limit") != "" {
		t.Error("a 401 carries rate headers, want none")
	}
	forbidden := s.as(write).do("GET", "/version", "").ok(403)
	if forbidden.header.Get("X-RateLimit-Remaining") != "1" {
		t.Errorf("remaining after a 403 = %q, want 1", forbidden.header.Get("X-RateLimit-Remaining"))
	}
	rootUser := *s
	rootUser.token = s.TokenOf(0, read) // counts by address, with /health
	s.do("GET", "/health", "", "Authorization", "").ok(200)
	rootUser.do("GET", "/version", "").ok(200)
	rootUser.do("GET", "/version", "").ok(429)
	if got := newSim(t, Config{RateLimit: -1}).do("GET", "/version", "").header.Get("X-RateLimit-Limit"); got != "" {
		t.Errorf("without a limit: X-RateLimit-Limit = %q, want none", got)
	}
	if got := newSim(t, Config{}).do("GET", "/version", "").header.Get("X-RateLimit-Limit"); got != "200" {
		t.Errorf("default limit = %q, want 200", got)
	}
}

func TestAnswersWithoutAccept(t *testing.T) {
	s := newSim(t, Config{RateLimit: 3})
	page := func(r result, status int, what string) {
		t.Helper()
		if r.status != status || r.header.Get("Content-Type") != typeHTML || !strings.Contains(r.text, what) {
			t.Errorf("got %d %s %q, want %d and a page that says %q", r.status, r.header.Get("Content-Type"), r.text, status, what)
		}
	}
	s.do("GET", "/version", "", "Accept", "", "Authorization", "").is(401, `{"message":"Unauthenticated."}`)
	redirect := s.do("GET", "/deployments/applications/"+s.web.UUID+"?take=x", "", "Accept", "*/*")
	if redirect.status != 302 || redirect.header.Get("Location") != "/" {
		t.Errorf("bad take without Accept = %d to %q, want 302 to /", redirect.status, redirect.header.Get("Location"))
	}
	s.AddEnv(s.web.UUID, Env{Key: "CERT", Multiline: true})
	body := `{"key":"CERT","value":"x"}`
	page(s.do("PATCH", "/applications/"+s.web.UUID+"/envs", body, "Accept", ""), 500, "Server Error")
	got := s.do("PATCH", "/applications/"+s.web.UUID+"/envs", body)
	if got.status != 500 || got.text != "{\n    \"message\": \"Server Error\"\n}" {
		t.Errorf("500 with Accept = %d %q, want pretty JSON", got.status, got.text)
	}
	page(s.do("GET", "/version", "", "Accept", "text/html"), 429, "Too Many Attempts.")
}

func TestTimestampsAndSlashes(t *testing.T) {
	now := newClock()
	s := newSim(t, Config{Now: now.now})
	s.SetApp(s.web.UUID, func(a *App) { a.Name = "w\u00e9b \U0001F600" })
	got := s.do("GET", "/applications/"+s.web.UUID, "").ok(200)
	for _, want := range []string{
		`"created_at":"2026-01-02T03:04:05.000000Z"`, `"last_online_at":"2026-01-02 03:04:05"`,
		`"fqdn":"https:\/\/web.example.com"`, `"name":"w\u00e9b \ud83d\ude00"`,
	} {
		if !strings.Contains(got.text, want) {
			t.Errorf("%s is not in %s", want, got.text)
		}
	}
}

func TestServers(t *testing.T) {
	s := newSim(t, Config{})
	first := s.Hosts()[0]
	s.SetHost(first.UUID, func(h *Host) { h.IsCoolifyHost, h.Unreachable = true, true })
	s.AddTeamProject(3, "elsewhere")
	foreign := s.AddHost(Host{Name: "host-of-three", Team: 3})
	list := s.do("GET", "/servers", "").list()
	if len(list) != 1 || list[0]["is_coolify_host"] != true || list[0]["is_reachable"] != false {
		t.Errorf("GET /servers = %v, want the Coolify host alone, unreachable", list)
	}
	if _, there := list[0]["id"]; there {
		t.Error("a server of the list has an id, want none")
	}
	s.do("GET", "/servers/"+foreign.UUID, "").is(404, `{"message":"Server not found."}`)
	got := s.do("GET", "/servers/"+first.UUID+"?resources=true", "").ok(200).json()
	if name := at(t, got, "resources", "1", "name"); name != "api" {
		t.Errorf("second resource = %v, want beta's api", name)
	}
}

// One server's host names are those of all servers of the team, and of nobody
// else's.
func TestServerDomains(t *testing.T) {
	s := newSim(t, Config{})
	first := s.Hosts()[0]
	second := s.AddHost(Host{Name: "host2", IP: "203.0.113.99", Domains: []string{"git.example.com"}})
	foreign := s.AddHost(Host{Name: "host-of-three", Team: 3, Domains: []string{"secret.example.com"}})
	s.SetApp(s.web.UUID, func(a *App) { a.FQDN = "https://web.example.com:8443/path,http://www.example.com" })
	want := `[{"domains":["web.example.com","www.example.com","api.example.org"],"ip":"` + first.IP + `"},{"domains":["git.example.com"],"ip":"203.0.113.99"}]`
	for _, h := range []Host{first, second} {
		s.do("GET", "/servers/"+h.UUID+"/domains", "").is(200, want)
	}
	s.do("GET", "/servers/"+foreign.UUID+"/domains", "").is(404, `{"message":"Server not found."}`)
	s.do("GET", "/servers/"+first.UUID+"/domains?uuid="+s.web.UUID, "").is(404, `{"message":"Server not found."}`)
	newSim(t, Config{Version: Version41}).do("GET", "/destinations", "").is(404, `{"message":"Not found.","docs":"https://coolify.io/docs"}`)
}

// Whoever asks to change what is not there is told whether the token may. That is
// no offence, even of a token that sees secrets; with a real id it is.
func TestAskingWhatATokenMay(t *testing.T) {
	s := newSim(t, Config{})
	for _, tc := range []struct {
		abilities      []string
		project, start int
	}{
		{ordinary, 400, 404}, {readOnly, 403, 403}, {revealer, 403, 403}, {[]string{write}, 400, 403}, {[]string{deploy}, 403, 404}, {[]string{root}, 400, 404},
	} {
		as := s.as(tc.abilities...)
		as.do("PATCH", "/projects/nothing", "{}").ok(tc.project)
		as.do("POST", "/applications/nothing/start", "").ok(tc.start)
	}
	if got := s.Violations(); len(got) > 0 {
		t.Errorf("violations of asking: %q", got)
	}
	as := s.as(revealer...)
	as.do("PATCH", "/projects/"+s.alpha.UUID, "{}").ok(403)
	as.do("POST", "/applications/"+s.web.UUID+"/start", "").ok(403)
	if got := s.Violations(); len(got) != 2 {
		t.Errorf("violations with ids of things: %q, want 2", got)
	}
}
