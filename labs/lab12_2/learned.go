// SPDX-License-Identifier: Apache-2.0

package events

import (
	"fmt"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/observe"
)

// learned says what a submission that passed has achieved, on the kernel where the starter is slowest.
func learned(cases []judge.Case) []string {
	c, at := judge.Slowest(cases, getCost)
	other, err1 := getOther(at.Observations)
	f, err2 := getFlow(at.Observations)
	l, err3 := job.Get[observe.Lone](at.Observations, "lone")
	if err1 != nil || err2 != nil || err3 != nil || f.Wakes == 0 || len(l.Late) == 0 {
		return nil
	}
	late := l.Late[0]
	for _, ns := range l.Late {
		late = max(late, ns)
	}
	return []string{
		fmt.Sprintf("An event costs %.0f instructions instead of %.0f (Linux %s): it is sent without a wake-up of its own.", c.Yours-c.Empty, c.Naive-c.Empty, at.Kernel),
		fmt.Sprintf("A system call of no interest costs %.0f instructions instead of %.0f: the cheapest question comes first.", other.Yours-other.Empty, other.Naive-other.Empty),
		fmt.Sprintf("One wake-up serves %.0f events under load, and a lone event still arrives within %.2f ms.", float64(f.Got)/float64(f.Wakes), float64(late)/1e6),
	}
}
