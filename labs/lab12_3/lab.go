// SPDX-License-Identifier: Apache-2.0

// Package sampling is lab 12.3: a sampler whose rate a controller steers, so that it costs
// what it may and no more.
package sampling

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_3/anchors"
)

const (
	program         = "on_syscall"
	processedBudget = 1000
	slack           = 0.05 // of the way from the starter to the reference
	plants          = 200
	classes         = 20      // of calls: their first argument
	maxRing         = 1 << 20 // bytes
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name:    "lab12_3",
	Title:   "Adaptive sampling",
	File:    "sampler.bpf.c",
	Program: "controller.go",
	Imports: []string{"bpflab/harness/controller"},
	Kinds:   []harness.Kind{harness.Exact, harness.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: program, Section: "raw_tp/sys_enter", Type: ebpf.RawTracepoint}},
		Maps: []policy.Map{
			{Name: "events", Types: []ebpf.MapType{ebpf.RingBuf}, MinEntries: 64 << 10, MaxEntries: maxRing},
			{Name: "counts", Types: []ebpf.MapType{ebpf.PerCPUArray, ebpf.Array}, KeySize: 4, ValueSize: 32, MinEntries: 1, MaxEntries: 1},
		},
		Variables: []policy.Variable{
			{Name: "target_pid", Size: 4, Const: true}, {Name: "target_syscall", Size: 8, Const: true}, {Name: "rate", Size: 4},
		},
		OtherMaps:   []ebpf.MapType{ebpf.Array, ebpf.PerCPUArray, ebpf.Hash, ebpf.PerCPUHash},
		MaxMaps:     8,
		MaxMapBytes: 4 << 20,
		Helpers: []asm.BuiltinFunc{
			asm.FnMapLookupElem,
			asm.FnGetCurrentPidTgid, asm.FnGetPrandomU32,
			asm.FnKtimeGetNs, asm.FnProbeReadKernel,
			asm.FnRingbufOutput, asm.FnRingbufReserve, asm.FnRingbufSubmit, asm.FnRingbufDiscard,
		},
		MaxInstructions: 4096,
	},
	Figures: figures,
	Control: anchors.Control(),
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: verifier.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "counts", Title: "exact counts", Points: 20, Judge: verifier.IfLoaded(judgeCounts), Hints: hints["counts"], Symptoms: symptoms["counts"]},
		{ID: "sample", Title: "a fair sample", Points: 20, Needs: []string{"counts"}, Judge: verifier.IfLoaded(judgeSample), Hints: hints["sample"], Symptoms: symptoms["sample"]},
		{ID: "cost", Title: "cost when not sampled", Points: 15, Needs: []string{"sample"}, Judge: verifier.IfLoaded(judgeCost), Hints: hints["cost"]},
		{ID: "controller", Title: "2% ± 0.5, simulated", Points: 20, Judge: verifier.IfLoaded(judgeController), Hints: hints["controller"], Symptoms: symptoms["controller"]},
		{ID: "live", Title: "2% ± 0.5, live", Points: 10, Needs: []string{"sample", "controller"}, Judge: verifier.IfLoaded(judgeLive), Hints: hints["live"]},
		{ID: "low_load", Title: "low load, ≥ 80% seen", Points: 5, Needs: []string{"live"}, Judge: verifier.IfLoaded(judgeLowLoad), Hints: hints["low_load"]},
	},
}

// What is observed, by the names that observe gives it.
type (
	// trial is what became of calls at one rate.
	trial struct {
		Seen    uint64 `json:"seen"`    // by the program's own count
		Sampled uint64 `json:"sampled"` // by the program's own count
		Records uint64 `json:"records"` // in the ring
		Missed  uint64 `json:"missed"`  // calls for which the kernel did not run the program
		Strange uint64 `json:"strange"` // of the records, those that no call explains, or out of order
		// Got is the records of each class.
		Got []uint64 `json:"got"`
		// Steps is from one record's class to the next one's: how often it was how many classes further on,
		// round and round.
		Steps []uint64 `json:"steps,omitempty"`

		last uint64 // class of the last record, and 1
	}
	// timed is what calls that are not sampled take with each of four programs, at the lowest rate,
	// and what the submission made of them.
	timed struct {
		Skip  judge.Timings `json:"skip"`
		Trial trial         `json:"trial"`
	}
	// counted is the script's trials, and what was counted of calls that are of no interest.
	counted struct {
		Trials  []trial `json:"trials"`
		Ring    int     `json:"ring"` // bytes
		Full    trial   `json:"full"` // with a ring that nobody reads
		Foreign uint64  `json:"foreign"`
	}
	// race is two CPUs that count at once.
	race struct {
		Seen    uint64 `json:"seen"`
		Sampled uint64 `json:"sampled"`
		Records uint64 `json:"records"`
		Missed  uint64 `json:"missed"` // calls for which the kernel did not run the program
		Met     int    `json:"met"`    // rounds in which a program that is known to lose counts did
	}
	// steered is what a controller made of simulated samplers.
	steered struct {
		Trouble string `json:"trouble,omitempty"` // why it no longer answers
		Said    string `json:"said,omitempty"`    // the beginning of what it printed
		Plants  int    `json:"plants"`
		// The rates of each, one plant behind the other: two bytes each, of 65,536, less one.
		Rates []byte `json:"rates"`
	}
	// live is what it made of the sampler itself.
	live struct {
		Trouble   string     `json:"trouble,omitempty"`
		Said      string     `json:"said,omitempty"`
		Skip      float64    `json:"skip"`   // what a call costs that is not sampled, ns
		Sample    float64    `json:"sample"` // what a sampled one costs more, ns
		Intervals []interval `json:"intervals"`
	}
	interval struct {
		Part    int64  `json:"part"` // the rate, of 65,536
		Load    int64  `json:"load"` // that was asked for, events a second
		Length  int64  `json:"length"`
		Made    uint64 `json:"made"`    // calls
		Missed  uint64 `json:"missed"`  // calls for which the kernel did not run the program
		Events  uint64 `json:"events"`  // by the program's own count
		Sampled uint64 `json:"sampled"` // by the program's own count
		Records uint64 `json:"records"` // in the ring
		Busy    int64  `json:"busy"`    // that the sampler took, ns
	}
)

// overhead is of a million.
func (i interval) overhead() int64 { return i.Busy * ppm / max(i.Length, 1) }
