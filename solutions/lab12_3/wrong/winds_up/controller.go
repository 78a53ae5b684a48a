// want controller:fail "simulated samplers were held"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Adds up what is missing to the target, also while the rate is at its limit: it then takes as
// long to come back.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct{ rate, sum float64 }

func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	overhead := float64(i.Busy) / float64(i.Length)
	m.sum += target - overhead
	m.rate = min(max(5*(target-overhead)+10*m.sum, controller.MinRate), controller.MaxRate)
	return m.rate
}
