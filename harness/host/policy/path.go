// SPDX-License-Identifier: Apache-2.0

package policy

import (
	"fmt"
	"path"
	"strings"

	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"
)

// MaxPath is the longest path that LongestPath tells, in instructions. It is
// the verifier's own limit for a program.
const MaxPath = 1_000_000

// A Path is a way through a program from its entry to an exit.
type Path struct {
	Instructions int
	Lines        []Line // in the order first reached, empty without BTF
}

// A Line is a source line on a path.
type Line struct {
	File         string // base name
	Number       int    // from 1
	Text         string // without indentation
	Instructions int    // executed for this line along the whole path
}

// Position is file:line, or empty without BTF.
func (l Line) Position() string {
	if l.Number == 0 {
		return ""
	}
	return fmt.Sprintf("%s:%d", l.File, l.Number)
}

// An UnboundedError says why a program's longest path has no static bound.
type UnboundedError struct {
	Source string // file:line, or "instruction N" without BTF
	Reason string // and what to do
}

func (e *UnboundedError) Error() string {
	return e.Source + ": " + e.Reason
}

// LongestPath returns the most BPF instructions that one run of a program can
// execute, as the longest path through its control flow graph. It knows no
// values: a branch that is never taken counts like any other.
//
// Every instruction counts 1, also a 16-byte load of a constant and a call of
// a helper, whose own work is not BPF. A call of a BPF function counts 1 and
// the function's longest path. Code that cannot be reached does not count.
// insns begins with the entry and is followed by the functions it calls, as in
// a [github.com/cilium/ebpf.ProgramSpec].
//
// Returns an [*UnboundedError] for loops, recursion, callbacks, tail calls and
// paths longer than MaxPath.
func LongestPath(insns asm.Instructions) (Path, error) {
	return MostOnPath(insns, all)
}

func all(int) bool { return true }

// MostOnPath returns the path on which the most instructions count, and only
// these instructions, as LongestPath does for all of them: counts tells which,
// by their index.
func MostOnPath(insns asm.Instructions, counts func(int) bool) (Path, error) {
	if len(insns) == 0 {
		return Path{}, &UnboundedError{"program", "it has no instructions; give it a body"}
	}
	g := newGraph(insns, counts)
	if err := g.visit(0); err != nil {
		return Path{}, err
	}
	if g.nodes[0].longest > MaxPath {
		return Path{}, g.unbounded(0, fmt.Sprintf("the longest path is over %d instructions; call fewer functions or unroll less", MaxPath))
	}

	p := Path{Instructions: g.nodes[0].longest}
	index := make(map[string]int)
	g.walk(0, func(i int) {
		line := g.lines[i]
		at := line.Position()
		if at == "" || !counts(i) {
			return
		}
		k, ok := index[at]
		if !ok {
			k = len(p.Lines)
			index[at] = k
			p.Lines = append(p.Lines, line)
		}
		p.Lines[k].Instructions++
	})
	return p, nil
}

const none = -1 // no such successor

// node is one instruction. Its longest path does not depend on who came here,
// so one depth-first visit is enough for all functions.
type node struct {
	state   int8 // unseen, open (on the way to here), done
	longest int  // instructions from here to the end, capped just over MaxPath
	next    int  // successor on that path
	callee  int  // function called on the way
}

const (
	unseen int8 = iota
	open
	done
)

type graph struct {
	insns   asm.Instructions
	counts  func(int) bool
	lines   []Line
	nodes   []node
	raw     []int          // offset of each instruction in units of 8 bytes
	byRaw   map[int]int    // and back
	symbols map[string]int // functions and labels
}

func newGraph(insns asm.Instructions, counts func(int) bool) *graph {
	g := &graph{
		insns:   insns,
		counts:  counts,
		lines:   Lines(insns),
		nodes:   make([]node, len(insns)),
		raw:     make([]int, len(insns)),
		byRaw:   make(map[int]int, len(insns)),
		symbols: make(map[string]int),
	}
	raw := 0
	for i := range insns {
		g.raw[i], g.byRaw[raw] = raw, i
		raw += int(insns[i].Width())
		if s := insns[i].Symbol(); s != "" {
			g.symbols[s] = i
		}
	}
	return g
}

// frame is an instruction whose successors are being visited. The stack of
// them is explicit since programs may have a million instructions.
type frame struct {
	at    int
	edges []edge
}

type edge struct {
	to   int
	call bool
}

// visit computes the longest path from an instruction.
func (g *graph) visit(entry int) error {
	edges, err := g.edges(entry)
	if err != nil {
		return err
	}
	g.nodes[entry].state = open
	stack := []frame{{entry, edges}}

	for len(stack) > 0 {
		f := &stack[len(stack)-1]
		pushed := false
		for _, e := range f.edges {
			switch g.nodes[e.to].state {
			case open:
				if e.call {
					return g.unbounded(f.at, "recursion has no static bound; call each function from outside itself only")
				}
				return g.unbounded(f.at, "the longest path of a loop has no static bound; unroll it")
			case unseen:
				edges, err := g.edges(e.to)
				if err != nil {
					return err
				}
				g.nodes[e.to].state = open
				stack = append(stack, frame{e.to, edges})
				pushed = true
			}
			if pushed {
				break
			}
		}
		if !pushed {
			g.close(f)
			stack = stack[:len(stack)-1]
		}
	}
	return nil
}

// close settles an instruction after all its successors. The first of equally
// long ways wins, which is falling through: the same answer every time.
func (g *graph) close(f *frame) {
	n := node{state: done, next: none, callee: none}
	if g.counts(f.at) {
		n.longest = 1
	}
	rest := 0
	for _, e := range f.edges {
		l := g.nodes[e.to].longest
		switch {
		case e.call:
			n.callee = e.to
			n.longest += l
		case n.next == none || l > rest:
			rest, n.next = l, e.to
		}
	}
	// Calls of calls double at each level, so sums must not be left to grow.
	n.longest = min(n.longest+rest, MaxPath+1)
	g.nodes[f.at] = n
}

// walk calls fn for each instruction along the longest path from entry.
func (g *graph) walk(entry int, fn func(int)) {
	var returns []int
	for i := entry; ; {
		fn(i)
		n := g.nodes[i]
		switch {
		case n.callee != none:
			returns = append(returns, n.next)
			i = n.callee
		case n.next != none:
			i = n.next
		default:
			for i = none; i == none && len(returns) > 0; {
				i = returns[len(returns)-1]
				returns = returns[:len(returns)-1]
			}
			if i == none {
				return
			}
		}
	}
}

// edges returns where execution can go after instruction i, falling through
// first. It returns an error where what follows has no static bound.
func (g *graph) edges(i int) ([]edge, error) {
	ins := &g.insns[i]
	if ins.IsLoadOfFunctionPointer() {
		return nil, g.unbounded(i, "a callback runs as often as the helper likes, which has no static bound; write out the loop")
	}
	switch op := ins.OpCode.JumpOp(); {
	case op == asm.Ja && ins.OpCode.Source() == asm.RegSource:
		return nil, g.unbounded(i, "a computed jump has no static bound; use if instead of a jump table")
	case op == asm.JCOND:
		return nil, g.unbounded(i, "may_goto loops have no static bound; unroll it")
	case op == asm.Call && ins.IsBuiltinCall() && asm.BuiltinFunc(ins.Constant) == asm.FnTailCall:
		return nil, g.unbounded(i, "a tail call has no static bound; call a static function instead")
	}
	return g.successors(i)
}

// successors are the same edges, of whatever leads to code of this program: a
// tail call may fail and fall through, and a callback is called from elsewhere.
// Of a computed jump it knows none.
func (g *graph) successors(i int) ([]edge, error) {
	ins := &g.insns[i]
	fall := func() (edge, error) { return g.to(i, g.raw[i]+int(ins.Width())) }

	switch op := ins.OpCode.JumpOp(); op {
	case asm.Exit:
		return nil, nil

	case asm.Ja:
		if ins.OpCode.Source() == asm.RegSource {
			return nil, nil
		}
		offset := int64(ins.Offset)
		if ins.OpCode.Class() == asm.Jump32Class {
			offset = ins.Constant
		}
		e, err := g.jump(i, offset)
		return []edge{e}, err

	case asm.Call:
		next, err := fall()
		if err != nil || !ins.IsFunctionCall() {
			return []edge{next}, err
		}
		callee, err := g.jump(i, ins.Constant)
		callee.call = true
		return []edge{callee, next}, err

	case asm.InvalidJumpOp:
		e, err := fall()
		return []edge{e}, err

	default:
		next, err := fall()
		if err != nil {
			return nil, err
		}
		taken, err := g.jump(i, int64(ins.Offset))
		return []edge{next, taken}, err
	}
}

// jump resolves a jump or call: by name if the instruction has one, as calls
// in a spec do until it is loaded, else by its offset.
func (g *graph) jump(i int, offset int64) (edge, error) {
	if target, ok := g.symbols[g.insns[i].Reference()]; ok {
		return edge{to: target}, nil
	}
	return g.to(i, g.raw[i]+1+int(offset))
}

func (g *graph) to(from, raw int) (edge, error) {
	i, ok := g.byRaw[raw]
	if !ok {
		return edge{}, g.unbounded(from, "leads out of the program, which no kernel loads; end every path with return")
	}
	return edge{to: i}, nil
}

func (g *graph) unbounded(i int, reason string) error {
	source := g.lines[i].Position()
	if source == "" {
		source = fmt.Sprintf("instruction %d", i)
	}
	return &UnboundedError{source, reason}
}

// Lines returns the source line of each instruction. BTF names it on the
// first instruction of each statement only, and clang calls what belongs to no
// statement line 0.
func Lines(insns asm.Instructions) []Line {
	lines := make([]Line, len(insns))
	var line Line
	for i := range insns {
		if l, ok := insns[i].Source().(*btf.Line); ok && l.LineNumber() > 0 {
			line = Line{File: path.Base(l.FileName()), Number: int(l.LineNumber()), Text: strings.TrimSpace(l.Line())}
		}
		lines[i] = line
	}
	return lines
}
