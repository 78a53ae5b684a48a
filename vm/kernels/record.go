// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	recordFile  = "kernel.json"
	vmlinuzFile = "vmlinuz"
	modulesDir  = "modules"
	configFile  = "config"
)

// record is kernel.json.
type record struct {
	Name           string `json:"name"`
	Release        string `json:"release"`
	Version        string `json:"version,omitempty"`
	SubstitutedFor string `json:"substituted_for,omitempty"`
	SHA256         string `json:"vmlinuz_sha256"`
	Size           int64  `json:"vmlinuz_size"`     // bytes
	Modules        int    `json:"modules"`          // module files
	Config         string `json:"config,omitempty"` // name of the file with the kernel's configuration; empty if there is none
	Debs           []Deb  `json:"debs,omitempty"`
}

func readRecord(dir string) (record, error) {
	var r record
	name := filepath.Join(dir, recordFile)
	b, err := os.ReadFile(name)
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// write puts the record into dir and everything below dir on the disk.
func (r record) write(dir string) error {
	b, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, recordFile), append(b, '\n'), 0o644); err != nil {
		return err
	}
	return syncTree(dir)
}

// check compares the files in dir with the record.
func (r record) check(dir string) error {
	vmlinuz := filepath.Join(dir, vmlinuzFile)
	sum, size, err := sumFile(vmlinuz)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return damaged(r.Name, "%s: expected %d bytes, found no file", vmlinuz, r.Size)
	case err != nil:
		return err
	case size != r.Size:
		return damaged(r.Name, "%s: expected %d bytes, found %d", vmlinuz, r.Size, size)
	case sum != r.SHA256:
		return damaged(r.Name, "%s: expected sha256 %s, found %s", vmlinuz, r.SHA256, sum)
	}
	modules := filepath.Join(dir, modulesDir)
	if n := countModules(modules); n != r.Modules {
		return damaged(r.Name, "%s: expected %d modules, found %d", modules, r.Modules, n)
	}
	return nil
}

func (r record) kernel(dir string) Kernel {
	k := Kernel{
		Name:           r.Name,
		Release:        r.Release,
		Version:        r.Version,
		Vmlinuz:        filepath.Join(dir, vmlinuzFile),
		SHA256:         r.SHA256,
		SubstitutedFor: r.SubstitutedFor,
	}
	// One of another series goes by its own name, so that no report calls it what it is not.
	if parts := strings.SplitN(r.Release, ".", 3); r.SubstitutedFor != "" && len(parts) == 3 {
		k.Name = parts[0] + "." + parts[1]
	}
	if r.Config != "" {
		k.Config = filepath.Join(dir, r.Config)
	}
	if r.Modules > 0 {
		k.Modules = filepath.Join(dir, modulesDir)
	}
	return k
}
