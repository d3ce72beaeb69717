// Command shape prints how the code of a module is cut, as a Markdown table with
// a row for each package: lines, exported names, comments, and the sizes of
// files, functions and interfaces. It reads the files and runs nothing.
package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/spf13/pflag"
)

// The table of --write stands between these two.
const (
	beginMark = "<!-- shape -->"
	endMark   = "<!-- /shape -->"
)

func main() {
	log.SetFlags(0)
	if err := run(os.Args[1:], os.Stdout); err != nil && !errors.Is(err, pflag.ErrHelp) {
		log.Fatal("error: ", err)
	}
}

func run(args []string, stdout io.Writer) error {
	flags := pflag.NewFlagSet("shape", pflag.ContinueOnError)
	check := flags.Bool("check", false, "list what exceeds the limits, and fail if anything does")
	columns := flags.Int("columns", 0, "list lines of Go wider than this, and fail if there are any; a tab counts as 4")
	page := flags.String("write", "", "write the table into this file, between "+beginMark+" and "+endMark)
	if err := flags.Parse(args); err != nil {
		return err
	}
	root := "."
	if flags.NArg() > 0 {
		root = flags.Arg(0)
	}
	sources, err := readSources(root)
	if err != nil {
		return err
	}
	switch {
	case *check:
		return list(stdout, "limits exceeded", breaches(measure(sources), limits))
	case *columns > 0:
		return list(stdout, fmt.Sprintf("lines wider than %d columns", *columns), wideLines(sources, *columns))
	case *page != "":
		return writeInto(*page, table(measure(sources)))
	}
	_, err = io.WriteString(stdout, table(measure(sources)))
	return err
}

// list prints what was found, a line each. It fails if there is anything.
func list(w io.Writer, what string, found []string) error {
	for _, line := range found {
		if _, err := fmt.Fprintln(w, line); err != nil {
			return err
		}
	}
	if len(found) > 0 {
		return fmt.Errorf("%s: %d", what, len(found))
	}
	return nil
}

// writeInto replaces what stands between the marks in a file.
func writeInto(path, text string) error {
	raw, err := os.ReadFile(path) //nolint:gosec // the caller names a file of its own
	if err != nil {
		return err
	}
	before, rest, begun := strings.Cut(string(raw), beginMark)
	_, after, ended := strings.Cut(rest, endMark)
	if !begun || !ended {
		return fmt.Errorf("%s has no line %s with a line %s after it", path, beginMark, endMark)
	}
	page := before + beginMark + "\n" + text + endMark + after
	return os.WriteFile(path, []byte(page), 0o644) //nolint:gosec // a page that all may read
}
