package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/vibnai/vibn-mcp/mcp"
)

// A schema is the part of JSON Schema that the arguments of tools are written in.
type schema struct {
	Type                 string
	Enum                 []string
	Minimum, Maximum     *float64
	MaxLength, MaxItems  *int
	MaxProperties        *int
	Properties           map[string]*schema
	Required             []string
	AdditionalProperties json.RawMessage
}

// A param is an argument of an operation, and where its request has it.
type param struct {
	Name, In string // "path", "query" or "body"
	Required bool
	Schema   *schema
}

// An operation is a tool's twin as the OpenAPI document describes it.
type operation struct {
	tool         mcp.Tool
	method, path string
	params       []param // by name
}

// operations reads the OpenAPI document, as a client of REST does. They go by id.
func operations(t *testing.T) map[string]*operation {
	t.Helper()
	raw, err := toolRegistry().OpenAPI("https://vibn.example.com", "test")
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			OperationID string
			Parameters  []param
			RequestBody struct {
				Content map[string]struct{ Schema *schema }
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	all := map[string]*operation{}
	for path, methods := range doc.Paths {
		for method, o := range methods {
			op := &operation{method: strings.ToUpper(method), path: path}
			for _, p := range o.Parameters {
				if p.Name != "slug" {
					op.params = append(op.params, p)
				}
			}
			if body := o.RequestBody.Content["application/json"].Schema; body != nil {
				for name, s := range body.Properties {
					op.params = append(op.params, param{name, "body", slices.Contains(body.Required, name), s})
				}
			}
			slices.SortFunc(op.params, func(a, b param) int { return strings.Compare(a.Name, b.Name) })
			all[o.OperationID] = op
		}
	}
	for _, tool := range toolRegistry().Tools() {
		if all[tool.WireName()] == nil {
			t.Fatalf("the OpenAPI document has no operation %s", tool.WireName())
		}
		all[tool.WireName()].tool = tool
	}
	return all
}

// request writes a call as the document asks for it. What it does not name goes
// where the rest of a request goes.
func (o *operation) request(t *testing.T, args map[string]any) (method, path, body string) {
	t.Helper()
	path = strings.Replace(o.path, "{slug}", worldSlug, 1)
	query, rest := url.Values{}, map[string]any{}
	for name, v := range args {
		text, isText := v.(string)
		raw, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if !isText {
			text = string(raw)
		}
		switch {
		case strings.Contains(path, "{"+name+"}"):
			path = strings.Replace(path, "{"+name+"}", url.PathEscape(text), 1)
		case o.method == "GET":
			query.Set(name, text)
		default:
			rest[name] = v
		}
	}
	if o.method == "GET" {
		return o.method, path + "?" + query.Encode(), ""
	}
	raw, err := json.Marshal(rest)
	if err != nil {
		t.Fatal(err)
	}
	return o.method, path, string(raw)
}

// flags writes a call as flags of the command line; false if they cannot say it,
// as each is a text.
func (o *operation) flags(args map[string]any) (flags []string, ok bool) {
	for name, v := range args {
		at := slices.IndexFunc(o.params, func(p param) bool { return p.Name == name })
		if at < 0 {
			return nil, false
		}
		var texts []string
		switch v := v.(type) {
		case string:
			texts, ok = []string{v}, o.params[at].Schema.Type != "array" && o.params[at].Schema.Type != "object"
		case int, float64, bool:
			texts, ok = []string{fmt.Sprint(v)}, o.params[at].Schema.Type != "string"
		case []string:
			texts, ok = v, len(v) > 0
		case map[string]string:
			for k, value := range v {
				texts = append(texts, k+"="+value)
			}
			ok = len(v) > 0
		default:
			ok = false
		}
		if !ok {
			return nil, false
		}
		for _, text := range texts {
			flags = append(flags, "--"+strings.ReplaceAll(name, "_", "-")+"="+text)
		}
	}
	return flags, true
}

// known are arguments that find what they look for in a world. Those that are
// required and are not here are made from the schema.
var known = map[string]any{
	"app": worldApp, "deployment": worldDone, "project": path.Base(worldProject), "action": "restart",
	"set": map[string]string{"A": "1"}, "keys": []string{"A"}, "database": worldData, "confirm": "web",
	"domain": "web." + worldSlug + "." + worldApps,
}

// good are arguments with which a tool does what it is for.
func (o *operation) good() map[string]any {
	args := map[string]any{}
	for _, p := range o.params {
		if v, ok := known[p.Name]; ok && (p.Required || p.Name == "confirm") {
			args[p.Name] = v
		} else if p.Required {
			args[p.Name] = p.Schema.sample()
		}
	}
	return args
}

func (s *schema) sample() any {
	switch s.Type {
	case "integer":
		return 1
	case "boolean":
		return true
	case "array":
		return []string{"SAMPLE"}
	case "object":
		return map[string]string{"SAMPLE": "1"}
	}
	return append(s.Enum, "sample")[0]
}

// allTrials are good and bad calls of every tool, made from its schema. A viewer
// makes the good one too, and one that is bad in itself.
func allTrials(t *testing.T) []trial {
	t.Helper()
	var trials []trial
	ops := operations(t)
	for _, tool := range toolRegistry().Tools() {
		op := ops[tool.WireName()]
		good := op.good()
		inputs := []map[string]any{good, with[any](good, "nonsense", "1")}
		for _, args := range inputs {
			trials = append(trials, trial{op, args, "viewer"})
		}
		inputs = append(inputs, with[any](good, "\u202enonsense", "1"))
		for _, p := range op.params {
			for _, v := range p.values() {
				inputs = append(inputs, with(good, p.Name, v))
			}
			if p.Required && p.In != "path" { // a path without it is another path
				without := maps.Clone(good)
				delete(without, p.Name)
				inputs = append(inputs, without)
			}
		}
		for _, args := range inputs {
			trials = append(trials, trial{op, args, "owner"})
		}
	}
	return trials
}

// with returns a copy of a map with one value replaced.
func with[V any](m map[string]V, name string, v V) map[string]V {
	c := maps.Clone(m)
	c[name] = v
	return c
}

// values are good and bad values of an argument: at its bounds and beyond, of
// another type, and hostile. Texts in a path or a query have no type and no null,
// and a path cannot be empty or lead elsewhere.
func (p param) values() []any {
	values := p.Schema.values()
	if p.In == "body" {
		return append(values, p.Schema.otherType(), []any{nil}, nil)
	}
	if p.Schema.Type != "string" {
		return append(values, p.Schema.otherType())
	}
	return slices.DeleteFunc(values, func(v any) bool { return p.In == "path" && (v == "" || v == "..") })
}

func (s *schema) values() []any {
	switch s.Type {
	case "integer":
		values := []any{1.5, -1, 0, 1, 1_000_000}
		if s.Minimum != nil {
			values = append(values, *s.Minimum-1, *s.Minimum)
		}
		if s.Maximum != nil {
			values = append(values, *s.Maximum, *s.Maximum+1)
		}
		return values
	case "boolean":
		return []any{true, false}
	case "array":
		return []any{[]string{}, []string{"A", "B"}, []string{"1A"}, []string{"\u202e"}, []any{"A", 1}, many(s.MaxItems)}
	case "object":
		values := []any{}
		for _, v := range []any{1, "", "x", "{{team.X}}", "{{", strings.Repeat("x", 70_000)} {
			values = append(values, map[string]any{"A": v})
		}
		named := map[string]string{}
		for _, name := range many(s.MaxProperties) {
			named[name] = "1"
		}
		return append(values, map[string]string{}, map[string]string{"1A": "x"}, map[string]string{"A": "1,\"=2", "B": " "}, map[string]string{"": "x"}, named)
	}
	values := []any{worldNobody, worldApp, "a/b c", "--app=x", "a,b", "%2e", "..", "", "\u202e", "\x00"}
	for _, v := range s.Enum {
		values = append(values, v)
	}
	if s.MaxLength != nil {
		values = append(values, strings.Repeat("a", *s.MaxLength), strings.Repeat("\u00e9", *s.MaxLength+1))
	}
	return values
}

// many is one more than the most; some where there is no limit.
func many(most *int) []string {
	n := 3
	if most != nil {
		n = *most + 1
	}
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("NAME_%d", i))
	}
	return names
}

// otherType is a value that is not of the schema's type.
func (s *schema) otherType() any {
	if s.Type == "string" {
		return 7
	}
	return "ten"
}
