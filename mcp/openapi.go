package mcp

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/vibnai/vibn-mcp/tenancy"
	"github.com/vibnai/vibn-mcp/untrusted"
)

// An object is a JSON object of the OpenAPI document.
type object = map[string]any

// An Operation is a route outside the tools, for the OpenAPI document.
type Operation struct {
	Route    string       // "POST /api/admin/workspaces/{slug}/keys"
	ID       string       // its operationId
	Summary  string       // for people, a few words
	Open     bool         // needs no key
	Operator bool         // needs the operator's token, not a key
	Input    reflect.Type // type of the body, a struct with optional fields only; nil = none
	Output   reflect.Type // type of a JSON answer
	Text     string       // media type of a text answer
	Query    reflect.Type // type of the query, a struct with optional fields only; nil = none
}

// OpenAPI describes the tools' REST routes, and more operations, as an OpenAPI 3.1
// document. server is the URL at which clients reach them.
func (r *Registry) OpenAPI(server, version string, more ...Operation) ([]byte, error) {
	paths := map[string]object{}
	add := func(method, path string, op object) {
		if paths[path] == nil {
			paths[path] = object{}
		}
		paths[path][strings.ToLower(method)] = op
	}
	for _, o := range more {
		method, path, _ := strings.Cut(o.Route, " ")
		add(method, path, o.describe())
	}
	for _, e := range r.tools {
		method, path := e.restRoute()
		add(method, path, e.operation(method, path))
	}
	return json.MarshalIndent(object{
		"openapi": "3.1.0",
		"info": object{
			"title": "vibn-mcp", "version": version,
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
			"description": "One bearer key is one workspace. What is not yours is answered like what does not exist.",
		},
		"servers":  []object{{"url": strings.TrimSuffix(server, "/")}},
		"security": []object{{"key": []string{}}},
		"paths":    paths,
		"components": object{
			"securitySchemes": object{
				"key": object{"type": "http", "scheme": "bearer", "bearerFormat": tenancy.KeyPrefix + "..."},
				"operator": object{
					"type": "http", "scheme": "bearer",
					"description": "VIBN_ADMIN_TOKEN of the server; the routes are there only if it is set",
				},
			},
			"schemas": object{"Failure": outputSchema(reflect.TypeFor[Failure]())},
		},
	}, "", "  ")
}

// restRoute returns the method and the whole path of a tool's REST route.
func (t Tool) restRoute() (method, path string) {
	method, path, _ = strings.Cut(t.Route, " ")
	return method, strings.TrimSuffix("/api/workspaces/{slug}"+path, "/")
}

// operation describes one REST route. Arguments named in the path are path parameters.
// The others are the query of a GET, or the body of any other method.
func (e *entry) operation(method, path string) object {
	params := []object{{
		"name": "slug", "in": "path", "required": true, "description": "the slug of the key's workspace",
		"schema": object{"type": "string", "maxLength": tenancy.MaxSlug},
	}}
	body := e.schema.CloneSchemas()
	for _, name := range slices.Sorted(maps.Keys(e.schema.Properties)) {
		in := "query"
		if strings.Contains(path, "{"+name+"}") {
			in = "path"
		} else if method != "GET" {
			continue
		}
		schema := *e.schema.Properties[name]
		about := schema.Description
		schema.Description = ""
		params = append(params, object{
			"name": name, "in": in, "required": slices.Contains(e.schema.Required, name), "description": about,
			"schema": &schema,
		})
		delete(body.Properties, name)
		body.Required = slices.DeleteFunc(slices.Clone(body.Required), func(n string) bool { return n == name })
	}
	op := object{
		"operationId": e.WireName(), "summary": e.Title, "parameters": params,
		"responses":   responses(jsonContent(e.output), tenancy.Codes()...),
		"description": e.Description + fmt.Sprintf(" Needs the right %q.", e.Needs),
	}
	if len(body.Properties) > 0 && method != "GET" {
		op["requestBody"] = object{"required": len(body.Required) > 0, "content": jsonContent(body)}
	}
	if method != "GET" {
		op["responses"].(object)["413"] = tooLarge()
	}
	return op
}

func (o Operation) describe() object {
	op := object{"operationId": o.ID, "summary": o.Summary, "responses": responses(o.content(), tenancy.Codes()...)}
	switch {
	case o.Open:
		op["security"] = []object{}
		op["responses"] = responses(o.content(), tenancy.Forbidden, tenancy.Internal, tenancy.Unavailable)
	case o.Operator:
		op["security"] = []object{{"operator": []string{}}}
	}
	params := []object{}
	for _, m := range pathParam.FindAllStringSubmatch(o.Route, -1) {
		params = append(
			params, object{"name": m[1], "in": "path", "required": true, "schema": object{"type": "string"}},
		)
	}
	if o.Query != nil {
		schema := schemaOf(o.Query)
		for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
			params = append(params, object{"name": name, "in": "query", "schema": schema.Properties[name]})
		}
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if o.Input != nil {
		schema := schemaOf(o.Input)
		op["requestBody"] = object{"content": jsonContent(schema)}
		op["responses"].(object)["413"] = tooLarge()
	}
	return op
}

// content describes the body of the operation's answer.
func (o Operation) content() object {
	if o.Text != "" {
		return object{o.Text: object{}}
	}
	return jsonContent(outputSchema(o.Output))
}

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

func tooLarge() object { return failure(fmt.Sprintf("the body is larger than %d bytes", MaxBody)) }

func responses(content object, codes ...tenancy.Code) object {
	all := object{
		"200": object{"description": "The answer.", "content": content, "headers": object{"Cache-Control": noStore}},
	}
	for _, code := range codes {
		f := failure(string(code))
		if code == tenancy.Unauthorized {
			f["headers"].(object)["WWW-Authenticate"] = object{"required": true, "schema": object{"type": "string"}}
		}
		all[strconv.Itoa(code.HTTPStatus())] = f
	}
	return all
}

// noStore describes the Cache-Control header of every answer: an answer may hold data of
// one tenant.
var noStore = object{"required": true, "schema": object{"type": "string", "enum": []string{"no-store"}}}

func failure(about string) object {
	return object{"description": about, "content": jsonContent(
		object{"$ref": "#/components/schemas/Failure"},
	), "headers": object{
		"Cache-Control": noStore,
		"Retry-After": object{
			"description": "seconds to wait before repeating the call, if known",
			"schema":      object{"type": "integer", "minimum": 1},
		},
	}}
}

func jsonContent(schema any) object { return object{"application/json": object{"schema": schema}} }

// outputSchema describes an answer. Its untrusted text is a string, and its lists are
// never null.
func outputSchema(t reflect.Type) *jsonschema.Schema {
	schema, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[untrusted.Text]():  {Type: "string"},
		reflect.TypeFor[json.RawMessage](): {Type: "object"},
	}})
	if err != nil {
		panic(fmt.Sprintf("mcp: %s: %v", t, err))
	}
	open(schema)
	return schema
}

// open allows fields of later releases, and removes null.
func open(s *jsonschema.Schema) {
	if s == nil {
		return
	}
	withoutNull(s)
	if len(s.Properties) > 0 {
		s.AdditionalProperties = nil
	}
	for _, p := range s.Properties {
		open(p)
	}
	open(s.Items)
}

// Markdown returns the reference of the tools, as in docs/tools.md.
func (r *Registry) Markdown() string {
	var b strings.Builder
	b.WriteString("# Tools\n\nMade from the registry; `go test ./cmd/vibn-mcp -update` writes it.\n")
	for _, e := range r.tools {
		method, path := e.restRoute()
		fmt.Fprintf(
			&b, "\n## %s\n\n%s\n\n- MCP: `%s` · REST: `%s %s` · right: `%s`\n", e.Name, e.Description, e.WireName(),
			method, path, e.Needs,
		)
		if len(e.schema.Properties) == 0 {
			b.WriteString("- no arguments\n")
			continue
		}
		b.WriteString("\n| argument | type | | meaning |\n|---|---|---|---|\n")
		for _, name := range slices.Sorted(maps.Keys(e.schema.Properties)) {
			p := e.schema.Properties[name]
			fmt.Fprintf(
				&b, "| `%s` | %s | %s | %s |\n", name, p.Type, strings.Join(e.limits(name, p), ", "), p.Description,
			)
		}
	}
	return b.String()
}

// limits describes in words what a property's schema requires of a value.
func (e *entry) limits(name string, p *jsonschema.Schema) []string {
	var words []string
	if slices.Contains(e.schema.Required, name) {
		words = append(words, "required")
	}
	for i, v := range p.Enum {
		if i > 0 && i == len(p.Enum)-1 { // for example: start, stop or restart
			words[len(words)-1] += " or " + fmt.Sprint(v)
			continue
		}
		words = append(words, fmt.Sprint(v))
	}
	if p.Minimum != nil && p.Maximum != nil {
		words = append(words, fmt.Sprintf("%v to %v", *p.Minimum, *p.Maximum))
	}
	if most := cmp.Or(p.MaxItems, p.MaxProperties); most != nil {
		words = append(words, fmt.Sprintf("at most %d", *most))
	}
	if p.Default != nil {
		words = append(words, "default "+string(p.Default))
	}
	return words
}
