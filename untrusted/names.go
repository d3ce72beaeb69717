package untrusted

import (
	"slices"
	"strings"
	"unicode"
)

// A naming is what the name of a variable says of its value.
type naming uint8

const (
	plain     naming = iota // nothing
	aside                   // it says something of a secret, as TOKEN_TTL and SESSION_DRIVER do
	secretive               // it is a secret
)

// secretWords make a name secretive wherever they stand in it.
var secretWords = []string{
	"PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "DSN", "PRIVATE", "SALT", "COOKIE", "SESSION",
}

// secretEnds make a name secretive if one of its words ends in them, also in the plural:
// "PIN" stands in "SHIPPING" too.
var secretEnds = []string{"PIN", "OTP", "CODE"}

// asides are words of names under which a number or a word that everybody knows says
// something of a secret, and is none.
var asides = strings.Fields(`AGE ATTEMPTS COST COUNT DAYS DELAY EXPIRATION EXPIRES EXPIRY HOURS ITERATIONS INTERVAL
	LENGTH LIFETIME LIMIT MAX MILLIS MIN MINUTES MS PORT RETRIES ROUNDS SECONDS SIZE TIMEOUT TTL VERSION
	ALG ALGORITHM BACKEND DRIVER METHOD MODE PROVIDER SAMESITE STORE TYPE`)

func namingOf(name string) naming {
	upper, words := strings.ToUpper(name), nameWords(name)
	contains := func(word string) bool { return strings.Contains(upper, word) }
	ends := func(word string) bool {
		return slices.ContainsFunc(secretEnds, func(end string) bool {
			return strings.HasSuffix(strings.TrimSuffix(word, "S"), end)
		})
	}
	switch {
	case !slices.ContainsFunc(secretWords, contains) && !slices.ContainsFunc(words, ends):
		return plain
	case slices.ContainsFunc(words, func(word string) bool { return slices.Contains(asides, word) }):
		return aside
	}
	return secretive
}

// nameWords returns the words of a name in upper case: userPin, USER_PIN and user-pin2
// have the words USER and PIN.
func nameWords(name string) []string {
	var b strings.Builder
	wasLower := false
	for _, r := range name {
		if wasLower && unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		wasLower = unicode.IsLower(r)
		b.WriteRune(unicode.ToUpper(r))
	}
	return strings.FieldsFunc(b.String(), func(r rune) bool { return !unicode.IsLetter(r) })
}
