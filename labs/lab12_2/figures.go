// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bpflab/harness/figure"
	"bpflab/harness/judge"
)

func figures(cases []judge.Case) []figure.Figure {
	cost := func(of func(timed) judge.Timings) func(judge.Observations) (judge.Cost, error) {
		return func(o judge.Observations) (judge.Cost, error) {
			t, err := judge.Get[timed](o, "timed")
			if err != nil {
				return judge.Cost{}, err
			}
			return of(t).Cost(0)
		}
	}
	return append(
		figure.Costs("lab12_2-event", "Cost of an event over the empty program", "instructions", cases, cost(func(t timed) judge.Timings { return t.Emit })),
		figure.Costs("lab12_2-other", "Cost of other calls over the empty program", "instructions", cases, cost(func(t timed) judge.Timings { return t.Other }))...)
}
