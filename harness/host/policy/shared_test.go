// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
)

func TestSharedWrites(t *testing.T) {
	maps := map[string]*ebpf.MapSpec{
		"hash": {Type: ebpf.Hash}, "array": {Type: ebpf.Array}, "percpu": {Type: ebpf.PerCPUArray}, "percpuhash": {Type: ebpf.PerCPUHash},
		".bss": {Type: ebpf.Array, Flags: mmapable}, ".rodata": {Type: ebpf.Array, Flags: rdonlyProg | mmapable},
	}
	handle := func(name string) asm.Instruction {
		return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R1, Src: asm.PseudoMapFD}.WithReference(name)
	}
	global := func(dst asm.Register, name string) asm.Instruction {
		return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: dst, Src: asm.PseudoMapValue}.WithReference(name)
	}
	lookup := func(name string) asm.Instructions {
		return asm.Instructions{handle(name), asm.Mov.Reg(asm.R2, asm.RFP), asm.FnMapLookupElem.Call()}
	}
	store := func(dst asm.Register) asm.Instruction { return asm.StoreMem(dst, 8, asm.R3, asm.DWord) }
	function := func(name string, ins ...asm.Instruction) asm.Instructions {
		ins[0] = ins[0].WithSymbol(name)
		return ins
	}
	call := func(name string) asm.Instruction {
		return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoCall, Constant: -1}.WithReference(name)
	}
	callback := func(name string) asm.Instruction {
		return asm.Instruction{OpCode: asm.LoadImmOp(asm.DWord), Dst: asm.R2, Src: asm.PseudoFunc, Constant: -1}.WithReference(name)
	}
	join := func(parts ...asm.Instructions) (all asm.Instructions) {
		for _, p := range parts {
			all = append(all, p...)
		}
		return all
	}
	one := func(ins ...asm.Instruction) asm.Instructions { return ins }

	for name, tt := range map[string]struct {
		insns asm.Instructions
		want  []int
	}{
		"a shared value":         {join(lookup("hash"), one(store(asm.R0), asm.Return())), []int{3}},
		"an atomic addition":     {join(lookup("array"), one(asm.AddAtomic.Mem(asm.R0, asm.R3, asm.DWord, 0), asm.Return())), []int{3}},
		"a constant":             {join(lookup("array"), one(asm.StoreImm(asm.R0, 0, 1, asm.Word), asm.Return())), []int{3}},
		"a per-CPU value":        {join(lookup("percpu"), one(store(asm.R0), asm.Return())), nil},
		"a per-CPU hash's":       {join(lookup("percpuhash"), one(store(asm.R0), asm.Return())), nil},
		"only read":              {join(lookup("hash"), one(asm.LoadMem(asm.R3, asm.R0, 0, asm.DWord), asm.Return())), nil},
		"global data":            {one(global(asm.R4, ".bss"), store(asm.R4), asm.Return()), []int{1}},
		"constant data":          {one(global(asm.R4, ".rodata"), asm.LoadMem(asm.R3, asm.R4, 0, asm.DWord), asm.Return()), nil},
		"the stack":              {one(store(asm.RFP), asm.Return()), nil},
		"the packet":             {one(asm.LoadMem(asm.R4, asm.R1, 0, asm.Word), store(asm.R4), asm.Return()), nil},
		"update":                 {one(handle("hash"), asm.FnMapUpdateElem.Call(), asm.Return()), []int{1}},
		"update per CPU":         {one(handle("percpu"), asm.FnMapUpdateElem.Call(), asm.Return()), nil},
		"delete":                 {one(handle("hash"), asm.FnMapDeleteElem.Call(), asm.Return()), []int{1}},
		"a helper that writes":   {join(lookup("array"), one(asm.Mov.Reg(asm.R1, asm.R0), asm.FnProbeReadKernel.Call(), asm.Return())), []int{4}},
		"a helper that does not": {join(lookup("array"), one(asm.FnKtimeGetNs.Call(), asm.Return())), nil},
		"by another register":    {join(lookup("array"), one(asm.Mov.Reg(asm.R6, asm.R0), asm.Mov.Imm(asm.R0, 0), store(asm.R6), asm.Return())), []int{5}},
		"after a call":           {join(lookup("array"), one(asm.Mov.Reg(asm.R5, asm.R0), asm.FnKtimeGetNs.Call(), store(asm.R5), store(asm.R0), asm.Return())), nil},
		"moved on":               {join(lookup("array"), one(asm.Add.Imm(asm.R0, 8), store(asm.R0), asm.Return())), []int{4}},
		"a sum":                  {join(lookup("array"), one(asm.Mov.Imm(asm.R4, 8), asm.Add.Reg(asm.R4, asm.R0), store(asm.R4), asm.Return())), []int{5}},
		"replaced":               {join(lookup("array"), one(asm.Mov.Reg(asm.R0, asm.RFP), store(asm.R0), asm.Return())), nil},
		"kept on the stack": {join(lookup("array"), one(
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.LoadMem(asm.R7, asm.RFP, -8, asm.DWord), store(asm.R7), asm.Return())), []int{5}},
		"kept on the stack by a later instruction": {join(one(asm.LoadMem(asm.R7, asm.RFP, -8, asm.DWord), store(asm.R7)), lookup("array"), one(
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.Return())), []int{1}},
		"either": {join(one(asm.JEq.Imm(asm.R1, 0, "other")), lookup("percpu"), one(asm.Ja.Label("join")),
			one(handle("array").WithSymbol("other"), asm.Mov.Reg(asm.R2, asm.RFP), asm.FnMapLookupElem.Call()),
			one(store(asm.R0).WithSymbol("join"), asm.Return())), []int{8}},
		"never reached": {one(asm.Ja.Label("end"), global(asm.R4, ".bss"), store(asm.R4), asm.Return().WithSymbol("end")), nil},
		"in a function": {join(lookup("array"), one(asm.Mov.Reg(asm.R1, asm.R0), call("f"), asm.Return()),
			function("f", store(asm.R1), asm.Return())), []int{6}},
		"by a function's result": {join(one(call("f"), store(asm.R0), asm.Return()), function("f", lookup("array")...), one(asm.Return())), []int{1}},
		"another slot of the stack": {join(lookup("array"), one(
			asm.StoreMem(asm.RFP, -8, asm.R0, asm.DWord), asm.LoadMem(asm.R7, asm.RFP, -16, asm.DWord), store(asm.R7), asm.Return())), nil},
		"a slot by another register": {join(lookup("array"), one(
			asm.Mov.Reg(asm.R6, asm.RFP), asm.StoreMem(asm.R6, -8, asm.R0, asm.DWord), asm.LoadMem(asm.R7, asm.RFP, -16, asm.DWord), store(asm.R7), asm.Return())), []int{6}},
		"behind a tail call that fails": {one(asm.FnTailCall.Call(), global(asm.R4, ".bss"), store(asm.R4), asm.Return()), []int{2}},
		"in a callback": {join(one(callback("f"), asm.FnLoop.Call(), asm.Return()),
			function("f", global(asm.R4, ".bss"), store(asm.R4), asm.Return())), []int{4}},
		"a value that a callback is given": {join(one(callback("f"), handle("hash"), asm.FnForEachMapElem.Call(), asm.Return()),
			function("f", store(asm.R3), asm.Return())), []int{4}},
		"a value of one's own that a callback is given": {join(one(callback("f"), handle("percpuhash"), asm.FnForEachMapElem.Call(), asm.Return()),
			function("f", store(asm.R3), asm.Return())), nil},
		"a queue": {one(handle("hash"), asm.FnMapPushElem.Call(), asm.Return()), []int{1}},
		"not by another's argument": {join(lookup("array"), one(asm.Mov.Reg(asm.R2, asm.R0), call("f"), store(asm.R2), asm.Return()),
			function("f", store(asm.R1), asm.Return())), nil},
	} {
		t.Run(name, func(t *testing.T) {
			spec := &ebpf.CollectionSpec{Maps: maps, Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: tt.insns}}}
			var got []int
			for i, writes := range SharedWrites(spec, "p") {
				if writes {
					got = append(got, i)
				}
			}
			assert.Equal(t, tt.want, got, fmt.Sprint(tt.insns))
		})
	}
	either := &ebpf.CollectionSpec{Maps: maps, Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: join(
		one(asm.JEq.Imm(asm.R1, 0, "other")), lookup("array"), one(asm.Ja.Label("join")),
		one(handle("hash").WithSymbol("other"), asm.Mov.Reg(asm.R2, asm.RFP), asm.FnMapLookupElem.Call()),
		one(store(asm.R0).WithSymbol("join"), asm.Return()))}}}
	written, _ := SharedMaps(either, "p")
	assert.Equal(t, []string{"array", "hash"}, written[8])
	indexed := join(lookup("array"), one(asm.Add.Reg(asm.R0, asm.R6), store(asm.R0), asm.Return()))
	_, varies := SharedMaps(&ebpf.CollectionSpec{Maps: maps, Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: indexed}}}, "p")
	assert.True(t, varies[len(indexed)-2], "an index")
	fixed := join(lookup("array"), one(asm.Add.Imm(asm.R0, 8), store(asm.R0), asm.Return()))
	_, varies = SharedMaps(&ebpf.CollectionSpec{Maps: maps, Programs: map[string]*ebpf.ProgramSpec{"p": {Instructions: fixed}}}, "p")
	assert.False(t, varies[len(fixed)-2], "a field")
	assert.Empty(t, SharedWrites(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"p": {}}}, "p"))
}

// Of two paths the one counts on which more happens, however short it is.
func TestMostOnPath(t *testing.T) {
	insns := asm.Instructions{
		asm.JEq.Imm(asm.R1, 0, "short"),
		asm.Mov.Imm(asm.R2, 1), asm.Mov.Imm(asm.R2, 2), asm.Mov.Imm(asm.R2, 3), asm.FnKtimeGetNs.Call(), asm.Return(),
		asm.FnKtimeGetNs.Call().WithSymbol("short"), asm.FnKtimeGetNs.Call(), asm.Return(),
	}
	p, err := MostOnPath(insns, func(i int) bool { return insns[i].IsBuiltinCall() })
	assert.NoError(t, err)
	assert.Equal(t, 2, p.Instructions)
	p, err = MostOnPath(insns, func(int) bool { return false })
	assert.NoError(t, err)
	assert.Zero(t, p.Instructions)
	assert.Empty(t, p.Lines)
}
