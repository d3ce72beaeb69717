package untrusted

import (
	"encoding/base64"
	pemfile "encoding/pem"
	"strings"
	"testing"
)

// b62 returns n characters of a token.
func b62(n int) string { return strings.Repeat("aB3dE6gH9", n/9+1)[:n] }

func hexes(n int) string { return strings.Repeat("0a1b2c3d", n/8+1)[:n] }

// TestTokensOfServices: tokens of services are hidden by their shape; words that only begin
// as they do are not. The samples are put together here, as scanners would find them whole.
func TestTokensOfServices(t *testing.T) {
	for name, tokens := range map[string][]string{
		"forges": {
			"ghp_" + b62(36), "gho_" + b62(36), "ghs_" + b62(36), "github_pat_" + b62(22) + "_" + b62(59), "glpat-" + b62(20), "gldt-" + b62(20),
			"ATBB" + b62(32), "npm_" + b62(36), "pypi-" + b62(80), "dckr_pat_" + b62(27),
		},
		"clouds": {
			"AKIA" + strings.Repeat("A1B2", 4), "AIza" + b62(35), "ya29." + b62(60), "GOCSPX-" + b62(28), "dop_v1_" + hexes(64), "hvs." + b62(24),
			"HRKU-" + b62(36), "dapi" + hexes(32),
		},
		"chat": {
			"xoxb-1234567890-" + b62(24), "xoxe.xoxp-1-" + b62(40), "xapp-1-A012-" + b62(40), "12345678:AA" + b62(33),
			"M" + b62(25) + ".Ab-_12." + b62(38),
		},
		"payment": {
			"sk_" + "live_" + b62(24), "rk_" + "test_" + b62(24), "whsec_" + b62(32), "sq0atp-" + b62(22), "EAAA" + b62(60), "shpat_" + hexes(32),
			"access_token$production$" + hexes(16) + "$" + hexes(32),
		},
		"others": {"SG." + b62(22) + "." + b62(43), "key-" + hexes(32), "sk-" + "proj-" + b62(40), "sk-" + b62(48)},
		"web tokens": {
			"eyJ" + b62(20) + ".eyJ" + b62(40) + "." + b62(43), "eyJ" + b62(20) + ".eyJ" + b62(40), "eyJ" + b62(20) + ".eyJ" + b62(40) + ".",
		},
	} {
		for _, token := range tokens {
			for _, around := range [][2]string{{"", ""}, {"got ", " from it"}, {`{"a":"`, `"}`}, {"X=", "\nnext"}, {"(", ")"}, {"_", ","}} {
				if around[0] == "_" && strings.HasPrefix(token, "M") {
					continue // a longer word
				}
				in, want := around[0]+token+around[1], around[0]+redacted+around[1]
				if got := scrubbed(t, new(Scrubber), in); got != want {
					t.Errorf("%s: Scrub(%q) = %q, want %q", name, in, got, want)
				}
			}
		}
	}
	for _, tc := range []struct{ in, want string }{
		{"AWS_SECRET_ACCESS_KEY=" + b62(40), "AWS_SECRET_ACCESS_KEY=[redacted]"},
		{`"aws_session_token": "` + b62(80) + `"`, `"aws_session_token": "[redacted]"`},
		{"AccountName=x;AccountKey=" + b62(86) + "==;EndpointSuffix=y", "AccountName=x;AccountKey=[redacted];EndpointSuffix=y"},
		{"Endpoint=sb://x/;SharedAccessKey=" + b62(43) + "=", "Endpoint=sb://x/;SharedAccessKey=[redacted]"},
		{"https://x.example.org/c?se=1&sig=" + b62(44) + "%3D&sp=r", "https://x.example.org/c?se=1&sig=[redacted]&sp=r"},
		{"post https://hooks.slack.com/services/T01/B02/" + b62(24), "post https://hooks.slack.com/services/[redacted]"},
		{"https://discord.com/api/webhooks/123/" + b62(68) + " ok", "https://discord.com/api/webhooks/123/[redacted] ok"},
		{"https://api.telegram.org/bot12345678:AA" + b62(33) + "/getMe", "https://api.telegram.org/bot[redacted]/getMe"},
		{"a task-management-of-everything-there-is", "a task-management-of-everything-there-is"},
		{"risk-free-and-very-long-name-of-a-branch", "risk-free-and-very-long-name-of-a-branch"},
		{"npm_config_registry and npm_lifecycle_event", "npm_config_registry and npm_lifecycle_event"},
		{"key-value-store, monkey-" + hexes(32), "key-value-store, monkey-" + hexes(32)},
		{"in EASIAABCDEFGHIJKLMNOPQR", "in EASIAABCDEFGHIJKLMNOPQR"},
		{"Node.module.exports and 1.234567.8", "Node.module.exports and 1.234567.8"},
		{"at 12:34:56 20261130:AArdvark", "at 12:34:56 20261130:AArdvark"},
		{"eyJhbGciOi alone", "eyJhbGciOi alone"},
	} {
		if got := scrubbed(t, new(Scrubber), tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
	if got := scrubbed(t, new(Scrubber), ordinaryLog); got != ordinaryLog {
		t.Errorf("Scrub(%q) = %q, want it unchanged", ordinaryLog, got)
	}
}

// TestPrivateKeys: a private key that nobody told of is hidden, also when its start or its
// end was cut off, and whatever stands before its lines.
func TestPrivateKeys(t *testing.T) {
	raw := []byte(strings.Repeat("0123456789abcdefXYZ", 20) + "end")
	block := string(pemfile.EncodeToMemory(&pemfile.Block{Type: "EC PRIVATE KEY", Bytes: raw}))
	lines := strings.Split(strings.TrimSpace(block), "\n")
	holds := func(text string) bool {
		for _, line := range lines[1 : len(lines)-1] {
			if strings.Contains(text, line) {
				return true
			}
		}
		return false
	}
	const before, after = "starting the app", "listening on port 3000"
	for name, key := range map[string]string{
		"whole":         block,
		"with times":    "12:00:01 " + strings.Join(lines, "\n12:00:02 "),
		"in one line":   `{"key":"` + strings.Join(lines, `\n`) + `"}`,
		"without end":   strings.Join(lines[:len(lines)-1], "\n"),
		"without start": strings.Join(lines[1:], "\n"),
		"twice":         block + block,
		"for PGP":       strings.ReplaceAll(block, "EC PRIVATE KEY", "PGP PRIVATE KEY BLOCK"),
	} {
		in := before + "\n\n" + strings.TrimSpace(key) + "\n" + after
		if name == "without start" {
			in = strings.TrimSpace(key) + "\n" + after
		}
		got := scrubbed(t, new(Scrubber), in)
		if holds(got) || !strings.HasSuffix(got, "\n"+after) {
			t.Errorf("%s: Scrub(%q) = %q, want the key hidden and the rest there", name, in, got)
		}
		if name != "without start" && !strings.HasPrefix(got, before+"\n") {
			t.Errorf("%s: Scrub(%q) = %q, want what stands before it", name, in, got)
		}
	}
	public := strings.ReplaceAll(block, "EC PRIVATE", "PUBLIC")
	if got := scrubbed(t, new(Scrubber), public); got != public {
		t.Errorf("Scrub(%q) = %q, want it unchanged", public, got)
	}
	far := "-----BEGIN PRIVATE KEY-----\n" + strings.Repeat("one of many words\n", 2000) + "-----END PRIVATE KEY-----\n"
	if got := scrubbed(t, new(Scrubber), far); strings.Count(got, "one of many words") < 1998 {
		t.Errorf("marks that are far apart hide %d lines", 2000-strings.Count(got, "one of many words"))
	}
	short := base64.StdEncoding.EncodeToString(raw[:30])
	if got := scrubbed(t, new(Scrubber), "see -----BEGIN PRIVATE KEY-----\n"+short+"\nok"); got != "see [redacted]\n[redacted]\nok" {
		t.Errorf("a key's beginning became %q", got)
	}
}
