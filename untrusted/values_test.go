package untrusted

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/secret"
)

func TestScrubLinesOfValues(t *testing.T) {
	service := `{"type":"service","key":"-----BEGIN-----\nQUJDREVGR0hJSktM/5PUFFSU1RVVldYWVo\n-----END-----\n","x":1}`
	s := knowing(pem, service, "mysql://web:b%40d:P4ss@db.example.org/web", "postgres://web:postgres@db/web")
	for _, tc := range []struct{ in, want string }{
		{"line: Yx2eqzDV+xeG8kx/sQFV18S5JhzGeIJNA72wSeukEPojtqUyX2J0CciPBh7eqclQ.", "line: [redacted]."},
		{"QUJDREVGR0hJSktM/5PUFFSU1RVVldYWVo", "[redacted]"},
		{"access denied for web using b%40d:P4ss", "access denied for web using [redacted]"},
		{"postgres is up", "postgres is up"},
		{"access denied for web using b@d:P4ss", "access denied for web using [redacted]"},
	} {
		if got := scrubbed(t, s, tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestWhatIsASecret(t *testing.T) {
	const in, out = true, false
	for _, tc := range []struct {
		name, value string
		secret      bool
	}{
		{"VALUE", "", out},
		{"PASSWORD", "", out},
		{"VALUE", "1", out},
		{"PASSWORD", "1", out},
		{"PASSWORD", "a", out},
		{"PASSWORD", "abc", out},
		{"VALUE", "abcd", out},
		{"VALUE", "abcdefg", out},
		{"VALUE", "abcdefgh", in},
		{"VALUE", "äöüß", in},
		{"DB_PASSWORD", "abcd", in},
		{"dbPwd", "ab-9!", in},
		{"API_KEY", "x'y\"z$w", in},
		{"AUTH", "äö", in},
		{"TOKEN", "123456", in},
		{"TOKEN_TTL", "3600", out},
		{"PORT", "3000", out},
		{"PIN", "4711", in},
		{"userPin", "4711", in},
		{"CARD_PINS", "47111", in},
		{"LOGIN_OTP", "12345", in},
		{"TOTP_SEED", "ab12cd", in},
		{"backupCode", "ab-12", in},
		{"ACCESS_CODES", "ab-12", in},
		{"PINCODE2", "4711", in},
		{"SALT", "pepper", in},
		{"COOKIE_NAME", "sid42", in},
		{"SESSION_ID", "ab12", in},
		{"SHIPPING_MODE", "express", out},
		{"ADOPTION", "ab12cd", out},
		{"ENCODER", "ffmpeg", out},
		{"SESSION_TIMEOUT", "3600", out},
		{"AUTH_PORT", "3000", out},
		{"SESSION_TIMEOUT", "ab12", in},
		{"SESSION_DRIVER", "redis", out},
		{"SECRET", "true", out},
		{"SECRET", "root", out},
		{"NODE_ENV", "production", out},
		{"HOST", "Localhost", out},
		{"NODE_ENV", "'production'", out},
		{"DB_PASSWORD", "postgres", in},
		{"DATABASE_URL", "postgres://web:postgres@db/web", in},
		{"VALUE", "a'b'c'd'e", in},
		{"VALUE", "''''''''", out},
		{"PASSWORD", "        ", out},
		{"PASSWORD", "redacted", out},
		{"PASSWORD", "edact", out},
	} {
		s := NewScrubber()
		s.Add(tc.name, secret.NewText(tc.value))
		text := "is " + tc.value + " it"
		if got := scrubbed(t, s, text) != text; got != tc.secret {
			t.Errorf("Add(%q, %q) makes it a secret: %v, want %v", tc.name, tc.value, got, tc.secret)
		}
	}
}

func TestShortSecretsAreWords(t *testing.T) {
	s := NewScrubber()
	s.Add("PASSWORD", secret.NewText("ab12"))
	for _, tc := range []struct{ in, want string }{
		{"ab12", "[redacted]"},
		{"x\nab12\ny", "x\n[redacted]\ny"},
		{"pw=ab12;", "pw=[redacted];"},
		{"pw%3Dab12%20", "pw%3D[redacted]%20"},
		{base64.StdEncoding.EncodeToString([]byte("PASSWORD=ab12\n")), "[redacted]"},
		{"xab12", "xab12"},
		{"ab123", "ab123"},
		{"ab 12", "ab 12"},
		{"ab\n12", "ab\n12"},
		{"_ab12", "_ab12"},
	} {
		if got := scrubbed(t, s, tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// A secret of 8 bytes of which fewer count is compared with its quotes, $ and +,
// or a log would lose what only looks like it.
func TestSecretsFullOfNoise(t *testing.T) {
	s := knowing("aB3$xY9+", "8 bytes!", "no'pe'no'p")
	for _, tc := range []struct{ in, want string }{
		{"is XaB3$xY9+X", "is X[redacted]+X"},
		{`"aB3\$xY9+"`, `"[redacted]+"`},
		{"aB3$$xY9+", "[redacted]+"},
		{"aB3\n$xY\n9+", "[redacted]\n[redacted]\n[redacted]+"},
		{"?p=aB3%24xY9%2B", "?p=[redacted]%2B"},
		{"aB3xY9+", "aB3xY9+"},
		{"aB3$xY9", "aB3$xY9"},
		{"8 bytes!", "[redacted]"},
		{"8+bytes%21", "[redacted]"},
		{"8\nbytes!", "[redacted]\n[redacted]"},
		{"8bytes!", "8bytes!"},
		{`no'"'"'pe'"'"'no'"'"'p`, "[redacted]"},
		{"nope nop", "nope nop"},
	} {
		if got := scrubbed(t, s, tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// The same value may be told twice, as it is and as it is written to a file.
func TestShortSecretToldTwice(t *testing.T) {
	for _, told := range [][]string{
		{"ab12", "'ab12'"},
		{`"ab12"`, "ab12"},
		{"ab$12", "'ab$$12'"},
		{`ab\$12`, "ab$12"},
		{"ab$12", "ab+12"},
	} {
		s := NewScrubber()
		for _, v := range told {
			s.Add("PASSWORD", secret.NewText(v))
		}
		in := "is " + told[0] + " and " + told[1] + " but xab12x"
		got := scrubbed(t, s, in)
		if strings.Count(got, redacted) != 2 || !strings.HasSuffix(got, " but xab12x") {
			t.Errorf("with %q: Scrub(%q) = %q, want the two words redacted only", told, in, got)
		}
	}
}

// Values of one or two characters are in every app. They must not eat a log.
func TestTinyValuesLeaveTheLog(t *testing.T) {
	s := NewScrubber()
	for c := rune(' '); c <= '~'; c++ {
		for _, name := range []string{"DEBUG", "PASSWORD", "API_KEY"} {
			s.Add(name, secret.NewText(string(c)))
			s.Add(name, secret.NewText(strings.Repeat(string(c), 3)))
		}
	}
	if got := scrubbed(t, s, ordinaryLog); got != ordinaryLog {
		t.Errorf("Scrub(log) (-want +got):\n%s", cmp.Diff(ordinaryLog, got))
	}
}
