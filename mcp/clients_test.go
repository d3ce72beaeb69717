package mcp_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rules are what one family of clients takes of a tool. A tool that breaks them is
// dropped, or the whole list with it: most send all tools in one request.
type rules struct {
	name     *regexp.Regexp // of the tool, with what the client puts before it
	before   string         // what the longest of them puts before it
	property *regexp.Regexp // of an argument
	about    int            // longest description in characters; 0 = no limit
	keywords []string       // of a schema, at any depth; nil = any
	not      []string       // keywords that the root of a schema must not have
	explicit bool           // the root names its properties, even if it has none
	textEnum bool           // an enum has texts that are not empty, and its type is string
}

// published holds the rules that vendors state, in their documents or in the
// errors of their APIs.
var published = map[string]rules{
	// Messages API: names of {1,128}, Claude Desktop and claude.ai {1,64}. Claude
	// Code calls a tool mcp__SERVER__TOOL.
	"Claude": {
		name: regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`), before: "mcp__vibn__", property: regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`),
		not: []string{"anyOf", "oneOf", "allOf"},
	},
	// Function tools of the Responses and Chat Completions APIs, without strict mode.
	"OpenAI": {
		name: regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`), before: "mcp__vibn__", property: regexp.MustCompile(`^[a-zA-Z0-9_.-]{1,64}$`),
		about: 1024, not: []string{"anyOf", "oneOf", "allOf", "not", "enum"}, explicit: true,
	},
	// FunctionDeclaration with parametersJsonSchema, and what remains of a schema
	// where a client turns it into the older parameters.
	"Gemini": {
		name: regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_.:-]{0,62}$`), before: "mcp_vibn_", property: regexp.MustCompile(`^[a-zA-Z_][a-zA-Z0-9_]{0,63}$`),
		keywords: []string{
			"type", "format", "title", "description", "enum", "default", "items", "minItems", "maxItems", "properties", "required", "minProperties", "maxProperties",
			"minimum", "maximum", "minLength", "maxLength", "pattern", "additionalProperties",
		},
		textEnum: true,
	},
	// Cursor drops what has a dot or a hyphen, and names over 60 characters with the
	// server's.
	"Cursor": {name: regexp.MustCompile(`^[a-zA-Z0-9_]{1,60}$`), before: "vibn_", property: regexp.MustCompile(`^\w+$`)},
}

// breaks lists the rules that a tool breaks.
func (r rules) breaks(tool listing) []string {
	var out []string
	if !r.name.MatchString(tool.Name) || !r.name.MatchString(r.before+tool.Name) {
		out = append(out, "name "+tool.Name)
	}
	if r.about > 0 && len(tool.Description) > r.about {
		out = append(out, "description")
	}
	root := tool.InputSchema
	if root["type"] != "object" {
		out = append(out, "root is no object")
	}
	if _, ok := root["properties"].(map[string]any); r.explicit && !ok {
		out = append(out, "root names no properties")
	}
	for _, keyword := range r.not {
		if _, ok := root[keyword]; ok {
			out = append(out, "root has "+keyword)
		}
	}
	return append(out, r.breaksBelow("", root)...)
}

// breaksBelow looks at a schema and those in it.
func (r rules) breaksBelow(path string, s map[string]any) []string {
	var out []string
	kind, ok := s["type"].(string) // a list of types is a union
	if !ok {
		out = append(out, path+" has no single type")
	}
	for keyword := range s {
		if r.keywords != nil && !slices.Contains(r.keywords, keyword) || strings.HasPrefix(keyword, "$") {
			out = append(out, path+" has "+keyword)
		}
	}
	if enum, ok := s["enum"].([]any); ok && r.textEnum && (kind != "string" || slices.ContainsFunc(enum, func(v any) bool { text, _ := v.(string); return text == "" })) {
		out = append(out, path+" has an enum of other than texts")
	}
	properties, _ := s["properties"].(map[string]any)
	for name, p := range properties {
		if !r.property.MatchString(name) {
			out = append(out, path+" has a property "+name)
		}
		out = append(out, r.breaksInside(path+"/"+name, p)...)
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := properties[fmt.Sprint(name)]; !ok {
			out = append(out, fmt.Sprintf("%s requires %v, which it has not", path, name))
		}
	}
	if kind != "object" && (s["properties"] != nil || s["required"] != nil || s["additionalProperties"] != nil) {
		out = append(out, path+" is no object and has properties")
	}
	if kind == "array" || s["items"] != nil {
		out = append(out, r.breaksInside(path+" items", s["items"])...)
	}
	if more, ok := s["additionalProperties"].(map[string]any); ok {
		return append(out, r.breaksInside(path+" values", more)...)
	}
	if path != "" && kind == "object" && len(properties) == 0 {
		out = append(out, path+" is an object that says nothing of its values")
	}
	return out
}

// breaksInside looks at what has to be a schema: clients take no true for one.
func (r rules) breaksInside(path string, v any) []string {
	s, ok := v.(map[string]any)
	if !ok {
		return []string{fmt.Sprintf("%s is %v, no schema", path, v)}
	}
	return r.breaksBelow(path, s)
}

// TestClientsTakeTheTools: the list of tools is one that Claude, OpenAI, Gemini and
// Cursor take as it is.
func TestClientsTakeTheTools(t *testing.T) {
	h := newHouse(t)
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	tools, _ := h.list(t, owner)
	if len(tools) != len(h.registry.Tools()) || len(tools) > 128 { // OpenAI's most
		t.Errorf("%d tools are listed of %d", len(tools), len(h.registry.Tools()))
	}
	for client, r := range published {
		for _, tool := range tools {
			if broken := r.breaks(tool); len(broken) > 0 {
				t.Errorf("%s does not take %s: %s", client, tool.Name, strings.Join(broken, "; "))
			}
		}
	}
}

// TestClientRulesJudge proves that each rule can say no.
func TestClientRulesJudge(t *testing.T) {
	const fine = `{"type":"object","properties":{"a":{"type":"string"}}}`
	for _, tc := range []struct {
		what, name, schema string
		refused            []string // by whom; nil = by nobody
	}{
		{"a plain tool", "apps_list", fine, nil},
		{"a tool without arguments", "apps_list", `{"type":"object","properties":{}}`, nil},
		{"a dot", "apps.list", fine, []string{"Claude", "Cursor", "OpenAI"}},
		{"a hyphen", "apps-list", fine, []string{"Cursor"}},
		{"a long name", strings.Repeat("a", 56), fine, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a digit first", "1apps", fine, []string{"Gemini"}},
		{"no properties", "x", `{"type":"object"}`, []string{"OpenAI"}},
		{"no type", "x", `{"properties":{}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a property with a space", "x", `{"type":"object","properties":{"a b":{"type":"string"}}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a property with a dot", "x", `{"type":"object","properties":{"a.b":{"type":"string"}}}`, []string{"Cursor", "Gemini"}},
		{"true for a schema", "x", `{"type":"object","properties":{"a":true}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a union with null", "x", `{"type":"object","properties":{"a":{"type":["null","array"],"items":{"type":"string"}}}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a union at the root", "x", `{"type":"object","properties":{},"anyOf":[]}`, []string{"Claude", "Gemini", "OpenAI"}},
		{"a reference", "x", `{"type":"object","properties":{"a":{"type":"object","$ref":"#/$defs/a"}}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"a list of what?", "x", `{"type":"object","properties":{"a":{"type":"array"}}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"an object of what?", "x", `{"type":"object","properties":{"a":{"type":"object"}}}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
		{"values by name", "x", `{"type":"object","properties":{"a":{"type":"object","additionalProperties":{"type":"string"}}}}`, nil},
		{"numbers in an enum", "x", `{"type":"object","properties":{"a":{"type":"integer","enum":[1]}}}`, []string{"Gemini"}},
		{"an empty text in an enum", "x", `{"type":"object","properties":{"a":{"type":"string","enum":[""]}}}`, []string{"Gemini"}},
		{"a keyword of later drafts", "x", `{"type":"object","properties":{"a":{"type":"string","const":"x"}}}`, []string{"Gemini"}},
		{"what is required is not there", "x", `{"type":"object","properties":{},"required":["a"]}`, []string{"Claude", "Cursor", "Gemini", "OpenAI"}},
	} {
		tool := listing{Name: tc.name}
		if err := json.Unmarshal([]byte(tc.schema), &tool.InputSchema); err != nil {
			t.Fatal(err)
		}
		var refused []string
		for client, r := range published {
			if len(r.breaks(tool)) > 0 {
				refused = append(refused, client)
			}
		}
		slices.Sort(refused)
		if !slices.Equal(refused, tc.refused) {
			t.Errorf("%s is refused by %v, want %v", tc.what, refused, tc.refused)
		}
	}
}
