package mcp

import (
	"net/url"
	"strconv"
)

// FromQuery converts text by name, from a URL's query or a command line, into a tool's
// arguments of the types in its schema. A value that does not parse stays text, so that
// [Registry.Call] explains what it must be.
func (r *Registry) FromQuery(tool string, query url.Values) map[string]any {
	args := map[string]any{}
	e, ok := r.lookup(tool)
	if !ok {
		return args
	}
	for name, values := range query {
		kind := ""
		if s, ok := e.schema.Properties[name]; ok {
			kind = s.Type
		}
		if kind == "array" || len(values) != 1 { // a repeated name is a list, and is validated as one
			args[name] = values
			continue
		}
		args[name] = fromText(kind, values[0])
	}
	return args
}

func fromText(kind, s string) any {
	switch kind {
	case "integer":
		if n, err := strconv.ParseInt(s, 10, 64); err == nil {
			return n
		}
	case "boolean":
		if b, err := strconv.ParseBool(s); err == nil {
			return b
		}
	}
	return s
}
