// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe"
)

// layout is how large the events are that a program sends, as far as its text says it. It explains events that are
// wrong, and is worth nothing by itself.
type layout struct {
	Sizes []int64 `json:"sizes,omitempty"` // in bytes, of all places that send events
}

// inspect looks at an object on the host.
func inspect(spec *ebpf.CollectionSpec) (job.Observations, error) {
	o := job.Observations{}
	return o, o.Set("layout", layout{sizes(spec.Programs[observe.Program].Instructions)})
}

// sizes are the constants that are passed as an event's size.
func sizes(insns asm.Instructions) (all []int64) {
	constant := map[asm.Register]int64{}
	for _, ins := range insns {
		switch {
		case ins.OpCode.Class().IsALU() && ins.OpCode.ALUOp() == asm.Mov && ins.OpCode.Source() == asm.ImmSource:
			constant[ins.Dst] = ins.Constant
		case ins.IsBuiltinCall():
			argument := asm.R0
			switch asm.BuiltinFunc(ins.Constant) {
			case asm.FnRingbufReserve:
				argument = asm.R2
			case asm.FnRingbufOutput:
				argument = asm.R3
			}
			if size, ok := constant[argument]; ok && argument != asm.R0 && !slices.Contains(all, size) {
				all = append(all, size)
			}
			clear(constant)
		case ins.OpCode.Class().IsALU() || ins.OpCode.Class().IsLoad():
			delete(constant, ins.Dst)
		}
	}
	return all
}

// explainSize says what size the program's records have, if it is not an event's.
func (l layout) explainSize() string {
	for _, size := range l.Sizes {
		if size != int64(consumer.Size) {
			return fmt.Sprintf("the BPF program sends records of %d bytes; an event has %d: `struct event` is __u32 pid, __u32 uid, __u64 ts and char comm[16]", size, consumer.Size)
		}
	}
	return ""
}

// explain says why events are wrong, where their size or the order of their fields does. It is empty where neither
// does.
func (l layout) explain(s observe.Seen, t observe.Script) string {
	if why := l.explainSize(); why != "" {
		return why
	}
	names := map[string][2]int{}
	for i, list := range t.Threads {
		for n := range list {
			names[t.Name(i, n)] = [2]int{i, n}
		}
	}
	for _, order := range orders(nil, []int{0, 1, 2, 3}) {
		if slices.IsSorted(order) {
			continue
		}
		right, events := 0, 0
		for record := range slices.Chunk(s.Got, consumer.Size) {
			e := consumer.Decode(reordered(record, order))
			if e == nil {
				break
			}
			events++
			where, ok := names[e.Name()]
			if ok && e.PID == s.PID && e.UID == t.User(where[0]) {
				made := s.Made[where[0]][where[1]]
				if int64(e.Time) >= made[0] && int64(e.Time) <= made[1] {
					right++
				}
			}
		}
		if events > 0 && right == events {
			return fmt.Sprintf("the fields of an event are in the order %s, and the consumer reads %s", named(order), named([]int{0, 1, 2, 3}))
		}
	}
	return ""
}

// fields are those of an event, in the consumer's order.
var fields = []struct {
	name  string
	size  int
	align int
}{{"pid", 4, 4}, {"uid", 4, 4}, {"ts", 8, 8}, {"comm", 16, 1}}

func named(order []int) string {
	var names []string
	for _, f := range order {
		names = append(names, fields[f].name)
	}
	return strings.Join(names, ", ")
}

// orders are all orders of some fields behind others.
func orders(first, rest []int) (all [][]int) {
	if len(rest) == 0 {
		return [][]int{first}
	}
	for i, f := range rest {
		all = append(all, orders(append(slices.Clone(first), f), slices.Delete(slices.Clone(rest), i, i+1))...)
	}
	return all
}

// reordered is a record as the consumer expects it, of one whose fields are in another order, laid out as C does.
// Of a field that would lie beyond the record's end, nothing is left.
func reordered(record []byte, order []int) []byte {
	out := make([]byte, 0, consumer.Size)
	at := make([]int, len(fields))
	offset := 0
	for _, f := range order {
		offset = (offset + fields[f].align - 1) / fields[f].align * fields[f].align
		at[f] = offset
		offset += fields[f].size
	}
	for f, field := range fields {
		part := make([]byte, field.size)
		if end := at[f] + field.size; end <= len(record) {
			copy(part, record[at[f]:end])
		}
		out = append(out, part...)
	}
	return out
}
