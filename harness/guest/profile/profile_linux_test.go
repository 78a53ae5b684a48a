// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
	"bpflab/harness/guest/testrun"
	"bpflab/harness/job"
)

// calls returns a program that makes some calls, and uses so much of its stack.
func calls(stack int16, n int) *ebpf.CollectionSpec {
	insns := asm.Instructions{asm.StoreImm(asm.RFP, -stack, 0, asm.Word).WithSymbol("p")}
	for range n {
		insns = append(insns, asm.FnGetPrandomU32.Call())
	}
	insns = append(insns, asm.Mov.Imm(asm.R0, 2), asm.Return())
	return &ebpf.CollectionSpec{Maps: map[string]*ebpf.MapSpec{}, Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Type: ebpf.XDP, License: "GPL", Instructions: insns}}}
}

func TestOf(t *testing.T) {
	guesttest.Root(t)
	in, runs := testrun.Input{Frames: [][]byte{make([]byte, 64), {1}, make([]byte, 100)}}, []job.FrameRun{{Result: 2}, {Refused: true}, {Result: 1}}
	for stack, timed := range map[int16]bool{8: true, 496: true, 508: false} {
		p, err := Of(calls(stack, 2), "p", in, runs)
		require.NoError(t, err)
		assert.EqualValues(t, 2, p.Runs)
		assert.Equal(t, []uint64{5, 0, 5}, p.Executed)
		assert.Equal(t, 1, p.Differs, "it is said to return 1 on the last frame")
		assert.Equal(t, []string{"p"}, p.Functions)
		require.Len(t, p.Insns, 5)
		for i, ins := range p.Insns {
			assert.EqualValues(t, 2, ins.Count, i)
			assert.Equal(t, -1, ins.Line)
			assert.Equal(t, i == 1 || i == 2, ins.Helper == uint32(asm.FnGetPrandomU32))
			assert.Equal(t, timed && ins.Helper != 0, ins.Timed, "%d bytes of stack are used: a clock needs 8 more", stack)
		}
		assert.NotEmpty(t, p.Code)
		assert.NotEmpty(t, p.Empty)
	}

	large := calls(8, maxInstructions)
	_, err := Of(large, "p", in, runs)
	assert.ErrorContains(t, err, "more than the 16384 of which a profile can be had")
	broken := calls(8, 1)
	broken.Programs["p"].Instructions = asm.Instructions{asm.Return()}
	_, err = Of(broken, "p", in, runs)
	assert.Error(t, err)
}

// Of the scenes that are measured each counts once, as often as its program was loaded for it.
func TestScenes(t *testing.T) {
	guesttest.Root(t)
	c, err := New(calls(8, 1), "p")
	require.NoError(t, err)
	assert.Contains(t, c.Profile().Error, "did not run")
	c, err = New(calls(8, 1), "p")
	require.NoError(t, err)
	for _, n := range []int{3, 2, 4} {
		loaded, err := ebpf.NewCollection(c.Object)
		require.NoError(t, err)
		for range n {
			_, _, err := loaded.Programs["p"].Test(make([]byte, 64))
			require.NoError(t, err)
		}
		require.NoError(t, c.Count("one", loaded))
		if n == 4 {
			require.NoError(t, c.Count("other", loaded))
		}
		loaded.Close()
	}
	assert.EqualValues(t, 2+4, c.Profile().Runs)
}
