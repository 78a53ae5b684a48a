// SPDX-License-Identifier: Apache-2.0

package events

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"bpflab/harness/host/judge"
	"bpflab/harness/host/judgetest"
	"bpflab/harness/job"
	"bpflab/harness/verifier"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe"
)

const testSeed job.Seed = 4711

const testPID = 99

// testScript is what testSeed is drawn to.
var testScript = observe.NewScript(testSeed.Part(job.PartScenes))

// sound is what is observed of a right and fast submission.
type sound struct {
	Seed      job.Seed
	Load      verifier.Report
	Timed     observe.Timed
	Seen      observe.Seen
	Lone      observe.Lone
	Flow      observe.Flow
	Stall     observe.Stall
	Meanwhile observe.Meanwhile
	Burst     observe.Burst
	Layout    layout
}

// timings are those of programs whose calls all take the same.
func timings(runs int, empty, naive, reference, yours float64) job.Timings {
	all := func(x float64) job.Timing { return job.Timing{Runs: runs, Typical: x, Mean: x} }
	return job.Timings{Empty: all(empty), Naive: all(naive), Reference: all(reference), Yours: all(yours)}
}

// emit and other set what the submission's calls take.
func (s *sound) emit(x float64) { s.Timed.Emit.Yours.Typical, s.Timed.Emit.Yours.Mean = x, x }
func (s *sound) other(x float64) {
	for _, yours := range []*job.Timing{&s.Timed.Below.Yours, &s.Timed.Other.Yours} {
		yours.Typical, yours.Mean = x, x
	}
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
	runs := func(kind int) int { return testScript.Count(testScript.Timed, kind) }
	calls := runs(observe.Emit)
	made := observe.Amount{Calls: uint64(calls), Sent: uint64(calls), Got: uint64(calls)}
	all := observe.Amount{Calls: observe.FlowCalls, Sent: observe.FlowCalls, Got: observe.FlowCalls}
	first, drops := testScript.Bursts[0], uint64(0)
	both := uint64(first[0] + first[1])
	for _, round := range testScript.Bursts[1:] {
		drops += uint64(round[0] + round[1])
	}
	s := &sound{
		Seed: testSeed,
		Load: verifier.Report{Program: observe.Program, Accepted: true, Stats: verifier.Stats{Processed: 60}},
		Timed: observe.Timed{
			Emit: timings(calls, 500, 1500, 1000, 1000), Amount: made,
			Below: timings(runs(observe.Below), 500, 900, 520, 520), Other: timings(runs(observe.Other), 500, 900, 520, 520), Between: timings(observe.TimedCalls, 900, 1300, 920, 920),
		},
		Seen: observe.Seen{PID: testPID},
		Lone: observe.Lone{Late: []int64{500_000, 400_000, 450_000, 1_000_000, 500_000, 500_000, 400_000, 450_000}, Idle: 500_000_000, IdleCPU: 5_000_000},
		Flow: observe.Flow{Amount: all, Elapsed: observe.FlowCalls * 1000, CPU: observe.FlowCalls * 50, Wakes: observe.FlowCalls / 100},
		Meanwhile: observe.Meanwhile{
			Refilled:   observe.Amount{Calls: 20_064, Sent: 20_000, Got: 20_000, Dropped: 64},
			Unfinished: &observe.Amount{Calls: observe.BehindCalls + 2, Sent: observe.BehindCalls + 2, Got: observe.BehindCalls + 2},
		},
		Stall: observe.Stall{Ring: 1 << 19, Full: observe.Amount{Calls: 15_104, Sent: 13_104, Got: 13_104, Dropped: 2_000}, After: observe.Amount{Calls: observe.AfterCalls, Sent: observe.AfterCalls, Got: observe.AfterCalls}},
		Burst: observe.Burst{Sent: observe.Amount{Calls: both, Sent: both, Got: both}, Calls: drops, Dropped: drops, Met: metRounds, Overflow: true},
	}
	t := testScript
	now := int64(1_000_000)
	for i, list := range t.Threads {
		var made [][2]int64
		for n, c := range list {
			made = append(made, [2]int64{now, now + 1000})
			if t.Interesting(c) {
				e := consumer.Event{PID: testPID, UID: t.User(i), Time: uint64(now + 500)}
				copy(e.Comm[:], t.Name(i, n))
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
		"layout": s.Layout,
		"seed":   s.Seed, "load": s.Load, "timed": s.Timed, "seen": s.Seen, "lone": s.Lone, "flow": s.Flow, "stall": s.Stall, "meanwhile": s.Meanwhile, "burst": s.Burst,
	}
}}

// Where twice as much is reported as was called, the scenes that follow are not played.
func TestFlood(t *testing.T) {
	s := newSound()
	s.Seen.Got = bytes.Repeat(s.Seen.Got, observe.MaxGot/len(s.Seen.Got)+1)[:observe.MaxGot]
	o := job.Observations{}
	for name, what := range map[string]any{"load": s.Load, "timed": s.Timed, "seen": s.Seen, "burst": s.Burst} {
		require.NoError(t, o.Set(name, what))
	}
	require.NoError(t, o.SetSeed(s.Seed))
	r := judge.Judge(Lab.Tasks, []judge.Case{{Kernel: "6.12", Observations: o}})
	assert.True(t, r.Complete)
	for _, task := range r.Kernels[0].Tasks[1:] {
		assert.Equal(t, judge.Fail, task.Status, "%s: %s", task.ID, task.Message)
	}
}

func TestSoundSubmissionGetsEverything(t *testing.T) { judges.Full(t) }

type row = judgetest.Row[sound]

// Each row changes one thing in what is observed of a sound submission.
func TestJudges(t *testing.T) {
	const pass, partial, fail = judge.Pass, judge.Partial, judge.Fail
	const size = consumer.Size
	gone := observe.Reader{Trouble: "it ended early: exit status 3", Said: "alas\nno more"}
	unloaded := row{"not loaded", func(s *sound) { s.Load.Accepted = false }, fail, 0, "the program was not loaded"}
	judges.Rows(t, map[string][]row{
		"verifier": {
			{"within the budget", func(s *sound) { s.Load.Stats.Processed = processedBudget }, pass, 1, ""},
			{"just over it", func(s *sound) { s.Load.Stats.Processed = processedBudget + 1 }, partial, 1 - 1./(9*processedBudget), "the budget is 1000"},
			{"rejected", func(s *sound) { s.Load = verifier.Report{Message: "Unreleased reference id=2"} }, fail, 0, "rejected: Unreleased reference id=2"},
		},
		"events": {
			{"right", func(*sound) {}, pass, 1, ""},
			{"calls of another process, in the end", func(s *sound) { s.Timed.Foreign = 40 }, fail, 0, "calls of another process were sent or dropped"},
			{"made up", func(s *sound) { s.event(3, func(e *consumer.Event) { copy(e.Comm[:], "another") }) }, fail, 0, "no call was made under that name"},
			{"what was there before, behind the name", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Comm[15] = 'x' }) }, pass, 1, ""},
			{"another pid", func(s *sound) { s.event(0, func(e *consumer.Event) { e.PID++ }) }, fail, 0, "pid is 100 and should be 99"},
			{"another uid", func(s *sound) { s.event(0, func(e *consumer.Event) { e.UID = 0 }) }, fail, 0, fmt.Sprintf("uid is 0 and should be %d", testScript.User(0))},
			{"too early", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time -= 501 }) }, fail, 0, "the call was made between"},
			{"at the first moment", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time -= 500 }) }, pass, 1, ""},
			{"at the last moment", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time += 500 }) }, pass, 1, ""},
			{"too late", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time += 501 }) }, fail, 0, "the call was made between"},
			{"a time with a sign", func(s *sound) { s.event(0, func(e *consumer.Event) { e.Time = math.MaxUint64 }) }, fail, 0, "ts is"},
			{"twice", func(s *sound) { s.Seen.Got = append(s.Seen.Got, s.Seen.Got[len(s.Seen.Got)-size:]...) }, fail, 0, ": reported 2 times: does the reader give back what it has read (r.Release)?"},
			{"the wrong way round", func(s *sound) {
				s.Seen.Got = slices.Concat(s.Seen.Got[size:2*size], s.Seen.Got[:size], s.Seen.Got[2*size:])
			}, fail, 0, "reported after a later event of the same thread"},
			{"threads interleaved", func(s *sound) {
				s.Seen.Got = slices.Concat(s.Seen.Got[len(s.Seen.Got)/2/size*size:], s.Seen.Got[:len(s.Seen.Got)/2/size*size])
			}, fail, 0, "of the same thread"},
			{"the first missing", func(s *sound) { s.Seen.Got = s.Seen.Got[size:] }, fail, 0, fmt.Sprintf("1 of %d events were not reported, the first of them ", len(newSound().Seen.Got)/size)},
			{"the last missing", func(s *sound) { s.Seen.Got = s.Seen.Got[:len(s.Seen.Got)-size] }, fail, 0, fmt.Sprintf("1 of %d events were not reported, the first of them ", len(newSound().Seen.Got)/size)},
			{"one missed by the kernel", func(s *sound) { s.Seen.Got = s.Seen.Got[size:]; s.Seen.Missed = 1 }, pass, 1, ""},
			{"two missing, one of them missed by the kernel", func(s *sound) { s.Seen.Got = s.Seen.Got[2*size:]; s.Seen.Missed = 1 }, fail, 0, " events were not reported, the first of them"},
			{"none", func(s *sound) { s.Seen.Got = nil }, fail, 0, fmt.Sprintf("none of %d events was reported", len(newSound().Seen.Got)/size)},
			{"none, and none is sent", func(s *sound) { s.Seen.Got = nil; s.Timed.Sent, s.Timed.Got = 0, 0 }, fail, 0, "was reported, and the BPF program sends none"},
			{"none, though they are sent", func(s *sound) { s.Seen.Got = nil }, fail, 0, "was reported, although the BPF program sends them: is the reader woken"},
			{"one kind of fault, often", func(s *sound) {
				for i := range 5 {
					s.event(i, func(e *consumer.Event) { e.PID++ })
				}
			}, fail, 0, "5 events: pid is wrong; the first is "},
			{"a struct of another layout", func(s *sound) { s.Seen.Got = nil; s.Layout.Sizes = []int64{32, 24} }, fail, 0, "the BPF program sends records of 24 bytes; an event has 32"},
			{"a struct of another layout that does no harm", func(s *sound) { s.Layout.Sizes = []int64{24} }, pass, 1, ""},
			{"fields in another order", func(s *sound) {
				for record := range slices.Chunk(s.Seen.Got, size) {
					copy(record, slices.Concat(record[8:16], record[:8]))
				}
			}, fail, 0, "the fields of an event are in the order ts, pid, uid, comm, and the consumer reads pid, uid, ts, comm"},
			{"a piece too much", func(s *sound) { s.Seen.Got = append(s.Seen.Got, 1, 2, 3) }, fail, 0, "the last report is not whole: 3 bytes"},
			{"fewer when timed", func(s *sound) { s.Timed.Sent--; s.Timed.Got-- }, fail, 0, "in the timed run, where the grader reads the ring, "},
			{"dropped when timed", func(s *sound) { s.Timed.Sent--; s.Timed.Got--; s.Timed.Dropped++ }, fail, 0, "are in it and 1 dropped"},
			{"one missed by the kernel when timed", func(s *sound) { s.Timed.Sent--; s.Timed.Got--; s.Timed.Missed++ }, pass, 1, ""},
			{"wrong when timed", func(s *sound) { s.Timed.Strange = 2 }, fail, 0, "in the timed run, where the grader reads the ring, 2 of "},
			{"another process's", func(s *sound) { s.Seen.Foreign = 40 }, fail, 0, "calls of another process were sent or dropped"},
			{"gone", func(s *sound) { s.Seen.Reader = gone }, fail, 0, "the consumer: it ended early: exit status 3"},
			{"it returned", func(s *sound) { s.Seen.Reader.Trouble = "it ended early: exit status 0" }, fail, 0, "the consumer: consume returned before ctx was done"},
			{"gone, by a record of another size", func(s *sound) { s.Seen.Reader = gone; s.Layout.Sizes = []int64{28} }, fail, 0, "the BPF program sends records of 28 bytes; an event has 32"},
			{"gone, by a record of another size, and its words", func(s *sound) { s.Seen.Reader = gone; s.Layout.Sizes = []int64{28} }, fail, 0, "alas"},
			{"gone, and its words", func(s *sound) { s.Seen.Reader = gone }, fail, 0, "alas"},
			unloaded,
		},
		"drops": {
			{"all there", func(*sound) {}, pass, 1, ""},
			{"one lost when full", func(s *sound) { s.Stall.Full.Dropped-- }, fail, 0, "a reader that stood still and went on: 15104 events, 13104 reported and 1999 dropped: 1 are unaccounted for"},
			{"none counted when full", func(s *sound) { s.Stall.Full.Dropped = 0 }, fail, 0, "13104 reported and 0 dropped: 2000 are unaccounted for: count those that find no room in `dropped`"},
			{"one missed by the kernel", func(s *sound) { s.Stall.Full.Sent--; s.Stall.Full.Got--; s.Stall.Full.Missed = 5 }, pass, 1, ""},
			{"one lost by the reader, though the kernel missed calls", func(s *sound) { s.Stall.Full.Got--; s.Stall.Full.Missed = 5 }, fail, 0, "13103 reported and 2000 dropped: 1 are unaccounted for"},
			{"too slow to race, without room", func(s *sound) { s.Burst = observe.Burst{Sent: s.Burst.Sent, Overflow: true, Took: 15_001} }, fail, 0, "takes some 15001 instructions; a program that takes more than 15000"},
			{"too slow to meet, without room", func(s *sound) { s.Burst.Met, s.Burst.Took = metRounds-1, 10_501 }, fail, 0, "at 10001 instructions over an empty program it is too slow for the race to be conclusive"},
			{"too slow to meet", func(s *sound) { s.Burst.Met = metRounds - 1; s.emit(10_501) }, fail, 0, "at 10001 instructions over an empty program it is too slow for the race to be conclusive"},
			{"as slow as can be raced, without room", func(s *sound) { s.Burst.Took = 15_000 }, pass, 1, ""},
			{"slow, but they met", func(s *sound) { s.emit(10_501) }, pass, 1, ""},
			{"one too many when full", func(s *sound) { s.Stall.Full.Dropped++ }, fail, 0, "13104 reported and 2001 dropped: 1 more than there were"},
			{"one lost after", func(s *sound) { s.Stall.After.Got-- }, fail, 0, "after a reader had stood still: 448 events"},
			{"dropped after, and an unfinished event as well", func(s *sound) {
				s.Stall.After.Got--
				s.Stall.After.Dropped++
				s.Meanwhile.Unfinished.Got = 0
			}, fail, 0, "still 1 of 448 events were dropped"},
			{"dropped after", func(s *sound) { s.Stall.After.Got--; s.Stall.After.Dropped++ }, fail, 0, "still 1 of 448 events were dropped"},
			{"wrong after", func(s *sound) { s.Stall.After.Strange = 2 }, fail, 0, "2 of 448 reported events are wrong or out of order"},
			{"all out of a full ring", func(s *sound) { s.Stall.Full = observe.Amount{Calls: 15_104, Sent: 15_104, Got: 15_104} }, fail, 0, "more than a ring of 524288 bytes holds"},
			{"lost by two CPUs", func(s *sound) { s.Burst.Sent.Got-- }, fail, 0, "two CPUs at once, with room in the ring: "},
			{"wrong on two CPUs", func(s *sound) { s.Burst.Sent.Strange = 1 }, fail, 0, "reported events are wrong"},
			{"dropped with room", func(s *sound) { s.Burst.Sent.Got--; s.Burst.Sent.Dropped++ }, fail, 0, "with room in the ring"},
			{"never full", func(s *sound) { s.Burst.Overflow = false }, fail, 0, "dropped did not change while the ring was full"},
			{"miscounted", func(s *sound) { s.Burst.Dropped -= 5 }, fail, 0, "both read the same old value"},
			{"miscounted, though they met too seldom", func(s *sound) { s.Burst.Dropped -= 5; s.Burst.Met = 1 }, fail, 0, "both read the same old value"},
			{"lapped", func(s *sound) { s.Stall.Full.Lapped = true }, fail, 0, "the ring of 524288 bytes wrapped around within 64 calls"},
			{"interrupted: gone", func(s *sound) { s.Meanwhile.Reader = gone }, fail, 0, "the consumer: it ended early"},
			{"lapped while it is filled again", func(s *sound) { s.Meanwhile.Refilled.Lapped = true }, fail, 0, "wrapped around within 64 calls"},
			{"filled again: overwritten", func(s *sound) { s.Meanwhile.Refilled.Strange = 7 }, fail, 0, "7 of 20000 reported events are wrong or out of order: the reader gives room back before it has read"},
			{"filled again: lost", func(s *sound) { s.Meanwhile.Refilled.Got-- }, fail, 0, "20064 events, 19999 reported and 64 dropped"},
			{"filled again: missed by the kernel", func(s *sound) {
				s.Meanwhile.Refilled.Got--
				s.Meanwhile.Refilled.Sent--
				s.Meanwhile.Refilled.Missed = 3
			}, pass, 1, ""},
			{"unfinished: read", func(s *sound) { s.Meanwhile.Unfinished.Strange = 1 }, fail, 0, "1 of 10 reported events are wrong or out of order: nothing from a header with ring.Busy on may be read"},
			{"unfinished: given back", func(s *sound) { s.Meanwhile.Unfinished.Got = 0 }, fail, 0, "of 10 events, 0 were reported: a reader that stops at ring.Busy"},
			{"unfinished: not on this kernel", func(s *sound) { s.Meanwhile.Unfinished = nil }, pass, 1, ""},
			{"lapped after", func(s *sound) { s.Stall.After.Lapped = true }, fail, 0, "the ring of 524288 bytes wrapped around within 64 calls"},
			{"gone", func(s *sound) { s.Stall.Reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
		"cost": {
			{"the reference", func(*sound) {}, pass, 1, "500 instructions over the empty program"},
			{"at the end of the slack", func(s *sound) { s.emit(1025) }, pass, 1, ""},
			{"half way", func(s *sound) { s.emit(1250) }, partial, 0.5, ""},
			{"all put off", func(s *sound) {
				s.emit(520)
				later := 980 * float64(s.Timed.Calls) / observe.TimedCalls
				s.Timed.Between.Yours.Mean += later
				s.Timed.Between.Yours.Typical += later
			}, fail, 0, "1000 instructions over the empty program; the starter needs 1000, the reference 500; 980 of them are done in the system calls that follow"},
			{"the starter", func(s *sound) { s.emit(1500) }, fail, 0, "1000 instructions"},
			unloaded,
		},
		"overhead": {
			{"the reference", func(*sound) {}, pass, 1, "4.0% of a call of 500"},
			{"put off into some calls", func(s *sound) { s.Timed.Below.Yours.Mean += 150; s.Timed.Other.Yours.Mean += 150 }, fail, 0, "work is put off"},
			{"the starter", func(s *sound) { s.other(900) }, fail, 0, "80.0% of a call of 500"},
			unloaded,
		},
		"wakeups": {
			{"at the target", func(*sound) {}, pass, 1, "204 wake-ups for 20480 events; a lone event took 1.00 ms at most"},
			{"ten events a wake-up", func(s *sound) { s.Flow.Wakes = observe.FlowCalls / 10 }, partial, 0.5, "2048 wake-ups"},
			{"no room", func(s *sound) { s.Flow.Dropped = 7 }, fail, 0, "7 of 20480 events found no room in the ring"},
			{"each event", func(s *sound) { s.Flow.Wakes = observe.FlowCalls }, fail, 0, "20480 wake-ups"},
			{"each event, and no room", func(s *sound) { s.Flow.Wakes, s.Flow.Dropped = observe.FlowCalls, 7 }, fail, 0, "20480 wake-ups"},
			{"no wake-up at all", func(s *sound) { s.Flow.Wakes = 0 }, pass, 1, "0 wake-ups"},
			{"late", func(s *sound) { s.Lone.Late[2] = 1_000_001 }, fail, 0, "1 ms is the limit"},
			{"never", func(s *sound) { s.Lone.Late[4] = -1 }, fail, 0, "was not reported within 50 ms"},
			{"awake", func(s *sound) { s.Lone.IdleCPU = 5_100_000 }, fail, 0, "took 1.0% of a CPU; 1% is the limit: sleep in r.Wait(-1)"},
			{"gone", func(s *sound) { s.Flow.Reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
		"throughput": {
			{"at the target", func(s *sound) { s.Flow.Elapsed = observe.FlowCalls * 2000 }, pass, 1, "50% of what the calls and the reference program alone would allow (50% is worth all points, 20% none): an event took 2000 instructions, of which the reader took 50"},
			{"never asleep", func(s *sound) {
				s.Flow.Elapsed, s.Flow.CPU = observe.FlowCalls*4100, observe.FlowCalls*14071
			}, partial, (1000./4100 - 0.2) / 0.3, "an event took 4100 instructions, and the reader never slept"},
			{"half way", func(s *sound) { s.Flow.Elapsed = observe.FlowCalls * 2500 }, partial, 2. / 3, "40%"},
			{"at the bottom", func(s *sound) { s.Flow.Elapsed = observe.FlowCalls * 5000 }, fail, 0, "20%"},
			{"one missing", func(s *sound) { s.Flow.Got-- }, fail, 0, "20479 were reported and 0 dropped"},
			{"one dropped", func(s *sound) { s.Flow.Got--; s.Flow.Dropped++ }, fail, 0, "20479 were reported and 1 dropped"},
			{"one too many", func(s *sound) { s.Flow.Got++ }, fail, 0, "20481 were reported"},
			{"lapped", func(s *sound) { s.Flow.Lapped = true }, fail, 0, "the ring wrapped around within 64 calls"},
			{"wrong", func(s *sound) { s.Flow.Strange = 7 }, fail, 0, "7 of 20480 events are wrong or out of order"},
			{"gone", func(s *sound) { s.Flow.Reader = gone }, fail, 0, "the consumer: it ended early"},
			unloaded,
		},
	})
}

// An event that should not have been sent is told of by what it misses.
func TestEventsNotAskedFor(t *testing.T) {
	script := testScript
	sent := map[string]bool{}
	for i, list := range script.Threads {
		for n, c := range list {
			if script.Interesting(c) {
				continue
			}
			message := "threshold is"
			if c.Number != script.Number {
				message = "target_syscall is"
			}
			sent[message] = true
			s := newSound()
			e := consumer.Event{PID: testPID, UID: script.User(i), Time: uint64(s.Seen.Made[i][n][0])}
			copy(e.Comm[:], script.Name(i, n))
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
	var byThread [observe.Threads][]byte
	for record := range slices.Chunk(s.Seen.Got, consumer.Size) {
		n := 0
		for testScript.User(n) != consumer.Decode(record).UID {
			n++
		}
		byThread[n] = append(byThread[n], record...)
	}
	slices.Reverse(byThread[:])
	s.Seen.Got = slices.Concat(byThread[:]...)
	v, err := judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	assert.Equal(t, judge.Pass, v.Status, v.Message)
}

// Many events with one fault are one line, with the first of them.
func TestEventsDetails(t *testing.T) {
	s := newSound()
	all := len(s.Seen.Got) / consumer.Size
	for n := range all {
		s.event(n, func(e *consumer.Event) { e.UID = 7 })
	}
	s.event(1, func(e *consumer.Event) { e.PID = 7 })
	v, err := judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	require.Len(t, v.Details, 1)
	assert.Regexp(t, fmt.Sprintf(`^%d events: uid is wrong; the first is \w+: uid is 7 and should be \d+$`, all-1), v.Message)
	assert.Regexp(t, `^\w+: pid is 7 and should be 99, the process's$`, v.Details[0])
	assert.EqualValues(t, all, v.Measured.Value)

	s = newSound()
	s.event(0, func(e *consumer.Event) { e.UID = 7 })
	v, err = judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	assert.Empty(t, v.Details, "the message says it")
}

// What the text says of an event's size, in the ways that compilers write it.
func TestSizes(t *testing.T) {
	reserve, output := asm.FnRingbufReserve.Call(), asm.FnRingbufOutput.Call()
	for name, tt := range map[string]struct {
		insns asm.Instructions
		want  []int64
	}{
		"reserved":        {asm.Instructions{asm.Mov.Imm(asm.R2, 24), reserve}, []int64{24}},
		"copied":          {asm.Instructions{asm.Mov.Imm(asm.R2, 1), asm.Mov.Imm(asm.R3, 40), output}, []int64{40}},
		"in two places":   {asm.Instructions{asm.Mov.Imm(asm.R2, 32), reserve, asm.Mov.Imm(asm.R2, 24), reserve, asm.Mov.Imm(asm.R2, 24), reserve}, []int64{32, 24}},
		"not a constant":  {asm.Instructions{asm.Mov.Imm(asm.R2, 24), asm.Mov.Reg(asm.R2, asm.R6), reserve}, nil},
		"calculated":      {asm.Instructions{asm.Mov.Imm(asm.R2, 24), asm.Add.Imm(asm.R2, 8), reserve}, nil},
		"loaded":          {asm.Instructions{asm.Mov.Imm(asm.R2, 24), asm.LoadMem(asm.R2, asm.R6, 0, asm.DWord), reserve}, nil},
		"of another call": {asm.Instructions{asm.Mov.Imm(asm.R2, 24), asm.FnKtimeGetNs.Call(), reserve}, nil},
		"none":            {nil, nil},
	} {
		assert.Equal(t, tt.want, sizes(tt.insns), name)
	}
}

// Each event that comes after a later one is wrong, not only the first.
func TestEachLateEventIsWrong(t *testing.T) {
	s, n := newSound(), 0
	events := slices.Collect(slices.Chunk(s.Seen.Got, consumer.Size))
	user := func(n int) uint32 { return consumer.Decode(events[n]).UID }
	for user(n) != user(n+2) { // until three events are of one thread
		n++
	}
	events[n], events[n+1], events[n+2] = events[n+2], events[n], events[n+1]
	s.Seen.Got = slices.Concat(events...)
	v, err := judgeEvents(judges.Observations(t, s))
	require.NoError(t, err)
	assert.EqualValues(t, 2, v.Measured.Value, "%q", v.Details)
}

// What a report shows beside a verdict.
func TestMeasured(t *testing.T) {
	for _, tt := range []struct {
		task             string
		change           func(*sound)
		measured, target float64
	}{
		{"drops", func(s *sound) { s.Burst.Dropped -= 5 }, 5, 0},
		{"drops", func(s *sound) { s.Stall.Full.Dropped += 3 }, 3, 0},
		{"wakeups", func(*sound) {}, 100.4, 100}, // 20480 events, 204 wake-ups
		{"wakeups", func(s *sound) { s.Flow.Wakes = 1 }, observe.FlowCalls, 100},
		{"wakeups", func(s *sound) { s.Flow.Wakes = 0 }, observe.FlowCalls, 100},
		{"throughput", func(*sound) {}, 1_000_000, 500_000},
	} {
		s := newSound()
		tt.change(s)
		for _, task := range judges.Judge(t, s).Kernels[0].Tasks {
			if task.ID == tt.task {
				assert.Equal(t, tt.measured, task.Measured.Value, tt.task)
				assert.Equal(t, tt.target, task.Target.Value, tt.task)
			}
		}
	}
}

// Two system calls may differ by a little for other reasons. From putOffLeast on it is work that was put off,
// of all calls, and its events pay for it.
func TestPutOff(t *testing.T) {
	each := float64(observe.TimedCalls) / float64(testScript.Count(testScript.Timed, observe.Emit))
	for extra, want := range map[float64]float64{-20: 0, 0: 0, putOffLeast - 1: 0, putOffLeast: putOffLeast * each, 100: 100 * each} {
		s := newSound()
		s.Timed.Between.Yours.Typical += extra
		s.Timed.Between.Yours.Mean += extra
		got, err := putOff(judges.Observations(t, s))
		require.NoError(t, err)
		assert.InDelta(t, want, got, 1e-9, "%v more", extra)
		v, err := judgeCost(judges.Observations(t, s))
		require.NoError(t, err)
		assert.Equal(t, want > 0, strings.Contains(v.Message, "in the system calls that follow"), v.Message)
	}
}

// What was found of events and readers, its hint goes by.
func TestHintsFitWhatWasFound(t *testing.T) {
	type change = func(*sound)
	const size = consumer.Size
	gone := observe.Reader{Trouble: "it ended early: exit status 3"}
	// extra reports a call that is of no interest, the first of a kind.
	extra := func(kind func(observe.Call) bool) change {
		return func(s *sound) {
			for i, list := range testScript.Threads {
				for n, c := range list {
					if kind(c) {
						e := consumer.Event{PID: testPID, UID: testScript.User(i), Time: uint64(s.Seen.Made[i][n][0])}
						copy(e.Comm[:], testScript.Name(i, n))
						// Where it belongs: it is in the order of its thread.
						at := 0
						for k := 0; k < len(s.Seen.Got); k += size {
							if before := consumer.Decode(s.Seen.Got[k:][:size]); before.UID == e.UID && before.Time < e.Time {
								at = k + size
							}
						}
						s.Seen.Got = slices.Insert(s.Seen.Got, at, report(e)...)
						return
					}
				}
			}
		}
	}
	first := func(change func(*consumer.Event)) change { return func(s *sound) { s.event(0, change) } }
	judges.Hinted(t, map[string]map[string][]change{
		"events": {
			"ENDED":           {func(s *sound) { s.Seen.Reader = gone }},
			"another process": {func(s *sound) { s.Seen.Foreign = 40 }, func(s *sound) { s.Timed.Foreign = 40; s.Seen.Got = s.Seen.Got[size:] }},
			"layout": {
				func(s *sound) { s.Seen.Got = nil; s.Layout.Sizes = []int64{24} },
				func(s *sound) { s.Seen.Reader = gone; s.Layout.Sizes = []int64{24} },
				func(s *sound) {
					for record := range slices.Chunk(s.Seen.Got, size) {
						copy(record, slices.Concat(record[8:16], record[:8]))
					}
				},
			},
			unnamed: {
				first(func(e *consumer.Event) { copy(e.Comm[:], "another") }),
				func(s *sound) { s.Seen.Got = append(s.Seen.Got, report(consumer.Event{PID: testPID})...) },
			},
			"another system call":             {extra(func(c observe.Call) bool { return c.Number != testScript.Number })},
			"an argument below the threshold": {extra(func(c observe.Call) bool { return c.Number == testScript.Number && c.First < testScript.Threshold })},
			"pid is wrong":                    {first(func(e *consumer.Event) { e.PID++ })},
			"uid is wrong":                    {first(func(e *consumer.Event) { e.UID = 0 })},
			"ts is wrong":                     {first(func(e *consumer.Event) { e.Time += 501 })},
			"out of order": {func(s *sound) {
				s.Seen.Got = slices.Concat(s.Seen.Got[size:2*size], s.Seen.Got[:size], s.Seen.Got[2*size:])
			}},
			repeated: {
				func(s *sound) { s.Seen.Got = append(s.Seen.Got, s.Seen.Got[len(s.Seen.Got)-size:]...) },
				func(s *sound) { s.Seen.Got = bytes.Repeat(s.Seen.Got[:size], 720) },
			},
			"missing":   {func(s *sound) { s.Seen.Got = s.Seen.Got[size:] }},
			"none sent": {func(s *sound) { s.Seen.Got = nil; s.Timed.Sent, s.Timed.Got = 0, 0 }},
			"none read": {func(s *sound) { s.Seen.Got = nil }},
			"timed":     {func(s *sound) { s.Timed.Strange = 2 }, func(s *sound) { s.Timed.Sent--; s.Timed.Got-- }},
			"WRONG": {
				func(s *sound) {
					s.event(0, func(e *consumer.Event) { e.PID++ })
					s.Seen.Got = s.Seen.Got[:len(s.Seen.Got)-size]
				},
				func(s *sound) {
					s.event(0, func(e *consumer.Event) { e.PID++ })
					s.event(1, func(e *consumer.Event) { e.UID = 0 })
				},
				func(s *sound) { s.Seen.Got = s.Seen.Got[:len(s.Seen.Got)-1] },
				func(s *sound) {
					s.event(0, func(e *consumer.Event) { copy(e.Comm[:], "another") })
					s.Seen.Got = s.Seen.Got[:len(s.Seen.Got)-size]
				},
			},
		},
		"drops": {
			"EARLY": {func(s *sound) { s.Meanwhile.Refilled.Strange = 1 }, func(s *sound) { s.Meanwhile.Refilled.Got-- }},
			"BUSY":  {func(s *sound) { s.Meanwhile.Unfinished.Strange = 1 }, func(s *sound) { s.Meanwhile.Unfinished.Got-- }},
			"ENDED": {func(s *sound) { s.Stall.Reader = gone }},
			"SHORT": {func(s *sound) { s.Stall.Full.Dropped-- }, func(s *sound) { s.Stall.Full.Dropped = 0 }},
			"EXTRA": {func(s *sound) { s.Stall.Full.Dropped++ }},
			"AFTER": {func(s *sound) { s.Stall.After.Got-- }, func(s *sound) { s.Stall.After.Got--; s.Stall.After.Dropped++ }},
			"CPUS":  {func(s *sound) { s.Burst.Sent.Got-- }},
			"RACE":  {func(s *sound) { s.Burst.Dropped -= 5 }},
			"WRONG": {func(s *sound) { s.Stall.Full.Lapped = true }, func(s *sound) { s.Burst.Overflow = false }},
		},
		"wakeups": {
			"ENDED": {func(s *sound) { s.Flow.Reader = gone }},
			"LATE":  {func(s *sound) { s.Lone.Late[2] = 1_000_001 }},
			"LOST":  {func(s *sound) { s.Flow.Dropped = 7 }},
			"BUSY":  {func(s *sound) { s.Lone.IdleCPU = 5_100_000 }},
		},
		"throughput": {
			"ENDED": {func(s *sound) { s.Flow.Reader = gone }},
			"LOST":  {func(s *sound) { s.Flow.Got--; s.Flow.Dropped++ }},
		},
	})
}

// Every judge needs what it judges: without it the grader has failed, not the submission.
func TestMissingObservations(t *testing.T) {
	judges.Missing(t, map[string][]string{
		"verifier":   {"load"},
		"events":     {"load", "seed", "timed", "seen"},
		"drops":      {"load", "seed", "stall", "meanwhile", "burst", "timed"},
		"cost":       {"load", "seed", "timed"},
		"overhead":   {"load", "seed", "timed"},
		"wakeups":    {"load", "lone", "flow"},
		"throughput": {"load", "seed", "flow", "timed"},
	})
}

// So it has where what was observed cannot be.
func TestImpossibleObservations(t *testing.T) {
	judges.Impossible(t, map[string]judgetest.Impossible[sound]{
		"a thread is missing":                       {"events", func(s *sound) { s.Seen.Made = s.Seen.Made[1:] }},
		"no thread at all":                          {"events", func(s *sound) { s.Seen.Made = nil }},
		"a call is missing":                         {"events", func(s *sound) { s.Seen.Made[2] = s.Seen.Made[2][1:] }},
		"CPUs that met too seldom to tell":          {"drops", func(s *sound) { s.Burst.Met = metRounds - 1 }},
		"an event for nothing":                      {"cost", func(s *sound) { s.emit(0) }},
		"the starter as cheap as the reference":     {"cost", func(s *sound) { s.Timed.Emit.Naive = s.Timed.Emit.Reference }},
		"the reference cheaper than doing nothing":  {"overhead", func(s *sound) { s.Timed.Other.Reference.Typical, s.Timed.Other.Reference.Mean = 499, 499 }},
		"another number of timed calls":             {"events", func(s *sound) { s.Timed.Calls-- }},
		"another number of times":                   {"cost", func(s *sound) { s.Timed.Emit.Yours.Runs-- }},
		"another number of calls of two CPUs":       {"drops", func(s *sound) { s.Burst.Calls++ }},
		"more rounds than there are":                {"drops", func(s *sound) { s.Burst.Met = observe.BurstRounds + 1 }},
		"fewer calls than fill the ring":            {"drops", func(s *sound) { s.Stall.Full.Calls = 10 }},
		"no calls into a ring that is filled again": {"drops", func(s *sound) { s.Meanwhile.Refilled = observe.Amount{} }},
		"fewer calls behind an unfinished event":    {"drops", func(s *sound) { s.Meanwhile.Unfinished.Calls-- }},
		"fewer calls after":                         {"drops", func(s *sound) { s.Stall.After.Calls-- }},
		"a billion billion missed calls":            {"events", func(s *sound) { s.Seen.Missed = 1e18 }},
		"no calls in time":                          {"wakeups", func(s *sound) { s.Flow.Calls = 0 }},
		"no lone event":                             {"wakeups", func(s *sound) { s.Lone.Late = nil }},
		"no time between":                           {"wakeups", func(s *sound) { s.Lone.Idle = 0 }},
		"an endless time between":                   {"wakeups", func(s *sound) { s.Lone.Idle = maxNumber + 1 }},
		"a reader that took less than no time":      {"wakeups", func(s *sound) { s.Lone.IdleCPU = -1 }},
		"an endless flow":                           {"throughput", func(s *sound) { s.Flow.Elapsed = maxNumber + 1 }},
		"a flow read in less than no time":          {"throughput", func(s *sound) { s.Flow.CPU = -1 }},
		"no event in no time":                       {"throughput", func(s *sound) { s.Flow = observe.Flow{} }},
		"no reference for the throughput":           {"throughput", func(s *sound) { s.Timed.Emit.Reference = job.Timing{} }},
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
	sound, script := newSound().Seen, testScript
	f.Add(sound.Got)
	f.Add([]byte("garbage"))
	f.Add(bytes.Repeat([]byte("thread0-0000\x00"), 32))
	f.Fuzz(func(t *testing.T, got []byte) {
		s := sound
		s.Got = got
		found, _, faults := compareSeen(s, newSound().Timed, script)
		if len(got)/consumer.Size != len(sound.Got)/consumer.Size {
			assert.NotEmpty(t, found, "as many events as calls of interest, or something is wrong")
		}
		assert.LessOrEqual(t, len(found), 9, "a line for each kind of fault, and one for what is missing")
		assert.LessOrEqual(t, len(found), faults)
		if why := (layout{}).explain(s, script); why != "" {
			assert.NotEmpty(t, found, "an explanation of what is right: %s", why)
		}
	})
}
