// SPDX-License-Identifier: Apache-2.0

// Package counter is lab 12.1: a packet counter at XDP, made fast.
package counter

import (
	"fmt"
	"math/rand/v2"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness"
	"bpflab/harness/judge"
	"bpflab/harness/policy"
	"bpflab/harness/traffic"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_1/anchors"
)

const (
	program = "count_packets"

	processedBudget = 500  // instructions that the verifier may have to look at
	pathTarget      = 50   // BPF instructions on the longest path
	overheadTarget  = 0.05 // of the cost of receiving a packet
	metRounds       = 3    // of the rounds of a race in which a program that is known to race must have lost updates
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
	Control: anchors.Control(),
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
	// alone is what became of the seed's frames one by one, one kind after the other.
	alone struct {
		Returns []returned `json:"returns"`
		Kinds   []kind     `json:"kinds"` // with the first of the verdicts
	}
	// returned is what the program returned for each frame when it was told to return Verdict.
	returned struct {
		Verdict uint32   `json:"verdict"`
		Returns []uint32 `json:"returns"`
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
	// wire is the seed's frames over the wire: what a frame takes with each of four programs, and
	// what the submission made of those that were timed.
	wire struct {
		judge.Timings
		Sent      int     `json:"sent"`
		Counts    []count `json:"counts"`
		Delivered int     `json:"delivered"` // to the socket; of a program that passes them
		// What the receiver's driver and stack counted beside the submission, and beside the reference.
		Became          map[string]uint64 `json:"became"`
		BecameReference map[string]uint64 `json:"became_reference"`
	}
	// race is what became of counts that two CPUs made at once, round by round.
	race struct {
		Slow    float64 `json:"slow,omitempty"` // what a run takes, ns, of a program that takes too long to be raced
		Counted []count `json:"counted"`        // of the round's protocol
		Met     int     `json:"met"`            // rounds in which a program that is known to race lost updates
	}
)

// The programs that are compared are run on the seed's frames in three ways: each frame alone, over
// the wire into the void, and over the wire into a socket. What is timed is what is counted.
const (
	wireFrames = 32 * traffic.Batch // of which each list is sent eight times
	raceRounds = 16
)

// verdicts are what the program is told to return, in the seed's order: XDP_DROP, XDP_PASS, XDP_TX.
func verdicts(seed uint64) []uint32 {
	list := []uint32{xdpDrop, xdpPass, xdpTX}
	r := rand.New(rand.NewPCG(seed, 2))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// What the program may be told to return.
const (
	xdpDrop = 1
	xdpPass = 2
	xdpTX   = 3
)

// maxRaced is how long a run may take in a race, in ns of the guest's clock, on average: six times what the
// starter takes. With longer runs, whether the race ends within a guest's limit on CPU time would depend
// on the host.
const maxRaced = 6_000

// round is one of a race: how often each of two CPUs counts which frame. They count under one
// protocol, and differ in all else, so that no CPU can count for the other.
type round struct {
	Protocol uint32
	Updates  [2]uint32
	Length   [2]int // of the frame
}

// race draws the rounds.
func drawRace(seed uint64) []round {
	r := rand.New(rand.NewPCG(seed, 3))
	var protocols [4]uint32
	for i := range protocols {
		protocols[i] = uint32(r.IntN(256))
	}
	rounds := make([]round, raceRounds)
	for i := range rounds {
		rounds[i].Protocol = protocols[r.IntN(len(protocols))]
		for cpu := range 2 {
			rounds[i].Updates[cpu] = 6_000 + r.Uint32N(2000)
			rounds[i].Length[cpu] = 42 + r.IntN(1400)
		}
	}
	return rounds
}

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
