// SPDX-License-Identifier: Apache-2.0

// Package linecost shows which lines of a BPF program's source its cost is in: how often each line runs, what the machine
// code of it costs, and what the helpers cost that it calls.
package linecost

import (
	"cmp"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/cilium/ebpf/asm"

	"bpflab/harness/host/policy"
	"bpflab/harness/host/runcost"
	"bpflab/harness/job"
)

// Profile is where a program's cost lies on one kernel. All figures are of one run, the mean of those that runcost tells
// the cost of.
type Profile struct {
	Total float64 // instructions over an empty program
	// Measured: Total is exact, and there may be a remainder. Else it is what the lines add up to.
	Measured bool
	Lines    []Line  // by file and number; without line information a line is one instruction of BPF
	Empty    float64 // instructions of an empty program, which the lines have as well
	// Untimed are calls that the time of cannot be taken: what they cost is in the remainder.
	Untimed   []Call
	Longest   int // the frame on which the program executes the most BPF instructions, or -1
	Most      uint64
	Differs   int  // frames on which the copy that counts has returned something else
	OnContext bool // it was run on a context
}

// Line is one of the source.
type Line struct {
	File     string
	Number   int
	Text     string
	Function string
	Runs     float64 // how often it runs; of its instructions the one that runs most often counts
	Own      float64 // instructions of its machine code
	Calls    []Call
}

// Call is what a line calls: a helper, or a function of the kernel.
type Call struct {
	Name string
	Line string  // file:number
	Runs float64 // how often it is called
	Cost float64 // instructions, 0 if Untimed
}

// Cost is what a line costs with what it calls.
func (l Line) Cost() float64 {
	sum := l.Own
	for _, c := range l.Calls {
		sum += c.Cost
	}
	return sum
}

// Position is file:line.
func (l Line) Position() string { return fmt.Sprintf("%s:%d", path.Base(l.File), l.Number) }

// Remainder is what the lines do not explain: what Untimed calls cost, and the detours of rare cases. It is negative where
// the lines are too expensive.
func (p Profile) Remainder() float64 {
	rest := p.Total + p.Empty
	for _, l := range p.Lines {
		rest -= l.Cost()
	}
	return rest
}

// Calls are all that was called, the most expensive first.
func (p Profile) Calls() (all []Call) {
	for _, l := range p.Lines {
		all = append(all, l.Calls...)
	}
	slices.SortStableFunc(all, func(a, b Call) int { return cmp.Compare(b.Cost, a.Cost) })
	return all
}

// Expensive says what the most expensive lines cost, n of them at most, and none that costs less than a share of the
// whole.
func (p Profile) Expensive(n int, share float64) (texts []string) {
	lines := slices.Clone(p.Lines)
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Compare(b.Cost(), a.Cost()) })
	for _, l := range lines[:min(n, len(lines))] {
		if l.Cost() < share*(p.Total+p.Empty) {
			break
		}
		text := fmt.Sprintf("%s: %.0f", l.Position(), l.Cost())
		for i, c := range l.Calls {
			text += []string{", for ", " and "}[min(i, 1)] + c.Name
		}
		texts = append(texts, text)
	}
	return texts
}

// errGarbled is the error of a profile that no sound guest reports.
var errGarbled = errors.New("the guest's report contradicts itself")

// Of returns the profile of a program that was run.
func Of(l job.Loaded) (p Profile, err error) {
	raw := l.Profile
	switch {
	case raw == nil:
		return p, errors.New("it was not run")
	case raw.Error != "":
		return p, errors.New(raw.Error)
	case raw.Runs == 0:
		return p, errors.New("the copy that counts did not run")
	case len(raw.Insns) == 0:
		return p, errGarbled
	}
	runs := float64(raw.Runs)
	p = Profile{Empty: float64(length(raw.Empty, 0, len(raw.Empty), true)), Longest: -1, Differs: raw.Differs, OnContext: l.OnContext}
	for frame, n := range raw.Executed {
		if n > p.Most && !l.OnContext {
			p.Longest, p.Most = frame, n
		}
	}
	at := map[[2]int]int{} // file and number to index in p.Lines
	for i, ins := range raw.Insns {
		line, err := lineOf(raw, i)
		if err != nil {
			return Profile{}, err
		}
		key := [2]int{-1, i}
		if ins.Line >= 0 {
			key = [2]int{raw.Lines[ins.Line].File, line.Number}
		}
		k, ok := at[key]
		if !ok {
			k = len(p.Lines)
			at[key] = k
			p.Lines = append(p.Lines, line)
		}
		p.add(&p.Lines[k], raw, ins, runs)
	}
	slices.SortStableFunc(p.Lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Number, b.Number)) })
	if l.Runs == nil && l.Events == nil { // a lab's submission: what a lab measures is no run of the program alone
		p.Total = -p.Remainder()
		return p, nil
	}
	p.Total, p.Measured = runcost.OfProgram(l).Mean, true
	return p, nil
}

// lineOf is the line of an instruction, without figures.
func lineOf(raw *job.Profile, i int) (l Line, err error) {
	ins := raw.Insns[i]
	if ins.Line < -1 || ins.Line >= len(raw.Lines) || ins.Function < 0 || ins.Function >= len(raw.Functions) ||
		ins.Entry < 0 || ins.From < ins.Entry || ins.To > len(raw.Code) || ins.To != 0 && ins.To < ins.From {
		return l, errGarbled
	}
	l = Line{Number: i, Text: ins.Text, Function: raw.Functions[ins.Function]}
	if ins.Line >= 0 {
		source := raw.Lines[ins.Line]
		if source.File < 0 || source.File >= len(raw.Files) {
			return l, errGarbled
		}
		l.File, l.Number, l.Text = raw.Files[source.File], source.Number, source.Text
	}
	return l, nil
}

// add adds an instruction to its line.
func (p *Profile) add(l *Line, raw *job.Profile, ins job.Instruction, runs float64) {
	count := float64(ins.Count) / runs
	l.Runs = max(l.Runs, count)
	name, called, own := costs(raw, ins)
	l.Own += own / runs
	if name == "" {
		return
	}
	call := Call{Name: name, Line: l.Position(), Runs: count, Cost: called / runs}
	switch {
	case ins.Timed:
		l.Calls = append(l.Calls, call)
	case ins.Count > 0:
		p.Untimed = append(p.Untimed, call)
	}
}

// costs are what all runs of an instruction cost: the call that it makes, of which the time was taken, or else its own
// machine code.
func costs(raw *job.Profile, ins job.Instruction) (call string, called, own float64) {
	if ins.Kfunc != "" || ins.Helper != 0 {
		call = cmp.Or(ins.Kfunc, policy.HelperName(asm.BuiltinFunc(ins.Helper)))
	}
	switch {
	case call != "" && ins.Timed && ins.Entry < ins.From:
		own = float64(length(raw.Code, ins.Entry, ins.From, false) - 1) // R0 = 0
		return call, ins.Time, own * float64(ins.Count)
	case call != "" && ins.Timed:
		return call, ins.Time, 0
	case ins.To > 0:
		own = float64(length(raw.Code, ins.Entry, ins.To, isExit(ins)))
		if ins.Entry < ins.From {
			own--
		}
	}
	return call, 0, own * float64(ins.Count)
}

// isExit reports whether an instruction ends a function.
func isExit(ins job.Instruction) bool { return strings.HasPrefix(ins.Text, "Exit") }
