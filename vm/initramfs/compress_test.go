// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"github.com/ulikunitz/xz"
)

// dictionary returns an xz file whose first block says that it needs a dictionary of another size.
func dictionary(t testing.TB, packed []byte, bits byte) []byte {
	t.Helper()
	forged := bytes.Clone(packed)
	size := 4 * (int(forged[12]) + 1)
	header := forged[12 : 12+size]
	at := bytes.IndexByte(header[2:], 0x21) + 4 // the filter's number, the length of its properties, these
	require.Equal(t, byte(1), header[at-1])
	header[at] = bits
	binary.LittleEndian.PutUint32(header[size-4:], crc32.ChecksumIEEE(header[:size-4]))
	return forged
}

func TestXZ(t *testing.T) {
	plain := bytes.Repeat([]byte("kernel module "), 50_000)
	packed := compress(t, ".xz", plain)
	read := func(b []byte) ([]byte, error) {
		return readModule(fstest.MapFS{"m.ko.xz": {Data: b}}, "m.ko.xz")
	}
	got, err := read(packed)
	require.NoError(t, err)
	assert.Equal(t, plain, got)

	got, err = read(dictionary(t, packed, 20)) // 4 MiB
	require.NoError(t, err)
	assert.Equal(t, plain, got)

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, bits := range []byte{40, 39, 38, 30, 41, 255} {
		_, err = read(dictionary(t, packed, bits))
		require.ErrorContains(t, err, "xz: a dictionary of", "%d", bits)
	}
	runtime.ReadMemStats(&after)
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(64<<20))

	for n := range 200 {
		_, err := read(packed[:n])
		require.Error(t, err, "%d bytes", n)
	}

	// More than a module may have.
	large := append(bytes.Repeat(compress(t, ".gz", make([]byte, 1<<20)), maxModule>>20), compress(t, ".gz", []byte{0})...)
	_, err = readModule(fstest.MapFS{"m.ko.gz": {Data: large}}, "m.ko.gz")
	assert.ErrorContains(t, err, "more than 64 MiB")
	_, err = readModule(fstest.MapFS{"m.ko": {Data: make([]byte, maxModule+1)}}, "m.ko")
	assert.ErrorContains(t, err, "more than 64 MiB")
}

// Several blocks are all looked at.
func TestXZBlocks(t *testing.T) {
	var b bytes.Buffer
	w, err := xz.WriterConfig{BlockSize: 1000, CheckSum: xz.CRC64}.NewWriter(&b)
	require.NoError(t, err)
	plain := bytes.Repeat([]byte("0123456789"), 1000)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	require.NoError(t, checkXZ(b.Bytes()))
	got, err := readModule(fstest.MapFS{"m.ko.xz": {Data: b.Bytes()}}, "m.ko.xz")
	require.NoError(t, err)
	assert.Equal(t, plain, got)

	forged := b.Bytes()
	last := bytes.LastIndex(forged, []byte{0x21, 1})
	forged[last+2] = 40
	assert.ErrorContains(t, checkXZ(forged), "a dictionary of 4096 MiB")
}

// The modules of kernels that are here anyway can be read.
func TestXZOfKernels(t *testing.T) {
	cache, err := os.UserCacheDir()
	require.NoError(t, err)
	files, err := filepath.Glob(filepath.Join(cache, "bpflab/kernels/*/modules/kernel/drivers/net/veth.ko.xz"))
	require.NoError(t, err)
	for _, name := range files {
		_, err := readModule(os.DirFS(filepath.Dir(name)), filepath.Base(name))
		assert.NoError(t, err, name)
	}
}

// Whatever a module's file holds, reading it takes bounded memory, and what it depends on are names.
func FuzzModule(f *testing.F) {
	for i, suffix := range []string{"", ".gz", ".xz", ".zst"} {
		packed := relocatable("depends=a,b-c\x00")
		if suffix != "" {
			packed = compress(f, suffix, packed)
		}
		f.Add(packed, uint8(i))
		if suffix == ".xz" {
			f.Add(dictionary(f, packed, 40), uint8(i))
		}
	}
	f.Fuzz(func(t *testing.T, packed []byte, kind uint8) {
		name := "m.ko" + []string{"", ".gz", ".xz", ".zst"}[kind%4]
		data, err := readModule(fstest.MapFS{name: {Data: packed}}, name)
		if err != nil {
			return
		}
		if len(data) > maxModule {
			t.Errorf("%d bytes", len(data))
		}
		names, err := dependencies(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, n := range names {
			if n == "" || bytes.ContainsAny([]byte(n), ",-\x00") {
				t.Errorf("%q", n)
			}
		}
	})
}
