// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// figures shows how the rate followed the load, live, on each kernel.
func figures(cases []judge.Case) (all []figure.Figure) {
	for _, c := range cases {
		l, err := job.Get[observe.Live](c.Observations, "live")
		if err != nil || len(l.Intervals) == 0 {
			continue
		}
		load := figure.Panel{Label: "events a second", Log: true}
		rate := figure.Panel{Label: "rate, %", Log: true}
		overhead := figure.Panel{Label: "overhead, %", Low: float64(observe.TargetPPM-observe.Band) / observe.PPM * 100, High: float64(observe.TargetPPM+observe.Band) / observe.PPM * 100}
		f := figure.Lines{File: "lab12_3-" + c.Kernel, Title: "Adaptation on Linux " + c.Kernel, TimeUnit: "s"}
		var now int64
		for _, i := range l.Intervals {
			f.Time = append(f.Time, float64(now)/1e9)
			now += i.Length
			load.Values = append(load.Values, float64(i.Load))
			rate.Values = append(rate.Values, 100*float64(i.Part)/observe.Whole)
			overhead.Values = append(overhead.Values, 100*float64(i.Overhead())/observe.PPM)
		}
		f.Panels = []figure.Panel{load, rate, overhead}
		all = append(all, f)
	}
	return append(all, figure.Costs("lab12_3-call", "Cost of a call that is not sampled", "instructions", cases,
		func(o job.Observations) (judge.Cost, error) { _, c, err := getTimed(o); return c, err })...)
}
