package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// Where things are in the image.
const (
	programFile = "usr/local/bin/leasehold"
	rootsFile   = "etc/ssl/certs/ca-certificates.crt"
	zonesFolder = "usr/share/zoneinfo/"
)

func programLayer(program string, created time.Time) (v1.Layer, error) {
	data, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	return layer(map[string][]byte{programFile: data}, 0o755, created)
}

// dataLayer has what programs without a system around them look for: the certificates
// of public authorities, as Mozilla has them, and the time zones of Go's release.
func dataLayer(created time.Time) (v1.Layer, error) {
	files, err := zones()
	if err != nil {
		return nil, err
	}
	files[rootsFile] = roots()
	return layer(files, 0o644, created)
}

// roots leaves out authorities that are trusted for older certificates only: a file of
// certificates can't say so.
func roots() []byte {
	var b bytes.Buffer
	for r := range bundle.Roots() {
		if r.Constraint == nil {
			_ = pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate})
		}
	}
	return b.Bytes()
}

func zones() (map[string][]byte, error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return nil, fmt.Errorf("go env GOROOT: %w", err)
	}
	archive, err := zip.OpenReader(filepath.Join(strings.TrimSpace(string(root)), "lib/time/zoneinfo.zip"))
	if err != nil {
		return nil, err
	}
	defer archive.Close()
	files := map[string][]byte{}
	for _, f := range archive.File {
		if f.FileInfo().IsDir() {
			continue
		}
		if files[zonesFolder+f.Name], err = fs.ReadFile(archive, f.Name); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func layer(files map[string][]byte, mode int64, created time.Time) (v1.Layer, error) {
	var b bytes.Buffer
	if err := writeTar(&b, files, mode, created); err != nil {
		return nil, err
	}
	opener := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }
	return tarball.LayerFromOpener(opener, tarball.WithMediaType(types.OCILayer))
}

// writeTar writes these files, and the folders that they are in, all of root.
func writeTar(to io.Writer, files map[string][]byte, mode int64, created time.Time) error {
	names := map[string]bool{}
	for name := range files {
		names[name] = true
		for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
			names[dir+"/"] = true
		}
	}
	w := tar.NewWriter(to)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		header := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode, ModTime: created, Size: int64(len(files[name]))}
		if strings.HasSuffix(name, "/") {
			header.Typeflag, header.Mode = tar.TypeDir, 0o755
		}
		if err := w.WriteHeader(header); err != nil {
			return err
		}
		if _, err := w.Write(files[name]); err != nil {
			return err
		}
	}
	return w.Close()
}

// writeArchive writes a tar file of an OCI image layout.
func writeArchive(archive, version string, created time.Time, index v1.ImageIndex) error {
	dir, err := os.MkdirTemp("", "leasehold-image-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	to, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	name := layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": "leasehold:" + version})
	if err := to.AppendIndex(index, name); err != nil {
		return err
	}
	files := map[string][]byte{}
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() {
			files[name], err = os.ReadFile(filepath.Join(dir, name))
		}
		return err
	})
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := writeTar(&b, files, 0o644, created); err != nil {
		return err
	}
	return os.WriteFile(archive, b.Bytes(), 0o644)
}
