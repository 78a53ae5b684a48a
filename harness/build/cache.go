// SPDX-License-Identifier: Apache-2.0

package build

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// entryVersion is part of every key: entries of another layout are not found.
const entryVersion = "1"

// entry is one file of the cache. It is a single file so that a rename makes
// all of it appear at once.
type entry struct {
	ELF      []byte
	SHA256   string
	Clang    string
	Warnings []Diagnostic
	// Deps are the files clang read and their hashes. Those below the
	// source's folder are relative to it: a header beside another copy of the
	// same source is another header.
	Deps map[string]string
}

// loadEntry reads the entry at path, for a source in dir. What is damaged or
// out of date is as good as missing.
func loadEntry(path, dir string) (*entry, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var e entry
	if json.Unmarshal(raw, &e) != nil || len(e.ELF) == 0 || hash(e.ELF) != e.SHA256 {
		return nil, false
	}
	for dep, want := range e.Deps {
		text, err := os.ReadFile(inDir(dir, dep))
		if err != nil || hash(text) != want || shadowed(dir, dep) {
			return nil, false
		}
	}
	return &e, true
}

// shadowed tells whether a file beside the source could now be found in place
// of a system header, as #include "bpf/bpf_helpers.h" finds a local one first.
func shadowed(dir, dep string) bool {
	if !filepath.IsAbs(dep) {
		return false
	}
	parts := strings.Split(strings.Trim(dep, "/"), "/")
	for i := range parts {
		if _, err := os.Lstat(filepath.Join(dir, filepath.Join(parts[i:]...))); err == nil {
			return true
		}
	}
	return false
}

// store writes the entry to path.
func (e *entry) store(path string) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return writeFile(path, raw)
}

// writeFile puts data at path, whole or not at all.
func writeFile(path string, data []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(data)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}

// readDeps reads the make rule that clang wrote and hashes what it names.
func readDeps(path, dir string) (map[string]string, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read clang's list of headers: %w", err)
	}
	_, list, ok := strings.Cut(string(raw), ":")
	if !ok {
		return nil, fmt.Errorf("read clang's list of headers: expected a make rule, found %.40q", raw)
	}

	// "\ " is a space in a name, "\<newline>" goes on, "$$" is a dollar.
	const space = "\x00"
	list = strings.NewReplacer("\\\n", " ", `\ `, space, `\#`, "#", "$$", "$").Replace(list)
	deps := make(map[string]string)
	for _, name := range strings.Fields(list) {
		name = filepath.Clean(strings.ReplaceAll(name, space, " "))
		text, err := os.ReadFile(inDir(dir, name))
		if err != nil {
			return nil, fmt.Errorf("hash included file: %w", err)
		}
		deps[name] = hash(text)
	}
	return deps, nil
}

func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}
