// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// FixedReads tells, by index, which instructions of a program read the kernel's memory at an offset that the compiler
// has fixed: no CO-RE relocation adapts it to the kernel that the program is loaded on. Pointers to the kernel are
// those that a tracing program finds in its context, that bpf_get_current_task returns and that are read through such
// pointers; they are followed through registers, the stack and calls. The registers of a system call, whose layout is
// part of the kernel's interface, do not count, nor does what is found at a variable distance, such as a packet's
// headers.
func FixedReads(p *ebpf.ProgramSpec) []bool {
	r := &reads{graph: newGraph(p.Instructions, all), traced: traced(p), first: registersFirst(p), stack: map[int16]origin{}}
	r.states = make([]*pointers, len(r.insns))
	r.fixed = make([]bool, len(r.insns))
	if len(r.insns) > 0 {
		r.flow(0, entry(pointer{to: context}))
	}
	for len(r.work) > 0 {
		i := r.work[len(r.work)-1]
		r.work = r.work[:len(r.work)-1]
		r.step(i)
	}
	return r.fixed
}

// traced reports whether a program finds pointers to the kernel in its context.
func traced(p *ebpf.ProgramSpec) bool {
	switch p.Type {
	case ebpf.Kprobe, ebpf.TracePoint, ebpf.RawTracepoint, ebpf.RawTracepointWritable, ebpf.Tracing, ebpf.LSM:
		// A system call's wrapper has nothing but a pointer to its registers; its tracepoints and uprobes have pointers to
		// user space.
		return !strings.Contains(p.AttachTo, "_sys_") && !strings.HasPrefix(p.AttachTo, "syscalls/") && !slices.Contains(userSections, section(p))
	}
	return false
}

// userSections are of programs in whose context pointers lead to user space.
var userSections = []string{"uprobe", "uretprobe", "uprobe.s", "uretprobe.s", "usdt", "ksyscall", "kretsyscall"}

func section(p *ebpf.ProgramSpec) string {
	name, _, _ := strings.Cut(strings.TrimPrefix(p.SectionName, "?"), "/")
	return name
}

// registersFirst reports whether the first word of a program's context points to the registers of a system call.
func registersFirst(p *ebpf.ProgramSpec) bool {
	return p.AttachTo == "sys_enter" || p.AttachTo == "sys_exit"
}

// origin is where a pointer may lead.
type origin uint8

const (
	context origin = 1 << iota
	kernel
	moved // by a fixed distance, from where the kernel's pointer led
	stack
	other
)

// certain reports whether a pointer leads to the kernel, whatever way was taken.
func (o origin) certain() bool { return o&^moved == kernel }

// pointer is what a register holds.
type pointer struct {
	to origin
	at int16 // of a pointer into the stack, the offset; anywhere if it is not known
}

type pointers [11]pointer

// reads follows pointers as aliases does.
type reads struct {
	*graph
	traced, first bool
	states        []*pointers
	stack         map[int16]origin // what slots hold, by their offset, in all functions alike
	result        origin           // of functions, in R0, all of them one
	behind        []int            // the instructions behind calls of functions
	work          []int
	fixed         []bool
}

// entry is what a function finds.
func entry(arguments ...pointer) (p pointers) {
	for i := range p {
		p[i].to = other
	}
	copy(p[1:6], arguments)
	p[asm.RFP] = pointer{to: stack}
	return p
}

func (r *reads) flow(to int, p pointers) {
	if old := r.states[to]; old != nil {
		for i, was := range old {
			if p[i].to |= was.to; p[i].at != was.at {
				p[i].at = anywhere
			}
		}
		if p == *old {
			return
		}
	}
	r.states[to] = &p
	r.work = append(r.work, to)
}

// spill adds what a slot of the stack may hold; all that may read it is to be seen again.
func (r *reads) spill(at int16, o origin) {
	if r.stack[at]|o == r.stack[at] {
		return
	}
	r.stack[at] |= o
	for i, s := range r.states {
		if s != nil && r.insns[i].OpCode.Class().IsLoad() {
			r.work = append(r.work, i)
		}
	}
}

func (r *reads) step(i int) {
	ins, p := &r.insns[i], *r.states[i]
	edges, err := r.successors(i)
	if err != nil {
		return
	}
	relocated := btf.CORERelocationMetadata(ins) != nil
	switch class := ins.OpCode.Class(); {
	case ins.OpCode.JumpOp() == asm.Exit:
		r.result |= p[0].to
		for _, to := range r.behind {
			r.flow(to, r.after(*r.states[to]))
		}
		return
	case ins.OpCode.JumpOp() == asm.Call && ins.IsFunctionCall():
		r.call(edges, p)
		return
	case ins.OpCode.JumpOp() == asm.Call:
		r.helper(i, &p)
	case ins.OpCode.IsDWordLoad():
		p[ins.Dst] = pointer{to: other}
	case class.IsLoad():
		p[ins.Dst] = pointer{to: r.load(i, p[ins.Src], relocated)}
	case class.IsStore():
		if to := p[ins.Dst]; to.to&stack != 0 {
			value := other
			if class == asm.StXClass {
				value = p[ins.Src].to
			}
			r.spill(add16(to.at, ins.Offset), value)
		}
	case class.IsALU():
		r.alu(i, &p, relocated)
	}
	for _, e := range edges {
		r.flow(e.to, p)
	}
}

// add16 is the offset of a slot.
func add16(at, offset int16) int16 {
	if at == anywhere {
		return anywhere
	}
	return at + offset
}

func (r *reads) alu(i int, p *pointers, relocated bool) {
	ins := &r.insns[i]
	to := &p[ins.Dst]
	switch op, reg := ins.OpCode.ALUOp(), ins.OpCode.Source() == asm.RegSource; {
	case op == asm.Mov && reg:
		*to = p[ins.Src]
	case op == asm.Add && !reg:
		if to.at = add16(to.at, int16(ins.Constant)); !relocated && ins.Constant != 0 && to.to&kernel != 0 {
			to.to |= moved
		}
	case op == asm.Add && r.relocatedConstant(i, ins.Src): // the pointer and a field's offset
	case op == asm.Add && to.to == other && r.relocatedConstant(i, ins.Dst):
		*to = p[ins.Src]
	default: // at a variable distance, or no pointer
		*to = pointer{to: other}
	}
}

// relocatedConstant reports whether a register was last set, in the instructions just before, to a field's offset in
// the kernel that the program is loaded on.
func (r *reads) relocatedConstant(i int, reg asm.Register) bool {
	const near = 16 // clang puts the constant close to its use
	for k := i - 1; k >= max(0, i-near); k-- {
		if ins := &r.insns[k]; ins.Dst == reg && (ins.OpCode.Class().IsALU() || ins.OpCode.Class().IsLoad()) {
			return btf.CORERelocationMetadata(ins) != nil
		}
	}
	return false
}

// load is what an instruction loads through a pointer.
func (r *reads) load(i int, from pointer, relocated bool) origin {
	ins := &r.insns[i]
	to := origin(0)
	if from.to&stack != 0 {
		at := add16(from.at, ins.Offset)
		if to |= r.stack[at] | r.stack[anywhere]; at == anywhere || r.stack[at] == 0 {
			to |= other
		}
	}
	if from.to&context != 0 && r.traced && ins.OpCode.Size() == asm.DWord && (!r.first || ins.Offset != 0) {
		to |= kernel
	}
	if from.to&kernel != 0 {
		r.fixed[i] = r.fixed[i] || from.to.certain() && !relocated && (ins.Offset != 0 || from.to&moved != 0)
		if ins.OpCode.Size() == asm.DWord {
			to |= kernel
		}
	}
	if to == 0 || from.to&other != 0 {
		to |= other
	}
	return to
}

func (r *reads) call(edges []edge, p pointers) {
	behind := 0
	for _, e := range edges {
		if !e.call {
			behind = e.to
			continue
		}
		arguments := slices.Clone(p[1:6])
		for i := range arguments {
			arguments[i].at = anywhere // in another frame
		}
		r.flow(e.to, entry(arguments...))
	}
	if !slices.Contains(r.behind, behind) {
		r.behind = append(r.behind, behind)
	}
	r.flow(behind, r.after(p))
}

// after is what a call leaves of registers.
func (r *reads) after(p pointers) pointers {
	for i := range p[:6] {
		p[i] = pointer{to: other}
	}
	if r.result != 0 {
		p[0].to = r.result
	}
	return p
}

func (r *reads) helper(i int, p *pointers) {
	result := other
	if r.insns[i].IsBuiltinCall() {
		switch asm.BuiltinFunc(r.insns[i].Constant) {
		case asm.FnGetCurrentTask, asm.FnGetCurrentTaskBtf:
			result = kernel
		case asm.FnProbeRead, asm.FnProbeReadKernel, asm.FnProbeReadStr, asm.FnProbeReadKernelStr:
			r.fixed[i] = r.fixed[i] || p[3].to.certain() && p[3].to&moved != 0
			if p[1].to&stack != 0 && p[3].to&kernel != 0 {
				r.spill(p[1].at, kernel)
			}
		}
	}
	for k := range p[:6] {
		p[k] = pointer{to: other}
	}
	p[0].to = result
}
