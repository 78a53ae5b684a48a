// SPDX-License-Identifier: Apache-2.0

// Package guesttest helps to test what runs in guests: as root on any machine, or in a guest by
// go test -exec 'bpflab exec --'.
package guesttest

import (
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
)

// Root skips a test that must be root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("it loads BPF programs, for which it must be root")
	}
}

// Guest skips a test that needs a guest to itself: a kernel with all that guests have, which nobody else uses.
func Guest(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/modules/order"); err != nil {
		t.Skip("it needs a guest to itself: go test -exec 'bpflab exec --'")
	}
}

// Counter is an object with a program "count" that counts its runs in the map "counts", an array of one
// uint64, and returns a number.
func Counter(section string, kind ebpf.ProgramType, to string, returns int32) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"counts": {Name: "counts", Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1}},
		Programs: map[string]*ebpf.ProgramSpec{"count": {
			Name: "count", SectionName: section, Type: kind, AttachTo: to, License: "GPL",
			Instructions: asm.Instructions{
				asm.StoreImm(asm.RFP, -4, 0, asm.Word),
				asm.Mov.Reg(asm.R2, asm.RFP),
				asm.Add.Imm(asm.R2, -4),
				asm.LoadMapPtr(asm.R1, 0).WithReference("counts"),
				asm.FnMapLookupElem.Call(),
				asm.JEq.Imm(asm.R0, 0, "out"),
				asm.Mov.Imm(asm.R1, 1),
				asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
				asm.Mov.Imm(asm.R0, returns).WithSymbol("out"),
				asm.Return(),
			},
		}},
	}
}

// Count reads what a Counter has counted.
func Count(t testing.TB, c *ebpf.Collection) (n uint64) {
	t.Helper()
	require.NoError(t, c.Maps["counts"].Lookup(uint32(0), &n))
	return n
}
