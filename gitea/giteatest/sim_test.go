package giteatest

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// A sim is a simulator behind a real connection, with two tenants, acme and
// other, each with an organisation, a bot in its team Writers and a repository.
type sim struct {
	*Server
	t   *testing.T
	url string
	// auth is the Authorization header of requests: an admin's token for all.
	auth string
}

var writers = Team{
	Name: "Writers", IncludesAllRepositories: true,
	Units: map[string]string{"repo.code": "write", "repo.issues": "write", "repo.pulls": "write", "repo.releases": "write"},
}

func newSim(t *testing.T, cfg Config) *sim {
	t.Helper()
	if cfg.GitRoot == "" {
		cfg.GitRoot = t.TempDir()
	}
	s := New(cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	out := &sim{Server: s, t: t, url: srv.URL, auth: "token " + s.AdminToken("all")}
	for _, tenant := range []string{"acme", "other"} {
		s.AddUser(User{
			Login: "vibn-bot-" + tenant, Email: "bot+" + tenant + "@vibnai.invalid", Restricted: true, Visibility: "private",
			Password: "Str0ng-passw0rd-xyz", NoCreateOrganization: true, MaxRepoCreation: new(0),
		})
		team := writers
		team.Members = []string{"vibn-bot-" + tenant}
		s.AddOrg(Org{Name: "vibn-" + tenant, Visibility: "private", Teams: []Team{team}}, s.Admin())
		s.AddRepo("vibn-"+tenant, Repo{Name: "app", Private: true})
	}
	return out
}

// A result is one answer, read whole.
type result struct {
	t      *testing.T
	status int
	header http.Header
	text   string
}

// do sends a request with the sim's credential, or with another one in header
// Authorization, "" for none. The path begins after /api/v1, or at the root
// after two slashes.
func (s *sim) do(method, path, body string, headers ...string) result {
	s.t.Helper()
	at := s.url + prefix + path
	if strings.HasPrefix(path, "//") {
		at = s.url + path[1:]
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, at, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	if s.auth != "" {
		req.Header.Set("Authorization", s.auth)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return send(s.t, req)
}

func send(t *testing.T, req *http.Request) result {
	t.Helper()
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", req.Method, req.URL, err)
	}
	return result{t, resp.StatusCode, resp.Header, string(text)}
}

// with is the sim with another Authorization header.
func (s *sim) with(authorization string) *sim {
	other := *s
	other.auth = authorization
	return &other
}

// bot is the sim with a token of a tenant's bot.
func (s *sim) bot(tenant string, scopes ...string) *sim {
	return s.with("token " + s.AddToken("vibn-bot-"+tenant, scopes...))
}

// admin is the sim with a token of the site admin.
func (s *sim) admin(scopes ...string) *sim { return s.with("token " + s.AdminToken(scopes...)) }

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// secret is the token of the sim's credential.
func (s *sim) secret() string { return strings.TrimPrefix(s.auth, "token ") }

func (r result) ok(status int) result {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status = %d, want %d; body %s", r.status, status, r.text)
	}
	return r
}

// says checks the status and what the answer's message holds.
func (r result) says(status int, message string) {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("status = %d, want %d; body %s", r.status, status, r.text)
	}
	var o struct{ Message string }
	if err := json.Unmarshal([]byte(r.text), &o); err != nil || !strings.Contains(o.Message, message) {
		r.t.Errorf("message = %q, want one with %q", r.text, message)
	}
}

func (r result) object() map[string]any {
	r.t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(r.text), &o); err != nil {
		r.t.Fatalf("body = %s: %v", r.text, err)
	}
	return o
}

func (r result) list() []map[string]any {
	r.t.Helper()
	var out []map[string]any
	if err := json.Unmarshal([]byte(r.text), &out); err != nil {
		r.t.Fatalf("body = %s: %v", r.text, err)
	}
	return out
}

// names are those of a list: of the first of the fields that its items have.
func (r result) names(field string) []string {
	r.t.Helper()
	out := []string{}
	for _, o := range r.list() {
		name, _ := o[field].(string)
		out = append(out, name)
	}
	return out
}

func (r result) id() int {
	r.t.Helper()
	id, ok := r.object()["id"].(float64)
	if !ok {
		r.t.Fatalf("no id in %s", r.text)
	}
	return int(id)
}

// field checks one field of an answer.
func (r result) field(name string, want any) result {
	r.t.Helper()
	if diff := cmp.Diff(want, r.object()[name]); diff != "" {
		r.t.Errorf("%s (-want +got):\n%s", name, diff)
	}
	return r
}

// violated checks what the tripwires say.
func (s *sim) violated(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.Violations()); diff != "" && len(want)+len(s.Violations()) > 0 {
		s.t.Errorf("violations (-want +got):\n%s", diff)
	}
}

func keysOf(o map[string]any) []string {
	var keys []string
	for k := range o {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// shared returns a folder of the material beside the repository.
func shared(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", name)
	if _, err := os.Stat(dir); err != nil {
		documenttest.SkipWithout(t, dir)
	}
	return dir
}

// A clock is moved by hand.
type clock struct{ at time.Time }

func newClock() *clock { return &clock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *clock) now() time.Time { return c.at }

func itoa(n int) string { return strconv.Itoa(n) }

func replaceAll(text string, oldnew ...string) string {
	return strings.NewReplacer(oldnew...).Replace(text)
}
