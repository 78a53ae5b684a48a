// SPDX-License-Identifier: Apache-2.0

// Package profile finds where the cost of a program's runs lies: how often each instruction ran, what its calls took,
// and which machine code it became.
package profile

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"bpflab/harness/guest/instrument"
	"bpflab/harness/guest/native"
	"bpflab/harness/guest/testrun"
	"bpflab/harness/job"
)

// maxInstructions is how many instructions a program may have: for each frame and run all that its blocks have counted is
// kept.
const maxInstructions = 16384

// Of profiles one of an object's programs that was run on frames, with these runs; without runs, at events.
//
// Requires what [native.Of] requires, and [testrun.Frames] or [testrun.Events].
func Of(object *ebpf.CollectionSpec, program string, frames [][]byte, runs []job.FrameRun) (*job.Profile, error) {
	spec := object.Programs[program]
	if n := len(spec.Instructions); n > maxInstructions {
		return nil, fmt.Errorf("it has %d instructions, more than the %d of which a profile can be had", n, maxInstructions)
	}
	code, err := native.Of(object, program)
	if err != nil {
		return nil, err
	}
	nothing := testrun.Nothing(spec)
	empty, err := native.Of(&ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{nothing.Name: nothing}}, nothing.Name)
	if err != nil {
		return nil, err
	}
	copied, loaded, err := load(object, program)
	if err != nil {
		return nil, err
	}
	defer loaded.Close()
	p := &job.Profile{Code: code.Image, Empty: empty.Image}
	p.Insns = make([]job.Instruction, len(spec.Instructions))
	describe(p, spec.Instructions, code)
	var words instrument.Words
	if runs == nil {
		words, err = testrun.CountEvents(copied, loaded.Programs[program], loaded.Maps[instrument.Counts], spec)
	} else {
		var counted testrun.Counted
		counted, err = testrun.CountFrames(copied, loaded.Programs[program], loaded.Maps[instrument.Counts], frames, runs)
		words, p.Executed, p.Differs = counted.Words, counted.Executed, counted.Differs
	}
	if err != nil {
		return nil, err
	}
	p.Runs = copied.Ran(words)
	for i, n := range copied.Instructions(words) {
		p.Insns[i].Count = n
	}
	for k, took := range copied.Times(words) {
		ins := &p.Insns[copied.Calls[k].Index]
		ins.Timed, ins.Time = true, took
	}
	return p, nil
}

// maxLoads is how many copies are tried to find the calls whose time can be taken.
const maxLoads = 40

// load loads a copy that takes the time of as many calls as the verifier allows: it may not know any more, behind a
// call of the clock, what it knew of an argument.
func load(object *ebpf.CollectionSpec, program string) (*instrument.Copy, *ebpf.Collection, error) {
	insns := object.Programs[program].Instructions
	var calls []int
	for i := range insns {
		if instrument.Timed(&insns[i]) {
			calls = append(calls, i)
		}
	}
	loads := 0
	try := func(calls []int) (*instrument.Copy, *ebpf.Collection, error) {
		loads++
		copied, err := instrument.New(object, program, calls)
		if err != nil {
			return nil, nil, err
		}
		loaded, err := ebpf.NewCollectionWithOptions(copied.Object, ebpf.CollectionOptions{Programs: ebpf.ProgramOptions{LogDisabled: calls != nil}})
		return copied, loaded, err
	}
	// which are those of some calls whose time can be taken: all, or those of each half.
	var which func(calls []int) []int
	which = func(calls []int) []int {
		if len(calls) == 0 || loads > maxLoads {
			return nil
		}
		if _, loaded, err := try(calls); err == nil {
			loaded.Close()
			return calls
		}
		if len(calls) == 1 {
			return nil
		}
		half := len(calls) / 2
		return append(which(calls[:half]), which(calls[half:])...)
	}
	copied, loaded, err := try(which(calls))
	if err != nil { // two calls may be too much where each is not
		copied, loaded, err = try(nil)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("load a copy of it that counts: %w", err)
	}
	return copied, loaded, nil
}

// describe says what the instructions are.
func describe(p *job.Profile, insns asm.Instructions, code native.Code) {
	files, lines, functions := map[string]int{}, map[job.SourceLine]int{}, map[string]int{}
	line, function := -1, 0
	// A function may be called before it is reached.
	functionOf := func(name string) int { return index(functions, &p.Functions, name) }
	function = functionOf(insns.Name())
	for i := range insns {
		ins := &insns[i]
		if fn := btf.FuncMetadata(ins); fn != nil {
			function = functionOf(fn.Name)
			line = -1
		}
		if l, ok := ins.Source().(*btf.Line); ok && l.LineNumber() > 0 {
			line = index(lines, &p.Lines, job.SourceLine{File: index(files, &p.Files, l.FileName()), Number: int(l.LineNumber()), Text: l.Line()})
		}
		d := job.Instruction{Text: fmt.Sprint(*ins), Line: line, Function: function, Entry: code.Spans[i].Entry, From: code.Spans[i].From, To: code.Spans[i].To}
		switch {
		case ins.IsBuiltinCall():
			d.Helper = uint32(ins.Constant)
		case ins.IsKfuncCall():
			d.Kfunc = ins.Reference()
		case ins.IsFunctionCall():
			d.Calls = functionOf(ins.Reference()) + 1
		}
		p.Insns[i] = d
	}
}

// index is where something is in a list, to whose end it is added if it is not there yet.
func index[T comparable](known map[T]int, list *[]T, what T) int {
	i, ok := known[what]
	if !ok {
		i = len(*list)
		known[what] = i
		*list = append(*list, what)
	}
	return i
}
