// SPDX-License-Identifier: Apache-2.0

// Package counter is lab 12.1: a packet counter at XDP, made fast.
package counter

import (
	"embed"
	"fmt"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/host/explain"
	"bpflab/harness/host/judge"
	"bpflab/harness/host/policy"
	"bpflab/harness/job"
	"bpflab/labs/lab12_1/anchors"
	"bpflab/labs/lab12_1/observe"
)

const (
	processedBudget = 500  // instructions that the verifier may have to look at
	pathTarget      = 50   // BPF instructions on the longest path
	overheadTarget  = 0.05 // of the cost of receiving a packet
	metRounds       = 3    // of the rounds of a race in which a program that is known to race must have lost updates
	callTarget      = 1    // helper call a packet
	// Of the way from the starter to the reference: 3 instructions. What clang 14 and 19 make of one source differs by
	// less than one.
	slack = 0.005
)

//go:embed starter
var starterFiles embed.FS

// Lab is the lab.
var Lab = &harness.Lab{
	Name:   "lab12_1",
	Title:  "High-performance packet counter",
	File:   "counter.bpf.c",
	Guests: []job.Guest{job.Exact, job.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: observe.Program, Section: "xdp", Type: ebpf.XDP}},
		Maps: []policy.Map{{
			Name: "counts", KeySize: 4, ValueSize: 16, MinEntries: 256,
			Types: []ebpf.MapType{ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray, ebpf.LRUHash},
		}},
		Variables:   []policy.Variable{{Name: "verdict", Size: 4, Const: true}},
		OtherMaps:   []ebpf.MapType{ebpf.Hash, ebpf.Array, ebpf.PerCPUHash, ebpf.PerCPUArray},
		MaxMaps:     8,
		MaxMapBytes: 4 << 20,
		Helpers: []asm.BuiltinFunc{
			asm.FnMapLookupElem, asm.FnMapUpdateElem,
			asm.FnKtimeGetNs, asm.FnGetSmpProcessorId, asm.FnGetPrandomU32,
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
		{ID: "counts", Title: "exact counts", Points: 28, Judge: explain.IfLoaded(judgeCounts), Hints: hints["counts"], Symptoms: symptoms["counts"]},
		{ID: "concurrency", Title: "two CPUs, one truth", Points: 12, Needs: []string{"counts"}, Judge: explain.IfLoaded(judgeConcurrency), Hints: hints["concurrency"], Symptoms: symptoms["concurrency"]},
		{ID: "sharing", Title: "nothing shared", Points: 4, Needs: []string{"counts"}, Judge: judgeSharing, Hints: hints["sharing"]},
		{ID: "hot_path", Title: fmt.Sprintf("hot path ≤ %d insns", pathTarget), Points: 14, Needs: []string{"counts"}, Judge: judgePath, Hints: hints["hot_path"], Symptoms: symptoms["hot_path"]},
		{ID: "calls", Title: "one helper call", Points: 18, Needs: []string{"counts"}, Judge: judgeCalls, Hints: hints["calls"]},
		// Speed is that of one CPU, where the counts are right: what two CPUs lose costs the points of its own tasks.
		{ID: "throughput", Title: "throughput", Points: 11, Needs: []string{"counts"}, Cost: true, Judge: explain.IfLoaded(judgeThroughput), Hints: hints["throughput"]},
		{ID: "overhead", Title: fmt.Sprintf("overhead < %.0f%%", 100*overheadTarget), Points: 3, Needs: []string{"counts"}, Cost: true, Judge: explain.IfLoaded(judgeOverhead), Hints: hints["overhead"]},
	},
}

// path is what inspect observes: what the object says of itself, and of the starter.
type path struct {
	Instructions int    `json:"instructions"` // on the longest path
	Naive        int    `json:"naive"`        // the same of the starter
	Problem      string `json:"problem,omitempty"`
	MapType      string `json:"map_type"`
	NeverInserts bool   `json:"never_inserts,omitempty"` // into counts, though that is a hash
	Calls        onPath `json:"calls"`                   // of helpers
	NaiveCalls   int    `json:"naive_calls"`             // the same of the starter
	SharedWrites onPath `json:"shared_writes"`           // to memory that other CPUs write as well; with Problem, all in the program
}

// onPath is what a packet meets at most of some kind of instruction, and the lines where.
type onPath struct {
	Most  int      `json:"most"`
	Lines []string `json:"lines,omitempty"`
}

func inspect(spec *ebpf.CollectionSpec) (job.Observations, error) {
	naive, err := anchors.LoadNaive()
	if err != nil {
		return nil, fmt.Errorf("read the starter: %w", err)
	}
	starter := follow(naive)
	if starter.Problem != "" {
		return nil, fmt.Errorf("follow the starter: %s", starter.Problem)
	}
	p := follow(spec)
	p.Naive, p.NaiveCalls = starter.Instructions, starter.Calls.Most
	o := job.Observations{}
	return o, o.Set("path", p)
}

// follow says what is on the paths of an object's program.
func follow(spec *ebpf.CollectionSpec) path {
	insns := spec.Programs[observe.Program].Instructions
	p := path{MapType: spec.Maps["counts"].Type.String(), NeverInserts: neverInserts(spec.Maps["counts"].Type, insns)}
	shared := policy.SharedWrites(spec, observe.Program)
	longest, err := policy.LongestPath(insns)
	if err != nil {
		p.Problem = err.Error()
		p.SharedWrites.Most = len(slices.DeleteFunc(shared, func(writes bool) bool { return !writes }))
		return p
	}
	p.Instructions = longest.Instructions
	p.Calls = most(insns, func(i int) bool { return insns[i].IsBuiltinCall() })
	p.SharedWrites = most(insns, func(i int) bool { return shared[i] })
	return p
}

// neverInserts reports whether a map of a type stays empty, for nothing in a program puts an entry there.
func neverInserts(counts ebpf.MapType, insns asm.Instructions) bool {
	if counts == ebpf.Array || counts == ebpf.PerCPUArray {
		return false
	}
	return !slices.ContainsFunc(insns, func(ins asm.Instruction) bool {
		return ins.IsBuiltinCall() && asm.BuiltinFunc(ins.Constant) == asm.FnMapUpdateElem
	})
}

// most is the path of a program on which most instructions count. That there is one is known.
func most(insns asm.Instructions, counts func(int) bool) (o onPath) {
	p, err := policy.MostOnPath(insns, counts)
	if err != nil {
		return o
	}
	o.Most = p.Instructions
	for _, line := range p.Lines {
		o.Lines = append(o.Lines, fmt.Sprintf("%s: %s", line.Position(), line.Text))
	}
	return o
}
