// SPDX-License-Identifier: Apache-2.0

// Package controller is what a student's controller is written against. The controller is a
// process of its own, without privileges. It reads a line of JSON and answers with one:
//
//	in    [[100000000,1000,500,1200000],…]    length ns, events, sampled, busy ns
//	out   [0.35,…]                            rates
//
// One process steers many samplers at once, which know nothing of each other: an element of
// a line is one of them.
package controller

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"
)

// MinRate and MaxRate bound the part of all events that may be sampled.
const (
	MinRate = 0.01
	MaxRate = 1.0
)

// Interval is what the last interval saw.
type Interval struct {
	Length  time.Duration // of the interval
	Events  uint64        // that came
	Sampled uint64        // of them
	Busy    time.Duration // that the sampler took
}

// Controller steers one sampler.
type Controller interface {
	// Next is called after each interval and returns the rate for the one that follows,
	// MinRate to MaxRate.
	Next(Interval) (rate float64)
}

// fdReply is the descriptor of the answers; what a controller prints does not disturb them.
const fdReply = 3

// Main runs controllers until the grader has enough.
func Main(make func() Controller) {
	if err := run(make, os.Stdin, os.NewFile(fdReply, "reply")); err != nil {
		fmt.Fprintln(os.Stderr, "controller:", err)
		os.Exit(1)
	}
}

func run(make func() Controller, in io.Reader, out io.Writer) error {
	var all []Controller
	lines := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var intervals [][4]int64
		if err := json.Unmarshal(line, &intervals); err != nil {
			return fmt.Errorf("expected a line of intervals: %w", err)
		}
		for len(all) < len(intervals) {
			all = append(all, make())
		}
		rates := []float64{}
		for i, v := range intervals {
			rate := all[i].Next(Interval{
				Length: time.Duration(v[0]), Events: uint64(v[1]), Sampled: uint64(v[2]), Busy: time.Duration(v[3]),
			})
			if math.IsNaN(rate) || math.IsInf(rate, 0) { // JSON has none
				return fmt.Errorf("a rate of %v, after %d events, %d of them sampled, in %v of %v: is something divided by zero?", rate, v[1], v[2], time.Duration(v[3]), time.Duration(v[0]))
			}
			rates = append(rates, rate)
		}
		reply, err := json.Marshal(rates)
		if err != nil {
			return err
		}
		if _, err := out.Write(append(reply, '\n')); err != nil {
			return err
		}
	}
}
