package coolifytest

import (
	"embed"
	"encoding/json"
	"sync"
	"time"
)

// shapes hold the keys that never change in an answer, with ordinary values.
//
//go:embed shapes/*.json
var shapes embed.FS

// shape returns a fresh copy of shapes/name.json.
func shape(name string) object {
	o, ok := parsedShapes()[name+".json"]
	if !ok {
		panic("there is no shape " + name)
	}
	return deepCopy(o).(object)
}

// parsedShapes parses each shape once: a list has hundreds of copies of some.
var parsedShapes = sync.OnceValue(func() map[string]object {
	entries, err := shapes.ReadDir("shapes")
	if err != nil {
		panic(err)
	}
	parsed := make(map[string]object)
	for _, e := range entries {
		raw, err := shapes.ReadFile("shapes/" + e.Name())
		if err != nil {
			panic(err)
		}
		var o object
		if err := json.Unmarshal(raw, &o); err != nil {
			panic(err) // a shape of ours that is no JSON
		}
		parsed[e.Name()] = o
	}
	return parsed
})

func deepCopy(v any) any {
	switch v := v.(type) {
	case object:
		out := make(object, len(v))
		for key, value := range v {
			out[key] = deepCopy(value)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i, value := range v {
			out[i] = deepCopy(value)
		}
		return out
	}
	return v
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
