// want controller:fail "simulated samplers were held"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Knows what is right for a high load, and keeps to it.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

type measured struct{ rate float64 }

func (m *measured) Next(i controller.Interval) float64 {
	return 0.01
}
