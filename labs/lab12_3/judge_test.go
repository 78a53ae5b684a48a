// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"bpflab/harness/judge"
	"bpflab/harness/judgetest"
	"bpflab/harness/verifier"
)

// sound is what is observed of a right and cheap submission.
type sound struct {
	Load    verifier.Report
	Counted counted
	Race    race
	Cost    judge.Cost
	Steered steered
	Live    live
}

// good are rates that hold every plant: computed from what a plant is, where a controller only
// sees what comes of it.
func good(p *plant) []int64 {
	parts := make([]int64, intervals)
	for k := range parts {
		events, _ := p.cost(k, whole)
		parts[k] = whole
		if events > 0 {
			none, all := p.overhead(k, 0), p.overhead(k, whole)
			parts[k] = min(max((targetPPM-none)*whole/(all-none), minPart), whole)
		}
	}
	return parts
}

func newSound() *sound {
	s := &sound{
		Load: verifier.Report{Program: program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Race: race{Calls: 144_000, Seen: 144_000, Sampled: 7_200, Records: 7_200, Rounds: 12, Met: metRounds},
		Cost: judge.Cost{Empty: 500, Naive: 700, Reference: 550, Yours: 550},
		Live: live{Skip: 25, Sample: 480},
	}
	for _, periodic := range []bool{true, false} {
		for _, t := range trials {
			n := uint64(t.calls)
			one := trial{Part: t.part, Periodic: periodic, Calls: n, Seen: n, Made: make([]uint64, classes), Got: make([]uint64, classes)}
			for i := range one.Made {
				one.Made[i] = n / classes
				one.Got[i] = n * uint64(t.part) / whole / classes
				one.Records += one.Got[i]
			}
			one.Sampled = one.Records
			s.Counted.Trials = append(s.Counted.Trials, one)
		}
	}
	s.Counted.Full = trial{Part: whole, Calls: 12_000, Seen: 12_000, Sampled: 11_000, Records: 11_000}
	s.Steered = steered{Seed: testSeed, Plants: plants}
	for n := range plants {
		s.steer(n, good(newPlant(testSeed, n)))
	}
	for k := range intervals {
		load := steps[k/stepIntervals]
		i := interval{Load: load, Length: 10_000_000, Events: uint64(load / 100)}
		i.Part = min(max(int64((0.02*float64(i.Length)/float64(i.Events)-s.Live.Skip)/s.Live.Sample*whole), minPart), whole)
		i.Sampled = i.Events * uint64(i.Part) / whole
		i.Busy = int64(float64(i.Events)*s.Live.Skip + float64(i.Sampled)*s.Live.Sample)
		s.Live.Intervals = append(s.Live.Intervals, i)
	}
	return s
}

// steer sets the rates of the nth plant.
func (s *sound) steer(n int, parts []int64) {
	for k, part := range parts {
		at := 2 * (n*intervals + k)
		if at == len(s.Steered.Rates) {
			s.Steered.Rates = append(s.Steered.Rates, 0, 0)
		}
		binary.LittleEndian.PutUint16(s.Steered.Rates[at:], uint16(part-1))
	}
}

// spoil has n plants run at the least rate throughout.
func (s *sound) spoil(n int) {
	for i := range n {
		s.steer(i, slices.Repeat([]int64{minPart}, intervals))
	}
}

// late has the first n intervals that are judged of a step cost twice as much.
func (s *sound) late(step, n int) {
	for k := range n {
		s.Live.Intervals[step*stepIntervals+settled+k].Busy *= 2
	}
}

var judges = judgetest.Judges[sound]{Tasks: Lab.Tasks, Sound: newSound, Named: func(s *sound) map[string]any {
	return map[string]any{
		"load": s.Load, "counted": s.Counted, "race": s.Race, "cost": s.Cost, "steered": s.Steered, "live": s.Live,
	}
}}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

type row = judgetest.Row[sound]

// Each row changes one thing in what is observed of a sound submission.
func TestJudges(t *testing.T) {
	const pass, partial, fail = judge.Pass, judge.Partial, judge.Fail
	const trouble = "it did not answer within 200ms"
	unloaded := row{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"}
	judges.Rows(t, map[string][]row{
		"verifier": {
			{"within the budget", func(s *sound) { s.Load.Stats.Processed = processedBudget }, pass, 1, ""},
			{"rejected", func(s *sound) { s.Load = verifier.Report{Message: "Unreleased reference id=2"} }, fail, 0, "rejected: Unreleased reference id=2"},
		},
		"counts": {
			{"right", func(*sound) {}, pass, 1, ""},
			{"one not seen", func(s *sound) { s.Counted.Trials[0].Seen-- }, fail, 0, "at a rate of 1%: 20000 calls were made and 19999 counted as seen"},
			{"one seen twice", func(s *sound) { s.Counted.Trials[13].Seen++ }, fail, 0, "at a rate of 100%: 1000 calls were made and 1001 counted as seen"},
			{"one sampled that is not there", func(s *sound) { s.Counted.Trials[4].Sampled++ }, fail, 0, "1001 events counted as sampled, and 1000 in the ring"},
			{"one there that is not counted", func(s *sound) { s.Counted.Trials[4].Records++ }, fail, 0, "1000 events counted as sampled, and 1001 in the ring"},
			{"strange", func(s *sound) { s.Counted.Trials[4].Strange = 3 }, fail, 0, "3 of 1000 events in the ring are not of a call that was made"},
			{"too slow to meet", func(s *sound) { s.Race.Met = metRounds - 1; s.Cost.Yours = 2501 }, fail, 0, "at 2001 instructions more than an empty program two CPUs hardly ever meet"},
			{"one not seen when full", func(s *sound) { s.Counted.Full.Seen-- }, fail, 0, "with a ring that nobody reads: 12000 calls were made and 11999"},
			{"all sampled when full", func(s *sound) { s.Counted.Full.Sampled = 12_000 }, fail, 0, "with a ring that nobody reads: 12000 events counted as sampled, and 11000 in the ring"},
			{"another's", func(s *sound) { s.Counted.Foreign = 64 }, fail, 0, "64 calls of another process or of another number"},
			{"lost by two CPUs", func(s *sound) { s.Race.Seen -= 9 }, fail, 0, "made 144000 calls, and 143991 were counted as seen"},
			{"lost, though they met too seldom", func(s *sound) { s.Race.Seen -= 9; s.Race.Met = 0 }, fail, 0, "143991"},
			{"sampled lost by two CPUs", func(s *sound) { s.Race.Sampled-- }, fail, 0, "7199 events counted as sampled, and 7200 in the ring"},
			unloaded,
		},
		"sample": {
			{"fair", func(*sound) {}, pass, 1, ""},
			{"one class not at all", func(s *sound) {
				one := &s.Counted.Trials[2]
				one.Got[7] += one.Got[3]
				one.Got[3] = 0
			}, fail, 0, "at a rate of 10%, 20 classes in turn: class 3 is 0 of 580 samples and should be some 29"},
			{"one class alone", func(s *sound) {
				one := &s.Counted.Trials[7]
				one.Got = make([]uint64, classes)
				one.Got[19] = one.Records
			}, fail, 0, "at a rate of 1%, classes at random: class 19 is"},
			{"too many", func(s *sound) { s.Counted.Trials[1].Records = 800 }, fail, 0, "at a rate of 5%, 20 classes in turn: 800 of 8000 calls were sampled, 10%"},
			{"too few", func(s *sound) { s.Counted.Trials[1].Records = 200 }, fail, 0, "200 of 8000 calls were sampled, 2.5%"},
			{"a few more", func(s *sound) { s.Counted.Trials[1].Records += 60 }, pass, 1, ""},
			{"none", func(s *sound) { s.Counted.Trials[6].Records = 0; s.Counted.Trials[6].Got = make([]uint64, classes) }, fail, 0, "0 of 1000 calls were sampled"},
			{"not all at the highest rate", func(s *sound) { s.Counted.Trials[6].Records = 949 }, fail, 0, "949 of 1000 calls were sampled"},
			unloaded,
		},
		"cost": {
			{"the reference", func(*sound) {}, pass, 1, "50 instructions over the empty program"},
			{"half way", func(s *sound) { s.Cost.Yours = (557.5 + 700) / 2 }, partial, 0.5, ""},
			{"the starter", func(s *sound) { s.Cost.Yours = 700 }, fail, 0, "200 instructions"},
			unloaded,
		},
		"controller": {
			{"all held", func(*sound) {}, pass, 1, ""},
			{"one not", func(s *sound) { s.spoil(1) }, partial, 1 - 1/(plants*2./3), "199 of 200 simulated samplers were held at 2% ± 0.5; in plant 0, at 10000 events a second and 1.0 s after the step, the rate is 1% and the overhead"},
			{"two thirds", func(s *sound) { s.spoil(plants / 3) }, partial, 1 - math.Floor(plants/3)/(plants*2./3), "134 of 200"},
			{"a third", func(s *sound) { s.spoil(plants * 2 / 3) }, partial, 1 - math.Floor(plants*2./3)/(plants*2./3), "67 of 200"},
			{"less", func(s *sound) { s.spoil(plants*2/3 + 1) }, fail, 0, "66 of 200"},
			{"none", func(s *sound) { s.spoil(plants) }, fail, 0, "0 of 200"},
			{"no longer there", func(s *sound) { s.Steered.Trouble, s.Steered.Said = trouble, "alas" }, fail, 0, "the controller: " + trouble},
			{"its words", func(s *sound) { s.Steered.Trouble, s.Steered.Said = trouble, "alas" }, fail, 0, "alas"},
			{"no longer there, and its rates end", func(s *sound) { s.Steered.Trouble, s.Steered.Rates = trouble, nil }, fail, 0, trouble},
			unloaded,
		},
		"live": {
			{"held", func(*sound) {}, pass, 1, " at 10 k/s and a rate of 100%, 2.00% at 100 k/s and a rate of"},
			{"the least that can be", func(*sound) {}, pass, 1, "the least that can be (3.0%)"},
			{"one off", func(s *sound) { s.late(1, 1) }, partial, 1 - 1/15., "1 of 60 intervals off 2% ± 0.5: overhead"},
			{"a quarter off", func(s *sound) { s.late(1, 20) }, fail, 0, "15 of 60 intervals off"},
			{"off before it must be right", func(s *sound) {
				for k := range settled {
					s.Live.Intervals[stepIntervals+k].Busy *= 4
				}
			}, pass, 1, ""},
			{"no longer there", func(s *sound) { s.Live = live{Trouble: trouble, Said: "alas"} }, fail, 0, "the controller: " + trouble},
			unloaded,
		},
		"low_load": {
			{"all", func(*sound) {}, pass, 1, ""},
			{"four fifths", func(s *sound) {
				for k := range s.Live.Intervals[:stepIntervals] {
					s.Live.Intervals[k].Sampled = 80
				}
			}, pass, 1, ""},
			{"two fifths", func(s *sound) {
				for k := range s.Live.Intervals[:stepIntervals] {
					s.Live.Intervals[k].Sampled = 40
				}
			}, partial, 0.5, "600 of 1500 events were sampled, at a load that would allow all"},
			{"no longer there", func(s *sound) { s.Live = live{Trouble: trouble} }, fail, 0, "the controller: " + trouble},
			unloaded,
		},
	})
}

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":   {"load"},
		"counts":     {"load", "counted", "race", "cost"},
		"sample":     {"load", "counted"},
		"cost":       {"load", "cost"},
		"controller": {"load", "steered"},
		"live":       {"load", "live"},
		"low_load":   {"load", "live"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"no trials":                             {"counts", func(s *sound) { s.Counted.Trials = nil }},
		"no full ring":                          {"counts", func(s *sound) { s.Counted.Full = trial{} }},
		"CPUs that met too seldom to tell":      {"counts", func(s *sound) { s.Race.Met = metRounds - 1 }},
		"a trial is missing":                    {"sample", func(s *sound) { s.Counted.Trials = s.Counted.Trials[1:] }},
		"a trial without calls":                 {"sample", func(s *sound) { s.Counted.Trials[3].Calls = 0 }},
		"a class is missing":                    {"sample", func(s *sound) { s.Counted.Trials[3].Got = s.Counted.Trials[3].Got[1:] }},
		"a call for nothing":                    {"cost", func(s *sound) { s.Cost.Yours = 0 }},
		"the starter as cheap as the reference": {"cost", func(s *sound) { s.Cost.Naive = s.Cost.Reference }},
		"a plant is missing":                    {"controller", func(s *sound) { s.Steered.Plants-- }},
		"a rate is missing":                     {"controller", func(s *sound) { s.Steered.Rates = s.Steered.Rates[2:] }},
		"no plants":                             {"controller", func(s *sound) { s.Steered = steered{} }},
		"an interval is missing":                {"live", func(s *sound) { s.Live.Intervals = s.Live.Intervals[1:] }},
		"no intervals":                          {"low_load", func(s *sound) { s.Live.Intervals = nil }},
		"nothing happened": {"low_load", func(s *sound) {
			for k := range s.Live.Intervals {
				s.Live.Intervals[k].Events = 0
			}
		}},
	})
}

// A program that the verifier rejected leaves the guests without anything to observe: that is
// the submission's fault, and the grade is complete.
func TestRejectedIsGraded(t *testing.T) { judges.Rejected(t) }

// A controller that fails leaves the sampler's points, and the other way round.
func TestHalvesAreGradedApart(t *testing.T) {
	s := newSound()
	s.Steered.Trouble, s.Live = "it ended early", live{Trouble: "it ended early"}
	r := judges.Judge(t, s)
	assert.Equal(t, 65.0, r.Score, "verifier, counts, sample and cost")

	s = newSound()
	s.Race.Seen--
	r = judges.Judge(t, s)
	assert.Equal(t, 30.0, r.Score, "verifier and controller")
}
