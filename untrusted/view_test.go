package untrusted

import "testing"

func TestUnescape(t *testing.T) {
	for _, tc := range []struct {
		lead byte
		read func([]byte) (string, int)
		in   string
		want string // "" if nothing changes
	}{
		{'%', percent, "a%41%2f%zz%4", "aA/%zz%4"},
		{'%', percent, "a%zz", ""},
		{'%', percent, "no escape", ""},
		{'&', entity, "&lt;&#39;&#x1F680;&nonsense;&", "<'🚀&nonsense;&"},
		{'&', entity, "a & b; c", ""},
		{'\\', backslash, `\u0041\x41\101\U00000041`, "AAAA"},
		{'\\', backslash, `\ud83d\ude80`, "🚀"},
		{'\\', backslash, `\ud83dx\ud83d\u0041`, "\ufffdx\ufffdA"},
		{'\\', backslash, `\u00\x4\9\U0\0\n`, "u00x49U00\n"},
		{'\\', backslash, `\"\/\'`, ""},
		{'\\', backslash, `a\`, ""},
		{'\\', backslash, `\\n`, `\n`},
	} {
		got, changed := unescape(joined(tc.in), tc.lead, tc.read)
		if changed != (tc.want != "") || changed && string(got.b) != tc.want {
			t.Errorf("unescape(%q) = %q, %v, want %q", tc.in, got.b, changed, tc.want)
		}
	}
}

func TestUnescapeKeepsPlaces(t *testing.T) {
	const in = "a%41\n  %4\n2c"
	got, _ := unescape(joined(in), '%', percent)
	want := []struct {
		b    byte
		from string
	}{{'a', "a"}, {'A', "%41"}, {'B', "%4\n2"}, {'c', "c"}}
	if len(got.b) != len(want) {
		t.Fatalf("unescape(%q) = %q, want %d bytes", in, got.b, len(want))
	}
	for i, w := range want {
		if at := got.at[i]; got.b[i] != w.b || in[at.from:at.to] != w.from {
			t.Errorf("byte %d is %q from %q, want %q from %q", i, got.b[i], in[at.from:at.to], w.b, w.from)
		}
	}
}
