// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"github.com/cilium/ebpf"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/percpu"
	"bpflab/harness/guest/process"
	"bpflab/harness/guest/ring"
	"bpflab/harness/guest/tracing"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/anchors"
)

// Observe observes a submission: in an exact guest its samples, its cost and its controller, in one of two
// CPUs what they count; or step by step what it makes of a few calls.
func Observe(_ context.Context, s agent.Subject) (job.Observations, error) {
	t := NewScript(s.Seed)
	o, goOn, err := tracing.Begin(&s, t.target(os.Getpid()), t.calls(t.Classes[:64]))
	if err != nil || !goOn {
		return o, err
	}
	if s.Guest == job.SMP {
		s.Stage("two CPUs")
		r, err := observeRace(&s, t)
		return o, errors.Join(err, o.Set("race", r))
	}
	if s.Guest == job.Steps {
		s.Stage("calls")
		return o, observeSteps(&s, t, o)
	}

	s.Stage("cost")
	cost, err := observeCost(&s, t)
	if err != nil {
		return nil, err
	}
	s.Stage("sample")
	c, err := observeSample(&s, t)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(o.Set("timed", cost), o.Set("counted", c)); err != nil {
		return nil, err
	}
	if s.Program == "" { // the control run, which shows that programs can be started here
		return o, process.Possible()
	}
	s.Stage("controller, live")
	l, err := observeLive(&s, t)
	if err != nil {
		return nil, err
	}
	s.Stage("controller, simulated")
	p := &Steered{Trouble: l.Trouble, Said: l.Said} // who does not answer once is not asked again
	if p.Trouble == "" {
		// No BPF program of the submission's is loaded from here on: none can read this in the
		// guest's memory.
		if p, err = observePlants(&s, s.Later()); err != nil {
			return nil, err
		}
	}
	return o, errors.Join(o.Set("live", l), o.Set("steered", p))
}

// target is what a program is to trace.
func (t Script) target(pid int) map[string]any {
	return map[string]any{"target_pid": uint32(pid), "target_syscall": t.Number}
}

// calls are calls of interest, of some classes.
func (t Script) calls(classes []uint64) []calls.Call {
	list := make([]calls.Call, len(classes))
	for i, c := range classes {
		list[i] = calls.Call{Number: t.Number, First: c}
	}
	return list
}

func setRate(p *tracing.Program, part int64) error {
	if err := p.Variables["rate"].Set(uint32(part)); err != nil {
		return fmt.Errorf("set the rate: %w", err)
	}
	return nil
}

// readCounts sums what the CPUs have seen and sampled.
func readCounts(p *tracing.Program) (seen, sampled uint64, err error) {
	values, err := percpu.Values[[4]uint64](p.Maps["counts"], uint32(0))
	if err != nil {
		return 0, 0, fmt.Errorf("read the counts: %w", err)
	}
	for _, v := range values {
		seen += v[0]
		sampled += v[1]
	}
	return seen, sampled, nil
}

// observeCost measures calls that are traced and not sampled, at the lowest rate.
func observeCost(s *agent.Subject, t Script) (*Timed, error) {
	type timed struct {
		cost job.Timing
		Trial
	}
	of, err := measure.Compare(anchored, s.Spec, func(role measure.Role, spec *ebpf.CollectionSpec) (one measure.Attempt[timed], err error) {
		a, err := tracing.Attach(spec, t.target(os.Getpid()))
		if err != nil {
			return one, err
		}
		cost, trial, err := timeCalls(a, t)
		if err == nil && role == measure.Yours {
			err = s.Saw("cost", true, a.Collection)
		}
		one = measure.Attempt[timed]{Cost: cost.Mean, Calm: measure.Calm(cost), Missed: trial.Missed, Seen: timed{cost, trial}}
		return one, errors.Join(err, a.Close())
	})
	if err != nil {
		return nil, err
	}
	return &Timed{
		Skip: job.Timings{
			Empty: of[measure.Empty].cost, Naive: of[measure.Naive].cost,
			Reference: of[measure.Reference].cost, Yours: of[measure.Yours].cost,
		},
		Trial: of[measure.Yours].Trial,
	}, nil
}

// anchored are what submissions are compared with.
var anchored = measure.Anchors{Empty: anchors.LoadEmpty, Naive: anchors.LoadNaive, Reference: anchors.LoadReference}

// timeCalls times the script's calls, each by itself. Those that were sampled, by what lies in the
// ring, do not count as times. Every sample is compared with its call.
func timeCalls(a *tracing.Program, t Script) (cost job.Timing, o Trial, err error) {
	if err := setRate(a, t.Timed.Part); err != nil {
		return cost, o, err
	}
	counting := a.Maps["counts"] != nil
	var seen, sampled uint64
	if counting {
		if seen, sampled, err = readCounts(a); err != nil {
			return cost, o, err
		}
	}
	measure.Settle()
	defer awake.Alone()()
	o.Got = make([]uint64, Classes)
	took := make([]uint64, 0, len(t.Timed.Classes))
	o.Missed, err = a.Missed(func() error {
		for _, class := range t.Timed.Classes {
			before := uint64(calls.Now())
			ns := calls.Timed(calls.Call{Number: t.Number, First: class})
			after := uint64(calls.Now())
			records := o.Records
			if a.Ring != nil {
				a.Ring.Read(func(record []byte) {
					at, of, ok := decode(record)
					if o.Records++; !ok || of != class || at < before || at > after {
						o.Strange++
						return
					}
					o.Got[class]++
				})
			}
			if o.Records == records {
				took = append(took, ns)
			}
		}
		return nil
	})
	if err == nil && len(took) == 0 {
		took = []uint64{0} // every call was sampled: what one costs that is not cannot be told
	}
	if err == nil && counting {
		o.Seen, o.Sampled, err = readCounts(a)
		o.Seen, o.Sampled = o.Seen-seen, o.Sampled-sampled
	}
	if err != nil {
		return cost, o, err
	}
	return measure.Timing(took, 1), o, nil
}

// decode reads a sample.
func decode(record []byte) (ts, class uint64, ok bool) {
	if len(record) != 16 {
		return 0, 0, false
	}
	class = binary.NativeEndian.Uint64(record[8:])
	return binary.NativeEndian.Uint64(record), class, class < Classes
}

func observeSample(s *agent.Subject, t Script) (*Counted, error) {
	a, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	o := &Counted{Ring: a.Ring.Size()}
	for _, p := range t.Trials {
		one := Trial{Got: make([]uint64, Classes), Steps: make([]uint64, Classes)}
		if err := setRate(a, p.Part); err != nil {
			return nil, err
		}
		// A sampler may have fixed the next sample at the rate before.
		calls.Repeat(t.calls(t.Classes[:settling]), settling)
		a.Drain()
		if err := one.play(a, t.calls(p.Classes)); err != nil {
			return nil, err
		}
		o.Trials = append(o.Trials, one)
	}
	if err := s.Saw("sample", false, a.Collection); err != nil {
		return nil, err
	}
	// Another system call, and then another process's: of a program that has seen this one's, and of one
	// that has not.
	before, _, err := readCounts(a)
	if err != nil {
		return nil, err
	}
	calls.Repeat([]calls.Call{{Number: t.Other, First: t.Classes[0]}}, calls.Batch)
	if _, err := calls.ByAnother(calls.Call{Number: t.Number, First: t.Classes[0]}, calls.Batch); err != nil {
		return nil, err
	}
	after, _, err := readCounts(a)
	if err != nil {
		return nil, err
	}
	other, err := tracing.Attach(s.Spec, t.target(os.Getpid()+int(t.Foreign)))
	if err != nil {
		return nil, err
	}
	defer other.Close()
	calls.Repeat(t.calls(t.Classes), calls.Batch)
	foreign, _, err := readCounts(other)
	if err != nil {
		return nil, err
	}
	o.Foreign = after - before + foreign
	full, err := observeFull(s, t)
	if err != nil {
		return nil, err
	}
	o.Full = *full
	return o, nil
}

// settling is how many calls are made after the rate has changed, before any is judged. A sampler may have
// drawn the distance to its next sample at the lowest rate; if it draws without an upper bound, the
// distance is longer than this once in 10^9 times. This many samples fit into the smallest ring.
const settling = 21 * Whole / MinPart

// play makes calls, in their order, and reads what comes of them.
func (t *Trial) play(a *tracing.Program, list []calls.Call) error {
	defer awake.Alone()()
	seen, sampled, err := readCounts(a)
	if err != nil {
		return err
	}
	t.Missed, err = a.Missed(func() error {
		began := calls.Now()
		for i, c := range list {
			calls.Make(c)
			if i%(8*calls.Batch) == 0 || i == len(list)-1 { // before the smallest ring is full
				t.read(a.Ring, began)
			}
		}
		return nil
	})
	now, nowSampled, countErr := readCounts(a)
	t.Seen, t.Sampled = now-seen, nowSampled-sampled
	return errors.Join(err, countErr)
}

// observeFull has a program sample every call until the ring is full and more, with nobody
// reading.
func observeFull(s *agent.Subject, t Script) (*Trial, error) {
	a, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := setRate(a, Whole); err != nil {
		return nil, err
	}
	defer awake.Alone()()
	o := &Trial{Got: make([]uint64, Classes)}
	began := calls.Now()
	o.Missed, err = a.Missed(func() error {
		calls.Repeat(t.calls(t.Classes), FullCalls(a.Ring.Size()))
		return nil
	})
	o.read(a.Ring, began)
	var countErr error
	o.Seen, o.Sampled, countErr = readCounts(a)
	return o, errors.Join(err, countErr, s.Saw("a ring that nobody reads", false, a.Collection))
}

// read counts the records of a ring by class, and empties it. They are of calls that began
// at a time.
func (t *Trial) read(r *ring.Ring, began int64) {
	last, now := uint64(began), uint64(calls.Now())
	r.Read(func(record []byte) {
		t.Records++
		ts, class, ok := decode(record)
		if !ok || ts < last || ts > now {
			t.Strange++
			return
		}
		last = ts
		t.Got[class]++
		if t.last > 0 && t.Steps != nil {
			t.Steps[(class+1+Classes-t.last)%Classes]++
		}
		t.last = class + 1
	})
}

// observeRace has two CPUs count at once, each another number of calls, beside a program that is known
// to lose counts.
func observeRace(s *agent.Subject, t Script) (*Race, error) {
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
	if err := setRate(yours, t.Race.Part); err != nil {
		return nil, err
	}
	o := &Race{}
	list := t.calls(t.Classes)
	play := func(round [2]int) error {
		err := measure.OnTwoCPUs(func(cpu int) error {
			calls.Repeat(list, round[cpu])
			return nil
		})
		yours.Ring.Read(func([]byte) { o.Records++ })
		return err
	}
	count := func() (seen uint64, err error) {
		seen, _, err = readCounts(control)
		return seen, err
	}
	o.Met, o.Missed, err = yours.Race(t.Races, play, count, func(i int) {
		s.Stage(fmt.Sprintf("two CPUs, round %d of %d", i+1, RaceRounds))
	})
	if err != nil {
		return nil, err
	}
	o.Seen, o.Sampled, err = readCounts(yours)
	return o, errors.Join(err, s.Saw("two CPUs", false, yours.Collection))
}
