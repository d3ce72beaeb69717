package coolifytest

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vibnai/vibn-mcp/coolify/coolifytest/builder"
)

// envLines are the lines of build-time.env, in the order of Coolify's
// dictionary: a key that comes again keeps its place and takes the later value.
func envLines(a App, rows []Env) []string {
	var keys []string
	values := map[string]string{}
	set := func(key, value string) {
		if _, there := values[key]; !there {
			keys = append(keys, key)
		}
		values[key] = value
	}
	if a.BuildPack == "nixpacks" {
		for _, key := range slices.Sorted(maps.Keys(a.NixpacksVariables)) {
			if !strings.HasPrefix(key, "COOLIFY_") && !strings.HasPrefix(key, "SERVICE_") {
				set(key, builder.Quoted(a.NixpacksVariables[key])) // the key as it is
			}
		}
	}
	set("COOLIFY_URL", builder.Quoted(a.FQDN))
	set("COOLIFY_BRANCH", builder.Quoted(a.GitBranch))
	set("COOLIFY_RESOURCE_UUID", builder.Quoted(a.UUID))
	for _, e := range rows {
		if e.BuildTime && !e.Preview && !isBuildpackControl(e.Key) {
			set(e.Key, buildValue(e))
		}
	}
	lines := make([]string, len(keys))
	for i, key := range keys {
		lines[i] = key + "=" + values[key]
	}
	return lines
}

// buildValue writes a value for the file. Literal and multiline ones cannot be
// expanded by bash; in the others, $NAME and ${…} can.
func buildValue(e Env) string {
	resolved := quoted(e, e.Value)
	if e.Literal || e.Multiline {
		return builder.Quoted(strings.Trim(resolved, "'"))
	}
	return doubleQuoted(resolved)
}

// doubleQuoted escapes what bash would read in double quotes, but for a $ that
// begins a name, a number or a brace: Coolify keeps those.
func doubleQuoted(s string) string {
	var out strings.Builder
	for i := range len(s) {
		kept := i+1 < len(s) && strings.IndexByte(afterDollar, s[i+1]) >= 0
		if strings.IndexByte("\\\"`", s[i]) >= 0 || s[i] == '$' && !kept {
			out.WriteByte('\\')
		}
		out.WriteByte(s[i])
	}
	return `"` + out.String() + `"`
}

const afterDollar = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_0123456789{"

// brokenArg is what BuildKit says of a build-time variable that breaks the Dockerfile:
// Coolify puts each, as it is quoted for the container, into it as the default of an
// argument; "" if none does.
func brokenArg(rows []Env) string {
	for _, e := range rows {
		if !e.BuildTime || e.Preview || e.Multiline || isBuildpackControl(e.Key) {
			continue
		}
		arg := e.Key + "=" + quoted(e, e.Value)
		if quote := openQuote(arg); quote != "" {
			return fmt.Sprintf("ERROR: failed to solve: failed to process %q: "+
				"unexpected end of statement while looking for matching %s-quote", arg, quote)
		}
	}
	return ""
}

// openQuote names the quote that a Dockerfile's word does not close.
func openQuote(word string) string {
	for word != "" {
		switch word[0] {
		case '\'':
			_, after, closed := strings.Cut(word[1:], "'")
			if !closed {
				return "single"
			}
			word = after
			continue
		case '"':
			end := 1
			for end < len(word) && word[end] != '"' {
				if word[end] == '\\' {
					end++
				}
				end++
			}
			if end >= len(word) {
				return "double"
			}
			word = word[end:]
		case '\\':
			word = word[1:]
		}
		word = word[min(1, len(word)):]
	}
	return ""
}

// A Builder runs the builds. See package builder.
type Builder = builder.Builder

// BuildOf returns what a builder gets of an application. The rows have the shared variables
// already put in.
func BuildOf(a App, rows []Env) builder.Build {
	return builder.Build{
		App: a.UUID, Pack: a.BuildPack, BaseDirectory: a.BaseDirectory, DockerfileLocation: a.DockerfileLocation,
		Files: a.Files, Lines: envLines(a, rows), Broken: brokenArg(rows),
	}
}
