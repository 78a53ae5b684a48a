// SPDX-License-Identifier: Apache-2.0

package kernels

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// bzImage is the least that passes for a kernel: a boot sector, a sector of
// real-mode code with the version string, 64 bytes of protected-mode code.
func bzImage(release string) []byte {
	b := make([]byte, 1024+64)
	b[0x1f1] = 1
	binary.LittleEndian.PutUint32(b[0x1f4:], 4)
	copy(b[0x202:], "HdrS")
	binary.LittleEndian.PutUint16(b[0x20e:], 0x100)
	copy(b[0x300:], release+" (builder@host) #1 SMP")
	return b
}

func TestReadBzImage(t *testing.T) {
	release, size, err := readBzImage(bytes.NewReader(bzImage("6.1.0-1-cloud-amd64")))
	require.NoError(t, err)
	assert.Equal(t, "6.1.0-1-cloud-amd64", release)
	assert.EqualValues(t, 1024+64, size)

	change := func(f func(b []byte)) []byte {
		b := bzImage("6.1")
		f(b)
		return b
	}
	for name, b := range map[string][]byte{
		"empty":           nil,
		"short":           bzImage("6.1")[:0x20f],
		"no magic":        change(func(b []byte) { b[0x202] = 'h' }),
		"no version":      change(func(b []byte) { b[0x20e], b[0x20f] = 0, 0 }),
		"version outside": change(func(b []byte) { b[0x20f] = 2 }),
		"version empty":   change(func(b []byte) { b[0x300] = 0 }),
		"version endless": change(func(b []byte) { copy(b[0x300:], strings.Repeat("x", 0x100)) }),
		"version binary":  change(func(b []byte) { b[0x301] = 7 }),
	} {
		_, _, err := readBzImage(bytes.NewReader(b))
		assert.ErrorIs(t, err, errNotBzImage, name)
	}
}

func TestCheckBzImageSeesCut(t *testing.T) {
	name := filepath.Join(t.TempDir(), "vmlinuz")
	require.NoError(t, os.WriteFile(name, bzImage("6.1")[:1050], 0o644))
	_, err := checkBzImage(name)
	assert.ErrorContains(t, err, "expected at least 1088 bytes, found 1050")
}

func FuzzReadBzImage(f *testing.F) {
	f.Add(bzImage("6.1.0-1-cloud-amd64"))
	f.Add(bzImage("")[:0x210])
	f.Add([]byte("MZ"))
	f.Fuzz(func(t *testing.T, b []byte) {
		release, size, err := readBzImage(bytes.NewReader(b))
		if err == nil && (release == "" || strings.ContainsAny(release, " \x00\n") || size < 512) {
			t.Errorf("release %q, size %d", release, size)
		}
	})
}
