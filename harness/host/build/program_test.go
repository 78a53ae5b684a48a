// SPDX-License-Identifier: Apache-2.0

package build

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/sandbox"
)

const module = "../../.."

const controllerText = `//go:build ignore

package main

import "bpflab/labs/lab12_3/controller"

type half struct{}

func (half) Next(controller.Interval) float64 { return 0.5 }

func main() { controller.Main(func() controller.Controller { return half{} }) }
`

func buildProgram(t *testing.T, cache, text string) (*Program, error) {
	t.Helper()
	return BuildProgram(t.Context(), cache, module, write(t, "controller.go", text), "bpflab/labs/lab12_3/controller")
}

func assertNoBuilds(t *testing.T, cache string) {
	t.Helper()
	for _, folder := range []string{"programs", "gopackages"} {
		left, err := filepath.Glob(filepath.Join(cache, folder, ".*"))
		require.NoError(t, err)
		assert.Empty(t, left, "left in the cache")
	}
}

func TestBuildProgram(t *testing.T) {
	cache := t.TempDir()
	one, err := buildProgram(t, cache, controllerText)
	require.NoError(t, err)
	two, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(one.ELF, two.ELF), "the same file in two folders, the same bytes")
	assert.Equal(t, one, two)
	assert.Equal(t, hash(one.ELF), one.SHA256)
	assert.Equal(t, hash([]byte(controllerText)), one.SourceSHA256)
	assert.Equal(t, sources{"controller.go": []byte(controllerText)}.content(), one.ContentSHA256)
	assert.NotContains(t, string(one.ELF), cache, "no path of this machine")
	assert.Regexp(t, `^go1\.`, one.Go)
	assertNoBuilds(t, cache)

	file, err := elf.NewFile(bytes.NewReader(one.ELF))
	require.NoError(t, err)
	assert.Equal(t, elf.EM_X86_64, file.Machine)
	for _, p := range file.Progs {
		assert.NotEqual(t, elf.PT_INTERP, p.Type, "a guest has no dynamic loader")
	}

	other, err := buildProgram(t, cache, controllerText+"\nvar _ = 1\n")
	require.NoError(t, err)
	assert.NotEqual(t, one.SourceSHA256, other.SourceSHA256)
}

// The environment does not get into a program.
func TestBuildProgramAlone(t *testing.T) {
	one, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	for name, value := range map[string]string{
		"GOFLAGS": "-tags=other", "GOARCH": "arm64", "GOOS": "darwin", "CGO_ENABLED": "1", "GOAMD64": "v3", "GOEXPERIMENT": "nothing",
	} {
		t.Setenv(name, value)
	}
	two, err := buildProgram(t, t.TempDir(), controllerText)
	require.NoError(t, err)
	assert.True(t, bytes.Equal(one.ELF, two.ELF))
}

func TestBuildProgramErrors(t *testing.T) {
	for name, tt := range map[string]struct {
		text, message string
		line          int // 0: of no line
	}{
		"a name that is not there":   {"package main\n\nfunc main() { nothing() }\n", "undefined: nothing", 3},
		"not Go":                     {"package main\n\nfunc main( {\n", "syntax error", 3},
		"two of a kind":              {"package main\n\nfunc main() {\n\tvar a string = 1\n\t_ = a\n}\n", "cannot use 1", 4},
		"too large":                  {"package main\n\nvar big = [20 << 20]byte{1}\n\nfunc main() { println(&big) }\n", "the program is 21 MiB; 16 MiB is the most", 0},
		"another package":            {"\npackage events\n\nfunc main() {}\n", "package events: a submission's Go program is package main", 2},
		"C":                          {"package main\n\nimport \"C\"\n\nfunc main() {}\n", `import "C"`, 3},
		"another's package":          {"package main\n\nimport _ \"example.com/ringbuffer\"\n\nfunc main() {}\n", "example.com/ringbuffer", 3},
		"a package that is not ours": {"package main\n\nimport _ \"bpflab/harness/nothing\"\n\nfunc main() {}\n", "bpflab/harness/nothing", 3},
		"not for this machine":       {"package main\n\nimport _ \"runtime/cgo/nothing\"\n\nfunc main() {}\n", "runtime/cgo/nothing", 3},
		"nothing":                    {"", "package statement must be first", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			_, err := buildProgram(t, cache, tt.text)
			var e *CompileError
			require.ErrorAs(t, err, &e)
			require.NotEmpty(t, e.Diagnostics)
			first := e.Diagnostics[0]
			assert.Contains(t, e.Error(), tt.message)
			assert.Equal(t, e.Source, first.File)
			assert.Equal(t, tt.line, first.Line, first.String())
			_, err = os.Stat(filepath.Join(cache, "programs"))
			if !errors.Is(err, os.ErrNotExist) { // refused before anything was made
				assertNoBuilds(t, cache)
			}
		})
	}
}

func TestBuildProgramWithoutGo(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := buildProgram(t, t.TempDir(), controllerText)
	require.ErrorIs(t, err, ErrNoGo)
	var e *CompileError
	assert.False(t, errors.As(err, &e), "that is not the submission's fault")
}

func TestBuildProgramInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	cache := t.TempDir()
	_, err := BuildProgram(ctx, cache, module, write(t, "controller.go", controllerText), "bpflab/labs/lab12_3/controller")
	require.ErrorIs(t, err, context.Canceled)
	assertNoBuilds(t, cache)
}

func TestBuildProgramIsNotThere(t *testing.T) {
	_, err := BuildProgram(t.Context(), t.TempDir(), module, filepath.Join(t.TempDir(), "controller.go"))
	require.ErrorIs(t, err, os.ErrNotExist)
}

// What costs the builder more than a program may is the program's fault.
func TestBuildProgramLimits(t *testing.T) {
	double := "const s0 = \"0123456789abcdef0123456789abcdef\"\n"
	for i := range 30 {
		double += fmt.Sprintf("const s%d = s%d + s%d\n", i+1, i, i)
	}
	for name, tt := range map[string]struct{ text, message string }{
		"constants":  {double + "func main() { println(len(s30), s24) }\n", "go compile needed more than 768 MiB of memory: make the program simpler"},
		"variables":  {"var big [260 << 20]byte\nfunc main() { big[len(\"a\")] = 1; println(&big) }\n", "variables take 260 MiB as it starts; 64 MiB is the most"},
		"a variable": {"var big [32 << 20]byte\nfunc main() { big[len(\"a\")] = 1; println(&big) }\n", ""},
		"a file":     {"var big = [80 << 20]byte{1}\nfunc main() { println(&big) }\n", "MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cache := t.TempDir()
			began := time.Now()
			_, err := buildProgram(t, cache, "package main\n"+tt.text)
			assert.Less(t, time.Since(began), time.Minute)
			assertNoBuilds(t, cache)
			if tt.message == "" {
				require.NoError(t, err)
				return
			}
			var e *CompileError
			require.ErrorAs(t, err, &e)
			assert.Contains(t, e.Error(), tt.message)
		})
	}
}

// Neither a module cache nor a network is needed to say what is wrong.
func TestBuildProgramWithoutModules(t *testing.T) {
	t.Setenv("GOMODCACHE", t.TempDir())
	t.Setenv("GOPROXY", "off")
	_, err := buildProgram(t, t.TempDir(), "package main\n\nimport \"bpflab/labs/lab12_3/controler\"\n\nfunc main() {}\n")
	var e *CompileError
	require.ErrorAs(t, err, &e)
	assert.Contains(t, e.Error(), `did you mean "bpflab/labs/lab12_3/controller"?`)
	require.Len(t, e.Diagnostics, 1)

	_, err = buildProgram(t, t.TempDir(), controllerText)
	require.ErrorContains(t, err, "go mod download")
	assert.False(t, errors.As(err, &e), "that is not the submission's fault")
}

// A submission's program has nothing of the grader's in it, and the packages that are there do not
// change with the folder of the clone.
func TestPackages(t *testing.T) {
	gc, err := findToolchain(t.Context())
	require.NoError(t, err)
	for _, imports := range [][]string{{"bpflab/labs/lab12_3/controller"}, {"bpflab/labs/lab12_2/consumer", "bpflab/harness/guest/ring", "golang.org/x/sys/unix"}} {
		b := Builder{Cache: t.TempDir()}
		p, err := b.loadPackages(t.Context(), gc, module, imports)
		require.NoError(t, err)
		for name := range p.File {
			if strings.HasPrefix(name, "bpflab/") || strings.Contains(strings.Split(name, "/")[0], ".") {
				assert.Contains(t, append([]string{"golang.org/x/sys/unix"}, imports...), name)
			}
		}
		again, err := b.loadPackages(t.Context(), gc, module, imports)
		require.NoError(t, err)
		assert.Equal(t, p.File, again.File)

		for _, file := range p.File { // one that was damaged is made again
			require.NoError(t, os.Chmod(filepath.Join(p.Dir, file), 0o644))
			require.NoError(t, os.Truncate(filepath.Join(p.Dir, file), 0))
			break
		}
		again, err = b.loadPackages(t.Context(), gc, module, imports)
		require.NoError(t, err)
		_, ok := readPackages(again.Dir, again.Key)
		assert.True(t, ok)
	}
}

// A compiler that is asked to cannot read what is not there for it, by whatever name.
func TestToolsAreConfined(t *testing.T) {
	if sandbox.Missing() != "" {
		t.Skip(sandbox.Missing())
	}
	out := t.TempDir()
	gc, err := findToolchain(t.Context())
	require.NoError(t, err)
	g := goBuild{toolchain: gc, packages: &packages{Dir: out}, in: out, out: out, source: "a.go"}
	secret := write(t, "secret.go", "package main\n")
	err = g.tool(t.Context(), "compile", compileLimits, "-o", filepath.Join(out, "a"), secret)
	assert.ErrorContains(t, err, "permission denied")
}

// What would get past the scan does not get past the sandbox: not by a flag, not by a macro.
func TestClangIsConfined(t *testing.T) {
	if sandbox.Missing() != "" {
		t.Skip(sandbox.Missing())
	}
	cc, err := findCompiler()
	require.NoError(t, err)
	in, out := t.TempDir(), t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(in, "a.c"), []byte("#define C(a, b) a ## b\n#if C(__has_, include)(\"/dev/zero\")\nfound\n#endif\nnothing\n"), 0o644))
	run := func(args ...string) string {
		t.Helper()
		var said limitedBuffer
		c := cc.command(in, out, append([]string{"-E"}, append(args, "./a.c")...)...)
		c.Output = &said
		_, err := sandbox.Run(t.Context(), c)
		require.NoError(t, err)
		return said.String()
	}
	assert.Contains(t, run(), "nothing")
	for _, path := range []string{"/etc/passwd", "/proc/self/environ", write(t, "secret.h", "root:\n")} {
		text := run("-include", path)
		assert.NotContains(t, text, "root:")
		assert.Contains(t, text, "Permission denied")
	}
}

func BenchmarkBuildProgram(b *testing.B) {
	path, cache := write(b, "controller.go", controllerText), b.TempDir()
	build := func() {
		_, err := BuildProgram(b.Context(), cache, module, path, "bpflab/labs/lab12_3/controller")
		require.NoError(b, err)
	}
	began := time.Now()
	build()
	b.Logf("the first, packages included: %v", time.Since(began))
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			require.NoError(b, os.RemoveAll(filepath.Join(cache, "programs")))
			build()
		}
	})
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			build()
		}
	})
}
