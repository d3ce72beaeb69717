package coolify

import (
	"errors"
	"regexp"
)

// A UUID identifies an object in Coolify. The zero UUID identifies nothing, and every
// method refuses it: a path with an empty id would be the list of the whole team. UUIDs
// compare with == and can be keys of maps.
type UUID struct{ s string }

// uuidForm also matches old ids, which are nanoids and names such as "github-public".
var uuidForm = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

var errUUID = errors.New("not an id of Coolify: an id has 1 to 64 letters, digits, underscores and dashes")

// ParseUUID accepts every form of id that Coolify has used: 1 to 64 ASCII letters,
// digits, underscores and dashes. So an id is always one path segment, never a list, a
// query or "..".
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
