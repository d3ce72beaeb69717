package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vibnai/vibn-mcp/clients"
)

// TestBuild builds a release for Linux on this machine's architecture, and uses what
// comes out: the binary, the one in the bundle, and the one in the image.
func TestBuild(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("what is built for Linux does not run here")
	}
	out := filepath.Join(t.TempDir(), "dist")
	host := target{"linux", runtime.GOARCH}
	if err := build(t.Context(), out, "1.2.3", []target{host}); err != nil {
		t.Fatal(err)
	}
	checkProgram(t, filepath.Join(out, host.binary()))
	checkSums(t, out, host.binary(), "vibn-mcp_"+host.String()+".mcpb", "server.json", licencesFile)
	checkLicences(t, filepath.Join(out, licencesFile))
	checkBundle(t, out, "vibn-mcp_"+host.String()+".mcpb")
	checkImage(t, filepath.Join(out, "image"), host)
	raw, err := os.ReadFile(filepath.Join(out, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	mcpb, err := os.ReadFile(filepath.Join(out, "vibn-mcp_"+host.String()+".mcpb"))
	if err != nil {
		t.Fatal(err)
	}
	if want := clients.ServerJSON("1.2.3", clients.Bundle{File: "vibn-mcp_" + host.String() + ".mcpb", SHA256: digest(mcpb)}); !bytes.Equal(raw, want) {
		t.Errorf("server.json (-want +got)\n%s", cmp.Diff(string(want), string(raw)))
	}
}

// checkProgram runs a binary, which needs nothing of this machine.
func checkProgram(t *testing.T, path string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), path, "version")
	cmd.Env = []string{}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), "vibn-mcp ") {
		t.Errorf("%s version = %s (%v)", filepath.Base(path), out, err)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(raw, []byte("ld-linux")) && bytes.Contains(raw, []byte("libc.so.6\x00")) {
		t.Errorf("%s is not static", filepath.Base(path))
	}
	if wd, err := os.Getwd(); err != nil || bytes.Contains(raw, []byte(filepath.Dir(filepath.Dir(wd))+"/")) {
		t.Errorf("%s holds the path it was built in (%v)", filepath.Base(path), err)
	}
}

// checkLicences looks for the licence of each module that the program says it has in it.
func checkLicences(t *testing.T, path string) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := buildinfo.ReadFile(filepath.Join(filepath.Dir(path), program(t, filepath.Dir(path))))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range append(info.Deps, &debug.Module{Path: "Go"}, &info.Main) {
		_, text, ok := strings.Cut(string(raw), "==== "+m.Path+" ")
		if text, _, _ = strings.Cut(text, "\n==== "); !ok || len(text) < 500 {
			t.Errorf("%s: the licence of %s has %d bytes", path, m.Path, len(text))
		}
	}
}

// program finds the program in a folder of a release, or of what it packs.
func program(t *testing.T, dir string) string {
	t.Helper()
	for _, pattern := range []string{"vibn-mcp", "vibn-mcp_*_" + runtime.GOARCH, "*/vibn-mcp"} {
		if names, err := filepath.Glob(filepath.Join(dir, pattern)); err == nil && len(names) > 0 {
			name, err := filepath.Rel(dir, names[0])
			if err != nil {
				t.Fatal(err)
			}
			return name
		}
	}
	t.Fatalf("there is no program in %s", dir)
	return ""
}

func checkSums(t *testing.T, out string, want ...string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(raw)) {
		sum, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
		names = append(names, name)
		is, err := os.ReadFile(filepath.Join(out, name))
		if err != nil || digest(is) != sum {
			t.Errorf("the checksum of %s is wrong (%v)", name, err)
		}
	}
	slices.Sort(want)
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("checksums (-want +got)\n%s", diff)
	}
}

func checkBundle(t *testing.T, out, name string) {
	t.Helper()
	z, err := zip.OpenReader(filepath.Join(out, name))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := t.TempDir()
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		unpack(t, filepath.Join(dir, f.Name), f.Mode(), r)
		r.Close()
	}
	var m struct {
		Server struct {
			Config struct{ Command string } `json:"mcp_config"`
		}
	}
	raw, err := os.ReadFile(filepath.Join(dir, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	checkLicences(t, filepath.Join(dir, licencesFile))
	checkProgram(t, strings.Replace(m.Server.Config.Command, "${__dirname}", dir, 1))
}

func unpack(t *testing.T, name string, mode os.FileMode, r io.Reader) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, raw, mode.Perm()); err != nil {
		t.Fatal(err)
	}
}

// layout reads an OCI layout, and checks each blob by its digest and size.
type layout struct {
	t   *testing.T
	dir string
}

func (l layout) blob(d descriptor, kind string) []byte {
	l.t.Helper()
	sum, ok := strings.CutPrefix(d.Digest, "sha256:")
	raw, err := os.ReadFile(filepath.Join(l.dir, "blobs", "sha256", sum))
	if err != nil || !ok || digest(raw) != sum || len(raw) != d.Size || d.MediaType != kind {
		l.t.Fatalf("blob %+v: %d bytes of %s (%v), want %s", d, len(raw), digest(raw), err, kind)
	}
	return raw
}

func (l layout) decode(raw []byte, v any) {
	l.t.Helper()
	if err := json.Unmarshal(raw, v); err != nil {
		l.t.Fatal(err)
	}
}

// checkImage unpacks the image as a container engine does, and runs its program.
func checkImage(t *testing.T, dir string, host target) {
	t.Helper()
	l := layout{t, dir}
	mark, err := os.ReadFile(filepath.Join(dir, "oci-layout"))
	if err != nil || string(mark) != `{"imageLayoutVersion":"1.0.0"}` {
		t.Errorf("oci-layout is %s (%v)", mark, err)
	}
	top, err := os.ReadFile(filepath.Join(dir, "index.json"))
	if err != nil {
		t.Fatal(err)
	}
	var index, platforms struct{ Manifests []descriptor }
	l.decode(top, &index)
	l.decode(l.blob(index.Manifests[0], indexType), &platforms)
	if len(platforms.Manifests) != 1 || platforms.Manifests[0].Platform["architecture"] != host.arch {
		t.Fatalf("the image is for %v", platforms.Manifests)
	}
	var m struct {
		Config descriptor
		Layers []descriptor
	}
	l.decode(l.blob(platforms.Manifests[0], manifestType), &m)
	var config struct {
		Config struct {
			User            string
			Entrypoint, Cmd []string
			Labels          map[string]string
		}
		RootFS struct {
			DiffIDs []string `json:"diff_ids"`
		}
	}
	l.decode(l.blob(m.Config, configType), &config)
	if config.Config.User != "65532:65532" || config.Config.Labels["io.modelcontextprotocol.server.name"] != clients.RegistryName || config.Config.Cmd[0] != "serve" {
		t.Errorf("the image is configured as %+v", config.Config)
	}
	z, err := gzip.NewReader(bytes.NewReader(l.blob(m.Layers[0], layerType)))
	if err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(z)
	if err != nil || "sha256:"+digest(raw) != config.RootFS.DiffIDs[0] {
		t.Fatalf("the layer is not the one of the configuration (%v)", err)
	}
	rootFS := t.TempDir()
	var names []string
	files := tar.NewReader(bytes.NewReader(raw))
	for h, err := files.Next(); err != io.EOF; h, err = files.Next() {
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, fmt.Sprintf("%s %d", h.Name, h.Uid))
		if !h.ModTime.IsZero() && h.ModTime.Unix() != 0 {
			t.Errorf("%s is of %s: the image depends on when it is built", h.Name, h.ModTime)
		}
		if h.Typeflag == tar.TypeReg {
			unpack(t, filepath.Join(rootFS, h.Name), h.FileInfo().Mode(), files)
		}
	}
	if diff := cmp.Diff([]string{"LICENSES.txt 0", "data/ 65532", "etc/ 0", "etc/group 0", "etc/passwd 0", "tmp/ 0", "vibn-mcp 0"}, names); diff != "" {
		t.Errorf("files in the image (-want +got)\n%s", diff)
	}
	checkLicences(t, filepath.Join(rootFS, licencesFile))
	checkProgram(t, filepath.Join(rootFS, config.Config.Entrypoint[0]))
}

// TestTargets: a release has a binary for each system that people have.
func TestTargets(t *testing.T) {
	seen := map[string]bool{}
	for _, system := range []string{"linux", "darwin", "windows"} {
		for _, arch := range []string{"amd64", "arm64"} {
			if !slices.Contains(allTargets, target{system, arch}) {
				t.Errorf("nothing is built for %s on %s", system, arch)
			}
		}
	}
	for _, x := range allTargets {
		if seen[x.binary()] || (x.os == "windows") != strings.HasSuffix(x.binary(), ".exe") {
			t.Errorf("%s is called %s", x, x.binary())
		}
		seen[x.binary()] = true
	}
}
