package gitea_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/gitea"
	"github.com/vibnai/vibn-mcp/secret"
)

// A wire answers without a network.
type wire func(*http.Request) (*http.Response, error)

func (w wire) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func overWire(w wire) gitea.Config {
	return gitea.Config{
		URL: &url.URL{Scheme: "https", Host: "gitea.example.com", Path: basePath}, Token: secret.NewText(canaryAdmin), Transport: w,
	}
}

func reply(status int, body string, header ...string) *http.Response {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: status, Header: h, Body: io.NopCloser(strings.NewReader(body))}
}

func answering(tb testing.TB, body string) clients {
	tb.Helper()
	return connect(tb, overWire(func(*http.Request) (*http.Response, error) { return reply(200, body), nil }))
}

func TestNew(t *testing.T) {
	for _, tc := range []struct {
		url, token string
		ok         bool
	}{
		{"https://gitea.example.com", canaryAdmin, true},
		{"http://127.0.0.1:3000/", canaryAdmin, true},
		{"https://example.com/tools/gitea", canaryAdmin, true},
		{"https://example.com/api/v1", canaryAdmin, false},
		{"https://user:canary@example.com", canaryAdmin, false},
		{"https://example.com?token=canary", canaryAdmin, false},
		{"ftp://example.com", canaryAdmin, false},
		{"", canaryAdmin, false},
		{"https://example.com", "", false},
		{"https://example.com", "canary\r\nX-Evil: 1", false},
	} {
		u, err := url.Parse(tc.url)
		if err != nil {
			t.Fatal(err)
		}
		_, err = gitea.New(gitea.Config{URL: u, Token: secret.NewText(tc.token)})
		if (err == nil) != tc.ok {
			t.Errorf("New(%s) = %v, want ok = %v", tc.url, err, tc.ok)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("New(%s) shows a secret: %v", tc.url, err)
		}
	}
	if _, err := gitea.New(gitea.Config{Token: secret.NewText(canaryAdmin)}); err == nil {
		t.Error("New without a URL: no error")
	}
}

// TestPaths: the root may have a path of its own; a branch keeps its slashes,
// and a rule does not.
func TestPaths(t *testing.T) {
	for root, want := range map[string][]string{
		"https://gitea.example.com": {
			"https://gitea.example.com/api/v1/repos/a/b/branches/feat/x%25y", "https://gitea.example.com/api/v1/repos/a/b/branch_protections/release%2F%2A",
			"https://gitea.example.com/api/healthz",
		},
		"https://gitea.example.com/a%2Fb/": {
			"https://gitea.example.com/a%2Fb/api/v1/repos/a/b/branches/feat/x%25y",
			"https://gitea.example.com/a%2Fb/api/v1/repos/a/b/branch_protections/release%2F%2A", "https://gitea.example.com/a%2Fb/api/healthz",
		},
	} {
		var got []string
		cfg := overWire(func(r *http.Request) (*http.Response, error) {
			got = append(got, r.URL.String())
			return reply(404, `{"message":"not found"}`), nil
		})
		cfg.URL, _ = url.Parse(root)
		c := connect(t, cfg)
		for _, err := range []error{
			second(c.bot.Branch(t.Context(), "a", "b", "feat/x%y")), c.Repo("a", "b").DeleteBranchProtection(t.Context(), "release/*"), c.Health(t.Context()),
		} {
			if err == nil {
				t.Error("no error")
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("below %s (-want +got):\n%s", root, diff)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// TestOddFields: nothing that is set may look empty, and a setting that Gitea
// does not tell counts as on.
func TestOddFields(t *testing.T) {
	got, err := answering(t, `{"id":"19","owner":{"id":"2","login":"a"},"name":"b","private":"true","description":["x"],"parent":null,"permissions":[],"updated_at":"soon"}`).Repo("a", "b").Get(t.Context())
	want := gitea.Repository{ID: 19, OwnerID: 2, Owner: "a", Name: "b", Private: true, Description: `["x"]`, HasActions: true}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestVersions: a page of some proxy is no version.
func TestVersions(t *testing.T) {
	for version, ok := range map[string]bool{
		"1.21.0": true, "development": true, "1.26.0+dev-372-g87d670c96b": true, "11.0.1+gitea-1.22.0": true, "": false, "<html>": false, "a b": false,
	} {
		if _, err := answering(t, fmt.Sprintf(`{"version":%q}`, version)).Version(t.Context()); (err == nil) != ok {
			t.Errorf("Version() of %q: %v, want ok = %v", version, err, ok)
		}
	}
}
