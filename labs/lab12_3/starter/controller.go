//go:build ignore

// (The line above keeps this file out of the grader: it is a program of its own. Leave it there.)

// SPDX-License-Identifier: Apache-2.0

// Lab 12.3: the controller. It sees what an interval cost and says how many of the next one's
// events to sample. It works where its guess is right. Each TODO is one place to do better.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &proportional{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

// TODO 5: guessed. The interval says what sampling has cost.
const costNS = 1000

type proportional struct{ rate float64 }

// Next moves the rate by a part of what is missing to the target.
func (p *proportional) Next(i controller.Interval) float64 {
	// TODO 5: and if no event came, or none was sampled?
	overhead := float64(i.Sampled) * costNS / float64(i.Length)
	p.rate += 2 * (target - overhead) // TODO 5: the same step for any load
	return min(max(p.rate, controller.MinRate), controller.MaxRate)
}
