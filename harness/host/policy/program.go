// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

func (p Policy) checkPrograms(v *Violations, spec *ebpf.CollectionSpec, o *object) {
	var names []string
	meant := map[string]bool{} // what should have another name, and has been reported
	for _, want := range p.Programs {
		names = append(names, want.Name)
		subject := "program " + want.Name
		got := spec.Programs[want.Name]
		if got == nil {
			found, remedy := "none", "give your function that name"
			if section, ok := o.functions[want.Name]; ok && section == ".text" {
				found, remedy = "one without SEC()", fmt.Sprintf("put SEC(%q) before it", want.Section)
			} else if other := p.otherProgram(spec, want.Type); other != "" {
				found, remedy = "one named "+other, "rename it to "+want.Name
				meant[other] = true
			}
			v.add("", subject, fmt.Sprintf("a function of that name in SEC(%q)", want.Section), found, remedy)
			continue
		}
		if got.SectionName != want.Section || got.Type != want.Type {
			v.add("", subject, fmt.Sprintf("SEC(%q)", want.Section), fmt.Sprintf("SEC(%q)", got.SectionName), fmt.Sprintf("change it to SEC(%q)", want.Section))
		}
	}

	for _, name := range sortedKeys(spec.Programs) {
		if meant[name] {
			continue
		}
		if !slices.Contains(names, name) {
			v.add(Lines(spec.Programs[name].Instructions)[0].Position(), "program "+name, allowed("programs", names),
				fmt.Sprintf("another in SEC(%q)", spec.Programs[name].SectionName), "make it a static function without SEC(), or remove it")
			continue
		}
		p.checkInstructions(v, spec, name)
	}
}

// otherProgram returns the program of a type that the policy does not know, if there is just one.
func (p Policy) otherProgram(spec *ebpf.CollectionSpec, t ebpf.ProgramType) (name string) {
	for _, other := range sortedKeys(spec.Programs) {
		known := slices.ContainsFunc(p.Programs, func(want Program) bool { return want.Name == other })
		switch {
		case known || spec.Programs[other].Type != t:
		case name != "":
			return ""
		default:
			name = other
		}
	}
	return name
}

// checkInstructions reports each kind of violation once a program, at its
// first place.
func (p Policy) checkInstructions(v *Violations, spec *ebpf.CollectionSpec, name string) {
	insns := spec.Programs[name].Instructions
	if n := len(insns); n > p.MaxInstructions {
		v.add("", "program "+name, fmt.Sprintf("at most %d instructions", p.MaxInstructions), fmt.Sprint(n), "make it smaller: unroll less, inline less")
	}

	lines := Lines(insns)
	seen := make(map[string]bool)
	add := func(i int, subject, expected, found, remedy string) {
		if key := subject + found; !seen[key] {
			seen[key] = true
			v.add(lines[i].Position(), subject, expected, found, remedy)
		}
	}

	for i := range insns {
		ins := &insns[i]
		switch {
		case ins.OpCode.JumpOp() == asm.Call:
			p.checkCall(ins, func(found, remedy string) {
				add(i, "call", allowed("helpers", helperNames(p.Helpers)), found, remedy)
			})

		case ins.OpCode.IsDWordLoad():
			checkLoad(ins, spec, func(found string) {
				add(i, "load", "references to the object's own maps and functions by name", found, "use the map's C name")
			})
		}
	}
}

func (p Policy) checkCall(ins *asm.Instruction, add func(found, remedy string)) {
	switch {
	case ins.OpCode.Source() != asm.ImmSource:
		add("an indirect call", "call the function by name")
	case ins.IsFunctionCall():
		// Its instructions follow and are checked as well.
	case ins.IsKfuncCall():
		// By name it is an extern; without a name it was written by hand.
		if !slices.Contains(p.Kfuncs, ins.Reference()) {
			add(fmt.Sprintf("the kernel function %q", ins.Reference()), "do without it")
		}
	case ins.IsBuiltinCall():
		fn := asm.BuiltinFunc(ins.Constant)
		switch {
		case slices.Contains(p.Helpers, fn):
		case slices.Contains(printing, fn):
			add(HelperName(fn), "bpf_printk is for `bpflab run LAB`; remove it before grading")
		case slices.Contains(reading, fn) && slices.Contains(p.Helpers, asm.FnProbeReadKernel):
			add(HelperName(fn), "a process's registers are kernel memory, so use bpf_probe_read_kernel")
		default:
			add(HelperName(fn), "do without it")
		}
	default:
		add("a call of unknown kind", "call helpers through bpf_helpers.h")
	}
}

// printing are the helpers that bpf_printk calls.
var printing = []asm.BuiltinFunc{asm.FnTracePrintk, asm.FnTraceVprintk}

// reading are the helpers that do not read the kernel's memory, or any.
var reading = []asm.BuiltinFunc{asm.FnProbeReadUser, asm.FnProbeRead}

// WithPrinting is the policy with bpf_printk allowed.
func (p Policy) WithPrinting() Policy {
	p.Helpers = append(slices.Clip(p.Helpers), printing...)
	return p
}

// checkLoad refuses 64-bit loads that inline assembly can forge: a number in
// place of a map is a file descriptor of the process that loads the program,
// which is the grader.
func checkLoad(ins *asm.Instruction, spec *ebpf.CollectionSpec, add func(found string)) {
	switch ins.Src {
	case 0:
	case asm.PseudoMapFD, asm.PseudoMapValue:
		if spec.Maps[ins.Reference()] == nil || int32(ins.Constant) != 0 {
			add("a map by number")
		}
	case asm.PseudoFunc:
		if ins.Reference() == "" {
			add("a function by number")
		}
	default:
		add(fmt.Sprintf("a pseudo load of kind %d", ins.Src))
	}
}

func helperNames(fns []asm.BuiltinFunc) []string {
	var names []string
	for _, fn := range fns {
		names = append(names, HelperName(fn))
	}
	return names
}

// HelperName returns the name a helper has in C: FnGetPrandomU32 is
// bpf_get_prandom_u32.
func HelperName(fn asm.BuiltinFunc) string {
	var b strings.Builder
	b.WriteString("bpf")
	for _, r := range strings.TrimPrefix(fn.String(), "Fn") {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}
