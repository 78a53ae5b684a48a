// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"slices"
	"strings"
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
		{"executable", func(b []byte) { le.PutUint16(b[16:], uint16(elf.ET_EXEC)) }, "not a little-endian 64-bit BPF object"},
		{"cut-off BTF", func(b []byte) { le.PutUint64(b[header(".BTF")+shSize:], 23) }, "cut-off BTF"},
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

// part is a section of an object that is put together by hand.
type part struct {
	name string
	kind elf.SectionType
	code bool
	size int // bytes, all 0
}

type symbol struct {
	name    string
	kind    elf.SymType
	section elf.SectionIndex
	size    uint64
}

// objectOf is an object of these sections and symbols, and of what any object has: a section that is none,
// a table of symbols and one of names.
func objectOf(t testing.TB, parts []part, symbols []symbol) []byte {
	t.Helper()
	le := binary.LittleEndian
	names := []byte{0}
	named := func(name string) (at uint32) {
		at = uint32(len(names))
		names = append(append(names, name...), 0)
		return at
	}
	body := make([]byte, 64) // the header, which comes last
	headers := make([]elf.Section64, 1)
	for _, p := range parts {
		h := elf.Section64{Name: named(p.name), Type: uint32(p.kind), Off: uint64(len(body)), Size: uint64(p.size)}
		if p.code {
			h.Flags = uint64(elf.SHF_EXECINSTR)
		}
		if p.kind != elf.SHT_NOBITS {
			body = append(body, make([]byte, p.size)...)
		}
		headers = append(headers, h)
	}
	table := make([]byte, elf.Sym64Size)
	for _, s := range symbols {
		table, _ = binary.Append(table, le, elf.Sym64{Name: named(s.name), Info: byte(s.kind), Shndx: uint16(s.section), Size: s.size})
	}
	headers = append(headers, elf.Section64{Type: uint32(elf.SHT_SYMTAB), Off: uint64(len(body)), Size: uint64(len(table)), Link: uint32(len(headers) + 1), Entsize: elf.Sym64Size})
	body = append(body, table...)
	headers = append(headers, elf.Section64{Type: uint32(elf.SHT_STRTAB), Off: uint64(len(body)), Size: uint64(len(names))})
	body = append(body, names...)
	header := elf.Header64{
		Ident: [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_REL), Machine: uint16(elf.EM_BPF), Version: uint32(elf.EV_CURRENT),
		Ehsize: 64, Shoff: uint64(len(body)), Shentsize: 64, Shnum: uint16(len(headers)), Shstrndx: uint16(len(headers) - 1),
	}
	body, err := binary.Append(body, le, headers)
	require.NoError(t, err)
	_, err = binary.Encode(body, le, header)
	require.NoError(t, err)
	return body
}

// What is at a limit is allowed, and what is just beyond it is not.
func TestInspectLimits(t *testing.T) {
	code := func(size int) part { return part{"xdp", elf.SHT_PROGBITS, true, size} }
	zeroes := func(size int) part { return part{".bss", elf.SHT_NOBITS, false, size} }
	functions := func(n int) []symbol { return slices.Repeat([]symbol{{kind: elf.STT_FUNC, section: 1}}, n) }
	named := func(length int) []symbol { return []symbol{{name: strings.Repeat("a", length), section: 1}} }
	for _, tt := range []struct {
		name    string
		parts   []part
		symbols []symbol
		want    string // empty: it is allowed
	}{
		{"nothing", nil, nil, ""},
		{"most sections", make([]part, maxSections-3), nil, ""},
		{"a section more", make([]part, maxSections-2), nil, "257 sections, not 1 to 256"},
		{"most code", []part{code(maxCode / 2), code(maxCode / 2)}, nil, ""},
		{"an instruction more", []part{code(maxCode / 2), code(maxCode/2 + 8)}, nil, "262152 bytes of code, more than 262144"},
		{"most zeroes", []part{zeroes(maxObject / 2), zeroes(maxObject / 2)}, nil, ""},
		{"a zero more", []part{zeroes(maxObject / 2), zeroes(maxObject/2 + 1)}, nil, `data of more than 1048576 bytes in section ".bss"`},
		{"most functions", nil, functions(maxFunctions), ""},
		{"a function more", nil, functions(maxFunctions + 1), "65 functions, more than 64"},
		{"longest name", nil, named(maxName), ""},
		{"a longer name", nil, named(maxName + 1), "a name or source line of 4097 bytes, more than 4096"},
		{"a variable of zeroes", []part{zeroes(maxObject / 2)}, []symbol{{section: 1, size: maxObject / 2}}, ""},
		{"two variables of the same zeroes", []part{zeroes(maxObject / 2)}, slices.Repeat([]symbol{{section: 1, size: maxObject / 2}}, 2), "overlapping symbols"},
	} {
		_, err := inspect(objectOf(t, tt.parts, tt.symbols))
		if tt.want == "" {
			assert.NoError(t, err, tt.name)
			continue
		}
		assert.ErrorContains(t, err, tt.want, tt.name)
	}

	btf := objectOf(t, []part{{".BTF", elf.SHT_PROGBITS, false, 24}}, nil)
	btf[64+4] = 24 // the length of its header, behind which names begin
	_, err := inspect(btf)
	assert.NoError(t, err, "BTF without names")
	btf[64+4]++
	_, err = inspect(btf)
	assert.ErrorContains(t, err, "BTF strings beyond the end of the section")

	longest := make([]byte, maxObject)
	copy(longest, objectOf(t, nil, nil))
	_, err = inspect(longest)
	assert.NoError(t, err)
	_, err = inspect(append(longest, 0))
	assert.ErrorContains(t, err, "an object of 1048577 bytes, more than 1048576")
}

// Each of the kernel's functions is named once, in order. A symbol without a name refers to nothing.
func TestInspectExterns(t *testing.T) {
	o, err := inspect(objectOf(t, nil, []symbol{{name: "later"}, {name: "bpf_f"}, {}, {name: "later"}, {name: "own", section: 1}}))
	require.NoError(t, err)
	assert.Equal(t, []string{"bpf_f", "later"}, o.externs)
}
