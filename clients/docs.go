package clients

import (
	"fmt"
	"net/url"
	"strings"
)

// exampleServer is where the server of examples is.
var exampleServer = &url.URL{Scheme: "https", Host: "vibn.example.com"}

// ReadmeSection is what the README has of this: the line to paste, and what each
// client gets.
func ReadmeSection() string {
	return "```sh\nread -r VIBN_API_KEY && " + OneLine(exampleServer, "alpha") + "\n```\n\n" + table()
}

func table() string {
	var b strings.Builder
	b.WriteString("| client | `--client` | file |\n|---|---|---|\n")
	for _, c := range All() {
		fmt.Fprintf(&b, "| %s | `%s` | `%s` |\n", c.Title, c.Name, c.File)
	}
	return b.String()
}

// Markdown is the page that shows every client's configuration, for those who
// write it themselves.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Clients\n\nMade from the clients' description; `go test ./cmd/vibn-mcp -update` writes it. " +
		"`bootstrap.sh` and `vibn-mcp connect` write\n" +
		"these files with the key in them, have git ignore them, and keep whatever else is in them. The files below " +
		"hold no key: the client\n" +
		"reads it where the file says, mostly from the environment variable `VIBN_API_KEY`.\n")
	endpoint := Endpoint(exampleServer)
	for _, c := range All() {
		kind := "json"
		if c.Container == "" {
			kind = "toml"
		}
		fmt.Fprintf(&b, "\n## %s\n\n`%s`\n\n```%s\n%s```\n", c.Title, c.File, kind, c.Example(endpoint))
	}
	fmt.Fprintf(
		&b,
		"\n## Clients that start programs\n\nClaude Desktop, and any other that takes a command. `vibn-mcp` has to be "+
			"installed.\n\n```json\n%s```\n",
		StdioExample(Root(exampleServer)),
	)
	fmt.Fprintf(
		&b,
		"\n## A link for Cursor\n\nIt has Cursor offer to add the server, with the key from its "+
			"environment:\n\n```\n%s\n```\n",
		CursorLink(endpoint),
	)
	return b.String()
}

// Examples are the files of examples/clients by their names.
func Examples() map[string]string {
	endpoint := Endpoint(exampleServer)
	files := map[string]string{
		"stdio.json": StdioExample(Root(exampleServer)), "cursor-link.txt": CursorLink(endpoint) + "\n",
	}
	for _, c := range All() {
		name := c.Name + ".json"
		if c.Container == "" {
			name = c.Name + ".toml"
		}
		files[name] = c.Example(endpoint)
	}
	return files
}
