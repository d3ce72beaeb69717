package coolify_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
	"github.com/vibnai/vibn-mcp/secret"
)

func TestNew(t *testing.T) {
	for _, tc := range []struct {
		url, token string
		ok         bool
	}{
		{"https://coolify.example.com", canaryToken, true},
		{"http://127.0.0.1:8000/", canaryToken, true},
		{"https://example.com/tools/coolify", canaryToken, true},
		{"https://example.com/api/v1", canaryToken, false},
		{"https://example.com/tools/api/v1/", canaryToken, false},
		{"https://user:canary@example.com", canaryToken, false},
		{"https://example.com?token=canary", canaryToken, false},
		{"https://example.com#x", canaryToken, false},
		{"ftp://example.com", canaryToken, false},
		{"https:///panel", canaryToken, false},
		{"", canaryToken, false},
		{"https://example.com", "", false},
		{"https://example.com", "canary token", false},
		{"https://example.com", "canary\r\nX-Evil: 1", false},
	} {
		u, err := url.Parse(tc.url)
		if err != nil {
			t.Fatal(err)
		}
		cfg := coolify.Config{URL: u, Token: secret.NewText(tc.token)}
		_, ordinary := coolify.New(cfg)
		_, sensitive := coolify.NewSensitive(cfg)
		for _, err := range []error{ordinary, sensitive} {
			if (err == nil) != tc.ok {
				t.Errorf("New(%s) = %v, want ok = %v", tc.url, err, tc.ok)
			}
			if err != nil && strings.Contains(err.Error(), "canary") {
				t.Errorf("New(%s) shows a secret: %v", tc.url, err)
			}
		}
	}
	if _, err := coolify.New(coolify.Config{Token: secret.NewText(canaryToken)}); err == nil {
		t.Error("New without a URL: no error")
	}
}

// TestPaths: the root may have a path of its own, with and without a slash.
func TestPaths(t *testing.T) {
	for root, want := range map[string]string{
		"https://coolify.example.com":             "https://coolify.example.com/api/v1/applications/" + appID,
		"https://coolify.example.com/":            "https://coolify.example.com/api/v1/applications/" + appID,
		"https://coolify.example.com/tools/panel": "https://coolify.example.com/tools/panel/api/v1/applications/" + appID,
		"https://coolify.example.com/a%2Fb/":      "https://coolify.example.com/a%2Fb/api/v1/applications/" + appID,
	} {
		var got, agent string
		cfg := overWire(func(r *http.Request) (*http.Response, error) {
			got, agent = r.URL.String(), r.UserAgent()
			return reply(200, `{"uuid":"`+appID+`"}`), nil
		})
		cfg.URL, _ = url.Parse(root)
		cfg.UserAgent = "vibn-mcp/1.2.3"
		if _, err := connect(t, cfg).App(app).Get(t.Context()); err != nil {
			t.Errorf("below %s: %v", root, err)
		}
		if got != want || agent != cfg.UserAgent {
			t.Errorf("below %s asked %s as %q, want %s as %q", root, got, agent, want, cfg.UserAgent)
		}
	}
}
