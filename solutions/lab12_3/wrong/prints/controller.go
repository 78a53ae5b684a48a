// want controller:fail "printed more than 64 KiB"

//go:build ignore

// SPDX-License-Identifier: Apache-2.0

// Prints a line for each interval of each sampler, a thousand times.
package main

import (
	"fmt"
	"os/signal"
	"syscall"

	"bpflab/labs/lab12_3/controller"
)

func main() {
	signal.Ignore(syscall.SIGPIPE)
	controller.Main(func() controller.Controller { return &measured{rate: 0.5} })
}

// target is the part of the time that sampling may take.
const target = 0.02

type measured struct{ rate float64 }

func (m *measured) Next(i controller.Interval) float64 {
	if i.Events == 0 || i.Busy <= 0 || i.Length <= 0 {
		return m.rate // an interval in which nothing happened says nothing
	}
	for range 1000 {
		fmt.Println("events:", i.Events, "sampled:", i.Sampled, "busy:", i.Busy, "length:", i.Length)
	}
	overhead := float64(i.Busy) / float64(i.Length)
	m.rate = min(max(m.rate*target/overhead, controller.MinRate), controller.MaxRate)
	return m.rate
}
