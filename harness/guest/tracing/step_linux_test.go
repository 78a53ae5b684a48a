// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"encoding/binary"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/printk"
)

// teller tells of each system call of the machine: it prints its number, and sends who makes it.
func teller() *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps: map[string]*ebpf.MapSpec{"events": {Name: "events", Type: ebpf.RingBuf, MaxEntries: 64 << 10}},
		Programs: map[string]*ebpf.ProgramSpec{"tell": {
			Name: "tell", SectionName: "raw_tp/sys_enter", Type: ebpf.RawTracepoint, AttachTo: "sys_enter", License: "GPL",
			Instructions: asm.Instructions{
				asm.LoadMem(asm.R3, asm.R1, 8, asm.DWord),
				asm.LoadImm(asm.R1, int64(binary.LittleEndian.Uint64([]byte("%d\x00\x00\x00\x00\x00\x00"))), asm.DWord),
				asm.StoreMem(asm.RFP, -8, asm.R1, asm.DWord),
				asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 3),
				asm.FnTracePrintk.Call(),
				asm.FnGetCurrentPidTgid.Call(), asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord),
				asm.LoadMapPtr(asm.R1, 0).WithReference("events"),
				asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -8), asm.Mov.Imm(asm.R3, 8), asm.Mov.Imm(asm.R4, 0),
				asm.FnRingbufOutput.Call(),
				asm.Mov.Imm(asm.R0, 0), asm.Return(),
			},
		}},
	}
}

// A step is one call: what was sent or printed for others before and after is not of it. The thread that makes it is not
// the process's first, or who takes the one's number for the other's would not be found out.
func TestStep(t *testing.T) {
	guesttest.Guest(t)
	log, err := printk.Open()
	require.NoError(t, err)
	defer log.Close()
	p, err := Attach(teller(), nil)
	require.NoError(t, err)
	defer p.Close()
	first := 0
	for range 10 {
		calls.Repeat(some, 100)
		own, err := p.Step(calls.Thread{Name: "own"}, some[0], false, log)
		require.NoError(t, err)
		assert.Equal(t, []string{"121"}, own.Printed.Lines)
		assert.Positive(t, own.Sent)
		assert.Less(t, own.Sent, 50, "the other CPU may send some")
		assert.Equal(t, 8, own.Size)
		require.Len(t, own.Record, 8)
		if binary.NativeEndian.Uint32(own.Record) == uint32(os.Getpid()) {
			first++
		}
		assert.LessOrEqual(t, own.Began, own.Ended)

		another, err := p.Step(calls.Thread{Name: "another"}, some[0], true, log)
		require.NoError(t, err)
		assert.Equal(t, []string{"121", "60"}, another.Printed.Lines, "it ends with exit")
	}
	assert.Less(t, first, 3, "the other CPU may send some")
}
