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
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/sandbox"
)

const source = "testdata/counter.bpf.c"

// write puts text into a file of a fresh folder and returns its path.
func write(t testing.TB, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// countingClang puts a clang into PATH that notes each run in a file, and
// returns a function that tells how often it compiled, and a builder whose
// compilers may write such notes.
func countingClang(t *testing.T, cache, script string) (func() int, Builder) {
	t.Helper()
	clang, err := exec.LookPath("clang")
	require.NoError(t, err, "these tests need clang: apt-get install clang libbpf-dev linux-libc-dev")
	dir, notes := t.TempDir(), t.TempDir()
	log := filepath.Join(notes, "log")
	text := fmt.Sprintf("#!/bin/sh\ncd %s; echo \"$*\" >> %s\n%s\ncd \"$OLDPWD\"; exec %s \"$@\"\n", notes, log, script, clang)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "clang"), []byte(text), 0o755))
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
	runs := func() int {
		raw, _ := os.ReadFile(log)
		return strings.Count(string(raw), " -c ")
	}
	return runs, Builder{Cache: cache, write: []string{notes}}
}

func assertNoTemporaries(t *testing.T, cache string) {
	t.Helper()
	left, err := filepath.Glob(filepath.Join(cache, "objects", ".*"))
	require.NoError(t, err)
	assert.Empty(t, left, "temporary files left in the cache")
}

func TestCompile(t *testing.T) {
	cache := t.TempDir()
	obj, err := Compile(t.Context(), cache, source)
	require.NoError(t, err)

	text, err := os.ReadFile(source)
	require.NoError(t, err)
	assert.Equal(t, hash(obj.ELF), obj.SHA256)
	assert.Equal(t, hash(text), obj.SourceSHA256)
	assert.Equal(t, source, obj.Source)
	assert.Contains(t, obj.Clang, "clang version")
	assert.Empty(t, obj.Warnings)
	assertNoTemporaries(t, cache)

	spec, err := ebpf.LoadCollectionSpecFromReader(bytes.NewReader(obj.ELF))
	require.NoError(t, err)
	assert.Contains(t, spec.Programs, "count_packets")
	assert.Contains(t, spec.Maps, "counts")
	assert.Contains(t, spec.Variables, "verdict")
}

func TestCompileErrors(t *testing.T) {
	tests := []struct {
		name, text string
		line       int
		want       string
	}{
		{"syntax", "int f(void)\n{\n\treturn 1\n}\n", 3, "expected ';' after return statement\n.* return 1\n"},
		{"implicit", "int f(void) { return bpf_nothing(); }\n", 1, "(implicit declaration of|call to undeclared) function 'bpf_nothing'"},
		{"include", "#include \"gone.h\"\n", 1, "'gone.h' file not found"},
		{"backend", "int f(int a, int b, int c, int d, int e, int g) { return g; }\n", 1, "args|stack arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := write(t, "bad.bpf.c", tt.text)
			cache := t.TempDir()
			_, err := Compile(t.Context(), cache, path)

			var ce *CompileError
			require.ErrorAs(t, err, &ce)
			assert.Equal(t, path, ce.Source)
			assert.Equal(t, path, ce.Diagnostics[0].File)
			assert.Equal(t, tt.line, ce.Diagnostics[0].Line)
			assert.Contains(t, err.Error(), fmt.Sprintf("%s:%d:", path, tt.line))
			assert.Regexp(t, tt.want, err.Error(), "clang 14's words, or those of 19")
			assertNoTemporaries(t, cache)
		})
	}
}

func TestCompileWarning(t *testing.T) {
	path := write(t, "warn.bpf.c", "int f(void)\n{\n\tint unused;\n\treturn 0;\n}\n")
	cache := t.TempDir()
	for range 2 { // compiled, then from the cache
		obj, err := Compile(t.Context(), cache, path)
		require.NoError(t, err)
		require.Len(t, obj.Warnings, 1)
		w := obj.Warnings[0]
		assert.Equal(t, path, w.File)
		assert.Equal(t, 3, w.Line)
		assert.Equal(t, "warning", w.Severity)
		assert.Contains(t, w.Excerpt, "int unused;")
	}
}

func TestCompileDoesNotDependOnDirectory(t *testing.T) {
	text, err := os.ReadFile(source)
	require.NoError(t, err)

	var objects []*Object
	for range 2 {
		obj, err := Compile(t.Context(), t.TempDir(), write(t, "counter.bpf.c", string(text)))
		require.NoError(t, err)
		objects = append(objects, obj)
	}
	assert.Equal(t, objects[0].ELF, objects[1].ELF)
	assert.NotContains(t, string(objects[0].ELF), os.TempDir())
}

func TestCompileIgnoresEnvironment(t *testing.T) {
	text := "#if __has_include(\"secret.h\")\n#error found\n#endif\nint f(void) { return 0; }\n"
	t.Setenv("CPATH", filepath.Dir(write(t, "secret.h", "")))
	_, err := Compile(t.Context(), t.TempDir(), write(t, "env.bpf.c", text))
	require.NoError(t, err)
}

func TestCache(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	runs, builder := countingClang(t, cache, "")
	path, header := filepath.Join(dir, "a b.bpf.c"), filepath.Join(dir, "limit.h")
	put := func(path, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
	compile := func() *Object {
		t.Helper()
		obj, err := builder.Compile(t.Context(), path)
		require.NoError(t, err)
		return obj
	}
	put(path, "#include <linux/bpf.h>\n#include \"limit.h\"\nint f(void) { return LIMIT; }\n")
	put(header, "#define LIMIT 1\n")

	first := compile()
	assert.Equal(t, 1, runs())
	assert.Equal(t, first, compile())
	assert.Equal(t, 1, runs(), "a hit must not run clang")

	put(header, "#define LIMIT 2\n")
	changed := compile()
	assert.Equal(t, 2, runs(), "a changed header must recompile")
	assert.NotEqual(t, first.SHA256, changed.SHA256)

	put(path, "#include <linux/bpf.h>\n#include \"limit.h\"\n#if __has_include(\"more.h\")\n#include \"more.h\"\n#endif\nint f(void) { return LIMIT; }\n")
	changed = compile()
	assert.Equal(t, 3, runs())
	put(filepath.Join(dir, "more.h"), "#undef LIMIT\n#define LIMIT 3\n")
	assert.NotEqual(t, changed.SHA256, compile().SHA256, "a header that appears makes another object")
	assert.Equal(t, 4, runs())
	require.NoError(t, os.Remove(filepath.Join(dir, "more.h")))
	assert.Equal(t, changed, compile(), "and is forgotten when it goes")
	assert.Equal(t, 4, runs())
	put(filepath.Join(dir, "nobody.h"), "#error nobody includes it\n")
	assert.Equal(t, changed, compile())

	entries, err := filepath.Glob(filepath.Join(cache, "objects/*"))
	require.NoError(t, err)
	for _, entry := range entries { // all but that of this source
		if raw, err := os.ReadFile(entry); assert.NoError(t, err) && !strings.Contains(string(raw), changed.SHA256) {
			if !strings.Contains(entry, "/clang-") {
				require.NoError(t, os.Remove(entry))
			}
		}
	}
	entries, err = filepath.Glob(filepath.Join(cache, "objects/[0-9a-f][0-9a-f]*"))
	require.NoError(t, err)
	require.Len(t, entries, 1)
	good, err := os.ReadFile(entries[0])
	require.NoError(t, err)
	for name, damaged := range map[string]string{
		"cut":     string(good[:len(good)/2]),
		"empty":   "",
		"foreign": "{}",
		"flipped": strings.Replace(string(good), `"ELF":"f0VMR`, `"ELF":"f0VMS`, 1),
	} {
		before := runs()
		put(entries[0], damaged)
		assert.Equal(t, changed, compile(), name)
		assert.Equal(t, before+1, runs(), name)
	}
	assertNoTemporaries(t, cache)
}

func TestCacheUnwritable(t *testing.T) {
	// A file in the folder's place stops root too.
	cache := write(t, "cache", "")
	_, err := Compile(t.Context(), cache, source)
	assert.ErrorContains(t, err, "make "+cache+" writable")
}

func TestClangMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Compile(t.Context(), t.TempDir(), source)
	require.ErrorIs(t, err, ErrNoClang)
	assert.ErrorContains(t, err, "apt-get install clang libbpf-dev linux-libc-dev")
}

func TestConcurrentCompiles(t *testing.T) {
	cache := t.TempDir()
	var wg sync.WaitGroup
	sums := make([]string, 8)
	for i := range sums {
		wg.Go(func() {
			obj, err := Compile(t.Context(), cache, source)
			if assert.NoError(t, err) {
				sums[i] = obj.SHA256
			}
		})
	}
	wg.Wait()
	for _, sum := range sums {
		assert.Equal(t, sums[0], sum)
	}
	assertNoTemporaries(t, cache)
}

func TestCancelledCompileLeavesNothing(t *testing.T) {
	// The shell's child must go too, or it would hold the pipe open.
	cache := t.TempDir()
	_, builder := countingClang(t, cache, `case "$*" in *" -c "*) sleep 100 & echo $! > pid.tmp; mv pid.tmp pid; wait;; esac`)
	pidFile := filepath.Join(builder.write[0], "pid")

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := builder.Compile(ctx, source)
		done <- err
	}()
	var pid string
	require.Eventually(t, func() bool {
		raw, err := os.ReadFile(pidFile)
		pid = strings.TrimSpace(string(raw))
		return err == nil
	}, 10*time.Second, time.Millisecond)
	cancel()

	require.ErrorIs(t, <-done, context.Canceled)
	assertNoTemporaries(t, cache)
	assert.Eventually(t, func() bool {
		stat, err := os.ReadFile("/proc/" + pid + "/stat")
		// Nobody may be there to reap an orphan in a container.
		return err != nil || strings.Contains(string(stat), ") Z ")
	}, 5*time.Second, time.Millisecond, "process %s is still alive", pid)
}

func TestCompileLimits(t *testing.T) {
	for name, tt := range map[string]struct{ text, message string }{
		// 256 MiB of object from one line.
		"file":   {"char a[1 << 28] = {1};\n", "MiB"},
		"CPU":    {"#define A(x) x x x x x x x x x x x x x x x x\n#define B(x) A(A(A(A(x))))\n#define C(x) B(B(x))\nint f(int i) { C(C(i++;)) return i; }\n", "clang"},
		"memory": {"#define A(...) __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__ __VA_ARGS__\nint a[] = {\nA(A(A(A(A(A(A(A(1,))))))))\n};\n", "clang needed more than 640 MiB of memory"},
	} {
		t.Run(name, func(t *testing.T) {
			cache := t.TempDir()
			began := time.Now()
			_, err := Compile(t.Context(), cache, write(t, "huge.bpf.c", tt.text))
			var ce *CompileError
			require.ErrorAs(t, err, &ce)
			assert.ErrorContains(t, err, "make the source simpler")
			assert.ErrorContains(t, err, tt.message)
			assertNoTemporaries(t, cache)
			t.Log(time.Since(began), ce.Diagnostics[0])
		})
	}

	_, builder := countingClang(t, t.TempDir(), "sleep 0.2; cat /proc/self/limits > limits")
	builder.Sandbox = sandbox.Off // /proc is not clang's to read
	_, err := builder.Compile(t.Context(), source)
	require.NoError(t, err)
	raw, err := os.ReadFile(filepath.Join(builder.write[0], "limits"))
	require.NoError(t, err)
	assert.Regexp(t, fmt.Sprintf(`Max address space +%d `, clangLimits.AddressSpace), string(raw))
	assert.Regexp(t, `Max core file size +0 `, string(raw))
}

// A machine that runs out of memory kills the largest process, which is not the source's fault.
func TestKilledByAnother(t *testing.T) {
	_, builder := countingClang(t, t.TempDir(), `case "$*" in *-c*) kill -9 $$ ;; esac`)
	_, err := builder.Compile(t.Context(), source)
	var ce *CompileError
	require.False(t, errors.As(err, &ce), "%v", err)
	require.ErrorContains(t, err, "clang was killed, though it was within its limits")
}

func TestOutputLimit(t *testing.T) {
	text := ""
	for i := range 40 {
		text += fmt.Sprintf("int h%d(void) { int %s; return 0; }\n", i, strings.Repeat("v", 4000))
	}
	obj, err := Compile(t.Context(), t.TempDir(), write(t, "loud.bpf.c", text))
	require.NoError(t, err)
	n := 0
	for _, w := range obj.Warnings {
		n += len(w.String())
	}
	assert.LessOrEqual(t, n, maxOutput+1<<12)
}

func BenchmarkCompile(b *testing.B) {
	cache := b.TempDir()
	b.Run("cold", func(b *testing.B) {
		for b.Loop() {
			_, err := Compile(b.Context(), b.TempDir(), source)
			require.NoError(b, err)
		}
	})
	b.Run("warm", func(b *testing.B) {
		for b.Loop() {
			_, err := Compile(b.Context(), cache, source)
			require.NoError(b, err)
		}
	})
}
