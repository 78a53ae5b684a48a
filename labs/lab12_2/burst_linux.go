// SPDX-License-Identifier: Apache-2.0

package events

import (
	"os"

	"github.com/cilium/ebpf"

	"bpflab/harness/calls"
	"bpflab/harness/consumer"
	"bpflab/harness/measure"
	"bpflab/harness/ring"
	"bpflab/harness/tracing"
	"bpflab/labs/lab12_2/anchors"
)

const (
	burstCalls  = 600 // on each CPU; both fit into the smallest ring
	burstRounds = 12
	burstDrops  = 6000 // on each CPU, in a round
)

// observeBurst has two CPUs send at once: first into a ring with room, then into one that is
// full, so that both count what they drop. A program that is known to miscount does the same
// beside it, and shows whether the two CPUs met.
func observeBurst(spec *ebpf.CollectionSpec) (*burst, error) {
	racy, err := anchors.LoadRacy()
	if err != nil {
		return nil, err
	}
	t := target(os.Getpid(), alikeCall.Number, alikeCall.First)
	yours, err := tracing.Attach(spec, t)
	if err != nil {
		return nil, err
	}
	defer yours.Close()
	control, err := tracing.Attach(racy, t)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	list := []calls.Call{alikeCall}
	both := func(n int) (missed uint64, err error) {
		return yours.Missed(func() error {
			return measure.OnTwoCPUs(func(int) error {
				if err := calls.SetName(alike.Name); err != nil {
					return err
				}
				calls.Time(list, n, nil)
				return nil
			})
		})
	}

	o := &burst{Sent: amount{Calls: 2 * burstCalls / calls.Batch * calls.Batch}}
	if o.Sent.Missed, err = both(burstCalls); err != nil {
		return nil, err
	}
	o.Sent.Got, o.Sent.Strange = read(yours.Ring)
	o.Sent.Sent = o.Sent.Got // nobody else reads
	if o.Sent.Dropped, err = yours.Uint64("dropped"); err != nil {
		return nil, err
	}

	// Now nobody reads.
	calls.Time(list, yours.Ring.Size()/ringRecord/calls.Batch*calls.Batch+2*calls.Batch, nil)
	dropped, err := yours.Uint64("dropped")
	if err != nil {
		return nil, err
	}
	o.Overflow = dropped > o.Sent.Dropped
	start := dropped
	for ; o.Rounds < burstRounds; o.Rounds++ {
		before, err := control.Uint64("dropped")
		if err != nil {
			return nil, err
		}
		missed, err := both(burstDrops)
		if err != nil {
			return nil, err
		}
		o.Missed += missed
		after, err := control.Uint64("dropped")
		if err != nil {
			return nil, err
		}
		made := uint64(2 * (burstDrops / calls.Batch * calls.Batch))
		o.Calls += made
		if after-before < made {
			o.Met++
		}
	}
	dropped, err = yours.Uint64("dropped")
	o.Dropped = dropped - start
	return o, err
}

// read empties a ring and returns how many events it held, and how many of them are not those
// that were made.
func read(r *ring.Ring) (got, strange uint64) {
	r.Read(func(record []byte) {
		got++
		if e := consumer.Decode(record); e == nil || e.PID != uint32(os.Getpid()) || e.Name() != alike.Name {
			strange++
		}
	})
	return got, strange
}
