package main

import (
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/clients"
	"github.com/vibnai/vibn-mcp/mcp"
)

var update = flag.Bool("update", false, "write the parts of README.md that are made from the program")

// root is the repository as the tests of this package see it.
const root = "../.."

// TestReadmeTables compares what the README has between its markers with what
// the program says of itself.
func TestReadmeTables(t *testing.T) {
	file := filepath.Join(root, "README.md")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(raw)
	want := fill(t, fill(t, fill(t, got, "tools", toolsTable(t)), "configuration", configurationTable()), "clients", clients.ReadmeSection())
	if *update && got != want {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README.md is behind the program; go test ./cmd/vibn-mcp -update writes it (-want +got):\n%s", diff)
	}
}

// TestDocs compares the documents that are made from the program with it.
func TestDocs(t *testing.T) {
	for name, want := range map[string]string{
		"tools.md": toolRegistry().Markdown(),
		"configuration.md": "# Configuration\n\nMade from the parser's table; `go test ./cmd/vibn-mcp -update` writes it. " +
			"`vibn-mcp help configuration` prints it.\n\n" + configurationTable(),
	} {
		file := filepath.Join(root, "docs", name)
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
			t.Errorf("docs/%s is behind the program; go test ./cmd/vibn-mcp -update writes it (-want +got):\n%s", name, diff)
		}
	}
}

// fill replaces what stands between the markers <!-- name: … --> and <!-- /name -->.
func fill(t *testing.T, text, name, with string) string {
	t.Helper()
	part := regexp.MustCompile(`(?s)(<!-- ` + name + `: [^\n]*-->\n).*?(<!-- /` + name + ` -->)`)
	if n := len(part.FindAllString(text, -1)); n != 1 {
		t.Fatalf("README.md has %d parts %q, want 1", n, name)
	}
	return part.ReplaceAllStringFunc(text, func(s string) string {
		m := part.FindStringSubmatch(s)
		return m[1] + with + m[2]
	})
}

// nouns are the groups of tools, in the order in which an agent meets them.
var nouns = []string{"workspace", "gitea", "projects", "apps", "deployments", "envs", "domains", "databases", "activity"}

func toolsTable(t *testing.T) string {
	t.Helper()
	tools := mcp.New(slog.New(slog.DiscardHandler)).Tools()
	group := func(tool mcp.Tool) int {
		noun, _, _ := strings.Cut(tool.Name, ".")
		return slices.Index(nouns, noun)
	}
	slices.SortStableFunc(tools, func(a, b mcp.Tool) int { return group(a) - group(b) })
	var b strings.Builder
	b.WriteString("| tool | right | REST twin | what it does |\n|---|---|---|---|\n")
	for _, tool := range tools {
		if group(tool) < 0 {
			t.Errorf("tool %s is of a new group: where in the README does it belong? See nouns", tool.Name)
		}
		route := tool.Route
		if method, ok := strings.CutSuffix(route, " /"); ok {
			route = method + " /api/workspaces/{slug}" // the workspace itself
		}
		fmt.Fprintf(&b, "| `%s` | %s | `%s` | %s |\n", tool.Name, tool.Needs, route, strings.ReplaceAll(tool.Description, "|", `\|`))
	}
	return b.String()
}

// A page is one Markdown file.
type page struct{ name, text string }

// pages returns the Markdown files of the repository.
func pages(t *testing.T) []page {
	t.Helper()
	var all []page
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && slices.Contains([]string{".git", "bin", "node_modules"}, d.Name()):
			return fs.SkipDir
		case d.IsDir() || filepath.Ext(name) != ".md":
			return nil
		}
		raw, err := os.ReadFile(filepath.Join(root, name))
		all = append(all, page{name, string(raw)})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "CONTRIBUTING.md"} {
		if !slices.ContainsFunc(all, func(p page) bool { return p.name == name }) {
			t.Errorf("there is no %s", name)
		}
	}
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
)

// TestLinks follows the links between files, headings included.
func TestLinks(t *testing.T) {
	for _, p := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(p.text, -1) {
			target, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(target, ":") {
				continue // elsewhere
			}
			text := p.text
			if target != "" {
				raw, err := os.ReadFile(filepath.Join(root, filepath.Dir(p.name), target))
				if err != nil {
					t.Errorf("%s links to %s: %v", p.name, m[1], err)
				}
				text = string(raw)
			}
			if anchor != "" && !slices.Contains(anchors(text), anchor) {
				t.Errorf("%s links to %s, which has no such heading", p.name, m[1])
			}
		}
	}
}

// anchors returns the names that a page's headings can be linked by.
func anchors(text string) []string {
	var names []string
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^a-z0-9 _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

var (
	code   = regexp.MustCompile("(?s)```.*?```|`[^`\n]+`")
	target = regexp.MustCompile(`(?:^|[\s` + "`" + `])make ([a-z-]+)`)
	usage  = regexp.MustCompile(`(?:^|[\s/` + "`" + `])vibn-mcp ([a-z][^\n` + "`" + `]*)`)
)

// TestNamedTargets looks for the make targets that the pages name.
func TestNamedTargets(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, p := range pages(t) {
		for _, m := range target.FindAllStringSubmatch(strings.Join(code.FindAllString(p.text, -1), "\n"), -1) {
			named++
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
				t.Errorf("%s names make %s, which does not exist", p.name, m[1])
			}
		}
	}
	if named == 0 {
		t.Error("the pages name no make target; does this test still see them?")
	}
}

// TestNamedCommands parses the command lines that the pages name.
func TestNamedCommands(t *testing.T) {
	named := 0
	for _, p := range pages(t) {
		for _, m := range usage.FindAllStringSubmatch(strings.Join(code.FindAllString(p.text, -1), "\n"), -1) {
			named++
			line, _, _ := strings.Cut(m[1], " #")
			args := strings.Fields(line)
			program := &program{stdout: io.Discard, stderr: io.Discard}
			if args[0] == "help" {
				if err := program.help(args[1:]); err != nil {
					t.Errorf("%s names vibn-mcp %s: %v", p.name, line, err)
				}
				continue
			}
			cmd, rest, ok := find(args)
			if cmd.name == gitCredentialCommand.name && len(rest) == 0 {
				rest = []string{"get"} // git itself names the action
			}
			if !ok {
				t.Errorf("%s names vibn-mcp %s, which does not exist", p.name, line)
			} else if err := program.parse(cmd, rest); err != nil {
				t.Errorf("%s names vibn-mcp %s: %v", p.name, line, err)
			}
		}
	}
	if named == 0 {
		t.Error("the pages name no command; does this test still see them?")
	}
}

// TestNoMachinePaths keeps out of the pages what exists on one machine alone.
func TestNoMachinePaths(t *testing.T) {
	machine := regexp.MustCompile(`(?:^|[\s"'(=` + "`" + `])(/(?:home|root|Users|work|tmp|mnt|private|var/folders)/\S*|[A-Z]:\\\S*)`)
	for _, p := range pages(t) {
		for _, m := range machine.FindAllStringSubmatch(p.text, -1) {
			t.Errorf("%s mentions %s", p.name, m[1])
		}
	}
}
