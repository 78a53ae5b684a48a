// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// SharedWrites tells, by index, which instructions of a program may write to memory that other CPUs write as
// well: the values of maps that are not per CPU, and global variables. A store counts, an atomic operation, and
// a helper that changes a map or is given a pointer into one. Pointers are followed through registers, the
// stack and calls, and a pointer that may lead to shared memory is taken to do so.
func SharedWrites(spec *ebpf.CollectionSpec, program string) []bool {
	a := &aliases{graph: newGraph(spec.Programs[program].Instructions, all), spec: spec}
	a.states = make([]*regs, len(a.insns))
	a.writes = make([]bool, len(a.insns))
	if len(a.insns) > 0 {
		a.flow(0, regs{})
	}
	for len(a.work) > 0 {
		i := a.work[len(a.work)-1]
		a.work = a.work[:len(a.work)-1]
		a.step(i)
	}
	return a.writes
}

// targets is what a register may hold, as far as it matters here.
type targets struct {
	shared bool // a pointer into memory that other CPUs write as well
	handle bool // a reference to a map whose values are such memory
}

func (t targets) or(u targets) targets { return targets{t.shared || u.shared, t.handle || u.handle} }

// regs are the registers before an instruction. Of the stack all slots are one, for all functions: what was
// stored in one may be loaded from any.
type regs [11]targets

// aliases follows pointers until nothing changes any more: targets only grow, so that this ends.
type aliases struct {
	*graph
	spec   *ebpf.CollectionSpec
	states []*regs
	stack  targets
	result targets // of functions, in R0, all of them one
	behind []int   // the instructions behind calls of functions
	work   []int
	writes []bool
}

// flow adds what the registers may hold before an instruction.
func (a *aliases) flow(to int, r regs) {
	if a.states[to] == nil {
		a.states[to] = &r
		a.work = append(a.work, to)
		return
	}
	merged := *a.states[to]
	for i := range merged {
		merged[i] = merged[i].or(r[i])
	}
	if merged != *a.states[to] {
		*a.states[to] = merged
		a.work = append(a.work, to)
	}
}

// spill adds what the stack may hold. All that loads from it is to be seen again.
func (a *aliases) spill(t targets) {
	if merged := a.stack.or(t); merged != a.stack {
		a.stack = merged
		for i, s := range a.states {
			if s != nil {
				a.work = append(a.work, i)
			}
		}
	}
}

func (a *aliases) step(i int) {
	ins, r := &a.insns[i], *a.states[i]
	edges, err := a.edges(i)
	if err != nil {
		return // the path is without bound, which is another finding
	}
	switch class := ins.OpCode.Class(); {
	case ins.OpCode.JumpOp() == asm.Exit:
		a.ret(r[0])
		return
	case ins.OpCode.JumpOp() == asm.Call && ins.IsFunctionCall():
		a.call(edges, r)
		return
	case ins.OpCode.JumpOp() == asm.Call:
		a.helper(i, &r)
	case ins.OpCode.IsDWordLoad():
		r[ins.Dst] = targets{}
		switch m := a.spec.Maps[ins.Reference()]; {
		case m == nil || perCPU(m.Type) || m.Flags&rdonlyProg != 0:
		case ins.Src == asm.PseudoMapValue:
			r[ins.Dst].shared = true
		case ins.Src == asm.PseudoMapFD:
			r[ins.Dst].handle = true
		}
	case class.IsLoad():
		r[ins.Dst] = a.stack // or nothing, of a load from elsewhere: no pointer is kept there
	case class.IsStore():
		a.writes[i] = a.writes[i] || r[ins.Dst].shared
		if class == asm.StXClass && !r[ins.Dst].shared {
			a.spill(r[ins.Src])
		}
	case class.IsALU():
		switch {
		case ins.OpCode.ALUOp() != asm.Mov && ins.OpCode.Source() == asm.RegSource:
			r[ins.Dst] = r[ins.Dst].or(r[ins.Src])
		case ins.OpCode.ALUOp() == asm.Mov && ins.OpCode.Source() == asm.RegSource:
			r[ins.Dst] = r[ins.Src]
		case ins.OpCode.ALUOp() == asm.Mov:
			r[ins.Dst] = targets{}
		}
	}
	for _, e := range edges {
		a.flow(e.to, r)
	}
}

// call goes into a function with its arguments, and on behind the call with its result.
func (a *aliases) call(edges []edge, r regs) {
	var callee, behind int
	for _, e := range edges {
		if e.call {
			callee = e.to
		} else {
			behind = e.to
		}
	}
	arguments := regs{}
	copy(arguments[1:6], r[1:6])
	a.flow(callee, arguments)
	if !slices.Contains(a.behind, behind) {
		a.behind = append(a.behind, behind)
	}
	clear(r[1:6])
	r[0] = a.result
	a.flow(behind, r)
}

// ret passes a function's result on to whatever has called one.
func (a *aliases) ret(result targets) {
	a.result = a.result.or(result)
	for _, i := range a.behind {
		a.flow(i, regs{0: a.result})
	}
}

// helper is a call of the kernel's.
func (a *aliases) helper(i int, r *regs) {
	result := targets{}
	switch asm.BuiltinFunc(a.insns[i].Constant) {
	case asm.FnMapLookupElem:
		result.shared = r[1].handle
	case asm.FnMapUpdateElem, asm.FnMapDeleteElem:
		a.writes[i] = a.writes[i] || r[1].handle
	case asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnGetPrandomU32, asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid: // no arguments
	default: // it may write where its arguments point
		for _, argument := range r[1:6] {
			a.writes[i] = a.writes[i] || argument.shared
		}
	}
	clear(r[1:6])
	r[0] = result
}

func perCPU(t ebpf.MapType) bool {
	return t == ebpf.PerCPUHash || t == ebpf.PerCPUArray || t == ebpf.LRUCPUHash
}
