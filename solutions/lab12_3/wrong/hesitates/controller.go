// want controller:partial "simulated samplers were held"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Changes the rate by a factor of at most 1.45 in an interval. For a few samplers that is too slow: ten intervals after
// a step they are not there yet. Tasks 6 and 7 lose their share of that, and no more.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

const factor = 1.45

type measured struct{ rate float64 }

func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	overhead := float64(i.Busy) / float64(i.Length)
	change := min(max(target/overhead, 1/factor), factor)
	m.rate = min(max(m.rate*change, controller.MinRate), controller.MaxRate)
	return m.rate
}
