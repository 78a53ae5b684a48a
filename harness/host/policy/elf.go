// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Limits on an object, so that parsing it costs little memory and time. The
// parser copies what symbols and names point at: without limits on their sum,
// 1 MiB of overlapping symbols becomes gigabytes.
const (
	maxObject    = 1 << 20 // bytes of ELF, and again of zeroed data (.bss)
	maxCode      = 256 << 10
	maxFunctions = 64
	maxSections  = 256
	maxName      = 4 << 10
)

// object is what the parser does not tell.
type object struct {
	sections  map[string]bool
	externs   []string          // sorted
	functions map[string]string // by name, the section of each
	static    map[string]bool   // variables that only their own file sees
}

// inspect checks that an object is safe to parse.
func inspect(raw []byte) (o *object, err error) {
	// debug/elf promises no safety against hostile input either.
	defer func() {
		if r := recover(); r != nil {
			o, err = nil, fmt.Errorf("damaged object: %v", r)
		}
	}()

	if len(raw) > maxObject {
		return nil, fmt.Errorf("an object of %d bytes, more than %d", len(raw), maxObject)
	}
	var header elf.Header64
	if err := binary.Read(bytes.NewReader(raw), binary.LittleEndian, &header); err != nil {
		return nil, errors.New("no ELF header")
	}
	// 0 stands for a number elsewhere, which only huge objects need.
	if header.Shnum == 0 || header.Shnum > maxSections {
		return nil, fmt.Errorf("%d sections, not 1 to %d", header.Shnum, maxSections)
	}
	f, err := elf.NewFile(bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	if f.Class != elf.ELFCLASS64 || f.Data != elf.ELFDATA2LSB || f.Machine != elf.EM_BPF || f.Type != elf.ET_REL {
		return nil, fmt.Errorf("%s %s %s %s, not a little-endian 64-bit BPF object", f.Class, f.Data, f.Machine, f.Type)
	}

	o = &object{sections: map[string]bool{}, functions: map[string]string{}, static: map[string]bool{}}
	budget, err := o.checkSections(f, uint64(len(raw)))
	if err != nil {
		return nil, err
	}
	if err := o.checkSymbols(f, budget); err != nil {
		return nil, err
	}
	return o, nil
}

// checkSections returns the size of all sections.
func (o *object) checkSections(f *elf.File, fileSize uint64) (uint64, error) {
	var stored, zeroed, code uint64
	for _, s := range f.Sections {
		o.sections[s.Name] = true
		if s.Flags&elf.SHF_COMPRESSED != 0 {
			return 0, fmt.Errorf("compressed section %.40q", s.Name)
		}
		sum := &stored
		if s.Type == elf.SHT_NOBITS {
			sum = &zeroed
		}
		if *sum += s.Size; s.Size > maxObject || *sum > maxObject {
			return 0, fmt.Errorf("data of more than %d bytes in section %.40q", maxObject, s.Name)
		}
		if s.Type != elf.SHT_NOBITS && (s.Offset > fileSize || s.Size > fileSize-s.Offset) {
			return 0, fmt.Errorf("section %.40q beyond the end of the file", s.Name)
		}
		if s.Flags&elf.SHF_EXECINSTR != 0 {
			code += s.Size
		}
		if s.Type == elf.SHT_STRTAB || s.Name == ".BTF" {
			if err := checkNames(s); err != nil {
				return 0, err
			}
		}
	}
	if stored > fileSize {
		return 0, errors.New("overlapping sections")
	}
	if code > maxCode {
		return 0, fmt.Errorf("%d bytes of code, more than %d", code, maxCode)
	}
	return stored + zeroed, nil
}

// checkNames bounds the strings of a string table or of BTF.
func checkNames(s *elf.Section) error {
	data, err := s.Data()
	if err != nil {
		return err
	}
	if s.Name == ".BTF" {
		// magic, version, flags, hdr_len, type_off, type_len, str_off, str_len
		if len(data) < 24 {
			return errors.New("cut-off BTF")
		}
		le := binary.LittleEndian
		start := uint64(le.Uint32(data[4:])) + uint64(le.Uint32(data[16:]))
		if start > uint64(len(data)) {
			return errors.New("BTF strings beyond the end of the section")
		}
		data = data[start:]
	}
	for name := range bytes.SplitSeq(data, []byte{0}) {
		if len(name) > maxName {
			return fmt.Errorf("a name or source line of %d bytes, more than %d", len(name), maxName)
		}
	}
	return nil
}

func (o *object) checkSymbols(f *elf.File, budget uint64) error {
	symbols, err := f.Symbols()
	if err != nil {
		return fmt.Errorf("symbols: %w", err)
	}
	functions := 0
	for _, s := range symbols {
		if s.Size > budget {
			return errors.New("overlapping symbols")
		}
		budget -= s.Size
		if elf.ST_TYPE(s.Info) == elf.STT_FUNC {
			functions++
			if int(s.Section) < len(f.Sections) {
				o.functions[s.Name] = f.Sections[s.Section].Name
			}
		}
		if elf.ST_TYPE(s.Info) == elf.STT_OBJECT && elf.ST_BIND(s.Info) == elf.STB_LOCAL {
			o.static[s.Name] = true
		}
		if s.Section == elf.SHN_UNDEF && s.Name != "" {
			o.externs = append(o.externs, s.Name)
		}
	}
	if functions > maxFunctions {
		return fmt.Errorf("%d functions, more than %d", functions, maxFunctions)
	}
	slices.Sort(o.externs)
	o.externs = slices.Compact(o.externs)
	return nil
}
