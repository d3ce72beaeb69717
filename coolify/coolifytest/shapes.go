package coolifytest

import (
	"embed"
	"encoding/json"
	"time"
)

// shapes hold the keys that never change in an answer, with ordinary values.
//
//go:embed shapes/*.json
var shapes embed.FS

// shape returns a fresh copy of shapes/name.json.
func shape(name string) object {
	raw, err := shapes.ReadFile("shapes/" + name + ".json")
	if err != nil {
		panic(err) // a name that this package got wrong
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		panic(err)
	}
	return o
}

// stamp is the form of a column that Laravel casts to a time.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// plainStamp is the form of a column that it does not.
func plainStamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05") }

func stampOrNull(t *time.Time) any {
	if t == nil {
		return nil
	}
	return stamp(*t)
}

// orNull returns null for "", as Coolify stores it.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
