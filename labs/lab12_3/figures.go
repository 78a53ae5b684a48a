// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"
	"time"

	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// figures shows how the rate followed the load: live, on each kernel, and in a plant that was not held.
func figures(cases []judge.Case) (all []figure.Figure) {
	for _, c := range cases {
		l, err := job.Get[observe.Live](c.Observations, "live")
		if err != nil || len(l.Intervals) == 0 {
			continue
		}
		var f adaptation
		for _, i := range l.Intervals {
			f.add(time.Duration(i.Length), i.Load, i.Part, i.Overhead())
		}
		all = append(all, f.drawn("lab12_3-"+c.Kernel, "Adaptation on Linux "+c.Kernel))
	}
	for _, c := range cases { // a controller answers alike on all kernels
		s, err := job.Get[observe.Steered](c.Observations, "steered")
		if err != nil || s.Trouble != "" {
			continue
		}
		wrong, err := steeredIn(c.Observations, s)
		if err != nil || len(wrong.plants) == 0 {
			continue
		}
		p := wrong.example()
		var f adaptation
		for k, part := range p.parts {
			load := p.Loads[k/observe.StepIntervals]
			f.add(p.Length, load, part, p.Overhead(k, part))
		}
		all = append(all, f.drawn("lab12_3-plant", fmt.Sprintf("Adaptation in plant %d, which is not held", p.n)))
		break
	}
	return append(all, figure.Costs("lab12_3-call", "Cost of a call that is not sampled", "instructions a call", cases,
		func(o job.Observations) (judge.Cost, error) { _, c, err := getTimed(o); return c, err })...)
}

// adaptation is a rate that follows a load, interval by interval.
type adaptation struct {
	now                        time.Duration
	time, load, rate, overhead []float64
}

func (a *adaptation) add(length time.Duration, load, part, overhead int64) {
	a.time = append(a.time, a.now.Seconds())
	a.now += length
	a.load = append(a.load, float64(load))
	a.rate = append(a.rate, 100*float64(part)/observe.Whole)
	a.overhead = append(a.overhead, 100*float64(overhead)/observe.PPM)
}

func (a *adaptation) drawn(file, title string) figure.Lines {
	return figure.Lines{File: file, Title: title, TimeUnit: "s", Time: a.time, Panels: []figure.Panel{
		{Label: "events a second", Values: a.load, Log: true},
		{Label: "rate, %", Values: a.rate, Log: true},
		{
			Label: "overhead, %", Values: a.overhead,
			Low: float64(observe.TargetPPM-observe.Band) / observe.PPM * 100, High: float64(observe.TargetPPM+observe.Band) / observe.PPM * 100,
		},
	}}
}
