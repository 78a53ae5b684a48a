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
	"bpflab/harness/verifier"
)

// maxInstructions is how many instructions a program may have: for each frame and run all that its blocks have counted is
// kept.
const maxInstructions = 16384

// Copy is a copy of a program that counts, and what is to be known of the program itself.
type Copy struct {
	*instrument.Copy
	program string
	profile *job.Profile
	scenes  map[string]instrument.Words // what was counted
}

// New prepares a profile of one of an object's programs.
//
// Requires what [native.Of] requires.
func New(object *ebpf.CollectionSpec, program string) (*Copy, error) {
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
	c := &Copy{program: program, scenes: map[string]instrument.Words{}}
	if c.Copy, err = choose(object, program); err != nil {
		return nil, err
	}
	c.profile = &job.Profile{Code: code.Image, Empty: empty.Image, Insns: make([]job.Instruction, len(spec.Instructions))}
	describe(c.profile, spec.Instructions, code)
	return c, nil
}

// Count adds what a collection of the copy has counted in a scene. Of several that were loaded for the same scene the one
// counts whose calls took least: rare interruptions are in the others.
func (c *Copy) Count(scene string, of *ebpf.Collection) error {
	words, err := instrument.Read(of.Maps[instrument.Counts])
	if before := c.scenes[scene]; err == nil && (before == nil || words.Sum() < before.Sum()) {
		c.scenes[scene] = words
	}
	return err
}

// Profile is what was counted in all scenes.
func (c *Copy) Profile() *job.Profile {
	p := c.profile
	var words instrument.Words
	for _, scene := range c.scenes {
		if words == nil {
			words = make(instrument.Words, len(scene))
		}
		words.Add(scene)
	}
	if words == nil || c.Ran(words) == 0 {
		p.Error = "a copy of it that counts did not run"
		return p
	}
	p.Runs = c.Ran(words)
	for i, n := range c.Instructions(words) {
		p.Insns[i].Count = n
	}
	for k, took := range c.Times(words) {
		ins := &p.Insns[c.Calls[k].Index]
		ins.Timed, ins.Time = true, took
	}
	return p
}

// Of profiles one of an object's programs that was run on some input, with these runs; without runs, at events.
//
// Requires what [native.Of] requires, and [testrun.On] or [testrun.Events].
func Of(object *ebpf.CollectionSpec, program string, in testrun.Input, runs []job.FrameRun) (*job.Profile, error) {
	c, err := New(object, program)
	if err != nil {
		return nil, err
	}
	loaded, err := ebpf.NewCollectionWithOptions(c.Object, ebpf.CollectionOptions{Cache: verifier.Types})
	if err != nil {
		return nil, fmt.Errorf("load a copy of it that counts: %w", err)
	}
	defer loaded.Close()
	const scene = "runs"
	if runs == nil {
		c.scenes[scene], err = testrun.CountEvents(c.Copy, loaded.Programs[program], loaded.Maps[instrument.Counts], object.Programs[program])
	} else {
		var counted testrun.Counted
		counted, err = testrun.Count(in, c.Copy, loaded.Programs[program], loaded.Maps[instrument.Counts], runs)
		c.scenes[scene], c.profile.Executed, c.profile.Differs = counted.Words, counted.Executed, counted.Differs
	}
	if err != nil {
		return nil, err
	}
	return c.Profile(), nil
}

// maxLoads is how many copies are tried to find the calls whose time can be taken.
const maxLoads = 40

// choose makes a copy that takes the time of as many calls as the verifier allows: it may not know any more, behind a
// call of the clock, what it knew of an argument.
func choose(object *ebpf.CollectionSpec, program string) (*instrument.Copy, error) {
	insns := object.Programs[program].Instructions
	var calls []int
	for i := range insns {
		if instrument.Timed(&insns[i]) {
			calls = append(calls, i)
		}
	}
	loads := 0
	try := func(calls []int) (*instrument.Copy, error) {
		loads++
		copied, err := instrument.New(object, program, calls)
		if err != nil {
			return nil, err
		}
		loaded, err := ebpf.NewCollectionWithOptions(copied.Object, ebpf.CollectionOptions{Cache: verifier.Types, Programs: ebpf.ProgramOptions{LogDisabled: calls != nil}})
		if err != nil {
			return nil, fmt.Errorf("load a copy of it that counts: %w", err)
		}
		loaded.Close()
		return copied, nil
	}
	// which are those of some calls whose time can be taken: all, or those of each half.
	var which func(calls []int) []int
	which = func(calls []int) []int {
		if len(calls) == 0 || loads > maxLoads {
			return nil
		}
		if _, err := try(calls); err == nil {
			return calls
		}
		if len(calls) == 1 {
			return nil
		}
		half := len(calls) / 2
		return append(which(calls[:half]), which(calls[half:])...)
	}
	if copied, err := try(which(calls)); err == nil {
		return copied, nil
	}
	return try(nil) // two calls may be too much where each is not
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
