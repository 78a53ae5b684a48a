// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// TestInspectHostile changes single fields of a good object into what makes
// the parser allocate without bound, or read out of bounds.
func TestInspectHostile(t *testing.T) {
	seed, err := os.ReadFile("testdata/seed.o")
	require.NoError(t, err)
	_, err = counter.Check(seed)
	require.NoError(t, err)

	f, err := elf.NewFile(bytes.NewReader(seed))
	require.NoError(t, err)
	le := binary.LittleEndian
	headers := int(le.Uint64(seed[40:]))
	// header returns the offset of a section's header.
	header := func(name string) int {
		for i, s := range f.Sections {
			if s.Name == name {
				return headers + i*64
			}
		}
		t.Fatalf("no section %s", name)
		return 0
	}
	const shFlags, shOffset, shSize = 8, 24, 32

	tests := []struct {
		name  string
		patch func(b []byte)
		want  string
	}{
		{"no sections", func(b []byte) { le.PutUint16(b[60:], 0) }, "0 sections, not 1 to 256"},
		{"many sections", func(b []byte) { le.PutUint16(b[60:], 60000) }, "60000 sections"},
		{"huge zeroes", func(b []byte) { le.PutUint64(b[header(".bss")+shSize:], 1<<32-1) }, `in section ".bss"`},
		{"wrapping size", func(b []byte) { le.PutUint64(b[header(".rodata")+shSize:], 1<<63-8) }, `in section ".rodata"`},
		{"beyond the end", func(b []byte) { le.PutUint64(b[header(".BTF")+shOffset:], uint64(len(b))-8) }, "beyond the end of the file"},
		{"compressed", func(b []byte) { b[header(".BTF")+shFlags+1] |= 0x08 }, `compressed section ".BTF"`},
		{"overlapping sections", func(b []byte) {
			for _, s := range []string{".rodata", ".maps", "license", "xdp", ".text"} {
				le.PutUint64(b[header(s)+shOffset:], 0)
				le.PutUint64(b[header(s)+shSize:], uint64(len(b)))
			}
		}, "overlapping sections"},
		{"overlapping symbols", func(b []byte) {
			symtab := f.Section(".symtab")
			for at := symtab.Offset + 24; at < symtab.Offset+symtab.Size; at += 24 {
				le.PutUint64(b[at+16:], uint64(len(b))/2)
			}
		}, "overlapping symbols"},
		{"BTF strings", func(b []byte) { le.PutUint32(b[f.Section(".BTF").Offset+16:], 1<<31) }, "BTF strings beyond"},
		{"big endian", func(b []byte) { b[5] = 2 }, "object"},
		{"another machine", func(b []byte) { le.PutUint16(b[18:], uint16(elf.EM_X86_64)) }, "not a little-endian 64-bit BPF object"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := bytes.Clone(seed)
			tt.patch(b)
			spec, err := counter.Check(b)
			assert.Nil(t, spec)
			assert.ErrorContains(t, err, tt.want)
		})
	}
}

func TestInspectLongNames(t *testing.T) {
	long := "char " + string(bytes.Repeat([]byte("a"), maxName+1)) + " = 1;\n"
	_, err := counter.Check(compile(t, header+counts+long+program))
	assert.ErrorContains(t, err, "a name or source line of")
}
