// Command dist builds what a release has: static binaries, bundles for Claude
// Desktop, a container image in OCI layout, the entry for the MCP registry, the
// licences of what is linked in, and checksums. It takes Go and nothing else.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vibnai/vibn-mcp/clients"
)

// A target is a system and an architecture, as Go names them.
type target struct{ os, arch string }

var allTargets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"}, {"windows", "arm64"},
}

func (t target) String() string { return t.os + "_" + t.arch }

func (t target) binary() string {
	if t.os == "windows" {
		return "vibn-mcp_" + t.String() + ".exe"
	}
	return "vibn-mcp_" + t.String()
}

func main() {
	out := flag.String("out", "dist", "folder to write to; what is in it is removed")
	version := flag.String("version", clients.NextVersion, "version of the release, without v")
	flag.Parse()
	if err := build(context.Background(), *out, strings.TrimPrefix(*version, "v"), allTargets); err != nil {
		log.Fatal("error: ", err)
	}
}

// build fills the folder out.
func build(ctx context.Context, out, version string, targets []target) error {
	if err := os.RemoveAll(out); err != nil {
		return err
	}
	if err := os.MkdirAll(out, 0o755); err != nil { //nolint:gosec // it is for everybody
		return err
	}
	texts, err := licences(ctx, targets)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, licencesFile), texts, 0o644); err != nil { //nolint:gosec // it is for everybody
		return err
	}
	var bundles []clients.Bundle
	for _, t := range targets {
		binary := filepath.Join(out, t.binary())
		if err := compile(ctx, t, binary); err != nil {
			return err
		}
		b, err := bundle(out, version, t, texts)
		if err != nil {
			return err
		}
		bundles = append(bundles, b)
	}
	if err := writeImage(out, version, targets, texts); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(out, "server.json"), clients.ServerJSON(version, bundles...), 0o644); err != nil { //nolint:gosec // it is for everybody
		return err
	}
	return writeSums(out)
}

// compile builds the static binary of a target.
func compile(ctx context.Context, t target, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags=-s", "-o", to, "github.com/vibnai/vibn-mcp/cmd/vibn-mcp") //nolint:gosec // arguments of ours
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build for %s: %w", t, err)
	}
	return nil
}

// bundle packs a target's binary for Claude Desktop and its like.
func bundle(out, version string, t target, texts []byte) (clients.Bundle, error) {
	program, err := os.ReadFile(filepath.Join(out, t.binary())) //nolint:gosec // a path of ours
	if err != nil {
		return clients.Bundle{}, err
	}
	var packed bytes.Buffer
	z := zip.NewWriter(&packed)
	for _, f := range []struct {
		name string
		mode os.FileMode
		data []byte
	}{
		{"manifest.json", 0o644, clients.Manifest(version, t.os)},
		{clients.BundleProgram(t.os), 0o755, program},
		{licencesFile, 0o644, texts},
	} {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate}
		h.SetMode(f.mode)
		w, err := z.CreateHeader(h)
		if err != nil {
			return clients.Bundle{}, err
		}
		if _, err := w.Write(f.data); err != nil {
			return clients.Bundle{}, err
		}
	}
	if err := z.Close(); err != nil {
		return clients.Bundle{}, err
	}
	b := clients.Bundle{File: "vibn-mcp_" + t.String() + ".mcpb", SHA256: digest(packed.Bytes())}
	return b, os.WriteFile(filepath.Join(out, b.File), packed.Bytes(), 0o644) //nolint:gosec // it is for everybody
}

func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// writeSums writes the checksums of all files, in the form that sha256sum -c reads.
func writeSums(out string) error {
	entries, err := os.ReadDir(out)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		file, err := os.Open(filepath.Join(out, e.Name())) //nolint:gosec // a path of ours
		if err != nil {
			return err
		}
		h := sha256.New()
		_, err = io.Copy(h, file)
		_ = file.Close() // it was read only
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", h.Sum(nil), e.Name())
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(sums.String()), 0o644) //nolint:gosec // it is for everybody
}
