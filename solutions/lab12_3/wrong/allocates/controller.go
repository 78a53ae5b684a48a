// want controller:fail "MiB of memory"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Keeps all that it has ever seen, and room for much more.
package main

import "bpflab/labs/lab12_3/controller"

func main() { controller.Main(func() controller.Controller { return &measured{rate: 0.5} }) }

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct {
	rate float64
	seen [][]controller.Interval
}

func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	room := make([]controller.Interval, 100_000)
	for n := range room {
		room[n] = i
	}
	m.seen = append(m.seen, room)
	overhead := float64(i.Busy) / float64(i.Length)
	m.rate = min(max(m.rate*target/overhead, controller.MinRate), controller.MaxRate)
	return m.rate
}
