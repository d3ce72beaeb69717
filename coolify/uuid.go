package coolify

import (
	"errors"
	"regexp"
)

// A UUID names a thing in Coolify. The zero UUID names nothing, and every
// method refuses it: a path with an empty id would be the list of the whole
// team. UUIDs compare with == and serve as keys of maps.
type UUID struct{ s string }

// Old ids are nanoids and names such as "github-public".
var uuidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

var errUUID = errors.New("not an id of Coolify: it has 1 to 64 letters, digits, underscores and dashes")

// ParseUUID accepts the ids that Coolify has given over the years: 1 to 64 ASCII
// letters, digits, underscores and dashes. So an id is one segment of a path,
// whatever it is, and never a list, a query or a way up.
func ParseUUID(s string) (UUID, error) {
	if !uuidForm.MatchString(s) {
		return UUID{}, errUUID
	}
	return UUID{s}, nil
}

// String returns the id as Coolify writes it; "" for the zero UUID.
func (u UUID) String() string { return u.s }

// IsZero reports whether u is the zero UUID.
func (u UUID) IsZero() bool { return u == UUID{} }
