// want controller:fail "a rate is 0.01 to 1"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Samples more than there is.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct{ rate float64 }

func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	overhead := float64(i.Busy) / float64(i.Length)
	m.rate = m.rate * target / overhead
	return m.rate
}
