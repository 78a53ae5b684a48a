// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// module is one to load.
type module struct {
	name string // canonical
	data []byte // uncompressed
}

// tree is where the modules of a kernel are: dir, and paths below it by
// canonical name.
type tree struct {
	dir   string
	paths map[string]string
}

func findModules(dir string) (tree, error) {
	t := tree{dir: dir, paths: make(map[string]string)}
	if dir == "" {
		return t, nil
	}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base, suffix, ok := strings.Cut(path.Base(name), ".ko")
		if ok && decompressors[suffix] != nil && d.Type().IsRegular() {
			t.paths[canonical(base)] = name
		}
		return nil
	})
	if err != nil {
		return tree{}, fmt.Errorf("kernel modules in %s: %w", dir, err)
	}
	return t, nil
}

// load reads the named modules and what they depend on, dependencies first.
// Names without a file are returned; a dependency without one is an error, as
// only modules are ever named there.
func (t tree) load(names []string) (modules []module, missing []string, err error) {
	seen := make(map[string]bool)
	var visit func(name, path string) error
	visit = func(name, path string) error {
		if seen[name] {
			return nil
		}
		seen[name] = true
		m, depends, err := t.read(name, path)
		if err != nil {
			return err
		}
		for _, d := range depends {
			path, ok := t.paths[d]
			if !ok {
				return fmt.Errorf("kernel module %s: expected %s, on which it depends, in %s, found none: "+
					"install the kernel's modules again", name, d, t.dir)
			}
			if err := visit(d, path); err != nil {
				return err
			}
		}
		modules = append(modules, m)
		return nil
	}
	for _, name := range names {
		path, ok := t.paths[canonical(name)]
		if !ok {
			if !slices.Contains(missing, name) {
				missing = append(missing, name)
			}
			continue
		}
		if err := visit(canonical(name), path); err != nil {
			return nil, nil, err
		}
	}
	return modules, missing, nil
}

func (t tree) read(name, file string) (m module, depends []string, err error) {
	m.name = name
	m.data, err = readModule(os.DirFS(t.dir), file)
	if err == nil {
		depends, err = dependencies(bytes.NewReader(m.data))
	}
	if err != nil {
		return m, nil, fmt.Errorf("kernel module %s: expected an x86-64 module in %s, found: %w: "+
			"install the kernel's modules again", name, path.Join(t.dir, file), err)
	}
	return m, depends, nil
}
