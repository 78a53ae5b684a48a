// SPDX-License-Identifier: Apache-2.0

// Package build turns a submission into an ELF object and a program, with
// pinned flags, cached by content.
//
// The object depends on the text of the source, its base name, the headers it
// includes and the compiler, and on nothing else: the same file in two
// directories gives the same bytes, and so the same grade.
//
// A submission's files are read once. What was read is hashed and copied to an
// empty folder, and that is compiled there, in a sandbox.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"bpflab/harness/host/sandbox"
)

// ErrNoClang is returned when the compiler, or the headers that every BPF
// source needs, are not installed. It is never the submission's fault.
var ErrNoClang = errors.New("cannot compile BPF: install clang and the headers with: apt-get install clang libbpf-dev linux-libc-dev")

// A Builder builds submissions.
type Builder struct {
	Cache   string       // folder of what was built, made if missing
	Sandbox sandbox.Mode // how compilers are confined

	write []string // for tests: more folders that compilers may write
}

// An Object is one compiled source file.
type Object struct {
	ELF          []byte
	SHA256       string // of ELF, in hex
	Source       string // path of the source, as given to Compile
	SourceSHA256 string // of the source's text, in hex
	// ContentSHA256 covers all files that were compiled, the system's headers aside: the
	// source and the headers beside it that it includes or asks for. It is the SHA-256, in
	// hex, of a line for each, sorted by name: its SHA-256 in hex, two spaces and its base
	// name. As by
	//
	//	LC_ALL=C sha256sum answers.h counter.bpf.c | sha256sum
	ContentSHA256 string
	Clang         string       // first line of clang --version
	Warnings      []Diagnostic // in the order clang gave them, nil if none
}

// Compile compiles as a [Builder] with this cache does.
func Compile(ctx context.Context, cacheDir, source string) (*Object, error) {
	return Builder{Cache: cacheDir}.Compile(ctx, source)
}

// Compile compiles source for little-endian BPF, instruction set v3, or takes
// the object from the cache (folder objects).
//
// Quoted includes are found beside the source. A cached object is used only
// while every header that went into it is unchanged.
//
// Returns a [*CompileError] if clang rejects the source, or if it asks for a
// file that is not its own, or has clang spend more time or memory on it than
// it may; ErrNoClang if there is nothing to compile with; [sandbox.ErrCannot]
// if clang cannot be confined and must be; and the context's error, wrapped,
// if ctx ended first: then neither a process nor a temporary file is left.
func (b Builder) Compile(ctx context.Context, source string) (_ *Object, err error) {
	files, refused, err := collect(source)
	if err != nil {
		return nil, err
	}
	base := filepath.Base(source)
	sum := hash(files[base])
	defer func() {
		if e := (*CompileError)(nil); errors.As(err, &e) {
			e.SourceSHA256 = sum
		}
	}()
	if refused != nil {
		return nil, &CompileError{Source: source, Diagnostics: refused}
	}
	if _, err := sandbox.Enforced(b.Sandbox); err != nil {
		return nil, err
	}
	cc, err := findCompiler()
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", source, err)
	}
	cc.mode, cc.write = b.Sandbox, b.write

	objects, err := b.folder("objects")
	if err != nil {
		return nil, err
	}
	path := filepath.Join(objects, cc.key(base, files))
	e, ok := loadEntry(path)
	if !ok {
		tidy(objects, maxCache)
		if e, err = compile(ctx, cc, objects, source, files); err != nil {
			return nil, err
		}
		if err := store(path, e); err != nil {
			return nil, fmt.Errorf("store compiled object: %w: make %s writable or choose another cache folder", err, objects)
		}
	}

	return &Object{
		ELF:           e.ELF,
		SHA256:        e.SHA256,
		Source:        source,
		SourceSHA256:  sum,
		ContentSHA256: files.content(),
		Clang:         e.Clang,
		Warnings:      withPath(e.Warnings, source),
	}, nil
}

// folder makes a folder of the cache and returns its absolute path.
func (b Builder) folder(name string) (string, error) {
	dir, err := filepath.Abs(filepath.Join(b.Cache, name))
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make folder for what is built: %w: make %s writable or choose another cache folder", err, b.Cache)
	}
	return dir, nil
}

// compile runs clang and returns what is worth keeping.
func compile(ctx context.Context, cc *compiler, objects, source string, files sources) (_ *entry, err error) {
	tmp, err := os.MkdirTemp(objects, ".compile-*")
	if err != nil {
		return nil, fmt.Errorf("make folder to compile in: %w: make %s writable or choose another cache folder", err, objects)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()
	in, out := filepath.Join(tmp, "in"), filepath.Join(tmp, "out")
	if err := errors.Join(files.copyTo(in), os.Mkdir(out, 0o755)); err != nil {
		return nil, fmt.Errorf("copy the source to compile: %w", err)
	}

	version, err := cc.version(ctx, objects)
	if err != nil {
		return nil, err
	}
	diags, err := cc.run(ctx, source, in, out, files)
	if err != nil {
		return nil, err
	}

	elf, err := os.ReadFile(filepath.Join(out, objectFile))
	if err != nil {
		return nil, fmt.Errorf("compile %s: read clang's object: %w", source, err)
	}
	deps, err := readDeps(filepath.Join(out, depsFile), files, cc.read)
	var foreign *foreignError
	switch {
	case errors.As(err, &foreign):
		return nil, &CompileError{Source: source, Diagnostics: []Diagnostic{{File: source, Severity: "error", Text: foreign.Error()}}}
	case err != nil:
		return nil, fmt.Errorf("compile %s: %w", source, err)
	}
	return &entry{ELF: elf, SHA256: hash(elf), Clang: version, Warnings: diags, Deps: deps}, nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
