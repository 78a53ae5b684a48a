// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"fmt"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_3/observe"
)

// learned says what a submission that passed has achieved, on the kernel where the starter is slowest.
func learned(cases []judge.Case) []string {
	c, at := judge.Slowest(cases, func(o job.Observations) (judge.Cost, error) { _, c, err := getTimed(o); return c, err })
	l, err := job.Get[observe.Live](at.Observations, "live")
	if err != nil || len(l.Intervals) == 0 || l.Trouble != "" {
		return nil
	}
	low, high := l.Intervals[0], l.Intervals[0]
	for _, i := range l.Intervals {
		if i.Part < low.Part {
			low = i
		}
		if i.Part > high.Part {
			high = i
		}
	}
	return []string{
		fmt.Sprintf("A call that is not sampled costs %.0f instructions instead of %.0f (Linux %s).", c.Yours-c.Empty, c.Naive-c.Empty, at.Kernel),
		fmt.Sprintf("Your controller held %d simulated samplers at 2%% ± 0.5 without knowing what a sample costs: it measured.", observe.Plants),
		fmt.Sprintf("Live, the rate went from %s at %s events a second down to %s at %s.", percent(high.Part), count(high.Load), percent(low.Part), count(low.Load)),
	}
}
