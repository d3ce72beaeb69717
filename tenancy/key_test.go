package tenancy_test

import (
	"crypto/sha256"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/tenancy"
)

func TestNewKey(t *testing.T) {
	seen := map[string]bool{}
	for range 100 {
		var k tenancy.Key
		key, digest := tenancy.NewKey(&k)
		text := key.Reveal()
		if len(text) != 57 || !strings.HasPrefix(text, tenancy.KeyPrefix) || seen[text] {
			t.Fatalf("NewKey = %q, want 57 new characters that begin with %s", text, tenancy.KeyPrefix)
		}
		seen[text] = true
		if !strings.HasPrefix(text, k.Prefix) || !strings.HasSuffix(text, k.Last4) || len(k.Prefix)+len(k.Last4) > 16 {
			t.Errorf("ends of %q are %q and %q", text, k.Prefix, k.Last4)
		}
		if got, err := tenancy.ParseKey(text); err != nil || got != digest || digest != sha256.Sum256([]byte(text)) {
			t.Errorf("ParseKey(NewKey()) = %x, %v; want %x", got, err, digest)
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	var k tenancy.Key
	key, _ := tenancy.NewKey(&k)
	good := key.Reveal()
	for _, bad := range []string{
		"",
		"vibn_sk_",
		good[:len(good)-1],
		good + "a",
		" " + good[1:],
		strings.Replace(good, "vibn_sk_", "vibn_pk_", 1),
		good[:20] + flip(good[20]) + good[21:],
		good[:len(good)-1] + flip(good[len(good)-1]),
		good[:30] + "-" + good[31:],
		good[:30] + "\x00" + good[31:],
	} {
		if _, err := tenancy.ParseKey(bad); err == nil {
			t.Errorf("ParseKey(%q) took it", bad)
		}
	}
}

func flip(b byte) string {
	if b == 'a' {
		return "b"
	}
	return "a"
}

// FuzzParseKey: what is taken has the one form of a key, and keeps its digest.
func FuzzParseKey(f *testing.F) {
	var k tenancy.Key
	key, _ := tenancy.NewKey(&k)
	for _, seed := range []string{key.Reveal(), "", "vibn_sk_", strings.Repeat("a", 57), key.Reveal() + "\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		digest, err := tenancy.ParseKey(s)
		if err != nil {
			if digest != (tenancy.Digest{}) {
				t.Errorf("ParseKey(%q) failed and returned a digest", s)
			}
			return
		}
		if len(s) != 57 || strings.ContainsFunc(s, func(r rune) bool { return r > 'z' || r < '0' }) || digest != sha256.Sum256([]byte(s)) {
			t.Errorf("ParseKey(%q) took it", s)
		}
	})
}
