// SPDX-License-Identifier: Apache-2.0

// Package send sends frames through a veth pair, as fast as the kernel can.
package send

import (
	"fmt"

	"github.com/cilium/ebpf/features"

	"bpflab/harness/guest/netlab"
	"bpflab/harness/traffic"
)

// Sender sends a list of frames, over and over.
type Sender interface {
	// Send sends n frames, beginning with the first of the list.
	Send(n int) (*Sent, error)
	Close() error
}

// Sent is what a sender did.
type Sent struct {
	Frames  int
	Batches []uint64 // how long each whole batch took, sent and received, ns; the first may be left out
}

// New returns the fastest sender that the kernel has: live frames from Linux 5.18
// on, else a packet socket. The version decides, not a try: 5.10 takes the flag for live
// frames without a complaint and ignores it, and a newer kernel that refuses must not be
// graded by another measure.
func New(end *netlab.End, frames []traffic.Frame) (Sender, error) {
	version, err := features.LinuxVersionCode()
	if err != nil {
		return nil, fmt.Errorf("find the kernel's version: %w", err)
	}
	if version < 5<<16|18<<8 {
		return newRaw(end, frames)
	}
	return newLive(end, frames)
}
