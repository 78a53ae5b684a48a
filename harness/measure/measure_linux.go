// SPDX-License-Identifier: Apache-2.0

// Package measure finds what an XDP program costs, with real packets over a veth pair.
//
// A sender stamps each batch of 64 frames as it begins; between two stamps the batch has
// been sent and received. So a run of n batches holds n-1 slopes, free of what a run costs
// once: page pools, the ends that fall on timer ticks. In an exact
// guest a nanosecond is an instruction, and equal batches differ by ten instructions at
// most where no tick fell into them.
package measure

import (
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"bpflab/harness/awake"
	"bpflab/harness/netlab"
	"bpflab/harness/traffic"
)

// PerFrame runs prog on n frames and returns what a frame takes to be sent and received,
// in ns. It takes the first quartile of the batches: a timer tick or a page refill makes
// some slower, nothing makes so many quicker.
//
// It fails if the receiver has not seen every frame that was sent.
func PerFrame(pair *netlab.Pair, s traffic.Sender, prog *ebpf.Program, n int) (float64, error) {
	sent, err := Send(pair, s, prog, n)
	if err != nil {
		return 0, err
	}
	if len(sent.Batches) == 0 {
		return 0, fmt.Errorf("measure: %d frames are no two batches of %d", n, traffic.Batch)
	}
	return Typical(sent.Batches) / traffic.Batch, nil
}

// Typical is what a batch takes that nothing came between: the first quartile.
func Typical(batches []uint64) float64 {
	sorted := slices.Sorted(slices.Values(batches))
	return float64(sorted[len(sorted)/4])
}

// Send runs prog on n frames and checks that none was lost on the way, which a veth does
// without a word: what was sent must be what the receiver's driver has counted.
func Send(pair *netlab.Pair, s traffic.Sender, prog *ebpf.Program, n int) (*traffic.Sent, error) {
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
