// SPDX-License-Identifier: Apache-2.0

// Package counter is lab 12.1: a packet counter at XDP, made fast.
package counter

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_1/anchors"
)

const (
	program = "count_packets"

	processedBudget = 500  // instructions that the verifier may have to look at
	pathTarget      = 50   // BPF instructions on the longest path
	overheadTarget  = 0.05 // of the cost of receiving a packet
	metRounds       = 5    // of the rounds of a race in which a program that is known to race must have lost updates
	slack           = 0.05 // of the way from the starter to the reference: what compilers differ by
)

// Lab is the lab.
var Lab = &harness.Lab{
	Name:  "lab12_1",
	Title: "High-performance packet counter",
	File:  "counter.bpf.c",
	Kinds: []harness.Kind{harness.Exact, harness.SMP},
	Policy: policy.Policy{
		Programs: []policy.Program{{Name: program, Section: "xdp", Type: ebpf.XDP}},
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
	Tasks: []judge.Task{
		{ID: "verifier", Title: "verifier", Points: 10, Judge: verifier.Judge(processedBudget), Hints: hints["verifier"]},
		{ID: "counts", Title: "exact counts", Points: 20, Judge: verifier.IfLoaded(judgeCounts), Hints: hints["counts"]},
		{ID: "concurrency", Title: "two CPUs, one truth", Points: 20, Needs: []string{"counts"}, Judge: verifier.IfLoaded(judgeConcurrency), Hints: hints["concurrency"], Symptoms: symptoms["concurrency"]},
		{ID: "hot_path", Title: fmt.Sprintf("hot path ≤ %d insns", pathTarget), Points: 10, Needs: []string{"counts"}, Judge: judgePath, Hints: hints["hot_path"], Symptoms: symptoms["hot_path"]},
		{ID: "throughput", Title: "throughput", Points: 25, Needs: []string{"counts", "concurrency"}, Judge: verifier.IfLoaded(judgeThroughput), Hints: hints["throughput"]},
		{ID: "overhead", Title: fmt.Sprintf("overhead < %.0f%%", 100*overheadTarget), Points: 15, Needs: []string{"counts", "concurrency"}, Judge: verifier.IfLoaded(judgeOverhead), Hints: hints["overhead"]},
	},
}

// What is observed, by the names that observe and inspect give it.
type (
	// path is what the object says of itself, and of the starter.
	path struct {
		Instructions int    `json:"instructions"` // on the longest path
		Naive        int    `json:"naive"`        // the same of the starter
		Problem      string `json:"problem,omitempty"`
		MapType      string `json:"map_type"`
	}
	// mix is what became of a seeded mix of frames.
	mix struct {
		Seed    uint64   `json:"seed"`
		Frames  int      `json:"frames"` // in the list
		Sent    int      `json:"sent"`
		Counts  []count  `json:"counts"`  // by protocol, after the whole mix
		Kinds   []kind   `json:"kinds"`   // one kind of frame at a time
		Verdict uint32   `json:"verdict"` // that was asked for …
		Returns []uint32 `json:"returns"` // … and what the program returned for each frame of the list
	}
	kind struct {
		Kind    string `json:"kind"`
		Packets uint64 `json:"packets"` // counted, under whatever protocol
		Bytes   uint64 `json:"bytes"`
	}
	count struct {
		Protocol uint32 `json:"protocol"`
		Packets  uint64 `json:"packets"`
		Bytes    uint64 `json:"bytes"`
	}
	// race is what became of counts that two CPUs made at once.
	race struct {
		Updates   uint64 `json:"updates"` // made by the submission
		Lost      int64  `json:"lost"`    // of them, in packets
		LostBytes int64  `json:"lost_bytes"`
		Rounds    int    `json:"rounds"`
		Met       int    `json:"met"` // rounds in which a program that is known to race lost updates
	}
	// cost is what a frame takes, in ns of the guest's time, with each of four programs.
	cost struct {
		judge.Cost
		// What the submission counted as it was timed.
		Sent   int     `json:"sent"`
		Counts []count `json:"counts"`
	}
)

// hotProtocols are those of the packets that costs are measured with, one after the other;
// all are hotLength bytes long. The first is delivered by the receiver's stack.
var hotProtocols = []int{17, 6, 1}

const hotLength = 64

func inspect(spec *ebpf.CollectionSpec) (judge.Observations, error) {
	naive, err := anchors.LoadNaive()
	if err != nil {
		return nil, fmt.Errorf("read the starter: %w", err)
	}
	naivePath, err := policy.LongestPath(naive.Programs[program].Instructions)
	if err != nil {
		return nil, fmt.Errorf("follow the starter: %w", err)
	}
	p := path{Naive: naivePath.Instructions, MapType: spec.Maps["counts"].Type.String()}
	if longest, err := policy.LongestPath(spec.Programs[program].Instructions); err != nil {
		p.Problem = err.Error()
	} else {
		p.Instructions = longest.Instructions
	}
	o := judge.Observations{}
	return o, o.Set("path", p)
}
