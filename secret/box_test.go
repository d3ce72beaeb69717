package secret_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
)

var (
	boxKey = secret.NewText("0123456789abcdef")
	oldKey = secret.NewText("fedcba9876543210")
	here   = secret.Place{Table: "vibn_bot_tokens", Column: "sealed", Row: "1"}
)

func newBox(t testing.TB, key secret.Text, old ...secret.Text) *secret.Box {
	t.Helper()
	b, err := secret.NewBox(key, old...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func seal(t testing.TB, b *secret.Box, plain string, at secret.Place) string {
	t.Helper()
	s, err := b.Seal(secret.NewText(plain), at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestBoxRoundTrip(t *testing.T) {
	b := newBox(t, boxKey)
	for _, plain := range []string{"", "x", hidden, "a\x00b\xff", strings.Repeat("long ", 10_000)} {
		sealed := seal(t, b, plain, here)
		got, err := b.Open(sealed, here)
		if err != nil || got.Reveal() != plain {
			t.Errorf("Open(Seal(%.20q)) = %.20q, %v", plain, got.Reveal(), err)
		}
		if plain != "" && len(plain) > 1 && strings.Contains(sealed, plain) {
			t.Errorf("Seal(%.20q) = %.40q, holds the plain text", plain, sealed)
		}
		if again := seal(t, b, plain, here); again == sealed {
			t.Errorf("Seal(%.20q) gave the same twice: the nonce is not random", plain)
		}
	}
}

func TestBoxAnyFlippedBitFails(t *testing.T) {
	b := newBox(t, boxKey, oldKey)
	sealed := seal(t, b, hidden, here)
	for i := range len(sealed) {
		for bit := range 8 {
			flipped := []byte(sealed)
			flipped[i] ^= 1 << bit
			if got, err := b.Open(string(flipped), here); !errors.Is(err, secret.ErrSealed) || !got.IsZero() {
				t.Errorf("Open with bit %d of byte %d flipped = %v, want ErrSealed", bit, i, err)
			}
		}
	}
}

func TestBoxOpensOnlyWhatItSealed(t *testing.T) {
	b := newBox(t, boxKey)
	sealed := seal(t, b, hidden, here)
	parts := strings.Split(sealed, ".")
	for name, s := range map[string]string{
		"empty": "", "dots": "..", "prefix only": "v1." + parts[1] + ".", "other version": "v2" + sealed[2:],
		"cut": sealed[:len(sealed)-1], "cut by 20": sealed[:len(sealed)-20], "longer": sealed + "A", "padded": sealed + "=",
		"fourth part": sealed + ".A", "line break at the end": sealed + "\n",
		"line break inside": sealed[:30] + "\r\n" + sealed[30:], "space": " " + sealed,
		"other key's id": "v1." + strings.Split(seal(t, newBox(t, oldKey), "x", here), ".")[1] + "." + parts[2],
		"plain text":     hidden,
	} {
		if got, err := b.Open(s, here); !errors.Is(err, secret.ErrSealed) || !got.IsZero() {
			t.Errorf("%s: Open(%q) = %v, want ErrSealed", name, s, err)
		}
	}
}

func TestBoxOtherPlaceFails(t *testing.T) {
	b := newBox(t, boxKey)
	at := secret.Place{Table: "ab", Column: "cd", Row: "ef"}
	sealed := seal(t, b, hidden, at)
	for _, other := range []secret.Place{
		{},
		{"ab", "cd", "eg"},
		{"ab", "ce", "ef"},
		{"aa", "cd", "ef"},
		{"abcd", "", "ef"}, // the same letters, cut elsewhere
		{"a", "bcd", "ef"},
		{"ab", "cdef", ""},
		{"ab", "cdef", "\x00"},
		{"ef", "cd", "ab"},
	} {
		if _, err := b.Open(sealed, other); !errors.Is(err, secret.ErrSealed) {
			t.Errorf("Open at %q of what was sealed at %q: %v, want ErrSealed", other, at, err)
		}
	}
}

func TestBoxOldKeys(t *testing.T) {
	before, after := newBox(t, oldKey), newBox(t, boxKey, oldKey)
	sealed := seal(t, before, hidden, here)
	if got, err := after.Open(sealed, here); err != nil || got.Reveal() != hidden {
		t.Errorf("Open of what the old key sealed = %v, want the secret", err)
	}
	if _, err := newBox(t, boxKey).Open(sealed, here); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("Open without the old key = %v, want ErrSealed", err)
	}
	for s, want := range map[string]bool{sealed: true, seal(t, after, hidden, here): false, "": true, "rubbish": true} {
		if got := after.NeedsReseal(s); got != want {
			t.Errorf("NeedsReseal(%.24q) = %v, want %v", s, got, want)
		}
	}
	if before.NeedsReseal(sealed) {
		t.Error("NeedsReseal = true for what the current key sealed")
	}
	same := newBox(t, boxKey, boxKey) // a key that is listed as old as well stays current
	if same.NeedsReseal(seal(t, same, hidden, here)) {
		t.Error("NeedsReseal = true for the current key, listed as old as well")
	}
}

func TestNewBoxRefusesShortKeys(t *testing.T) {
	short := secret.NewText("0123456789abcde")
	for name, keys := range map[string][]secret.Text{
		"none": {{}}, "short": {short}, "short old": {boxKey, short}, "short second old": {boxKey, oldKey, short},
		"empty old": {boxKey, {}},
	} {
		b, err := secret.NewBox(keys[0], keys[1:]...)
		if err == nil || b != nil {
			t.Errorf("%s: NewBox = %v, nil, want an error", name, b)
			continue
		}
		if strings.Contains(err.Error(), short.Reveal()) {
			t.Errorf("%s: NewBox: %v, shows the key", name, err)
		}
	}
	if _, err := secret.NewBox(secret.NewText(strings.Repeat("ä", secret.MinKey))); err != nil {
		t.Errorf("NewBox with %d characters of two bytes: %v", secret.MinKey, err)
	}
	if _, err := secret.NewBox(secret.NewText(strings.Repeat("ä", secret.MinKey/2))); err == nil {
		t.Errorf("NewBox with %d characters of two bytes: want an error", secret.MinKey/2)
	}
}

func TestBoxShowsNoKey(t *testing.T) {
	b := newBox(t, boxKey)
	sealed := seal(t, b, hidden, here)
	for _, out := range []string{sealed, fmt.Sprintf("%+v %#v %x", b, *b, b)} {
		for _, key := range []string{boxKey.Reveal(), hex.EncodeToString([]byte(boxKey.Reveal()))} {
			if strings.Contains(out, key) {
				t.Errorf("%q shows the key", out)
			}
		}
	}
}

func TestZeroBoxDoesNothing(t *testing.T) {
	var b secret.Box
	if s, err := b.Seal(secret.NewText(hidden), here); err == nil {
		t.Errorf("Seal = %q, want an error", s)
	}
	if _, err := b.Open(seal(t, newBox(t, boxKey), hidden, here), here); !errors.Is(err, secret.ErrSealed) {
		t.Errorf("Open = %v, want ErrSealed", err)
	}
}

// sealedByV1 is what version 1 of the format looks like. A release that cannot
// open it has lost its users' secrets.
const sealedByV1 = "v1.a444cff87689.hryF8Bxo0eaWqQl4gZcS3sCi4AhFrXPsg3aL5VmO_11V7uEy_ONnrPcCRg"

func TestBoxOpensVersion1(t *testing.T) {
	got, err := newBox(t, boxKey).Open(sealedByV1, here)
	if err != nil || got.Reveal() != hidden {
		t.Errorf("Open(%q) = %v, want the secret", sealedByV1, err)
	}
}

func FuzzBoxOpen(f *testing.F) {
	b := newBox(f, boxKey, oldKey)
	f.Add(sealedByV1)
	f.Fuzz(func(t *testing.T, s string) {
		got, err := b.Open(s, here)
		if s == sealedByV1 {
			if err != nil || got.Reveal() != hidden {
				t.Fatalf("Open(%q) = %v, want the secret", s, err)
			}
			return
		}
		if !errors.Is(err, secret.ErrSealed) || !got.IsZero() {
			t.Fatalf("Open(%q) = %q, %v, want ErrSealed", s, got.Reveal(), err)
		}
	})
}
