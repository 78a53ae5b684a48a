// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// layout is how a program lays out its counts and its samples, as far as its text says it. It explains what was
// counted wrong, and is worth nothing by itself.
type layout struct {
	Seen    *part `json:"seen,omitempty"` // in `struct count`, if it names it
	Sampled *part `json:"sampled,omitempty"`
	Sample  sent  `json:"sample"`
}

// part is bytes of a struct.
type part struct {
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"`
}

// sent is what a program sends: each list holds what is found in any place that sends.
type sent struct {
	Sizes   []int64 `json:"sizes,omitempty"` // in bytes
	TS      []part  `json:"ts,omitempty"`    // where the clock's time is
	Class   []part  `json:"class,omitempty"` // where the call's argument is …
	Args    []int64 `json:"args,omitempty"`  // … and where it was among the registers
	NoClock bool    `json:"no_clock,omitempty"`
	NoRead  bool    `json:"no_read,omitempty"` // of the kernel's memory, where the argument is
}

// inspect looks at an object on the host.
func inspect(spec *ebpf.CollectionSpec) (job.Observations, error) {
	l := layout{Sample: sampleOf(spec.Programs[observe.Program].Instructions)}
	if count, ok := btf.UnderlyingType(spec.Maps["counts"].Value).(*btf.Struct); ok {
		for _, m := range count.Members {
			size, err := btf.Sizeof(m.Type)
			switch where := (&part{int64(m.Offset.Bytes()), int64(size)}); {
			case err != nil:
			case m.Name == "seen":
				l.Seen = where
			case m.Name == "sampled":
				l.Sampled = where
			}
		}
	}
	o := job.Observations{}
	return o, o.Set("layout", l)
}

// arguments are those of a system call that are no class, by their place in `struct pt_regs`.
var arguments = map[int64]string{104: "second", 96: "third", 56: "fourth", 72: "fifth", 64: "sixth"}

// A value is what a register or a place on the stack holds.
type value struct {
	kind kind
	at   int64 // bytes from where a pointer's memory begins; a constant's value; an argument's place
	size int64 // bytes, on the stack
}

type kind int

const (
	unknown  kind = iota
	constant      // a number
	context       // pointers: the program's context
	regs          // the caller's registers
	stack         // this run's stack, from its upper end
	record        // a record reserved in the ring
	clock         // a time
	argument      // a register of the caller's
)

// sampleOf follows a program's text from top to bottom, whatever it jumps over: compilers mostly lay out the way to a
// sample like that.
func sampleOf(insns asm.Instructions) sent {
	s := sent{NoClock: true, NoRead: true}
	held := map[asm.Register]value{asm.R1: {kind: context}, asm.RFP: {kind: stack}}
	kept := map[int64]value{} // on the stack
	put := func(at, size int64, v value) {
		switch v.kind {
		case clock:
			s.TS = add(s.TS, part{at, size})
		case argument:
			s.Class, s.Args = add(s.Class, part{at, size}), add(s.Args, v.at)
		}
	}
	store := func(to value, v value) {
		switch to.kind {
		case stack:
			kept[to.at] = v
		case record:
			put(to.at, v.size, v)
		}
	}
	for _, ins := range insns {
		op, src := ins.OpCode, held[ins.Src]
		switch class := op.Class(); {
		case class.IsALU() && op.ALUOp() == asm.Mov && op.Source() == asm.ImmSource:
			held[ins.Dst] = value{kind: constant, at: ins.Constant}
		case class.IsALU() && op.ALUOp() == asm.Mov:
			held[ins.Dst] = src
		case class.IsALU() && op.ALUOp() == asm.Add && op.Source() == asm.ImmSource && held[ins.Dst].kind != unknown:
			v := held[ins.Dst]
			v.at += ins.Constant
			held[ins.Dst] = v
		case class.IsLoad() && src.kind == stack:
			held[ins.Dst] = kept[src.at+int64(ins.Offset)]
		case class.IsLoad() && src.kind == context && ins.Offset == 0:
			held[ins.Dst] = value{kind: regs} // args[0]
		case class.IsALU() || class.IsLoad():
			delete(held, ins.Dst)
		case class == asm.StXClass && op.Mode() == asm.MemMode:
			src.size = int64(op.Size().Sizeof())
			to := held[ins.Dst]
			to.at += int64(ins.Offset)
			store(to, src)
		case ins.IsBuiltinCall():
			result := value{}
			switch asm.BuiltinFunc(ins.Constant) {
			case asm.FnKtimeGetNs:
				s.NoClock = false
				result.kind = clock
			case asm.FnProbeReadKernel:
				s.NoRead = false
				if from := held[asm.R3]; from.kind == regs {
					store(held[asm.R1], value{kind: argument, at: from.at, size: held[asm.R2].at})
				}
			case asm.FnRingbufReserve:
				if size := held[asm.R2]; size.kind == constant {
					s.Sizes = add(s.Sizes, size.at)
				}
				result.kind = record
			case asm.FnRingbufOutput:
				data, size := held[asm.R2], held[asm.R3]
				if size.kind == constant {
					s.Sizes = add(s.Sizes, size.at)
				}
				for _, at := range slices.Sorted(maps.Keys(kept)) { // in one order: a receipt holds what is found
					if data.kind == stack && size.kind == constant && at >= data.at && at < data.at+size.at {
						put(at-data.at, kept[at].size, kept[at])
					}
				}
			}
			for r := asm.R1; r <= asm.R5; r++ {
				delete(held, r)
			}
			held[asm.R0] = result
		}
	}
	return s
}

func add[T comparable](list []T, one T) []T {
	if slices.Contains(list, one) {
		return list
	}
	return append(list, one)
}

// What the grader reads of counts and samples.
const (
	field      = 8 // bytes of each
	sampleWant = "`struct sample` is ts and class, 8 bytes each"
)

// explainCounts says why counts are wrong in all scenes, where the fields of `struct count` do. It is empty where they
// do not.
func (l layout) explainCounts(list []played) string {
	swapped := false
	for _, p := range list {
		if p.Seen != p.Records || unseen(uint64(p.calls), p.Sampled, p.Missed) != 0 {
			swapped = false
			break
		}
		swapped = swapped || p.Seen != p.Sampled
	}
	switch {
	case swapped:
		return "seen and sampled are swapped: each field of `struct count` holds what belongs in the other"
	case l.Seen != nil && l.Sampled != nil && (*l.Seen != part{0, field} || *l.Sampled != part{field, field}):
		return fmt.Sprintf("`struct count` has seen in %v and sampled in %v; the grader reads them in %v and %v: both are __u64, and seen comes first",
			*l.Seen, *l.Sampled, part{0, field}, part{field, field})
	}
	return ""
}

// explain says why records are not the samples that were expected. It is empty where nothing in the program's text does.
func (s sent) explain() string {
	for _, size := range s.Sizes {
		if size != 2*field {
			return fmt.Sprintf("a sample has %d bytes, and the grader reads %d: %s", size, 2*field, sampleWant)
		}
	}
	if s.NoClock {
		return "no sample has a time: ts is what bpf_ktime_get_ns returns"
	}
	if s.NoRead {
		return "no sample has its class: it is the call's first argument, which only bpf_probe_read_kernel can read"
	}
	for _, arg := range s.Args {
		if name := arguments[arg]; name != "" {
			return fmt.Sprintf("class is the call's %s argument; it should be the first, PT_REGS_PARM1_SYSCALL", name)
		}
	}
	if slices.Contains(s.TS, part{field, field}) && slices.Contains(s.Class, part{0, field}) {
		return "the fields of a sample are in the order class, ts, and the grader reads ts, class"
	}
	for _, one := range []struct {
		name  string
		found []part
		want  part
	}{{"ts", s.TS, part{0, field}}, {"class", s.Class, part{field, field}}} {
		for _, p := range one.found {
			if p != one.want {
				return fmt.Sprintf("a sample has %s in %v, and the grader reads it in %v: %s", one.name, p, one.want, sampleWant)
			}
		}
	}
	return ""
}

func (p part) String() string { return fmt.Sprintf("bytes %d to %d", p.Offset, p.Offset+p.Size-1) }
