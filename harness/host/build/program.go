// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"debug/elf"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"bpflab/harness/host/sandbox"
)

// ErrNoGo is returned when the Go toolchain is not installed.
var ErrNoGo = errors.New("cannot build the submission's Go program: `go` is not on PATH")

const (
	// maxProgram bounds a built program, in bytes. One may import far less than bpflab, which is 19 MiB.
	maxProgram = 16 << 20
	// maxWritable bounds the memory that a program has for its variables as it starts, in
	// bytes: guests are small.
	maxWritable = 64 << 20
)

// compileLimits and linkLimits are what Go's compiler and its linker may use. Ordinary programs
// need 0.2 s and 60 MiB of each. A program's object is larger than the program.
var (
	compileLimits = sandbox.Limits{
		Data: 768 << 20, Memory: 768 << 20, CPU: 10 * time.Second, File: 4 * maxProgram, Files: 256, Time: 60 * time.Second,
	}
	linkLimits = sandbox.Limits{
		Data: 768 << 20, Memory: 768 << 20, CPU: 5 * time.Second, File: 4 * maxProgram, Files: 256, Time: 60 * time.Second,
	}
)

// A Program is one Go source file, built.
type Program struct {
	ELF          []byte // static, for linux/amd64: the grader's guests
	SHA256       string // of ELF, in hex
	SourceSHA256 string // of the source's text, in hex
	// ContentSHA256 covers the source and its name, as [Object.ContentSHA256] does.
	ContentSHA256 string
	Go            string // version of the toolchain
}

// BuildProgram builds as a [Builder] with this cache does.
func BuildProgram(ctx context.Context, cacheDir, root, source string, imports ...string) (*Program, error) {
	return Builder{Cache: cacheDir}.Program(ctx, root, source, imports...)
}

// Program builds the Go program in source, a single file. Beside part of the standard library
// it may import some packages: of the module at root, which must not import others of it, or
// golang.org/x/sys/unix. There is no cgo, no network and no go command: Go's compiler and
// linker run in a sandbox, and nothing of the submission runs while it is built. The same file
// gives the same bytes, wherever it lies. What was built is kept in the cache (folder
// programs), and what it imports (folder gopackages).
//
// Returns a [*CompileError] if it does not build, ErrNoGo if there is nothing to build
// with, and [sandbox.ErrCannot] if that cannot be confined and must be.
func (b Builder) Program(ctx context.Context, root, source string, imports ...string) (_ *Program, err error) {
	text, err := ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("read Go source: %w", err)
	}
	sum := hash(text)
	defer func() {
		if e := (*CompileError)(nil); errors.As(err, &e) {
			e.SourceSHA256 = sum
		}
	}()
	refused, broken := checkGo(source, text, imports)
	if refused != nil {
		return nil, &CompileError{Source: source, Diagnostics: refused}
	}
	if _, err := sandbox.Enforced(b.Sandbox); err != nil {
		return nil, err
	}
	gc, err := findToolchain(ctx)
	if err != nil {
		return nil, err
	}
	from, err := b.loadPackages(ctx, gc, root, imports)
	if err != nil {
		return nil, err
	}
	programs, err := b.folder("programs")
	if err != nil {
		return nil, err
	}

	base := filepath.Base(source)
	files := sources{base: text}
	path := filepath.Join(programs, hash([]byte(strings.Join([]string{from.Key, files.content()}, "\x00"))))
	p, ok := loadProgram(path)
	if !ok {
		tidy(programs, maxCache)
		tmp, err := os.MkdirTemp(programs, ".build-*")
		if err != nil {
			return nil, fmt.Errorf("make folder to build in: %w: make %s writable or choose another cache folder", err, programs)
		}
		defer os.RemoveAll(tmp)
		g := goBuild{Builder: b, toolchain: gc, packages: from, source: source, in: filepath.Join(tmp, "in"), out: filepath.Join(tmp, "out")}
		if err := errors.Join(files.copyTo(g.in), os.Mkdir(g.out, 0o755)); err != nil {
			return nil, fmt.Errorf("copy the program to build: %w", err)
		}
		p, err = g.run(ctx, imports)
		if err != nil {
			return nil, err
		}
		if broken != nil { // the compiler and go/parser disagree
			return nil, goError(source, broken.Error())
		}
		if err := store(path, p); err != nil {
			return nil, fmt.Errorf("store built program: %w: make %s writable or choose another cache folder", err, programs)
		}
	}
	p.SourceSHA256, p.ContentSHA256, p.Go = sum, files.content(), gc.version
	return p, nil
}

// loadProgram reads a program of the cache. What is damaged is as good as missing.
func loadProgram(path string) (*Program, bool) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, false
	}
	var p Program
	if json.Unmarshal(raw, &p) != nil || len(p.ELF) == 0 || hash(p.ELF) != p.SHA256 {
		return nil, false
	}
	used(path)
	return &p, true
}

// goBuild builds one program.
type goBuild struct {
	Builder
	*toolchain
	*packages
	source  string
	in, out string // folders: of the source, and to write
}

// run compiles and links.
func (g *goBuild) run(ctx context.Context, imports []string) (*Program, error) {
	compileConfig, linkConfig, err := g.configs(g.in, imports)
	if err != nil {
		return nil, fmt.Errorf("build %s: %w", g.source, err)
	}
	archive, built := filepath.Join(g.out, "main.a"), filepath.Join(g.out, "program")
	err = g.tool(ctx, "compile", compileLimits, "-o", archive, "-p", "main", "-complete", "-pack", "-nolocalimports", "-c=2",
		"-lang", g.Language, "-goversion", g.version, "-trimpath", g.in+"=>.", "-importcfg", compileConfig, "./"+filepath.Base(g.source))
	if err != nil {
		return nil, err
	}
	err = g.tool(ctx, "link", linkLimits, "-o", built, "-importcfg", linkConfig, "-buildmode=exe", "-linkmode=internal",
		"-s", "-w", "-buildid=", archive)
	if err != nil {
		return nil, err
	}
	raw, err := os.ReadFile(built)
	if err != nil {
		return nil, fmt.Errorf("read the program that Go built: %w", err)
	}
	if len(raw) > maxProgram {
		return nil, goError(g.source, fmt.Sprintf("the program is %d MiB; %d MiB is the most that goes into a guest", len(raw)>>20, maxProgram>>20))
	}
	writable, err := writableMemory(raw)
	if err != nil {
		return nil, fmt.Errorf("read the program that Go built: %w", err)
	}
	if writable > maxWritable {
		return nil, goError(g.source, fmt.Sprintf("the program's variables take %d MiB as it starts; %d MiB is the most", writable>>20, maxWritable>>20))
	}
	return &Program{ELF: raw, SHA256: hash(raw)}, nil
}

// writableMemory is how much of a program's memory is writable as it starts, in bytes.
func writableMemory(raw []byte) (n uint64, err error) {
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return 0, err
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 {
			if p.Memsz > 1<<40 {
				return 1 << 40, nil
			}
			n += p.Memsz
		}
	}
	return n, nil
}

// tool runs one of Go's tools, confined.
func (g *goBuild) tool(ctx context.Context, name string, limits sandbox.Limits, args ...string) error {
	var output limitedBuffer
	r, err := sandbox.Run(ctx, sandbox.Command{
		Path: filepath.Join(g.tools, name), Args: args, Dir: g.in, Mode: g.Sandbox, Alone: true, Limits: limits, Output: &output,
		Env:   append([]string{"TMPDIR=" + g.out, "GOROOT="}, environment...),
		Read:  []string{g.tools, g.packages.Dir, g.in, "/lib", "/lib64", "/usr/lib"},
		Write: append([]string{g.out}, g.write...),
	})
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("build %s: %w", g.source, context.Cause(ctx))
	case err != nil:
		return err
	case r.Exit == nil:
		return nil
	case r.Exceeded == sandbox.Time && r.CPU < time.Second: // who waits, waits for this machine
		return fmt.Errorf("build %s: %s took %.1f s of CPU time in %s: is this machine overloaded?", g.source, name, r.CPU.Seconds(), limits.Time)
	case killed(r):
		return fmt.Errorf("build %s: %s was killed, though it was within its limits: has this machine run out of memory?", g.source, name)
	case full(g.out):
		return fmt.Errorf("build %s: there is no space left in %s", g.source, filepath.Dir(g.out))
	}
	if text := tooMuch("go "+name, r, output.String(), limits); text != "" {
		return goError(g.source, text+": make the program simpler")
	}
	return goError(g.source, output.String())
}

// goLine is what Go says of a place: file.go:12:3: undefined: x
var goLine = regexp.MustCompile(`^(?:\S+: )?(\S*?\.go):(\d+):(\d+): (.*)$`)

// goError makes a CompileError of what Go printed.
func goError(source, output string) *CompileError {
	e := &CompileError{Source: source, Output: output[:min(len(output), maxOutput)]}
	for line := range strings.Lines(e.Output) {
		line = strings.TrimSpace(line)
		switch m := goLine.FindStringSubmatch(line); {
		case m != nil:
			d := Diagnostic{File: m[1], Severity: "error", Text: m[4]}
			if filepath.Base(m[1]) == filepath.Base(source) {
				d.File = source
			}
			d.Line, _ = strconv.Atoi(m[2])
			d.Column, _ = strconv.Atoi(m[3])
			e.Diagnostics = append(e.Diagnostics, d)
		case line == "" || strings.HasPrefix(line, "#"): // "# command-line-arguments"
		default:
			e.Diagnostics = append(e.Diagnostics, Diagnostic{File: source, Severity: "error", Text: line})
		}
	}
	if len(e.Diagnostics) == 0 {
		e.Diagnostics = []Diagnostic{{File: source, Severity: "error", Text: "the Go compiler failed and printed nothing"}}
	}
	return e
}
