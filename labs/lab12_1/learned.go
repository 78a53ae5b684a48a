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
		fmt.Sprintf("A packet costs %.0f instructions; the starter needs %.0f (Linux %s), %.0f times as many. The clock, the second lookup, the update and the hash are gone.", yours, starter, at.Kernel, starter/yours),
		fmt.Sprintf("No packet is lost between two CPUs, and neither waits for the other: each adds to its own entry (%s).", p.MapType),
		fmt.Sprintf("Receiving a packet costs %.1f%% more with your program; with the starter it was %.1f%%.", 100*(pass.Yours/pass.Empty-1), 100*(pass.Naive/pass.Empty-1)),
	}
}
