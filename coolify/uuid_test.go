package coolify_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/coolify"
)

func TestParseUUID(t *testing.T) {
	for _, s := range []string{appID, "github-public", "V1StGXR8_Z5jdHi6B-myT", "0", strings.Repeat("a", 64)} {
		u, err := coolify.ParseUUID(s)
		if err != nil || u.String() != s || u.IsZero() {
			t.Errorf("ParseUUID(%q) = %q, %v, want itself", s, u, err)
		}
	}
	for _, s := range []string{
		"", ".", "..", "a.b", "a/b", "../projects", "a,b", "a b", "a%2fb", "a?b", "a#b", "a\n", "a\x00", "é", "{a}", strings.Repeat("a", 65),
	} {
		if u, err := coolify.ParseUUID(s); err == nil || !u.IsZero() {
			t.Errorf("ParseUUID(%q) = %q, %v, want an error", s, u, err)
		}
	}
	if u := map[coolify.UUID]int{app: 1}; u[id(appID)] != 1 || u[coolify.UUID{}] != 0 {
		t.Errorf("as keys of a map: %v", u)
	}
}

// FuzzParseUUID: what is accepted is one segment of a path and nothing more.
func FuzzParseUUID(f *testing.F) {
	for _, s := range []string{appID, "github-public", "..", "a/b", "a,b", "%2e%2e", "a?b=c", "a#", "", "a\n"} {
		f.Add(s)
	}
	root := &url.URL{Scheme: "https", Host: "coolify.example.com"}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := coolify.ParseUUID(s)
		if err != nil {
			if !u.IsZero() {
				t.Errorf("ParseUUID(%q) = %q with an error", s, u)
			}
			return
		}
		if u.String() != s || strings.ContainsAny(s, ",?#/%.\\;&= \r\n") || s == "" {
			t.Errorf("ParseUUID(%q) = %q", s, u)
		}
		if got, want := root.JoinPath("applications", s, "start").String(), "https://coolify.example.com/applications/"+s+"/start"; got != want {
			t.Errorf("as a segment %q gives %s, want %s", s, got, want)
		}
	})
}
