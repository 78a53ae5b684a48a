// SPDX-License-Identifier: Apache-2.0

// Package objects makes BPF objects of what people have: sources, which it compiles, object files, folders and archives
// of both, and standard input. It looks at no more than an object's ELF header: what an object holds is for a guest to
// read.
package objects

import (
	"context"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"bpflab/harness/host/build"
)

// What is taken. A guest holds an object several times over.
const (
	MaxObject = 8 << 20  // bytes of an object or a source
	maxFiles  = 10_000   // of one folder or archive
	maxTotal  = 64 << 20 // bytes of what an archive holds
)

// Object is one input.
type Object struct {
	Name   string // as the caller calls it: a path, one behind an archive's, or "-"
	ELF    []byte
	Broken string // not empty: why there is no object
	Note   string // not empty: what a reader should know of how it was made
	// Warnings are what clang warns of, a line each with what belongs to it.
	Warnings []string
}

// Reader reads inputs.
type Reader struct {
	Builder build.Builder
	Include []string // folders with headers of sources
	// Headers are the kernels whose vmlinux.h a source that has none may be compiled with, the best one first. A kernel
	// renames and removes types, and a source is written for some.
	Headers []string
	// Header returns the folder of a kernel's vmlinux.h.
	Header func(ctx context.Context, kernel string) (string, error)
	Stdin  io.Reader
	Began  func(name string) // called before each object is made; may be nil
}

// Read reads what names name: files, folders, archives (.tar, .tar.gz, .tgz, .zip), or "-" for standard input. Of a
// folder or an archive it takes each BPF source and each BPF object, by what is in them. What is wrong with one input is told in its
// place: an error is of the machine, or of a name that stands for nothing.
func (r Reader) Read(ctx context.Context, names []string) (all []Object, err error) {
	tmp, err := os.MkdirTemp("", "bpflab-objects-*")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	for i, name := range names {
		var list []Object
		if name == "-" {
			list, err = r.stdin(ctx, filepath.Join(tmp, fmt.Sprint(i)))
		} else {
			list, err = r.path(ctx, name, filepath.Join(tmp, fmt.Sprint(i)))
		}
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// stdin takes an object or a source from standard input. dir is made where a file is needed.
func (r Reader) stdin(ctx context.Context, dir string) ([]Object, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Stdin, MaxObject+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read standard input: %w", err)
	case len(raw) > MaxObject:
		return []Object{{Name: "-", Broken: fmt.Sprintf("standard input is more than %d MiB", MaxObject>>20)}}, nil
	case len(raw) == 0:
		return []Object{{Name: "-", Broken: "standard input is empty"}}, nil
	case isELF(raw):
		return []Object{object("-", raw)}, nil
	}
	path := filepath.Join(dir, "stdin.bpf.c")
	if err := errors.Join(os.Mkdir(dir, 0o700), os.WriteFile(path, raw, 0o600)); err != nil {
		return nil, err
	}
	one, err := r.compile(ctx, "-", path, "")
	return []Object{one}, err
}

func (r Reader) path(ctx context.Context, name, tmp string) ([]Object, error) {
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	unpack := map[string]func(string, string) error{".tar": untar, ".gz": untar, ".tgz": untar, ".zip": unzip}[filepath.Ext(name)]
	switch {
	case info.IsDir():
		return r.folder(ctx, name, name)
	case unpack != nil:
		if err := os.Mkdir(tmp, 0o700); err != nil {
			return nil, err
		}
		if err := unpack(name, tmp); err != nil {
			return []Object{{Name: name, Broken: fmt.Sprintf("%s cannot be unpacked: %v", name, err)}}, nil
		}
		return r.folder(ctx, name, tmp)
	}
	one, err := r.file(ctx, name, name, "")
	return []Object{one}, err
}

// folder takes what a folder holds, under the name that it goes by.
func (r Reader) folder(ctx context.Context, name, dir string) (all []Object, err error) {
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != dir && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case d.Type().IsRegular() && (isSource(path) || isObject(path)):
			files = append(files, path)
		}
		if len(files) > maxFiles {
			return fmt.Errorf("%s holds more than %d BPF files", name, maxFiles)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return []Object{{Name: name, Broken: name + " holds no BPF program: no C source with a SEC(), and no BPF object"}}, nil
	}
	slices.Sort(files)
	for _, file := range files {
		rel, err := filepath.Rel(dir, file)
		if err != nil {
			return nil, err
		}
		one, err := r.file(ctx, filepath.Join(name, rel), file, dir)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// file takes one file: an object by its first bytes, a source by its name. project is the folder that it is a part of,
// if that is known.
func (r Reader) file(ctx context.Context, name, path, project string) (Object, error) {
	broken := func(format string, args ...any) (Object, error) {
		return Object{Name: name, Broken: name + " " + fmt.Sprintf(format, args...)}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return Object{}, err
	case !info.Mode().IsRegular():
		return broken("is not a regular file")
	case info.Size() > MaxObject:
		return broken("is %d bytes long: expected at most %d", info.Size(), MaxObject)
	}
	raw, err := os.ReadFile(path)
	switch {
	case err != nil:
		return broken("cannot be read: %v", errors.Unwrap(err))
	case isELF(raw):
		return object(name, raw), nil
	case filepath.Ext(path) == ".c":
		return r.compile(ctx, name, path, project)
	}
	return broken("is neither C source (*.c) nor a BPF object")
}

func (r Reader) compile(ctx context.Context, name, path, project string) (Object, error) {
	if r.Began != nil {
		r.Began(name)
	}
	raw, warnings, err := r.Builder.InPlace(ctx, path, project, r.Include)
	var rejected *build.CompileError
	note := ""
	if errors.As(err, &rejected) && rejected.Wants("vmlinux.h") && len(r.Headers) > 0 {
		if raw, warnings, note, err = r.withHeader(ctx, path, project); errors.Is(err, ErrNoHeader) {
			return Object{Name: name, Broken: fmt.Sprintf("%s includes vmlinux.h: %v", name, err)}, nil
		}
	}
	switch {
	case errors.As(err, &rejected):
		return Object{Name: name, Broken: strings.ReplaceAll(brief(rejected), path, name)}, nil
	case err != nil:
		return Object{}, err
	}
	o := object(name, raw)
	o.Note = note
	for _, w := range warnings {
		// An entry point must have a parameter that it may not need, and vmlinux.h is nobody's to fix.
		if w.Severity == "warning" && !strings.Contains(w.Text, "-Wunused-parameter") && filepath.Base(w.File) != "vmlinux.h" {
			o.Warnings = append(o.Warnings, strings.ReplaceAll(w.String(), path, name))
		}
	}
	return o, nil
}

// ErrNoHeader is wrapped by what Header returns where no vmlinux.h can be made.
var ErrNoHeader = errors.New("there is no vmlinux.h")

// withHeader compiles a source with the first kernel's vmlinux.h that fits it. What no header fits, does not compile
// with the first.
func (r Reader) withHeader(ctx context.Context, path, project string) (raw []byte, warnings []build.Diagnostic, note string, first error) {
	for i, kernel := range r.Headers {
		dir, err := r.Header(ctx, kernel)
		if err != nil {
			return nil, nil, "", err
		}
		raw, warnings, err := r.Builder.InPlace(ctx, path, project, append(slices.Clone(r.Include), dir))
		var rejected *build.CompileError
		switch {
		case err == nil && i > 0:
			return raw, warnings, fmt.Sprintf("compiled with the vmlinux.h of Linux %s: those of later kernels lack what it uses", kernel), nil
		case err == nil:
			return raw, warnings, "", nil
		case !errors.As(err, &rejected):
			return nil, nil, "", err
		case i == 0:
			first = err
		}
	}
	return nil, nil, "", first
}

// maxErrors is how many of a compiler's errors are shown of one source.
const maxErrors = 4

// brief is the first of what a compiler has against a source, without its notes on where each macro came from.
func brief(e *build.CompileError) string {
	short := *e
	short.Diagnostics = slices.DeleteFunc(slices.Clone(e.Diagnostics), func(d build.Diagnostic) bool { return d.Severity == "note" && d.File != "" })
	if more := len(short.Diagnostics) - maxErrors; more > 0 {
		short.Diagnostics = append(short.Diagnostics[:maxErrors], build.Diagnostic{Severity: "note", Text: fmt.Sprintf("and %d more", more)})
	}
	if e.Denied() {
		short.Diagnostics = append(short.Diagnostics, build.Diagnostic{Severity: "note", Text: "only what lies beside the source may be read: name other folders with -I, or explain the project's folder"})
	}
	return short.Error()
}

func isELF(raw []byte) bool { return strings.HasPrefix(string(raw), elf.ELFMAG) }

// isSource reports whether a file is BPF in C: by its name, or because it defines sections as such sources do.
func isSource(path string) bool {
	if filepath.Ext(path) != ".c" || strings.HasSuffix(path, ".bpf.c") {
		return strings.HasSuffix(path, ".bpf.c")
	}
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, MaxObject))
	return section.Match(text) && helpers.Match(text)
}

var (
	section = regexp.MustCompile(`(?m)^\s*SEC\("`)
	helpers = regexp.MustCompile(`(?m)^\s*#\s*include\s*["<](?:.*/)?(?:bpf_helpers|vmlinux)\.h[">]`)
)

// isObject reports whether a file is a BPF object, by its header.
func isObject(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	header := make([]byte, headerSize)
	n, _ := io.ReadFull(f, header)
	return isELF(header[:n]) && wrong(header[:n]) == ""
}

// object makes an object of an ELF file.
func object(name string, raw []byte) Object {
	if why := wrong(raw); why != "" {
		return Object{Name: name, Broken: name + " is " + why}
	}
	if end := announced(raw); end > uint64(len(raw)) {
		return Object{Name: name, Broken: fmt.Sprintf("%s is cut off or damaged: by its ELF header the table of sections ends at byte %d, and the file at %d", name, end, len(raw))}
	}
	return Object{Name: name, ELF: raw}
}

const headerSize = 64 // of a 64-bit ELF file

// announced returns where the table of sections ends, by the header of a little-endian object.
func announced(raw []byte) uint64 {
	start := binary.LittleEndian.Uint64(raw[40:])
	size := uint64(binary.LittleEndian.Uint16(raw[58:])) * uint64(binary.LittleEndian.Uint16(raw[60:]))
	if start > math.MaxUint64-size {
		return math.MaxUint64
	}
	return start + size
}

// wrong says what an ELF file is that is no BPF object for a little-endian machine.
func wrong(raw []byte) string {
	if len(raw) < headerSize {
		return "an ELF file that is cut off in its header"
	}
	order := map[byte]func([]byte) uint16{
		byte(elf.ELFDATA2LSB): func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 },
		byte(elf.ELFDATA2MSB): func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 },
	}[raw[elf.EI_DATA]]
	switch {
	case order == nil || raw[elf.EI_CLASS] != byte(elf.ELFCLASS64):
		return "an ELF file, but no 64-bit one"
	case elf.Machine(order(raw[18:])) != elf.EM_BPF:
		return fmt.Sprintf("an ELF file for %v, not a BPF object: compile it with clang -target bpf", elf.Machine(order(raw[18:])))
	case raw[elf.EI_DATA] != byte(elf.ELFDATA2LSB):
		return "a BPF object for big-endian machines, and the guests are little-endian: compile it with clang -target bpfel"
	case elf.Type(order(raw[16:])) != elf.ET_REL:
		return "a linked BPF file, not an object: expected what clang -c writes"
	}
	return ""
}
