package clients

import "strings"

// quote writes s as one word of a POSIX shell that means exactly s, whatever s
// holds but NUL, which no shell takes and which is left out.
func quote(s string) string {
	return "'" + strings.ReplaceAll(strings.ReplaceAll(s, "\x00", ""), "'", `'\''`) + "'"
}
