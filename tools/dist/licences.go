package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
)

// licencesFile is the name of the licence texts, beside the binaries and inside of what
// is packed.
const licencesFile = "LICENSES.txt"

// A module is code of others that is linked into the program.
type module struct{ Path, Version, Dir string }

// licences returns the licence of the program and those of all that is linked into it on
// any of the targets, Go's own library included.
func licences(ctx context.Context, targets []target) ([]byte, error) {
	root, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return nil, err
	}
	linked := map[string]module{"go": {"Go", runtime.Version(), strings.TrimSpace(string(root))}}
	for _, t := range targets {
		if err := addLinked(ctx, t, linked); err != nil {
			return nil, err
		}
	}
	var all []module
	for _, m := range linked {
		all = append(all, m)
	}
	slices.SortFunc(all, func(a, b module) int { return strings.Compare(a.Path, b.Path) })
	var out bytes.Buffer
	for _, m := range all {
		texts, err := textsOf(m)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&out, "==== %s %s\n\n%s\n", m.Path, m.Version, texts)
	}
	return out.Bytes(), nil
}

// addLinked adds the modules that the program of a target is linked with.
func addLinked(ctx context.Context, t target, linked map[string]module) error {
	cmd := exec.CommandContext(ctx, "go", "list", "-deps", "-json=Module", "github.com/vibnai/vibn-mcp/cmd/vibn-mcp")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
	cmd.Stderr = os.Stderr
	raw, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("list what is linked for %s: %w", t, err)
	}
	for d := json.NewDecoder(bytes.NewReader(raw)); ; {
		var p struct{ Module *module }
		err := d.Decode(&p)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if p.Module != nil {
			linked[p.Module.Path] = *p.Module
		}
	}
}

// textsOf returns a module's licence and notices. A module without a licence is an error:
// it may not be passed on.
func textsOf(m module) ([]byte, error) {
	var out bytes.Buffer
	found := false
	for _, pattern := range []string{"LICEN[CS]E*", "COPYING*", "NOTICE*", "PATENTS*"} {
		names, err := filepath.Glob(filepath.Join(m.Dir, pattern))
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := os.ReadFile(name) //nolint:gosec // a path of Go's module cache
			if err != nil {
				return nil, err
			}
			found = found || !strings.HasPrefix(filepath.Base(name), "NOTICE")
			fmt.Fprintf(&out, "%s\n", bytes.TrimSpace(text))
		}
	}
	if !found {
		return nil, fmt.Errorf("%s %s has no licence in %s", m.Path, m.Version, m.Dir)
	}
	return out.Bytes(), nil
}
