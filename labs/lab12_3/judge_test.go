// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/judgetest"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_3/observe"
)

const testSeed job.Seed = 4711

// testScript and plantSeed are what testSeed is drawn to.
var (
	testScript = observe.NewScript(testSeed.Part(job.PartScenes))
	plantSeed  = testSeed.Part(job.PartLater)
)

// sound is what is observed of a right and cheap submission.
type sound struct {
	Seed    job.Seed
	Load    verifier.Report
	Counted observe.Counted
	Race    observe.Race
	Timed   observe.Timed
	Steered observe.Steered
	Live    observe.Live
	Layout  layout
}

// timings are those of programs whose calls all take the same.
func timings(empty, naive, reference, yours float64) job.Timings {
	all := func(x float64) job.Timing { return job.Timing{Runs: 2000, Typical: x, Mean: x} }
	return job.Timings{Empty: all(empty), Naive: all(naive), Reference: all(reference), Yours: all(yours)}
}

func (s *sound) cost(x float64) { s.Timed.Skip.Yours.Typical, s.Timed.Skip.Yours.Mean = x, x }

// Trial is the one at the nth of the rates; full is the one of a ring that nobody reads.
func (s *sound) trial(n int, periodic bool) *observe.Trial {
	for i, p := range testScript.Trials {
		part := observe.Rates[n].Part
		if p.Periodic == periodic && (p.Part == part || part != observe.Whole && p.Part != observe.Whole && p.Part >= part*4/5 && p.Part <= part*5/4) {
			return &s.Counted.Trials[i]
		}
	}
	panic("no such trial")
}

// eachTrial changes what became of all calls on one CPU.
func (s *sound) eachTrial(change func(*observe.Trial)) {
	for i := range s.Counted.Trials {
		change(&s.Counted.Trials[i])
	}
	change(&s.Counted.Full)
	change(&s.Timed.Trial)
}

// fair is what a plan comes to if each class has its part.
func fair(p observe.Plan) observe.Trial {
	t := observe.Trial{Seen: uint64(len(p.Classes)), Got: make([]uint64, observe.Classes), Steps: make([]uint64, observe.Classes)}
	for c, n := range p.Made() {
		t.Got[c] = n * uint64(p.Part) / observe.Whole
		t.Records += t.Got[c]
		t.Steps[c] = t.Got[c]
	}
	t.Sampled = t.Records
	return t
}

// good are rates that hold every plant: computed from what a plant is, where a controller only
// sees what comes of it.
func good(p *observe.Plant) []int64 {
	parts := make([]int64, observe.Intervals)
	for k := range parts {
		events, _ := p.Cost(k, observe.Whole)
		parts[k] = observe.Whole
		if events > 0 {
			none, all := p.Overhead(k, 0), p.Overhead(k, observe.Whole)
			parts[k] = min(max((observe.TargetPPM-none)*observe.Whole/(all-none), observe.MinPart), observe.Whole)
		}
	}
	return parts
}

func newSound() *sound {
	made := uint64(0)
	for _, round := range testScript.Races {
		made += uint64(round[0] + round[1])
	}
	s := &sound{
		Seed:  testSeed,
		Load:  verifier.Report{Program: observe.Program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Race:  observe.Race{Seen: made, Sampled: 7_200, Records: 7_200, Met: metRounds},
		Timed: observe.Timed{Skip: timings(500, 700, 550, 550), Trial: fair(testScript.Timed)},
		Live:  observe.Live{Skip: 25, Sample: 480},
	}
	for _, p := range testScript.Trials {
		s.Counted.Trials = append(s.Counted.Trials, fair(p))
	}
	s.Counted.Ring = 256 << 10
	s.Counted.Full = observe.Trial{Seen: uint64(observe.FullCalls(s.Counted.Ring)), Sampled: 10_900, Records: 10_900, Got: make([]uint64, observe.Classes)}
	s.Steered = observe.Steered{Plants: observe.Plants}
	for n := range observe.Plants {
		s.steer(n, good(observe.NewPlant(plantSeed, n)))
	}
	for k := range observe.Intervals {
		load := testScript.Loads[k/observe.StepIntervals]
		i := observe.Interval{Load: load, Length: 10_000_000, Made: uint64(load / 100), Events: uint64(load / 100)}
		i.Part = min(max(int64((0.02*float64(i.Length)/float64(i.Events)-s.Live.Skip)/s.Live.Sample*observe.Whole), observe.MinPart), observe.Whole)
		i.Sampled = i.Events * uint64(i.Part) / observe.Whole
		i.Records = i.Sampled
		i.Busy = int64(float64(i.Events)*s.Live.Skip + float64(i.Sampled)*s.Live.Sample)
		s.Live.Intervals = append(s.Live.Intervals, i)
	}
	return s
}

// steer sets the rates of the nth plant.
func (s *sound) steer(n int, parts []int64) {
	for k, part := range parts {
		at := 2 * (n*observe.Intervals + k)
		if at == len(s.Steered.Rates) {
			s.Steered.Rates = append(s.Steered.Rates, 0, 0)
		}
		binary.LittleEndian.PutUint16(s.Steered.Rates[at:], uint16(part-1))
	}
}

// spoil has n plants run at the least rate throughout.
func (s *sound) spoil(n int) {
	for i := range n {
		s.steer(i, slices.Repeat([]int64{observe.MinPart}, observe.Intervals))
	}
}

// late has the first n intervals that are judged of a step cost twice as much.
func (s *sound) late(step, n int) {
	for k := range n {
		s.Live.Intervals[step*observe.StepIntervals+observe.Settled+k].Busy *= 2
	}
}

var judges = judgetest.Judges[sound]{Tasks: Lab.Tasks, Sound: newSound, Named: func(s *sound) map[string]any {
	return map[string]any{
		"seed": s.Seed, "load": s.Load, "counted": s.Counted, "race": s.Race, "timed": s.Timed, "steered": s.Steered, "live": s.Live, "layout": s.Layout,
	}
}}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

type row = judgetest.Row[sound]

// Each row changes one thing in what is observed of a sound submission.
func TestJudges(t *testing.T) {
	const pass, partial, fail = judge.Pass, judge.Partial, judge.Fail
	const trouble = "it did not answer within 200ms"
	lowest := newSound().Live.Intervals[0].Made
	unloaded := row{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"}
	judges.Rows(t, map[string][]row{
		"verifier": {
			{"within the budget", func(s *sound) { s.Load.Stats.Processed = processedBudget }, pass, 1, ""},
			{"rejected", func(s *sound) { s.Load = verifier.Report{Message: "Unreleased reference id=2"} }, fail, 0, "rejected: Unreleased reference id=2"},
		},
		"counts": {
			{"right", func(*sound) {}, pass, 1, ""},
			{"one not seen", func(s *sound) { s.trial(0, true).Seen-- }, fail, 0, "at a rate of 1%: "},
			{"counted down", func(s *sound) { s.Counted.Full.Seen = -s.Counted.Full.Seen }, fail, 0, "11922 calls were made and -11922 counted as seen"},
			{"one seen twice", func(s *sound) { s.trial(6, false).Seen++ }, fail, 0, "at a rate of 100%: "},
			{"one sampled that is not there", func(s *sound) { s.trial(4, true).Sampled++ }, fail, 0, "events counted as sampled, and "},
			{"one there that is not counted", func(s *sound) { s.trial(4, false).Records++ }, fail, 0, "events counted as sampled, and "},
			{"strange", func(s *sound) { s.trial(4, true).Strange = 3 }, fail, 0, "events in the ring are not of a call that was made"},
			{"too slow to meet", func(s *sound) { s.Race.Met = metRounds - 1; s.cost(2501) }, fail, 0, "at 2001 instructions over an empty program it is too slow for the race to be conclusive"},
			{"one not seen when full", func(s *sound) { s.Counted.Full.Seen-- }, fail, 0, "with a ring that nobody reads: 11922 calls were made and 11921"},
			{"all sampled when full", func(s *sound) { s.Counted.Full.Sampled = 11_922 }, fail, 0, "with a ring that nobody reads: 11922 events counted as sampled, and 10900 in the ring"},
			{"not seen when timed", func(s *sound) { s.Timed.Trial.Seen = 5 }, fail, 0, "when calls are timed, at a rate of 1%: 4096 calls were made and 5 counted as seen"},
			{"made up when timed", func(s *sound) { s.Timed.Trial.Strange = 1 }, fail, 0, "when calls are timed, at a rate of 1%: 1 of "},
			{"swapped", func(s *sound) { s.eachTrial(func(t *observe.Trial) { t.Seen, t.Sampled = t.Sampled, t.Seen }) }, fail, 0, "seen and sampled are swapped: each field of `struct count` holds what belongs in the other"},
			{"swapped in one scene alone", func(s *sound) { s.Counted.Full.Seen, s.Counted.Full.Sampled = 10_900, 11_922 }, fail, 0, "with a ring that nobody reads: 11922 calls were made and 10900 counted as seen"},
			{"seen where sampled belongs", func(s *sound) {
				s.eachTrial(func(t *observe.Trial) { t.Seen, t.Sampled = 0, t.Seen })
				s.Layout = layout{Seen: &part{8, 8}, Sampled: &part{16, 8}}
			}, fail, 0, "`struct count` has seen in bytes 8 to 15 and sampled in bytes 16 to 23"},
			{"a sample too long", func(s *sound) { s.trial(4, true).Strange = 3; s.Layout.Sample.Sizes = []int64{24} }, fail, 0, "a sample has 24 bytes, and the grader reads 16"},
			{"a sample too long, but not to blame", func(s *sound) { s.trial(4, true).Seen++; s.Layout.Sample.Sizes = []int64{24} }, fail, 0, "at a rate of "},
			{"another layout that does no harm", func(s *sound) {
				s.Layout = layout{Seen: &part{8, 8}, Sampled: &part{16, 8}, Sample: sent{NoClock: true}}
			}, pass, 1, ""},
			{"another's", func(s *sound) { s.Counted.Foreign = 64 }, fail, 0, "64 calls of another process or of another number"},
			{"lost by two CPUs", func(s *sound) { s.Race.Seen -= 9 }, fail, 0, "were counted as seen: each needs an entry of its own"},
			{"lost, though they met too seldom", func(s *sound) { s.Race.Seen -= 9; s.Race.Met = 0 }, fail, 0, "were counted as seen"},
			{"sampled lost by two CPUs", func(s *sound) { s.Race.Sampled-- }, fail, 0, "7199 events counted as sampled, and 7200 in the ring"},
			unloaded,
		},
		"sample": {
			{"fair", func(*sound) {}, pass, 1, ""},
			{"one class not at all", func(s *sound) {
				one := s.trial(2, true)
				one.Got[7] += one.Got[3]
				one.Got[3] = 0
			}, fail, 0, "20 classes in turn: class 3 has 0 of "},
			{"one class alone", func(s *sound) {
				one := s.trial(0, false)
				one.Got = make([]uint64, observe.Classes)
				one.Got[19] = one.Records
			}, fail, 0, "at a rate of 1%, classes at random: class 19 has"},
			{"too many", func(s *sound) { s.trial(1, true).Records *= 2 }, fail, 0, "%, 20 classes in turn: "},
			{"too few", func(s *sound) { s.trial(1, true).Records /= 2 }, fail, 0, " calls were sampled, "},
			{"a few more", func(s *sound) { s.trial(1, true).Records += 60 }, pass, 1, ""},
			{"none", func(s *sound) { one := s.trial(6, true); one.Records, one.Got = 0, make([]uint64, observe.Classes) }, fail, 0, "at a rate of 100%, 20 classes in turn: 0 of "},
			{"not all at the highest rate", func(s *sound) { s.trial(6, false).Records = 900 }, fail, 0, "900 of "},
			{"the same step again and again", func(s *sound) {
				one := s.trial(0, true)
				one.Steps = make([]uint64, observe.Classes)
				one.Steps[19] = one.Records - 1
			}, fail, 0, "samples are followed by one of the class 19 further on: the sampler keeps step"},
			{"one step in three cases of ten", func(s *sound) { one := s.trial(0, true); one.Steps[3] = one.Records * 3 / 10 }, pass, 1, ""},
			{"none when timed", func(s *sound) { s.Timed.Trial.Records, s.Timed.Trial.Got = 0, make([]uint64, observe.Classes) }, fail, 0, "at a rate of 1%, classes at random, timed: 0 of 4096 calls were sampled"},
			{"all when timed", func(s *sound) { s.Timed.Trial.Records = observe.TimedCalls }, fail, 0, "at a rate of 1%, classes at random, timed: 4096 of 4096 calls were sampled"},
			unloaded,
		},
		"cost": {
			{"the reference", func(*sound) {}, pass, 1, "50 instructions over the empty program"},
			{"half way", func(s *sound) { s.cost(625) }, partial, 0.5, ""},
			{"the starter", func(s *sound) { s.cost(700) }, fail, 0, "200 instructions"},
			unloaded,
		},
		"controller": {
			{"all held", func(*sound) {}, pass, 1, ""},
			{"one not", func(s *sound) { s.spoil(1) }, partial, 1 - 1/(observe.Plants*2./3), "199 of 200 simulated samplers were held at 2% ± 0.5; in plant 0, at 8080 events a second, the rate stays at 1%, as at every other load; the overhead is 0."},
			{"two thirds", func(s *sound) { s.spoil(observe.Plants / 3) }, partial, 1 - math.Floor(observe.Plants/3)/(observe.Plants*2./3), "134 of 200"},
			{"a third", func(s *sound) { s.spoil(observe.Plants * 2 / 3) }, partial, 1 - math.Floor(observe.Plants*2./3)/(observe.Plants*2./3), "67 of 200"},
			{"less", func(s *sound) { s.spoil(observe.Plants*2/3 + 1) }, fail, 0, "66 of 200"},
			{"none", func(s *sound) { s.spoil(observe.Plants) }, fail, 0, "0 of 200"},
			{"no longer there", func(s *sound) { s.Steered.Trouble, s.Steered.Said = trouble, "alas" }, fail, 0, "the controller: " + trouble},
			{"its words", func(s *sound) { s.Steered.Trouble, s.Steered.Said = trouble, "alas" }, fail, 0, "alas"},
			{"no longer there, and its rates end", func(s *sound) { s.Steered.Trouble, s.Steered.Rates = trouble, nil }, fail, 0, trouble},
			unloaded,
		},
		"live": {
			{"held", func(*sound) {}, pass, 1, " k/s and a rate of 100%, 2.00% at "},
			{"the least that can be", func(s *sound) {
				for k := range observe.StepIntervals {
					s.Live.Intervals[2*observe.StepIntervals+k].Busy *= 2
				}
				s.Live.Skip *= 2
			}, pass, 1, "the least that can be ("},
			{"a call not counted", func(s *sound) { s.Live.Intervals[7].Events-- }, fail, 0, fmt.Sprintf("live, interval 7: %d calls were made and %d counted as seen", lowest, lowest-1)},
			{"a call missed by the kernel", func(s *sound) { s.Live.Intervals[7].Events--; s.Live.Intervals[7].Missed++ }, pass, 1, ""},
			{"a sample that is not there", func(s *sound) { s.Live.Intervals[7].Sampled++ }, fail, 0, "live, interval 7: "},
			{"a rate that is not followed", func(s *sound) {
				for k := range s.Live.Intervals {
					i := &s.Live.Intervals[k]
					i.Sampled, i.Records = i.Sampled/2, i.Records/2
				}
			}, fail, 0, "at the rates that were set it should have been some"},
			{"one off", func(s *sound) { s.late(1, 1) }, partial, 1 - 1/15., "1 of 60 intervals off 2% ± 0.5: overhead"},
			{"a quarter off", func(s *sound) { s.late(1, 20) }, fail, 0, "15 of 60 intervals off"},
			{"off before it must be right", func(s *sound) {
				for k := range observe.Settled {
					s.Live.Intervals[observe.StepIntervals+k].Busy *= 4
				}
			}, pass, 1, ""},
			{"no longer there", func(s *sound) { s.Live = observe.Live{Trouble: trouble, Said: "alas"} }, fail, 0, "the controller: " + trouble},
			unloaded,
		},
		"low_load": {
			{"all", func(*sound) {}, pass, 1, ""},
			{"four fifths", func(s *sound) {
				for k := range s.Live.Intervals[:observe.StepIntervals] {
					s.Live.Intervals[k].Records = (lowest*4 + 4) / 5
				}
			}, pass, 1, ""},
			{"a fifth", func(s *sound) {
				for k := range s.Live.Intervals[:observe.StepIntervals] {
					s.Live.Intervals[k].Records = lowest / 5
				}
			}, partial, float64(lowest/5) / float64(lowest) / lowLoad, "events were sampled, at a load that would allow all"},
			{"no longer there", func(s *sound) { s.Live = observe.Live{Trouble: trouble} }, fail, 0, "the controller: " + trouble},
			unloaded,
		},
	})
}

// What a controller does wrong, its hint goes by.
func TestHintsFitWhatWasFound(t *testing.T) {
	type change = func(*sound)
	// plants lets each plant be steered by other rates than the good ones.
	plants := func(other func(n, k int, good int64) int64) change {
		return func(s *sound) {
			for n := range observe.Plants {
				parts := good(observe.NewPlant(plantSeed, n))
				for k := range parts {
					parts[k] = min(max(other(n, k, parts[k]), observe.MinPart), observe.Whole)
				}
				s.steer(n, parts)
			}
		}
	}
	settled := func(k int) int { return k%observe.StepIntervals - observe.Settled }
	// low has all of the intervals at the lowest load, from the first one that is judged on, sample a part of the events.
	low := func(s *sound, from, to int, part int64, overhead int64) {
		for k := from; k < to; k++ {
			i := &s.Live.Intervals[k]
			i.Part, i.Sampled, i.Busy = part, i.Events*uint64(part)/observe.Whole, i.Length*overhead/observe.PPM
			i.Records = i.Sampled
		}
	}
	const whole = observe.Whole
	judges.Hinted(t, map[string]map[string][]change{
		"counts": {
			"LOST":  {func(s *sound) { s.Race.Seen -= 9 }},
			"WRONG": {func(s *sound) { s.Counted.Full.Seen-- }},
		},
		"sample": {"BIASED": {func(s *sound) { one := s.trial(1, true); one.Records, one.Sampled = 2*one.Records, 2*one.Sampled }}},
		"controller": {
			"ENDED": {func(s *sound) { s.Steered.Trouble = "it ended early" }},
			"constant": {
				func(s *sound) { s.spoil(observe.Plants) },
				func(s *sound) { s.spoil(3) },
				plants(func(n, _ int, _ int64) int64 { return int64(n+1) * 300 }),
			},
			"swings": {plants(func(_, k int, good int64) int64 {
				if good == whole || good == observe.MinPart { // where the limit is right, it stays there
					return good
				}
				return []int64{good / 4, good * 4}[k%2]
			})},
			"late": {plants(func(_, k int, good int64) int64 {
				if settled(k) < 4 {
					return good / 2
				}
				return good
			})},
			"stands": {plants(func(_, k int, good int64) int64 {
				if k/observe.StepIntervals == 1 {
					return whole
				}
				return good
			})},
			"wrong way": {plants(func(_, k int, good int64) int64 {
				switch {
				case k >= observe.StepIntervals:
					return good
				case good > whole/2:
					return whole/2 - int64(k)*1000
				}
				return whole/2 + int64(k)*1000
			})},
			"low": {
				plants(func(_, _ int, good int64) int64 { return good / 2 }),
				plants(func(_, _ int, good int64) int64 { return min(good, whole/2) }),
			},
			"high": {plants(func(_, _ int, good int64) int64 { return good * 2 })},
			"": {
				plants(func(n, _ int, good int64) int64 { return []int64{good / 2, good * 2}[n%2] }), // another thing in each plant
			},
		},
		"live": {
			"WRONG":        {func(s *sound) { s.Live.Intervals[7].Sampled++ }, func(s *sound) { s.Live.Intervals[7].Events-- }},
			"high":         {func(s *sound) { s.late(1, 3) }},
			"low":          {func(s *sound) { low(s, observe.Settled, observe.Settled+3, whole/2, 5_000) }},
			judge.Followed: {func(s *sound) { s.spoil(3) }},
			"":             {func(s *sound) { s.late(1, 3); low(s, observe.Settled, observe.Settled+3, whole/2, 5_000) }},
		},
		"low_load": {
			"late":         {func(s *sound) { low(s, observe.Settled, observe.Settled+8, whole/3, 5_000) }},
			"expensive":    {func(s *sound) { low(s, 0, observe.StepIntervals, whole/2, 20_000) }},
			judge.Followed: {func(s *sound) { s.spoil(3) }, func(s *sound) { s.late(1, 1) }},
		},
	})
}

// What is wrong with a controller is said in figures of a plant that it does not hold.
func TestControllerIsDescribed(t *testing.T) {
	const target = 0.02
	// scaled lets the rate follow what the overhead is off by.
	scaled := func(change func(rate, off float64) float64) func() func(rate, overhead float64) float64 {
		return func() func(rate, overhead float64) float64 {
			return func(rate, overhead float64) float64 { return change(rate, target/overhead) }
		}
	}
	for name, c := range map[string]struct {
		finding, text string
		controller    func() func(rate, overhead float64) float64
	}{
		"bang bang": {"swings", `in plant \d+, at \d+ events a second, the rate swings: 100%, 1%, 100%; so does the overhead: [\d.]+%, 0\.\d+%, [\d.]+%$`, scaled(func(_, off float64) float64 {
			if off < 1 {
				return 0.01
			}
			return 1
		})},
		"overreacts":     {"swings", "the rate swings: ", scaled(func(rate, off float64) float64 { return rate * math.Pow(off, 2.1) })},
		"slow":           {"late", `the overhead is (still )?too (low|high), .*(the rate is still on its way, at|right later on)`, scaled(func(rate, off float64) float64 { return rate + (rate*off-rate)/20 })},
		"the wrong way":  {"wrong way", `the rate moves the wrong way: since the step it went from 50% to (100|1)%, and the overhead is too`, scaled(func(rate, off float64) float64 { return rate / off })},
		"half the most":  {"low", `the overhead stays too low: 10 intervals after the step, at a rate of 50%, it is \d\.\d\d%$`, scaled(func(rate, off float64) float64 { return min(rate*off, 0.5) })},
		"aims too high":  {"high", `the overhead stays too high: 10 intervals after the step, at a rate of [\d.]+%, it is [34]\.\d\d%$`, scaled(func(rate, off float64) float64 { return rate * off * 2 })},
		"never the same": {"constant", `the rate stays at 25%, as at every other load; the overhead is`, scaled(func(float64, float64) float64 { return 0.25 })},
		"winds up": {"stands", `the rate stands at its limit, 1(00)?%, for 10 intervals after the step, though the overhead is too (high|low), [\d.]+%$`, func() func(float64, float64) float64 {
			sum := math.Log(0.5)
			return func(_, overhead float64) float64 {
				sum += min(max(math.Log(target/overhead), -0.5), 0.5)
				return math.Exp(sum)
			}
		}},
	} {
		s := newSound()
		for n := range observe.Plants {
			p, answer := observe.NewPlant(plantSeed, n), c.controller()
			parts, rate := make([]int64, observe.Intervals), 0.5
			for k := range parts {
				parts[k] = min(max(int64(rate*observe.Whole+0.5), observe.MinPart), observe.Whole)
				if i := p.Next(parts[k]); i.Busy > 0 {
					rate = min(max(answer(rate, float64(i.Busy)/float64(i.Length)), 0.01), 1)
				}
			}
			s.steer(n, parts)
		}
		v, err := judgeController(judges.Observations(t, s))
		require.NoError(t, err, name)
		assert.Equal(t, c.finding, v.Finding, "%s: %s", name, v.Message)
		assert.Regexp(t, c.text, v.Message, name)
	}
}

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":   {"load"},
		"counts":     {"load", "seed", "counted", "race", "timed"},
		"sample":     {"load", "seed", "counted", "timed"},
		"cost":       {"load", "timed"},
		"controller": {"load", "seed", "steered"},
		"live":       {"load", "seed", "live"},
		"low_load":   {"load", "seed", "live"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"no trials":                             {"counts", func(s *sound) { s.Counted.Trials = nil }},
		"no full ring":                          {"counts", func(s *sound) { s.Counted.Full = observe.Trial{} }},
		"CPUs that met too seldom to tell":      {"counts", func(s *sound) { s.Race.Met = metRounds - 1 }},
		"a trial is missing":                    {"sample", func(s *sound) { s.Counted.Trials = s.Counted.Trials[1:] }},
		"more of one class than in all":         {"sample", func(s *sound) { s.Counted.Trials[3].Got[5] = 1 << 30 }},
		"a ring of no size":                     {"counts", func(s *sound) { s.Counted.Ring = 0 }},
		"a ring of any size":                    {"counts", func(s *sound) { s.Counted.Ring = 1 << 40 }},
		"more rounds than there are":            {"counts", func(s *sound) { s.Race.Met = observe.RaceRounds + 1 }},
		"a billion billion missed calls":        {"counts", func(s *sound) { s.Race.Missed = 1e18 }},
		"another load":                          {"live", func(s *sound) { s.Live.Intervals[30].Load++ }},
		"an interval of no length":              {"live", func(s *sound) { s.Live.Intervals[30].Length = 0 }},
		"a rate that cannot be":                 {"live", func(s *sound) { s.Live.Intervals[30].Part = observe.Whole + 1 }},
		"time that runs backwards":              {"live", func(s *sound) { s.Live.Intervals[30].Busy = -1 }},
		"a class is missing":                    {"sample", func(s *sound) { s.Counted.Trials[3].Got = s.Counted.Trials[3].Got[1:] }},
		"no steps":                              {"sample", func(s *sound) { s.Counted.Trials[3].Steps = nil }},
		"a call for nothing":                    {"cost", func(s *sound) { s.Timed.Skip.Yours.Typical = 0 }},
		"the starter as cheap as the reference": {"cost", func(s *sound) { s.Timed.Skip.Naive = s.Timed.Skip.Reference }},
		"a plant is missing":                    {"controller", func(s *sound) { s.Steered.Plants-- }},
		"a rate is missing":                     {"controller", func(s *sound) { s.Steered.Rates = s.Steered.Rates[2:] }},
		"no plants":                             {"controller", func(s *sound) { s.Steered = observe.Steered{} }},
		"an interval is missing":                {"live", func(s *sound) { s.Live.Intervals = s.Live.Intervals[1:] }},
		"no intervals":                          {"low_load", func(s *sound) { s.Live.Intervals = nil }},
		"nothing happened": {"low_load", func(s *sound) {
			for k := range s.Live.Intervals {
				s.Live.Intervals[k].Made, s.Live.Intervals[k].Events = 0, 0
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
	s.Steered.Trouble, s.Live = "it ended early", observe.Live{Trouble: "it ended early"}
	r := judges.Judge(t, s)
	assert.Equal(t, 65.0, r.Score, "verifier, counts, sample and cost")

	s = newSound()
	s.Race.Seen--
	r = judges.Judge(t, s)
	assert.Equal(t, 30.0, r.Score, "verifier and controller")
}

// One plant in 200 costs a few tenths, not the tasks behind it; with half of the plants lost, and with a controller
// that does nothing, these earn nothing.
func TestLaterTasksFollowTheController(t *testing.T) {
	points := func(change func(*sound)) (all [3]float64, score float64) {
		s := newSound()
		change(s)
		r := judges.Judge(t, s)
		require.True(t, r.Complete)
		for i, task := range r.Kernels[0].Tasks[4:] {
			all[i] = task.Points
		}
		return all, r.Score
	}
	last := 101.0
	for _, tt := range []struct {
		lost   int
		points [3]float64 // tasks 5 to 7
	}{
		{0, [3]float64{20, 10, 5}},
		{1, [3]float64{19.9, 9.9, 5}}, // 4.95
		{2, [3]float64{19.7, 9.8, 4.9}},
		{32, [3]float64{15.2, 6.8, 3.4}},
		{50, [3]float64{12.5, 5, 2.5}},
		{99, [3]float64{5.2, 0.1, 0.1}}, // 0.05
		{100, [3]float64{5, 0, 0}},
		{133, [3]float64{0.1, 0, 0}},
		{200, [3]float64{0, 0, 0}},
	} {
		got, score := points(func(s *sound) { s.spoil(tt.lost) })
		assert.Equal(t, tt.points, got, "%d plants lost", tt.lost)
		assert.Less(t, score, last, "%d plants lost: another one costs points", tt.lost)
		last = score
	}
	got, _ := points(func(s *sound) { s.late(1, 1) })
	assert.Equal(t, [3]float64{20, 9.3, 4.7}, got, "an interval that is off live costs its part of task 7")
	got, _ = points(func(s *sound) { s.late(1, 20) })
	assert.Equal(t, [3]float64{20, 0, 0}, got, "live, a quarter of the intervals is off")
	got, _ = points(func(s *sound) { s.Live.Intervals[7].Sampled++ })
	assert.Equal(t, [3]float64{20, 0, 0}, got, "live, the sampler miscounts")

	// The highest rate throughout, which is right at the low load and nowhere else.
	got, _ = points(func(s *sound) {
		for n := range observe.Plants {
			s.steer(n, slices.Repeat([]int64{observe.Whole}, observe.Intervals))
		}
	})
	assert.Equal(t, [3]float64{0, 0, 0}, got, "a controller that does nothing")
}

// What an exact binomial distribution has, by another way of computing it.
func TestDeviations(t *testing.T) {
	for _, c := range []struct {
		n, all int
		p      float64
		want   float64
	}{
		{0, 0, 0.5, 0}, {5, 10, 0.5, 0}, {0, 7, 0, 0}, {7, 7, 1, 0},
		{1, 7, 0, impossible}, {6, 7, 1, impossible}, {4000, 4000, 0.0625, impossible}, {8, 7, 0.5, impossible},
		{10, 46, 0.05, 3.7893}, // 5.2 of its own standard deviations
		{3, 3, 0.5, 1.1503},    // one in eight
		{0, 3, 0.5, 1.1503},
		{1100, 20000, 0.05, 3.1843}, {900, 20000, 0.05, 3.2763},
	} {
		assert.InDelta(t, c.want, deviations(c.n, c.all, c.p), 1e-4, "%d of %d at %v", c.n, c.all, c.p)
	}
}
