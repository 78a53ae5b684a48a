// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/process"
	"bpflab/harness/guest/ring"
	"bpflab/harness/guest/tracing"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/anchors"
	"bpflab/labs/lab12_2/consumer"
)

const (
	readerCalls = 4000
	upReports   = 1                      // by which a consumer says that it is up; whatever else comes early is wrong
	maxTries    = 5                      // of a scene in which the kernel has missed a call
	patience    = 200 * time.Millisecond // with a consumer that reports nothing
)

// Observe observes a submission: in an exact guest what it sends and costs, in one of two CPUs their burst; or step by
// step what it makes of a few calls.
func Observe(ctx context.Context, s agent.Subject) (job.Observations, error) {
	t := NewScript(s.Seed)
	o, goOn, err := tracing.Begin(&s, t.target(os.Getpid()), callsOf(t.Timed[:64]))
	if err != nil || !goOn {
		return o, err
	}
	if s.Guest == job.SMP {
		s.Stage("two CPUs")
		b, err := observeBurst(&s, t)
		return o, errors.Join(err, o.Set("burst", b))
	}
	if s.Guest == job.Steps {
		s.Stage("calls")
		return o, observeSteps(&s, t, o)
	}

	s.Stage("cost")
	cost, err1 := observeCost(&s, t)
	two, err2 := observeReaders()
	if err := errors.Join(err1, err2, o.Set("timed", cost), o.Set("readers", two)); err != nil {
		return nil, err
	}
	if s.Program == "" { // the control run, which shows that programs can be started here
		return o, process.Possible()
	}
	// From here on the consumer runs beside the calls. The agent needs a thread for each.
	runtime.GOMAXPROCS(4)
	return o, observeConsumer(&s, t, o)
}

// target is what a program is to trace.
func (t Script) target(pid int) map[string]any {
	return map[string]any{"target_pid": uint32(pid), "target_syscall": t.Number, "threshold": t.Threshold}
}

func callsOf(list []Call) (all []calls.Call) {
	for _, c := range list {
		all = append(all, calls.Call{Number: c.Number, First: c.First})
	}
	return all
}

// observeCost makes the calls of the script that are timed with the empty program, the starter, the
// reference and the submission. Nobody reads the ring meanwhile but the grader, after each batch, so
// nothing waits and nothing is lost; and each event is compared with its call.
func observeCost(s *agent.Subject, t Script) (*Timed, error) {
	type timed struct {
		kinds [CallKinds + 1]job.Timing
		Amount
	}
	o := &Timed{}
	of, err := measure.Compare(anchored, s.Spec, func(role measure.Role, spec *ebpf.CollectionSpec) (one measure.Attempt[timed], err error) {
		a, err := tracing.Attach(spec, t.target(os.Getpid()))
		if err != nil {
			return one, err
		}
		took, amount, err := timeCalls(a, t)
		if err == nil && role == measure.Yours {
			o.Foreign, err = observeAnother(a, t)
			err = errors.Join(err, s.Saw("cost", true, a.Collection))
		}
		if err = errors.Join(err, a.Close()); err != nil {
			return one, err
		}
		one.Calm, one.Missed, one.Seen.Amount = true, amount.Missed, amount
		for kind, list := range took {
			timing := measure.Timing(list, 1)
			one.Cost += timing.Mean * float64(timing.Runs)
			one.Calm = one.Calm && measure.Calm(timing)
			one.Seen.kinds[kind] = timing
		}
		return one, nil
	})
	if err != nil {
		return nil, err
	}
	o.Amount = of[measure.Yours].Amount
	for kind, timings := range []*job.Timings{&o.Emit, &o.Below, &o.Other, &o.Between} {
		*timings = job.Timings{
			Empty: of[measure.Empty].kinds[kind], Naive: of[measure.Naive].kinds[kind],
			Reference: of[measure.Reference].kinds[kind], Yours: of[measure.Yours].kinds[kind],
		}
	}
	return o, nil
}

// anchored are what submissions are compared with.
var anchored = measure.Anchors{Empty: anchors.LoadEmpty, Naive: anchors.LoadNaive, Reference: anchors.LoadReference}

// observeAnother has another process make calls that would be of interest, were they this one's, of a program
// that has seen many of this one's. It returns how much the program has made of them.
func observeAnother(a *tracing.Program, t Script) (uint64, error) {
	dropped, err := a.Uint64("dropped")
	if err != nil {
		return 0, err
	}
	made := a.Ring.Produced() + dropped
	for _, c := range callsOf(t.Fast[:4]) {
		if _, err := calls.ByAnother(c, Batch/4); err != nil {
			return 0, err
		}
	}
	dropped, err = a.Uint64("dropped")
	return a.Ring.Produced() + dropped - made, err
}

// timeCalls times the script's calls, each by itself, and says what became of those of interest. What lies
// between two of them is timed as well: a program could do there what it has put off.
func timeCalls(a *tracing.Program, t Script) (took [CallKinds + 1][]uint64, o Amount, err error) {
	o.Calls = uint64(t.Count(t.Timed, Emit))
	dropped := uint64(0)
	if a.Variables["dropped"] != nil {
		if dropped, err = a.Uint64("dropped"); err != nil {
			return took, o, err
		}
	}
	measure.Settle()
	defer awake.Alone()()
	var want []truth // events that are not read yet
	o.Missed, err = a.Missed(func() error {
		return calls.Thread{Name: t.Name(timedThread, 0)}.Do(func() error {
			for i, c := range t.Timed {
				uid, name := -1, t.Name(timedThread, i)
				if i%Batch == 0 {
					uid = int(t.User(i / Batch))
				}
				between, err := calls.TimedChange(uid, name)
				if err != nil {
					return err
				}
				took[CallKinds] = append(took[CallKinds], between)
				before := calls.Now()
				ns := calls.Timed(calls.Call{Number: c.Number, First: c.First})
				kind := t.Kind(c)
				if took[kind] = append(took[kind], ns); kind == Emit {
					want = append(want, truth{name, t.User(i / Batch), before, calls.Now()})
				}
				if i%Batch == Batch-1 && a.Ring != nil {
					o.compare(a.Ring, want)
					want = want[:0]
				}
			}
			return nil
		})
	})
	if err == nil && a.Variables["dropped"] != nil {
		o.Dropped, err = a.Uint64("dropped")
		o.Dropped -= dropped
	}
	return took, o, err
}

// truth is what an event must say.
type truth struct {
	name          string
	uid           uint32
	before, after int64 // ns
}

// compare empties a ring of the events of some calls.
func (a *Amount) compare(r *ring.Ring, want []truth) {
	next := 0
	r.Read(func(record []byte) {
		a.Sent++
		a.Got++
		e := consumer.Decode(record)
		for ; e != nil && next < len(want) && int64(e.Time) > want[next].after; next++ {
		}
		if e == nil || next == len(want) || e.PID != uint32(os.Getpid()) || e.UID != want[next].uid ||
			e.Name() != want[next].name || int64(e.Time) < want[next].before {
			a.Strange++
			return
		}
		next++
	})
}

// observeReaders reads the same number of the reference's events by cilium/ebpf's reader, which
// copies each into a buffer, and where they lie. Both make an Event of each.
func observeReaders() (*Readers, error) {
	reference, err := anchors.LoadReference()
	if err != nil {
		return nil, err
	}
	alike := calls.Call{Number: sysGetpgid, First: 1 << 40}
	a, err := tracing.Attach(reference, Script{Number: alike.Number, Threshold: alike.First}.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	library, err := ringbuf.NewReader(a.Maps["events"])
	if err != nil {
		return nil, fmt.Errorf("open cilium/ebpf's reader: %w", err)
	}
	defer library.Close()
	defer awake.Alone()()
	const n = readerCalls / Batch * Batch
	list := []calls.Call{alike}
	o := &Readers{Events: n}
	events := make([]consumer.Event, n)
	var record ringbuf.Record
	for range 2 { // the first time warms up; its result is overwritten
		calls.Time(list, n, nil)
		began := calls.Now()
		for i := range events {
			if err := library.ReadInto(&record); err != nil {
				return nil, fmt.Errorf("read by cilium/ebpf's reader: %w", err)
			}
			events[i] = *consumer.Decode(record.RawSample)
		}
		o.Library = float64(calls.Now()-began) / n

		calls.Time(list, n, nil)
		began = calls.Now()
		position := a.Ring.Consumed()
		for i := range events {
			size, _ := a.Ring.Header(position)
			events[i] = *(*consumer.Event)(unsafe.Pointer(&a.Ring.Data[position&a.Ring.Mask+ring.HeaderSize]))
			position = ring.Next(position, size)
		}
		a.Ring.Release(position)
		o.InPlace = float64(calls.Now()-began) / n
	}
	return o, nil
}
