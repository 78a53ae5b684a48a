// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"archive/tar"
	"archive/zip"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// untar unpacks the regular files of a tar archive, compressed or not, into a folder.
func untar(name, dir string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	in := io.Reader(f)
	if filepath.Ext(name) != ".tar" {
		unzipped, err := gzip.NewReader(f)
		if err != nil {
			return err
		}
		in = unzipped
	}
	to := target{dir: dir}
	for archive := tar.NewReader(in); ; {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case header.Typeflag != tar.TypeReg:
			continue
		}
		if err := to.write(header.Name, archive); err != nil {
			return err
		}
	}
}

// unzip unpacks the regular files of a zip archive into a folder.
func unzip(name, dir string) error {
	archive, err := zip.OpenReader(name)
	if err != nil {
		return err
	}
	defer archive.Close()
	to := target{dir: dir}
	for _, entry := range archive.File {
		if !entry.Mode().IsRegular() {
			continue
		}
		f, err := entry.Open()
		if err != nil {
			return err
		}
		err = to.write(entry.Name, f)
		if err = errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// target is the folder that an archive is unpacked into, and what it has come to.
type target struct {
	dir   string
	files int
	bytes int64
}

func (t *target) write(name string, from io.Reader) error {
	name = filepath.Clean(name)
	if !filepath.IsLocal(name) {
		return fmt.Errorf("%q would be written outside of the folder", name)
	}
	if t.files++; t.files > maxFiles {
		return fmt.Errorf("it holds more than %d files", maxFiles)
	}
	path := filepath.Join(t.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	n, err := io.Copy(f, io.LimitReader(from, maxTotal-t.bytes+1))
	if t.bytes += n; t.bytes > maxTotal {
		err = errors.Join(err, fmt.Errorf("it holds more than %d MiB", maxTotal>>20))
	}
	return errors.Join(err, f.Close())
}
