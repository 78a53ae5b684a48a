// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"compress/gzip"
	"debug/elf"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/u-root/u-root/pkg/cpio"
	"github.com/ulikunitz/xz"
)

// fixture writes an init and a tree of modules:
//
//	net/veth.ko           depends on ptr_ring, page-pool
//	lib/ptr-ring.ko.xz    depends on base
//	lib/page_pool.ko.zst  depends on base
//	lib/base.ko.gz
func fixture(t *testing.T) (init, modules string) {
	t.Helper()
	dir := t.TempDir()
	put := func(name string, b []byte) {
		name = filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o755))
		require.NoError(t, os.WriteFile(name, b, 0o644))
	}
	put("init", executable(elf.EM_X86_64, elf.PT_LOAD))
	put("m/net/veth.ko", relocatable("license=GPL\x00depends=ptr_ring,page-pool\x00name=veth\x00"))
	put("m/lib/ptr-ring.ko.xz", compress(t, ".xz", relocatable("depends=base\x00")))
	put("m/lib/page_pool.ko.zst", compress(t, ".zst", relocatable("depends=base\x00")))
	put("m/lib/base.ko.gz", compress(t, ".gz", relocatable("depends=\x00")))
	put("m/bad/cut.ko", relocatable("depends=\x00")[:100])
	put("m/bad/cutxz.ko.xz", compress(t, ".xz", relocatable("depends=\x00"))[:40])
	put("m/bad/orphan.ko", relocatable("depends=nowhere\x00"))
	put("m/bad/text.ko", []byte("a text that is longer than the 64 bytes of a header, but no ELF file"))
	put("m/lib/veth.ko.txt", nil)
	return filepath.Join(dir, "init"), filepath.Join(dir, "m")
}

func compress(t testing.TB, suffix string, b []byte) []byte {
	t.Helper()
	var buf bytes.Buffer
	var w io.WriteCloser
	var err error
	switch suffix {
	case ".gz":
		w = gzip.NewWriter(&buf)
	case ".xz":
		w, err = xz.NewWriter(&buf)
	case ".zst":
		w, err = zstd.NewWriter(&buf)
	}
	require.NoError(t, err)
	_, err = w.Write(b)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return buf.Bytes()
}

func TestBuildOrdersDependenciesFirst(t *testing.T) {
	init, modules := fixture(t)
	var buf bytes.Buffer
	missing, err := Build(&buf, init, modules, []string{"virtio-pci", "veth", "base", "virtio-pci"})
	require.NoError(t, err)
	assert.Equal(t, []string{"virtio-pci"}, missing)

	records, err := cpio.ReadAllRecords(cpio.Newc.Reader(bytes.NewReader(buf.Bytes())))
	require.NoError(t, err)
	files := make(map[string]cpio.Record)
	var names []string
	for _, r := range records {
		assert.Zero(t, r.MTime, r.Name)
		assert.Zero(t, r.UID, r.Name)
		files[r.Name] = r
		names = append(names, r.Name)
	}
	assert.Equal(t, []string{
		"dev", "dev/console", "dev/null", "init", "modules",
		"modules/00-base.ko", "modules/01-ptr_ring.ko", "modules/02-page_pool.ko", "modules/03-veth.ko",
		"modules/order", "proc", "sys", "tmp",
	}, names)
	assert.Equal(t, "00-base.ko\n01-ptr_ring.ko\n02-page_pool.ko\n03-veth.ko\n", content(t, files["modules/order"]))
	assert.Equal(t, string(relocatable("depends=base\x00")), content(t, files["modules/02-page_pool.ko"]))
	assert.EqualValues(t, cpio.S_IFREG|0o755, files["init"].Mode)
	assert.EqualValues(t, cpio.S_IFCHR|0o600, files["dev/console"].Mode)
	assert.Equal(t, [2]uint64{5, 1}, [2]uint64{files["dev/console"].Rmajor, files["dev/console"].Rminor})
}

func content(t *testing.T, r cpio.Record) string {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(r, 0, int64(r.FileSize)))
	require.NoError(t, err)
	return string(b)
}

func TestBuildIsReproducible(t *testing.T) {
	var first, second bytes.Buffer
	for _, buf := range []*bytes.Buffer{&first, &second} {
		init, modules := fixture(t) // in another directory, at another time
		_, err := Build(buf, init, modules, []string{"veth"})
		require.NoError(t, err)
	}
	assert.Equal(t, first.Bytes(), second.Bytes())
}

func TestBuildWithoutModules(t *testing.T) {
	init, _ := fixture(t)
	missing, err := Build(io.Discard, init, "", []string{"veth"})
	require.NoError(t, err)
	assert.Equal(t, []string{"veth"}, missing)
}

func TestBuildRejectsModules(t *testing.T) {
	init, modules := fixture(t)
	for name, want := range map[string]string{
		"cut":    "bad/cut.ko",
		"cutxz":  "bad/cutxz.ko.xz",
		"text":   "bad magic number",
		"orphan": "expected nowhere, on which it depends",
	} {
		_, err := Build(io.Discard, init, modules, []string{name})
		assert.ErrorContains(t, err, want)
	}
	_, err := Build(io.Discard, init, modules+"/none", []string{"veth"})
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

func TestBuildRejectsInit(t *testing.T) {
	dir := t.TempDir()
	for want, b := range map[string][]byte{
		"EM_AARCH64":         executable(elf.EM_AARCH64, elf.PT_LOAD),
		"dynamically linked": executable(elf.EM_X86_64, elf.PT_INTERP),
		"ET_REL":             relocatable(""),
		"bad magic":          []byte("#!/bin/sh\nexec true, at some length\n"),
		"EOF":                nil,
	} {
		init := filepath.Join(dir, "init")
		require.NoError(t, os.WriteFile(init, b, 0o755))
		_, err := Build(io.Discard, init, "", nil)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "CGO_ENABLED=0")
	}
	_, err := Build(io.Discard, filepath.Join(dir, "none"), "", nil)
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestBuildReportsWriteErrors(t *testing.T) {
	init, modules := fixture(t)
	_, err := Build(fullDisk{}, init, modules, []string{"veth"})
	assert.ErrorContains(t, err, "no space left")
}

// What the Go tool builds must be accepted, not only the files made up here.
func TestBuildTakesGoBinary(t *testing.T) {
	dir := t.TempDir()
	main := filepath.Join(dir, "main.go")
	require.NoError(t, os.WriteFile(main, []byte("package main\n\nfunc main() {}\n"), 0o644))
	cmd := exec.Command("go", "build", "-o", filepath.Join(dir, "init"), main)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	_, err = Build(io.Discard, filepath.Join(dir, "init"), "", nil)
	assert.NoError(t, err)
}

func FuzzDependencies(f *testing.F) {
	f.Add(relocatable("depends=a,b-c\x00"))
	f.Add(relocatable("depends=,,\x00depends"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		names, _ := dependencies(bytes.NewReader(b))
		for _, name := range names {
			if name == "" || strings.ContainsAny(name, ",-\x00") {
				t.Errorf("dependency %q", name)
			}
		}
	})
}
