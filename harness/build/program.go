// SPDX-License-Identifier: Apache-2.0

package build

import (
	"context"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ErrNoGo is returned when the Go toolchain is not installed.
var ErrNoGo = errors.New("cannot build the submission's Go program: `go` is not on PATH")

// maxProgram bounds a built program, in bytes. bpflab, which imports all that one may, is 14 MiB.
const maxProgram = 16 << 20

// A Program is one Go source file, built.
type Program struct {
	ELF          []byte // static, for linux/amd64: the grader's guests
	SHA256       string // of ELF, in hex
	SourceSHA256 string // of the source's text, in hex
	Go           string // version of the toolchain
}

// BuildProgram builds the Go program in source, a single file, in the module at root: it may
// import the module's packages and what these depend on. There is no cgo and no network, so
// nothing of the submission runs while it is built. The same file gives the same bytes,
// wherever it lies.
//
// Returns a [*CompileError] if it does not build, and ErrNoGo if there is nothing to build
// with.
func BuildProgram(ctx context.Context, cacheDir, root, source string) (*Program, error) {
	text, err := os.ReadFile(source)
	if err != nil {
		return nil, fmt.Errorf("read Go source: %w", err)
	}
	if err := refuse(source, text); err != nil {
		return nil, err
	}
	path, err := exec.LookPath("go")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoGo, err)
	}
	absolute, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	programs := filepath.Join(cacheDir, "programs")
	if err := os.MkdirAll(programs, 0o755); err != nil {
		return nil, fmt.Errorf("make folder for built programs: %w: make %s writable or choose another cache folder", err, cacheDir)
	}
	tmp, err := os.MkdirTemp(programs, ".build-*")
	if err != nil {
		return nil, fmt.Errorf("make folder to build in: %w: make %s writable or choose another cache folder", err, programs)
	}
	defer os.RemoveAll(tmp)

	limited, cancel := context.WithTimeout(ctx, 4*maxTime) // the first time Go builds its own library
	defer cancel()
	run := func(args ...string) ([]byte, error) {
		cmd := exec.CommandContext(limited, path, args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOAMD64=v1",
			"GOPROXY=off", "GOFLAGS=-mod=readonly", "GOWORK=off", "GOTOOLCHAIN=local", "GOEXPERIMENT=", "GODEBUG=")
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
		cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
		cmd.WaitDelay = 2 * time.Second
		return cmd.CombinedOutput()
	}
	version, err := run("env", "GOVERSION")
	if err != nil {
		return nil, fmt.Errorf("ask %s for its version: %w: %s", path, errors.Join(ctx.Err(), err), version)
	}
	built := filepath.Join(tmp, "program")
	out, err := run("build", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o", built, absolute)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("build %s: %w", source, context.Cause(ctx))
	case limited.Err() != nil:
		return nil, goError(source, fmt.Sprintf("go did not finish within %s: make the program simpler", 4*maxTime))
	case errors.As(err, &exit):
		return nil, goError(source, string(out))
	case err != nil:
		return nil, fmt.Errorf("run %s: %w", path, err)
	}
	elf, err := os.ReadFile(built)
	if err != nil {
		return nil, fmt.Errorf("read the program that Go built: %w", err)
	}
	if len(elf) > maxProgram {
		return nil, goError(source, fmt.Sprintf("the program is %d MiB; %d MiB is the most that goes into a guest", len(elf)>>20, maxProgram>>20))
	}
	if now, err := os.ReadFile(source); err != nil || hash(now) != hash(text) {
		return nil, fmt.Errorf("build %s: the file changed while Go read it: run the command again", source)
	}
	return &Program{ELF: elf, SHA256: hash(elf), SourceSHA256: hash(text), Go: strings.TrimSpace(string(version))}, nil
}

// refuse refuses what Go would build into something else than a program, without a word, and a
// program that is C in part, of which Go would only say that it finds no Go source.
func refuse(source string, text []byte) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, source, text, parser.ImportsOnly)
	if err != nil {
		return nil // Go says it better
	}
	if name := file.Name.Name; name != "main" {
		return goError(source, fmt.Sprintf("%s: package %s: a submission's Go program is package main", set.Position(file.Name.Pos()), name))
	}
	for _, i := range file.Imports {
		if i.Path.Value == `"C"` {
			return goError(source, set.Position(i.Pos()).String()+`: import "C": there is no C in a submission's Go program`)
		}
	}
	return nil
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
		e.Diagnostics = []Diagnostic{{File: source, Severity: "error", Text: "go build failed without a word"}}
	}
	return e
}
