// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

const (
	headerSize  = 64
	sectionSize = 64
	segmentSize = 56
)

func elfHeader(typ elf.Type, machine elf.Machine) elf.Header64 {
	return elf.Header64{
		Ident: [elf.EI_NIDENT]byte{
			0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT),
		},
		Type:      uint16(typ),
		Machine:   uint16(machine),
		Version:   uint32(elf.EV_CURRENT),
		Ehsize:    headerSize,
		Phentsize: segmentSize,
		Shentsize: sectionSize,
	}
}

// relocatable is the least that is a kernel module: three sections.
//
//	header | null, .modinfo, .shstrtab | modinfo | names
func relocatable(modinfo string) []byte {
	const names = "\x00.modinfo\x00.shstrtab\x00"
	data := uint64(headerSize + 3*sectionSize)
	h := elfHeader(elf.ET_REL, elf.EM_X86_64)
	h.Shoff, h.Shnum, h.Shstrndx = headerSize, 3, 2
	return pack(h, elf.Section64{},
		elf.Section64{Name: 1, Type: uint32(elf.SHT_PROGBITS), Off: data, Size: uint64(len(modinfo))},
		elf.Section64{Name: 10, Type: uint32(elf.SHT_STRTAB), Off: data + uint64(len(modinfo)), Size: uint64(len(names))},
		[]byte(modinfo), []byte(names))
}

// executable has one segment, of the given type.
func executable(machine elf.Machine, segment elf.ProgType) []byte {
	h := elfHeader(elf.ET_EXEC, machine)
	h.Phoff, h.Phnum = headerSize, 1
	return pack(h, elf.Prog64{Type: uint32(segment), Off: headerSize, Filesz: segmentSize, Memsz: segmentSize})
}

func pack(parts ...any) []byte {
	var buf bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&buf, binary.LittleEndian, p); err != nil {
			panic(err)
		}
	}
	return buf.Bytes()
}
