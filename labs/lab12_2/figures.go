// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bpflab/harness/host/figure"
	"bpflab/harness/host/judge"
)

func figures(cases []judge.Case) []figure.Figure {
	return append(
		figure.Costs("lab12_2-event", "Cost of an event over the empty program", "instructions an event", cases, getCost),
		figure.Costs("lab12_2-other", "Cost of other calls over the empty program", "instructions a call", cases, getOther)...)
}
