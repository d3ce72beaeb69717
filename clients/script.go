package clients

import (
	_ "embed" // the script's parts
	"fmt"
	"net/url"
	"strings"

	"github.com/vibnai/vibn-mcp/secret"
)

// A Setup is what a folder is connected to.
type Setup struct {
	URL    *url.URL // root of the server, as the operator configured it; never from a request
	Slug   string   // of the workspace
	Prompt string   // for the agents; see [Workspace.Prompt]
	Gitea  *url.URL // root of Gitea; nil = there is none
}

var (
	//go:embed bootstrap.sh
	scriptBody string
	//go:embed edit_json.awk
	jsonAwk string
	//go:embed edit_lines.awk
	linesAwk string
)

const scriptHead = `#!/bin/sh
# Connects the editors and agents of a folder to a workspace of vibn. With
# --dry-run it shows what it would change; --help says more.
# What is quoted is meant as it stands, and makers are called by name.
# shellcheck disable=SC2016,SC2034,SC2088,SC2317
{
`

// Script returns the installer: a script for any POSIX shell that connects the
// folder in which it is run. Without a key it asks for one at the terminal. What
// others may have written is in it as words of the shell that are quoted whole.
// It stands in braces, so that a part of it, as from a connection that broke, runs
// nothing.
func (s Setup) Script(key secret.Text) string {
	var b strings.Builder
	b.WriteString(scriptHead)
	s.writeData(&b, key)
	s.writeClients(&b)
	b.WriteString("\n" + scriptBody + "\nmain \"$@\"\n}\n")
	return b.String()
}

// writeData writes the function that sets what the script is about.
func (s Setup) writeData(b *strings.Builder, key secret.Text) {
	b.WriteString("data() {\n")
	for _, v := range [][2]string{
		{"vibn_key", quote(key.Reveal())},
		{"key_length", fmt.Sprint(keyLength)},
		{"slug", quote(label(s.Slug))},
		{"all", quote(strings.Join(Names(), " "))},
		{"held", quote(strings.Join(keyFiles(), " "))},
		{"variables", withKey(s.variables(keyPlace))},
		{"git_config", quote(strings.TrimSuffix(s.gitConfig(), "\n"))},
		{"hash_begin", quote(hashBegin)},
		{"hash_end", quote(hashEnd)},
		{"markdown_begin", quote(markdownBegin)},
		{"markdown_end", quote(markdownEnd)},
		{"rules_head", quote(rulesHead)},
		{"rules", quote(strings.Join(promptBlock(s.Prompt), "\n"))},
		{"json_awk", quote(withoutComments(jsonAwk))},
		{"lines_awk", quote(withoutComments(linesAwk))},
	} {
		fmt.Fprintf(b, "\t%s=%s\n", v[0], v[1])
	}
	b.WriteString("}\n")
}

// writeClients writes the function that sets what a client is.
func (s Setup) writeClients(b *strings.Builder) {
	b.WriteString("\nclient() {\n\tcase $1 in\n")
	endpoint := Endpoint(s.URL)
	for _, c := range All() {
		always := ""
		if c.Always {
			always = "yes"
		}
		fmt.Fprintf(b, "\t%s)\n\t\tfile=%s container=%s always=%s\n\t\tprograms=%s "+
			"folders=%s\n\t\tentry=%s\n\t\tpaste=%s\n\t\t;;\n",
			c.Name, quote(c.File), quote(c.Container), quote(always), quote(strings.Join(c.Commands, " ")),
			quote(strings.Join(c.Folders, " ")),
			withKey(c.Entry(endpoint, keyPlace)), quote(strings.TrimSuffix(c.Example(endpoint), "\n")))
	}
	b.WriteString("\tesac\n}\n")
}

// withKey writes a text as a word of the shell in which the placeholder of the key
// stands for the key that the script has.
func withKey(text string) string {
	parts := strings.Split(text, keyPlace)
	for i, p := range parts {
		parts[i] = quote(p)
	}
	return strings.Join(parts, `"$vibn_key"`)
}

// withoutComments leaves out the lines of a program that are comments.
func withoutComments(program string) string {
	var b strings.Builder
	for line := range strings.Lines(program) {
		if !strings.HasPrefix(line, "#") {
			b.WriteString(line)
		}
	}
	return b.String()
}
