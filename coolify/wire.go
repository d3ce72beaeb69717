package coolify

import (
	"encoding/json"

	"github.com/vibnai/vibn-mcp/upstream"
)

// What reads Coolify's JSON.
type (
	text        = upstream.Text
	number      = upstream.Number
	flag        = upstream.Flag
	moment      = upstream.Moment
	part[T any] = upstream.Part[T]
	list[T any] = upstream.List[T]
)

// A uid is a UUID; zero if it is none.
type uid struct{ UUID }

// UnmarshalJSON takes any JSON.
func (u *uid) UnmarshalJSON(b []byte) error {
	var s string
	_ = json.Unmarshal(b, &s) // what is no string is no id
	u.UUID, _ = ParseUUID(s)
	return nil
}
