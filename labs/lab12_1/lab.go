// SPDX-License-Identifier: Apache-2.0

// Package counter is lab 12.1: a packet counter at XDP, made fast.
package counter

import (
	"embed"
	"fmt"

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
	slack           = 0.05 // of the way from the starter to the reference: what compilers differ by
)

//go:embed starter
var starter embed.FS

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
	Figures: figures,
	Learned: learned,
	Starter: starter,
	Control: anchors.Control(),
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: explain.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "counts", Title: "exact counts", Points: 20, Judge: explain.IfLoaded(judgeCounts), Hints: hints["counts"]},
		{ID: "concurrency", Title: "two CPUs, one truth", Points: 20, Needs: []string{"counts"}, Judge: explain.IfLoaded(judgeConcurrency), Hints: hints["concurrency"], Symptoms: symptoms["concurrency"]},
		{ID: "hot_path", Title: fmt.Sprintf("hot path ≤ %d insns", pathTarget), Points: 10, Needs: []string{"counts"}, Judge: judgePath, Hints: hints["hot_path"], Symptoms: symptoms["hot_path"]},
		{ID: "throughput", Title: "throughput", Points: 25, Needs: []string{"counts", "concurrency"}, Judge: explain.IfLoaded(judgeThroughput), Hints: hints["throughput"]},
		{ID: "overhead", Title: fmt.Sprintf("overhead < %.0f%%", 100*overheadTarget), Points: 15, Needs: []string{"counts", "concurrency"}, Judge: explain.IfLoaded(judgeOverhead), Hints: hints["overhead"]},
	},
}

// path is what inspect observes: what the object says of itself, and of the starter.
type path struct {
	Instructions int    `json:"instructions"` // on the longest path
	Naive        int    `json:"naive"`        // the same of the starter
	Problem      string `json:"problem,omitempty"`
	MapType      string `json:"map_type"`
}

func inspect(spec *ebpf.CollectionSpec) (job.Observations, error) {
	naive, err := anchors.LoadNaive()
	if err != nil {
		return nil, fmt.Errorf("read the starter: %w", err)
	}
	naivePath, err := policy.LongestPath(naive.Programs[observe.Program].Instructions)
	if err != nil {
		return nil, fmt.Errorf("follow the starter: %w", err)
	}
	p := path{Naive: naivePath.Instructions, MapType: spec.Maps["counts"].Type.String()}
	if longest, err := policy.LongestPath(spec.Programs[observe.Program].Instructions); err != nil {
		p.Problem = err.Error()
	} else {
		p.Instructions = longest.Instructions
	}
	o := job.Observations{}
	return o, o.Set("path", p)
}
