// SPDX-License-Identifier: Apache-2.0

package build

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// What a submission's files may be. All are text that somebody wrote.
const (
	MaxSource  = 1 << 20 // bytes of one file
	maxHeaders = 16      // that lie beside a BPF source
	maxSources = 2 << 20 // bytes of a BPF source and its headers
)

// Open opens a file of a submission: a regular file of at most [MaxSource] bytes, which is no
// symbolic link. What it is, is known before a byte is read.
func Open(path string) (*os.File, error) { return open(path, MaxSource, unix.O_NOFOLLOW) }

func open(path string, most int64, flags int) (*os.File, error) {
	stat := os.Stat
	if flags&unix.O_NOFOLLOW != 0 {
		stat = os.Lstat
	}
	// Before it is opened: to open a device can be to use it.
	info, err := stat(path)
	if err != nil {
		return nil, err
	}
	if err := plain(path, info, most); err != nil {
		return nil, err
	}
	// And after: it may be another one by now. A FIFO would block.
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_NOCTTY|flags, 0)
	if errors.Is(err, unix.ELOOP) {
		return nil, fmt.Errorf("%s is a symbolic link: it must be a regular file", path)
	}
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	if info, err = f.Stat(); err == nil {
		err = plain(path, info, most)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// plain says what is wrong with a file, if it is not a regular one of a reasonable size.
func plain(path string, info os.FileInfo, most int64) error {
	switch {
	case info.Mode()&os.ModeSymlink != 0:
		return fmt.Errorf("%s is a symbolic link: it must be a regular file", path)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s must be a regular file", path)
	case info.Size() > most:
		return fmt.Errorf("%s is %d bytes long; a submission's file may have %d", path, info.Size(), most)
	}
	return nil
}

// ReadFile reads a file of a submission, as [Open] opens it.
func ReadFile(path string) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, MaxSource)
}

func readAll(f *os.File, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > most { // it has grown
		return nil, fmt.Errorf("%s is more than %d bytes long", f.Name(), most)
	}
	return text, nil
}

// sources are the files that are compiled, by name, and nothing else is: they are read once,
// and copied to where the compiler finds them.
type sources map[string][]byte

// content is what [Object.ContentSHA256] says it is.
func (s sources) content() string {
	h := sha256.New()
	for _, name := range s.names() {
		fmt.Fprintf(h, "%s  %s\n", hash(s[name]), name)
	}
	return fmt.Sprintf("%x", h.Sum(nil))
}

func (s sources) names() (names []string) {
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s sources) size() (n int) {
	for _, text := range s {
		n += len(text)
	}
	return n
}

// copyTo writes them into a folder that is made.
func (s sources) copyTo(dir string) error {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	for name, text := range s {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// collect reads a BPF source and the headers beside it that it includes by a quoted name, or
// asks for, and that these do. refused is what makes clang unnecessary. What was read is
// returned in any case.
func collect(source string) (files sources, refused []Diagnostic, err error) {
	text, err := ReadFile(source)
	if err != nil {
		return nil, nil, fmt.Errorf("read BPF source: %w", err)
	}
	dir, base := filepath.Split(source)
	files = sources{base: text}
	for todo := []string{base}; len(todo) > 0; todo = todo[1:] {
		from := todo[0]
		includes, found := scan(files[from])
		for i := range found {
			found[i].File = from
		}
		refused = append(refused, found...)
		for _, in := range includes {
			no := func(format string, args ...any) {
				refused = append(refused, Diagnostic{File: from, Line: in.line, Column: 1, Severity: "error", Text: fmt.Sprintf(format, args...)})
			}
			path := dir + in.name
			if _, done := files[in.name]; done {
				continue
			}
			if _, err := os.Lstat(path); err != nil {
				continue // one of the system's, or none: clang says so
			}
			if strings.Contains(in.name, "/") {
				no("#include %q: a submission's headers lie beside the source, not in folders", in.name)
				continue
			}
			text, err := ReadFile(path)
			switch {
			case err != nil:
				no("#include %q: %v", in.name, err)
			case len(files) > maxHeaders:
				no("#include %q: a submission may have %d headers", in.name, maxHeaders)
			case files.size()+len(text) > maxSources:
				no("#include %q: a source and its headers may have %d bytes together", in.name, maxSources)
			default:
				files[in.name] = text
				todo = append(todo, in.name)
			}
		}
	}
	return files, withPath(refused, source), nil
}

// Content returns the sum that a BPF source would have as [Object.ContentSHA256] if it were
// compiled now. It starts no compiler, and does not mind what one would refuse.
func Content(source string) (string, error) {
	files, _, err := collect(source)
	if err != nil {
		return "", err
	}
	return files.content(), nil
}

// Headers returns the paths of the headers beside a BPF source that it includes, and that these do, by name.
func Headers(source string) (paths []string, err error) {
	files, _, err := collect(source)
	if err != nil {
		return nil, err
	}
	dir, base := filepath.Split(source)
	for _, name := range files.names() {
		if name != base {
			paths = append(paths, dir+name)
		}
	}
	return paths, nil
}
