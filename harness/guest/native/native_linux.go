// SPDX-License-Identifier: Apache-2.0

// Package native finds the machine code that a kernel makes of each instruction of a BPF program.
package native

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Code is the machine code of a program and its functions, one after the other.
type Code struct {
	Image []byte
	// Spans are, for each instruction, where in Image its code is. A function's prologue belongs to its first
	// instruction.
	Spans []Span
}

// Span is a part of an image. To is 0 for an instruction that the verifier has removed.
type Span struct{ From, To int }

// Of loads one of an object's programs, in which each instruction has a source line of its own, and reads which machine
// code belongs to which line. What the code does is the same for all lines.
//
// Requires Linux 5.1 and CAP_SYS_ADMIN; net.core.bpf_jit_harden and kernel.kptr_restrict are 0 or 1.
func Of(object *ebpf.CollectionSpec, program string) (code Code, err error) {
	object = object.Copy()
	insns := object.Programs[program].Instructions
	for i := range insns {
		insns[i] = insns[i].WithSource(asm.Comment(strconv.Itoa(i)))
	}
	c, err := ebpf.NewCollection(object)
	if err != nil {
		return code, fmt.Errorf("load it with numbered lines: %w", err)
	}
	defer c.Close()
	info, err := c.Programs[program].Info()
	if err != nil {
		return code, fmt.Errorf("ask the kernel for its machine code: %w", err)
	}
	lines, err := info.LineInfos()
	if err != nil {
		return code, err
	}
	var ok [4]bool
	var (
		begins   []uint64
		symbols  []uintptr
		lengths  []uint32
		numbered = len(lines)
	)
	code.Image, ok[0] = info.JitedInsns()
	begins, ok[1] = info.JitedLineInfos()
	symbols, ok[2] = info.JitedKsymAddrs()
	lengths, ok[3] = info.JitedFuncLens()
	if ok != [4]bool{true, true, true, true} || len(begins) != numbered || len(symbols) != len(lengths) {
		return code, errors.New("the kernel does not tell its machine code: is its JIT off, or hardened?")
	}
	code.Spans = make([]Span, len(insns))
	at := func(address uint64) (offset, end int) { // in the image, and where the function ends
		for k, symbol := range symbols {
			if address >= uint64(symbol) && address < uint64(symbol)+uint64(lengths[k]) {
				return offset + int(address-uint64(symbol)), offset + int(lengths[k])
			}
			offset += int(lengths[k])
		}
		return -1, 0
	}
	for k, line := range lines {
		i, err := strconv.Atoi(line.Line.Line())
		if err != nil || i < 0 || i >= len(insns) {
			return code, fmt.Errorf("the kernel has a line %q, expected a number below %d", line.Line.Line(), len(insns))
		}
		from, end := at(begins[k])
		if from < 0 {
			return code, fmt.Errorf("instruction %d has its machine code outside of the program's", i)
		}
		if k+1 < numbered {
			if next, nextEnd := at(begins[k+1]); nextEnd == end {
				end = next
			}
		}
		code.Spans[i] = Span{from, end}
	}
	return code, nil
}
