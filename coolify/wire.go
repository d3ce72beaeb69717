package coolify

import (
	"encoding/json"

	"github.com/vibnai/vibn-mcp/upstream"
)

// These types read Coolify's JSON.
type (
	text        = upstream.Text
	number      = upstream.Number
	flag        = upstream.Flag
	moment      = upstream.Moment
	part[T any] = upstream.Part[T]
	list[T any] = upstream.List[T]
)

// A uid is a UUID; zero if the value is not one.
type uid struct{ UUID }

// UnmarshalJSON accepts any JSON.
func (u *uid) UnmarshalJSON(b []byte) error {
	var s string
	_ = json.Unmarshal(b, &s) // a value that is not a string is no id
	u.UUID, _ = ParseUUID(s)
	return nil
}
