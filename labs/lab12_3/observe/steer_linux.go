// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"bpflab/harness/guest/agent"
	"bpflab/harness/guest/calls"
	"bpflab/harness/guest/tracing"
	"bpflab/labs/lab12_3/controller"
	"bpflab/labs/lab12_3/observe/consult"
)

// observePlants has the controller steer simulated samplers.
func observePlants(s *agent.Subject, seed uint64) (*Steered, error) {
	c, err := consult.Start(s.Program)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	o := &Steered{Plants: Plants}
	for _, parts := range steer(seed, Plants, c.Ask) {
		for _, part := range parts {
			o.Rates = binary.LittleEndian.AppendUint16(o.Rates, uint16(part-1))
		}
	}
	o.Trouble, o.Said = c.Trouble()
	return o, nil
}

const (
	liveInterval = 10 * time.Millisecond // a tenth of a plant's: a second in a tenth of the time
	pace         = time.Millisecond      // how often calls are made, as many at once as are due
)

// observeLive has the controller steer the submission's own sampler. Its time is what the
// kernel says that the program ran.
func observeLive(s *agent.Subject, t Script) (*Live, error) {
	a, err := tracing.Attach(s.Spec, t.target(os.Getpid()))
	if err != nil {
		return nil, err
	}
	defer a.Close()
	c, err := consult.Start(s.Program)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		return nil, fmt.Errorf("have the kernel time programs: %w", err)
	}
	defer stats.Close()

	o := &Live{}
	next := 0 // class
	play := func(part, load int64, length time.Duration) (Interval, error) {
		i := Interval{Part: part, Load: load}
		if err := setRate(a, part); err != nil {
			return i, err
		}
		seen, sampled, err1 := readCounts(a)
		before, err2 := a.Programs[Program].Stats()
		if err := errors.Join(err1, err2); err != nil {
			return i, err
		}
		count := func([]byte) { i.Records++ }
		began := time.Now()
		made := int64(0)
		for {
			elapsed := time.Since(began)
			for due := load * int64(min(elapsed+pace, length)) / int64(time.Second); made < due; made++ {
				calls.Make(calls.Call{Number: t.Number, First: t.Classes[next%len(t.Classes)]})
				next++
				if made%256 == 255 {
					a.Ring.Read(count) // before the smallest ring is full
					if time.Since(began) > length {
						made++
						break
					}
				}
			}
			if elapsed = time.Since(began); elapsed >= length {
				break
			}
			time.Sleep(min(pace-elapsed%pace, length-elapsed))
		}
		i.Length = int64(time.Since(began))
		a.Ring.Read(count)
		after, err1 := a.Programs[Program].Stats()
		now, nowSampled, err2 := readCounts(a)
		i.Made, i.Missed = uint64(made), after.RecursionMisses-before.RecursionMisses
		i.Events, i.Sampled, i.Busy = now-seen, nowSampled-sampled, int64(after.Runtime-before.Runtime)
		return i, errors.Join(err1, err2)
	}
	// What a call costs and a sample more: at the least rate nearly all is the one, at the
	// highest both are there as often. The middle one of three counts: from Linux 6.13 on, a
	// program may be interrupted for somebody else, and the kernel's clock goes on.
	type cost struct{ samples, ns float64 }
	each := func(part, load int64) (samples, ns float64, err error) {
		var tries [3]cost
		for n := range tries {
			i, err := play(part, load, liveInterval)
			if err != nil {
				return 0, 0, err
			}
			events := float64(max(i.Events, 1))
			tries[n] = cost{float64(i.Sampled) / events, float64(i.Busy) / events}
		}
		slices.SortFunc(tries[:], func(a, b cost) int { return cmp.Compare(a.ns, b.ns) })
		return tries[1].samples, tries[1].ns, nil
	}
	few, cheap, err1 := each(MinPart, t.Loads[2])
	all, expensive, err2 := each(Whole, t.Loads[1])
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if all > few {
		o.Sample = (expensive - cheap) / (all - few)
	}
	o.Skip = cheap - o.Sample*few

	part := int64(firstPart)
	for _, load := range t.Loads {
		for range StepIntervals {
			i, err := play(part, load, liveInterval)
			if err != nil {
				return nil, err
			}
			o.Intervals = append(o.Intervals, i)
			rates := c.Ask([]controller.Interval{{
				Length: time.Duration(i.Length), Events: i.Events, Sampled: i.Sampled, Busy: time.Duration(i.Busy),
			}})
			if rates == nil {
				o.Trouble, o.Said = c.Trouble()
				return o, nil
			}
			part = toPart(rates[0])
		}
	}
	return o, s.Saw("controller, live", true, a.Collection)
}
