package mcp_test

import (
	"encoding/json"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/mcp"
	"github.com/vibnai/vibn-mcp/tenancy"
)

// portable are the keywords that Claude, OpenAI and Gemini all take or ignore.
var portable = []string{
	"type", "description", "default", "enum", "minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties",
	"items", "properties", "required", "additionalProperties",
}

// TestSchemas: every input schema is one that all the clients take.
func TestSchemas(t *testing.T) {
	h := newHouse(t)
	owner, _ := h.AddKey(t, h.A, "owner", 0)
	tools, _ := h.list(t, owner)
	for _, tool := range tools {
		if tool.InputSchema["type"] != "object" || tool.InputSchema["additionalProperties"] != false {
			t.Errorf("%s: the root is no closed object: %v", tool.Name, tool.InputSchema)
		}
		properties, _ := tool.InputSchema["properties"].(map[string]any)
		for name, p := range properties {
			property, ok := p.(map[string]any)
			if !ok {
				t.Fatalf("%s: property %s is %v, want a schema", tool.Name, name, p)
			}
			if text, _ := property["description"].(string); text == "" || !isASCII(text) || !wireName.MatchString(name) {
				t.Errorf("%s: property %s: name or description %q", tool.Name, name, text)
			}
			checkSchema(t, tool.Name+" "+name, property)
		}
		required, _ := tool.InputSchema["required"].([]any)
		for _, name := range required {
			if property, ok := properties[name.(string)].(map[string]any); !ok || property["default"] != nil {
				t.Errorf("%s requires %s, which is no property or has a default", tool.Name, name)
			}
		}
	}
}

func checkSchema(t *testing.T, what string, s map[string]any) {
	t.Helper()
	for keyword := range s {
		if !slices.Contains(portable, keyword) {
			t.Errorf("%s has %s, which not every client takes", what, keyword)
		}
	}
	kind, _ := s["type"].(string)
	switch kind {
	case "string", "integer", "boolean":
	case "array":
		items, _ := s["items"].(map[string]any)
		checkSchema(t, what+" items", items)
	case "object":
		values, _ := s["additionalProperties"].(map[string]any)
		checkSchema(t, what+" values", values)
	default:
		t.Errorf("%s is of type %v, want one single type", what, s["type"])
	}
	enum, _ := s["enum"].([]any)
	for _, v := range enum {
		if _, ok := v.(string); !ok || kind != "string" {
			t.Errorf("%s: enum %v, want texts", what, enum)
		}
	}
	if v, ok := s["default"]; ok && !slices.Contains([]string{"string", "integer", "boolean"}, kind) {
		t.Errorf("%s: default %v of a %s", what, v, kind)
	}
}

// TestBadArguments: what does not fit is refused in words for people.
func TestBadArguments(t *testing.T) {
	h := newHouse(t)
	twenty := `{"A":"","B":"","C":"","D":"","E":"","F":"","G":"","H":"","I":"","J":"","K":"","L":"","M":"","N":"","O":"","P":"","Q":"","R":"","S":"","T":""`
	for _, tc := range []struct{ tool, args, want string }{
		{"apps.get", ``, "app is required"},
		{"apps.get", `null`, "app is required"},
		{"apps.get", `{"app":null}`, "app is required"},
		{"apps.get", `[]`, "the arguments are not a JSON object"},
		{"apps.get", `"web"`, "the arguments are not a JSON object"},
		{"apps.get", `7`, "the arguments are not a JSON object"},
		{"apps.get", `{"app":"web"`, "the arguments are not a JSON object"},
		{"apps.get", `{"app":"web"} {}`, "the arguments are not a JSON object"},
		{"apps.get", `{"app":7}`, "app must be a text"},
		{"apps.get", `{"app":["web"]}`, "app must be a text"},
		{"apps.get", `{"app":""}`, "app must not be empty"},
		{"apps.get", `{"app":"` + strings.Repeat("\u00e9", 256) + `"}`, "app must have at most 255 characters"},
		{"apps.get", `{"app":"web","name":"x"}`, `there is no argument "name"; the arguments are: app`},
		{"apps.get", `{"App":"web","app":"web"}`, `there is no argument "App"; the arguments are: app`},
		{"apps.get", `{"app":"web","a\u202eb\u001b[31m":1}`, `there is no argument "ab"; the arguments are: app`},
		{"workspace.describe", `{"app":"web"}`, `there is no argument "app"; the arguments are: none`},
		{"apps.deploy", `{"app":"web","wait_seconds":46}`, "wait_seconds must be at most 45"},
		{"apps.deploy", `{"app":"web","wait_seconds":-1}`, "wait_seconds must be at least 0"},
		{"apps.deploy", `{"app":"web","wait_seconds":1.5}`, "wait_seconds must be a whole number"},
		{"apps.deploy", `{"app":"web","wait_seconds":1e300}`, "wait_seconds must be a whole number"},
		{"apps.deploy", `{"app":"web","wait_seconds":"10"}`, "wait_seconds must be a whole number"},
		{"apps.deploy", `{"app":"web","force":"true"}`, "force must be true or false"},
		{"apps.deploy", `{"app":"web","force":1}`, "force must be true or false"},
		{"deployments.wait", `{"deployment":"x","wait_seconds":0}`, "wait_seconds must be at least 1"},
		{"apps.control", `{"app":"web"}`, "action is required"},
		{"apps.control", `{"app":"web","action":"delete"}`, "action must be one of: start, stop, restart"},
		{"apps.control", `{"app":"web","action":true}`, "action must be a text"},
		{"apps.list", `{"limit":51}`, "limit must be at most 50"},
		{"apps.logs", `{"app":"web","lines":501}`, "lines must be at most 500"},
		{"apps.logs", `{"app":"web","contains":"` + strings.Repeat("x", 201) + `"}`, "contains must have at most 200 characters"},
		{"envs.list", `{"app":"web","scope":"staging"}`, "scope must be one of: production, preview"},
		{"envs.upsert", `{"app":"web"}`, "set is required"},
		{"envs.upsert", `{"app":"web","set":{}}`, "set must not be empty"},
		{"envs.upsert", `{"app":"web","set":[]}`, "set must be an object"},
		{"envs.upsert", `{"app":"web","set":"A=1"}`, "set must be an object"},
		{"envs.upsert", `{"app":"web","set":{"A":1}}`, "set has a value for A that must be a text"},
		{"envs.upsert", `{"app":"web","set":{"A":null}}`, "set has a value for A that must be a text"},
		{"envs.upsert", `{"app":"web","set":` + twenty + `,"U":""}}`, "set must have at most 20 entries"},
		{"envs.delete", `{"app":"web","keys":[]}`, "keys must not be empty"},
		{"envs.delete", `{"app":"web","keys":"A"}`, "keys must be a list"},
		{"envs.delete", `{"app":"web","keys":["A",2]}`, "keys has an item that must be a text"},
		{"envs.delete", `{"app":"web","keys":[` + strings.Repeat(`"A",`, 20) + `"A"]}`, "keys must have at most 20 items"},
	} {
		code, msg := h.refusal(t, tc.tool, tc.args)
		if diff := cmp.Diff(tc.want, msg); diff != "" || code != tenancy.Invalid {
			t.Errorf("%s %.100s: %s (-want +got)\n%s", tc.tool, tc.args, code, diff)
		}
	}
	if ops := h.Requests(); len(ops) > 0 {
		t.Errorf("Coolify was asked: %v", ops)
	}
	ofKey := tenancy.AuditQuery{Principal: "key:" + h.A.KeyID, Limit: 1}
	if entries, err := h.DB.Audit(t.Context(), h.A.ID, ofKey); err != nil || len(entries) > 0 {
		t.Errorf("Audit = %v, %v; what was not tried is not on record", entries, err)
	}
}

// TestEveryPropertyIsJudged breaks each property of each tool by its own schema.
func TestEveryPropertyIsJudged(t *testing.T) {
	h := newHouse(t)
	tools, _ := h.list(t, h.A.Key)
	wrong := map[string]string{"string": "7", "integer": `"x"`, "boolean": `"x"`, "array": "{}", "object": "[]"}
	for _, tool := range tools {
		properties, _ := tool.InputSchema["properties"].(map[string]any)
		required, _ := tool.InputSchema["required"].([]any)
		for name, p := range properties {
			property := p.(map[string]any)
			args := map[string]json.RawMessage{name: json.RawMessage(wrong[property["type"].(string)])}
			for _, r := range required {
				if r != name {
					args[r.(string)] = sample(properties[r.(string)].(map[string]any))
				}
			}
			raw, err := json.Marshal(args)
			if err != nil {
				t.Fatal(err)
			}
			if code, msg := h.refusal(t, tool.Name, string(raw)); code != tenancy.Invalid || !strings.HasPrefix(msg, name+" must be ") {
				t.Errorf("%s %s: %s %q", tool.Name, raw, code, msg)
			}
		}
	}
}

// sample is a value that fits a schema.
func sample(s map[string]any) json.RawMessage {
	switch {
	case s["enum"] != nil:
		return json.RawMessage(`"` + s["enum"].([]any)[0].(string) + `"`)
	case s["type"] == "array":
		return json.RawMessage(`["A"]`)
	case s["type"] == "object":
		return json.RawMessage(`{"A":"1"}`)
	}
	return json.RawMessage(`"x"`)
}

type defaultsIn struct {
	Text   string   `json:"text,omitempty" jsonschema:"a text" default:"\"production\""`
	Number int      `json:"number,omitempty" jsonschema:"a number" max:"50" default:"25"`
	Flag   *bool    `json:"flag,omitempty" jsonschema:"a flag"`
	List   []string `json:"list,omitempty" jsonschema:"a list" max:"3"`
}

// TestDefaults: absent and null take the default, and a flag that is absent is
// told from one that is false.
func TestDefaults(t *testing.T) {
	h := newHouse(t)
	mcp.Add(h.registry, mcp.Tool{
		Name: "test.defaults", Route: "GET /test", Needs: tenancy.Read, Title: "Defaults", Description: "Shows its input.",
	}, echo)
	for args, want := range map[string]string{
		``:                               `{"text":"production","number":25}`,
		`{}`:                             `{"text":"production","number":25}`,
		`{"text":null,"flag":null}`:      `{"text":"production","number":25}`,
		`{"text":"","number":0}`:         `{}`,
		`{"flag":false,"number":5.0}`:    `{"text":"production","number":5,"flag":false}`,
		`{"number":50,"list":["a","b"]}`: `{"text":"production","number":50,"list":["a","b"]}`,
	} {
		got, err := h.call(t, "test.defaults", args)
		if err != nil || string(got) != want {
			t.Errorf("%s = %s, %v; want %s", args, got, err, want)
		}
	}
}

// TestFromQuery: text becomes what the schema says, and what does not parse is
// judged as it is.
func TestFromQuery(t *testing.T) {
	h := newHouse(t)
	mcp.Add(h.registry, mcp.Tool{
		Name: "test.query", Route: "GET /test", Needs: tenancy.Read, Title: "Query", Description: "Shows its input.",
	}, echo)
	for _, tc := range []struct {
		query string
		want  map[string]any
	}{
		{"", map[string]any{}},
		{"text=7&number=7&flag=true", map[string]any{"text": "7", "number": int64(7), "flag": true}},
		{"number=7.5&flag=yes", map[string]any{"number": "7.5", "flag": "yes"}},
		{"number=&flag=", map[string]any{"number": "", "flag": ""}},
		{"list=a", map[string]any{"list": []string{"a"}}},
		{"list=a&list=b", map[string]any{"list": []string{"a", "b"}}},
		{"number=1&number=2&text=a&text=b", map[string]any{"number": []string{"1", "2"}, "text": []string{"a", "b"}}},
		{"other=1", map[string]any{"other": "1"}},
	} {
		query, err := url.ParseQuery(tc.query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, h.registry.FromQuery("test.query", query)); diff != "" {
			t.Errorf("FromQuery(%q) (-want +got)\n%s", tc.query, diff)
		}
	}
	if got := h.registry.FromQuery("no.such", url.Values{"a": {"1"}}); len(got) != 0 {
		t.Errorf("FromQuery of no tool = %v", got)
	}
	names := slices.Collect(maps.Keys(h.registry.FromQuery("test_query", url.Values{"number": {"1"}})))
	if !slices.Equal(names, []string{"number"}) {
		t.Errorf("FromQuery by the wire name = %v", names)
	}
}
