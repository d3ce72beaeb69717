package untrusted

import (
	"net/url"
	"regexp"
	"strings"
)

// ordinary are values that everybody knows. To hide them protects nothing and
// makes logs hard to read.
var ordinary = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		true false null none undefined default auto public private
		enabled disabled required optional strict secure
		array cookie database file memory memcached session
		development production staging preview testing test demo local
		localhost 127.0.0.1 0.0.0.0 root admin user guest
		postgres postgresql mysql mariadb mongodb redis sqlite sqlite3
		debug info warn warning error json text http https utf-8 utf8`) {
		words[word] = true
	}
	return words
}()

var shortNumber = regexp.MustCompile(`^[0-9]{1,5}$`)

// guessable reports whether a short value is no secret even under a name that says so: a
// known word, or a port or a number of seconds where the name only says something of a
// secret.
func guessable(v string, n naming) bool {
	return ordinary[strings.ToLower(v)] || n != secretive && shortNumber.MatchString(v)
}

// forms returns a value as it is written, and as programs read it: with its escapes, its
// percent escapes, or both read. Forms that would be as written are empty.
func forms(v string) []string {
	plain := unpercented(v)
	return []string{v, unescaped(v), plain, unescaped(plain)}
}

// unescaped returns a value with its escapes read: a private key in JSON has its
// line breaks as \n. It returns "" if there are none.
func unescaped(v string) string {
	plain, _ := unescape(view{[]byte(v), make([]span, len(v))}, '\\', backslash)
	return strings.ToValidUTF8(string(plain.b), "")
}

// unpercented returns a value with its percent escapes read; "" if there are none.
func unpercented(v string) string {
	plain, _ := unescape(view{[]byte(v), make([]span, len(v))}, '%', percent)
	return strings.ToValidUTF8(string(plain.b), "")
}

// passwords returns the passwords of the URLs in a value, as written.
func passwords(v string) []string {
	var found []string
	for _, m := range userPassword.FindAllStringSubmatch(v, -1) {
		found = append(found, m[1])
	}
	if _, err := url.Parse(v); err != nil { // a password with a slash in it
		if m := slashPassword.FindStringSubmatch(v); m != nil {
			found = append(found, m[1])
		}
	}
	return found
}

var slashPassword = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@]*:(\S+)@`)
