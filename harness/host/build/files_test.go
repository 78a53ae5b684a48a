// SPDX-License-Identifier: Apache-2.0

package build

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

const plainProgram = "int f(void) { return 0; }\n"

// A submission's files are regular, small and no links, and what is none is not read.
func TestFilesOfASubmission(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) { require.NoError(t, os.WriteFile(at(name), []byte(text), 0o644)) }
	put("real.bpf.c", plainProgram)
	require.NoError(t, os.Symlink(at("real.bpf.c"), at("link.bpf.c")))
	require.NoError(t, unix.Mkfifo(at("fifo.bpf.c"), 0o644))
	require.NoError(t, os.Mkdir(at("folder.bpf.c"), 0o755))
	put("sparse.bpf.c", "")
	require.NoError(t, os.Truncate(at("sparse.bpf.c"), 20<<30))
	put("just.bpf.c", plainProgram+strings.Repeat(" ", MaxSource-len(plainProgram)))
	put("over.bpf.c", plainProgram+strings.Repeat(" ", MaxSource-len(plainProgram)+1))

	for name, message := range map[string]string{
		"link.bpf.c": "is a symbolic link", "fifo.bpf.c": "must be a regular file", "folder.bpf.c": "must be a regular file",
		"sparse.bpf.c": "21474836480 bytes long; a submission's file may have 1048576", "over.bpf.c": "is 1048577 bytes long", "gone.bpf.c": "no such file",
	} {
		began := time.Now()
		_, err := Compile(t.Context(), t.TempDir(), at(name))
		assert.ErrorContains(t, err, message)
		assert.ErrorContains(t, err, at(name))
		_, err = BuildProgram(t.Context(), t.TempDir(), module, at(name))
		assert.ErrorContains(t, err, message)
		_, err = Content(at(name))
		assert.ErrorContains(t, err, message)
		assert.Less(t, time.Since(began), time.Minute, name)
	}
	_, err := Compile(t.Context(), t.TempDir(), "/dev/zero")
	assert.ErrorContains(t, err, "must be a regular file")
	_, err = Compile(t.Context(), t.TempDir(), at("just.bpf.c"))
	assert.NoError(t, err)
}

// So are its headers.
func TestHeadersOfASubmission(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	put := func(name, text string) { require.NoError(t, os.WriteFile(at(name), []byte(text), 0o644)) }
	source := at("counter.bpf.c")
	includes := func(names ...string) {
		text := ""
		for _, name := range names {
			text += fmt.Sprintf("#include %q\n", name)
		}
		put("counter.bpf.c", text+plainProgram)
	}
	put("ok.h", "#include \"deeper.h\"\n")
	put("deeper.h", "#include \"ok.h\" // in a circle\n#pragma once\n#define DEEPER\n")
	includes("ok.h")
	_, err := Compile(t.Context(), t.TempDir(), source)
	require.ErrorContains(t, err, "deeply", "clang's to say") // no include guard in ok.h
	put("ok.h", "#pragma once\n#include \"deeper.h\"\n")
	_, err = Compile(t.Context(), t.TempDir(), source)
	require.NoError(t, err)
	put("unused.h", "")
	headers, err := Headers(source)
	require.NoError(t, err)
	assert.Equal(t, []string{at("deeper.h"), at("ok.h")}, headers)

	secret := filepath.Join(t.TempDir(), "secret.h")
	require.NoError(t, os.WriteFile(secret, []byte("the key\n"), 0o644))
	require.NoError(t, os.Symlink(secret, at("link.h")))
	require.NoError(t, unix.Mkfifo(at("fifo.h"), 0o644))
	put("sparse.h", "")
	require.NoError(t, os.Truncate(at("sparse.h"), 20<<30))
	require.NoError(t, os.Mkdir(at("sub"), 0o755))
	put("sub/in.h", "\n")
	put("bad.h", "\n\n#include \"/etc/passwd\"\n")
	put("asks.h", "#if __has_include(\"link.h\")\n#endif\n")
	for name, want := range map[string]string{
		"link.h": "counter.bpf.c:1:1: error: #include \"link.h\": " + at("link.h") + " is a symbolic link", "fifo.h": "must be a regular file", "sparse.h": "21474836480 bytes",
		"sub/in.h": "lie beside the source, not in folders", "bad.h": "bad.h:3:1: error: #include \"/etc/passwd\"", "gone.h": "'gone.h' file not found",
		"asks.h": "asks.h:1:1: error: #include \"link.h\"",
	} {
		includes(name)
		began := time.Now()
		_, err := Compile(t.Context(), t.TempDir(), source)
		var ce *CompileError
		require.ErrorAs(t, err, &ce, name)
		assert.ErrorContains(t, err, want)
		assert.NotContains(t, err.Error(), "the key")
		assert.Len(t, ce.SourceSHA256, 64)
		assert.Less(t, time.Since(began), time.Minute, name)
	}

	var many []string
	for i := range maxHeaders + 1 {
		many = append(many, fmt.Sprintf("h%d.h", i))
		put(many[i], "\n")
	}
	includes(many[1:]...)
	_, err = Compile(t.Context(), t.TempDir(), source)
	require.NoError(t, err)
	includes(many...)
	_, err = Compile(t.Context(), t.TempDir(), source)
	assert.ErrorContains(t, err, "may have 16 headers")

	put("big1.h", "//"+strings.Repeat(" ", MaxSource-2))
	put("big2.h", "//"+strings.Repeat(" ", MaxSource-2))
	includes("big1.h", "big2.h")
	_, err = Compile(t.Context(), t.TempDir(), source)
	assert.ErrorContains(t, err, "2097152 bytes together")
}

// The sum covers what is compiled, and what it covers can be had by two commands.
func TestContent(t *testing.T) {
	dir, cache := t.TempDir(), t.TempDir()
	source := filepath.Join(dir, "counter.bpf.c")
	put := func(name, text string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644))
	}
	content := func() string {
		t.Helper()
		sum, err := Content(source)
		require.NoError(t, err)
		obj, err := Compile(t.Context(), cache, source)
		require.NoError(t, err)
		assert.Equal(t, sum, obj.ContentSHA256)
		return sum
	}
	put("counter.bpf.c", "#include \"answers.h\"\nint f(void) { return ANSWER; }\n")
	put("answers.h", "#define ANSWER 1\n")
	first := content()
	out, err := exec.Command("sh", "-c", "cd "+dir+" && LC_ALL=C sha256sum answers.h counter.bpf.c | sha256sum").Output()
	require.NoError(t, err)
	assert.Equal(t, strings.Fields(string(out))[0], first)

	put("answers.h", "#define ANSWER 2\n")
	second := content()
	assert.NotEqual(t, first, second, "another header, another sum")
	put("more.h", "")
	assert.Equal(t, second, content(), "nobody includes it")
	put("answers.h", "#define ANSWER 1\n")
	assert.Equal(t, first, content())

	put("counter.bpf.c", plainProgram)
	out, err = exec.Command("sh", "-c", "cd "+dir+" && sha256sum counter.bpf.c | sha256sum").Output()
	require.NoError(t, err)
	assert.Equal(t, strings.Fields(string(out))[0], content())

	put("counter.bpf.c", "#embed \"/etc/passwd\"\n") // a watch wants to know of it all the same
	sum, err := Content(source)
	require.NoError(t, err)
	assert.NotEqual(t, first, sum)
}

// clang names what it looked at in a file, which a source has some power over.
func TestDependencies(t *testing.T) {
	files := sources{"a.bpf.c": nil, "own name.h": nil}
	read := func(rule string) (map[string]string, error) {
		return readDeps(write(t, "out.d", rule), files, []string{"/usr", "/lib"})
	}
	deps, err := read("out: ./a.bpf.c own\\ name.h \\\n  /usr/include/linux/bpf.h\n")
	require.NoError(t, err)
	assert.Len(t, deps, 1)
	for _, name := range []string{"/dev/zero", "/dev/stdin", "/etc/passwd", "/usr/../etc/passwd", "other.h", "../a.bpf.c", "/usrlocal/x.h", "/proc/self/environ"} {
		began := time.Now()
		_, err := read("out: ./a.bpf.c " + name + "\n")
		var foreign *foreignError
		require.ErrorAs(t, err, &foreign, name)
		assert.Contains(t, err.Error(), filepath.Clean(name))
		assert.Less(t, time.Since(began), time.Minute)
	}
	_, err = read("nothing")
	assert.ErrorContains(t, err, "expected a make rule")
}

// An object is forgotten before a newer one.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	put := func(name string, size int, age time.Duration) {
		t.Helper()
		path := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(path, make([]byte, size), 0o644))
		at := time.Now().Add(-age)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	put("new", 100, 0)
	put("old", 100, time.Minute)
	put("older", 100, 2*time.Minute)
	put(".new-1", 1000, 2*time.Hour)
	put(".new-2", 1000, time.Minute)
	require.NoError(t, os.Mkdir(filepath.Join(dir, ".compile-1"), 0o755))
	put(".compile-1/in", 10, 0)
	then := time.Now().Add(-2 * time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, ".compile-1"), then, then))
	tidy(dir, 200)
	var left []string
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		left = append(left, e.Name())
	}
	assert.Equal(t, []string{".new-2", "new", "old"}, left)
	tidy(filepath.Join(dir, "nowhere"), 0)
}

// Of compiled packages a few sets are kept.
func TestForgetPackages(t *testing.T) {
	folder := t.TempDir()
	for i := range 6 {
		path := filepath.Join(folder, fmt.Sprint(i))
		require.NoError(t, os.Mkdir(path, 0o755))
		at := time.Now().Add(-time.Duration(i) * time.Minute)
		require.NoError(t, os.Chtimes(path, at, at))
	}
	require.NoError(t, os.Mkdir(filepath.Join(folder, ".build-1"), 0o755))
	forgetPackages(folder)
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	assert.Equal(t, []string{".build-1", "0", "1", "2"}, left)
}

// Nothing of the terminal's is left of what a source has clang print.
func TestPrintable(t *testing.T) {
	_, err := Compile(t.Context(), t.TempDir(), write(t, "a.bpf.c", "#error \x1b[2J\x1b]0;owned\x07 \u202e\n"))
	var ce *CompileError
	require.ErrorAs(t, err, &ce)
	for _, r := range []string{"\x1b", "\x07", "\u202e"} {
		assert.NotContains(t, err.Error(), r)
		assert.NotContains(t, ce.Output, r)
	}
	assert.Contains(t, err.Error(), "#error")
}
