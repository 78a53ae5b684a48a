// SPDX-License-Identifier: Apache-2.0

// Package tracing attaches a lab's program that runs at system calls, with its ring buffer mapped
// beside it.
package tracing

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/attach"
	"bpflab/harness/guest/awake"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/measure"
	"bpflab/harness/guest/ring"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
)

// Program is one that runs at each system call of the machine.
type Program struct {
	*ebpf.Collection
	Ring *ring.Ring // of the map "events"; nil if there is none

	link io.Closer
}

// Verify loads a program, with its variables set, and says what the verifier makes of it.
func Verify(spec *ebpf.CollectionSpec, variables map[string]any) (verifier.Report, error) {
	c, report, err := load(spec, variables)
	if c != nil {
		c.Close()
	}
	return report, err
}

func load(spec *ebpf.CollectionSpec, variables map[string]any) (*ebpf.Collection, verifier.Report, error) {
	spec = spec.Copy()
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		v := spec.Variables[name]
		if v == nil {
			continue // an anchor that asks nothing needs none
		}
		if err := v.Set(variables[name]); err != nil {
			return nil, verifier.Report{}, fmt.Errorf("set %s: %w", name, err)
		}
	}
	return verifier.Load(spec)
}

// Attach loads a program that the verifier accepts, and attaches it where its section says.
// Requires at least Linux 5.8.
func Attach(spec *ebpf.CollectionSpec, variables map[string]any) (_ *Program, err error) {
	c, report, err := load(spec, variables)
	if err == nil && !report.Runs() {
		err = &verifier.Rejection{Spec: spec, Report: report}
	}
	if err != nil {
		return nil, err
	}
	p := &Program{Collection: c}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	if m := c.Maps["events"]; m != nil {
		if p.Ring, err = ring.Open(m.FD(), int(m.MaxEntries())); err != nil {
			return nil, err
		}
	}
	if p.link, err = attach.All(c, spec, 0); err != nil {
		return nil, err
	}
	return p, nil
}

// Begin is how each observation begins: the submission is verified and, where it is to be run many times, attached for
// some calls first. Before a program is run many times it is good to know that it will come to an end. The
// observations hold the verifier's report; more is to be observed where goOn says so.
func Begin(s *agent.Subject, variables map[string]any, list []calls.Call) (o job.Observations, goOn bool, err error) {
	s.Stage("verifier")
	report, err := Verify(s.Spec, variables)
	if err != nil {
		return nil, false, err
	}
	if report.Runs() && s.Guest != job.LoadOnly && s.Guest != job.Steps {
		s.Stage("a first try")
		p, err := Attach(s.Spec, variables)
		if err != nil {
			return nil, false, err
		}
		report.Try = float64(calls.Middle(list))
		if err := p.Close(); err != nil {
			return nil, false, err
		}
	}
	name := verifier.Observed
	if s.Guest == job.SMP {
		name = verifier.ObservedSMP
	}
	o = job.Observations{}
	return o, report.Runs() && s.Guest != job.LoadOnly, o.Set(name, report)
}

// Race has two CPUs make calls at once, in rounds of so many on each. Beside the program a control is attached, which
// loses updates where the two CPUs meet; count reads the control's counter, which each call increments by one.
// Race returns in how many rounds the control lost some, and how often the kernel did not run p. begin is called
// before each round.
func (p *Program) Race(rounds [][2]int, play func(round [2]int) error, count func() (uint64, error), begin func(round int)) (met int, missed uint64, err error) {
	for i, round := range rounds {
		begin(i)
		before, err := count()
		if err != nil {
			return met, missed, err
		}
		n, err := p.Missed(func() error { return play(round) })
		if err != nil {
			return met, missed, err
		}
		missed += n
		now, err := count()
		if err != nil {
			return met, missed, err
		}
		if now-before < uint64(round[0]+round[1]) {
			met++
		}
	}
	return met, missed, nil
}

// Cost attaches a program and makes calls as some thread, with the ring emptied after every batch. It
// returns what they take, each by itself.
func Cost(spec *ebpf.CollectionSpec, variables map[string]any, by calls.Thread, list []calls.Call) (cost job.Timing, err error) {
	p, err := Attach(spec, variables)
	if err != nil {
		return cost, err
	}
	measure.Settle()
	resume := awake.Alone()
	err = by.Do(func() error {
		took := make([]uint64, len(list))
		for i, c := range list {
			took[i] = calls.Timed(c)
			if i%calls.Batch == calls.Batch-1 {
				p.Drain()
			}
		}
		cost = measure.Timing(took, 1)
		return nil
	})
	resume()
	return cost, errors.Join(err, p.Close())
}

// Drain throws away what is in the ring.
func (p *Program) Drain() {
	if p.Ring != nil {
		p.Ring.Release(p.Ring.Produced())
	}
}

// Close detaches the program and unloads it.
func (p *Program) Close() error {
	var errs []error
	if p.link != nil {
		errs = append(errs, p.link.Close())
	}
	if p.Ring != nil {
		errs = append(errs, p.Ring.Close())
	}
	p.Collection.Close()
	return errors.Join(errs...)
}

// Missed is how often the program was not run during f because it ran already: from Linux 6.13
// on a thread may lose its CPU in the middle of it, and whoever calls on that CPU meanwhile is not
// seen. It is nobody's fault but the kernel's, and it counts calls of no interest as well.
func (p *Program) Missed(f func() error) (uint64, error) {
	before, err := p.misses()
	if err != nil {
		return 0, err
	}
	if err := f(); err != nil {
		return 0, err
	}
	after, err := p.misses()
	return after - before, err
}

func (p *Program) misses() (n uint64, err error) {
	for _, prog := range p.Programs {
		stats, err := prog.Stats()
		if err != nil {
			return 0, fmt.Errorf("read how often a program was missed: %w", err)
		}
		n += stats.RecursionMisses
	}
	return n, nil
}

// Uint64 reads a variable of the program's.
func (p *Program) Uint64(name string) (n uint64, err error) {
	if err := p.Variables[name].Get(&n); err != nil {
		return 0, fmt.Errorf("read %s: %w", name, err)
	}
	return n, nil
}

// Empty is a program that does nothing: what is left is what any program costs.
func Empty() *ebpf.CollectionSpec {
	return &ebpf.CollectionSpec{Programs: map[string]*ebpf.ProgramSpec{"empty": {
		Name: "empty", Type: ebpf.RawTracepoint, SectionName: "raw_tp/sys_enter", AttachTo: "sys_enter", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}}}
}
