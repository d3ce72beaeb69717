package untrusted

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func TestClean(t *testing.T) {
	long := strings.Repeat("é", MaxText)
	for _, tc := range []struct{ name, in, want string }{
		{"empty", "", ""},
		{"plain", "Fix login (#12)", "Fix login (#12)"},
		{"other scripts stay", "größe 部署 деплой 🚀 e\u0301", "größe 部署 деплой 🚀 e\u0301"},
		{"white space is folded and trimmed", " \t a \n\n b\r\nc\v\fd ", "a b c d"},
		{"odd spaces", "a\u00a0b\u2003c\u3000d\u202fe\u1680f\u205fg", "a b c d e f g"},
		{"line separators", "a\u2028b\u2029c\u0085d", "a b c d"},
		{"controls", "a\x00b\x07c\x08d\x7fe", "abcde"},
		{"C1 controls", "a\u0080b\u008dc\u0099d", "abcd"},
		{"invalid UTF-8", "a\xffb\xc3c\xe2\x80d\xed\xa0\x80e\xf8", "abcde"},
		{"replacement character", "a\ufffdb", "ab"},
		{"noncharacters and private use", "a\ufdd0b\uffffc\ue000d\U000F0000e\U0010FFFFf", "abcdef"},

		{"colour", "\x1b[1;31mred\x1b[0m", "red"},
		{"cursor and screen", "a\x1b[2J\x1b[1;1Hb\x1b[?25lc", "abc"},
		{"CSI with intermediates", "a\x1b[4 qb\x1b[!pc", "abc"},
		{"CSI in 8 bits", "a\u009b31mb", "ab"},
		{"CSI cut off", "a\x1b[31", "a"},
		{"CSI broken", "a\x1b[3\nb", "a b"},
		{"title", "a\x1b]0;owned\x07b", "ab"},
		{"link", "\x1b]8;;https://example.org\x1b\\text\x1b]8;;\x1b\\", "text"},
		{"clipboard, 8 bits", "a\u009d52;c;ZXZpbA==\u009cb", "ab"},
		{"DCS", "a\x1bP1$r0m\x1b\\b", "ab"},
		{"APC, PM, SOS", "a\x1b_x\x1b\\b\x1b^y\x1b\\c\x1bXz\x1b\\d", "abcd"},
		{"OSC without an end takes the line", "a\x1b]0;x\nb", "a b"},
		{"OSC ended by another sequence", "a\x1b]0;x\x1b[1mb", "ab"},
		{"OSC cancelled", "a\x1b]0;x\x18b", "ab"},
		{"character sets", "a\x1b(0b\x1b#8c", "abc"},
		{"two characters", "a\x1bcb\x1b7c\x1b=d", "abcd"},
		{"ESC alone", "a\x1b", "a"},
		{"ESC before a letter of another script", "\x1bé", "é"},
		{"ESC ESC", "\x1b\x1b[31ma", "a"},
		{"sequence hidden in a sequence", "\x1b\x1b[m[31ma", "[31ma"},

		{"bidi", "a\u202ab\u202ec\u2066d\u2069e\u200ef\u200fg\u061ch", "abcdefgh"},
		{"zero width", "a\u200bb\u200cc\u200dd\u2060e\ufefff", "abcdef"},
		{"soft hyphen and joiners", "a\u00adb\u034fc\u180ed\u2063e", "abcde"},
		{"fillers", "a\u115fb\u1160c\u3164d\uffa0e\u2800f\U00016FE4g\U0001D159h", "abcdefgh"},
		{"Khmer vowels without a shape", "a\u17b4b\u17b5c", "abc"},
		{"variation selectors", "a\ufe0fb\ufe00c\U000E0100d\u180be", "abcde"},
		{"tags", "a\U000E0001\U000E0069\U000E0067\U000E007Fb", "ab"},
		{"annotations and musical formats", "a\ufff9b\ufffbc\U0001D173d\U000E0FFFe", "abcde"},

		{"as long as may be", long, long},
		{"too long", long + "é", strings.Repeat("é", MaxText-3) + "..."},
		{"long only before cleaning", strings.Repeat("\x1b[1ma", MaxText), strings.Repeat("a", MaxText)},
	} {
		if got := Clean(tc.in); got != tc.want {
			t.Errorf("%s: Clean(%q) = %q, want %q", tc.name, tc.in, got, tc.want)
		}
	}
}

func TestCleanLines(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"", []string{}},
		{"\n \n\x00\n", []string{}},
		{"a", []string{"a"}},
		{"a\n", []string{"a"}},
		{"a\n\nb\n\n", []string{"a", "", "b"}},
		{"a\r\nb\nc\u2028d\u2029e\u0085f", []string{"a", "b", "c", "d", "e", "f"}},
		{"10%\r20%\r100%\n", []string{"10%", "20%", "100%"}},
		{"  if x:\n\treturn  1  ", []string{"  if x:", "    return  1"}},
		{"\x1b[32mok\x1b[0m\u00a0done\x1b[K", []string{"ok done"}},
		{"\x1b]0;ti\ntle", []string{"", "tle"}},
		{strings.Repeat("x", MaxLine+1), []string{strings.Repeat("x", MaxLine-3) + "..."}},
	} {
		if diff := cmp.Diff(tc.want, CleanLines(tc.in)); diff != "" {
			t.Errorf("CleanLines(%q) (-want +got):\n%s", tc.in, diff)
		}
	}
}

// neverShown are the classes of characters, and some characters by number, that
// cleaned text must not hold; written down apart from what the cleaner uses.
var neverShown = []*unicode.RangeTable{
	unicode.Cc, unicode.Cf, unicode.Cs, unicode.Co, unicode.Zl, unicode.Zp, unicode.Bidi_Control,
	unicode.Noncharacter_Code_Point, unicode.Join_Control,
}

const neverShownRunes = "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180e\u180f\u2065\u2800\u3164\ufe00\ufe0f\uffa0\ufffd\U000E0000\U000E0100\U000E01EF"

// flaw returns what is wrong with s as one line of cleaned text.
func flaw(s string, limit int) string {
	if !utf8.ValidString(s) {
		return "is not UTF-8"
	}
	if utf8.RuneCountInString(s) > limit {
		return "is too long"
	}
	for _, r := range s {
		if unicode.In(r, neverShown...) || strings.ContainsRune(neverShownRunes, r) {
			return "holds a control or an invisible character"
		}
		if unicode.IsSpace(r) && r != ' ' {
			return "holds an odd space"
		}
	}
	return ""
}

func TestCleanEveryCharacter(t *testing.T) {
	t.Parallel()
	for r := rune(0); r <= unicode.MaxRune; r++ {
		in := "a" + string(r) + "b"
		got := Clean(in)
		if got == "ab" && !unicode.In(r, unicode.L, unicode.N) {
			continue // most are left out
		}
		if fault := flaw(got, MaxText); fault != "" {
			t.Fatalf("Clean(%q) = %q, which %s", in, got, fault)
		}
		if unicode.In(r, unicode.L, unicode.N) && !unicode.Is(unicode.Other_Default_Ignorable_Code_Point, r) && got != in {
			t.Fatalf("Clean(%q) = %q, want it unchanged", in, got)
		}
	}
}

func FuzzClean(f *testing.F) {
	for _, seed := range []string{
		hostile, "\x1b[31", "\x1b]0;x", "\u009b1m\u009d", "a\xc2\x1b[m\x85b", "\xe2\x80\x1b[m\xa8", " \r\n\t\u2028",
		strings.Repeat("é ", MaxText), "\x1b\x1b[m[31ma", "\u0085\u009c",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		one := Clean(s)
		if fault := flaw(one, MaxText); fault != "" {
			t.Errorf("Clean(%q) = %q, which %s", s, one, fault)
		}
		if one != strings.TrimSpace(one) || strings.Contains(one, "  ") {
			t.Errorf("Clean(%q) = %q, which has white space to fold", s, one)
		}
		if again := Clean(one); again != one {
			t.Errorf("Clean(%q) = %q, want it unchanged", one, again)
		}
		lines := CleanLines(s)
		for _, line := range lines {
			if fault := flaw(line, MaxLine); fault != "" {
				t.Errorf("CleanLines(%q) has the line %q, which %s", s, line, fault)
			}
		}
		if diff := cmp.Diff(lines, CleanLines(strings.Join(lines, "\n"))); diff != "" {
			t.Errorf("CleanLines of the lines of %q (-want +got):\n%s", s, diff)
		}
	})
}
