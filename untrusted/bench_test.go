package untrusted

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/secret"
)

// manySecrets returns a Scrubber with 256 random values of 20 to 84 characters.
func manySecrets() *Scrubber {
	s, r := NewScrubber(), rand.New(rand.NewPCG(1, 2))
	for i := range 256 {
		s.Add(fmt.Sprintf("VALUE_%d", i), secret.NewText(randomText(r, 20+i/4)))
	}
	return s
}

func randomText(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('!' + r.IntN('~'-'!'))
	}
	return string(b)
}

// fill repeats line up to the largest text.
func fill(line string) string {
	return strings.Repeat(line, MaxScrubBytes/len(line)+1)[:MaxScrubBytes]
}

const ordinaryLog = `#12 [build 4/9] RUN npm ci --no-audit && npm run build   12.4s 100% done
added 1243 packages, and audited 1244 packages in 34s from https://registry.example.org/-/npm/v1
GET /_next/static/chunks/pages/index-0f3c1a2b4d5e6f70.js?v=1%2F2&x=a+b 200 12ms "Mozilla/5.0"
{"level":"info","msg":"connected to \"db\"\n","path":"C:\\app\\data","took":12,"ok":true}
`

func BenchmarkScrub(b *testing.B) {
	r := rand.New(rand.NewPCG(3, 4))
	random := make([]byte, MaxScrubBytes)
	for i := range random {
		random[i] = byte(r.Uint32())
	}
	packed := base64.StdEncoding.EncodeToString(random)
	twice := base64.StdEncoding.EncodeToString([]byte(packed))
	for _, bench := range []struct{ name, text string }{
		{"ordinary log", fill(ordinaryLog)},
		{"one huge run", fill("A")},
		{"one base64 run", packed[:MaxScrubBytes]},
		{"base64 of base64", twice[:MaxScrubBytes]},
		{"base64 runs", fill(packed[:76] + "\n")},
		{"short base64 runs", fill("c2VjcmV0c2Vj ")},
		{"hex", fill("deadbeef0123456789")},
		{"percents", fill("%41%42%25%34%31")},
		{"backslashes", fill(`\\u0041\n\`)},
		{"entities", fill("&amp;#38;")},
		{"mixture", fill(`%41&amp;\nQUJDREVGR0hJSktMTU5PUA==`)},
		{"tokens", fill("Authorization: Bearer token=://a:b@ 1|")},
		{"other scripts", fill("деплой завершён успешно 部署完成 ")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			s := manySecrets()
			b.SetBytes(int64(len(bench.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Scrub(bench.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScrubHostileValues has values that share what they begin with, so
// that a plain search would compare each of them everywhere.
func BenchmarkScrubHostileValues(b *testing.B) {
	for _, bench := range []struct {
		name  string
		value func(i int) string
		text  string
	}{
		{"one prefix", func(i int) string { return strings.Repeat("z", 60) + fmt.Sprint(1000+i) }, fill(strings.Repeat("z", 60) + "y")},
		{"every length", func(i int) string { return strings.Repeat("z", 8+i%100) }, fill("z")},
		{"every branch", func(i int) string { return strings.Repeat("z", i%7) + string(rune('!'+i/7%90)) + "1234567" }, fill("z")},
		{"many lines", func(i int) string { return fmt.Sprintf("zzzz%04d\nzzz%05d\nzz%06d\nz%07d\n", i, i, i, i) }, fill("zzzz000")},
		{"short ones", func(i int) string { return fmt.Sprintf("z'z$%04d", i) }, fill("zz0001")},
		{"one long one", func(i int) string { return strings.Repeat("z", 60000*(1-min(i, 1))) }, fill(strings.Repeat("z", 59999) + "y")},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				s := NewScrubber()
				for i := range 900 {
					s.Add("SECRET", secret.NewText(bench.value(i)))
				}
				if _, err := s.Scrub(bench.text); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
