package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/jsonschema-go/jsonschema"
	"go.yaml.in/yaml/v4"

	"github.com/vibnai/vibn-mcp/clients"
)

// generated are the files that are made from the description of the clients and the
// table of variables.
func generated() map[string]string {
	files := map[string]string{
		"docs/clients.md": clients.Markdown(), "examples/vibn.env": environmentFile(), "server.json": string(clients.ServerJSON(clients.NextVersion)),
	}
	for name, text := range clients.Examples() {
		files["examples/clients/"+name] = text
	}
	return files
}

// TestExamples compares the generated files with what they are made from.
func TestExamples(t *testing.T) {
	for name, want := range generated() {
		file := filepath.Join(root, name)
		if *update {
			if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("%s is behind the program; go test ./cmd/vibn-mcp -update writes it (-want +got):\n%s", name, diff)
		}
	}
	there, err := os.ReadDir(filepath.Join(root, "examples", "clients"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range there {
		if _, ok := clients.Examples()[e.Name()]; !ok {
			t.Errorf("examples/clients/%s is of no client", e.Name())
		}
	}
}

// environmentFile lists every variable, for what starts the server: those that it
// cannot do without have no # in front.
func environmentFile() string {
	var b strings.Builder
	b.WriteString("# Settings of vibn-mcp, one a line, as systemd, docker and kubectl read them: no\n# quotes, nothing behind the value. What has no # in front is needed.\n" +
		"# Made from the parser's table; go test ./cmd/vibn-mcp -update writes it.\n")
	needed := append([]string{"VIBN_PUBLIC_URL"}, serverNeeds...)
	for _, v := range variables() {
		about := v.about
		if v.def != "" {
			about += " (default " + v.def + ")"
		}
		mark := "#"
		if slices.Contains(needed, v.name) {
			mark = ""
		}
		fmt.Fprintf(&b, "\n# %s\n%s%s=\n", strings.ReplaceAll(about, "`", ""), mark, v.name)
	}
	return b.String()
}

// example reads a file of examples.
func example(t *testing.T, name string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "examples", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// checkVariables: an example sets only variables that there are, or Go's own.
func checkVariables(t *testing.T, where string, names ...string) {
	t.Helper()
	known := []string{"GOGC", "GOMEMLIMIT"}
	for _, v := range variables() {
		known = append(known, v.name)
		if v.secret {
			known = append(known, v.name+"_FILE")
		}
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			t.Errorf("%s sets %s, which nothing reads", where, name)
		}
	}
}

// TestEnvironmentFile reads the file as systemd and docker do, and starts a server
// with it.
func TestEnvironmentFile(t *testing.T) {
	text := example(t, "vibn.env")
	var names []string
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if m := regexp.MustCompile(`^#?([A-Z_]+)=$`).FindStringSubmatch(line); m != nil {
			names = append(names, m[1])
		} else if line != "" && !strings.HasPrefix(line, "# ") {
			t.Errorf("%q is neither a setting nor a remark", line)
		}
	}
	checkVariables(t, "vibn.env", names...)
	for _, v := range variables() {
		if !slices.Contains(names, v.name) {
			t.Errorf("vibn.env does not tell of %s", v.name)
		}
	}
	r := begin(t, map[string]string{}, "serve")
	<-r.ended
	for name := range strings.SplitSeq(strings.Join(regexp.MustCompile(`(?m)^[A-Z_]+=`).FindAllString(text, -1), " "), " ") {
		if name = strings.TrimSuffix(name, "="); name != "VIBN_PUBLIC_URL" && !strings.Contains(r.stderr.String(), "error: "+name+": is not set") {
			t.Errorf("vibn.env says that %s is needed; serve says\n%s", name, r.stderr)
		}
	}
}

// A mapping is one of YAML.
type mapping = map[string]any

// documents reads a file of YAML.
func documents(t *testing.T, name string) []mapping {
	t.Helper()
	var all []mapping
	dec := yaml.NewDecoder(strings.NewReader(example(t, name)))
	for {
		var doc mapping
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		all = append(all, doc)
	}
}

// lookUp returns what is at a path of names and indexes; in a name ~ stands for /.
func lookUp(t *testing.T, v any, path string) any {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	var is any
	if err := json.Unmarshal(raw, &is); err != nil {
		t.Fatal(err)
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		names[i] = strings.ReplaceAll(name, "~", "/")
	}
	got, ok := at(is, names)
	if !ok {
		t.Fatalf("there is no %s", path)
	}
	return got
}

// checkAt compares what is at paths.
func checkAt(t *testing.T, name string, v any, want map[string]any) {
	t.Helper()
	for path, is := range want {
		if got := lookUp(t, v, path); fmt.Sprint(got) != fmt.Sprint(is) {
			t.Errorf("%s: %s is %v, want %v", name, path, got, is)
		}
	}
}

func TestComposeExample(t *testing.T) {
	docs := documents(t, "docker/compose.yaml")
	if len(docs) != 1 {
		t.Fatalf("compose.yaml has %d documents", len(docs))
	}
	checkAt(t, "compose.yaml", docs[0], map[string]any{
		"services/vibn/user": "65532:65532", "services/vibn/read_only": true, "services/vibn/cap_drop/0": "ALL", "services/vibn/env_file": "vibn.env",
		"services/vibn/security_opt/0": "no-new-privileges:true", "services/vibn/ports/0": "127.0.0.1:8080:8080", "services/vibn/stop_grace_period": "30s",
		"services/vibn/depends_on/postgres/condition": "service_healthy", "services/postgres/healthcheck/test/1": "pg_isready",
	})
	file := fmt.Sprint(lookUp(t, docs[0], "services/vibn/build/dockerfile"))
	if _, err := os.Stat(filepath.Join(root, file)); err != nil {
		t.Error(err)
	}
	environment, _ := lookUp(t, docs[0], "services/vibn/environment").(mapping)
	checkVariables(t, "compose.yaml", slices.Collect(maps.Keys(environment))...)
	for _, list := range []string{"secrets", "volumes"} {
		defined, _ := lookUp(t, docs[0], list).(mapping)
		for name := range defined {
			if !strings.Contains(example(t, "docker/compose.yaml"), "["+name+"]") && !strings.Contains(example(t, "docker/compose.yaml"), `["`+name+`:`) {
				t.Errorf("compose.yaml defines %s %s and does not use it", list, name)
			}
		}
	}
	labels, _ := lookUp(t, documents(t, "traefik/compose.labels.yaml")[0], "services/vibn/labels").(mapping)
	if len(labels) < 5 {
		t.Errorf("the labels are %v", labels)
	}
	for name, v := range labels {
		if _, ok := v.(string); !ok || !strings.HasPrefix(name, "traefik.") {
			t.Errorf("label %s is %v, want a text", name, v)
		}
	}
}

func TestTraefikExample(t *testing.T) {
	checkAt(t, "traefik/vibn.yaml", documents(t, "traefik/vibn.yaml")[0], map[string]any{
		"http/routers/vibn/service": "vibn", "http/services/vibn/loadBalancer/servers/0/url": "http://127.0.0.1:8080",
		"http/services/vibn/loadBalancer/healthCheck/path": "/readyz",
	})
}

func TestKubernetesExample(t *testing.T) {
	kinds := map[string]mapping{}
	for _, doc := range documents(t, "kubernetes/vibn-mcp.yaml") {
		kind := fmt.Sprint(lookUp(t, doc, "kind"))
		kinds[kind] = doc
		checkAt(t, kind, doc, map[string]any{"metadata/name": "vibn-mcp"})
	}
	const container = "spec/template/spec/containers/0/"
	checkAt(t, "the Deployment", kinds["Deployment"], map[string]any{
		"apiVersion": "apps/v1", "spec/replicas": 2, "spec/template/spec/securityContext/runAsNonRoot": true, "spec/template/spec/automountServiceAccountToken": false,
		container + "image": clients.Image + ":" + clients.NextVersion, container + "args/0": "serve", container + "ports/0/containerPort": 8080,
		container + "livenessProbe/httpGet/path": "/healthz", container + "readinessProbe/httpGet/path": "/readyz", container + "startupProbe/httpGet/path": "/healthz",
		container + "livenessProbe/httpGet/port": "http", container + "readinessProbe/httpGet/port": "http",
		container + "securityContext/readOnlyRootFilesystem": true, container + "securityContext/allowPrivilegeEscalation": false, container + "securityContext/capabilities/drop/0": "ALL",
	})
	label := lookUp(t, kinds["Deployment"], "spec/template/metadata/labels/app.kubernetes.io~name")
	for kind, path := range map[string]string{"Deployment": "spec/selector/matchLabels", "Service": "spec/selector", "PodDisruptionBudget": "spec/selector/matchLabels"} {
		checkAt(t, kind, kinds[kind], map[string]any{path + "/app.kubernetes.io~name": label})
	}
	checkAt(t, "the Service", kinds["Service"], map[string]any{"spec/ports/0/targetPort": lookUp(t, kinds["Deployment"], container+"ports/0/name")})
	var names []string
	list, _ := kinds["Deployment"]["spec"].(mapping)
	raw, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`"name":"([A-Z_]+)"`).FindAllSubmatch(raw, -1) {
		names = append(names, string(m[1]))
	}
	if len(names) < 3 {
		t.Errorf("the Deployment sets %v; does this test still see them?", names)
	}
	checkVariables(t, "the Deployment", names...)
}

func TestSystemdExample(t *testing.T) {
	settings := map[string][]string{}
	section := ""
	lines := bufio.NewScanner(strings.NewReader(example(t, "systemd/vibn-mcp.service")))
	for lines.Scan() {
		line := lines.Text()
		if m := regexp.MustCompile(`^\[(Unit|Service|Install)\]$`).FindStringSubmatch(line); m != nil {
			section = m[1]
		} else if m := regexp.MustCompile(`^([A-Z][A-Za-z]+)=(.*)$`).FindStringSubmatch(line); m != nil && section != "" {
			settings[section+"/"+m[1]] = append(settings[section+"/"+m[1]], m[2])
		} else if line != "" && !strings.HasPrefix(line, "#") {
			t.Errorf("%q is no line of a unit", line)
		}
	}
	for name, want := range map[string]string{
		"Service/ExecStart": "/usr/local/bin/vibn-mcp serve", "Service/DynamicUser": "yes", "Service/ProtectSystem": "strict", "Service/NoNewPrivileges": "yes",
		"Service/CapabilityBoundingSet": "", "Service/PrivateTmp": "yes", "Service/ProtectHome": "yes", "Install/WantedBy": "multi-user.target",
		"Service/Environment": "VIBN_DATA_DIR=/var/lib/" + settings["Service/StateDirectory"][0],
	} {
		if got := settings[name]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	for _, v := range settings["Service/Environment"] {
		name, _, _ := strings.Cut(v, "=")
		checkVariables(t, "the unit", name)
	}
}

func TestDockerfileExample(t *testing.T) {
	text := example(t, "docker/Dockerfile")
	_, last, ok := strings.Cut(text[strings.Index(text, "FROM golang:"):], "\nFROM ")
	if !ok || !strings.HasPrefix(last, "gcr.io/distroless/static") {
		t.Fatalf("the last stage is %s", last)
	}
	for _, want := range []string{
		"\nUSER 65532:65532\n", "\nENTRYPOINT [\"/vibn-mcp\"]\n", "\nCMD [\"serve\"]\n", "\nEXPOSE 8080\n", "LABEL io.modelcontextprotocol.server.name=" + clients.RegistryName + "\n",
	} {
		if !strings.Contains("\n"+last, want) {
			t.Errorf("the last stage lacks %q", want)
		}
	}
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (1\.\d+)`).FindSubmatch(mod)
	if !strings.Contains(text, "FROM golang:"+string(version[1])+" ") {
		t.Errorf("the Dockerfile builds with another Go than go.mod's %s", version[1])
	}
	m := regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(text)
	for setting := range strings.FieldsSeq(m[1]) {
		name, _, _ := strings.Cut(setting, "=")
		checkVariables(t, "the Dockerfile", name)
	}
}

func TestCaddyExample(t *testing.T) {
	text := example(t, "caddy/Caddyfile")
	depth := 0
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			continue
		}
		depth += strings.Count(line, "{") - strings.Count(line, "}")
		if depth < 0 {
			t.Fatalf("a brace too many: %q", line)
		}
	}
	if depth != 0 || !strings.Contains(text, "reverse_proxy 127.0.0.1:8080 {") || !strings.Contains(text, "health_uri /readyz") {
		t.Errorf("%d braces are open:\n%s", depth, text)
	}
}

// registryForm is what the MCP registry asks of a server.json, as far as we use it.
const registryForm = `{
	"type": "object", "additionalProperties": false, "required": ["$schema", "name", "description", "version"],
	"properties": {
		"$schema": {"type": "string", "pattern": "^https://static\\.modelcontextprotocol\\.io/schemas/[0-9-]+/server\\.schema\\.json$"},
		"name": {"type": "string", "minLength": 3, "maxLength": 200, "pattern": "^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$"},
		"title": {"type": "string", "minLength": 1, "maxLength": 100},
		"description": {"type": "string", "minLength": 1, "maxLength": 100},
		"version": {"type": "string", "maxLength": 255, "pattern": "^[0-9]+\\.[0-9]+\\.[0-9]+$"},
		"repository": {"type": "object", "additionalProperties": false, "required": ["url", "source"], "properties": {
			"url": {"type": "string", "pattern": "^https://"}, "source": {"type": "string"}}},
		"packages": {"type": "array", "minItems": 1, "items": {
			"type": "object", "additionalProperties": false, "required": ["registryType", "identifier", "transport"],
			"properties": {
				"registryType": {"enum": ["oci", "mcpb"]}, "identifier": {"type": "string"},
				"version": {"type": "string", "minLength": 1, "maxLength": 255},
				"fileSha256": {"type": "string", "pattern": "^[a-f0-9]{64}$"},
				"transport": {"type": "object", "additionalProperties": false, "properties": {"type": {"const": "stdio"}}},
				"packageArguments": {"type": "array", "items": {"type": "object", "additionalProperties": false, "required": ["type", "value"],
					"properties": {"type": {"const": "positional"}, "value": {"type": "string"}}}},
				"environmentVariables": {"type": "array", "items": {"$ref": "#/$defs/input"}}
			},
			"if": {"properties": {"registryType": {"const": "mcpb"}}},
			"then": {"required": ["fileSha256"], "properties": {"identifier": {"pattern": "^https://github\\.com/.*/releases/download/.*\\.mcpb$"}}},
			"else": {"properties": {"identifier": {"pattern": "^[a-z0-9.-]+/[a-z0-9._/-]+:[0-9]"}, "version": false}}
		}},
		"remotes": {"type": "array", "items": {
			"type": "object", "additionalProperties": false, "required": ["type", "url"],
			"properties": {
				"type": {"const": "streamable-http"}, "url": {"type": "string"},
				"variables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/input"}},
				"headers": {"type": "array", "items": {"$ref": "#/$defs/input", "required": ["name"]}}
			}
		}}
	},
	"$defs": {"input": {"type": "object", "additionalProperties": false, "properties": {
		"name": {"type": "string"}, "description": {"type": "string"}, "value": {"type": "string"}, "placeholder": {"type": "string"}, "default": {"type": "string"},
		"isRequired": {"type": "boolean"}, "isSecret": {"type": "boolean"}, "choices": {"type": "array"}, "format": {"enum": ["string", "number", "boolean", "filepath"]},
		"variables": {"type": "object", "additionalProperties": {"$ref": "#/$defs/input"}}
	}}}
}`

// bundleForm is what a bundle's manifest has, as far as we use it.
const bundleForm = `{
	"type": "object", "additionalProperties": false, "required": ["manifest_version", "name", "version", "description", "author", "server"],
	"properties": {
		"manifest_version": {"const": "0.3"}, "name": {"type": "string"}, "display_name": {"type": "string"}, "version": {"type": "string"}, "description": {"type": "string"},
		"author": {"type": "object", "additionalProperties": false, "required": ["name"], "properties": {"name": {"type": "string"}, "url": {"type": "string"}}},
		"repository": {"type": "object", "additionalProperties": false, "required": ["type", "url"], "properties": {"type": {"type": "string"}, "url": {"type": "string"}}},
		"license": {"type": "string"},
		"server": {"type": "object", "additionalProperties": false, "required": ["type", "entry_point", "mcp_config"], "properties": {
			"type": {"const": "binary"}, "entry_point": {"type": "string"},
			"mcp_config": {"type": "object", "additionalProperties": false, "required": ["command"], "properties": {
				"command": {"type": "string"}, "args": {"type": "array", "items": {"type": "string"}}, "env": {"type": "object", "additionalProperties": {"type": "string"}}}}}},
		"user_config": {"type": "object", "additionalProperties": {"type": "object", "additionalProperties": false, "required": ["type", "title", "description"], "properties": {
			"type": {"const": "string"}, "title": {"type": "string"}, "description": {"type": "string"}, "required": {"type": "boolean"}, "sensitive": {"type": "boolean"}}}},
		"compatibility": {"type": "object", "additionalProperties": false, "properties": {"platforms": {"type": "array", "items": {"enum": ["darwin", "win32", "linux"]}}}}
	}
}`

func checkForm(t *testing.T, name, form string, raw []byte) {
	t.Helper()
	var schema jsonschema.Schema
	if err := json.Unmarshal([]byte(form), &schema); err != nil {
		t.Fatal(err)
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if err := resolved.Validate(v); err != nil {
		t.Errorf("%s: %v\n%s", name, err, raw)
	}
}

// TestRegistry holds the entry in the registry and the bundles' manifests to their
// forms: every placeholder stands for something, every variable is one.
func TestRegistry(t *testing.T) {
	bundle := clients.Bundle{File: "vibn-mcp_linux_amd64.mcpb", SHA256: strings.Repeat("0a", 32)}
	for _, raw := range [][]byte{clients.ServerJSON("1.2.3", bundle), clients.ServerJSON(clients.NextVersion)} {
		checkForm(t, "server.json", registryForm, raw)
		var names []string
		for _, m := range regexp.MustCompile(`"name": "(VIBN_\w+)"`).FindAllSubmatch(raw, -1) {
			names = append(names, string(m[1]))
		}
		checkVariables(t, "server.json", names...)
		for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllSubmatch(raw, -1) {
			if !bytes.Contains(raw, []byte(`"`+string(m[1])+`": {`)) {
				t.Errorf("server.json does not say what {%s} is", m[1])
			}
		}
	}
	for _, goos := range []string{"linux", "darwin", "windows"} {
		raw := clients.Manifest("1.2.3", goos)
		checkForm(t, "manifest.json", bundleForm, raw)
		var m struct {
			Server struct {
				Entry  string `json:"entry_point"`
				Config struct {
					Command string
					Args    []string
					Env     map[string]string
				} `json:"mcp_config"`
			}
			User map[string]any `json:"user_config"`
		}
		if err := json.Unmarshal(raw, &m); err != nil {
			t.Fatal(err)
		}
		if m.Server.Config.Command != "${__dirname}/"+m.Server.Entry || m.Server.Entry != clients.BundleProgram(goos) {
			t.Errorf("%s: the bundle starts %s and has %s", goos, m.Server.Config.Command, m.Server.Entry)
		}
		if _, _, ok := find(m.Server.Config.Args); !ok {
			t.Errorf("%s: the bundle runs %v", goos, m.Server.Config.Args)
		}
		checkVariables(t, "the bundle", slices.Collect(maps.Keys(m.Server.Config.Env))...)
		for _, v := range m.Server.Config.Env {
			if name := strings.TrimSuffix(strings.TrimPrefix(v, "${user_config."), "}"); m.User[name] == nil {
				t.Errorf("%s: nothing asks for %s", goos, v)
			}
		}
	}
}
