// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
	"unicode"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"bpflab/harness/host/sandbox"
)

// What one run of clang may use; there are two a source, side by side. A submission is not
// trusted, and ten lines of macros can make clang run for hours. Ordinary sources need 0.1 s
// and 150 MiB.
var clangLimits = sandbox.Limits{
	AddressSpace: 640 << 20,
	Memory:       640 << 20,
	CPU:          8 * time.Second,
	File:         maxFile,
	Files:        256,
	Time:         60 * time.Second,
}

const (
	maxFile   = 16 << 20 // bytes of any file that a compiler writes
	maxOutput = 64 << 10 // bytes of diagnostics
)

const (
	objectFile = "out.o"
	depsFile   = "out.d"
	textFile   = "out.i" // what the preprocessor makes of the source
)

// flags are part of every object's identity: changing them recompiles all.
var flags = []string{
	"-target", "bpfel",
	// Newer dialects have more ways to read a file.
	"-std=gnu17",
	// v3 has 32-bit jumps and atomics, the newest that Linux 5.10 loads.
	"-mcpu=v3",
	// Of guests: bpf_tracing.h finds a function's arguments by it.
	"-D__TARGET_ARCH_x86",
	"-O2",
	// BTF, for map types and for the source lines in every message.
	"-g",
	"-Wall", "-Wextra",
	// An implicitly declared function is a call into nowhere, seen only at load.
	"-Werror=implicit-function-declaration",
	"-fno-ident",
	"-fno-stack-protector",
	// The directory must not reach the object through the debug info.
	"-fdebug-compilation-dir=.",
	"-fno-color-diagnostics",
	"-ferror-limit=20",
	// On a crash clang would leave a reproducer in /tmp.
	"-fno-crash-diagnostics",
}

// compiler is one installed clang.
type compiler struct {
	path     string // as found in PATH
	identity string // changes when the binary does
	flags    []string
	read     []string // folders that it may read
	mode     sandbox.Mode
	write    []string // for tests: more folders that it may write
}

// findCompiler looks for clang in PATH. It starts no process: clang takes
// 75 ms to print its version, most of what an uncached compile costs.
func findCompiler() (*compiler, error) {
	path, err := exec.LookPath("clang")
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", ErrNoClang, err)
	}
	resolved, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, fmt.Errorf("resolve %s: %w", path, err)
	}
	info, err := os.Stat(resolved)
	if err != nil {
		return nil, err
	}

	cc := &compiler{
		path:     path,
		identity: fmt.Sprintf("%s %d %d", resolved, info.Size(), info.ModTime().UnixNano()),
		flags:    flags,
		read:     systemFolders,
	}
	for _, dir := range []string{filepath.Dir(path), filepath.Dir(resolved)} {
		cc.read = append(cc.read[:len(cc.read):len(cc.read)], dir)
	}
	for _, dir := range []string{"../lib", "../lib64", "../include"} {
		cc.read = append(cc.read, filepath.Join(filepath.Dir(resolved), dir))
	}
	// With a BPF target clang no longer looks where Debian keeps <asm/types.h>.
	if dir, ok := multiarch(); ok {
		cc.flags = append(cc.flags[:len(cc.flags):len(cc.flags)], "-I"+dir)
	}
	return cc, nil
}

// multiarch returns the include folder of this machine's architecture.
// Distributions other than Debian and its kin have none and need none.
func multiarch() (string, bool) {
	triple := map[string]string{
		"amd64":   "x86_64-linux-gnu",
		"arm64":   "aarch64-linux-gnu",
		"riscv64": "riscv64-linux-gnu",
	}[runtime.GOARCH]
	dir := filepath.Join("/usr/include", triple)
	if _, err := os.Stat(filepath.Join(dir, "asm")); triple == "" || err != nil {
		return "", false
	}
	return dir, true
}

// systemFolders are where a distribution keeps its compilers and headers.
var systemFolders = []string{"/usr", "/lib", "/lib32", "/lib64", "/libx32", "/bin", "/etc/ld.so.cache", "/nix/store", "/gnu/store"}

// key names the cache entry of a source and its headers. The system's headers are not in it:
// which ones a source includes is known only after it was compiled, see [entry.Deps].
func (cc *compiler) key(base string, files sources) string {
	return hash([]byte(strings.Join([]string{
		entryVersion, cc.identity, strings.Join(cc.flags, " "), base, files.content(),
	}, "\x00")))
}

// version returns the first line of clang --version, and keeps it in dir:
// asking takes almost as long as compiling.
func (cc *compiler) version(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "clang-"+hash([]byte(cc.identity)))
	if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), "version") {
		return string(line), nil
	}
	var out limitedBuffer
	c := cc.command("/", "", "--version")
	c.Output = &out
	r, err := sandbox.Run(ctx, c)
	if err == nil && r.Exit != nil {
		err = r.Exit
	}
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", cc.path, err)
	}
	line, _, _ := strings.Cut(out.String(), "\n")
	return line, writeFile(path, []byte(line))
}

// run compiles the source base, which lies in the folder in, into the folder out, and returns
// the warnings. Its text as the preprocessor leaves it is put beside the object.
func (cc *compiler) run(ctx context.Context, source, in, out string, files sources) ([]Diagnostic, error) {
	// "./" keeps a name that begins with a dash from being a flag. It is
	// dropped from the diagnostics again.
	base := "./" + filepath.Base(source)
	compile := append(cc.flags[:len(cc.flags):len(cc.flags)],
		"-MD", "-MF", filepath.Join(out, depsFile), "-MT", "out", "-o", filepath.Join(out, objectFile), "-c", base)
	preprocess := append(cc.flags[:len(cc.flags):len(cc.flags)], "-E", "-o", filepath.Join(out, textFile), base)

	// What the preprocessor makes of it is only looked at, and seldom refused: there is no
	// reason to wait for it.
	var group errgroup.Group
	group.Go(func() error {
		_, err := cc.once(ctx, source, in, out, preprocess)
		return err
	})
	diags, err := cc.once(ctx, source, in, out, compile)
	preprocessed := group.Wait()
	var rejected *CompileError
	if err != nil && !errors.As(err, &rejected) {
		return nil, err
	}
	if preprocessed != nil {
		if err != nil { // clang told it twice
			return nil, err
		}
		return nil, preprocessed
	}
	text, readErr := os.ReadFile(filepath.Join(out, textFile))
	if readErr != nil {
		return nil, fmt.Errorf("compile %s: read the preprocessor's text: %w", source, readErr)
	}
	if refused := refuseAsm(text, source, files); refused != nil {
		return nil, &CompileError{Source: source, Diagnostics: refused}
	}
	return diags, err
}

// once runs clang once and returns the warnings.
func (cc *compiler) once(ctx context.Context, source, in, out string, args []string) ([]Diagnostic, error) {
	var output limitedBuffer
	c := cc.command(in, out, args...)
	c.Output = &output
	r, err := sandbox.Run(ctx, c)
	if err != nil {
		if ctx.Err() != nil {
			return nil, fmt.Errorf("compile %s: %w", source, context.Cause(ctx))
		}
		return nil, err
	}
	diags := parseDiagnostics(output.String())
	if r.Exit == nil {
		return diags, nil
	}
	if missing := missingHeaders(); missing != "" {
		return nil, fmt.Errorf("compile %s: %s not found: %w", source, missing, ErrNoClang)
	}
	if r.Exceeded == sandbox.Time && r.CPU < time.Second { // who waits, waits for this machine
		return nil, fmt.Errorf("compile %s: clang took %.1f s of CPU time in %s: is this machine overloaded?", source, r.CPU.Seconds(), c.Limits.Time)
	}
	if killed(r) {
		return nil, fmt.Errorf("compile %s: clang was killed, though it was within its limits: has this machine run out of memory?", source)
	}
	if full(out) {
		return nil, fmt.Errorf("compile %s: there is no space left in %s", source, filepath.Dir(out))
	}
	return nil, newCompileError(source, diags, output.String(), r)
}

// command returns a command that inherits nothing (CPATH and its like change what is
// included), reads headers and the folder in, and writes the folder out.
func (cc *compiler) command(in, out string, args ...string) sandbox.Command {
	c := sandbox.Command{
		Path: cc.path, Args: args, Dir: in, Env: []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TMPDIR=" + out},
		Mode: cc.mode, Read: cc.read, Write: cc.write, Limits: clangLimits,
	}
	if out != "" {
		c.Read, c.Write = append(c.Read[:len(c.Read):len(c.Read)], in), append(c.Write[:len(c.Write):len(c.Write)], out)
	}
	return c
}

// full reports whether a disk has no room for what a compiler may write.
func full(dir string) bool {
	var fs unix.Statfs_t
	return unix.Statfs(dir, &fs) == nil && fs.Bavail*uint64(fs.Bsize) < maxFile
}

// missingHeaders names a header that every source needs and this machine lacks.
func missingHeaders() string {
	dirs := []string{"/usr/include", "/usr/local/include"}
	if dir, ok := multiarch(); ok {
		dirs = append(dirs, dir)
	}
	for _, header := range []string{"bpf/bpf_helpers.h", "linux/bpf.h", "asm/types.h"} {
		found := false
		for _, dir := range dirs {
			_, err := os.Stat(filepath.Join(dir, header))
			found = found || err == nil
		}
		if !found {
			return header
		}
	}
	return ""
}

// printable returns a text without what a terminal would take for orders.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' || unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}

// limitedBuffer keeps the first maxOutput bytes and drops the rest. It does not
// embed the buffer, whose ReadFrom would go round Write.
type limitedBuffer struct {
	buf bytes.Buffer
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), maxOutput-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) String() string { return printable(b.buf.String()) }
