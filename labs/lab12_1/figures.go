// SPDX-License-Identifier: Apache-2.0

package counter

import (
	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

func figures(cases []judge.Case) []figure.Figure {
	return figure.Costs("lab12_1-packet", "Cost of a packet over the empty program", "instructions a packet", cases,
		func(o job.Observations) (judge.Cost, error) { return getCost(o, "drop") })
}
