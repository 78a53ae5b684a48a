// SPDX-License-Identifier: Apache-2.0

// Package measure finds what an XDP program costs, with real packets over a veth pair.
//
// A sender stamps each batch of 64 frames as it begins; between two stamps the batch has
// been sent and received, and the last one ends with the run. A typical batch is free of what a run
// costs once: page pools, the ends that fall on timer ticks. In an exact guest a nanosecond is an
// instruction, and equal lists of batches differ by ten instructions at most where no tick fell
// into them.
package measure

import (
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/netlab"
	"bpflab/harness/guest/send"
	"bpflab/harness/job"
	"bpflab/harness/traffic"
)

// PerFrame runs prog on n frames and returns what a frame takes to be sent and received.
//
// It fails if the receiver has not seen every frame that was sent.
func PerFrame(pair *netlab.Pair, s send.Sender, prog *ebpf.Program, n int) (job.Timing, error) {
	sent, err := Send(pair, s, prog, n)
	if err != nil {
		return job.Timing{}, err
	}
	lists := sums(sent.Batches, list)
	if len(lists) == 0 {
		return job.Timing{}, fmt.Errorf("measure: %d frames are fewer than two lists of %d", n, traffic.Listed)
	}
	return Timing(lists, traffic.Listed), nil
}

// Tries is how often a program is timed at most, each time anew, where something came between: see Calm.
const Tries = 3

// Calm reports whether nothing rare came between some runs, a kernel's worker for one, which may take
// 300,000 instructions.
func Calm(t job.Timing) bool { return t.Mean-t.Typical <= 20+0.02*t.Typical }

// list is how many batches are taken together: the whole list of frames, which is the same work each
// time.
const list = traffic.Listed / traffic.Batch

// sums adds samples up, n at a time. The first, which found caches empty, are left out where there are
// some too many.
func sums(samples []uint64, n int) (all []uint64) {
	for samples = samples[len(samples)%n:]; len(samples) > 0; samples = samples[n:] {
		sum := uint64(0)
		for _, s := range samples[:n] {
			sum += s
		}
		all = append(all, sum)
	}
	return all
}

// Timing says what a run takes of which each sample is some, ns. The typical one is the first
// quartile of the samples: a timer tick or a page refill makes some slower, nothing makes so many
// quicker. The mean has the others in it as well.
func Timing(samples []uint64, runs int) job.Timing {
	sorted := slices.Sorted(slices.Values(samples))
	sum := uint64(0)
	for _, s := range sorted {
		sum += s
	}
	n := len(sorted) * runs
	return job.Timing{Runs: n, Typical: float64(sorted[len(sorted)/4]) / float64(runs), Mean: float64(sum) / float64(n)}
}

// Send runs prog on n frames and checks that none was lost on the way, for a veth reports no loss:
// what was sent must be what the receiver's driver has counted.
func Send(pair *netlab.Pair, s send.Sender, prog *ebpf.Program, n int) (*send.Sent, error) {
	link, err := pair.Receiver.Attach(prog)
	if err != nil {
		return nil, err
	}
	defer link.Close()
	before, err := pair.Receiver.Received()
	if err != nil {
		return nil, err
	}
	Settle()
	resume := awake.Alone()
	sent, err := s.Send(n)
	resume()
	if err != nil {
		return nil, err
	}
	after, err := pair.Receiver.Received()
	if err != nil {
		return nil, err
	}
	if got := after - before; got != uint64(sent.Frames) {
		return nil, fmt.Errorf("%d frames were sent and %d received: the network of the lab lost some", sent.Frames, got)
	}
	return sent, nil
}

// Settle waits until what a kernel has put off is done: what it frees of a program that was
// unloaded, what it patches for one that was attached. In a guest with nothing to do this takes
// the host some milliseconds.
func Settle() { time.Sleep(50 * time.Millisecond) }
