// SPDX-License-Identifier: Apache-2.0

package build

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/google/renameio/v2"
)

// entryVersion is part of every key: entries of another layout are not found.
const entryVersion = "2"

// entry is one file of the cache. It is a single file so that a rename makes
// all of it appear at once.
type entry struct {
	ELF      []byte
	SHA256   string
	Clang    string
	Warnings []Diagnostic
	// Deps are the system's headers that clang read, and their hashes.
	Deps map[string]string
}

// loadEntry reads the entry at path. What is damaged or out of date is as good as missing.
func loadEntry(path string) (*entry, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var e entry
	if json.Unmarshal(raw, &e) != nil || len(e.ELF) == 0 || hash(e.ELF) != e.SHA256 {
		return nil, false
	}
	for dep, want := range e.Deps {
		sum, err := hashHeader(dep)
		if err != nil || sum != want {
			return nil, false
		}
	}
	used(path)
	return &e, true
}

// store writes an entry to path.
func store(path string, entry any) error {
	raw, err := json.Marshal(entry)
	if err != nil {
		return err
	}
	return writeFile(path, raw)
}

// writeFile puts data at path, whole or not at all.
func writeFile(path string, data []byte) error {
	return renameio.WriteFile(path, data, 0o600, renameio.WithTempDir(filepath.Dir(path)))
}

// readDeps reads the make rule that clang wrote and hashes what it names. The files that were
// copied it may name, and headers in folders of the system; no other is opened, or believed.
func readDeps(path string, files sources, folders []string) (map[string]string, error) {
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
		if _, ok := files[name]; ok {
			continue
		}
		if !filepath.IsAbs(name) || !slices.ContainsFunc(folders, func(dir string) bool { return strings.HasPrefix(name, filepath.Clean(dir)+"/") }) {
			return nil, &foreignError{name}
		}
		if deps[name], err = hashHeader(name); err != nil {
			return nil, fmt.Errorf("hash included file: %w", err)
		}
	}
	return deps, nil
}

// foreignError is a file that clang read, or looked for, and that a submission is not made of.
type foreignError struct{ name string }

func (e *foreignError) Error() string {
	return printable(fmt.Sprintf("%q is asked for: a submission is made of its source, the headers beside it and the system's", e.name))
}

// hashHeader hashes a header of the system's, which may be a link there.
func hashHeader(path string) (string, error) {
	f, err := open(path, maxFile, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := readAll(f, maxFile)
	return hash(text), err
}

// maxCache is how many bytes of objects are kept, and of programs.
const maxCache = 256 << 20

// leftover is how old a temporary file is that nobody works on any more.
const leftover = time.Hour

// used marks an entry as used.
func used(path string) {
	now := time.Now()
	_ = os.Chtimes(path, now, now) // only the order of removal depends on it
}

// tidy removes from a folder of entries what dead runs left there, and the least recently used
// entries above most bytes. That it cannot is no reason to withhold a grade.
func tidy(dir string, most int64) {
	entries, _ := os.ReadDir(dir)
	type file struct {
		path string
		size int64
		used time.Time
	}
	var kept []file
	var total int64
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			continue // another run has removed it
		}
		path := filepath.Join(dir, e.Name())
		switch {
		case strings.HasPrefix(e.Name(), "."):
			if time.Since(info.ModTime()) > leftover {
				_ = os.RemoveAll(path)
			}
		case info.Mode().IsRegular():
			kept = append(kept, file{path, info.Size(), info.ModTime()})
			total += info.Size()
		}
	}
	slices.SortFunc(kept, func(a, b file) int { return a.used.Compare(b.used) })
	for _, f := range kept {
		if total <= most {
			return
		}
		if os.Remove(f.path) == nil {
			total -= f.size
		}
	}
}
