// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bpflab/harness/figure"
	"bpflab/harness/judge"
)

func figures(cases []judge.Case) []figure.Figure {
	cost := func(name string) func(judge.Observations) (judge.Cost, error) {
		return func(o judge.Observations) (judge.Cost, error) { return judge.Get[judge.Cost](o, name) }
	}
	return append(
		figure.Costs("lab12_2-event", "Cost of an event over the empty program", "instructions", cases, cost("emit")),
		figure.Costs("lab12_2-other", "Cost of other calls over the empty program", "instructions", cases, cost("other"))...)
}
