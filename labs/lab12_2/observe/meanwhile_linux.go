// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/tracing"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe/collect"
	"bpflab/labs/lab12_2/observe/unfinished"
)

const (
	refillFor     = 10 * time.Millisecond // from when it is full
	unfinishedFor = 2 * time.Millisecond  // in which a reader with a nap comes several times
)

// observeMeanwhile has events written at the moments at which a reader that is wrong reads what is not there: what it
// has given back too early, or what is not finished yet. On a machine with many CPUs these moments come by chance.
func observeMeanwhile(a *tracing.Program, c *collect.Collector, t Script) (*Meanwhile, error) {
	refilled, err := observeRefilled(a, c, t)
	if err != nil {
		return nil, err
	}
	held, err := observeUnfinished(a, c, t)
	return &Meanwhile{state(c), refilled, held}, err
}

// observeRefilled fills the ring, and again at the moments that the seed names, between any two instructions of the
// reader: what it has given back is overwritten at once. One call more than there is room for is dropped each time.
func observeRefilled(a *tracing.Program, c *collect.Collector, t Script) (Amount, error) {
	s := &sent{ring: a.Ring, position: a.Ring.Produced(), last: uint64(calls.Now())}
	name, uid, list := t.Name(refillThread, 0), t.User(0), callsOf(t.Fast)
	before, made := c.Len(), 0
	dropped, err := a.Uint64("dropped")
	if err != nil {
		return Amount{}, err
	}
	missed, err := a.Missed(func() error {
		return calls.Thread{}.Do(func() error {
			// No reader goes on while this thread wants to run, on any kernel.
			if err := unix.SchedSetAttr(0, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_FIFO, Priority: 1}, 0); err != nil {
				return fmt.Errorf("run before the reader: %w", err)
			}
			if _, err := calls.TimedChange(int(uid), name); err != nil {
				return err
			}
			fill := func() bool {
				used := a.Ring.Produced() - a.Ring.Consumed() // wraps around if the reader gives back what it never had
				room := int(uint64(a.Ring.Size())-min(used, uint64(a.Ring.Size()))) / ringRecord
				if room > 0 || made == 0 {
					calls.Repeat(list, room+1)
					made += room + 1
					s.read(name, uid)
				}
				return room > 0
			}
			fill()
			until := calls.Now() + int64(refillFor)
			for done := 0; done < Refills && calls.Now() < until; {
				pause := unix.NsecToTimespec(int64(t.Pauses[done]))
				_, _, _ = unix.RawSyscall(unix.SYS_NANOSLEEP, uintptr(unsafe.Pointer(&pause)), 0, 0) // a shorter one does as well
				if fill() {
					done++
				}
			}
			return nil
		})
	})
	if err != nil {
		return Amount{}, err
	}
	o := s.compare(c, before, uint64(made), name, uid)
	o.Missed = missed
	now, err := a.Uint64("dropped")
	o.Dropped = now - dropped
	return o, err
}

// observeUnfinished reserves an event, and has others sent behind it and the reader woken before it is finished. It is
// nil where that cannot be done.
func observeUnfinished(a *tracing.Program, c *collect.Collector, t Script) (_ *Amount, err error) {
	w, err := unfinished.New(a.Maps["events"], consumer.Size)
	if errors.Is(err, ebpf.ErrNotSupported) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	s := &sent{ring: a.Ring, position: a.Ring.Produced(), last: uint64(calls.Now())}
	name, uid := t.Name(unfinishedThread, 0), t.User(1)
	event := func() ([]byte, error) {
		e := consumer.Event{PID: uint32(os.Getpid()), UID: uid, Time: uint64(calls.Now())}
		copy(e.Comm[:], name)
		return binary.Append(nil, binary.LittleEndian, e)
	}
	const made = BehindCalls + 2
	before := c.Len()
	first, err := event()
	if err != nil {
		return nil, err
	}
	if room, err := w.Reserve(); err != nil || !room {
		return &Amount{Calls: made}, err // the reader has given nothing back
	}
	missed, err := a.Missed(func() error {
		return calls.Thread{}.Do(func() error {
			_, err := calls.TimedChange(int(uid), name)
			calls.Repeat(callsOf(t.Fast), BehindCalls)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	last, err := event()
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(last); err != nil { // and wakes the reader; without room it is missing
		return nil, err
	}
	time.Sleep(unfinishedFor)
	if err := w.Finish(first); err != nil {
		return nil, err
	}
	o := s.compare(c, before, made, name, uid)
	o.Missed = missed
	return &o, nil
}
