package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// A source is a Go file that people wrote, tests included.
type source struct {
	path string // below the root, with slashes
	raw  []byte
	file *ast.File
	set  *token.FileSet
}

// readSources parses the Go files below root that are not generated.
func readSources(root string) ([]source, error) {
	var sources []source
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && holdsNoPackage(d.Name()):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(path, ".go"):
			return nil
		}
		s, err := readSource(root, path)
		if err == nil && !ast.IsGenerated(s.file) {
			sources = append(sources, s)
		}
		return err
	})
	return sources, err
}

// holdsNoPackage reports whether Go's tools skip a folder of that name; node_modules
// they do not skip, but nothing in it is ours.
func holdsNoPackage(name string) bool {
	return name == "testdata" || name == "node_modules" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_")
}

func readSource(root, path string) (source, error) {
	raw, err := os.ReadFile(path) //nolint:gosec // a file of the tree that the caller named
	if err != nil {
		return source{}, err
	}
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, raw, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	below, err := filepath.Rel(root, path)
	return source{filepath.ToSlash(below), raw, file, set}, err
}

func (s source) isTest() bool { return strings.HasSuffix(s.path, "_test.go") }

// line returns the line of a position in the file itself, whatever //line says.
func (s source) line(p token.Pos) int { return s.set.PositionFor(p, false).Line }

// lines returns how many lines a node spans.
func (s source) lines(n ast.Node) int { return s.line(n.End()) - s.line(n.Pos()) + 1 }

// comments counts the lines that hold nothing but a comment.
func (s source) comments() int {
	n := 0
	for _, group := range s.file.Comments {
		for _, c := range group.List {
			if n += s.lines(c); s.followsCode(c) {
				n--
			}
		}
	}
	return n
}

// followsCode reports whether a comment begins on a line that holds code.
func (s source) followsCode(c *ast.Comment) bool {
	end := s.set.PositionFor(c.Pos(), false).Offset
	start := bytes.LastIndexByte(s.raw[:end], '\n') + 1
	return len(bytes.TrimSpace(s.raw[start:end])) > 0
}

const tabWidth = 4

// wideLines lists the lines that are wider than limit, with a tab as four columns
// and any other rune as one. It leaves out the tables of tests.
func wideLines(sources []source, limit int) []string {
	var wide []string
	for _, s := range sources {
		table := s.tableLines()
		n := 0
		for line := range strings.Lines(string(s.raw)) {
			n++
			line = strings.TrimRight(line, "\r\n")
			width := utf8.RuneCountInString(line) + strings.Count(line, "\t")*(tabWidth-1)
			if width > limit && !table[n] {
				wide = append(wide, fmt.Sprintf("%s:%d: %d columns", s.path, n, width))
			}
		}
	}
	return wide
}

// tableLines returns the lines of a test that lie between the first and the last
// line of a composite literal.
func (s source) tableLines() map[int]bool {
	table := map[int]bool{}
	if !s.isTest() {
		return table
	}
	for n := range ast.Preorder(s.file) {
		if lit, ok := n.(*ast.CompositeLit); ok {
			for line := s.line(lit.Lbrace) + 1; line < s.line(lit.Rbrace); line++ {
				table[line] = true
			}
		}
	}
	return table
}
