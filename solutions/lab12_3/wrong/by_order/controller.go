// want controller:fail "simulated samplers were held"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Measures nothing: knows which load comes after which.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &ordered{} }) }

type ordered struct{ interval int }

func (o *ordered) Next(controller.Interval) float64 {
	o.interval++
	return []float64{1, 0.1, 0.01, 0.2}[min(o.interval/25, 3)]
}
