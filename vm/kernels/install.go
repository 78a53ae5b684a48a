// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
)

// install unpacks the packages of a pin and puts the kernel in its place.
func (s *Store) install(ctx context.Context, pin Pin, debs map[string]string) error {
	tmp, err := s.temp()
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	all := filepath.Join(tmp, "all")
	for _, d := range pin.Debs {
		if _, err := run(ctx, tmp, "dpkg-deb", "-x", debs[d.SHA256], all); err != nil {
			return fmt.Errorf("unpack %s %s: %w", d.Name, d.Version, err)
		}
	}

	// Where the parts lie depends on the age of the package.
	vmlinuz, err := oneOf(all, "boot/vmlinuz-"+pin.Release, "usr/lib/modules/"+pin.Release+"/vmlinuz")
	if err != nil {
		return fmt.Errorf("unpack kernel %s %s: %w", pin.Name, pin.Version, err)
	}
	modules, err := oneOf(all, "lib/modules/"+pin.Release, "usr/lib/modules/"+pin.Release)
	if err != nil {
		return fmt.Errorf("unpack kernel %s %s: %w", pin.Name, pin.Version, err)
	}
	files := []string{vmlinuz}
	config, err := oneOf(all, "boot/config-"+pin.Release, "usr/lib/modules/"+pin.Release+"/config")
	if err == nil {
		files = append(files, config)
	}
	if err := inside(all, modules, files...); err != nil {
		return fmt.Errorf("unpack kernel %s %s: %w", pin.Name, pin.Version, err)
	}
	r := record{Name: pin.Name, Release: pin.Release, Version: pin.Version, Debs: pin.Debs}
	if want := locked[pin.Name].Version; pin.Version != want {
		r.SubstitutedFor = want
	}
	final := filepath.Join(tmp, "final")
	if err := os.Mkdir(final, 0o755); err != nil {
		return err
	}
	if err := os.Rename(vmlinuz, filepath.Join(final, vmlinuzFile)); err != nil {
		return err
	}
	if len(files) > 1 {
		r.Config = configFile
		if err := os.Rename(config, filepath.Join(final, configFile)); err != nil {
			return err
		}
	}
	if err := os.Rename(modules, filepath.Join(final, modulesDir)); err != nil {
		return err
	}
	return s.commit(r, tmp, final)
}

// commit completes the record of a kernel that lies in final, a directory in
// tmp, and renames it to where [Store.Get] finds it.
func (s *Store) commit(r record, tmp, final string) error {
	var err error
	vmlinuz := filepath.Join(final, vmlinuzFile)
	if r.SHA256, r.Size, err = sumFile(vmlinuz); err != nil {
		return err
	}
	r.Modules = countModules(filepath.Join(final, modulesDir))
	if err := r.write(final); err != nil {
		return err
	}
	dst := filepath.Join(s.root(), r.Name)
	if err := os.Rename(dst, filepath.Join(tmp, "old")); err != nil && !os.IsNotExist(err) {
		return err
	}
	return os.Rename(final, dst)
}

// inside is an error unless a folder and files of an unpacked package are what their names say, and
// not reached through links, which could lead anywhere.
func inside(dir, folder string, files ...string) error {
	real, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return err
	}
	for _, name := range append(files, folder) {
		rel, err := filepath.Rel(dir, name)
		if err != nil {
			return err
		}
		at, err := filepath.EvalSymlinks(name)
		if err != nil {
			return err
		}
		if at != filepath.Join(real, rel) {
			return fmt.Errorf("expected %s itself in the package, found a link to %s: report it", rel, at)
		}
	}
	for _, file := range files {
		if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() {
			return fmt.Errorf("expected a file %s in the package, found another thing: report it", file)
		}
	}
	if info, err := os.Lstat(folder); err != nil || !info.IsDir() {
		return fmt.Errorf("expected a folder %s in the package, found another thing: report it", folder)
	}
	if n := size(dir); n > maxUnpacked {
		return fmt.Errorf("expected at most %d MiB in the packages, found %d: report it", maxUnpacked>>20, n>>20)
	}
	return nil
}

// maxUnpacked bounds the packages of one kernel, unpacked; 7.3's have some 200 MB.
const maxUnpacked = 2 << 30

func oneOf(dir string, names ...string) (string, error) {
	for _, name := range names {
		name = filepath.Join(dir, name)
		if _, err := os.Stat(name); err == nil {
			return name, nil
		}
	}
	return "", fmt.Errorf("expected %s or %s in the package, found neither: report it", names[0], names[1])
}
