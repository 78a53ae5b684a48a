// SPDX-License-Identifier: Apache-2.0

// Package instrument makes copies of programs that count how often each of their blocks runs, and take the time of the
// calls that they make. A copy does what the program does and costs more: what a program costs is measured without.
package instrument

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// Counts is the name of the map that copies count in: an array of one entry, of words.
const Counts = "bpflab_counts"

// Copy is a program that counts.
type Copy struct {
	Object *ebpf.CollectionSpec // with the copy in the program's place, and Counts
	Blocks []int                // index of the first instruction of each block, in order: a block ends where the next begins
	Calls  []Call               // those whose time is taken
	length int                  // instructions of the program
}

// Call is a call whose time is taken.
type Call struct {
	Index int // of the instruction
	// Extra is how many instructions the clock counts that are the copy's own, more than in the call that does nothing.
	Extra int
}

// Words are what Counts of a copy holds, or the difference of two readings.
type Words []uint64

// Read reads Counts.
func Read(counts *ebpf.Map) (w Words, err error) {
	w = make(Words, counts.ValueSize()/8)
	return w, counts.Lookup(uint32(0), w)
}

// Less returns what was counted since an earlier reading.
func (w Words) Less(before Words) Words {
	since := make(Words, len(w))
	for i := range w {
		since[i] = w[i] - before[i]
	}
	return since
}

// Add adds what was counted at another time.
func (w Words) Add(more Words) {
	for i := range w {
		w[i] += more[i]
	}
}

// Sum is larger for a run that took longer on the same way.
func (w Words) Sum() (sum uint64) {
	for _, n := range w {
		sum += n
	}
	return sum
}

// BlocksOf are the counts of the blocks alone: equal ones mean that the same ways were taken.
func (c *Copy) BlocksOf(w Words) Words { return w[:len(c.Blocks)] }

// Ran is how often the program itself ran.
func (c *Copy) Ran(w Words) uint64 { return w[0] }

// Instructions says how often each instruction of the program ran.
func (c *Copy) Instructions(w Words) []uint64 {
	counts := make([]uint64, c.length)
	for k, from := range c.Blocks {
		to := c.length
		if k+1 < len(c.Blocks) {
			to = c.Blocks[k+1]
		}
		for i := from; i < to; i++ {
			counts[i] = w[k]
		}
	}
	return counts
}

// Times says what all calls took together that each of Calls made, ns: from the call to the next instruction.
func (c *Copy) Times(w Words) []float64 {
	counts := c.Instructions(w)
	times := make([]float64, len(c.Calls))
	if c.Ran(w) == 0 {
		return times
	}
	nothing := float64(w[len(c.Blocks)]) / float64(c.Ran(w)) // what the clock shows of a call that does nothing
	for k, call := range c.Calls {
		times[k] = float64(w[len(c.Blocks)+1+k]) - float64(counts[call.Index])*(nothing+float64(call.Extra))
	}
	return times
}

// errLarge is wrapped by the error of a program that is too large for its copy.
var errLarge = errors.New("a jump of its copy would be longer than BPF's jumps can be")

// Timed reports whether the time of the call that an instruction makes can be taken: of helpers and functions of the
// kernel, but for those that come back elsewhere or not at all, call the program's own functions, or hold a lock, under
// which no other call is allowed.
func Timed(ins *asm.Instruction) bool {
	switch {
	case ins.IsKfuncCall():
		return true
	case ins.IsBuiltinCall():
		return !slices.Contains(never, asm.BuiltinFunc(ins.Constant))
	}
	return false
}

var never = []asm.BuiltinFunc{asm.FnTailCall, asm.FnSpinLock, asm.FnSpinUnlock, asm.FnLoop, asm.FnForEachMapElem, asm.FnFindVma, asm.FnUserRingbufDrain}

// New returns a copy of one of an object's programs that takes the time of some calls, given by the index of their
// instruction, in order. For these it calls bpf_ktime_get_ns, and needs up to 56 bytes more of stack.
func New(object *ebpf.CollectionSpec, program string, timed []int) (*Copy, error) {
	insns := object.Programs[program].Instructions
	f, err := flowOf(insns)
	if err != nil {
		return nil, err
	}
	c := &Copy{Object: object.Copy(), Blocks: f.blocks(), length: len(insns)}
	for _, i := range timed {
		c.Calls = append(c.Calls, Call{Index: i})
	}
	w := writer{flow: f, copy: c, begins: make([]int, len(insns)), at: make([]int, len(insns))}
	copied, err := w.write()
	if err != nil {
		return nil, err
	}
	c.Object.Programs[program].Instructions = copied
	c.Object.Maps[Counts] = &ebpf.MapSpec{Name: Counts, Type: ebpf.Array, KeySize: 4, ValueSize: uint32(8 * (len(c.Blocks) + 1 + len(c.Calls))), MaxEntries: 1}
	return c, nil
}

// writer writes a copy.
type writer struct {
	*flow
	copy   *Copy
	out    asm.Instructions
	begins []int // of each instruction, where in out what belongs to it begins: a jump to it leads there
	at     []int // and where it is itself
}

// word loads the address of one of the words of Counts.
func word(r asm.Register, k int) asm.Instruction {
	return asm.LoadMapValue(r, 0, uint32(8*k)).WithReference(Counts)
}

func (w *writer) write() (asm.Instructions, error) {
	block, call := 0, 0
	for i := range w.insns {
		w.begins[i] = len(w.out)
		if block < len(w.copy.Blocks) && w.copy.Blocks[block] == i {
			w.count(i, block)
			block++
		}
		if i == 0 && len(w.copy.Calls) > 0 {
			if err := w.nothing(); err != nil {
				return nil, err
			}
		}
		if call < len(w.copy.Calls) && w.copy.Calls[call].Index == i {
			w.time(i, call)
			call++
			continue
		}
		w.own(i)
	}
	return w.out, w.link()
}

// own writes an instruction of the program.
func (w *writer) own(i int) {
	w.at[i] = len(w.out)
	w.out = append(w.out, w.insns[i])
}

// count writes what counts a block, with two registers that hold nothing which is needed, or are saved.
func (w *writer) count(i, block int) {
	free := registers(^w.live[i] & allButFP)
	var spilled []asm.Register
	for _, r := range registers(w.live[i] & w.must[i] & allButFP) {
		if len(free) < 2 {
			free, spilled = append(free, r), append(spilled, r)
		}
	}
	below := w.stack[w.function[i]]
	for k, r := range spilled {
		w.out = append(w.out, asm.StoreMem(asm.RFP, below-int16(8*(k+1)), r, asm.DWord))
	}
	w.out = append(w.out, word(free[0], block), asm.Mov.Imm(free[1], 1), asm.StoreXAdd(free[0], free[1], asm.DWord))
	for k, r := range spilled {
		w.out = append(w.out, asm.LoadMem(r, asm.RFP, below-int16(8*(k+1)), asm.DWord))
	}
}

// keptRestores is how many registers the call that does nothing restores: the context.
const keptRestores = 1

// errNoRegister is the error of a program that begins in a loop which needs all registers.
var errNoRegister = errors.New("no register is free at its entry")

// nothing writes a call that does nothing, of which the time is taken, at the program's entry: it shows what the clock
// itself takes.
func (w *writer) nothing() error {
	free := registers(^w.live[0] & kept)
	if len(free) == 0 {
		return errNoRegister
	}
	began := w.stack[0] - 8
	w.out = append(
		w.out, asm.Mov.Reg(free[0], asm.R1),
		asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.RFP, began, asm.R0, asm.DWord),
		asm.Mov.Reg(asm.R1, free[0]),
	)
	w.clock(began, len(w.copy.Blocks))
	w.out = append(w.out, asm.Mov.Reg(asm.R1, free[0]))
	return nil
}

// clock writes what adds the time since the one at a stack slot to a word.
func (w *writer) clock(began int16, k int) {
	w.out = append(
		w.out, asm.FnKtimeGetNs.Call(), asm.LoadMem(asm.R1, asm.RFP, began, asm.DWord), asm.Sub.Reg(asm.R0, asm.R1),
		word(asm.R1, k), asm.StoreXAdd(asm.R1, asm.R0, asm.DWord),
	)
}

// time writes a call and what takes its time. Arguments and result are kept in a register that calls leave alone, where
// one is free, since some kernels do not keep all that they know of what is on the stack; else on the stack.
func (w *writer) time(i, call int) {
	began := w.stack[w.function[i]] - 8
	given := registers(w.must[i] & arguments)
	free := registers(^w.after(i) & kept)
	save := make([]func(r asm.Register) (keep, restore asm.Instruction), 0, 6)
	for _, to := range free {
		save = append(save, func(r asm.Register) (asm.Instruction, asm.Instruction) { return asm.Mov.Reg(to, r), asm.Mov.Reg(r, to) })
	}
	for k := range 5 {
		at := began - int16(8*(k+1))
		save = append(save, func(r asm.Register) (asm.Instruction, asm.Instruction) {
			return asm.StoreMem(asm.RFP, at, r, asm.DWord), asm.LoadMem(r, asm.RFP, at, asm.DWord)
		})
	}
	var restores asm.Instructions
	for k, r := range given {
		keep, restore := save[k](r)
		w.out, restores = append(w.out, keep), append(restores, restore)
	}
	w.out = append(w.out, asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.RFP, began, asm.R0, asm.DWord))
	w.out = append(w.out, restores...)
	extra := len(given) - keptRestores
	w.own(i)
	needed := w.after(i)&result != 0 // the result, R0
	keep, restore := save[0](asm.R0)
	if needed {
		w.out = append(w.out, keep)
		extra++
	}
	w.clock(began, len(w.copy.Blocks)+1+call)
	if needed {
		w.out = append(w.out, restore)
	}
	w.copy.Calls[call].Extra = extra
}

// after is what is live behind an instruction that does not jump.
func (w *writer) after(i int) (live uint16) {
	for _, next := range w.next[i] {
		live |= w.live[next]
	}
	return live
}

// link makes jumps lead where their targets are now, and names functions where they begin now.
func (w *writer) link() error {
	raw := make([]int, len(w.out)+1) // offsets in units of 8 bytes
	for i := range w.out {
		raw[i+1] = raw[i] + int(w.out[i].Width())
	}
	for i := range w.insns { // functions first, to which others refer
		ins := &w.out[w.at[i]]
		symbol := ins.Symbol()
		*ins = ins.WithSymbol("")
		if w.function[i] != i {
			continue
		}
		if symbol == "" || i > 0 {
			symbol = fmt.Sprintf("bpflab_function_%d", i)
		}
		*ins = btf.WithFuncMetadata(*ins, nil)
		begin := &w.out[w.begins[i]]
		*begin = btf.WithFuncMetadata(begin.WithSymbol(symbol), btf.FuncMetadata(&w.insns[i]))
		if src := w.insns[i].Source(); src != nil { // the kernel wants each function to begin with a line
			*begin = begin.WithSource(src)
		}
	}
	for i := range w.insns {
		ins := &w.out[w.at[i]]
		target := w.target[i]
		if target == none {
			continue
		}
		if ins.IsFunctionReference() {
			*ins = ins.WithReference(w.out[w.begins[target]].Symbol())
			ins.Constant = -1
			continue
		}
		*ins = ins.WithReference("")
		offset := raw[w.begins[target]] - raw[w.at[i]] - 1
		if ins.OpCode.Class() == asm.Jump32Class && ins.OpCode.JumpOp() == asm.Ja {
			ins.Constant = int64(offset)
			continue
		}
		if offset < math.MinInt16 || offset > math.MaxInt16 {
			return fmt.Errorf("%w: %d instructions", errLarge, len(w.insns))
		}
		ins.Offset = int16(offset)
	}
	return nil
}
