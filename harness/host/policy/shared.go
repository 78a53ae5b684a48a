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
	written, _ := SharedMaps(spec, program)
	writes := make([]bool, len(written))
	for i, maps := range written {
		writes[i] = len(maps) > 0
	}
	return writes
}

// SharedMaps names, for each instruction, the maps that such a write may go to, sorted; none for an instruction that
// is no such write. Where varies is true, the place in the map depends on a register: an array's index, for one.
func SharedMaps(spec *ebpf.CollectionSpec, program string) (written [][]string, varies []bool) {
	a := &aliases{graph: newGraph(spec.Programs[program].Instructions, all), spec: spec, names: sortedKeys(spec.Maps)}
	a.states = make([]*regs, len(a.insns))
	a.writes, a.varies = make([]mapSet, len(a.insns)), make([]bool, len(a.insns))
	a.stack = map[int16]targets{}
	if len(a.insns) > 0 {
		a.flow(0, regs{})
	}
	for len(a.work) > 0 {
		i := a.work[len(a.work)-1]
		a.work = a.work[:len(a.work)-1]
		a.step(i)
	}
	written = make([][]string, len(a.insns))
	for i, set := range a.writes {
		for n, name := range a.names {
			if set&a.set(n) != 0 {
				written[i] = append(written[i], name)
			}
		}
	}
	return written, a.varies
}

// A mapSet has a bit for each map of an object, by name. The last one is of all maps beyond.
type mapSet uint64

func (a *aliases) set(n int) mapSet { return 1 << min(n, 63) }

// of is the set of one map.
func (a *aliases) of(name string) mapSet {
	n, _ := slices.BinarySearch(a.names, name)
	return a.set(n)
}

// targets is what a register may hold, as far as it matters here.
type targets struct {
	shared mapSet // a pointer into memory of these maps, which other CPUs write as well
	handle mapSet // a reference to one of these maps, whose values are such memory
	varies bool   // the pointer's offset is a register's
}

func (t targets) or(u targets) targets {
	return targets{t.shared | u.shared, t.handle | u.handle, t.varies || u.varies}
}

// regs are the registers before an instruction.
type regs [11]targets

// aliases follows pointers until nothing changes any more: targets only grow, so that this ends.
type aliases struct {
	*graph
	spec   *ebpf.CollectionSpec
	names  []string // of maps, sorted
	states []*regs
	// stack is what slots may hold, by their offset, in all functions alike; anywhere, what was stored through another
	// register than the frame pointer.
	stack     map[int16]targets
	result    targets // of functions, in R0, all of them one
	behind    []int   // the instructions behind calls of functions
	callbacks []int   // functions that helpers call
	values    mapSet  // whose values helpers hand to callbacks
	work      []int
	writes    []mapSet
	varies    []bool
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

// anywhere stands for a slot that is not known. No slot has this offset.
const anywhere = 1

// spill adds what a slot may hold. All that loads from the stack is to be seen again.
func (a *aliases) spill(base asm.Register, offset int16, t targets) {
	if base != asm.RFP {
		offset = anywhere
	}
	if merged := a.stack[offset].or(t); merged != a.stack[offset] {
		a.stack[offset] = merged
		for i, s := range a.states {
			if s != nil && a.insns[i].OpCode.Class().IsLoad() {
				a.work = append(a.work, i)
			}
		}
	}
}

// fill returns what a load may find in the stack.
func (a *aliases) fill(base asm.Register, offset int16) (t targets) {
	if base == asm.RFP {
		return a.stack[offset].or(a.stack[anywhere])
	}
	for _, slot := range a.stack {
		t = t.or(slot)
	}
	return t
}

func (a *aliases) step(i int) {
	ins, r := &a.insns[i], *a.states[i]
	edges, err := a.successors(i)
	if err != nil {
		return // leads out of the program, which no kernel loads
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
	case ins.IsLoadOfFunctionPointer():
		r[ins.Dst] = targets{}
		if callee, err := a.jump(i, ins.Constant); err == nil && !slices.Contains(a.callbacks, callee.to) {
			a.callbacks = append(a.callbacks, callee.to)
			a.flow(callee.to, regs{3: {shared: a.values}})
		}
	case ins.OpCode.IsDWordLoad():
		r[ins.Dst] = targets{}
		switch m := a.spec.Maps[ins.Reference()]; {
		case m == nil || perCPU(m.Type) || m.Flags&rdonlyProg != 0:
		case ins.Src == asm.PseudoMapValue:
			r[ins.Dst].shared = a.of(ins.Reference())
		case ins.Src == asm.PseudoMapFD:
			r[ins.Dst].handle = a.of(ins.Reference())
		}
	case class.IsLoad():
		if t := r[ins.Src]; t.shared != 0 {
			r[ins.Dst] = targets{} // no pointer is kept in a map
		} else {
			r[ins.Dst] = a.fill(ins.Src, ins.Offset) // or nothing, of a load from elsewhere
		}
	case class.IsStore():
		a.write(i, r[ins.Dst])
		if class == asm.StXClass && r[ins.Dst].shared == 0 {
			a.spill(ins.Dst, ins.Offset, r[ins.Src])
		}
	case class.IsALU():
		switch {
		case ins.OpCode.ALUOp() != asm.Mov && ins.OpCode.Source() == asm.RegSource:
			r[ins.Dst] = r[ins.Dst].or(r[ins.Src])
			r[ins.Dst].varies = r[ins.Dst].shared != 0
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
	fn := asm.BuiltinFunc(a.insns[i].Constant)
	if a.insns[i].IsKfuncCall() {
		fn = asm.FnUnspec // its number is a type's
	}
	switch fn {
	case asm.FnMapLookupElem:
		result.shared = r[1].handle
	case asm.FnMapUpdateElem, asm.FnMapDeleteElem, asm.FnMapPushElem, asm.FnMapPopElem:
		a.writes[i] |= r[1].handle
	case asm.FnForEachMapElem:
		a.calledWith(r[1].handle)
	case asm.FnTimerSetCallback:
		a.calledWith(r[1].shared)
	case asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnGetPrandomU32, asm.FnGetCurrentPidTgid, asm.FnGetCurrentUidGid: // no arguments
	default: // it may write where its arguments point
		for _, argument := range r[1:6] {
			a.write(i, argument)
		}
	}
	clear(r[1:6])
	r[0] = result
}

// write notes that an instruction writes where a pointer leads.
func (a *aliases) write(i int, to targets) {
	a.writes[i] |= to.shared
	a.varies[i] = a.varies[i] || to.shared != 0 && to.varies
}

// calledWith has callbacks called with values of maps, of which the third argument is a pointer to one.
func (a *aliases) calledWith(values mapSet) {
	a.values |= values
	for _, callee := range a.callbacks {
		a.flow(callee, regs{3: {shared: a.values}})
	}
}

func perCPU(t ebpf.MapType) bool {
	return t == ebpf.PerCPUHash || t == ebpf.PerCPUArray || t == ebpf.LRUCPUHash
}
