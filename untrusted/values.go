package untrusted

import (
	"net/url"
	"regexp"
	"strings"
)

var secretWords = []string{"PASS", "PWD", "SECRET", "TOKEN", "KEY", "CREDENTIAL", "AUTH", "DSN", "PRIVATE"}

// saysSecret reports whether the name of a variable says that its value is one.
func saysSecret(name string) bool {
	name = strings.ToUpper(name)
	for _, word := range secretWords {
		if strings.Contains(name, word) {
			return true
		}
	}
	return false
}

// ordinary are values that everybody knows. To hide them protects nothing and
// makes logs hard to read.
var ordinary = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		true false null none undefined default auto public private
		enabled disabled required optional
		development production staging preview testing test demo local
		localhost 127.0.0.1 0.0.0.0 root admin user guest
		postgres postgresql mysql mariadb mongodb redis sqlite sqlite3
		debug info warn warning error json text http https utf-8 utf8`) {
		words[word] = true
	}
	return words
}()

var shortNumber = regexp.MustCompile(`^[0-9]{1,5}$`)

// guessable reports whether a short value is no secret even under a name that
// says so: a known word, a port, a number of seconds.
func guessable(v string) bool {
	return ordinary[strings.ToLower(v)] || shortNumber.MatchString(v)
}

// unescaped returns a value with its escapes read: a private key in JSON has its
// line breaks as \n. It returns "" if there are none.
func unescaped(v string) string {
	plain, _ := unescape(view{[]byte(v), make([]span, len(v))}, '\\', backslash)
	return strings.ToValidUTF8(string(plain.b), "")
}

// passwords returns the passwords of the URLs in a value, as written and
// decoded.
func passwords(v string) []string {
	var found []string
	for _, m := range userPassword.FindAllStringSubmatch(v, -1) {
		found = append(found, m[1])
		if plain, err := url.PathUnescape(m[1]); err == nil {
			found = append(found, plain)
		}
	}
	return found
}
