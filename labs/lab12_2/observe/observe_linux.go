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

	"bpflab/harness/agent"
	"bpflab/harness/awake"
	"bpflab/harness/calls"
	"bpflab/harness/consumer"
	"bpflab/harness/job"
	"bpflab/harness/measure"
	"bpflab/harness/process"
	"bpflab/harness/ring"
	"bpflab/harness/tracing"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_2/anchors"
)

const (
	readerCalls = 4000
	upReports   = 1                      // by which a consumer says that it is up; whatever else comes early is wrong
	maxTries    = 5                      // of a scene in which the kernel has missed a call
	patience    = 200 * time.Millisecond // with a consumer that reports nothing
)

// Observe observes a submission: in an exact guest what it sends and costs, in one of two CPUs their burst.
func Observe(ctx context.Context, s agent.Subject) (job.Observations, error) {
	o := job.Observations{}
	s.Stage("verifier")
	t := NewScript(s.Seed)
	report, err := tracing.Verify(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	if report.Runs() && s.Kind != job.Load {
		s.Stage("a first try")
		if report.Try, err = tracing.Try(s.Spec, t.target(os.Getpid()), callsOf(t.Timed[:64])); err != nil {
			return nil, err
		}
	}
	name := verifier.Observed
	if s.Kind == job.SMP {
		name = verifier.ObservedSMP
	}
	err = o.Set(name, report)
	if err != nil || !report.Runs() {
		return o, err
	}
	switch s.Kind {
	case job.Load:
		return o, nil
	case job.SMP:
		s.Stage("two CPUs")
		b, err := observeBurst(&s, t)
		return o, errors.Join(err, o.Set("burst", b))
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
	naive, err1 := anchors.LoadNaive()
	reference, err2 := anchors.LoadReference()
	empty, err3 := anchors.LoadEmpty()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	o := &Timed{}
	// kinds are the times of one program by kind of call.
	kinds := func(of func(*job.Timings) *job.Timing) [CallKinds + 1]*job.Timing {
		return [CallKinds + 1]*job.Timing{of(&o.Emit), of(&o.Below), of(&o.Other), of(&o.Between)}
	}
	for n, p := range []struct { // the first warms up caches; its result is overwritten
		spec *ebpf.CollectionSpec
		of   func(*job.Timings) *job.Timing
	}{
		{empty, func(t *job.Timings) *job.Timing { return &t.Empty }},
		{empty, func(t *job.Timings) *job.Timing { return &t.Empty }},
		{naive, func(t *job.Timings) *job.Timing { return &t.Naive }},
		{reference, func(t *job.Timings) *job.Timing { return &t.Reference }},
		{s.Spec, func(t *job.Timings) *job.Timing { return &t.Yours }},
	} {
		least := uint64(0)
		for try := 1; ; try++ { // each time with a program that is loaded anew: it has learned nothing
			a, err := tracing.Attach(p.spec, t.target(os.Getpid()))
			if err != nil {
				return nil, err
			}
			took, amount, err := timeCalls(a, t)
			if err == nil && n == 4 {
				o.Foreign, err = observeAnother(a, t)
				err = errors.Join(err, s.Saw("cost", true, a.Collection))
			}
			if err := errors.Join(err, a.Close()); err != nil {
				return nil, err
			}
			all, calm := uint64(0), true
			for _, list := range took {
				for _, ns := range list {
					all += ns
				}
				calm = calm && measure.Calm(measure.Timing(list, 1))
			}
			if try == 1 || all < least {
				least, o.Amount = all, amount
				for kind, timing := range kinds(p.of) {
					*timing = measure.Timing(took[kind], 1)
				}
			}
			if n == 0 || try == maxTries || amount.Missed == 0 && (calm || try >= measure.Tries) {
				break
			}
		}
	}
	return o, nil
}

// observeAnother has another process make calls that would be of interest, were they this one's, of a program
// that has seen many of this one's. It returns how much the program has made of them.
func observeAnother(a *tracing.Program, t Script) (uint64, error) {
	dropped, err := a.Uint64("dropped")
	if err != nil {
		return 0, err
	}
	made := a.Ring.Produced() + dropped
	for _, c := range callsOf(t.Fast[:4]) {
		if err := calls.ByAnother(c, Batch/4); err != nil {
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
