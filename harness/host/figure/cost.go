// SPDX-License-Identifier: Apache-2.0

package figure

import (
	"bpflab/harness/host/judge"
	"bpflab/harness/job"
)

// Costs compares a submission's cost, less that of the empty program, with the starter's and
// the reference's, on each kernel on which it was observed. get finds the cost among what was
// observed. Without any there is no figure.
func Costs(file, title, unit string, cases []judge.Case, get func(job.Observations) (judge.Cost, error)) []Figure {
	b := Bars{File: file, Title: title, Unit: unit, Series: []Series{{Label: "yours"}, {Label: "starter"}, {Label: "reference"}}}
	for _, c := range cases {
		cost, err := get(c.Observations)
		if err != nil || c.Err != nil {
			continue
		}
		b.Kernels = append(b.Kernels, c.Kernel)
		for i, v := range []float64{cost.Yours, cost.Naive, cost.Reference} {
			b.Series[i].Values = append(b.Series[i].Values, v-cost.Empty)
		}
	}
	if len(b.Kernels) == 0 {
		return nil
	}
	return []Figure{b}
}
