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
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What one compile may use. A submission is not trusted, and ten lines of
// macros can make clang run for hours. Ordinary sources need 0.1 s and 150 MiB.
const (
	maxTime   = 30 * time.Second
	maxMemory = 2 << 30  // bytes of address space
	maxFile   = 16 << 20 // bytes of any file clang writes
	maxOutput = 64 << 10 // bytes of diagnostics
)

const (
	objectFile = "out.o"
	depsFile   = "out.d"
)

// flags are part of every object's identity: changing them recompiles all.
var flags = []string{
	"-target", "bpfel",
	// v3 has 32-bit jumps and atomics, the newest that Linux 5.10 loads.
	"-mcpu=v3",
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

// key names the cache entry of a source. Headers are not in it: which ones a
// source includes is known only after it was compiled, see [entry.Deps].
func (cc *compiler) key(base string, text []byte) string {
	return hash([]byte(strings.Join([]string{
		entryVersion, cc.identity, strings.Join(cc.flags, " "), base, string(text),
	}, "\x00")))
}

// version returns the first line of clang --version, and keeps it in dir:
// asking takes almost as long as compiling.
func (cc *compiler) version(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "clang-"+hash([]byte(cc.identity)))
	if line, err := os.ReadFile(path); err == nil && strings.Contains(string(line), "version") {
		return string(line), nil
	}
	out, err := cc.command(ctx, "--version").Output()
	if err != nil {
		return "", fmt.Errorf("ask %s for its version: %w", cc.path, err)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return line, writeFile(path, []byte(line))
}

// run compiles source into dir and returns the warnings.
func (cc *compiler) run(ctx context.Context, source, dir string) ([]Diagnostic, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}

	limited, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()

	base := filepath.Base(source)
	cmd := cc.command(limited, append(cc.flags[:len(cc.flags):len(cc.flags)],
		"-MD", "-MF", filepath.Join(dir, depsFile), "-MT", "out",
		"-o", filepath.Join(dir, objectFile),
		// "./" keeps a name that begins with a dash from being a flag. It is
		// dropped from the diagnostics again.
		"-c", "./"+base)...)
	cmd.Dir = filepath.Dir(source)
	// A source can print any file that this user can read, by #include or
	// .incbin. So the diagnostics are for whoever runs the grader, and clang
	// gets an environment in which /proc/self/environ holds nothing.
	cmd.Env = append(cmd.Env, "TMPDIR="+dir)
	var out limitedBuffer
	cmd.Stdout, cmd.Stderr = &out, &out

	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", cc.path, err)
	}
	limitErr := limit(cmd.Process.Pid)
	if limitErr != nil {
		cancel()
	}
	err = cmd.Wait()

	diags := parseDiagnostics(out.String())
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("compile %s: %w", source, context.Cause(ctx))
	case limitErr != nil:
		return nil, fmt.Errorf("limit clang's memory: %w", limitErr)
	case limited.Err() != nil:
		return nil, &CompileError{Source: source, Output: out.String(), Diagnostics: []Diagnostic{{
			File: source, Severity: "error",
			Text: fmt.Sprintf("clang did not finish within %s: make macros and includes simpler", maxTime),
		}}}
	case errors.As(err, &exit):
		if missing := missingHeaders(); missing != "" {
			return nil, fmt.Errorf("compile %s: %s not found: %w", source, missing, ErrNoClang)
		}
		return nil, newCompileError(source, diags, out.String(), exit)
	case err != nil:
		return nil, fmt.Errorf("run %s: %w", cc.path, err)
	}
	return diags, nil
}

// command returns a command that does not inherit the environment (CPATH and
// its like change what is included), has no input, and dies with its children
// when ctx ends.
func (cc *compiler) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cc.path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	return cmd
}

// limit caps what a process just started may use. It has run for microseconds
// by then; what it holds already counts.
func limit(pid int) error {
	for resource, max := range map[int]uint64{
		unix.RLIMIT_AS:    maxMemory,
		unix.RLIMIT_FSIZE: maxFile,
		unix.RLIMIT_CORE:  0,
	} {
		var old unix.Rlimit
		err := unix.Prlimit(pid, resource, nil, &old)
		if err == nil {
			max = min(max, old.Max) // only root may raise a limit
			err = unix.Prlimit(pid, resource, &unix.Rlimit{Cur: max, Max: max}, nil)
		}
		// It may be done already.
		if err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
	}
	return nil
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

// limitedBuffer keeps the first maxOutput bytes and drops the rest. It does not
// embed the buffer, whose ReadFrom would go round Write.
type limitedBuffer struct {
	buf bytes.Buffer
}

func (b *limitedBuffer) Write(p []byte) (int, error) {
	b.buf.Write(p[:min(len(p), maxOutput-b.buf.Len())])
	return len(p), nil
}

func (b *limitedBuffer) String() string { return b.buf.String() }
