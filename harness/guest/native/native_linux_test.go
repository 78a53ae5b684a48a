// SPDX-License-Identifier: Apache-2.0

package native

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
)

func TestOf(t *testing.T) {
	guesttest.Root(t)
	spec := &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Type: ebpf.XDP, License: "GPL", Instructions: asm.Instructions{
		asm.FnGetPrandomU32.Call().WithSymbol("p"),                 // 0: the prologue is told apart
		asm.Mov.Reg(asm.R6, asm.R0),                                // 1
		asm.Mov.Imm(asm.R1, 5),                                     // 2
		asm.JEq.Imm(asm.R1, 5, "always"),                           // 3: always, so that the verifier removes it
		asm.Mov.Imm(asm.R0, 1),                                     // 4: and this
		asm.Return(),                                               // 5: and this
		asm.LoadImm(asm.R1, 1<<40, asm.DWord).WithSymbol("always"), // 6
		asm.Call.Label("f"),                                        // 7
		asm.Return(),                                               // 8
		asm.Mov.Imm(asm.R0, 2).WithSymbol("f"),                     // 9
		asm.Return(),                                               // 10
	}}}}
	code, err := Of(spec, "p")
	require.NoError(t, err)
	require.Len(t, code.Spans, 11)
	for _, i := range []int{3, 4, 5} {
		assert.Equal(t, Span{}, code.Spans[i], "instruction %d is removed", i)
	}
	at := 0
	for _, i := range []int{0, 1, 2, 6, 7, 8, 9, 10} {
		s := code.Spans[i]
		assert.Equal(t, at, s.Entry, "instruction %d begins where the one before it ends", i)
		assert.LessOrEqual(t, s.Entry, s.From)
		assert.Less(t, s.From, s.To)
		at = s.To
	}
	assert.Len(t, code.Image, at)
	assert.Equal(t, byte(0xe8), code.Image[code.Spans[0].From], "a call, without the prologue")
	assert.Less(t, code.Spans[0].Entry, code.Spans[0].From)
	assert.Equal(t, code.Spans[1].Entry, code.Spans[1].From, "only a call at the entry is told apart")
	assert.Equal(t, 10, code.Spans[6].To-code.Spans[6].From, "movabs")

	spec.Programs["p"].Instructions = asm.Instructions{asm.Return()}
	_, err = Of(spec, "p")
	assert.ErrorContains(t, err, "load it with numbered lines: ")
}
