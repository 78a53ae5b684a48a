// SPDX-License-Identifier: Apache-2.0

// Package checklist holds BPF programs to the fifteen points of a checklist for those who ship them. Each point is
// measured (runs in guests that count instructions), read from the object, or said to need a machine of the user's,
// with the command to run there. Of several kernels the worst counts. Judging is pure: the same figures give the same
// findings.
package checklist

import (
	"cmp"
	"fmt"
	"slices"

	"al.essio.dev/pkg/shellescape"
	"github.com/dustin/go-humanize"

	"bpflab/harness/host/inspect"
	"bpflab/harness/host/runcost"
	"bpflab/harness/host/survey"
	"bpflab/harness/job"
)

// Outcome is what became of a point.
type Outcome string

const (
	Pass          Outcome = "PASS"
	Fail          Outcome = "FAIL"
	NotApplicable Outcome = "NOT APPLICABLE"
	NeedsYou      Outcome = "NEEDS YOU" // only a machine of the user's can tell
	NotJudged     Outcome = "ERROR"     // a guest failed
)

// outcomes are all of them, as reports list them.
var outcomes = []Outcome{Fail, NeedsYou, NotJudged, Pass, NotApplicable}

// Limits are what programs are held to and what is assumed, as far as a user may choose. See [Default].
type Limits struct {
	Rate         float64  // runs a second on one CPU; 0: not known
	Peak         float64  // the same at peak load; 0: not known
	IPS          float64  // instructions a second of one CPU
	PPS          float64  // packets a second that one CPU must be able to take
	Memory       uint64   // bytes of all maps, on a machine of inspect.ManyCPUs CPUs
	Instructions float64  // of a run, what helpers do included
	MapOps       int      // operations on maps in a run
	Allow        []string // helpers that are meant to be there though they are for debugging or dangerous
}

// Default are the limits where nobody names others.
var Default = Limits{IPS: 3e9, PPS: 14_880_952, Memory: 64 << 20, Instructions: 3000, MapOps: 10}

// Limits that nobody chooses.
const (
	maxOverhead   = 0.05              // of a CPU
	maxSteps      = 1_000_000 * 2 / 3 // of the verifier
	maxStack      = 512 - 64          // bytes
	maxTails      = 33                // tail calls in a row
	maxTailsStack = 256               // bytes of stack, with tail calls in functions
)

// Point is one of the checklist's points.
type Point struct {
	ID    string // for programs: it does not change
	Title string
	// Rule says how the point is judged, and Source where its limit comes from.
	Rule, Source string

	judge func(c *subject) Finding
}

// Points are all points, in the checklist's order.
var Points = []Point{
	{
		"profiled-under-load", "profiled under load", "Every kernel has run the program: on frames, or while system calls of many kinds are made.",
		"The program is to be run, and its cost known, before it ships.", (*subject).profiled,
	},
	{
		"overhead", "overhead under 5%", "The mean run, times --rate, is at most 5% of one CPU's instructions a second (--ips).",
		"5% is the chapter's limit. 3 billion instructions a second are one a cycle at 3 GHz.", (*subject).overhead,
	},
	{
		"verifier", "no verifier warnings", "Every kernel accepts the program, in at most two thirds of the steps that the verifier takes, and with at most 448 bytes of stack.",
		"1,000,000 steps (BPF_COMPLEXITY_LIMIT_INSNS) and 512 bytes (MAX_BPF_STACK) are the kernel's limits. Kernels differ: lab 12.1's starter takes 167 steps on 5.10 and 110 on 6.12, half as many again. 64 bytes of stack are room for another compiler to spill eight registers.", (*subject).verifier,
	},
	{
		"kernels", "several kernel versions", "All chosen kernels, at least two, accept the program and have what it attaches to.",
		"The matrix of kernels, from Linux 5.10 on.", (*subject).versions,
	},
	{
		"map-operations", "map operations benchmarked", "The path with the most map operations has at most 10 (--map-ops), and they were run and timed.",
		"10 operations of up to 100 ns each, the chapter's figure, make up its budget of 1 µs a run.", (*subject).mapOperations,
	},
	{
		"peak-load", "peak load", "The most expensive run, times --peak, is at most what one CPU can do (--ips).",
		"A CPU that needs longer falls behind.", (*subject).peak,
	},
	{
		"lock-contention", "lock contention", "No run writes to memory, or takes a lock, that every run on every CPU does.",
		"One write to a shared cache line, or one lock, makes all CPUs wait for each other.", (*subject).contention,
	},
	{
		"instructions", "instruction count", "The mean run takes at most 3,000 instructions (--instructions), with what helpers do.",
		"The chapter's budget of 1 µs a run, at 3 billion instructions a second.", (*subject).instructions,
	},
	{
		"scaling", "scaling to 32+ CPUs", "No run writes to memory that other CPUs write, and the maps fit into --memory on 32 CPUs.",
		"Work that CPUs do not share grows with their number.", (*subject).scaling,
	},
	{
		"memory", "memory", "The program's maps take at most 64 MiB (--memory) on 32 CPUs.",
		"64 MiB is bpflab's choice.", (*subject).memory,
	},
	{
		"tail-calls", "tail-call depth", "No run makes more than 33 tail calls, by what the object puts into its arrays of programs.",
		"MAX_TAIL_CALL_CNT of the kernel.", (*subject).tails,
	},
	{
		"packet-rate", "full packet rate", "One CPU can run the program on the most expensive kind of frame at 14.88 million packets a second (--pps).",
		"10 Gbit/s of 64-byte frames, which take 84 bytes on the wire.", (*subject).packetRate,
	},
	{
		"btf", "BTF", "The object has types, functions and lines, and no kernel structure is read at an offset that the compiler fixed.",
		"Kernels move fields; CO-RE relocations follow them.", (*subject).btf,
	},
	{
		"helpers", "helpers audited", "No helper is for debugging or dangerous, unless --allow names it.",
		"The descriptions of helpers in linux/bpf.h; their versions are bcc's (docs/kernel-versions.md).", (*subject).helpers,
	},
	{
		"error-handling", "cost of error handling", "What ends in an error, or is no sound packet, costs at most what the most expensive ordinary packet does.",
		"Otherwise whoever sends what is broken slows down more than whoever sends what is sound.", (*subject).errors,
	},
}

// Finding is what became of a point for a program.
type Finding struct {
	Point   *Point
	Outcome Outcome
	// Number is what was found, with its unit, and Limit what it was held to; either may be empty.
	Number, Limit string
	Kernel        string // the worst one; empty where kernels make no difference
	Message       string // empty where Number and Limit say it all
	Places        []inspect.Place
	// Deeper is a command that shows more; Yours are those to run on a machine of the user's.
	Deeper string
	Yours  []string
}

// Input is one file, as loaded and read.
type Input struct {
	survey.File
	Object inspect.Object // of a file that is not broken
	// Warnings are the compiler's. They fail nothing: another version of it warns of other things.
	Warnings []string
}

// Report is what became of all programs.
type Report struct {
	Kernels  []string
	Limits   Limits
	Packets  string // what the frames are
	Programs []Program
	Broken   []survey.File // files that nothing is said of
	Notes    []survey.File // what a reader should know of how files were made
	Warnings []string      // of the compiler
}

// Program is one program's findings, one a point.
type Program struct {
	File, Name string
	Findings   []Finding
}

// Judge judges all programs of all inputs. kinds says what each frame is on which programs were run, packets what
// they are together.
func Judge(inputs []Input, kernels, kinds []string, packets string, limits Limits) Report {
	r := Report{Kernels: kernels, Limits: limits, Packets: packets}
	for _, in := range inputs {
		r.Warnings = append(r.Warnings, in.Warnings...)
		if in.Note != "" {
			r.Notes = append(r.Notes, in.File)
		}
		if in.Broken == "" && in.Object.Broken != "" {
			in.Broken = in.Name + " cannot be read: " + in.Object.Broken
		}
		if in.Broken != "" {
			r.Broken = append(r.Broken, in.File)
			continue
		}
		for _, p := range in.Programs {
			s := subject{file: in.Name, on: p.On, kernels: kernels, kinds: kinds, packets: packets, limits: limits, object: in.Object}
			if at := slices.IndexFunc(in.Object.Programs, func(o inspect.Program) bool { return o.Name == p.Name }); at >= 0 {
				s.program = in.Object.Programs[at]
			}
			r.Programs = append(r.Programs, s.findings(p.Name))
		}
	}
	return r
}

// Count is how many findings have an outcome.
func (p Program) Count(o Outcome) (n int) {
	for _, f := range p.Findings {
		if f.Outcome == o {
			n++
		}
	}
	return n
}

// Sound reports whether no point fails and no file is broken, and complete whether each point could be judged.
func (r Report) Sound() (sound, complete bool) {
	sound, complete = len(r.Broken) == 0, true
	for _, p := range r.Programs {
		sound, complete = sound && p.Count(Fail) == 0, complete && p.Count(NotJudged) == 0
	}
	return sound, complete
}

// subject is a program that is judged.
type subject struct {
	file           string
	on             []job.Loaded // one a kernel
	kernels, kinds []string
	packets        string
	limits         Limits
	object         inspect.Object
	program        inspect.Program
}

func (s *subject) findings(name string) Program {
	p := Program{File: s.file, Name: name}
	lost := slices.ContainsFunc(s.on, func(l job.Loaded) bool { return l.Error != "" })
	for i := range Points {
		f := Finding{Outcome: NotJudged, Message: "the object names no such program"}
		if s.program.Name != "" {
			f = Points[i].judge(s)
		}
		// What other kernels say is no answer, unless one of them fails already.
		if measured[Points[i].ID] && lost && f.Outcome != Fail && f.Outcome != NotApplicable {
			k := slices.IndexFunc(s.on, func(l job.Loaded) bool { return l.Error != "" })
			f = Finding{Outcome: NotJudged, Kernel: s.kernels[k], Message: "not judged: " + s.on[k].Error}
		}
		f.Point = &Points[i]
		p.Findings = append(p.Findings, f)
	}
	return p
}

// measured are the points that depend on what kernels did.
var measured = map[string]bool{
	"profiled-under-load": true, "overhead": true, "verifier": true, "kernels": true, "map-operations": true, "peak-load": true,
	"instructions": true, "packet-rate": true, "error-handling": true,
}

// worst is the kernel on which a program's runs cost most by some figure, and that figure.
func (s *subject) worst(figure func(job.Loaded) float64) (value float64, kernel string, ok bool) {
	for i, l := range s.on {
		if runcost.OfProgram(l).Runs == 0 {
			continue
		}
		if v := figure(l); !ok || v > value {
			value, kernel, ok = v, s.kernels[i], true
		}
	}
	return value, kernel, ok
}

func mean(l job.Loaded) float64 { return runcost.OfProgram(l).Mean }

// most is the most expensive frame, or the mean where a program runs at events: single runs are not timed there.
func most(l job.Loaded) float64 {
	c := runcost.OfProgram(l)
	if l.Events != nil {
		return c.Mean
	}
	return float64(c.Most)
}

// unmeasured says why a program's runs were not timed.
func (s *subject) unmeasured() Finding {
	f := Finding{Outcome: NeedsYou, Yours: []string{s.statistics()}, Deeper: "bpflab bench " + quoted(s.file)}
	for i, l := range s.on {
		switch v := survey.VerdictOf(l); {
		case v == survey.Rejected:
			f.Message, f.Kernel = "not run: rejected on "+s.kernels[i]+"; fix that first", s.kernels[i]
			f.Yours, f.Deeper = nil, "bpflab explain "+quoted(s.file)
			return f
		case f.Message == "" && runcost.OfProgram(l).Runs == 0:
			f.Message = "not run here: " + cmp.Or(l.Lacks, l.NoTarget, l.NotRun, "no frame was taken")
			f.Kernel = s.kernels[i]
		}
	}
	return f
}

// statistics is the command that shows how often a program runs on the user's machine, and what a run takes:
// run_cnt, and run_time_ns / run_cnt.
func (s *subject) statistics() string {
	name := shellescape.Quote(kernelName(s.program.Name))
	return "sysctl -w kernel.bpf_stats_enabled=1; sleep 10; bpftool prog show name " + name + "; sysctl -w kernel.bpf_stats_enabled=0"
}

// kernelName is a program's name as the kernel keeps it: the first 15 characters.
func kernelName(name string) string { return name[:min(len(name), 15)] }

func percent(share float64) string {
	if share >= 10 {
		return humanize.Comma(int64(100*share)) + "%"
	}
	return fmt.Sprintf("%.3g%%", 100*share)
}
