package untrusted

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMatcherAgainstSearch compares the matcher with a plain search.
func TestMatcherAgainstSearch(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6))
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'a' + byte(r.IntN(2))
		}
		return string(b)
	}
	for range 300 {
		var patterns []pattern
		for range 1 + r.IntN(8) {
			patterns = append(patterns, pattern{skeleton: letters(1 + r.IntN(6))})
		}
		text := letters(60)
		want := make([]bool, len(text))
		for _, p := range patterns {
			for i := range text {
				if strings.HasPrefix(text[i:], p.skeleton) {
					for k := range len(p.skeleton) {
						want[i+k] = true
					}
				}
			}
		}
		v := joined(text)
		kept, index := skeleton(v.b)
		got := make([]bool, len(text))
		for _, h := range newMatcher(patterns).find(&v, kept, index, nil) {
			for i := h.from; i < h.to; i++ {
				got[i] = true
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%v in %q (-want +got):\n%s", patterns, text, diff)
		}
	}
}
