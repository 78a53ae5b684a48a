// SPDX-License-Identifier: Apache-2.0

package linecost

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"path"
	"slices"

	"github.com/google/pprof/profile"

	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/host/visible"
	"bpflab/harness/job"
)

// Profiled reports whether all programs were profiled on all kernels, and complete whether each could be judged.
func Profiled(c runcost.Costs) (profiled, complete bool) {
	_, complete = c.Sound()
	profiled = true
	for _, f := range c.Files {
		profiled = profiled && f.Broken == ""
		for _, p := range f.Programs {
			for _, l := range p.On {
				profiled = profiled && l.Profile != nil && l.Profile.Error == ""
			}
		}
	}
	return profiled, complete
}

// JSON writes profiles for programs.
func JSON(w io.Writer, c runcost.Costs) error {
	type call struct {
		Name string   `json:"name"`
		Runs float64  `json:"runs"`
		Cost *float64 `json:"cost"` // null: its time cannot be taken
	}
	type line struct {
		File     string  `json:"file"`
		Number   int     `json:"line"`
		Text     string  `json:"text"`
		Function string  `json:"function"`
		Runs     float64 `json:"runs"`
		Own      float64 `json:"own"`
		Calls    []call  `json:"calls,omitempty"`
	}
	type kernel struct {
		Kernel    string         `json:"kernel"`
		Verdict   survey.Verdict `json:"outcome"`
		Why       string         `json:"why,omitempty"` // there is no profile
		Total     float64        `json:"total"`
		Empty     float64        `json:"empty"`
		Remainder float64        `json:"remainder"`
		Lines     []line         `json:"lines"`
		Untimed   []call         `json:"untimed,omitempty"`
	}
	type program struct {
		File    string   `json:"file_name"`
		Program string   `json:"prog_name"`
		Kernels []kernel `json:"kernels"`
	}
	out := struct {
		Input    string            `json:"input"`
		Unit     string            `json:"unit"`
		Programs []program         `json:"programs"`
		Broken   map[string]string `json:"broken,omitempty"` // files of which nothing could be loaded, and why
	}{c.Input, "instructions a run", []program{}, c.Broken()}
	for _, f := range c.Files {
		for _, p := range f.Programs {
			one := program{File: f.Name, Program: p.Name}
			for i, l := range p.On {
				k := kernel{Kernel: c.Kernels[i], Verdict: survey.VerdictOf(l), Lines: []line{}}
				got, err := Of(l)
				if err != nil {
					k.Why = cmp.Or(runcost.WhyNot(l), err.Error())
					one.Kernels = append(one.Kernels, k)
					continue
				}
				k.Total, k.Empty, k.Remainder = got.Total, got.Empty, got.Remainder()
				for _, l := range got.Lines {
					to := line{File: l.File, Number: l.Number, Text: l.Text, Function: l.Function, Runs: l.Runs, Own: l.Own}
					for _, c := range l.Calls {
						to.Calls = append(to.Calls, call{c.Name, c.Runs, &c.Cost})
					}
					k.Lines = append(k.Lines, to)
				}
				for _, c := range got.Untimed {
					k.Untimed = append(k.Untimed, call{c.Name, c.Runs, nil})
				}
				one.Kernels = append(one.Kernels, k)
			}
			out.Programs = append(out.Programs, one)
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(out)
}

// pathOf is where the file of a line is, as seen from the input that the program is of: BTF names files as the compiler
// was given them.
func pathOf(input, file string) string {
	file = path.Clean(file)
	switch {
	case path.IsAbs(file):
		return file
	case path.Base(file) == path.Base(input):
		return input
	}
	return path.Join(path.Dir(input), file)
}

// Lcov writes how often lines ran, as lcov's tracefiles have it, summed up over kernels.
func Lcov(w io.Writer, c runcost.Costs) error {
	counts := map[string]map[int]uint64{} // by file and line
	for _, f := range c.Files {
		for _, p := range f.Programs {
			for _, l := range p.On {
				got, err := Of(l)
				if err != nil {
					continue
				}
				for _, line := range got.Lines {
					if line.File == "" {
						continue
					}
					name := pathOf(f.Name, line.File)
					if counts[name] == nil {
						counts[name] = map[int]uint64{}
					}
					counts[name][line.Number] += uint64(math.Round(line.Runs * float64(l.Profile.Runs)))
				}
			}
		}
	}
	for _, name := range sorted(counts) {
		lines, hit := counts[name], 0
		fmt.Fprintf(w, "TN:\nSF:%s\n", visible.Line(name))
		for _, n := range sorted(lines) {
			fmt.Fprintf(w, "DA:%d,%d\n", n, lines[n])
			if lines[n] > 0 {
				hit++
			}
		}
		if _, err := fmt.Fprintf(w, "LF:%d\nLH:%d\nend_of_record\n", len(lines), hit); err != nil {
			return err
		}
	}
	return nil
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Pprof writes profiles for go tool pprof: all runs together, by program and kernel, which are labels of the samples too.
// The stack of a function that is called from several places is split by how often each calls it.
func Pprof(w io.Writer, c runcost.Costs) error {
	b := pprofs{
		Profile: profile.Profile{
			SampleType:        []*profile.ValueType{{Type: "runs", Unit: "count"}, {Type: "instructions", Unit: "count"}},
			DefaultSampleType: "instructions", PeriodType: &profile.ValueType{}, Period: 1,
		},
		functions: map[[2]string]*profile.Function{}, locations: map[place]*profile.Location{},
	}
	for _, f := range c.Files {
		for _, p := range f.Programs {
			for i, l := range p.On {
				if _, err := Of(l); err == nil {
					b.add(f.Name, p.Name, c.Kernels[i], l.Profile)
				}
			}
		}
	}
	if err := b.CheckValid(); err != nil {
		return err
	}
	return b.Write(w)
}

type pprofs struct {
	profile.Profile
	functions map[[2]string]*profile.Function // by file and name
	locations map[place]*profile.Location
}

type place struct {
	function *profile.Function
	line     int
}

func (b *pprofs) location(file, function string, line int) *profile.Location {
	f := b.functions[[2]string{file, function}]
	if f == nil {
		f = &profile.Function{ID: uint64(len(b.Function) + 1), Name: function, SystemName: function, Filename: file}
		b.functions[[2]string{file, function}] = f
		b.Function = append(b.Function, f)
	}
	l := b.locations[place{f, line}]
	if l == nil {
		l = &profile.Location{ID: uint64(len(b.Location) + 1), Line: []profile.Line{{Function: f, Line: int64(line)}}}
		b.locations[place{f, line}] = l
		b.Location = append(b.Location, l)
	}
	return l
}

// stack is a way in which a function is called, and how many of its calls are made so.
type stack struct {
	at    []*profile.Location // the innermost first
	share float64
}

// maxStacks is how many ways to a function are kept apart.
const maxStacks = 64

// add adds the samples of a program.
func (b *pprofs) add(input, program, kernel string, raw *job.Profile) {
	at := make([]*profile.Location, len(raw.Insns))
	for i := range raw.Insns {
		l, _ := lineOf(raw, i) // which Of has checked
		file := input
		if l.File != "" {
			file = pathOf(input, l.File)
		}
		at[i] = b.location(file, l.Function, l.Number)
	}
	stacks := b.stacks(raw, at)
	labels := map[string][]string{"program": {program}, "kernel": {kernel}}
	put := func(function int, runs, cost float64, inner ...*profile.Location) {
		for _, s := range stacks[function] {
			value := []int64{int64(math.Round(runs * s.share)), int64(math.Round(cost * s.share))}
			if value[0] != 0 || value[1] != 0 {
				b.Sample = append(b.Sample, &profile.Sample{Location: append(slices.Clone(inner), s.at...), Value: value, Label: labels})
			}
		}
	}
	own := map[*profile.Location][2]float64{} // of a line in a function: runs and cost
	var order []int
	for i, ins := range raw.Insns {
		if _, ok := own[at[i]]; !ok {
			order = append(order, i)
		}
		sum := own[at[i]]
		call, callCost, ownCost := costs(raw, ins)
		own[at[i]] = [2]float64{max(sum[0], float64(ins.Count)), sum[1] + ownCost}
		if call != "" && ins.Timed {
			put(ins.Function, float64(ins.Count), callCost, b.location("kernel "+kernel, call, 0), at[i])
		}
	}
	for _, i := range order {
		put(raw.Insns[i].Function, own[at[i]][0], own[at[i]][1], at[i])
	}
}

// stacks finds, for each function, from where it is called.
func (b *pprofs) stacks(raw *job.Profile, at []*profile.Location) [][]stack {
	calls, total := make([][]int, len(raw.Functions)), make([]float64, len(raw.Functions))
	for i, ins := range raw.Insns {
		if f := ins.Calls - 1; f >= 0 && f < len(calls) && ins.Count > 0 {
			calls[f] = append(calls[f], i)
			total[f] += float64(ins.Count)
		}
	}
	all, busy := make([][]stack, len(raw.Functions)), make([]bool, len(raw.Functions))
	var of func(f int) []stack
	of = func(f int) []stack {
		if all[f] != nil || busy[f] { // BPF knows no recursion
			return all[f]
		}
		busy[f] = true
		var list []stack
		for _, i := range calls[f] {
			for _, s := range of(raw.Insns[i].Function) {
				list = append(list, stack{append([]*profile.Location{at[i]}, s.at...), s.share * float64(raw.Insns[i].Count) / total[f]})
			}
		}
		if len(list) == 0 || len(list) > maxStacks { // the program itself, and what a helper calls
			list = []stack{{nil, 1}}
		}
		all[f] = list
		return list
	}
	for f := range all {
		of(f)
	}
	return all
}
