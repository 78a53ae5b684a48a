// SPDX-License-Identifier: Apache-2.0

//go:build linux

package netlab

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
)

// tally is a program that counts how often it is run, and returns 0.
type tally struct {
	count *ebpf.Map
	prog  *ebpf.Program
}

func newTally(name string, of ebpf.ProgramType) (t *tally, err error) {
	t = &tally{}
	if t.count, err = ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}); err != nil {
		return nil, err
	}
	t.prog, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: name, Type: of, License: "GPL", Instructions: asm.Instructions{
		asm.StoreImm(asm.RFP, -4, 0, asm.Word),
		asm.Mov.Reg(asm.R2, asm.RFP),
		asm.Add.Imm(asm.R2, -4),
		asm.LoadMapPtr(asm.R1, t.count.FD()),
		asm.FnMapLookupElem.Call(),
		asm.JEq.Imm(asm.R0, 0, "end"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord),
		asm.Add.Imm(asm.R1, 1),
		asm.StoreMem(asm.R0, 0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
		asm.Return(),
	}})
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	return t, nil
}

func (t *tally) read() (n uint64, err error) {
	err = t.count.Lookup(uint32(0), &n)
	return n, err
}

func (t *tally) close() error {
	var errs []error
	if t.prog != nil {
		errs = append(errs, t.prog.Close())
	}
	if t.count != nil {
		errs = append(errs, t.count.Close())
	}
	return errors.Join(errs...)
}

// Exceptions counts the frames for which XDP programs return XDP_ABORTED, or what is no verdict: a driver
// drops these as it drops others.
type Exceptions struct {
	tally *tally
	link  link.Link
}

// CountExceptions begins to count.
func CountExceptions() (*Exceptions, error) {
	t, err := newTally("xdp_exceptions", ebpf.RawTracepoint)
	if err != nil {
		return nil, fmt.Errorf("load a counter of XDP exceptions: %w", err)
	}
	l, err := link.AttachRawTracepoint(link.RawTracepointOptions{Name: "xdp_exception", Program: t.prog})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("attach a counter of XDP exceptions: %w", err), t.close())
	}
	return &Exceptions{t, l}, nil
}

// Count is how many so far.
func (e *Exceptions) Count() (uint64, error) {
	n, err := e.tally.read()
	if err != nil {
		return 0, fmt.Errorf("read the counter of XDP exceptions: %w", err)
	}
	return n, nil
}

// Close ends the count.
func (e *Exceptions) Close() error { return errors.Join(e.link.Close(), e.tally.close()) }
