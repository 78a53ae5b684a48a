// SPDX-License-Identifier: Apache-2.0

package initramfs

import (
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"strings"
)

// checkInit says what keeps an executable from being /init.
func checkInit(r io.ReaderAt) error {
	f, err := elf.NewFile(r)
	if err != nil {
		return err
	}
	if f.Machine != elf.EM_X86_64 {
		return fmt.Errorf("one for %v", f.Machine)
	}
	if f.OSABI != elf.ELFOSABI_NONE && f.OSABI != elf.ELFOSABI_LINUX {
		return fmt.Errorf("one for %v", f.OSABI)
	}
	if f.Type != elf.ET_EXEC && f.Type != elf.ET_DYN {
		return fmt.Errorf("type %v", f.Type)
	}
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return errors.New("a dynamically linked one")
		}
	}
	return nil
}

// dependencies reads which modules must be loaded before this one.
//
// The section .modinfo is a list of key=value, each ended by a zero byte; the
// key depends has names separated by commas.
func dependencies(module io.ReaderAt) ([]string, error) {
	f, err := elf.NewFile(module)
	if err != nil {
		return nil, err
	}
	if f.Machine != elf.EM_X86_64 || f.Type != elf.ET_REL {
		return nil, fmt.Errorf("%v for %v", f.Type, f.Machine)
	}
	section := f.Section(".modinfo")
	if section == nil {
		return nil, errors.New("no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return nil, fmt.Errorf(".modinfo: %w", err)
	}
	var names []string
	for field := range strings.SplitSeq(string(info), "\x00") {
		list, ok := strings.CutPrefix(field, "depends=")
		if !ok {
			continue
		}
		for name := range strings.SplitSeq(list, ",") {
			if name != "" {
				names = append(names, canonical(name))
			}
		}
	}
	return names, nil
}

// canonical is a module's name as the kernel knows it; the file may be named
// with dashes.
func canonical(name string) string { return strings.ReplaceAll(name, "-", "_") }
