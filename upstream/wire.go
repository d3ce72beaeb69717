package upstream

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// The types of this file read what servers send. They accept any JSON, because types vary
// with version and database: numbers as strings, null for text, [] for an empty object.
// Unreadable JSON becomes the zero value, except where that would hide a fault.

// A Text is a string. Null becomes "". Any other type is kept as its JSON, so that a
// field that is set never looks empty.
type Text string

// UnmarshalJSON accepts any JSON.
func (t *Text) UnmarshalJSON(b []byte) error {
	var s *string
	if err := json.Unmarshal(b, &s); err != nil {
		*t = Text(b)
		return nil //nolint:nilerr // another type than string
	}
	*t = ""
	if s != nil {
		*t = Text(*s)
	}
	return nil
}

// A Number is an integer, also in quotes; 0 for any other value.
type Number int64

// UnmarshalJSON accepts any JSON.
func (n *Number) UnmarshalJSON(b []byte) error {
	i, err := strconv.ParseInt(strings.Trim(string(b), `"`), 10, 64)
	if err != nil {
		i = 0 // ParseInt returns the largest integer for a number that is too large
	}
	*n = Number(i)
	return nil
}

// A Flag is a boolean, also as 0, 1 or in quotes.
type Flag bool

// UnmarshalJSON accepts any JSON.
func (f *Flag) UnmarshalJSON(b []byte) error {
	switch strings.Trim(string(b), `"`) {
	case "false", "0", "null", "":
		*f = false
	default:
		*f = true
	}
	return nil
}

// OrTrue returns the flag; true if it is absent or null.
func (f *Flag) OrTrue() bool { return f == nil || bool(*f) }

// A Moment is a time with a zone, or in UTC if it has none; zero for any other value.
type Moment struct{ time.Time }

// UnmarshalJSON accepts any JSON.
func (m *Moment) UnmarshalJSON(b []byte) error {
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

// OrNil returns nil for the zero time.
func (m Moment) OrNil() *time.Time {
	if m.IsZero() {
		return nil
	}
	return &m.Time
}

// A Part is an object inside another; absent, null and [] leave it zero.
type Part[T any] struct {
	Value T
	Given bool
}

// UnmarshalJSON accepts any JSON.
func (p *Part[T]) UnmarshalJSON(b []byte) error {
	if b[0] != '{' {
		return nil
	}
	p.Given = true
	return json.Unmarshal(b, &p.Value)
}

// A List is an array, or an object with numbers for keys, which PHP makes of an array
// that was sorted or filtered. The order is as sent. Null and {} are errors, so that a
// broken answer is not mistaken for an empty list.
type List[T any] []T

// UnmarshalJSON accepts an array or such an object.
func (l *List[T]) UnmarshalJSON(b []byte) error {
	switch b[0] {
	case '[':
		return json.Unmarshal(b, (*[]T)(l))
	case '{':
		return l.keyed(b)
	}
	return ErrAnswer
}

func (l *List[T]) keyed(b []byte) error {
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
			return ErrAnswer
		}
		var v T
		if err := d.Decode(&v); err != nil {
			return err
		}
		*l = append(*l, v)
	}
	if len(*l) == 0 {
		return ErrAnswer
	}
	return nil
}
