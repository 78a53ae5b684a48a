// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"bpflab/harness/host/sandbox"
)

// InPlace compiles a source of any project where it lies, with the flags of [Builder.Compile]. It finds headers beside
// the source, in the folders include, in this order, and in the system's; clang may read all of these and the folder
// project, which may be empty, and nothing else. The object is not kept. What clang warns of is returned beside it.
//
// Errors are those of Compile.
func (b Builder) InPlace(ctx context.Context, source, project string, include []string) (_ []byte, warnings []Diagnostic, err error) {
	if _, err := sandbox.Enforced(b.Sandbox); err != nil {
		return nil, nil, err
	}
	cc, err := findCompiler()
	if err != nil {
		return nil, nil, fmt.Errorf("compile %s: %w", source, err)
	}
	cc.mode, cc.write = b.Sandbox, b.write
	in, err := filepath.Abs(filepath.Dir(source))
	if err != nil {
		return nil, nil, err
	}
	objects, err := b.folder("objects")
	if err != nil {
		return nil, nil, err
	}
	out, err := os.MkdirTemp(objects, ".compile-*")
	if err != nil {
		return nil, nil, fmt.Errorf("make folder to compile in: %w: make %s writable or choose another cache folder", err, objects)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(out)) }()
	// Sources of other projects may include headers of the C library, which ask for this.
	args := append([]string{"-D__x86_64__"}, cc.flags...)
	for _, dir := range append([]string{in}, include...) {
		if dir, err = filepath.Abs(dir); err != nil {
			return nil, nil, err
		}
		args = append(args, "-I"+dir)
		cc.read = append(cc.read[:len(cc.read):len(cc.read)], dir)
	}
	if project != "" {
		if project, err = filepath.Abs(project); err != nil {
			return nil, nil, err
		}
		cc.read = append(cc.read, project)
	}
	object := filepath.Join(out, objectFile)
	if warnings, err = cc.once(ctx, source, in, out, append(args, "-o", object, "-c", "./"+filepath.Base(source))); err != nil {
		return nil, nil, err
	}
	raw, err := os.ReadFile(object)
	return raw, withPath(warnings, source), err
}

// Denied reports whether a source includes what it may not read.
func (e *CompileError) Denied() bool {
	for _, d := range e.Diagnostics {
		if strings.Contains(d.Text, "Permission denied") {
			return true
		}
	}
	return false
}

// Wants reports whether a source did not compile because a header of a name was not found.
func (e *CompileError) Wants(header string) bool {
	for _, d := range e.Diagnostics {
		if strings.Contains(d.Text, "'"+header+"' file not found") {
			return true
		}
	}
	return false
}
