package coolifytest

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/upstream/documenttest"
)

// The abilities of the three tokens that the captures were taken with.
var (
	readOnly = []string{read}
	revealer = []string{read, sensitive}
	operator = []string{read, write, deploy, sensitive}
	ordinary = []string{read, write, deploy}
)

// A sim is a simulator behind a real connection, with two tenants.
type sim struct {
	*Server
	t           *testing.T
	url         string
	alpha, beta Project
	web, api    App // of alpha and of beta
	token       string
}

func newSim(t *testing.T, cfg Config) *sim {
	t.Helper()
	s := New(cfg)
	srv := httptest.NewServer(s)
	t.Cleanup(srv.Close)
	out := &sim{Server: s, t: t, url: srv.URL, alpha: s.AddProject("alpha"), beta: s.AddProject("beta")}
	out.web = s.AddApp(out.alpha.Environments[0].UUID, App{
		Name: "web", Description: "the site", FQDN: "https://web.example.com", GitRepository: "git@git.example.com:2222/alpha/web.git",
		Tags: []string{"site"},
	})
	out.api = s.AddApp(out.beta.Environments[0].UUID, App{
		Name: "api", FQDN: "https://api.example.org", GitRepository: "git@git.example.com:2222/beta/api.git", Tags: []string{"site"},
	})
	out.token = s.Token(ordinary...)
	return out
}

// A result is one answer, read whole.
type result struct {
	t      *testing.T
	status int
	header http.Header
	text   string
}

// do sends a request with the sim's token, or with another one in header
// Authorization. The path begins after /api/v1.
func (s *sim) do(method, path, body string, headers ...string) result {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+prefix+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Accept", typeJSON)
	req.Header.Set("Authorization", "Bearer "+s.token)
	if body != "" {
		req.Header.Set("Content-Type", typeJSON)
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

func (s *sim) as(abilities ...string) *sim {
	other := *s
	other.token = s.Token(abilities...)
	return &other
}

// is checks the status and the JSON of an answer.
func (r result) is(status int, want string) {
	r.t.Helper()
	if r.status != status {
		r.t.Errorf("status = %d, want %d; body %s", r.status, status, r.text)
	}
	if diff := cmp.Diff(decode(r.t, want), decode(r.t, r.text)); diff != "" {
		r.t.Errorf("body (-want +got):\n%s", diff)
	}
}

func (r result) ok(status int) result {
	r.t.Helper()
	if r.status != status {
		r.t.Fatalf("status = %d, want %d; body %s", r.status, status, r.text)
	}
	return r
}

func (r result) json() any { r.t.Helper(); return decode(r.t, r.text) }

func (r result) object() map[string]any {
	r.t.Helper()
	o, ok := r.json().(map[string]any)
	if !ok {
		r.t.Fatalf("body = %s, want an object", r.text)
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

func decode(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return v
}

// at walks into an answer: names of keys, and "0" for the first of a list.
func at(t *testing.T, v any, path ...string) any {
	t.Helper()
	for _, key := range path {
		switch in := v.(type) {
		case map[string]any:
			v = in[key]
		case []any:
			v = in[key[0]-'0']
		default:
			t.Fatalf("no %q in %v", key, v)
		}
	}
	return v
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
