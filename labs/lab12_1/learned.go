// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"fmt"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

// learned says what a submission that passed has achieved, on the kernel where the starter is slowest.
func learned(cases []judge.Case) []string {
	c, at := judge.Slowest(cases, func(o job.Observations) (judge.Cost, error) { return getCost(o, "drop") })
	pass, err1 := getCost(at.Observations, "pass")
	p, err2 := job.Get[path](at.Observations, "path")
	if err1 != nil || err2 != nil {
		return nil
	}
	yours, starter := c.Yours-c.Empty, c.Naive-c.Empty
	return []string{
		fmt.Sprintf("A packet costs %.0f instructions instead of %.0f (Linux %s), 1/%.0f: no clock, no second lookup, no update, no hash.", yours, starter, at.Kernel, starter/yours),
		fmt.Sprintf("No two CPUs lose a packet: an entry of a %s is added to in place.", p.MapType),
		fmt.Sprintf("Receiving a packet costs %.1f%% more with your program; with the starter it was %.1f%%.", 100*(pass.Yours/pass.Empty-1), 100*(pass.Naive/pass.Empty-1)),
	}
}
