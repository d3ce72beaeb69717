// Package clients describes the editors and agents that a workspace can be used
// from, once: which file each reads, in which form. From the description come
// the installer that bootstrap.sh serves, the same as a command, the examples,
// the snippets of the README, and what registries and bundles say.
package clients

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
)

// A Client is an editor or an agent.
type Client struct {
	Name  string // as --client takes it
	Title string
	// File is the client's configuration, below the project's folder, or below
	// the home directory if it begins with "~/". Slashes separate.
	File string
	// Container is the object of a JSON file that holds the servers. A client
	// without one reads TOML.
	Container string
	// Commands and Folders tell that the client is used here: a program that can
	// be run, a folder below the project or the home directory.
	Commands, Folders []string
	// Always says that it is set up even if nothing tells that it is used.
	Always bool
	// Reference stands for the key in a file that holds none: the client reads
	// the key from the environment or asks for it.
	Reference string

	entry    string // the server, with {url} and {key}
	preamble string // what a file with the reference needs besides; JSON members
}

// Placeholders of an entry. The values that take their place hold no character
// that a shell, JSON or TOML obeys.
const (
	urlPlace = "{url}"
	keyPlace = "{key}"
)

// ExampleKey stands for a key where a client can read it from nowhere else.
const ExampleKey = "vibn_sk_YOUR_KEY"

// All returns the clients, in the order in which people are shown them.
func All() []Client {
	return []Client{
		{
			Name: "cursor", Title: "Cursor", File: ".cursor/mcp.json", Container: "mcpServers", Always: true,
			Commands: []string{"cursor"}, Folders: []string{".cursor", "~/.cursor"}, Reference: "${env:VIBN_API_KEY}",
			entry: object(`"url": "{url}"`, headers),
		},
		{
			Name: "claude-code", Title: "Claude Code", File: ".mcp.json", Container: "mcpServers",
			Commands: []string{"claude"}, Folders: []string{".claude", "~/.claude"}, Reference: "${VIBN_API_KEY}",
			entry: object(`"type": "http"`, `"url": "{url}"`, headers),
		},
		{
			Name: "vscode", Title: "VS Code", File: ".vscode/mcp.json", Container: "servers",
			Commands: []string{"code"}, Folders: []string{".vscode"}, Reference: "${input:vibn-key}",
			entry:    object(`"type": "http"`, `"url": "{url}"`, headers),
			preamble: `"inputs": [{ "type": "promptString", "id": "vibn-key", "description": "Vibn API key", "password": true }]`,
		},
		{
			Name: "codex", Title: "Codex", File: ".codex/config.toml",
			Commands: []string{"codex"}, Folders: []string{".codex", "~/.codex"}, Reference: "VIBN_API_KEY",
			entry: "[mcp_servers.vibn]\nurl = \"{url}\"\nhttp_headers = { \"Authorization\" = \"Bearer {key}\" }",
		},
		{
			Name: "windsurf", Title: "Windsurf", File: "~/.codeium/windsurf/mcp_config.json", Container: "mcpServers",
			Commands: []string{"windsurf"}, Folders: []string{"~/.codeium/windsurf"}, Reference: "${env:VIBN_API_KEY}",
			entry: object(`"serverUrl": "{url}"`, headers),
		},
		{
			Name: "gemini", Title: "Gemini CLI", File: ".gemini/settings.json", Container: "mcpServers",
			Commands: []string{"gemini"}, Folders: []string{".gemini", "~/.gemini"}, Reference: "$VIBN_API_KEY",
			entry: object(`"httpUrl": "{url}"`, headers),
		},
		{
			Name: "zed", Title: "Zed", File: ".zed/settings.json", Container: "context_servers",
			Commands: []string{"zed", "zeditor"}, Folders: []string{".zed", "~/.config/zed"}, Reference: ExampleKey,
			entry: object(`"url": "{url}"`, headers),
		},
	}
}

const headers = `"headers": { "Authorization": "Bearer {key}" }`

// object writes members as the value of a server, where it stands in a file.
func object(members ...string) string {
	return "{\n      " + strings.Join(members, ",\n      ") + "\n    }"
}

// Named returns the client with a name.
func Named(name string) (Client, bool) {
	for _, c := range All() {
		if c.Name == name {
			return c, true
		}
	}
	return Client{}, false
}

// Names returns the names of all clients.
func Names() []string {
	var names []string
	for _, c := range All() {
		names = append(names, c.Name)
	}
	return names
}

// InHome reports whether the client's file is one of the person's and not of the
// project's.
func (c Client) InHome() bool { return strings.HasPrefix(c.File, "~/") }

// Entry returns the server as it stands in the client's file: in JSON the value
// of "vibn", in TOML a table. endpoint is the address of MCP; see [Endpoint].
func (c Client) Entry(endpoint, key string) string {
	return strings.NewReplacer(urlPlace, endpoint, keyPlace, key).Replace(c.entry)
}

// Example returns the client's whole file for a server, without a key in it: the
// client takes it from where Reference says.
func (c Client) Example(endpoint string) string {
	if c.Container == "" {
		return "[mcp_servers.vibn]\nurl = \"" + endpoint + "\"\nbearer_token_env_var = \"" + c.Reference + "\"\n"
	}
	preamble := ""
	if c.preamble != "" {
		preamble = "  " + c.preamble + ",\n"
	}
	return "{\n" + preamble + "  \"" + c.Container + "\": {\n    \"" + member + "\": " + c.Entry(
		endpoint, c.Reference,
	) + "\n  }\n}\n"
}

// StdioExample is the file of a client that can only start programs, such as
// Claude Desktop.
func StdioExample(root string) string {
	return `{
  "mcpServers": {
    "vibn": {
      "command": "vibn-mcp",
      "args": ["stdio"],
      "env": { "VIBN_URL": "` + root + `", "VIBN_API_KEY": "` + ExampleKey + `" }
    }
  }
}
`
}

// CursorLink is a link that has Cursor offer to add the server. It holds no key:
// Cursor takes it from the environment.
func CursorLink(endpoint string) string {
	c, _ := Named("cursor")
	var compact strings.Builder
	enc := json.NewEncoder(&compact)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(json.RawMessage(c.Entry(endpoint, c.Reference))); err != nil {
		panic(fmt.Sprintf("clients: Cursor's entry: %v", err))
	}
	config := base64.StdEncoding.EncodeToString([]byte(strings.TrimSpace(compact.String())))
	return "cursor://anysphere.cursor-deeplink/mcp/install?name=" + member + "&config=" + url.QueryEscape(config)
}

// Endpoint returns the address of MCP on the server at root, which is that of
// [Root] and "/mcp".
func Endpoint(root *url.URL) string { return Root(root) + "/mcp" }

// Root returns an address in a form that a shell, JSON, TOML and a dotenv file
// all take as it stands: what is not a plain character of an address is
// percent-encoded. A slash at the end is left out.
func Root(u *url.URL) string {
	s := strings.TrimRight(u.Scheme+"://"+u.Host+u.EscapedPath(), "/")
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; plain(c) || c == ':' || c == '/' || c == '%' || c == '[' || c == ']' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

func plain(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || strings.IndexByte("-._~", c) >= 0
}

// OneLine is what an owner pastes into a shell in the project's folder, with the
// key in VIBN_API_KEY. The key travels over standard input, so that it is in no
// process's arguments: every shell has echo built in, but not printf.
func OneLine(root *url.URL, slug string) string {
	from := Root(root) + "/api/workspaces/" + slug + "/bootstrap.sh"
	if strings.ContainsAny(from, "[]") { // an IPv6 address is a pattern to a shell
		from = quote(from)
	}
	return `echo "Authorization: Bearer $VIBN_API_KEY" | curl -fsS -H @- ` + from + " | sh"
}
