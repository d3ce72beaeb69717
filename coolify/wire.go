package coolify

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The types of this file read what Coolify sends. They take any JSON, because
// its types vary with version and database: numbers as strings, null for text,
// [] for an empty object. What cannot be read is the zero value, except where a
// mistake would hide something.

// A text is a string. Null is "", and anything else is kept as its JSON, so that
// a field that is set never looks empty.
type text string

// UnmarshalJSON takes any JSON.
func (t *text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		*t = text(b)
		return nil //nolint:nilerr // another type than string
	}
	*t = ""
	if s != nil {
		*t = text(*s)
	}
	return nil
}

// A number is an integer, also in quotes; 0 if it is none.
type number int

// UnmarshalJSON takes any JSON.
func (n *number) UnmarshalJSON(b []byte) error {
	i, err := strconv.Atoi(strings.Trim(string(b), `"`))
	if err != nil {
		i = 0 // Atoi gives the largest integer for one that is larger
	}
	*n = number(i)
	return nil
}

// A flag is a boolean, also as 0, 1 or in quotes.
type flag bool

// UnmarshalJSON takes any JSON.
func (f *flag) UnmarshalJSON(b []byte) error {
	switch strings.Trim(string(b), `"`) {
	case "false", "0", "null", "":
		*f = false
	default:
		*f = true
	}
	return nil
}

// orTrue returns the flag; true if it is absent or null.
func (f *flag) orTrue() bool { return f == nil || bool(*f) }

// A uid is a UUID; zero if it is none.
type uid struct{ UUID }

// UnmarshalJSON takes any JSON.
func (u *uid) UnmarshalJSON(b []byte) error {
	var s string
	_ = json.Unmarshal(b, &s) // what is no string is no id
	u.UUID, _ = ParseUUID(s)
	return nil
}

// A moment is a time, with a zone or in UTC without; zero if it is none.
type moment struct{ time.Time }

// UnmarshalJSON takes any JSON.
func (m *moment) UnmarshalJSON(b []byte) error {
	m.Time = time.Time{}
	s := strings.Trim(string(b), `"`)
	for _, layout := range []string{time.RFC3339Nano, time.DateTime} {
		if t, err := time.Parse(layout, s); err == nil {
			m.Time = t.UTC()
			break
		}
	}
	return nil
}

// orNil returns nil for the zero time.
func (m moment) orNil() *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

// A part is an object inside another; absent, null and [] leave it zero.
type part[T any] struct {
	v     T
	given bool
}

// UnmarshalJSON takes any JSON.
func (p *part[T]) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return nil
	}
	p.given = true
	return json.Unmarshal(b, &p.v)
}

// A list is an array, or an object with numbers for keys: that is what becomes
// of an array in PHP when it was sorted or filtered. The order is as sent. Null
// and {} are no lists, so that a broken answer is not taken for "there is none".
type list[T any] []T

// UnmarshalJSON takes an array or such an object.
func (l *list[T]) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '[':
		return json.Unmarshal(b, (*[]T)(l))
	case '{':
		return l.keyed(b)
	}
	return errAnswer
}

func (l *list[T]) keyed(b []byte) error {
	*l = nil
	d := json.NewDecoder(bytes.NewReader(b))
	_, _ = d.Token() // the brace
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return err
		}
		name, _ := key.(string)
		if _, err := strconv.ParseUint(name, 10, 32); err != nil {
			return errAnswer
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
	}
	if len(*l) == 0 {
		return errAnswer
	}
	return nil
}
