// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"

	"github.com/cilium/ebpf"

	"bpflab/harness"
	"bpflab/harness/awake"
	"bpflab/harness/calls"
	"bpflab/harness/judge"
	"bpflab/harness/measure"
	"bpflab/harness/ring"
	"bpflab/harness/tracing"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_3/anchors"
)

const (
	traced    = 121 // getpgid
	untraced  = 124 // getsid
	costCalls = 64 * calls.Batch
)

func init() { Lab.Observe = observe }

func observe(_ context.Context, s harness.Scene) (judge.Observations, error) {
	o := judge.Observations{}
	s.Stage("verifier")
	report, err := tracing.Verify(s.Spec, target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	if s.Kind != harness.SMP {
		err = o.Set(verifier.Observed, report)
	}
	if err != nil || !report.Runs() || s.Kind == harness.Load {
		return o, err
	}
	if s.Kind == harness.SMP {
		s.Stage("two CPUs")
		r, err := observeRace(s.Spec)
		return o, errors.Join(err, o.Set("race", r))
	}

	s.Stage("cost")
	cost, err := observeCost(s.Spec)
	if err != nil {
		return nil, err
	}
	s.Stage("sample")
	c, err := observeSample(s)
	if err != nil {
		return nil, err
	}
	s.Stage("controller, simulated")
	p, err := observePlants(s)
	if err != nil {
		return nil, err
	}
	s.Stage("controller, live")
	l := &live{Trouble: p.Trouble, Said: p.Said} // who does not answer once is not asked again
	if l.Trouble == "" {
		if l, err = observeLive(s); err != nil {
			return nil, err
		}
	}
	return o, errors.Join(o.Set("cost", cost), o.Set("counted", c), o.Set("steered", p), o.Set("live", l))
}

// target is what a program is to trace.
func target(pid int) map[string]any {
	return map[string]any{"target_pid": uint32(pid), "target_syscall": uint64(traced)}
}

func setRate(p *tracing.Program, part int64) error {
	if err := p.Variables["rate"].Set(uint32(part)); err != nil {
		return fmt.Errorf("set the rate: %w", err)
	}
	return nil
}

// readCounts sums what the CPUs have seen and sampled.
func readCounts(p *tracing.Program) (seen, sampled uint64, err error) {
	m := p.Maps["counts"]
	values := make([][4]uint64, 1)
	if m.Type() == ebpf.PerCPUArray {
		err = m.Lookup(uint32(0), &values)
	} else {
		err = m.Lookup(uint32(0), &values[0])
	}
	if err != nil {
		return 0, 0, fmt.Errorf("read the counts: %w", err)
	}
	for _, v := range values {
		seen += v[0]
		sampled += v[1]
	}
	return seen, sampled, nil
}

// observeCost measures calls that are traced and not sampled: at the lowest rate, and in
// batches so short that most hold no sample.
func observeCost(spec *ebpf.CollectionSpec) (*judge.Cost, error) {
	naive, err1 := anchors.LoadNaive()
	reference, err2 := anchors.LoadReference()
	empty, err3 := anchors.LoadEmpty()
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("read the anchors: %w", err)
	}
	atLeast := target(os.Getpid())
	atLeast["rate"] = uint32(minPart)
	list := []calls.Call{{Number: traced, First: 1 << 40}}
	c := &judge.Cost{}
	for _, p := range []struct { // the first warms up caches; its result is overwritten
		spec *ebpf.CollectionSpec
		cost *float64
	}{{empty, &c.Empty}, {empty, &c.Empty}, {naive, &c.Naive}, {reference, &c.Reference}, {spec, &c.Yours}} {
		var err error
		if *p.cost, err = tracing.Cost(p.spec, atLeast, calls.Thread{Name: "alike"}, list, costCalls); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func observeSample(s harness.Scene) (*counted, error) {
	a, err := tracing.Attach(s.Spec, target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	o := &counted{}
	r := rand.New(rand.NewPCG(s.Seed, 0))
	for _, periodic := range []bool{true, false} {
		for _, t := range trials {
			one := trial{Part: t.part, Periodic: periodic, Calls: uint64(t.calls), Made: make([]uint64, classes), Got: make([]uint64, classes)}
			if err := setRate(a, t.part); err != nil {
				return nil, err
			}
			order := make([]uint64, t.calls)
			for i := range order {
				order[i] = uint64(i) % classes
				if !periodic {
					order[i] = r.Uint64N(classes)
				}
				one.Made[order[i]]++
			}
			if err := one.play(a, order); err != nil {
				return nil, err
			}
			o.Trials = append(o.Trials, one)
		}
	}
	// Another system call, and then another process's.
	before, _, err := readCounts(a)
	if err != nil {
		return nil, err
	}
	calls.Time([]calls.Call{{Number: untraced}}, calls.Batch, nil)
	after, _, err := readCounts(a)
	if err != nil {
		return nil, err
	}
	other, err := tracing.Attach(s.Spec, target(os.Getpid()+4711))
	if err != nil {
		return nil, err
	}
	defer other.Close()
	calls.Time([]calls.Call{{Number: traced}}, calls.Batch, nil)
	foreign, _, err := readCounts(other)
	if err != nil {
		return nil, err
	}
	o.Foreign = after - before + foreign
	full, err := observeFull(s.Spec)
	if err != nil {
		return nil, err
	}
	o.Full = *full
	return o, nil
}

// play makes calls of these classes, in their order, and reads what comes of them.
func (t *trial) play(a *tracing.Program, order []uint64) error {
	defer awake.Alone()()
	seen, sampled, err := readCounts(a)
	if err != nil {
		return err
	}
	t.Missed, err = a.Missed(func() error {
		began := calls.Now()
		for i, class := range order {
			calls.Make(calls.Call{Number: traced, First: class})
			if i%(8*calls.Batch) == 0 || i == len(order)-1 { // before the smallest ring is full
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
func observeFull(spec *ebpf.CollectionSpec) (*trial, error) {
	a, err := tracing.Attach(spec, target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	if err := setRate(a, whole); err != nil {
		return nil, err
	}
	defer awake.Alone()()
	n := (a.Ring.Size()/(ring.HeaderSize+16) + 1000) / calls.Batch * calls.Batch
	t := &trial{Part: whole, Calls: uint64(n), Made: []uint64{uint64(n)}, Got: make([]uint64, classes)}
	began := calls.Now()
	t.Missed, err = a.Missed(func() error {
		calls.Time([]calls.Call{{Number: traced}}, n, nil)
		return nil
	})
	t.read(a.Ring, began)
	var countErr error
	t.Seen, t.Sampled, countErr = readCounts(a)
	return t, errors.Join(err, countErr)
}

// read counts the records of a ring by class, and empties it. They are of calls that began
// at a time.
func (t *trial) read(r *ring.Ring, began int64) {
	last, now := uint64(began), uint64(calls.Now())
	r.Read(func(record []byte) {
		t.Records++
		if len(record) != 16 {
			t.Strange++
			return
		}
		ts, class := binary.NativeEndian.Uint64(record), binary.NativeEndian.Uint64(record[8:])
		if class >= classes || ts < last || ts > now {
			t.Strange++
			return
		}
		last = ts
		t.Got[class]++
	})
}

const (
	raceRounds = 12
	raceCalls  = 6000 // on each of two CPUs, in a round
)

// observeRace has two CPUs count at once, beside a program that is known to lose counts.
func observeRace(spec *ebpf.CollectionSpec) (*race, error) {
	racy, err := anchors.LoadRacy()
	if err != nil {
		return nil, err
	}
	yours, err := tracing.Attach(spec, target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer yours.Close()
	control, err := tracing.Attach(racy, target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer control.Close()
	if err := setRate(yours, whole/20); err != nil {
		return nil, err
	}
	o := &race{}
	for ; o.Rounds < raceRounds; o.Rounds++ {
		before, _, err := readCounts(control)
		if err != nil {
			return nil, err
		}
		missed, err := yours.Missed(func() error {
			return measure.OnTwoCPUs(func(int) error {
				calls.Time([]calls.Call{{Number: traced}}, raceCalls, nil)
				return nil
			})
		})
		if err != nil {
			return nil, err
		}
		o.Missed += missed
		after, _, err := readCounts(control)
		if err != nil {
			return nil, err
		}
		made := uint64(2 * (raceCalls / calls.Batch * calls.Batch))
		if after-before < made {
			o.Met++
		}
		o.Calls += made
		yours.Ring.Read(func([]byte) { o.Records++ })
	}
	o.Seen, o.Sampled, err = readCounts(yours)
	return o, err
}
