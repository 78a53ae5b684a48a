// SPDX-License-Identifier: Apache-2.0

// Package build turns one BPF C file into an ELF object, with pinned flags,
// cached by content.
//
// The object depends on the text of the source, its base name, the headers it
// includes and the compiler, and on nothing else: the same file in two
// directories gives the same bytes, and so the same grade.
package build

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// ErrNoClang is returned when the compiler, or the headers that every BPF
// source needs, are not installed. It is never the submission's fault.
var ErrNoClang = errors.New("cannot compile BPF: install clang and the headers with: apt-get install clang libbpf-dev linux-libc-dev")

// An Object is one compiled source file.
type Object struct {
	ELF          []byte
	SHA256       string       // of ELF, in hex
	Source       string       // path of the source, as given to Compile
	SourceSHA256 string       // of the source's text, in hex
	Clang        string       // first line of clang --version
	Warnings     []Diagnostic // in the order clang gave them, nil if none
}

// Compile compiles source for little-endian BPF, instruction set v3, or takes
// the object from the cache below cacheDir (folder objects, made if missing).
//
// Quoted includes are found beside the source. A cached object is used only
// while every header that went into it is unchanged.
//
// Returns a [*CompileError] if clang rejects the source or spends more time or
// memory on it than it may, ErrNoClang if there is nothing to compile with,
// and the context's error, wrapped, if ctx ended first: then neither a process
// nor a temporary file is left.
func Compile(ctx context.Context, cacheDir, source string) (*Object, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("read BPF source: %w", err)
	}

	cc, err := findCompiler()
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", source, err)
	}

	objects := filepath.Join(cacheDir, "objects")
	if err := os.MkdirAll(objects, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for compiled objects: %w: make %s writable or choose another cache folder", err, cacheDir)
	}
	path := filepath.Join(objects, cc.key(filepath.Base(source), text))

	e, ok := loadEntry(path, filepath.Dir(source))
	if !ok {
		if e, err = compile(ctx, cc, objects, source, text); err != nil {
			return nil, err
		}
		if err := e.store(path); err != nil {
			return nil, fmt.Errorf("store compiled object: %w: make %s writable or choose another cache folder", err, objects)
		}
	}

	return &Object{
		ELF:          e.ELF,
		SHA256:       e.SHA256,
		Source:       source,
		SourceSHA256: hash(text),
		Clang:        e.Clang,
		Warnings:     withPath(e.Warnings, source),
	}, nil
}

// compile runs clang and returns what is worth keeping.
func compile(ctx context.Context, cc *compiler, objects, source string, text []byte) (_ *entry, err error) {
	tmp, err := os.MkdirTemp(objects, ".compile-*")
	if err != nil {
		return nil, fmt.Errorf("make folder to compile in: %w: make %s writable or choose another cache folder", err, objects)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(tmp)) }()

	version, err := cc.version(ctx, objects)
	if err != nil {
		return nil, err
	}
	diags, err := cc.run(ctx, source, tmp)
	if err != nil {
		return nil, err
	}

	elf, err := os.ReadFile(filepath.Join(tmp, objectFile))
	if err != nil {
		return nil, fmt.Errorf("compile %s: read clang's object: %w", source, err)
	}
	deps, err := readDeps(filepath.Join(tmp, depsFile), filepath.Dir(source))
	if err != nil {
		return nil, fmt.Errorf("compile %s: %w", source, err)
	}
	// The editor may save while clang runs. The object would then be kept
	// under the hash of a text it was not made from.
	if deps[filepath.Base(source)] != hash(text) {
		return nil, fmt.Errorf("compile %s: the file changed while clang read it: run the command again", source)
	}

	return &entry{ELF: elf, SHA256: hash(elf), Clang: version, Warnings: diags, Deps: deps}, nil
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
