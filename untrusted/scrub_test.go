package untrusted

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/secret"
)

// knowing returns a Scrubber with these values, under a name that says nothing.
func knowing(values ...string) *Scrubber {
	s := NewScrubber()
	for _, v := range values {
		s.Add("VALUE", secret.NewText(v))
	}
	return s
}

func scrubbed(t *testing.T, s *Scrubber, text string) string {
	t.Helper()
	got, err := s.Scrub(text)
	if err != nil {
		t.Fatalf("Scrub(%.200q): %v", text, err)
	}
	again, err := s.Scrub(got)
	if err != nil || again != got {
		t.Errorf("Scrub(%.200q) = %.200q, %v, want it unchanged", got, again, err)
	}
	return got
}

const pem = `-----BEGIN EXAMPLE KEY-----
MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAq7BFUpkGp3+LQmlQ
Yx2eqzDV+xeG8kx/sQFV18S5JhzGeIJNA72wSeukEPojtqUyX2J0CciPBh7eqclQ
2zpAswIDAQABAkAgisq4+zRdrzkwH1ITV1vpytnkO/NiHcnePQiOW0VUybPyHoGM
-----END EXAMPLE KEY-----
`

var sampleSecrets = []string{
	"hunter2hunter2",
	"s3cr3t p@ss/w0rd+=%41&lt;",
	`it's "quoted" \n and $HOME`,
	"pässwörd→部署🚀🚀",
	"postgres://web:aB3%2F9!x@db.example.org:5432/web?sslmode=disable",
	"<script>'\"&amp;%%%$$$++",
	pem,
	`{"type":"service","key":"-----BEGIN-----\nQUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo\n-----END-----\n"}`,
	"line one of many\r\nline two of many\n\nline four",
	"\ttab\tand\u00a0odd\u2003spaces\u200band\u00adinvisible",
	"8 bytes!",
}

// TestScrubEveryEncoding puts each secret in each encoding, split in each way,
// into a log.
func TestScrubEveryEncoding(t *testing.T) {
	t.Parallel()
	for _, value := range sampleSecrets {
		s := knowing(value, "another value of this app")
		for _, e := range encodings {
			for n, sp := range splits {
				checkPlanted(t, s, value, e, sp, 7*n+3, "build: KEY=", " done\nnext line")
				if t.Failed() {
					return // thousands would follow
				}
			}
		}
	}
}

// checkPlanted plants value between before and after and looks for what is left.
func checkPlanted(t *testing.T, s *Scrubber, value string, e encoding, sp split, at int, before, after string) {
	t.Helper()
	encoded := e.encode(value)
	raw := before + sp.apply(encoded, at) + after
	lines, err := s.Lines(raw)
	if err != nil {
		t.Fatalf("Lines(%q): %v", raw, err)
	}
	left, _ := skeleton([]byte(strings.Join(lines, "")))
	planted, _ := skeleton([]byte(strip(encoded)))
	if strings.Contains(string(left), string(planted)) {
		t.Errorf("%s, %s: Lines(%q) = %q, which still holds the secret", e.name, sp.name, raw, lines)
	}
	if got, want := len(lines), len(CleanLines(raw)); got != want {
		t.Errorf("%s, %s: Lines(%q) = %q, %d lines, want %d", e.name, sp.name, raw, lines, got, want)
	}
	out := strings.Join(lines, "\n")
	if !strings.Contains(out, redacted) {
		t.Errorf("%s, %s: Lines(%q) = %q, want something redacted", e.name, sp.name, raw, lines)
	}
	if again, err := s.Scrub(out); err != nil || again != out {
		t.Errorf("%s, %s: Scrub(%q) = %q, %v, want it unchanged", e.name, sp.name, out, again, err)
	}
}

// awkward are pieces of secrets that mean something in one encoding or another.
var awkward = strings.Split(`a b Z 0 9 f n t u x % & ; # \ ' " $ + / _ - = < > [ ] 41 \n \u0041 amp; &lt; %2F é 部 🚀`, " ")

// awkwardText joins n pieces, or n random characters of ASCII.
func awkwardText(r *rand.Rand, n int) string {
	if r.IntN(2) == 0 {
		return randomText(r, n)
	}
	pieces := append([]string{" ", "\n", "\t", "\u200b", "\u00a0", "e\u0301"}, awkward...)
	var b strings.Builder
	for range n {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

func TestScrubRandomSecrets(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		value := awkwardText(r, 8+r.IntN(40))
		if kept, _ := skeleton([]byte(value)); len(kept) < minSecret {
			continue
		}
		s := knowing(value, awkwardText(r, 12))
		e, sp := encodings[r.IntN(len(encodings))], splits[r.IntN(len(splits))]
		before, after := noEscapes.Replace(awkwardText(r, r.IntN(30))), awkwardText(r, r.IntN(30))
		checkPlanted(t, s, value, e, sp, r.IntN(1000), before, after)
	}
}

// noEscapes takes away what would turn the start of a secret into the end of an
// escape.
var noEscapes = strings.NewReplacer("%", "", `\`, "", "&", "")

func TestScrubExactly(t *testing.T) {
	const value = "sesame42opens"
	b64 := base64.StdEncoding.EncodeToString([]byte("A=1\nPASSWORD=" + value + "\nB=two\nLONG_NAME=and some more\n"))
	s := knowing(value, "another one", "value1value1value", "an", "")
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"nothing here", "nothing here"},
		{"pw=sesame42opens;", "pw=[redacted];"},
		{"'sesame42opens' \"sesame42opens\"", `'[redacted]' "[redacted]"`},
		{"sesame42openssesame42opens", "[redacted]"},
		{"value1value", "value1value"},
		{"value1value1value1value", "[redacted]"},
		{"Xsesame42opensX", "X[redacted]X"},
		{"sesame 42 opens", "[redacted]"},
		{"sesame42open", "sesame42open"},
		{"one\nsesame\n42opens\ntwo", "one\n[redacted]\n[redacted]\ntwo"},
		{"sesame\n\n   \n   42opens", "[redacted]\n\n\n[redacted]"},
		{"echo '" + b64 + "' | base64 -d | tee /app/.env", "echo '[redacted]' | base64 -d | tee /app/.env"},
		{"before\n" + b64[:64] + "\n" + b64[64:] + "\nafter words", "before\n[redacted]\n[redacted]\nafter words"},
		{"digest 736573616d6534326f70656e73ff ok", "digest [redacted] ok"},
		{"?a=sesame42%6fpens&b=1", "?a=[redacted]&b=1"},
		{"[redacted] and another one", "[redacted] and [redacted]"},
	} {
		if got := scrubbed(t, s, tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestScrubByShape(t *testing.T) {
	key := "vibn_sk_" + strings.Repeat("aB3dE6g", 7)
	commit := "0123456789abcdef0123456789abcdef01234567"
	coolify := "12|" + strings.Repeat("Ab3d", 12)
	for _, tc := range []struct{ in, want string }{
		{"key " + key + ".", "key [redacted]."},
		{"key " + key[:30] + " cut", "key [redacted] cut"},
		{"key vibn_sk_aB3d… of yours", "key vibn_sk_aB3d… of yours"},
		{"key " + key[:20] + "\n" + key[20:] + "\nnext", "key [redacted]\n[redacted]\nnext"},
		{"key " + base64.StdEncoding.EncodeToString([]byte("x:"+key)), "key [redacted]"},
		{"COOLIFY=" + coolify, "COOLIFY=[redacted]"},
		{coolify[:43] + " old", "[redacted] old"},
		{"3 | Building the application for everybody who wants it", "3 | Building the application for everybody who wants it"},
		{"commit " + commit, "commit " + commit},
		{"GITEA_TOKEN=" + commit, "GITEA_TOKEN=[redacted]"},
		{`{"access_token":"` + commit + `"}`, `{"access_token":"[redacted]"}`},
		{"Authorization: token " + commit, "Authorization: [redacted]"},
		{"authorization: Basic dTpw", "authorization: [redacted]"},
		{`curl -H "Authorization: Bearer abc" x`, `curl -H "Authorization: [redacted]" x`},
		{`{\"Authorization\": \"ApiKey abc\"}`, `{\"Authorization\": \"[redacted]\"}`},
		{"map[Authorization:[Basic dTpw]]", "map[Authorization:[redacted]"},
		{`{"authorization":["Basic dTpw"]}`, `{"authorization":[redacted]"]}`},
		{"sent BEARER eyJhbGciOi.eyJzdWIi.sig-_ on", "sent BEARER [redacted] on"},
		{"the bearer of this", "the bearer of this"},
		{"git clone https://bot:p@ss:w@git.example.org/a/b.git", "git clone https://bot:[redacted]@git.example.org/a/b.git"},
		{"redis://:pw@cache:6379/0", "redis://:[redacted]@cache:6379/0"},
		{"https://ghx_0123456789abcdefghij@git.example.org/", "https://[redacted]@git.example.org/"},
		{"https://git@git.example.org:3000/a", "https://git@git.example.org:3000/a"},
		{"pull http://registry.example.org:5000/web@sha256:abc", "pull http://registry.example.org:5000/web@sha256:abc"},
	} {
		if got := scrubbed(t, new(Scrubber), tc.in); got != tc.want {
			t.Errorf("Scrub(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestScrubberText(t *testing.T) {
	s := knowing("hunter2hunter2")
	got, err := s.Text("use hunter2\x1b[0mhunter2\n\u202enow")
	if want := "use [redacted] now"; err != nil || got.Raw() != want {
		t.Errorf("Text = %q, %v, want %q", got.Raw(), err, want)
	}
	if got, err := s.Text(strings.Repeat("x", MaxScrubBytes+1)); !errors.Is(err, ErrTooMuch) || !got.IsZero() {
		t.Errorf("Text of too much = %.20q, %v, want none and ErrTooMuch", got, err)
	}
}

func TestScrubberLinesCutsAfterScrubbing(t *testing.T) {
	t.Parallel()
	s := knowing("hunter2hunter2")
	lines, err := s.Lines(strings.Repeat("x", MaxLine-6) + " hunter2hunter2")
	if want := []string{strings.Repeat("x", MaxLine-6) + " [r..."}; err != nil || !cmp.Equal(want, shortLines(lines)) {
		t.Errorf("Lines = %.80q, %v, want the end of %.80q", lines, err, want)
	}
	if got, err := s.Lines(" \n"); err != nil || got == nil || len(got) != 0 {
		t.Errorf("Lines of blank lines = %#v, %v, want none, not nil", got, err)
	}
	tabs := strings.Repeat("\t", MaxScrubBytes/3) + "x"
	if got, err := s.Lines(tabs); err != nil || len(got) != 1 {
		t.Errorf("Lines of many tabs = %d lines, %v, want 1", len(got), err)
	}
}

func TestTooMuch(t *testing.T) {
	t.Parallel()
	long, most := strings.Repeat("x", MaxValueLen), MaxValueBytes/MaxValueLen
	for _, tc := range []struct {
		name string
		fill func(*Scrubber)
		text int
		want error
	}{
		{"largest text", func(*Scrubber) {}, MaxScrubBytes, nil},
		{"text too long", func(*Scrubber) {}, MaxScrubBytes + 1, ErrTooMuch},
		{"largest value", func(s *Scrubber) { s.Add("A", secret.NewText(long)) }, 9, nil},
		{"value too long", func(s *Scrubber) { s.Add("A", secret.NewText(long+"x")) }, 9, ErrTooMuch},
		{"values too long together", func(s *Scrubber) {
			for i := range most {
				s.Add("A", secret.NewText(strings.Repeat(string(rune('a'+i)), MaxValueLen)))
			}
			s.Add("A", secret.NewText(long[:MaxValueBytes-most*MaxValueLen]))
			s.Add("B", secret.NewText("abcd"))
		}, 9, ErrTooMuch},
		{"values with too many forms", func(s *Scrubber) {
			s.spent = maxPatterns - 7
			s.Add("A", secret.NewText("hunter2h"))
		}, 9, ErrTooMuch},
		{"the same value again", func(s *Scrubber) {
			s.Add("A", secret.NewText(long))
			s.Add("B", secret.NewText(long))
			s.Add("C", secret.NewText("no"))
		}, 9, nil},
		{"most values", addNumbered(MaxValues), 9, nil},
		{"one value more", addNumbered(MaxValues + 1), 9, ErrTooMuch},
	} {
		s := NewScrubber()
		tc.fill(s)
		text := strings.Repeat(".", tc.text)
		if _, err := s.Scrub(text); !errors.Is(err, tc.want) {
			t.Errorf("%s: Scrub: %v, want %v", tc.name, err, tc.want)
		}
		if _, err := s.Lines(text); !errors.Is(err, tc.want) {
			t.Errorf("%s: Lines: %v, want %v", tc.name, err, tc.want)
		}
	}
}

func addNumbered(n int) func(*Scrubber) {
	return func(s *Scrubber) {
		for i := range n {
			s.Add("A", secret.NewText(fmt.Sprintf("value-%04d", i)))
		}
	}
}

// A text may be encoded in so many ways at once that it takes too long.
func TestTooManyReadings(t *testing.T) {
	m, err := knowing("sesame42opens").matcher()
	if err != nil {
		t.Fatal(err)
	}
	text := "%41 &amp; \\n " + strings.Repeat("0123456789abcdef", 100)
	if _, err := search(m, text, 2*len(text)); !errors.Is(err, ErrTooMuch) {
		t.Errorf("search with a small budget: %v, want ErrTooMuch", err)
	}
	if _, err := search(m, text, 40*len(text)); err != nil {
		t.Errorf("search: %v", err)
	}
	if hits, err := search(m, ordinaryLog, 16*len(ordinaryLog)); err != nil {
		t.Errorf("search of an ordinary log: %v, %v, want it well inside the budget", hits, err)
	}
}

// A secret that eats the replacement and one character more takes one pass for
// each character.
func TestTooManyPasses(t *testing.T) {
	s := knowing("[redacted]]")
	if got := scrubbed(t, s, "[redacted]]]]"); got != redacted {
		t.Errorf("Scrub = %q, want %q", got, redacted)
	}
	if _, err := s.Scrub(redacted + strings.Repeat("]", 100)); !errors.Is(err, ErrTooMuch) {
		t.Errorf("Scrub: %v, want ErrTooMuch", err)
	}
}

// A secret that is made of the replacement must not make it grow for ever.
func TestScrubSettles(t *testing.T) {
	for _, value := range []string{"[redacted][redacted]", "x[redacted]", "]abcdefgh", "d][redact", "][redacted", "redacted]["} {
		s := knowing(value)
		for _, text := range []string{value, strings.Repeat(value, 20), "[redacted" + value, strings.Repeat(redacted, 20)} {
			got, err := s.Scrub(text)
			if err != nil && !errors.Is(err, ErrTooMuch) {
				t.Errorf("Scrub(%q): %v", text, err)
			}
			if err == nil && strings.Contains(got, value) {
				t.Errorf("with %q: Scrub(%q) = %q, which holds it", value, text, got)
			}
		}
	}
}

func TestScrubberIsSafeForSeveralGoroutines(t *testing.T) {
	s := knowing("hunter2hunter2")
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			s.Add("VALUE", secret.NewText(fmt.Sprintf("value-%04d", i)))
			if got, err := s.Scrub(fmt.Sprintf("hunter2hunter2 value-%04d", i)); err != nil || got != "[redacted] [redacted]" {
				t.Errorf("Scrub = %q, %v, want both redacted", got, err)
			}
		})
	}
	wg.Wait()
}

func FuzzScrub(f *testing.F) {
	for i, value := range sampleSecrets {
		f.Add(value, "build: KEY=", " done", uint8(i), uint8(i+1), uint16(i))
	}
	f.Add("aaaaaaaaa", "aaaa", "aaaa\n", uint8(30), uint8(5), uint16(2))
	f.Fuzz(func(t *testing.T, value, before, after string, e, sp uint8, at uint16) {
		value = plainText(value)
		kept, _ := skeleton([]byte(value))
		if len(kept) < minSecret || len(value) > 4096 || strings.Contains(redacted, string(kept)) {
			t.Skip("not a secret that is always found")
		}
		s := NewScrubber()
		s.Add("SECRET", secret.NewText(value))
		before, after = short(noEscapes.Replace(plainText(before)), 500), short(plainText(after), 500)
		checkPlanted(t, s, value, encodings[int(e)%len(encodings)], splits[int(sp)%len(splits)], int(at), before, after)
	})
}

// plainText returns s without controls but line breaks and tabs: an escape
// sequence that is begun before a secret takes a part of it along.
func plainText(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || 0x7f <= r && r < 0xA0 {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, ""))
}
