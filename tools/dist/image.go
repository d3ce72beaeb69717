package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/vibnai/vibn-mcp/clients"
)

// The media types of the OCI image specification.
const (
	indexType    = "application/vnd.oci.image.index.v1+json"
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

// nobody is the user in the image.
const nobody = 65532

// A descriptor names a blob.
type descriptor struct {
	MediaType   string            `json:"mediaType"`
	Digest      string            `json:"digest"`
	Size        int               `json:"size"`
	Platform    map[string]string `json:"platform,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// An image is an OCI layout in a folder. Nothing in it depends on when or where it
// is built.
type image struct{ dir string }

// writeImage writes an image for the Linux targets that were built: the program, a
// user who is not root, and folders for its data and for what is temporary.
func writeImage(out, version string, targets []target, texts []byte) error {
	i := image{filepath.Join(out, "image")}
	if err := os.MkdirAll(filepath.Join(i.dir, "blobs", "sha256"), 0o755); err != nil { //nolint:gosec // it is for everybody
		return err
	}
	var manifests []descriptor
	for _, t := range targets {
		if t.os != "linux" {
			continue
		}
		m, err := i.platform(filepath.Join(out, t.binary()), version, t, texts)
		if err != nil {
			return err
		}
		manifests = append(manifests, m)
	}
	index, err := i.document(
		indexType, map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": manifests},
	)
	if err != nil {
		return err
	}
	index.Annotations = map[string]string{"org.opencontainers.image.ref.name": version}
	top, err := json.Marshal(
		map[string]any{"schemaVersion": 2, "mediaType": indexType, "manifests": []descriptor{index}},
	)
	if err != nil {
		return err
	}
	if err := i.file("index.json", top); err != nil {
		return err
	}
	return i.file("oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`))
}

// platform writes the image of one architecture.
func (i image) platform(binary, version string, t target, texts []byte) (descriptor, error) {
	program, err := os.ReadFile(binary) //nolint:gosec // a path of ours
	if err != nil {
		return descriptor{}, err
	}
	unpacked, err := layer(program, texts)
	if err != nil {
		return descriptor{}, err
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(unpacked); err != nil {
		return descriptor{}, err
	}
	if err := z.Close(); err != nil {
		return descriptor{}, err
	}
	content, err := i.blob(layerType, packed.Bytes())
	if err != nil {
		return descriptor{}, err
	}
	config, err := i.document(configType, map[string]any{
		"os": t.os, "architecture": t.arch,
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + digest(unpacked)}},
		"config": map[string]any{
			"User": "65532:65532", "Entrypoint": []string{"/vibn-mcp"}, "Cmd": []string{"serve"}, "WorkingDir": "/",
			"Env":          []string{"VIBN_LISTEN=:8080", "VIBN_DATA_DIR=/data"},
			"ExposedPorts": map[string]any{"8080/tcp": struct{}{}},
			"Labels": map[string]string{
				"io.modelcontextprotocol.server.name": clients.RegistryName,
				"org.opencontainers.image.source":     clients.Repository,
				"org.opencontainers.image.version":    version, "org.opencontainers.image.licenses": "Apache-2.0",
			},
		},
	})
	if err != nil {
		return descriptor{}, err
	}
	m, err := i.document(
		manifestType,
		map[string]any{
			"schemaVersion": 2, "mediaType": manifestType, "config": config, "layers": []descriptor{content},
		},
	)
	m.Platform = map[string]string{"os": t.os, "architecture": t.arch}
	return m, err
}

// layer is the image's root file system.
func layer(program, texts []byte) ([]byte, error) {
	var raw bytes.Buffer
	w := tar.NewWriter(&raw)
	for _, f := range []struct {
		name string
		mode int64
		user int
		data []byte
	}{
		{licencesFile, 0o644, 0, texts},
		{"data/", 0o700, nobody, nil},
		{"etc/", 0o755, 0, nil},
		{"etc/group", 0o644, 0, []byte("root:x:0:\nnonroot:x:65532:\n")},
		{
			"etc/passwd", 0o644, 0,
			[]byte("root:x:0:0:root:/:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/data:/sbin/nologin\n"),
		},
		{"tmp/", 0o1777, 0, nil},
		{"vibn-mcp", 0o755, 0, program},
	} {
		h := &tar.Header{
			Name: f.name, Mode: f.mode, Uid: f.user, Gid: f.user, Size: int64(len(f.data)), Typeflag: tar.TypeReg,
		}
		if f.data == nil {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	err := w.Close()
	return raw.Bytes(), err
}

// document writes a blob of JSON.
func (i image) document(mediaType string, v any) (descriptor, error) {
	raw, err := json.Marshal(v)
	if err != nil {
		return descriptor{}, err
	}
	return i.blob(mediaType, raw)
}

func (i image) blob(mediaType string, raw []byte) (descriptor, error) {
	d := descriptor{MediaType: mediaType, Digest: "sha256:" + digest(raw), Size: len(raw)}
	return d, i.file(filepath.Join("blobs", "sha256", digest(raw)), raw)
}

func (i image) file(name string, raw []byte) error {
	return os.WriteFile(filepath.Join(i.dir, name), raw, 0o644) //nolint:gosec // it is for everybody
}
