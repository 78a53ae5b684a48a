// SPDX-License-Identifier: Apache-2.0

package observe

import (
	"math"
	"math/rand/v2"
	"time"

	"bpflab/labs/lab12_3/controller"
)

// What the load is, plants and live alike: steps of StepIntervals each, and up to a fifth more or less.
var steps = []int64{10_000, 100_000, 1_000_000, 50_000} // events a second

func drawLoads(r *rand.Rand) (loads []int64) {
	for _, load := range steps {
		loads = append(loads, between(r, load*4/5, load*6/5))
	}
	return loads
}

const (
	StepIntervals = 25
	Intervals     = 4 * StepIntervals
	Settled       = 10 // intervals after a step until the overhead must be right: a second
	Whole         = 1 << 16
	firstPart     = Whole / 2 // the rate until a controller has answered, of Whole
	MinPart       = Whole/100 + 1
	minInterval   = 10 * time.Millisecond  // of plants: that of the live sampler …
	maxInterval   = 100 * time.Millisecond // … and a tenth of a second
	PPM           = 1_000_000
)

// Plant is a sampler and its load, simulated. It computes in whole numbers: so it does the
// same on every CPU.
type Plant struct {
	r            *rand.Rand
	skip, sample int64         // what an event costs, and what it costs more if it is sampled, ps
	period       int64         // of the drift of both, in intervals
	idle         int           // the first of idleIntervals in which nothing happens
	Loads        []int64       // events a second, step by step
	Length       time.Duration // of an interval
	next         int           // interval
}

const idleIntervals = 3

// NewPlant draws a plant: of a seed, the nth.
func NewPlant(seed uint64, n int) *Plant {
	r := rand.New(rand.NewPCG(seed, uint64(n)))
	return &Plant{
		r:      r,
		skip:   between(r, 15_000, 45_000),
		sample: between(r, 400_000, 4_000_000),
		period: between(r, 20, 80),
		idle:   r.IntN(len(steps))*StepIntervals + Settled + r.IntN(StepIntervals-Settled-2*idleIntervals),
		Loads:  drawLoads(r),
		Length: time.Duration(between(r, int64(minInterval), int64(maxInterval))),
	}
}

func between(r *rand.Rand, low, high int64) int64 { return low + r.Int64N(high-low+1) }

// Cost is what an interval costs at a rate, of Whole: events, and the sampler's time in ps.
func (p *Plant) Cost(k int, part int64) (events, busy int64) {
	if k >= p.idle && k < p.idle+idleIntervals {
		return 0, 0
	}
	events = p.Loads[k/StepIntervals] * int64(p.Length) / int64(time.Second)
	// Up by a fifth and down again, over and over.
	phase := int64(k) % p.period
	drift := 1000 + 200*2*min(phase, p.period-phase)/p.period
	return events, events * (p.skip + p.sample*part/Whole) / 1000 * drift
}

// Next lets an interval pass at a rate, of Whole, and returns what the controller is told of
// it: what was sampled by chance, and a time that is measured with an error of 5% at most.
func (p *Plant) Next(part int64) controller.Interval {
	events, busy := p.Cost(p.next, part)
	p.next++
	sampled := events * part / Whole
	deviation := int64(math.Sqrt(float64(events * part / Whole * (Whole - part) / Whole)))
	sampled += deviation * between(p.r, -2000, 2000) / 1000
	busy += busy / 1000 * between(p.r, -50, 50)
	return controller.Interval{
		Length: p.Length, Events: uint64(events), Sampled: uint64(min(max(sampled, 0), events)), Busy: time.Duration(busy / 1000),
	}
}

// Overhead is the part of an interval that goes into sampling, of a million.
func (p *Plant) Overhead(k int, part int64) int64 {
	_, busy := p.Cost(k, part)
	return busy / 1000 * PPM / int64(p.Length)
}

const (
	TargetPPM = 20_000 // the overhead that a controller shall hold, of a million
	Band      = 5_000  // and how far off it may be
)

// Holds reports whether an overhead is right: within the band, or as near to it as a rate can
// bring it.
func Holds(overhead, part int64) bool {
	switch {
	case overhead > TargetPPM+Band:
		return part <= MinPart
	case overhead < TargetPPM-Band:
		return part >= Whole-Whole/100
	}
	return true
}

// Asked reports whether the overhead must be right in an interval: it has settled after a step, and it is not one in
// which nothing happens, nor one of as many after these.
func (p *Plant) Asked(k int) bool {
	since := k - p.idle // since nothing happened
	return k%StepIntervals >= Settled && (since < 0 || since >= 2*idleIntervals)
}

// Misses counts the intervals of a plant in which a controller's rates were wrong after it has
// had time to settle, and returns the first of them, or -1.
func (p *Plant) Misses(parts []int64) (n, first int) {
	first = -1
	for k, part := range parts {
		if !p.Asked(k) {
			continue
		}
		if !Holds(p.Overhead(k, part), part) {
			if n++; first < 0 {
				first = k
			}
		}
	}
	return n, first
}

// toPart turns a rate into parts of Whole.
func toPart(rate float64) int64 {
	return min(max(int64(rate*Whole+0.5), MinPart), Whole)
}

// steer lets n plants pass, each steered by a controller, and returns the rates of each, of
// whole. ask is nil once it no longer answers: then the rates end there.
func steer(seed uint64, n int, ask func([]controller.Interval) []float64) [][]int64 {
	plants, parts := make([]*Plant, n), make([][]int64, n)
	now := make([]int64, n)
	for i := range plants {
		plants[i], now[i] = NewPlant(seed, i), firstPart
	}
	for range Intervals {
		seen := make([]controller.Interval, n)
		for i, p := range plants {
			parts[i] = append(parts[i], now[i])
			seen[i] = p.Next(now[i])
		}
		rates := ask(seen)
		if rates == nil {
			break
		}
		for i, r := range rates {
			now[i] = toPart(r)
		}
	}
	return parts
}
