// want controller:fail "a rate of NaN, after"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Divides by the number of events, also when there were none.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct{ rate float64 }

func (m *measured) Next(i controller.Interval) float64 {
	each := float64(i.Busy) / m.rate / float64(i.Events)
	m.rate = min(max(target*float64(i.Length)/each/float64(i.Events), controller.MinRate), controller.MaxRate)
	return m.rate
}
