// SPDX-License-Identifier: Apache-2.0

package sampling

import "math/rand/v2"

// script is what happens in all scenes: the truth, which only the seed knows.
type script struct {
	Number, Other uint64 // of the system call that is traced, and of the one that is not
	Foreign       uint32 // what the process that is not traced has for an ID beyond the agent's
	Trials        []plan
	Timed         plan
	Race          plan     // at this rate
	Races         [][2]int // calls of each of two CPUs, round by round
	Loads         []int64  // of the live sampler, step by step
	Classes       []uint64 // of calls that are made without a plan: in this order, over and over
}

// plan is calls that are made at one rate: a class for each.
type plan struct {
	Part     int64 // the rate, of 65,536
	Periodic bool  // the classes come in turn, in step with a sampler that takes every nth; else at random
	Classes  []uint64
}

// made counts the calls of each class.
func (p plan) made() []uint64 {
	made := make([]uint64, classes)
	for _, c := range p.Classes {
		made[c]++
	}
	return made
}

const (
	sysGetpgid = 121
	sysGetsid  = 124
	timedCalls = 4096 // so many that none sampled is too few at the lowest rate
	raceRounds = 12
)

// rates are those of the trials, and how many calls are made at each. The lowest and the highest are
// what they are; the others are drawn from around these.
var rates = []struct {
	part  int64
	calls int
}{{minPart, 20_000}, {whole / 20, 8_000}, {whole / 10, 6_000}, {whole / 4, 3_000}, {whole / 2, 2_000}, {whole * 3 / 4, 2_000}, {whole, 1_000}}

func newScript(seed uint64) script {
	r := rand.New(rand.NewPCG(seed, 0))
	s := script{Number: sysGetpgid, Other: sysGetsid, Foreign: 1 + r.Uint32N(10_000)}
	if r.IntN(2) == 0 {
		s.Number, s.Other = s.Other, s.Number
	}
	for _, periodic := range []bool{true, false} {
		for _, rate := range rates {
			part := rate.part
			if part != minPart && part != whole {
				part = between(r, part*4/5, part*5/4)
			}
			s.Trials = append(s.Trials, newPlan(r, part, periodic, rate.calls+r.IntN(100)))
		}
	}
	r.Shuffle(len(s.Trials), func(i, j int) { s.Trials[i], s.Trials[j] = s.Trials[j], s.Trials[i] })
	s.Timed = newPlan(r, minPart, false, timedCalls)
	s.Race = newPlan(r, between(r, whole/25, whole/15), false, 0)
	for range raceRounds {
		s.Races = append(s.Races, [2]int{5000 + r.IntN(2000), 5000 + r.IntN(2000)})
	}
	s.Loads = drawLoads(r)
	s.Classes = newPlan(r, 0, false, 1<<12).Classes
	return s
}

func newPlan(r *rand.Rand, part int64, periodic bool, calls int) plan {
	p := plan{part, periodic, make([]uint64, calls)}
	first := r.IntN(classes)
	for i := range p.Classes {
		p.Classes[i] = uint64(first+i) % classes
		if !periodic {
			p.Classes[i] = r.Uint64N(classes)
		}
	}
	return p
}

// fullCalls is how many calls fill a ring and more, where each is sampled.
func fullCalls(ring int) int { return ring/ringRecord + 1000 }

// ringRecord is how many bytes of a ring a sample takes.
const ringRecord = 24
