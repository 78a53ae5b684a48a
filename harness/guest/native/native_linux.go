// SPDX-License-Identifier: Apache-2.0

// Package native finds the machine code that a kernel makes of each instruction of a BPF program.
package native

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"bpflab/harness/verifier"
)

// Code is the machine code of a program and its functions, one after the other.
type Code struct {
	Image []byte
	Spans []Span // for each instruction, where in Image its code is
}

// Span is a part of an image. To is 0 for an instruction that the verifier has removed.
type Span struct {
	From, To int
	// Entry is where, before From, the prologue of a function begins whose first instruction is a call; else it is
	// From: a prologue belongs to the first instruction, but of calls the time is taken, without a prologue.
	Entry int
}

// Of loads one of an object's programs, in which each instruction has a source line of its own, and reads which machine
// code belongs to which line. What the code does is the same for all lines.
//
// Requires Linux 5.1 and CAP_SYS_ADMIN; net.core.bpf_jit_harden and kernel.kptr_restrict are 0 or 1.
func Of(object *ebpf.CollectionSpec, program string) (code Code, err error) {
	object = object.Copy()
	spec := object.Programs[program]
	insns := spec.Instructions
	spec.Instructions = numbered(insns)
	c, err := ebpf.NewCollectionWithOptions(object, ebpf.CollectionOptions{Cache: verifier.Types})
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
		begins  []uint64
		symbols []uintptr
		lengths []uint32
		count   = len(lines)
	)
	code.Image, ok[0] = info.JitedInsns()
	begins, ok[1] = info.JitedLineInfos()
	symbols, ok[2] = info.JitedKsymAddrs()
	lengths, ok[3] = info.JitedFuncLens()
	if ok != [4]bool{true, true, true, true} || len(begins) != count || len(symbols) != len(lengths) {
		return code, errors.New("the kernel does not tell its machine code: is its JIT off, or hardened?")
	}
	code.Spans = make([]Span, len(insns))
	entries := map[int]int{}
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
		text, isEntry := strings.CutPrefix(line.Line.Line(), entry)
		i, err := strconv.Atoi(text)
		if err != nil || i < 0 || i >= len(insns) {
			return code, fmt.Errorf("the kernel has a line %q, expected a number below %d", line.Line.Line(), len(insns))
		}
		from, end := at(begins[k])
		if from < 0 {
			return code, fmt.Errorf("instruction %d has its machine code outside of the program's", i)
		}
		if k+1 < count {
			if next, nextEnd := at(begins[k+1]); nextEnd == end {
				end = next
			}
		}
		if isEntry {
			entries[i] = from
			continue
		}
		code.Spans[i] = Span{from, end, from}
	}
	for i, from := range entries {
		code.Spans[i].Entry = from
	}
	return code, nil
}

// entry marks the line of a function's entry, of which the number is that of its first instruction.
const entry = "entry "

// numbered gives each instruction its number for a line, and an entry to functions that begin with a call. All jumps
// are within functions, behind their entries, and stay as they are.
func numbered(insns asm.Instructions) (all asm.Instructions) {
	for i, ins := range insns {
		if fn := btf.FuncMetadata(&ins); ins.OpCode.JumpOp() == asm.Call && (i == 0 || fn != nil) {
			all = append(all, btf.WithFuncMetadata(asm.Mov.Imm(asm.R0, 0).WithSymbol(ins.Symbol()), fn).WithSource(asm.Comment(entry+strconv.Itoa(i))))
			ins = btf.WithFuncMetadata(ins.WithSymbol(""), nil)
		}
		all = append(all, ins.WithSource(asm.Comment(strconv.Itoa(i))))
	}
	return all
}
