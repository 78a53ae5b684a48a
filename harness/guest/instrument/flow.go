// SPDX-License-Identifier: Apache-2.0

package instrument

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// none: an instruction does not jump.
const none = -1

// allButFP are all registers that a program may change, as bits.
const allButFP = 1<<10 - 1

// flow is where a program's instructions lead, and which registers hold something there. Registers are bits.
type flow struct {
	insns    asm.Instructions
	target   []int         // that each instruction jumps to, calls or takes the address of, or none
	next     [][]int       // where it goes on, in the same function
	function []int         // index of the first instruction of the function that it is in
	stack    map[int]int16 // how far down a function's stack is in use
	live     []uint16      // registers whose value may be needed by it or later
	may      []uint16      // registers that may hold a value before it
	must     []uint16      // and those that hold one for certain
}

// errComputed is the error of programs whose ways are not known.
var errComputed = errors.New("it has a computed jump")

func flowOf(insns asm.Instructions) (*flow, error) {
	n := len(insns)
	if n == 0 {
		return nil, errors.New("it has no instructions")
	}
	f := &flow{
		insns: insns, target: make([]int, n), next: make([][]int, n), function: make([]int, n), stack: map[int]int16{},
		live: make([]uint16, n), may: make([]uint16, n), must: make([]uint16, n),
	}
	if err := f.edges(); err != nil {
		return nil, err
	}
	f.functions()
	f.spread()
	return f, nil
}

// edges finds where instructions lead.
func (f *flow) edges() error {
	raw, byRaw, symbols := make([]int, len(f.insns)), map[int]int{}, map[string]int{}
	at := 0
	for i := range f.insns {
		raw[i], byRaw[at] = at, i
		at += int(f.insns[i].Width())
		if s := f.insns[i].Symbol(); s != "" {
			symbols[s] = i
		}
	}
	for i := range f.insns {
		ins := &f.insns[i]
		op := ins.OpCode.JumpOp()
		f.target[i] = none
		offset := int64(ins.Offset)
		jumps := op != asm.InvalidJumpOp && op != asm.Exit && op != asm.Call
		switch {
		case op == asm.Ja && ins.OpCode.Source() == asm.RegSource:
			return errComputed
		case ins.IsFunctionReference() || op == asm.Ja && ins.OpCode.Class() == asm.Jump32Class:
			offset = ins.Constant
		}
		if jumps || ins.IsFunctionReference() {
			to, ok := symbols[ins.Reference()]
			if !ok {
				to, ok = byRaw[raw[i]+1+int(offset)]
			}
			if !ok {
				return fmt.Errorf("instruction %d leads out of the program", i)
			}
			f.target[i] = to
		}
		if op != asm.Exit && op != asm.Ja {
			if i+1 == len(f.insns) {
				return fmt.Errorf("its last instruction is no exit")
			}
			f.next[i] = append(f.next[i], i+1)
		}
		if jumps {
			f.next[i] = append(f.next[i], f.target[i])
		}
	}
	return nil
}

// functions finds which function each instruction is in, and what it uses of the stack.
func (f *flow) functions() {
	begins := map[int]bool{0: true}
	for i := range f.insns {
		if f.insns[i].IsFunctionReference() {
			begins[f.target[i]] = true
		}
	}
	current := 0
	for i := range f.insns {
		if begins[i] {
			current = i
		}
		f.function[i] = current
	}
	// Where pointers into the stack are made is not followed: any register of a function that ever held one counts.
	points := map[int]uint16{}
	for range 2 { // a copy may stand before what is copied
		for i := range f.insns {
			if ins := &f.insns[i]; ins.OpCode.ALUOp() == asm.Mov && ins.OpCode.Source() == asm.RegSource {
				if ins.Src == asm.RFP || points[f.function[i]]&(1<<ins.Src) != 0 {
					points[f.function[i]] |= 1 << ins.Dst
				}
			}
		}
	}
	for i := range f.insns {
		ins, at := &f.insns[i], f.function[i]
		reaches := int64(0)
		switch class := ins.OpCode.Class(); {
		case class.IsLoad() && ins.Src == asm.RFP, class.IsStore() && ins.Dst == asm.RFP:
			reaches = int64(ins.Offset)
		case class.IsALU() && ins.OpCode.ALUOp() == asm.Add && ins.OpCode.Source() == asm.ImmSource && points[at]&(1<<ins.Dst) != 0:
			reaches = ins.Constant
		}
		if reaches >= -512 && reaches < int64(f.stack[at]) {
			f.stack[at] = int16(reaches) &^ 7
		}
	}
}

// blocks are where blocks begin: at a function, at what is jumped to, behind a jump, and behind a call that may not
// come back.
func (f *flow) blocks() (blocks []int) {
	begins := make([]bool, len(f.insns)+1)
	for i := range f.insns {
		begins[i] = begins[i] || f.function[i] == i
		if f.target[i] != none {
			begins[f.target[i]] = true
		}
		ins := &f.insns[i]
		switch op := ins.OpCode.JumpOp(); {
		case op == asm.Call && ins.IsBuiltinCall():
			begins[i+1] = begins[i+1] || asm.BuiltinFunc(ins.Constant) == asm.FnTailCall
		case op == asm.Call:
			begins[i+1] = true // a function may make a tail call, or throw
		case op != asm.InvalidJumpOp:
			begins[i+1] = true
		}
	}
	for i, begin := range begins[:len(f.insns)] {
		if begin {
			blocks = append(blocks, i)
		}
	}
	return blocks
}

const (
	arguments   = 0x3e  // R1 to R5
	result      = 1     // R0
	kept        = 0x3c0 // R6 to R9, which calls leave alone
	loadAcquire = 0x100
)

// effect is which registers an instruction reads and which it sets. What a call reads is among its arguments, all of
// which it leaves without a value.
func effect(ins *asm.Instruction) (reads, sets uint16) {
	src, dst := uint16(1)<<ins.Src, uint16(1)<<ins.Dst
	fromRegister := ins.OpCode.Source() == asm.RegSource
	switch class := ins.OpCode.Class(); {
	case class.IsALU():
		if ins.OpCode.ALUOp() != asm.Mov {
			reads |= dst
		}
		if fromRegister && ins.OpCode.ALUOp() != asm.Swap && ins.OpCode.ALUOp() != asm.Neg {
			reads |= src
		}
		return reads, dst
	case class.IsJump():
		switch ins.OpCode.JumpOp() {
		case asm.Exit:
			return result, 0
		case asm.Call:
			return arguments, result
		case asm.Ja, asm.JCOND:
			return 0, 0
		}
		if fromRegister {
			reads = src
		}
		return reads | dst, 0
	case ins.OpCode.IsDWordLoad():
		return 0, dst
	case class == asm.LdClass: // of a packet, in the way of old: from R6, as a call
		if ins.OpCode.Mode() == asm.IndMode {
			reads = src
		}
		return reads | 1<<6, result
	case class.IsLoad():
		return src, dst
	case class == asm.StClass:
		return dst, 0
	case ins.OpCode.Mode() == asm.AtomicMode && ins.Constant == loadAcquire:
		return src, dst
	case ins.OpCode.Mode() == asm.AtomicMode:
		return src | dst | result, 0
	}
	return src | dst, 0
}

// clobbers reports whether an instruction leaves R1 to R5 without a value.
func clobbers(ins *asm.Instruction) bool {
	return ins.OpCode.JumpOp() == asm.Call || ins.OpCode.Class() == asm.LdClass && !ins.OpCode.IsDWordLoad()
}

// spread finds which registers hold something, and which are needed, until nothing changes any more.
func (f *flow) spread() {
	reads, sets := make([]uint16, len(f.insns)), make([]uint16, len(f.insns))
	for i := range f.insns {
		reads[i], sets[i] = effect(&f.insns[i])
	}
	behind := func(i int, held uint16) uint16 {
		if clobbers(&f.insns[i]) {
			held &^= arguments
		}
		return held | sets[i]
	}
	entry := func(i int) (held uint16, ok bool) { return f.given(i), f.function[i] == i }

	for changed := true; changed; {
		changed = false
		for i := range f.insns {
			if held, ok := entry(i); ok {
				f.may[i] |= held
			}
			for _, next := range f.next[i] {
				if held := f.may[next] | behind(i, f.may[i]); held != f.may[next] {
					f.may[next], changed = held, true
				}
			}
		}
	}
	for i := range f.insns {
		if f.insns[i].OpCode.JumpOp() == asm.Call {
			reads[i] &= f.may[i]
		}
		f.must[i] = allButFP
	}
	for changed := true; changed; {
		changed = false
		for i := len(f.insns) - 1; i >= 0; i-- {
			live := uint16(0)
			for _, next := range f.next[i] {
				live |= f.live[next]
			}
			if live = live&^sets[i] | reads[i]; live != f.live[i] {
				f.live[i], changed = live, true
			}
		}
	}
	for changed := true; changed; {
		changed = false
		for i := range f.insns {
			if held, ok := entry(i); ok {
				f.must[i] &= held
			}
			for _, next := range f.next[i] {
				if held := f.must[next] & behind(i, f.must[i]); held != f.must[next] {
					f.must[next], changed = held, true
				}
			}
		}
	}
}

// given are the registers that a function is given: a program its context, another function what its type says.
func (f *flow) given(i int) uint16 {
	if i == 0 {
		return 1 << asm.R1
	}
	fn := btf.FuncMetadata(&f.insns[i])
	if fn == nil {
		return arguments
	}
	proto, ok := fn.Type.(*btf.FuncProto)
	if !ok {
		return arguments
	}
	return uint16(1<<(min(len(proto.Params), 5)+1)-1) &^ 1
}

// registers are those of a set, the lowest first.
func registers(set uint16) (all []asm.Register) {
	for r := asm.R0; r <= asm.R9; r++ {
		if set&(1<<r) != 0 {
			all = append(all, r)
		}
	}
	return all
}
