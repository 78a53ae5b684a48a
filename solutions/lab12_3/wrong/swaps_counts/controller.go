//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Lab 12.3, solved: what sampling costs is taken from what it has cost, and nothing is kept
// but the rate, so nothing can wind up.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct{ rate float64 }

// Next scales the rate by what the overhead is off by: at ten times the load, a tenth of the
// rate is right at once.
func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	overhead := float64(i.Busy) / float64(i.Length)
	m.rate = min(max(m.rate*target/overhead, controller.MinRate), controller.MaxRate)
	return m.rate
}
