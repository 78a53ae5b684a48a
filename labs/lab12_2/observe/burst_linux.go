// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"errors"
	"fmt"
	"os"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/ring"
	"bpflab/harness/guest/tracing"
	"bpflab/labs/lab12_2/anchors"
	"bpflab/labs/lab12_2/consumer"
)

// observeBurst has two CPUs send at once: first into a ring with room, then into one that is
// full, so that both count what they drop, each another number. A program that is known to miscount
// does the same beside it, and shows whether the two CPUs met.
func observeBurst(s *agent.Subject, t Script) (*Burst, error) {
	racy, err := anchors.LoadRacy()
	if err != nil {
		return nil, err
	}
	yours, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer yours.Close()
	control, err := tracing.Attach(racy, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	list := callsOf(t.Fast)
	both := func(n [2]int) error {
		return measure.OnTwoCPUs(func(cpu int) error {
			if err := calls.SetName(t.Name(burstThread, cpu)); err != nil {
				return err
			}
			calls.Repeat(list, n[cpu])
			return nil
		})
	}

	first := t.Bursts[0] // both fit into the smallest ring
	o := &Burst{Sent: Amount{Calls: uint64(first[0] + first[1])}}
	if o.Sent.Missed, err = yours.Missed(func() error { return both(first) }); err != nil {
		return nil, err
	}
	o.Sent.Got, o.Sent.Strange = t.read(yours.Ring)
	o.Sent.Sent = o.Sent.Got // nobody else reads
	if o.Sent.Dropped, err = yours.Uint64("dropped"); err != nil {
		return nil, err
	}

	// Now nobody reads.
	calls.Repeat(list, yours.Ring.Size()/ringRecord+2*Batch)
	o.Took = calls.Middle(list[:Batch])
	dropped, err := yours.Uint64("dropped")
	if err != nil {
		return nil, err
	}
	o.Overflow = dropped > o.Sent.Dropped
	start := dropped
	if o.Took > MaxTook {
		return o, s.Saw("two CPUs", false, yours.Collection)
	}
	o.Met, o.Missed, err = yours.Race(t.Bursts[1:], both, func() (uint64, error) { return control.Uint64("dropped") }, func(i int) {
		s.Stage(fmt.Sprintf("two CPUs, round %d of %d", i+1, BurstRounds))
		o.Calls += uint64(t.Bursts[1+i][0] + t.Bursts[1+i][1])
	})
	if err != nil {
		return nil, err
	}
	dropped, err = yours.Uint64("dropped")
	o.Dropped = dropped - start
	return o, errors.Join(err, s.Saw("two CPUs", false, yours.Collection))
}

// read empties a ring and returns how many events it held, and how many of them are not those
// that were made.
func (t Script) read(r *ring.Ring) (got, strange uint64) {
	pid := uint32(os.Getpid()) // a call as well, and so perhaps one more event
	r.Read(func(record []byte) {
		got++
		e := consumer.Decode(record)
		if e == nil || e.PID != pid || e.UID != 0 || e.Name() != t.Name(burstThread, 0) && e.Name() != t.Name(burstThread, 1) {
			strange++
		}
	})
	return got, strange
}
