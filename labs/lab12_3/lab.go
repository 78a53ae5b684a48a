// SPDX-License-Identifier: Apache-2.0

// Package sampling is lab 12.3: a sampler whose rate a controller steers, so that it costs
// what it may and no more.
package sampling

import (
	"embed"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/anchors"
	"bpflab/labs/lab12_3/observe"
)

const (
	processedBudget = 1000
	maxRing         = 1 << 20 // bytes
	// Of the way from the starter to the reference: 3 instructions a call. What clang 14 and 19 make of one source
	// differs by less than one.
	slack = 0.01
	// Of task 5's points, with half of the plants held. A controller that is wrong in most of them proves nothing
	// live: there it may have guessed well.
	mostHeld = 0.25
)

//go:embed starter
var starterFiles embed.FS

// Lab is the lab.
var Lab = &harness.Lab{
	Name:    "lab12_3",
	Title:   "Adaptive sampling",
	File:    "sampler.bpf.c",
	Program: "controller.go",
	Imports: []string{"bpflab/labs/lab12_3/controller"},
	Guests:  []job.Guest{job.Exact, job.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: observe.Program, Section: "raw_tp/sys_enter", Type: ebpf.RawTracepoint}},
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
	Inspect: inspect,
	Steps:   showSteps,
	Figures: figures,
	Learned: learned,
	Starter: starterFiles,
	Control: anchors.Control(),
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: explain.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "counts", Title: "exact counts", Points: 20, Judge: explain.IfLoaded(judgeCounts), Hints: hints["counts"], Symptoms: symptoms["counts"]},
		{ID: "sample", Title: "a fair sample", Points: 20, Needs: []string{"counts"}, Judge: explain.IfLoaded(judgeSample), Hints: hints["sample"], Symptoms: symptoms["sample"]},
		{ID: "cost", Title: "cost when not sampled", Points: 15, Needs: []string{"sample"}, Cost: true, Judge: explain.IfLoaded(judgeCost), Hints: hints["cost"]},
		{ID: "controller", Title: "2% ± 0.5, simulated", Points: 20, Judge: explain.IfLoaded(judgeController), Hints: hints["controller"], Symptoms: symptoms["controller"]},
		{ID: "live", Title: "2% ± 0.5, live", Points: 10, Needs: []string{"sample"}, Follows: map[string]float64{"controller": mostHeld}, Judge: explain.IfLoaded(judgeLive), Hints: hints["live"], Symptoms: symptoms["live"]},
		{ID: "low_load", Title: "low load, ≥ 80% seen", Points: 5, Follows: map[string]float64{"live": 0}, Judge: explain.IfLoaded(judgeLowLoad), Hints: hints["low_load"], Symptoms: symptoms["low_load"]},
	},
}
