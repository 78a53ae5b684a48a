// SPDX-License-Identifier: Apache-2.0

package objects

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/build"
	"bpflab/harness/host/sandbox"
)

const source = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\nSEC(\"xdp\") int p(void *ctx) { return 1; }\n"

// put writes files below a folder, by name.
func put(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	}
}

func reader(t *testing.T) Reader {
	return Reader{Builder: build.Builder{Cache: t.TempDir(), Sandbox: sandbox.Auto}, Stdin: strings.NewReader("")}
}

// read reads inputs and returns what became of each by name.
func read(t *testing.T, r Reader, names ...string) map[string]Object {
	t.Helper()
	all, err := r.Read(t.Context(), names)
	require.NoError(t, err)
	of := map[string]Object{}
	for _, o := range all {
		require.NotContains(t, of, o.Name)
		require.Equal(t, o.Broken == "", len(o.ELF) > 0, o.Name)
		of[o.Name] = o
	}
	return of
}

func isBroken(t *testing.T, o Object, why string) {
	t.Helper()
	assert.Contains(t, o.Broken, why)
	assert.Empty(t, o.ELF)
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	odd := "a name\nwith a line.bpf.c"
	put(t, dir, map[string]string{
		"good.bpf.c": source, odd: source, "bad.bpf.c": "int f(void)\n{\n\treturn 1\n}\n", "text.txt": "hello", "big.o": strings.Repeat("x", MaxObject+1),
		"short.o": "\x7fELF",
	})
	at := func(name string) string { return filepath.Join(dir, name) }
	of := read(t, reader(t), at("good.bpf.c"), at(odd), at("bad.bpf.c"), at("text.txt"), at("big.o"), at("short.o"))
	assert.True(t, isELF(of[at("good.bpf.c")].ELF))
	assert.True(t, isELF(of[at(odd)].ELF))
	isBroken(t, of[at("bad.bpf.c")], at("bad.bpf.c")+" does not compile:\n"+at("bad.bpf.c")+":3:10: error: expected ';'")
	isBroken(t, of[at("text.txt")], "text.txt is neither C source (*.c) nor a BPF object")
	isBroken(t, of[at("big.o")], "big.o is 8388609 bytes long: expected at most 8388608")
	isBroken(t, of[at("short.o")], "is an ELF file that is cut off in its header")

	// A file that is damaged or not readable says nothing of the others.
	good := string(of[at("good.bpf.c")].ELF)
	put(t, dir, map[string]string{"whole.o": good, "cut.o": good[:len(good)-1], "far.o": good[:40] + strings.Repeat("\xff", 24) + good[64:]})
	of = read(t, reader(t), at("cut.o"), at("far.o"), "/proc/self/mem", at("whole.o"))
	isBroken(t, of[at("cut.o")], fmt.Sprintf("cut.o is cut off or damaged: by its ELF header the table of sections ends at byte %d, and the file at %d", len(good), len(good)-1))
	isBroken(t, of[at("far.o")], "far.o is cut off or damaged: ")
	h := []byte(good)
	copy(h[40:48], "\xff\xff\xff\xff\xff\xff\xff\xff")
	copy(h[58:62], "\x01\x00\x01\x00")
	assert.Contains(t, object("x", h).Broken, "is cut off or damaged: ")
	isBroken(t, of["/proc/self/mem"], "/proc/self/mem cannot be read: input/output error")
	assert.Equal(t, good, string(of[at("whole.o")].ELF))

	put(t, dir, map[string]string{"many.bpf.c": "int a = x;\nint b = x;\nint c = x;\nint d = x;\nint e = x;\nint f = x;\nint g = x;\n"})
	many := read(t, reader(t), at("many.bpf.c"))[at("many.bpf.c")].Broken
	assert.Equal(t, maxErrors, strings.Count(many, "error: "))
	assert.True(t, strings.HasSuffix(many, "\nnote: and 3 more"), many)

	_, err := reader(t).Read(t.Context(), []string{at("none")})
	assert.ErrorIs(t, err, os.ErrNotExist)
}

// Headers are found beside the source, in folders below it and in those that are named.
func TestHeaders(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	put(t, dir, map[string]string{"src/p.bpf.c": "#include \"beside.h\"\n#include <below/b.h>\n#include <other.h>\n" + source, "src/beside.h": "", "src/below/b.h": ""})
	put(t, other, map[string]string{"other.h": ""})
	path := filepath.Join(dir, "src/p.bpf.c")
	isBroken(t, read(t, reader(t), path)[path], "'other.h' file not found")
	r := reader(t)
	r.Include = []string{other}
	assert.Empty(t, read(t, r, path)[path].Broken)
}

// A file of a project that is read as a whole may include the project's other headers; a file by itself may not.
func TestHeadersOfProject(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"src/p.bpf.c": "#include \"../common/c.h\"\n" + source, "common/c.h": ""})
	path := filepath.Join(dir, "src/p.bpf.c")
	assert.Empty(t, read(t, reader(t), dir)[path].Broken)
	if sandbox.Missing() == "" { // the kernel can confine a compiler
		isBroken(t, read(t, reader(t), path)[path], "name other folders with -I")
	}
	r := reader(t)
	r.Include = []string{filepath.Join(dir, "common")}
	assert.Empty(t, read(t, r, path)[path].Broken)
}

// A vmlinux.h that a source does not bring is made, once it is wanted.
func TestVmlinux(t *testing.T) {
	dir, made := t.TempDir(), t.TempDir()
	put(t, dir, map[string]string{"p.bpf.c": "#include \"vmlinux.h\"\nstruct made_of_types x;\n", "own/p.bpf.c": "#include \"vmlinux.h\"\nint y;\n", "own/vmlinux.h": ""})
	put(t, made, map[string]string{"new/vmlinux.h": "struct renamed { int a; };\n", "old/vmlinux.h": "struct made_of_types { int a; };\n"})
	r := reader(t)
	var asked []string
	r.Headers = []string{"new", "old", "older"}
	r.Header = func(_ context.Context, kernel string) (string, error) {
		asked = append(asked, kernel)
		return filepath.Join(made, kernel), nil
	}
	path, own := filepath.Join(dir, "p.bpf.c"), filepath.Join(dir, "own/p.bpf.c")
	of := read(t, r, path, own)
	assert.Empty(t, of[path].Broken)
	assert.Equal(t, "compiled with the vmlinux.h of Linux old: those of later kernels lack what it uses", of[path].Note)
	assert.Empty(t, of[own].Broken)
	assert.Empty(t, of[own].Note)
	assert.Equal(t, []string{"new", "old"}, asked)

	r.Headers = []string{"old"}
	assert.Empty(t, read(t, r, path)[path].Note)
	r.Headers = []string{"new"}
	isBroken(t, read(t, r, path)[path], "p.bpf.c:2:22: error: ")
	r.Header = func(context.Context, string) (string, error) { return "", fmt.Errorf("no bpftool: %w", ErrNoHeader) }
	isBroken(t, read(t, r, path)[path], path+" includes vmlinux.h: no bpftool")
	r.Header = func(context.Context, string) (string, error) { return "", errors.New("the guest is lost") }
	_, err := r.Read(t.Context(), []string{path})
	assert.EqualError(t, err, "the guest is lost")
}

func TestStdin(t *testing.T) {
	for text, want := range map[string]string{
		source: "", "int f(void) { return }\n": "- does not compile:\n-:1:22: error", "": "standard input is empty",
		"\x7fELF": "- is an ELF file that is cut off", strings.Repeat("x", MaxObject+1): "more than 8 MiB",
	} {
		r := reader(t)
		r.Stdin = strings.NewReader(text)
		o := read(t, r, "-")["-"]
		if want == "" {
			assert.Empty(t, o.Broken)
			continue
		}
		isBroken(t, o, want)
	}
}

// header is the beginning of an ELF file.
func header(class, data byte, kind, machine uint16) string {
	h := make([]byte, headerSize)
	copy(h, "\x7fELF")
	h[4], h[5] = class, data
	order := [][2]int{{0, 1}, {1, 0}}[data&1^1]
	h[16+order[0]], h[16+order[1]] = byte(kind), byte(kind>>8)
	h[18+order[0]], h[18+order[1]] = byte(machine), byte(machine>>8)
	return string(h)
}

func TestForeignELF(t *testing.T) {
	for _, tt := range []struct{ elf, want string }{
		{header(2, 1, 1, 247), ""},
		{header(2, 2, 1, 247), "big-endian"},
		{header(2, 1, 2, 247), "a linked BPF file"},
		{header(2, 1, 1, 62), "an ELF file for EM_X86_64, not a BPF object"},
		{header(2, 2, 1, 62), "an ELF file for EM_X86_64"},
		{header(1, 1, 1, 247), "no 64-bit one"},
		{header(2, 0, 1, 247), "no 64-bit one"},
	} {
		if tt.want == "" {
			assert.Empty(t, wrong([]byte(tt.elf)))
			continue
		}
		assert.Contains(t, wrong([]byte(tt.elf)), tt.want)
	}
}

func TestFolder(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{
		"a/p.bpf.c": source, "b/q.o": header(2, 1, 1, 247), "b/host.o": header(2, 1, 1, 62), "b/user.c": "#include <bpf/bpf_helpers.h>\nint main(void) {}", "b/host.c": "SEC(\"x\")", "c/r_kern.c": source, ".git/x.bpf.c": source, "README": "",
	})
	of := read(t, reader(t), dir)
	assert.Len(t, of, 3)
	assert.Contains(t, of, filepath.Join(dir, "c/r_kern.c"))
	assert.Contains(t, of, filepath.Join(dir, "a/p.bpf.c"))
	assert.Contains(t, of, filepath.Join(dir, "b/q.o"))
	empty := t.TempDir()
	isBroken(t, read(t, reader(t), empty)[empty], "holds no BPF program: no C source with a SEC(), and no BPF object")
}

func tarOf(t *testing.T, files map[string]string, links ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text))}))
		_, err := w.Write([]byte(text))
		require.NoError(t, err)
	}
	for _, name := range links {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"}))
	}
	require.NoError(t, w.Close())
	return out.Bytes()
}

func gzipped(t *testing.T, raw []byte) string {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err := w.Write(raw)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return out.String()
}

func zipOf(t *testing.T, files map[string]string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write([]byte(text))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return out.String()
}

func TestArchives(t *testing.T) {
	dir, tmp := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	files := map[string]string{"x/p.bpf.c": source, "x/README": "hello"}
	plain := tarOf(t, files, "x/link.bpf.c")
	put(t, dir, map[string]string{
		"a.tar": string(plain), "b.tar.gz": gzipped(t, plain), "c.tgz": gzipped(t, plain), "d.zip": zipOf(t, files),
		"cut.tar.gz": gzipped(t, plain)[:100], "out.tar": string(tarOf(t, map[string]string{"../out.bpf.c": source})), "out.zip": zipOf(t, map[string]string{"/tmp/out.bpf.c": source}),
		"bomb.tar.gz": gzipped(t, tarOf(t, map[string]string{"zeros": strings.Repeat("\x00", maxTotal+1)})),
	})
	for _, name := range []string{"a.tar", "b.tar.gz", "c.tgz", "d.zip"} {
		path := filepath.Join(dir, name)
		of := read(t, reader(t), path)
		require.Len(t, of, 1, name)
		assert.Empty(t, of[filepath.Join(path, "x/p.bpf.c")].Broken)
	}
	for name, want := range map[string]string{
		"cut.tar.gz": "cannot be unpacked: unexpected EOF", "out.tar": "outside of the folder", "out.zip": "outside of the folder", "bomb.tar.gz": "it holds more than 64 MiB",
	} {
		path := filepath.Join(dir, name)
		isBroken(t, read(t, reader(t), path)[path], want)
	}
	left, err := os.ReadDir(tmp)
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestTooManyFiles(t *testing.T) {
	files := map[string]string{}
	for i := range maxFiles + 1 {
		files[fmt.Sprint(i)] = ""
	}
	path := filepath.Join(t.TempDir(), "many.zip")
	require.NoError(t, os.WriteFile(path, []byte(zipOf(t, files)), 0o644))
	isBroken(t, read(t, reader(t), path)[path], "it holds more than 10000 files")
}

// Whatever bytes an input has, it is an object or said to be broken.
func FuzzFile(f *testing.F) {
	f.Add([]byte(header(2, 1, 1, 247)))
	f.Add([]byte(header(2, 2, 1, 62)))
	f.Add([]byte("\x7fELF"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		path := filepath.Join(t.TempDir(), "x.o")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		o, err := Reader{}.file(t.Context(), "x.o", path, "")
		require.NoError(t, err)
		assert.Equal(t, o.Broken == "", len(o.ELF) > 0)
	})
}

// What clang warns of is kept beside the object.
func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	put(t, dir, map[string]string{"warns.bpf.c": source + "int f(void) { int x; return x; }\n", "plain.bpf.c": source,
		"vmlinux.h": "struct a { struct b; };\n", "kernel.bpf.c": "#include \"vmlinux.h\"\n" + source})
	all := read(t, reader(t), dir)
	assert.Empty(t, all[filepath.Join(dir, "kernel.bpf.c")].Warnings)
	assert.Empty(t, all[filepath.Join(dir, "plain.bpf.c")].Warnings)
	warns := all[filepath.Join(dir, "warns.bpf.c")]
	require.Len(t, warns.Warnings, 1)
	assert.Contains(t, warns.Warnings[0], filepath.Join(dir, "warns.bpf.c")+":4:29: warning: variable 'x' is uninitialized")
}
