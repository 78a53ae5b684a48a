// SPDX-License-Identifier: Apache-2.0

package testrun

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
)

// works returns a program that does nothing n times and returns 1; of frames longer than 100 bytes twice as often, and
// 2.
func works(kind ebpf.ProgramType, n int) *ebpf.ProgramSpec {
	nothing := make(asm.Instructions, n)
	for i := range nothing {
		nothing[i] = asm.Mov.Imm(asm.R0, int32(i))
	}
	var length asm.Instructions
	if kind == ebpf.XDP {
		length = asm.Instructions{asm.LoadMem(asm.R2, asm.R1, 4, asm.Word), asm.LoadMem(asm.R3, asm.R1, 0, asm.Word), asm.Sub.Reg(asm.R2, asm.R3)}
	} else {
		length = asm.Instructions{asm.LoadMem(asm.R2, asm.R1, 0, asm.Word)}
	}
	insns := append(append(length, nothing...), asm.JGT.Imm(asm.R2, 100, "long"), asm.Mov.Imm(asm.R0, 1), asm.Return())
	long := append(asm.Instructions{}, nothing...)
	long[0] = long[0].WithSymbol("long")
	return &ebpf.ProgramSpec{Name: "works", Type: kind, License: "GPL", Instructions: append(append(insns, long...), asm.Mov.Imm(asm.R0, 2), asm.Return())}
}

func TestFrames(t *testing.T) {
	guesttest.Root(t)
	short, long := make([]byte, 60), make([]byte, 200)
	for _, kind := range []ebpf.ProgramType{ebpf.XDP, ebpf.SchedCLS, ebpf.SocketFilter} {
		spec := works(kind, 100)
		p, err := ebpf.NewProgram(spec)
		require.NoError(t, err)
		runs, err := On(Input{Frames: [][]byte{short, long, {1, 2, 3}}}, p, spec)
		require.NoError(t, err)
		require.Len(t, runs, 3)
		assert.EqualValues(t, 1, runs[0].Result, kind)
		assert.EqualValues(t, 2, runs[1].Result, kind)
		if kind != ebpf.XDP { // which Linux 5.10 runs on anything
			assert.True(t, runs[2].Refused, "%v: shorter than an Ethernet header", kind)
		}
		assert.False(t, runs[0].Refused)
		require.NoError(t, p.Close())
	}
}

func TestFor(t *testing.T) {
	frames, context := [][]byte{{1}}, []byte{2}
	for _, tt := range []struct {
		kind     ebpf.ProgramType
		in, want Input
	}{
		{ebpf.XDP, Input{frames, nil}, Input{frames, nil}}, {ebpf.XDP, Input{frames, context}, Input{frames, context}},
		{ebpf.Syscall, Input{frames, nil}, Input{nil, make([]byte, zeros)}}, {ebpf.Syscall, Input{frames, context}, Input{nil, context}},
		{ebpf.SkLookup, Input{frames, nil}, Input{nil, lookup()}}, {ebpf.RawTracepoint, Input{frames, context}, Input{nil, context}},
	} {
		got, ok := tt.in.For(tt.kind)
		assert.True(t, ok)
		assert.Equal(t, tt.want, got, tt.kind)
	}
	for _, kind := range []ebpf.ProgramType{ebpf.RawTracepoint, ebpf.Kprobe} {
		_, ok := Input{Frames: frames}.For(kind)
		assert.False(t, ok, kind)
	}
}

// waits returns a program that does nothing n times, at an event.
func waits(section, to string, kind ebpf.ProgramType, n int) *ebpf.ProgramSpec {
	insns := make(asm.Instructions, n)
	for i := range insns {
		insns[i] = asm.Mov.Imm(asm.R0, int32(i))
	}
	return &ebpf.ProgramSpec{Name: "waits", Type: kind, SectionName: section, AttachTo: to, License: "GPL", Instructions: append(insns, asm.Mov.Imm(asm.R0, 0), asm.Return())}
}

func TestEvents(t *testing.T) {
	guesttest.Guest(t)
	for _, tt := range []struct {
		section, to string
		kind        ebpf.ProgramType
	}{
		{"raw_tp/sys_enter", "sys_enter", ebpf.RawTracepoint}, {"tracepoint/sched/sched_switch", "sched/sched_switch", ebpf.TracePoint},
		{"kprobe/vfs_write", "vfs_write", ebpf.Kprobe}, {"kretprobe/vfs_mkdir", "vfs_mkdir", ebpf.Kprobe},
	} {
		cost := func(n int) float64 {
			spec := waits(tt.section, tt.to, tt.kind, n)
			p, err := ebpf.NewProgram(spec)
			require.NoError(t, err)
			defer p.Close()
			runs, err := Events(p, spec)
			require.NoError(t, err, tt.section)
			assert.GreaterOrEqual(t, runs.Count, uint64(eventRounds))
			return runs.Cost
		}
		for _, n := range []int{50, 100, 200, 400} {
			assert.InDelta(t, n, cost(n), 2, tt.section)
		}
	}

	spec := waits("kprobe/do_exit", "machine_restart", ebpf.Kprobe, 1)
	p, err := ebpf.NewProgram(spec)
	require.NoError(t, err)
	defer p.Close()
	_, err = Events(p, spec)
	assert.ErrorContains(t, err, "none of the system calls that are made here brings its event about")
}

// Where instructions are counted, a hundred more cost a hundred more, and a hundred for each of the two hundred.
func TestCost(t *testing.T) {
	guesttest.Guest(t)
	short, long := make([]byte, 60), make([]byte, 200)
	cost := func(n int) [2]int64 {
		spec := works(ebpf.XDP, n)
		p, err := ebpf.NewProgram(spec)
		require.NoError(t, err)
		defer p.Close()
		runs, err := On(Input{Frames: [][]byte{short, long}}, p, spec)
		require.NoError(t, err)
		for _, r := range runs {
			assert.GreaterOrEqual(t, r.Worst, r.Cost)
		}
		return [2]int64{runs[0].Cost, runs[1].Cost}
	}
	one, two := cost(100), cost(200)
	assert.EqualValues(t, 100, two[0]-one[0])
	assert.EqualValues(t, 200, two[1]-one[1])
	assert.InDelta(t, 100, one[0], 8)
}
