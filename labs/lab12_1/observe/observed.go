// SPDX-License-Identifier: Apache-2.0

// Package observe is the guest's side of lab 12.1: it runs the submission on frames that are drawn from the
// seed and says what became of them. What is drawn, and what is observed, judges on the host know as well.
package observe

import (
	"math/rand/v2"
	"slices"

	"bpflab/harness/job"
	"bpflab/harness/traffic"
)

// Program is the submission's.
const Program = "count_packets"

// What is observed, by the names that Observe gives it.
type (
	// Alone is what became of the seed's frames one by one, one kind after the other.
	Alone struct {
		Returns []Returned  `json:"returns"`
		Kinds   []KindCount `json:"kinds"` // with the first of the verdicts
	}
	// Returned is what the program returned for each frame when it was told to return Verdict.
	Returned struct {
		Verdict uint32   `json:"verdict"`
		Returns []uint32 `json:"returns"`
	}
	// KindCount is what was counted of the frames of a kind.
	KindCount struct {
		Kind    string `json:"kind"`
		Packets uint64 `json:"packets"` // counted, under whatever protocol
		Bytes   uint64 `json:"bytes"`
	}
	// Count is what was counted of a protocol.
	Count struct {
		Protocol uint32 `json:"protocol"`
		Packets  uint64 `json:"packets"`
		Bytes    uint64 `json:"bytes"`
	}
	// Wire is the seed's frames over the wire: what a frame takes with each of four programs, and
	// what the submission made of those that were timed.
	Wire struct {
		job.Timings
		Sent      int     `json:"sent"`
		Counts    []Count `json:"counts"`
		Delivered int     `json:"delivered"` // to the socket; of a program that passes them
		// What the receiver's driver and stack counted beside the submission, and beside the reference.
		Became          map[string]uint64 `json:"became"`
		BecameReference map[string]uint64 `json:"became_reference"`
	}
	// Race is what became of counts that two CPUs made at once, round by round.
	Race struct {
		Slow    float64 `json:"slow,omitempty"` // what a run takes, ns, of a program that takes too long to be raced
		Counted []Count `json:"counted"`        // of the round's protocol
		Met     int     `json:"met"`            // rounds in which a program that is known to race lost updates
	}
)

// The programs that are compared are run on the seed's frames in three ways: each frame alone, over
// the wire into the void, and over the wire into a socket. What is timed is what is counted.
const (
	WireFrames = 32 * traffic.Batch // of which each list is sent eight times
	RaceRounds = 16
)

// Verdicts are what the program is told to return, in the seed's order: XDP_DROP, XDP_PASS, XDP_TX.
func Verdicts(seed uint64) []uint32 {
	list := []uint32{XDPDrop, XDPPass, XDPTX}
	r := rand.New(rand.NewPCG(seed, 2))
	r.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
	return list
}

// What the program may be told to return.
const (
	XDPDrop = 1
	XDPPass = 2
	XDPTX   = 3
)

// MaxRaced is how long a run may take in a race, in ns of the guest's clock, on average: six times what the
// starter takes. With longer runs, whether the race ends within a guest's limit on CPU time would depend
// on the host.
const MaxRaced = 6_000

// Round is one of a race: how often each of two CPUs counts which frame. They count under one
// protocol, and differ in all else, so that no CPU can count for the other.
type Round struct {
	Protocol uint32
	Updates  [2]uint32
	Length   [2]int // of the frame
}

// DrawRace draws the rounds.
func DrawRace(seed uint64) []Round {
	r := rand.New(rand.NewPCG(seed, 3))
	var protocols [4]uint32
	for i := range protocols {
		protocols[i] = uint32(r.IntN(256))
	}
	rounds := make([]Round, RaceRounds)
	for i := range rounds {
		rounds[i].Protocol = protocols[r.IntN(len(protocols))]
		for cpu := range 2 {
			rounds[i].Updates[cpu] = 6_000 + r.Uint32N(2000)
			rounds[i].Length[cpu] = 42 + r.IntN(1400)
		}
	}
	return rounds
}

// Obeyed reports whether the program returned what it was told, for every frame.
func (a Alone) Obeyed() bool {
	return !slices.ContainsFunc(a.Returns, func(r Returned) bool {
		return slices.ContainsFunc(r.Returns, func(v uint32) bool { return v != r.Verdict })
	})
}

// Deliveries is how many of n frames, the list over and over, reach the socket.
func Deliveries(frames []traffic.Frame, n int, verdict uint32) (delivered int) {
	for i := range n {
		if verdict == XDPPass && frames[i%len(frames)].Delivered {
			delivered++
		}
	}
	return delivered
}

// Total is the sum of counts.
func Total(counts []Count) (sum Count) {
	for _, c := range counts {
		sum.Packets += c.Packets
		sum.Bytes += c.Bytes
	}
	return sum
}
