// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/consumer"
	"bpflab/harness/judge"
	"bpflab/harness/judgetest"
	"bpflab/harness/verifier"
)

const (
	testSeed = 4711
	testPID  = 99
)

func TestScript(t *testing.T) {
	for seed := range uint64(50) {
		s := newScript(seed)
		assert.Equal(t, s, newScript(seed), "the same seed, the same calls")
		assert.Contains(t, []uint64{sysGetpgid, sysGetsid}, s.Number)
		require.Len(t, s.Threads, threads)
		wanted, at, below, sign, low, other := 0, 0, 0, 0, 0, 0
		for i, list := range s.Threads {
			require.Len(t, list, callsEach)
			assert.LessOrEqual(t, len(name(i, callsEach-1)), 15, "what a thread's name has room for")
			for _, c := range list {
				is := c.Number == s.Number && c.First >= s.Threshold
				assert.Equal(t, is, s.interesting(c))
				count := func(n *int, is bool) {
					if is {
						*n++
					}
				}
				count(&wanted, is)
				count(&at, is && c.First == s.Threshold)
				count(&below, c.Number == s.Number && c.First == s.Threshold-1)
				count(&sign, is && c.First>>63 == 1)
				count(&low, c.Number == s.Number && c.First < s.Threshold && uint32(c.First) >= uint32(s.Threshold))
				count(&other, c.Number != s.Number && c.First >= s.Threshold)
			}
		}
		for _, n := range []int{at, below, sign, low, other} {
			assert.Positive(t, n, "seed %d: at the threshold, just below, with the highest bit, by the low half, of another number", seed)
		}
		assert.Greater(t, wanted, 50)
		assert.Greater(t, threads*callsEach-wanted, 50)
	}
}

// sound is what is observed of a right and fast submission.
type sound struct {
	Load  verifier.Report
	Seen  seen
	Lone  lone
	Flow  flow
	Stall stall
	Burst burst
	Emit  judge.Cost
	Other judge.Cost
}

// report encodes an event with encoding/binary, where consumers and Decode do it by hand.
func report(e consumer.Event) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, e); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func newSound() *sound {
	s := &sound{
		Load:  verifier.Report{Program: program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Seen:  seen{Seed: testSeed, PID: testPID},
		Lone:  lone{Late: []int64{500_000, 400_000, 450_000, 1_000_000, 500_000}, Idle: 500_000_000, IdleCPU: 5_000_000},
		Flow:  flow{amount: amount{Calls: 40_000, Sent: 40_000, Got: 40_000}, Elapsed: 40_000_000, CPU: 2_000_000, Wakes: 400},
		Stall: stall{Ring: 1 << 19, Full: amount{Calls: 15_000, Sent: 13_000, Got: 13_000, Dropped: 2_000}, After: amount{Calls: 448, Sent: 448, Got: 448}},
		Burst: burst{Sent: amount{Calls: 1152, Sent: 1152, Got: 1152}, Rounds: 12, Calls: 144_000, Dropped: 144_000, Met: metRounds, Overflow: true},
		Emit:  judge.Cost{Empty: 500, Naive: 1500, Reference: 1000, Yours: 1000},
		Other: judge.Cost{Empty: 500, Naive: 900, Reference: 520, Yours: 520},
	}
	t := newScript(testSeed)
	now := int64(1_000_000)
	for i, list := range t.Threads {
		var made [][2]int64
		for n, c := range list {
			made = append(made, [2]int64{now, now + 1000})
			if t.interesting(c) {
				e := consumer.Event{PID: testPID, UID: user(i), Time: uint64(now + 500)}
				copy(e.Comm[:], name(i, n))
				s.Seen.Got = append(s.Seen.Got, report(e)...)
			}
			now += 2000
		}
		s.Seen.Made = append(s.Seen.Made, made)
	}
	return s
}

// event changes the nth report.
func (s *sound) event(n int, change func(*consumer.Event)) {
	at := s.Seen.Got[n*consumer.Size:][:consumer.Size]
	e := consumer.Decode(at)
	change(e)
	copy(at, report(*e))
}

var judges = judgetest.Judges[sound]{Tasks: Lab.Tasks, Sound: newSound, Named: func(s *sound) map[string]any {
	return map[string]any{
		"load": s.Load, "seen": s.Seen, "lone": s.Lone, "flow": s.Flow, "stall": s.Stall, "burst": s.Burst, "emit": s.Emit, "other": s.Other,
	}
}}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

type row = judgetest.Row[sound]

// Each row changes one thing in what is observed of a sound submission.
func TestJudges(t *testing.T) {
	const pass, partial, fail = judge.Pass, judge.Partial, judge.Fail
	const size = consumer.Size
	gone := reader{Trouble: "it ended early: exit status 3", Said: "alas\nno more"}
	unloaded := row{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"}
	judges.Rows(t, map[string][]row{
		"verifier": {
			{"within the budget", func(s *sound) { s.Load.Stats.Processed = processedBudget }, pass, 1, ""},
			{"just over it", func(s *sound) { s.Load.Stats.Processed = processedBudget + 1 }, partial, 1 - 1./(9*processedBudget), "the budget is 1000"},
			{"rejected", func(s *sound) { s.Load = verifier.Report{Message: "Unreleased reference id=2"} }, fail, 0, "rejected: Unreleased reference id=2"},
		},
		"events": {
			{"right", func(*sound) {}, pass, 1, ""},
			{"made up", func(s *sound) { s.event(3, func(e *consumer.Event) { copy(e.Comm[:], "another") }) }, fail, 0, "no call was made under that name"},
			{"what was there before, behind the name", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Comm[15] = 'x' }) }, pass, 1, ""},
			{"another pid", func(s *sound) { s.event(0, func(e *consumer.Event) { e.PID++ }) }, fail, 0, "pid is 100 and should be 99"},
			{"another uid", func(s *sound) { s.event(0, func(e *consumer.Event) { e.UID = 0 }) }, fail, 0, "uid is 0 and should be 1001"},
			{"too early", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time -= 501 }) }, fail, 0, "the call was made between"},
			{"at the first moment", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time -= 500 }) }, pass, 1, ""},
			{"at the last moment", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time += 500 }) }, pass, 1, ""},
			{"too late", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time += 501 }) }, fail, 0, "the call was made between"},
			{"a time with a sign", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time = math.MaxUint64 }) }, fail, 0, "ts is"},
			{"twice", func(s *sound) { s.Seen.Got = append(s.Seen.Got, s.Seen.Got[len(s.Seen.Got)-size:]...) }, fail, 0, "thread2-0119: reported 2 times"},
			{"the wrong way round", func(s *sound) {
				s.Seen.Got = slices.Concat(s.Seen.Got[size:2*size], s.Seen.Got[:size], s.Seen.Got[2*size:])
			}, fail, 0, "reported after a later event of the same thread"},
			{"threads interleaved", func(s *sound) {
				s.Seen.Got = slices.Concat(s.Seen.Got[len(s.Seen.Got)/2/size*size:], s.Seen.Got[:len(s.Seen.Got)/2/size*size])
			}, fail, 0, "of the same thread"},
			{"the first missing", func(s *sound) { s.Seen.Got = s.Seen.Got[size:] }, fail, 0, "1 events were not reported, the first of them thread0-"},
			{"the last missing", func(s *sound) { s.Seen.Got = s.Seen.Got[:len(s.Seen.Got)-size] }, fail, 0, "1 events were not reported, the first of them thread2-"},
			{"none", func(s *sound) { s.Seen.Got = nil }, fail, 0, "events were not reported"},
			{"a piece too much", func(s *sound) { s.Seen.Got = append(s.Seen.Got, 1, 2, 3) }, fail, 0, "the last report is not whole: 3 bytes"},
			{"another process's", func(s *sound) { s.Seen.Foreign = 40 }, fail, 0, "calls of another process were sent or dropped"},
			{"gone", func(s *sound) { s.Seen.reader = gone }, fail, 0, "the consumer: it ended early: exit status 3"},
			{"gone, and its words", func(s *sound) { s.Seen.reader = gone }, fail, 0, "alas"},
			unloaded,
		},
		"drops": {
			{"all there", func(*sound) {}, pass, 1, ""},
			{"one lost when full", func(s *sound) { s.Stall.Full.Dropped-- }, fail, 0, "a reader that stood still and went on: 15000 events, 13000 reported and 1999 dropped: 1 are unaccounted for"},
			{"one missed by the kernel", func(s *sound) { s.Stall.Full.Sent--; s.Stall.Full.Got--; s.Stall.Full.Missed = 5 }, pass, 1, ""},
			{"one lost by the reader, though the kernel missed calls", func(s *sound) { s.Stall.Full.Got--; s.Stall.Full.Missed = 5 }, fail, 0, "12999 reported and 2000 dropped: 1 are unaccounted for"},
			{"too slow to meet", func(s *sound) { s.Burst.Met = metRounds - 1; s.Emit.Yours = 10_501 }, fail, 0, "at 10001 instructions more than an empty program two CPUs hardly ever meet"},
			{"one too many when full", func(s *sound) { s.Stall.Full.Dropped++ }, fail, 0, "13000 reported and 2001 dropped: 1 more than there were"},
			{"one lost after", func(s *sound) { s.Stall.After.Got-- }, fail, 0, "after a reader had stood still: 448 events"},
			{"dropped after", func(s *sound) { s.Stall.After.Got--; s.Stall.After.Dropped++ }, fail, 0, "still 1 of 448 events were dropped"},
			{"wrong after", func(s *sound) { s.Stall.After.Strange = 2 }, fail, 0, "2 of 448 reported events are wrong or out of order"},
			{"all out of a full ring", func(s *sound) { s.Stall.Full = amount{Calls: 15_000, Sent: 15_000, Got: 15_000} }, fail, 0, "that cannot be"},
			{"lost by two CPUs", func(s *sound) { s.Burst.Sent.Got-- }, fail, 0, "two CPUs at once, with room in the ring: 1152 events"},
			{"wrong on two CPUs", func(s *sound) { s.Burst.Sent.Strange = 1 }, fail, 0, "1 of 1152 reported events are wrong"},
			{"dropped with room", func(s *sound) { s.Burst.Sent.Got--; s.Burst.Sent.Dropped++ }, fail, 0, "with room in the ring"},
			{"never full", func(s *sound) { s.Burst.Overflow = false }, fail, 0, "dropped stood still when the ring was full"},
			{"miscounted", func(s *sound) { s.Burst.Dropped -= 5 }, fail, 0, "dropped 144000 events and counted 143995"},
			{"miscounted, though they met too seldom", func(s *sound) { s.Burst.Dropped -= 5; s.Burst.Met = 1 }, fail, 0, "counted 143995"},
			{"gone", func(s *sound) { s.Stall.reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
		"cost": {
			{"the reference", func(*sound) {}, pass, 1, "500 instructions over the empty program"},
			{"at the end of the slack", func(s *sound) { s.Emit.Yours = 1025 }, pass, 1, ""},
			{"half way", func(s *sound) { s.Emit.Yours = (1025 + 1500) / 2. }, partial, 0.5, ""},
			{"the starter", func(s *sound) { s.Emit.Yours = 1500 }, fail, 0, "1000 instructions"},
			unloaded,
		},
		"overhead": {
			{"the reference", func(*sound) {}, pass, 1, "4.0% of a call of 500"},
			{"the starter", func(s *sound) { s.Other.Yours = 900 }, fail, 0, "80.0% of a call of 500"},
			unloaded,
		},
		"wakeups": {
			{"at the target", func(*sound) {}, pass, 1, "400 wake-ups for 40000 events; a lone event took 1.00 ms at most"},
			{"ten events a wake-up", func(s *sound) { s.Flow.Wakes = 4000 }, partial, 0.5, "4000 wake-ups"},
			{"no room", func(s *sound) { s.Flow.Dropped = 7 }, fail, 0, "7 of 40000 events found no room in the ring"},
			{"each event", func(s *sound) { s.Flow.Wakes = 40_000 }, fail, 0, "40000 wake-ups"},
			{"no wake-up at all", func(s *sound) { s.Flow.Wakes = 0 }, pass, 1, "0 wake-ups"},
			{"late", func(s *sound) { s.Lone.Late[2] = 1_000_001 }, fail, 0, "1 ms is the limit"},
			{"never", func(s *sound) { s.Lone.Late[4] = -1 }, fail, 0, "was not reported within 50 ms"},
			{"awake", func(s *sound) { s.Lone.IdleCPU = 5_100_000 }, fail, 0, "took 1.0% of a CPU: it should sleep"},
			{"gone", func(s *sound) { s.Flow.reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
		"throughput": {
			{"at the target", func(s *sound) { s.Flow.Elapsed = 80_000_000 }, pass, 1, "50% of what calls and reference alone allow: an event took 2000 instructions, of which the reader took 50"},
			{"half way", func(s *sound) {
				s.Flow.amount, s.Flow.Elapsed = amount{Calls: 35_000, Sent: 35_000, Got: 35_000}, 100_000_000
			}, partial, 0.5, "35%"},
			{"at the bottom", func(s *sound) { s.Flow.Elapsed = 200_000_000 }, fail, 0, "20%"},
			{"one missing", func(s *sound) { s.Flow.Got-- }, fail, 0, "39999 were reported and 0 dropped"},
			{"one dropped", func(s *sound) { s.Flow.Got--; s.Flow.Dropped++ }, fail, 0, "39999 were reported and 1 dropped"},
			{"one too many", func(s *sound) { s.Flow.Got++ }, fail, 0, "40001 were reported"},
			{"wrong", func(s *sound) { s.Flow.Strange = 7 }, fail, 0, "7 of 40000 events are wrong or out of order"},
			{"gone", func(s *sound) { s.Flow.reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
	})
}

// An event that should not have been sent is told of by what it misses.
func TestEventsNotAskedFor(t *testing.T) {
	script := newScript(testSeed)
	sent := map[string]bool{}
	for i, list := range script.Threads {
		for n, c := range list {
			if script.interesting(c) {
				continue
			}
			message := "threshold is"
			if c.Number != script.Number {
				message = "target_syscall is"
			}
			sent[message] = true
			s := newSound()
			e := consumer.Event{PID: testPID, UID: user(i), Time: uint64(s.Seen.Made[i][n][0])}
			copy(e.Comm[:], name(i, n))
			s.Seen.Got = append(report(e), s.Seen.Got...)
			v, err := judgeEvents(judges.Observations(t, s))
			require.NoError(t, err)
			assert.Equal(t, judge.Fail, v.Status)
			assert.Contains(t, v.Message, message)
		}
	}
	assert.Len(t, sent, 2)
}

// Threads may come in any order; each of them in its own.
func TestThreadsInAnyOrder(t *testing.T) {
	s := newSound()
	var byThread [threads][]byte
	for record := range slices.Chunk(s.Seen.Got, consumer.Size) {
		n := consumer.Decode(record).UID - firstUser
		byThread[n] = append(byThread[n], record...)
	}
	slices.Reverse(byThread[:])
	s.Seen.Got = slices.Concat(byThread[:]...)
	v, err := judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	assert.Equal(t, judge.Pass, v.Status, v.Message)
}

// Of many wrong events the first is the message and the others are details, but not all.
func TestEventsDetails(t *testing.T) {
	s := newSound()
	for n := range len(s.Seen.Got) / consumer.Size {
		s.event(n, func(e *consumer.Event) { e.UID = 7 })
	}
	v, err := judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	require.Len(t, v.Details, maxFound+1)
	assert.Equal(t, v.Message, v.Details[0])
	assert.Regexp(t, `^… and \d+ more$`, v.Details[maxFound])
	assert.EqualValues(t, len(s.Seen.Got)/consumer.Size, v.Measured.Value)
}

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":   {"load"},
		"events":     {"load", "seen"},
		"drops":      {"load", "stall", "burst", "emit"},
		"cost":       {"load", "emit"},
		"overhead":   {"load", "other"},
		"wakeups":    {"load", "lone", "flow"},
		"throughput": {"load", "flow", "emit"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"a thread is missing":                      {"events", func(s *sound) { s.Seen.Made = s.Seen.Made[1:] }},
		"no thread at all":                         {"events", func(s *sound) { s.Seen.Made = nil }},
		"a call is missing":                        {"events", func(s *sound) { s.Seen.Made[2] = s.Seen.Made[2][1:] }},
		"CPUs that met too seldom to tell":         {"drops", func(s *sound) { s.Burst.Met = metRounds - 1 }},
		"an event for nothing":                     {"cost", func(s *sound) { s.Emit.Yours = 0 }},
		"the starter as cheap as the reference":    {"cost", func(s *sound) { s.Emit.Naive = s.Emit.Reference }},
		"the reference cheaper than doing nothing": {"overhead", func(s *sound) { s.Other.Reference = s.Other.Empty - 1 }},
		"no lone event":                            {"wakeups", func(s *sound) { s.Lone.Late = nil }},
		"no time between":                          {"wakeups", func(s *sound) { s.Lone.Idle = 0 }},
		"no event in no time":                      {"throughput", func(s *sound) { s.Flow = flow{} }},
		"no reference for the throughput":          {"throughput", func(s *sound) { s.Emit.Reference = 0 }},
	})
}

// A program that the verifier rejected leaves the guests without anything to observe: that is
// the submission's fault, and the grade is complete.
func TestRejectedIsGraded(t *testing.T) { judges.Rejected(t) }

func TestSpeedNeedsRightEvents(t *testing.T) {
	s := newSound()
	s.Burst.Dropped--
	r := judges.Judge(t, s)
	assert.Equal(t, 65.0, r.Score, "all but the drops, and the throughput that needs them")

	s = newSound()
	s.Seen.Foreign = 1
	r = judges.Judge(t, s)
	assert.Equal(t, 10.0, r.Score, "the verifier alone")
}

// A consumer writes what it likes into the guest's report.
func FuzzReports(f *testing.F) {
	sound, script := newSound().Seen, newScript(testSeed)
	f.Add(sound.Got)
	f.Add([]byte("garbage"))
	f.Add(bytes.Repeat([]byte("thread0-0000\x00"), 32))
	f.Fuzz(func(t *testing.T, got []byte) {
		s := sound
		s.Got = got
		found := s.compare(script)
		if len(got)/consumer.Size != len(sound.Got)/consumer.Size {
			assert.NotEmpty(t, found, "as many events as calls of interest, or something is wrong")
		}
		assert.LessOrEqual(t, len(found), len(got)/consumer.Size+1, "a line for each report, and one for what is missing")
	})
}
