package giteatest

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A cell is one request of a table in the transcripts: the statuses that tokens
// of several sets of scopes got.
type cell struct {
	basic        bool
	method, path string
	column       string
	status       int
	items        string // how many, where printed
}

var (
	cellRow    = regexp.MustCompile(`^(\[Basic x:TOKEN\] )?(GET|POST|PUT|PATCH|DELETE) (/\S*)\s+(\d{3}.*)$`)
	cellStatus = regexp.MustCompile(`^(\d{3})(?:[\[{](\d+)[\]}])?$`)
)

func readTable(t *testing.T, version, name, firstColumn string) []cell {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(shared(t, "captures"), "gitea", version, name+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	var columns []string
	var out []cell
	for line := range strings.Lines(string(raw)) {
		fields := strings.Fields(line)
		if len(fields) > 5 && fields[0] == firstColumn && columns == nil {
			columns = fields
			continue
		}
		m := cellRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || columns == nil || len(strings.Fields(m[4])) != len(columns) {
			continue
		}
		for i, text := range strings.Fields(m[4]) {
			if status := cellStatus.FindStringSubmatch(text); status != nil {
				out = append(out, cell{m[1] != "", m[2], m[3], columns[i], number(status[1]), status[2]})
			}
		}
	}
	return out
}

var botScopes = map[string][]string{
	"repo": {"write:repository"}, "repo+issue": {"write:repository", "write:issue"},
	"repo+issue+ruser": {"write:repository", "write:issue", "read:user"}, "design": {"write:repository", "write:issue", "write:user"},
	"repo+issue+rorg": {"write:repository", "write:issue", "read:organization"},
	"repo+issue+worg": {"write:repository", "write:issue", "write:organization"},
	"issue":           {"write:issue"}, "rrepo": {"read:repository"}, "user": {"write:user"}, "org": {"write:organization"}, "all": {"all"},
}

// notSimulated are rows of the tables.
var notSimulated = regexp.MustCompile(`/issues|/pulls|/notifications|/migrate|/emails|^/org/|^POST /repos/vibn-acme/app/branches`)

// TestWhatABotSees replays the table of what a restricted, private bot, member
// of a team of writers that may create repositories, can do with which scopes.
func TestWhatABotSees(t *testing.T) {
	s := newSim(t, Config{})
	admin := s.Admin()
	s.do("PATCH", fmt.Sprintf("/teams/%d", teamID(s, "vibn-acme", "Writers")), `{"can_create_org_repo":true}`).ok(200)
	s.AddRepo("vibn-other", Repo{Name: "secret", Private: true})
	s.AddRepo("vibn-other", Repo{Name: "pub-in-priv"})
	s.AddOrg(Org{Name: "pub-org"}, admin)
	s.AddRepo("pub-org", Repo{Name: "pubrepo"})
	s.AddOrg(Org{Name: "lim-org", Visibility: "limited"}, admin)
	s.AddRepo("lim-org", Repo{Name: "limrepo"})
	s.AddRepo(admin, Repo{Name: "adm-pub"})
	s.AddUser(User{Login: "alice"})
	s.AddUser(User{Login: "lim", Visibility: "limited"})
	s.AddUser(User{Login: "priv", Visibility: "private"})
	if _, err := s.Push("vibn-acme/app", "main", "m\n", map[string]string{"README.md": "hi\n"}); err != nil {
		t.Fatal(err)
	}
	rows := 0
	for i, e := range readTable(t, "1.26", "e", "repo") {
		if notSimulated.MatchString(e.path) || notSimulated.MatchString(e.method+" "+e.path) {
			continue
		}
		rows++
		body := ""
		switch {
		case e.method == "POST" && strings.HasSuffix(e.path, "/repos"), e.path == "/orgs" && e.method == "POST":
			body = fmt.Sprintf(`{"name":"r%d","username":"r%d"}`, i, i)
		case strings.HasSuffix(e.path, "/forks"):
			body = `{"name":"fork"}`
		case e.path == "/user/keys" && e.method == "POST":
			body = `{"title":"t","key":"nonsense"}`
		case e.method != "GET":
			body = `{}`
		}
		bot := s.bot("acme", botScopes[e.column]...)
		got := bot.do(e.method, e.path, body)
		if got.status != e.status {
			t.Errorf("%s %s with %s = %d, want %d; body %s", e.method, e.path, e.column, got.status, e.status, got.text)
		}
		if e.items == "0" && got.status == 200 && len(got.list()) != 0 {
			t.Errorf("%s %s with %s shows %d items, want none", e.method, e.path, e.column, len(got.list()))
		}
	}
	if rows < 300 {
		t.Errorf("replayed %d cells, want at least 300", rows)
	}
}

func teamID(s *sim, org, name string) int {
	s.t.Helper()
	for _, o := range s.Snapshot().Orgs {
		for _, t := range o.Teams {
			if o.Name == org && t.Name == name {
				return t.ID
			}
		}
	}
	s.t.Fatalf("no team %s/%s", org, name)
	return 0
}

var adminScopes = map[string][]string{
	"admin": {"write:admin"}, "org": {"write:organization"}, "user": {"write:user"}, "repo": {"write:repository"},
	"ruser": {"read:user"}, "radmin": {"read:admin"}, "adm+org+user": {"write:admin", "write:organization", "write:user"},
	"MIN": {"write:admin", "write:organization", "write:user", "write:repository"}, "all": {"all"},
}

// TestScopesOfTheAdmin replays the table of which scopes each call of
// provisioning needs.
func TestScopesOfTheAdmin(t *testing.T) {
	for version, behaviour := range map[string]Behaviour{"1.21": V121, "1.26": V126} {
		t.Run(version, func(t *testing.T) {
			s := newSim(t, Config{Behaviour: behaviour})
			rows := 0
			for i, e := range readTable(t, version, "scopes", "admin") {
				rows++
				path := strings.ReplaceAll(e.path, "/teams/17/", fmt.Sprintf("/teams/%d/", teamID(s, "vibn-acme",
					"Writers")))
				fields := map[string]string{
					"name": fmt.Sprintf("n%d", i), "username": fmt.Sprintf("n%d", i), "email": fmt.Sprintf("n%d@x.invalid", i),
					"password": "Str0ng-passw0rd-xyz", "login_name": "x", "permission": "admin", "type": "gitea",
				}
				if strings.Contains(path, "/tokens") {
					maps.DeleteFunc(fields, func(k, _ string) bool { return k != "name" })
				}
				body := ""
				if e.method == "POST" || e.method == "PATCH" {
					raw := string(encode(fields))
					body = strings.TrimSuffix(strings.TrimSpace(raw), "}") +
						`,"scopes":["read:misc"],"config":{"url":"http://127.0.0.1:9/","content_type":"json"}}`
				}
				token := s.AdminToken(adminScopes[e.column]...)
				as := s.with("token " + token)
				if e.basic {
					as = s.with(basic("x", token))
				}
				if got := as.do(e.method, path, body); got.status != e.status {
					t.Errorf("%s %s with %s = %d, want %d; body %s", e.method, path, e.column, got.status, e.status,
						got.text)
				}
			}
			if rows < 200 {
				t.Errorf("replayed %d cells, want at least 200", rows)
			}
		})
	}
}

var pageRow = regexp.MustCompile(`^(/\S+)\s+200 n=(\d+) total=(\d+) link=(True|False)$`)

// TestPages replays the table of which lists forget the limit without a page,
// and which have links.
func TestPages(t *testing.T) {
	s := newSim(t, Config{})
	for i := range 2 {
		s.AddRepo("vibn-acme", Repo{Name: fmt.Sprintf("r%d", i)})
		s.AddToken("vibn-bot-acme", "read:user")
	}
	s.AddRepo("vibn-acme", Repo{
		Name: "hooked", Hooks: []Hook{{}}, Keys: []DeployKey{{Title: "a", Key: "a"}, {Title: "b", Key: "b"}},
	})
	s.AddMember("vibn-acme", "Writers", "vibn-bot-other")
	for _, branch := range []string{"main", "next"} {
		if _, err := s.Push("vibn-acme/app", branch, "m\n", map[string]string{"a": "b"}); err != nil {
			t.Fatal(err)
		}
	}
	raw, err := os.ReadFile(filepath.Join(shared(t, "captures"), "gitea", "1.26", "pg.txt"))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(raw)) {
		m := pageRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil || strings.Contains(m[1], "/issues") {
			continue
		}
		rows++
		as := s
		if strings.Contains(m[1], "/tokens") {
			as = s.with(basic("x", s.secret()))
		}
		got := as.do("GET", m[1], "").ok(200)
		total := number(got.header.Get("X-Total-Count"))
		n := strings.Count(got.text, `"id":`)
		if many := m[2] == m[3] && m[3] != "1"; many != (itemsOf(t, got) == total && total > 1) {
			t.Errorf("%s has %d of %d items (%d ids), where the real one has %s of %s", m[1], itemsOf(t, got), total,
				n, m[2], m[3])
		}
		if linked := got.header.Get("Link") != ""; linked != (m[4] == "True") {
			t.Errorf("%s has links: %t, want %s", m[1], linked, m[4])
		}
	}
	if rows < 45 {
		t.Errorf("replayed %d rows, want at least 45", rows)
	}
}

// itemsOf counts the items of a list, wrapped or not.
func itemsOf(t *testing.T, r result) int {
	t.Helper()
	if strings.HasPrefix(r.text, "[") {
		return len(r.list())
	}
	data, _ := r.object()["data"].([]any)
	return len(data)
}

func TestPageSizes(t *testing.T) {
	s := newSim(t, Config{})
	for i := range 81 {
		s.AddRepo("vibn-acme", Repo{Name: fmt.Sprintf("many-%02d", i)})
	}
	for query, want := range map[string]int{
		"": 30, "?limit=50": 50, "?limit=51": 50, "?limit=1000": 50, "?limit=0": 30, "?limit=-5": 30, "?limit=abc": 30,
		"?limit=7&page=2": 7, "?limit=50&page=2": 32, "?page=99": 0, "?page=-1&limit=-1": 30,
	} {
		got := s.do("GET", "/orgs/vibn-acme/repos"+query, "").ok(200)
		if len(got.list()) != want || got.header.Get("X-Total-Count") != "82" {
			t.Errorf("%q: %d of %s, want %d of 82", query, len(got.list()), got.header.Get("X-Total-Count"), want)
		}
	}
	seen := map[string]bool{}
	for page := 1; page <= 3; page++ {
		for _, name := range s.do("GET", fmt.Sprintf("/orgs/vibn-acme/repos?limit=30&page=%d", page),
			"").names("name") {
			seen[name] = true
		}
	}
	if len(seen) != 82 {
		t.Errorf("three pages show %d repositories, want 82", len(seen))
	}
}

func TestPageMeansOneSince127(t *testing.T) {
	for behaviour, want := range map[Behaviour]int{V121: 5, V126: 5, V127: 1} {
		s := newSim(t, Config{Behaviour: behaviour})
		for range 5 {
			s.AddToken("vibn-bot-acme", "read:user")
		}
		got := s.with(basic("x", s.secret())).do("GET", "/users/vibn-bot-acme/tokens?limit=1", "").ok(200)
		if len(got.list()) != want {
			t.Errorf("%s: %d tokens without a page, want %d", behaviour, len(got.list()), want)
		}
	}
}
