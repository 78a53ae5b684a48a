// SPDX-License-Identifier: Apache-2.0

package observe

import "math/rand/v2"

// Script is what happens in all scenes: the truth, which only the seed knows.
type Script struct {
	Number, Other uint64 // of the system call that is traced, and of the one that is not
	Foreign       uint32 // what the process that is not traced has for an ID beyond the agent's
	Trials        []Plan
	Timed         Plan
	Race          Plan     // at this rate
	Races         [][2]int // calls of each of two CPUs, round by round
	Loads         []int64  // of the live sampler, step by step
	Classes       []uint64 // of calls that are made without a plan: in this order, over and over
}

// Plan is calls that are made at one rate: a class for each.
type Plan struct {
	Part     int64 // the rate, of 65,536
	Periodic bool  // the classes come in turn, in step with a sampler that takes every nth; else at random
	Classes  []uint64
}

// Made counts the calls of each class.
func (p Plan) Made() []uint64 {
	made := make([]uint64, Classes)
	for _, c := range p.Classes {
		made[c]++
	}
	return made
}

const (
	sysGetpgid = 121
	sysGetsid  = 124
	TimedCalls = 4096 // so many that none sampled is too few at the lowest rate
	RaceRounds = 12
)

// Rates are those of the trials, and how many calls are made at each. The lowest and the highest are
// what they are; the others are drawn from around these.
var Rates = []struct {
	Part  int64 // of 65,536
	Calls int
}{{MinPart, 20_000}, {Whole / 20, 8_000}, {Whole / 10, 6_000}, {Whole / 4, 3_000}, {Whole / 2, 2_000}, {Whole * 3 / 4, 2_000}, {Whole, 1_000}}

// NewScript draws the script of a seed.
func NewScript(seed uint64) Script {
	r := rand.New(rand.NewPCG(seed, 0))
	s := Script{Number: sysGetpgid, Other: sysGetsid, Foreign: 1 + r.Uint32N(10_000)}
	if r.IntN(2) == 0 {
		s.Number, s.Other = s.Other, s.Number
	}
	for _, periodic := range []bool{true, false} {
		for _, rate := range Rates {
			part := rate.Part
			if part != MinPart && part != Whole {
				part = between(r, part*4/5, part*5/4)
			}
			s.Trials = append(s.Trials, newPlan(r, part, periodic, rate.Calls+r.IntN(100)))
		}
	}
	r.Shuffle(len(s.Trials), func(i, j int) { s.Trials[i], s.Trials[j] = s.Trials[j], s.Trials[i] })
	s.Timed = newPlan(r, MinPart, false, TimedCalls)
	s.Race = newPlan(r, between(r, Whole/25, Whole/15), false, 0)
	for range RaceRounds {
		s.Races = append(s.Races, [2]int{5000 + r.IntN(2000), 5000 + r.IntN(2000)})
	}
	s.Loads = drawLoads(r)
	s.Classes = newPlan(r, 0, false, 1<<12).Classes
	return s
}

func newPlan(r *rand.Rand, part int64, periodic bool, calls int) Plan {
	p := Plan{part, periodic, make([]uint64, calls)}
	first := r.IntN(Classes)
	for i := range p.Classes {
		p.Classes[i] = uint64(first+i) % Classes
		if !periodic {
			p.Classes[i] = r.Uint64N(Classes)
		}
	}
	return p
}

// FullCalls is how many calls fill a ring and more, where each is sampled.
func FullCalls(ring int) int { return ring/ringRecord + 1000 }

// ringRecord is how many bytes of a ring a sample takes.
const ringRecord = 24
