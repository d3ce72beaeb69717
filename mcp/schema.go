package mcp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/vibnai/vibn-mcp/untrusted"
)

// schemaOf derives the input schema of a tool from a flat struct. The field's json tag
// names the property, and its jsonschema tag describes it. Further tags hold what Go's
// types do not express: min and max (bounds of a number, or of the length of text and
// lists), enum (comma-separated), default (JSON), and required:"true".
//
// Clients accept different schemas. So the schema has no union with null, no anyOf, no
// reference, and no property that is only "true".
func schemaOf(t reflect.Type) *jsonschema.Schema {
	schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{})
	if err != nil {
		panic(fmt.Sprintf("mcp: %s: %v", t, err))
	}
	schema.Required = nil
	if schema.Properties == nil { // OpenAI refuses an object without a properties member, even if it has none
		schema.Properties = map[string]*jsonschema.Schema{}
	}
	for field := range t.Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		property := schema.Properties[name]
		withoutNull(property)
		applyTags(property, field.Tag)
		if field.Tag.Get("required") == "true" {
			schema.Required = append(schema.Required, name)
		}
	}
	return schema
}

func withoutNull(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	if types := slices.DeleteFunc(slices.Clone(s.Types), func(t string) bool { return t == "null" }); len(types) == 1 {
		s.Type, s.Types = types[0], nil
	}
	withoutNull(s.Items)
	withoutNull(s.AdditionalProperties)
}

func applyTags(s *jsonschema.Schema, tag reflect.StructTag) {
	if v, ok := tag.Lookup("default"); ok {
		s.Default = json.RawMessage(v)
	}
	if v, ok := tag.Lookup("enum"); ok {
		for name := range strings.SplitSeq(v, ",") {
			s.Enum = append(s.Enum, name)
		}
	}
	bound := func(name string, number **float64, length, items, properties **int) {
		v, ok := tag.Lookup(name)
		if !ok {
			return
		}
		n, err := strconv.Atoi(v)
		if err != nil {
			panic("mcp: tag " + name + ": " + v)
		}
		switch s.Type {
		case "string":
			*length = &n
		case "array":
			*items = &n
		case "object":
			*properties = &n
		default:
			*number = new(float64(n))
		}
	}
	bound("min", &s.Minimum, &s.MinLength, &s.MinItems, &s.MinProperties)
	bound("max", &s.Maximum, &s.MaxLength, &s.MaxItems, &s.MaxProperties)
}

// explain tells people why values do not fit a flat schema. The validator has already
// rejected them; its messages describe schemas, not what to do.
func explain(s *jsonschema.Schema, values map[string]any) string {
	for _, name := range s.Required {
		if _, ok := values[name]; !ok {
			return name + " is required"
		}
	}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		property, ok := s.Properties[name]
		if !ok {
			all := strings.Join(slices.Sorted(maps.Keys(s.Properties)), ", ")
			return fmt.Sprintf("there is no argument %q; the arguments are: %s", text(name), cmp.Or(all, "none"))
		}
		if reason := explainValue(property, values[name]); reason != "" {
			return name + " " + reason
		}
	}
	return "the arguments do not match the tool's input schema"
}

func explainValue(s *jsonschema.Schema, v any) string {
	if s.Type != "" && !hasType(s.Type, v) {
		return "must be " + map[string]string{
			"string": "a text", "integer": "a whole number", "number": "a number", "boolean": "true or false",
			"array": "a list", "object": "an object",
		}[s.Type]
	}
	if s.Enum != nil && !slices.Contains(s.Enum, v) {
		names := make([]string, 0, len(s.Enum))
		for _, e := range s.Enum {
			names = append(names, fmt.Sprint(e))
		}
		return "must be one of: " + strings.Join(names, ", ")
	}
	switch v := v.(type) {
	case float64:
		return explainNumber(v, s.Minimum, s.Maximum)
	case string:
		return explainLength(len([]rune(v)), s.MinLength, s.MaxLength, "characters")
	case []any:
		for _, item := range v {
			if reason := explainValue(s.Items, item); reason != "" {
				return "has an item that " + reason
			}
		}
		return explainLength(len(v), s.MinItems, s.MaxItems, "items")
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if reason := explainValue(s.AdditionalProperties, v[k]); reason != "" {
				return "has a value for " + text(k) + " that " + reason
			}
		}
		return explainLength(len(v), s.MinProperties, s.MaxProperties, "entries")
	}
	return ""
}

func explainNumber(n float64, least, most *float64) string {
	switch {
	case least != nil && n < *least:
		return fmt.Sprintf("must be at least %v", *least)
	case most != nil && n > *most:
		return fmt.Sprintf("must be at most %v", *most)
	}
	return ""
}

func explainLength(n int, least, most *int, unit string) string {
	switch {
	case least != nil && n < *least && n == 0:
		return "must not be empty"
	case least != nil && n < *least:
		return fmt.Sprintf("must have at least %d %s", *least, unit)
	case most != nil && n > *most:
		return fmt.Sprintf("must have at most %d %s", *most, unit)
	}
	return ""
}

func hasType(want string, v any) bool {
	switch v := v.(type) {
	case string:
		return want == "string"
	case bool:
		return want == "boolean"
	case float64:
		return want == "number" || (want == "integer" && v == float64(int64(v)))
	case []any:
		return want == "array"
	case map[string]any:
		return want == "object"
	}
	return false
}

// shapes recognises secrets by their shape only.
var shapes = untrusted.NewScrubber()

// maxText limits how much of a client's text is read, in bytes, before it is cleaned and
// cut.
const maxText = 4_096

// text returns a client's text, cleaned and without what looks like a credential, which a
// client may send in place of a name. It returns "" for a value that is not a string.
func text(v any) string {
	s, _ := v.(string)
	t, err := shapes.Text(s[:min(len(s), maxText)])
	if err != nil {
		return "[withheld]"
	}
	return t.String()
}
