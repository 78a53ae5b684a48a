// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/ring"
	"bpflab/harness/guest/tracing"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe/collect"
)

// observeConsumer plays the scenes in which the consumer reads. One that has gone wrong is
// not started again: what it did not report is missing in every scene that follows.
func observeConsumer(s *agent.Subject, t Script, o job.Observations) error {
	s.Stage("other processes")
	foreign, err := observeForeign(s.Spec, t)
	if err != nil {
		return err
	}
	a, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return err
	}
	defer func() { a.Close() }()
	s.Stage("consumer")
	c, err := collect.Start(s.Program, a.Maps["events"])
	if err != nil {
		return err
	}
	defer func() { c.Close() }()

	s.Stage("every event, once")
	first, err := observeEvents(a, c, t, upReports)
	for try := 1; err == nil && first.Missed > 0 && first.Trouble == "" && try < maxTries; try++ {
		first, err = observeEvents(a, c, t, c.Len())
	}
	if err == nil {
		err = s.Saw("every event, once", false, a.Collection)
	}
	if err != nil {
		return err
	}
	first.Foreign = foreign
	if len(first.Got) == MaxGot {
		// Nothing else is worth points then, and a program that sends each call of the grader's own
		// would keep it busy.
		return o.Set("seen", first)
	}

	s.Stage("lone events")
	alone, err := observeLone(c, t)
	if err != nil {
		return err
	}
	s.Stage("throughput")
	fast, err := observeFlow(a, c, t)
	if err == nil {
		err = s.Saw("throughput", true, a.Collection)
	}
	if err != nil {
		return err
	}
	s.Stage("a reader that stalls")
	full, err := observeStall(a, c, t)
	if err == nil {
		err = s.Saw("a reader that stalls", false, a.Collection)
	}
	if err != nil {
		return err
	}
	s.Stage("a reader that is interrupted")
	meanwhile, err := observeMeanwhile(a, c, t)
	if err == nil {
		err = s.Saw("a reader that is interrupted", false, a.Collection)
	}
	if err != nil {
		return err
	}
	if len(first.Got) == 0 && first.Trouble == "" {
		first.Reader = full.Reader // what it was at while it reported nothing
	}
	return errors.Join(o.Set("seen", first), o.Set("lone", alone), o.Set("flow", fast), o.Set("stall", full), o.Set("meanwhile", meanwhile))
}

// observeForeign makes calls that would be of interest, were they another process's, and
// returns how much the program has made of them.
func observeForeign(spec *ebpf.CollectionSpec, t Script) (int, error) {
	a, err := tracing.Attach(spec, t.target(os.Getpid()+int(t.Foreign)))
	if err != nil {
		return 0, err
	}
	defer a.Close()
	err = calls.Thread{Name: t.Name(Threads, 0), UID: int(t.User(Threads))}.Do(func() error {
		calls.Repeat(callsOf(t.Fast), Batch)
		return nil
	})
	if err != nil {
		return 0, err
	}
	dropped, err := a.Uint64("dropped")
	return int(a.Ring.Produced() + dropped), err
}

// state says how the consumer fares, which ends if it fares badly.
func state(c *collect.Collector) Reader {
	r := Reader{Trouble: c.Inspect()}
	if r.Trouble != "" {
		r.Said = c.Text()
	}
	return r
}

// observeEvents makes the seed's calls, from several threads of several users, each call under
// a name of its own. What was reported before is not of them.
func observeEvents(a *tracing.Program, c *collect.Collector, t Script, before int) (*Seen, error) {
	o := &Seen{PID: uint32(os.Getpid()), Made: make([][][2]int64, len(t.Threads))}
	var (
		wg   sync.WaitGroup
		errs = make([]error, len(t.Threads))
		want = 0
		err  error
	)
	o.Missed, err = a.Missed(func() error {
		defer awake.Alone()()
		for i, list := range t.Threads {
			for _, call := range list {
				if t.Interesting(call) {
					want++
				}
			}
			wg.Go(func() {
				thread := calls.Thread{Name: t.Name(i, 0), UID: int(t.User(i))}
				errs[i] = thread.Do(func() error {
					for n, call := range list {
						if err := calls.SetName(t.Name(i, n)); err != nil {
							return err
						}
						made := calls.Now()
						calls.Make(calls.Call{Number: call.Number, First: call.First})
						o.Made[i] = append(o.Made[i], [2]int64{made, calls.Now()})
						if n%8 == 7 {
							_, _, _ = unix.RawSyscall(unix.SYS_SCHED_YIELD, 0, 0, 0) // let the others come between
						}
					}
					return nil
				})
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
	if err != nil {
		return nil, err
	}
	c.Wait(before+want, patience)
	time.Sleep(time.Millisecond) // for what comes too often
	o.Got, o.Reader = c.Raw(before), state(c)
	o.Got = o.Got[:min(len(o.Got), MaxGot)]
	return o, nil
}

// sent is what a program has put into a ring, read along with whoever reads it: the truth that
// reports are compared with, which nobody can know who has not read it.
type sent struct {
	ring     *ring.Ring
	position uint64
	count    uint64
	lapped   bool             // the ring went round before it was read
	right    []consumer.Event // those that say what they must; their times rise
	last     uint64           // time of the last of them, or when it all began
	took     int64            // how long whoever made the calls has run for it meanwhile, ns
}

// read goes on to the end of the ring. What lies there is of calls under a name of a user.
func (s *sent) read(name string, uid uint32) {
	now := uint64(calls.Now())
	for {
		if s.ring.Produced()-s.position > uint64(s.ring.Size()) {
			s.lapped, s.position = true, s.ring.Produced()
		}
		record, next, ok := s.ring.Record(s.position)
		if !ok {
			return
		}
		s.position = next
		if record == nil {
			continue
		}
		s.count++
		e := consumer.Decode(record)
		if e != nil && e.Time > s.last && e.Time <= now && e.PID == uint32(os.Getpid()) && e.UID == uid && e.Name() == name {
			s.right = append(s.right, *e)
			s.last = e.Time
		}
	}
}

// compare waits for what was sent for calls, and says what was reported of it, from the nth report
// on. A record may come late, of a thread that was interrupted: it is the last volley's.
func (s *sent) compare(c *collect.Collector, n int, made uint64, name string, uid uint32) Amount {
	for before := ^uint64(0); s.count != before; {
		before = s.count
		c.Wait(n+int(s.count), patience)
		s.read(name, uid)
	}
	a := Amount{Calls: made, Sent: s.count, Lapped: s.lapped}
	next := 0
	for _, e := range c.Events(n) {
		a.Got++
		at, found := slices.BinarySearchFunc(s.right, e.Time, func(e consumer.Event, time uint64) int { return cmp.Compare(e.Time, time) })
		if !found || at < next || e.PID != s.right[at].PID || e.UID != s.right[at].UID || e.Name() != s.right[at].Name() {
			a.Strange++
			continue
		}
		next = at + 1
	}
	return a
}

// observeLone makes calls one by one, with a long time of nothing between.
func observeLone(c *collect.Collector, t Script) (*Lone, error) {
	o := &Lone{}
	for n, quiet := range t.Quiet {
		began, err1 := c.CPU()
		start := calls.Now()
		time.Sleep(quiet)
		o.Idle += calls.Now() - start
		ended, err2 := c.CPU()
		if c.Trouble() == "" {
			if err := errors.Join(err1, err2); err != nil {
				return nil, err
			}
			o.IdleCPU += int64(ended - began)
		}
		before, late := c.Len(), int64(-1)
		thread := calls.Thread{Name: t.Name(loneThread, n), UID: int(t.User(n))}
		err := thread.Do(func() error {
			made := calls.Now()
			calls.Make(callsOf(t.Fast)[n])
			c.Wait(before+1, patience/4)
			if arrived := c.Arrived(before); arrived != 0 {
				late = arrived - made
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		o.Late = append(o.Late, late)
	}
	o.Reader = state(c)
	return o, nil
}

// makeFast makes n calls of interest as fast as that goes, as some thread, each volley under a name and
// as a user of its own. It returns what was sent for them, when it began, and how often the kernel did not run the
// program.
func makeFast(a *tracing.Program, t Script, thread, n int) (s *sent, began int64, missed uint64, err error) {
	defer awake.Alone()()
	began = calls.Now()
	s = &sent{ring: a.Ring, position: a.Ring.Produced(), right: make([]consumer.Event, 0, n), last: uint64(began)}
	volley := 0
	next := func() error {
		_, err := calls.TimedChange(int(t.User(volley)), t.Name(thread, volley))
		return err
	}
	missed, err = a.Missed(func() error {
		return calls.Thread{Name: t.Name(thread, 0)}.Do(func() error {
			err := next()
			calls.Time(callsOf(t.Fast), n, func() {
				start := calls.Ran()
				s.read(t.Name(thread, volley), t.User(volley))
				if volley++; volley < n/Batch {
					err = errors.Join(err, next())
				}
				s.took += calls.Ran() - start
			})
			return err
		})
	})
	return s, began, missed, err
}

// observeFlow makes more calls than a reader can keep up with one by one.
func observeFlow(a *tracing.Program, c *collect.Collector, t Script) (*Flow, error) {
	wakes, err := measure.CountWakes()
	if err != nil {
		return nil, err
	}
	defer wakes.Close()
	o := &Flow{}
	dropped, err := a.Uint64("dropped")
	if err != nil {
		return nil, err
	}
	before := c.Len()
	cpu, cpuErr := c.CPU()
	sent, began, missed, err := makeFast(a, t, flowThread, FlowCalls)
	if err != nil {
		return nil, err
	}
	o.Amount = sent.compare(c, before, FlowCalls, t.Name(flowThread, FlowCalls/Batch-1), t.User(FlowCalls/Batch-1))
	o.Missed = missed
	until := calls.Now()
	if o.Got > 0 {
		until = c.Arrived(before + int(o.Got) - 1)
	}
	o.Elapsed = max(until-began-sent.took, 1) // a consumer may report what it has made up, and early
	now, err := c.CPU()
	if o.Reader = state(c); o.Trouble == "" {
		if err := errors.Join(cpuErr, err); err != nil {
			return nil, err
		}
		o.CPU = int64(now - cpu)
	}
	if o.Wakes, err = wakes.Count(); err != nil {
		return nil, err
	}
	o.Dropped, err = a.Uint64("dropped")
	o.Dropped -= dropped
	return o, err
}

// observeStall stops the consumer until the ring is full and more, and lets it go on.
func observeStall(a *tracing.Program, c *collect.Collector, t Script) (*Stall, error) {
	o := &Stall{Ring: int(a.Maps["events"].MaxEntries())}
	play := func(thread, n int, stopped bool) (Amount, error) {
		dropped, err := a.Uint64("dropped")
		if err != nil {
			return Amount{}, err
		}
		before := c.Len()
		if stopped {
			if err := c.Stop(); err != nil {
				return Amount{}, fmt.Errorf("stop the consumer: %w", err)
			}
		}
		sent, _, missed, err := makeFast(a, t, thread, n)
		if stopped {
			err = errors.Join(err, c.Continue())
		}
		if err != nil {
			return Amount{}, err
		}
		now, err := a.Uint64("dropped")
		if err != nil {
			return Amount{}, err
		}
		got := sent.compare(c, before, uint64(n), t.Name(thread, n/Batch-1), t.User(n/Batch-1))
		got.Dropped, got.Missed = now-dropped, missed
		return got, nil
	}
	var err error
	if o.Full, err = play(stallThread, StallCalls(o.Ring), true); err != nil {
		return nil, err
	}
	if o.After, err = play(stallThread+1, AfterCalls, false); err != nil {
		return nil, err
	}
	o.Reader = state(c)
	return o, nil
}
