package clients

import (
	"encoding/json"
	"fmt"
)

// What registries and bundles know the program by.
const (
	// RegistryName is its name in the MCP registry; an image carries it as the label
	// io.modelcontextprotocol.server.name.
	RegistryName = "io.github.vibnai/vibn-mcp"
	// Repository is where its source and its releases are.
	Repository = "https://github.com/vibnai/vibn-mcp"
	// Image is its container image, without a tag.
	Image = "ghcr.io/vibnai/vibn-mcp"
	// NextVersion is the version that the next release has.
	NextVersion = "0.1.0"

	about = "Lets an agent deploy, configure and debug its own apps on a shared Coolify, and nothing else."
)

// jsonObject is written with its names in order.
type jsonObject = map[string]any

// A Bundle is a released .mcpb file.
type Bundle struct {
	File   string // its name in the release
	SHA256 string // in hex
}

// An input is a setting in the registry's form.
type input struct {
	Name        string           `json:"name,omitempty"`
	Description string           `json:"description,omitempty"`
	Value       string           `json:"value,omitempty"`
	Placeholder string           `json:"placeholder,omitempty"`
	IsRequired  bool             `json:"isRequired,omitempty"`
	IsSecret    bool             `json:"isSecret,omitempty"`
	Variables   map[string]input `json:"variables,omitempty"`
}

// bridgeVariables are what the program needs to be a bridge to a server.
func bridgeVariables() []input {
	return []input{
		{
			Name: "VIBN_URL", Description: "Address of the vibn server", Placeholder: "https://vibn.example.com",
			IsRequired: true,
		},
		{
			Name: "VIBN_API_KEY", Description: "Key of the workspace", Placeholder: ExampleKey, IsRequired: true,
			IsSecret: true,
		},
	}
}

// ServerJSON is the program's entry in the MCP registry, for a version and the
// bundles that were released with it.
func ServerJSON(version string, bundles ...Bundle) []byte {
	packages := []jsonObject{{
		"registryType": "oci", "identifier": Image + ":" + version, "transport": jsonObject{"type": "stdio"},
		"packageArguments":     []jsonObject{{"type": "positional", "value": "stdio"}},
		"environmentVariables": bridgeVariables(),
	}}
	for _, b := range bundles {
		packages = append(packages, jsonObject{
			"registryType": "mcpb",
			"identifier":   fmt.Sprintf("%s/releases/download/v%s/%s", Repository, version, b.File), "version": version,
			"fileSha256": b.SHA256, "transport": jsonObject{"type": "stdio"}, "environmentVariables": bridgeVariables(),
		})
	}
	return pretty(struct {
		Schema      string       `json:"$schema"`
		Name        string       `json:"name"`
		Title       string       `json:"title"`
		Description string       `json:"description"`
		Version     string       `json:"version"`
		Repository  jsonObject   `json:"repository"`
		Packages    []jsonObject `json:"packages"`
		Remotes     []jsonObject `json:"remotes"`
	}{
		"https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json", RegistryName, "Vibn", about,
		version,
		jsonObject{"url": Repository, "source": "github"},
		packages,
		[]jsonObject{{
			"type": "streamable-http", "url": "https://{host}/mcp",
			"variables": map[string]input{
				"host": {Description: "Host of the vibn server", Placeholder: "vibn.example.com", IsRequired: true},
			},
			"headers": []input{{
				Name: "Authorization", Value: "Bearer {api_key}", IsRequired: true, IsSecret: true,
				Variables: map[string]input{
					"api_key": {Description: "Key of the workspace", IsRequired: true, IsSecret: true},
				},
			}},
		}},
	})
}

// platforms are the names that bundles have for the systems of Go.
var platforms = map[string]string{"linux": "linux", "darwin": "darwin", "windows": "win32"}

// BundleProgram is where the program lies in a bundle.
func BundleProgram(goos string) string {
	if goos == "windows" {
		return "server/vibn-mcp.exe"
	}
	return "server/vibn-mcp"
}

// Manifest is the manifest.json of a bundle for Claude Desktop and its like, which
// asks its user for the address and the key, and starts the program as a bridge.
func Manifest(version, goos string) []byte {
	return pretty(struct {
		Version       string     `json:"manifest_version"`
		Name          string     `json:"name"`
		DisplayName   string     `json:"display_name"`
		Release       string     `json:"version"`
		Description   string     `json:"description"`
		Author        jsonObject `json:"author"`
		Repository    jsonObject `json:"repository"`
		License       string     `json:"license"`
		Server        jsonObject `json:"server"`
		UserConfig    jsonObject `json:"user_config"`
		Compatibility jsonObject `json:"compatibility"`
	}{
		"0.3", "vibn-mcp", "Vibn", version, about,
		jsonObject{"name": "vibn", "url": Repository},
		jsonObject{"type": "git", "url": Repository},
		"Apache-2.0",
		jsonObject{"type": "binary", "entry_point": BundleProgram(goos), "mcp_config": jsonObject{
			"command": "${__dirname}/" + BundleProgram(goos), "args": []string{"stdio"},
			"env": jsonObject{"VIBN_URL": "${user_config.url}", "VIBN_API_KEY": "${user_config.api_key}"},
		}},
		jsonObject{
			"url": jsonObject{
				"type": "string", "title": "Server",
				"description": "Address of the vibn server, as https://vibn.example.com", "required": true,
			},
			"api_key": jsonObject{
				"type": "string", "title": "Key", "description": "Key of the workspace; it begins with vibn_sk_",
				"sensitive": true, "required": true,
			},
		},
		jsonObject{"platforms": []string{platforms[goos]}},
	})
}

// pretty writes JSON for people.
func pretty(v any) []byte {
	raw, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("clients: %v", err)) // it is made of texts alone
	}
	return append(raw, '\n')
}
