// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// countModules counts the module files below dir.
func countModules(dir string) int {
	n := 0
	_ = fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() && strings.Contains(d.Name(), ".ko") {
			n++
		}
		return nil
	})
	return n
}

// size adds up the files below dir, in bytes.
func size(dir string) int64 {
	var total int64
	_ = fs.WalkDir(os.DirFS(dir), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return nil
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return total
}

// copyTree copies regular files and directories. Links are left out: in a
// modules directory they lead to the kernel's source.
func copyTree(ctx context.Context, dst, src string) error {
	return fs.WalkDir(os.DirFS(src), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		switch {
		case d.IsDir():
			return os.MkdirAll(filepath.Join(dst, name), 0o755)
		case d.Type().IsRegular():
			return copyFile(filepath.Join(dst, name), filepath.Join(src, name))
		}
		return nil
	})
}

func copyFile(dst, src string) error {
	in, err := os.Open(src)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(dst, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}
