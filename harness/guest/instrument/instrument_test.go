// SPDX-License-Identifier: Apache-2.0

package instrument

import (
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/guest/guesttest"
)

func object(insns ...asm.Instruction) *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{
		Maps:     map[string]*ebpf.MapSpec{},
		Programs: map[string]*ebpf.ProgramSpec{"p": {Name: "p", Type: ebpf.XDP, License: "GPL", Instructions: insns}},
	}
}

// looped counts R6 down from n, calls a function each time, and then a helper that keeps all it is given.
func looped(n int32) *ebpf.CollectionSpec {
	return object(
		asm.Mov.Reg(asm.R9, asm.R1).WithSymbol("p"),      // 0
		asm.Mov.Imm(asm.R6, n),                           // 1
		asm.Mov.Imm(asm.R7, 0),                           // 2
		asm.Mov.Reg(asm.R1, asm.R6).WithSymbol("again"),  // 3
		asm.Call.Label("double"),                         // 4
		asm.Add.Reg(asm.R7, asm.R0),                      // 5
		asm.Sub.Imm(asm.R6, 1),                           // 6
		asm.JNE.Imm(asm.R6, 0, "again"),                  // 7
		asm.JGT.Imm(asm.R7, 1000, "many"),                // 8
		asm.FnGetSmpProcessorId.Call(),                   // 9
		asm.LoadMem(asm.R2, asm.R9, 0, asm.Word),         // 10: the context is still there
		asm.Mov.Reg(asm.R0, asm.R7),                      // 11
		asm.Return(),                                     // 12
		asm.Mov.Imm(asm.R0, 0).WithSymbol("many"),        // 13
		asm.Return(),                                     // 14
		asm.Mov.Reg(asm.R0, asm.R1).WithSymbol("double"), // 15
		asm.Add.Reg(asm.R0, asm.R1),                      // 16
		asm.Return(),                                     // 17
	)
}

func TestBlocks(t *testing.T) {
	c, err := New(looped(5), "p", nil)
	require.NoError(t, err)
	assert.Equal(t, []int{0, 3, 5, 8, 9, 13, 15}, c.Blocks)
	f, err := flowOf(looped(5).Programs["p"].Instructions)
	require.NoError(t, err)
	assert.EqualValues(t, 1<<6|1<<7|1<<9, f.live[3], "what the loop needs, and the context")
	assert.EqualValues(t, 1<<1, f.live[15], "the function's argument")
	assert.Equal(t, 15, f.function[17])
	assert.Equal(t, 0, f.function[14])
	assert.Zero(t, f.live[13])

	words := Words{1, 5, 5, 1, 1, 0, 5, 100}
	assert.Equal(t, []uint64{1, 1, 1, 5, 5, 5, 5, 5, 1, 1, 1, 1, 1, 0, 0, 5, 5, 5}, c.Instructions(words))
	assert.EqualValues(t, 1, c.Ran(words))
	assert.Equal(t, Words{1, 5, 5, 1, 1, 0, 5}, c.BlocksOf(words))
}

func TestTimes(t *testing.T) {
	c, err := New(looped(5), "p", []int{9})
	require.NoError(t, err)
	assert.Equal(t, []Call{{Index: 9, Extra: -keptRestores}}, c.Calls, "it has no arguments, and nobody needs its result")
	words := Words{2, 0, 0, 0, 4, 0, 0, 20, 100}
	assert.Equal(t, []float64{100 - 4*(10-1)}, c.Times(words))
	assert.Equal(t, []float64{0}, c.Times(make(Words, 9)), "it never ran")
}

func TestWords(t *testing.T) {
	w := Words{5, 7}
	assert.Equal(t, Words{1, 4}, w.Less(Words{4, 3}))
	assert.EqualValues(t, 12, w.Sum())
	w.Add(Words{1, 1})
	assert.Equal(t, Words{6, 8}, w)
}

func TestTimed(t *testing.T) {
	for fn, want := range map[asm.BuiltinFunc]bool{asm.FnMapLookupElem: true, asm.FnTailCall: false, asm.FnSpinLock: false, asm.FnLoop: false} {
		ins := fn.Call()
		assert.Equal(t, want, Timed(&ins), fn)
	}
	kfunc := asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall}
	function := asm.Call.Label("f")
	assert.True(t, Timed(&kfunc))
	assert.False(t, Timed(&function))
}

func TestErrors(t *testing.T) {
	for want, insns := range map[string]asm.Instructions{
		"it has no instructions": {}, "its last instruction is no exit": {asm.Mov.Imm(asm.R0, 0)},
		"instruction 0 leads out of the program": {{OpCode: asm.Ja.Op(asm.ImmSource), Offset: 5}, asm.Return()},
		"it has a computed jump":                 {{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja).SetSource(asm.RegSource)}, asm.Return()},
	} {
		_, err := New(object(insns...), "p", nil)
		assert.ErrorContains(t, err, want)
	}
	far := asm.Instructions{asm.JEq.Imm(asm.R1, 0, "end")}
	for range 9000 {
		far = append(far, asm.JEq.Imm(asm.R1, 0, "end"))
	}
	far = append(far, asm.Mov.Imm(asm.R0, 0).WithSymbol("end"), asm.Return())
	_, err := New(object(far...), "p", nil)
	assert.ErrorIs(t, err, errLarge)
}

// What a copy uses of the stack lies below what the program uses.
func TestStack(t *testing.T) {
	f, err := flowOf(asm.Instructions{
		asm.StoreImm(asm.RFP, -12, 0, asm.Word), asm.Mov.Reg(asm.R2, asm.RFP), asm.Add.Imm(asm.R2, -33), asm.Mov.Reg(asm.R3, asm.R2),
		asm.Mov.Imm(asm.R4, 0), asm.Add.Imm(asm.R4, -100), asm.Mov.Imm(asm.R0, 0), asm.Return(),
	})
	require.NoError(t, err)
	assert.EqualValues(t, -40, f.stack[0], "of R2; R4 is no pointer")
}

// All that an instruction reads and sets.
func TestEffect(t *testing.T) {
	const r0, r1, r2, r6 = 1, 2, 4, 1 << 6
	for _, tt := range []struct {
		name        string
		ins         asm.Instruction
		reads, sets uint16
	}{
		{"mov", asm.Mov.Reg(asm.R1, asm.R2), r2, r1}, {"constant", asm.Mov.Imm(asm.R1, 0), 0, r1}, {"add", asm.Add.Reg(asm.R1, asm.R2), r1 | r2, r1},
		{"swap", asm.HostTo(asm.BE, asm.R1, asm.Half), r1, r1}, {"load", asm.LoadMem(asm.R1, asm.R2, 0, asm.Word), r2, r1}, {"constant of 64 bits", asm.LoadImm(asm.R1, 1, asm.DWord), 0, r1},
		{"store", asm.StoreMem(asm.R1, 0, asm.R2, asm.Word), r1 | r2, 0}, {"store a constant", asm.StoreImm(asm.R1, 0, 1, asm.Word), r1, 0},
		{"atomic", asm.StoreXAdd(asm.R1, asm.R2, asm.DWord), r0 | r1 | r2, 0}, {"exit", asm.Return(), r0, 0}, {"call", asm.FnMapLookupElem.Call(), arguments, r0},
		{"jump", asm.Ja.Label("x"), 0, 0}, {"branch", asm.JEq.Reg(asm.R1, asm.R2, "x"), r1 | r2, 0}, {"branch on a constant", asm.JEq.Imm(asm.R1, 0, "x"), r1, 0},
		{"packet", asm.LoadAbs(0, asm.Word), r6, r0}, {"packet, indirect", asm.LoadInd(asm.R0, asm.R2, 0, asm.Word), r2 | r6, r0},
		{"load acquire", asm.Instruction{OpCode: asm.StoreXAdd(asm.R1, asm.R2, asm.DWord).OpCode, Dst: asm.R1, Src: asm.R2, Constant: loadAcquire}, r2, r1},
	} {
		reads, sets := effect(&tt.ins)
		assert.Equal(t, [2]uint16{tt.reads, tt.sets}, [2]uint16{reads, sets}, tt.name)
	}
}

// run runs a copy once, and returns the result of the program and what the copy has counted.
func run(t *testing.T, c *Copy) (uint32, Words) {
	t.Helper()
	loaded, err := ebpf.NewCollection(c.Object)
	require.NoError(t, err)
	defer loaded.Close()
	result, _, err := loaded.Programs["p"].Test(make([]byte, 64))
	require.NoError(t, err)
	words, err := Read(loaded.Maps[Counts])
	require.NoError(t, err)
	return result, words
}

func TestCounts(t *testing.T) {
	guesttest.Root(t)
	for _, timed := range [][]int{nil, {9}} {
		c, err := New(looped(5), "p", timed)
		require.NoError(t, err)
		result, words := run(t, c)
		assert.EqualValues(t, 30, result, "as the program itself: 2 times 1 to 5")
		assert.Equal(t, []uint64{1, 1, 1, 5, 5, 5, 5, 5, 1, 1, 1, 1, 1, 0, 0, 5, 5, 5}, c.Instructions(words))
	}
}

// Where all registers are in use, two are saved while a copy counts; and arguments and results of calls survive the
// clock.
func TestKeeps(t *testing.T) {
	guesttest.Root(t)
	insns := asm.Instructions{}
	for r := asm.R0; r <= asm.R9; r++ {
		insns = append(insns, asm.Mov.Imm(r, int32(r)+1))
	}
	insns = append(insns, asm.StoreImm(asm.RFP, -8, 77, asm.Word), asm.JEq.Imm(asm.R9, 10, "all"), asm.Mov.Imm(asm.R9, 0).WithSymbol(""), asm.Mov.Imm(asm.R8, 0))
	all := len(insns)
	insns = append(insns, asm.Add.Reg(asm.R0, asm.R1).WithSymbol("all"))
	for r := asm.R2; r <= asm.R9; r++ {
		insns = append(insns, asm.Add.Reg(asm.R0, r))
	}
	insns = append(insns, asm.LoadMem(asm.R1, asm.RFP, -8, asm.Word), asm.Add.Reg(asm.R0, asm.R1), asm.Return())
	c, err := New(object(insns...), "p", nil)
	require.NoError(t, err)
	assert.Contains(t, c.Blocks, all)
	result, words := run(t, c)
	assert.EqualValues(t, 55+77, result)
	assert.EqualValues(t, 1, c.Instructions(words)[all])

	// bpf_csum_diff adds up what its five arguments point to; R6 to R9 are in use behind it.
	spec := object(
		asm.StoreImm(asm.RFP, -8, 3, asm.Word), asm.StoreImm(asm.RFP, -4, 4, asm.Word),
		asm.Mov.Imm(asm.R6, 100), asm.Mov.Imm(asm.R7, 200), asm.Mov.Imm(asm.R8, 300), asm.Mov.Imm(asm.R9, 400),
		asm.Mov.Reg(asm.R1, asm.RFP), asm.Add.Imm(asm.R1, -8), asm.Mov.Imm(asm.R2, 0), asm.Mov.Reg(asm.R3, asm.RFP), asm.Add.Imm(asm.R3, -8), asm.Mov.Imm(asm.R4, 8), asm.Mov.Imm(asm.R5, 9),
		asm.FnCsumDiff.Call(),
		asm.Add.Reg(asm.R0, asm.R6), asm.Add.Reg(asm.R0, asm.R7), asm.Add.Reg(asm.R0, asm.R8), asm.Add.Reg(asm.R0, asm.R9), asm.Return(),
	)
	c, err = New(spec, "p", []int{13})
	require.NoError(t, err)
	assert.Equal(t, []Call{{Index: 13, Extra: 5 - keptRestores + 1}}, c.Calls)
	result, _ = run(t, c)
	assert.EqualValues(t, 3+4+9+1000, result)
}

// In a guest the clock counts instructions: a helper's cost is that of its code, whatever is saved around it.
func TestExactTimes(t *testing.T) {
	guesttest.Guest(t)
	costs := map[int32]float64{}
	for _, arguments := range []int32{0, 1} { // with R6 free, and not
		use := asm.Mov.Imm(asm.R6, 0)
		if arguments == 1 {
			use = asm.Mov.Imm(asm.R1, 7)
		}
		c, err := New(object(asm.Mov.Imm(asm.R6, 1), use, asm.FnGetPrandomU32.Call(), asm.Mov.Reg(asm.R0, asm.R6), asm.Return()), "p", []int{2})
		require.NoError(t, err)
		loaded, err := ebpf.NewCollection(c.Object)
		require.NoError(t, err)
		for range 5 { // the first run is slower
			_, _, err = loaded.Programs["p"].Test(make([]byte, 64))
			require.NoError(t, err)
		}
		before, err := Read(loaded.Maps[Counts])
		require.NoError(t, err)
		for range 20 {
			_, _, err = loaded.Programs["p"].Test(make([]byte, 64))
			require.NoError(t, err)
		}
		words, err := Read(loaded.Maps[Counts])
		require.NoError(t, err)
		costs[arguments] = c.Times(words.Less(before))[0] / 20
		loaded.Close()
	}
	assert.InDelta(t, costs[0], costs[1], 1)
	assert.Greater(t, costs[0], 5.0)
}
