// SPDX-License-Identifier: Apache-2.0

package events

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"bpflab/harness/host/judge"
	"bpflab/harness/job"
	"bpflab/labs/lab12_2/consumer"
	"bpflab/labs/lab12_2/observe"
)

// gone is the verdict on a consumer that is no longer there.
func gone(r observe.Reader, v judge.Verdict) judge.Verdict {
	v = judge.Ended(v, "consumer", r.Trouble, r.Said)
	if r.Trouble == "it ended early: exit status 0" {
		v.Message = "the consumer: consume returned before ctx was done"
	}
	return v
}

// scriptOf is what was played: the truth, which guests do not tell.
func scriptOf(o job.Observations) (observe.Script, error) {
	seed, err := job.GetSeed(o)
	return observe.NewScript(seed.Part(job.PartScenes)), err
}

// getTimed returns what was observed of the calls that were timed, if it makes sense.
func getTimed(o job.Observations, t observe.Script) (observe.Timed, error) {
	c, err := job.Get[observe.Timed](o, "timed")
	if err == nil && c.Calls != uint64(t.Count(t.Timed, observe.Emit)) {
		err = fmt.Errorf("expected %d timed calls of interest, found %d", t.Count(t.Timed, observe.Emit), c.Calls)
	}
	return c, err
}

// maxNumber bounds what is counted in observations that make sense.
const maxNumber = 1 << 40

// judgeEvents compares with the truth, which only the seed knows.
func judgeEvents(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	c, err2 := getTimed(o, t)
	s, err3 := job.Get[observe.Seen](o, "seen")
	if err := errors.Join(err1, err2, err3); err != nil {
		return judge.Verdict{}, err
	}
	if len(s.Made) != len(t.Threads) {
		return judge.Verdict{}, fmt.Errorf("expected %d threads, found %d", len(t.Threads), len(s.Made))
	}
	for i, made := range s.Made {
		if len(made) != len(t.Threads[i]) {
			return judge.Verdict{}, fmt.Errorf("expected %d calls of a thread, found %d", len(t.Threads[i]), len(made))
		}
	}
	if s.Missed > maxNumber {
		return judge.Verdict{}, fmt.Errorf("%d missed calls make no sense", s.Missed)
	}
	unit := judge.Quantity{Unit: "events missing or wrong"}
	v := judge.Verdict{Status: judge.Pass, Fraction: 1, Measured: unit, Target: unit}
	found, finding, faults := compareSeen(s, c, t)
	v.Measured.Value, v.Finding = float64(faults), finding
	l, _ := job.Get[layout](o, "layout") // which only explains
	switch {
	case s.Trouble != "":
		v.Finding = ""
		v = gone(s.Reader, v)
		if why := l.explainSize(); why != "" { // a reader may have ended because of it
			found = append([]string{why, v.Message}, v.Details...)
			v.Finding = "layout"
			v = judge.Found(v, "WRONG", found)
		}
		return v, nil
	case s.Foreign > 0 || c.Foreign > 0:
		found = append([]string{"calls of another process were sent or dropped: target_pid says whose are of interest"}, found...)
		v.Finding = "another process"
	case len(s.Got)%consumer.Size != 0:
		found = append(found, fmt.Sprintf("the last report is not whole: %d bytes", len(s.Got)%consumer.Size))
		v.Finding = ""
	}
	if amount := wrongAmount(c.Amount); len(amount) > 0 {
		if len(found) == 0 {
			v.Finding = "timed"
		}
		found = append(found, amount...)
	}
	if len(found) > 0 {
		if why := l.explain(s, t); why != "" {
			found = append([]string{why}, found...)
			v.Finding = "layout"
		}
	}
	return judge.Found(v, "WRONG", found), nil
}

// wrongAmount says what is wrong with what became of the calls that were timed, while there was room for events.
func wrongAmount(a observe.Amount) (found []string) {
	const when = "in the timed run, where the grader reads the ring"
	if missing(a) != 0 || a.Dropped > 0 {
		found = append(found, fmt.Sprintf("%s, %d of %d events are in it and %d dropped", when, a.Sent, a.Calls, int64(a.Dropped)))
	}
	if a.Strange > 0 {
		found = append(found, fmt.Sprintf("%s, %d of %d events in the ring are wrong or out of order", when, a.Strange, a.Sent))
	}
	return found
}

// repeated is the kind of fault of events that came before. A reader that gives nothing back misses all others.
const repeated = "reported more than once"

// unnamed is the kind of fault of events that cannot be told apart.
const unnamed = "comm matches no call of interest"

// compareSeen says what is wrong with the events that were reported: a line for each kind of fault, with the first
// event that has it. It also returns the kind, if there is only one, and how many faults there are.
func compareSeen(s observe.Seen, c observe.Timed, t observe.Script) (found []string, finding string, faults int) {
	kinds := map[string]int{} // of fault: index in found
	count := map[string]int{}
	wrong := func(kind, format string, args ...any) {
		faults++
		if count[kind]++; count[kind] == 1 {
			kinds[kind] = len(found)
			found = append(found, fmt.Sprintf(format, args...))
		}
	}
	type at struct{ thread, call int }
	calls, times, last := map[string]at{}, map[at]int{}, map[int]int{}
	for i, list := range t.Threads {
		last[i] = -1
		for n := range list {
			calls[t.Name(i, n)] = at{i, n}
		}
	}
	events := 0
	for record := range slices.Chunk(s.Got, consumer.Size) {
		e := consumer.Decode(record)
		if e == nil {
			break
		}
		events++
		comm := e.Name()
		where, ok := calls[comm]
		if !ok {
			wrong(unnamed, "an event with comm %q, pid %d, uid %d: no call was made under that name that target_pid, target_syscall and threshold ask for", comm, e.PID, e.UID)
			continue
		}
		call, made := t.Threads[where.thread][where.call], s.Made[where.thread][where.call]
		switch {
		case call.Number != t.Number:
			wrong("another system call", "%s: an event for system call %d; target_syscall is %d", comm, call.Number, t.Number)
		case call.First < t.Threshold:
			wrong("an argument below the threshold", "%s: an event for a first argument of %d; threshold is %d", comm, call.First, t.Threshold)
		case e.PID != s.PID:
			wrong("pid is wrong", "%s: pid is %d and should be %d, the process's", comm, e.PID, s.PID)
		case e.UID != t.User(where.thread):
			wrong("uid is wrong", "%s: uid is %d and should be %d", comm, e.UID, t.User(where.thread))
		case int64(e.Time) < made[0] || int64(e.Time) > made[1]:
			wrong("ts is wrong", "%s: ts is %d; the call was made between %d and %d", comm, e.Time, made[0], made[1])
		case times[where] > 0: // said once for all times, below
		case where.call < last[where.thread]:
			wrong("out of order", "%s: reported after a later event of the same thread", comm)
		}
		times[where]++
		last[where.thread] = max(last[where.thread], where.call)
	}
	missing, interesting, first := 0, 0, ""
	for i, list := range t.Threads {
		for n, call := range list {
			reported := times[at{i, n}]
			if reported > 1 {
				wrong(repeated, "%s: reported %d times: does the reader give back what it has read (r.Release)?", t.Name(i, n), reported)
			}
			if !t.Interesting(call) {
				continue
			}
			interesting++
			if reported == 0 {
				if missing++; first == "" {
					first = fmt.Sprintf("%s, with a first argument of %d and a threshold of %d", t.Name(i, n), call.First, t.Threshold)
				}
			}
		}
	}
	for kind, n := range count {
		finding = kind
		if n > 1 {
			found[kinds[kind]] = fmt.Sprintf("%d events: %s; the first is %s", n, kind, found[kinds[kind]])
		}
	}
	separate := len(count)
	switch {
	case missing <= int(s.Missed):
	case events == 0:
		separate++
		faults += missing
		finding = "none"
		switch c.Sent {
		case 0:
			finding = "none sent"
		case c.Calls:
			finding = "none read"
		}
		found = append(found, fmt.Sprintf("none of %d events was reported", interesting)+whose(finding))
	default:
		faults += missing
		if missing > int(s.Missed)+count[unnamed] { // else they are there, under other names
			separate++
			finding = "missing"
		}
		found = append(found, fmt.Sprintf("%d of %d events were not reported, the first of them %s", missing, interesting, first))
	}
	switch {
	case separate <= 1:
	case len(count) == 1 && count[repeated] > 0:
		finding = repeated // for want of which the others are missing
	default:
		finding = ""
	}
	return found, finding, faults
}

// whose says which of two programs is to blame for events that nobody reported, by what became of others that were
// sent while no reader of the submission's ran.
func whose(finding string) string {
	switch finding {
	case "none sent":
		return ", and the BPF program sends none: look at the tests it makes before it sends"
	case "none read":
		return ", although the BPF program sends them: is the reader woken, and does it hand them over by out.Flush()?"
	}
	return ""
}

// judgeDrops asks where each event went.
func judgeDrops(o job.Observations) (judge.Verdict, error) {
	t, err1 := scriptOf(o)
	s, err2 := job.Get[observe.Stall](o, "stall")
	m, err3 := job.Get[observe.Meanwhile](o, "meanwhile")
	b, err4 := job.Get[observe.Burst](o, "burst")
	c, err5 := getCost(o)
	if err := errors.Join(err1, err2, err3, err4, err5, checkMeanwhile(m)); err != nil {
		return judge.Verdict{}, err
	}
	if err := checkBurst(b, t); err != nil {
		return judge.Verdict{}, err
	}
	if want := observe.StallCalls(s.Ring); s.Full.Calls != uint64(want) || s.After.Calls != observe.AfterCalls {
		return judge.Verdict{}, fmt.Errorf("a ring of %d bytes: expected %d calls and %d after, found %d and %d", s.Ring, want, observe.AfterCalls, s.Full.Calls, s.After.Calls)
	}
	unit := judge.Quantity{Unit: "events unaccounted for"}
	v := judge.Verdict{Status: judge.Pass, Fraction: 1, Measured: unit, Target: unit}
	if s.Trouble != "" {
		return gone(s.Reader, v), nil
	}
	lost := missing(observe.Amount{Calls: b.Calls, Dropped: b.Dropped, Missed: b.Missed})
	v.Measured.Value = math.Abs(float64(lost))
	fail := func(cell, format string, args ...any) (judge.Verdict, error) {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, cell, fmt.Sprintf(format, args...)
		return v, nil
	}
	if s.Full.Lapped || s.After.Lapped || m.Refilled.Lapped {
		return fail("WRONG", "the ring of %d bytes wrapped around within %d calls: each event must take 40 bytes of it", s.Ring, observe.Batch)
	}
	for _, part := range []struct {
		cell, when string
		observe.Amount
	}{
		{"SHORT", "a reader that stood still and went on", s.Full}, {"AFTER", "after a reader had stood still", s.After},
		{"CPUS", "two CPUs at once, with room in the ring", b.Sent},
	} {
		if lost := missing(part.Amount); lost != 0 {
			v.Measured.Value += math.Abs(float64(lost))
			cell, what := part.cell, fmt.Sprintf("%d are unaccounted for", lost)
			switch full := part.cell == "SHORT"; {
			case lost < 0:
				what = fmt.Sprintf("%d more than there were", -lost)
				if full {
					cell = "EXTRA"
				}
			case full && part.Dropped == 0:
				what += ": count those that find no room in `dropped`"
			}
			return fail(cell, "%s: %d events, %d reported and %d dropped: %s", part.when, part.Calls, part.Got, int64(part.Dropped), what) // dropped may have gone below 0
		}
		if part.Strange > 0 {
			return fail("WRONG", "%s: %d of %d reported events are wrong or out of order", part.when, part.Strange, part.Got)
		}
	}
	// What it reports when its headers are overwritten is anything, and perhaps too much.
	early := m.Refilled
	switch {
	case early.Strange > 0:
		return fail("EARLY", "the ring was filled again as soon as there was room: %d of %d reported events are wrong or out of order: the reader gives room back before it has read what lies there", early.Strange, early.Got)
	case m.Trouble != "":
		return gone(m.Reader, v), nil
	case missing(early) != 0:
		return fail("EARLY", "the ring was filled again as soon as there was room: %d events, %d reported and %d dropped", early.Calls, early.Got, int64(early.Dropped))
	}
	// One that gives nothing back finds no unfinished event either, for there is no room for it.
	if s.After.Dropped > 0 {
		return fail("AFTER", "the reader went on, and still %d of %d events were dropped", s.After.Dropped, s.After.Calls)
	}
	if u := m.Unfinished; u != nil {
		const what = "an event was reserved and not finished yet, and others were sent behind it"
		switch {
		case u.Strange > 0:
			return fail("BUSY", "%s: %d of %d reported events are wrong or out of order: nothing from a header with ring.Busy on may be read", what, u.Strange, u.Got)
		case missing(*u) != 0:
			return fail("BUSY", "%s: of %d events, %d were reported: a reader that stops at ring.Busy may give back only what lies before that, and must come back", what, u.Calls, u.Got)
		}
	}
	switch {
	case s.Full.Dropped == 0:
		return fail("WRONG", "%d events were reported and none dropped, more than a ring of %d bytes holds while nobody reads it", s.Full.Got, s.Ring)
	case b.Sent.Dropped > 0:
		return fail("CPUS", "two CPUs at once: %d of %d events dropped, with room in the ring", b.Sent.Dropped, b.Sent.Calls)
	case !b.Overflow:
		return fail("WRONG", "dropped did not change while the ring was full")
	case b.Took > observe.MaxTook:
		return fail("SLOW", "a call that finds no room in the ring takes some %d instructions; a program that takes more than %d for it is not raced on two CPUs", b.Took, observe.MaxTook)
	case lost != 0:
		return fail("RACE", "two CPUs at once dropped %d events and counted %d: both read the same old value of dropped and wrote their own new one", b.Calls, b.Dropped)
	case b.Met < metRounds && tooSlow(b, c) != "":
		return fail("SLOW", "%s", tooSlow(b, c))
	}
	return v, judge.Unmet(b.Met, observe.BurstRounds, metRounds)
}

// checkMeanwhile returns what is wrong with observations of an interrupted reader that make no sense.
func checkMeanwhile(m observe.Meanwhile) error {
	if m.Refilled.Calls == 0 {
		return errors.New("expected a ring that was filled again, found no calls")
	}
	if u := m.Unfinished; u != nil && u.Calls != observe.BehindCalls+2 {
		return fmt.Errorf("an unfinished event: expected %d, found %d", observe.BehindCalls+2, u.Calls)
	}
	return nil
}

// tooSlow says that two CPUs hardly meet because of what the program does, with room in the ring or without.
func tooSlow(b observe.Burst, c judge.Cost) string {
	c.Yours = max(c.Yours, float64(b.Took))
	return c.TooSlow()
}

// metRounds is in how many rounds of a burst a program that is known to miscount must have.
const metRounds = 4

// checkBurst fails for what cannot have been observed.
func checkBurst(b observe.Burst, t observe.Script) error {
	made := 0
	for _, round := range t.Bursts[1:] {
		made += round[0] + round[1]
	}
	if b.Took > observe.MaxTook {
		made = 0
	}
	if first := t.Bursts[0]; b.Sent.Calls != uint64(first[0]+first[1]) || b.Calls != uint64(made) || b.Met > observe.BurstRounds {
		return fmt.Errorf("expected %d and %d calls of two CPUs in %d rounds, found %d and %d in %d", first[0]+first[1], made, observe.BurstRounds, b.Sent.Calls, b.Calls, b.Met)
	}
	return nil
}

// getCost returns what events cost.
func getCost(o job.Observations) (judge.Cost, error) { return costOf(o, observe.Emit) }

// getOther returns what calls of no interest cost, of both kinds.
func getOther(o job.Observations) (c judge.Cost, err error) {
	t, err := scriptOf(o)
	if err != nil {
		return c, err
	}
	all := float64(len(t.Timed) - t.Count(t.Timed, observe.Emit))
	for _, kind := range []int{observe.Below, observe.Other} {
		one, err := costOf(o, kind)
		if err != nil {
			return c, err
		}
		part := float64(t.Count(t.Timed, kind)) / all
		c.Empty += part * one.Empty
		c.Naive += part * one.Naive
		c.Reference += part * one.Reference
		c.Yours += part * one.Yours
		c.Uneven += part * one.Uneven
	}
	return c, nil
}

// costOf returns what calls of a kind cost.
func costOf(o job.Observations, kind int) (judge.Cost, error) {
	t, err1 := scriptOf(o)
	c, err2 := getTimed(o, t)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Cost{}, err
	}
	return judge.CostOf([observe.CallKinds]job.Timings{c.Emit, c.Below, c.Other}[kind], t.Count(t.Timed, kind))
}

// putOff is what the program does for an event in system calls that are none of its business, beyond what
// it does in any of them: work that it has put off. It is part of what an event costs.
func putOff(o job.Observations) (perEvent float64, err error) {
	t, err1 := scriptOf(o)
	c, err2 := getTimed(o, t)
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	between, err1 := judge.CostOf(c.Between, len(t.Timed))
	usual, err2 := costOf(o, observe.Other)
	if err := errors.Join(err1, err2); err != nil {
		return 0, err
	}
	extra := (between.Yours - between.Empty) - (usual.Yours - usual.Empty)
	if extra < putOffLeast {
		return 0, nil
	}
	return extra * float64(len(t.Timed)) / float64(t.Count(t.Timed, observe.Emit)), nil
}

// putOffLeast is what two system calls may differ by for other reasons, ns.
const putOffLeast = 12

func judgeCost(o job.Observations) (judge.Verdict, error) {
	c, err1 := getCost(o)
	later, err2 := putOff(o)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	c.Yours += later
	v := judge.Scored(c, slack, "instructions an event")
	if later > 0 {
		v.Message += fmt.Sprintf("; %.0f of them are done in the system calls that follow", later)
	}
	return v, nil
}

func judgeOverhead(o job.Observations) (judge.Verdict, error) {
	c, err := getOther(o)
	if err != nil {
		return judge.Verdict{}, err
	}
	v := judge.Scored(c, slack, "instructions a call")
	v.Message += fmt.Sprintf(": %.1f%% of a call of %.0f", 100*(c.Yours-c.Empty)/c.Empty, c.Empty)
	return v, nil
}

func judgeWakeups(o job.Observations) (judge.Verdict, error) {
	l, err1 := job.Get[observe.Lone](o, "lone")
	f, err2 := getFlow(o)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	if len(l.Late) != observe.LoneCalls || l.Idle <= 0 || l.Idle > maxNumber || l.IdleCPU < 0 {
		return judge.Verdict{}, fmt.Errorf("expected %d lone events with time between, found %d and %d ns", observe.LoneCalls, len(l.Late), l.Idle)
	}
	per := float64(f.Got) / float64(max(f.Wakes, 1))
	v := judge.Verdict{
		Measured: judge.Quantity{Value: math.Round(10*per) / 10, Unit: "events a wake-up"},
		Target:   judge.Quantity{Value: perWake, Unit: "events a wake-up"},
		Cell:     fmt.Sprintf("%.0f", per),
	}
	fail := func(cell, format string, args ...any) (judge.Verdict, error) {
		v.Status, v.Cell, v.Message = judge.Fail, cell, fmt.Sprintf(format, args...)
		return v, nil
	}
	idle := float64(l.IdleCPU) / float64(l.Idle)
	late := slices.Max(l.Late)
	switch {
	case f.Trouble != "":
		return gone(f.Reader, v), nil
	case slices.Min(l.Late) < 0:
		return fail("LATE", "a lone event was not reported within %v: is the reader woken, and does it flush?", patienceLone)
	case idle > idleTarget: // it may be late as well, for it has had its share
		return fail("BUSY", "a reader with nothing to read took %.1f%% of a CPU; %.0f%% is the limit: sleep in r.Wait(-1) until the kernel wakes it", 100*idle, 100*idleTarget)
	case late > lateTarget:
		return fail("LATE", "a lone event was reported after %.2f ms; 1 ms is the limit (here time.Sleep never sleeps for less than 1 ms)", float64(late)/1e6)
	}
	v.Fraction = judge.Between(-math.Log(per), 0, -math.Log(perWake))
	if v.Fraction > 0 && f.Dropped > 0 {
		v.Fraction, v.Cause = 0, "throughput"
		return fail("LOST", "%d of %d events found no room in the ring: a reader that is always behind is hardly ever woken", f.Dropped, f.Calls)
	}
	v.Status = judge.Graded(v.Fraction)
	v.Message = fmt.Sprintf("%d wake-ups for %d events; a lone event took %.2f ms at most", f.Wakes, f.Got, float64(late)/1e6)
	return v, nil
}

// getFlow returns what became of calls as fast as they came, if it makes sense.
func getFlow(o job.Observations) (observe.Flow, error) {
	f, err := job.Get[observe.Flow](o, "flow")
	if err == nil && (f.Calls != observe.FlowCalls || f.Elapsed <= 0 || f.Elapsed > maxNumber || f.CPU < 0 || f.Got > maxNumber) {
		err = fmt.Errorf("expected %d calls, found %d in %d ns", observe.FlowCalls, f.Calls, f.Elapsed)
	}
	return f, err
}

const patienceLone = "50 ms"

func judgeThroughput(o job.Observations) (judge.Verdict, error) {
	f, err1 := getFlow(o)
	c, err2 := getCost(o)
	if err := errors.Join(err1, err2); err != nil {
		return judge.Verdict{}, err
	}
	rate, bound := float64(f.Got)/float64(f.Elapsed)*1e9, 1e9/c.Reference
	const unit = "events/s (virtual)"
	v := judge.Verdict{
		Measured: judge.Quantity{Value: math.Round(rate), Unit: unit},
		Target:   judge.Quantity{Value: math.Round(rateTarget * bound), Unit: unit},
		Cell:     fmt.Sprintf("%.2fM", rate/1e6),
	}
	switch {
	case f.Trouble != "":
		return gone(f.Reader, v), nil
	case f.Lapped:
		v.Status, v.Cell, v.Message = judge.Fail, "WRONG", fmt.Sprintf("the ring wrapped around within %d calls: each event must take 40 bytes of it", observe.Batch)
		return v, nil
	case missing(f.Amount) != 0 || f.Dropped > 0:
		v.Status, v.Cell = judge.Fail, "LOST"
		v.Message = fmt.Sprintf("of %d events sent at full speed, %d were reported and %d dropped", f.Calls, f.Got, f.Dropped)
		return v, nil
	case f.Strange > 0:
		v.Status, v.Cell, v.Message = judge.Fail, "WRONG", fmt.Sprintf("%d of %d events are wrong or out of order", f.Strange, f.Got)
		return v, nil
	}
	v.Fraction = judge.Between(-rate, -rateNone*bound, -rateTarget*bound)
	v.Status = judge.Graded(v.Fraction)
	v.Message = fmt.Sprintf("%.0f%% of what the calls and the reference program alone would allow (%.0f%% is worth all points, %.0f%% none): an event took %.0f instructions, ",
		100*rate/bound, 100*rateTarget, 100*rateNone, float64(f.Elapsed)/float64(f.Calls))
	if f.CPU < f.Elapsed {
		v.Message += fmt.Sprintf("of which the reader took %.0f", float64(f.CPU)/float64(f.Calls))
	} else { // also while no call was made
		v.Message += "and the reader never slept"
	}
	return v, nil
}

// The calls and the reference program alone, with nobody reading, allow so many events a
// second. Of these, one CPU that also reads them does …
const (
	rateTarget = 0.50 // … this part for all points
	rateNone   = 0.20 // … this part for none
)

// missing is how many events nobody accounts for, or, below 0, how many there are too many.
// Of the calls that were neither sent nor dropped the kernel has missed as many as it says, at most.
func missing(a observe.Amount) int64 {
	calls, dropped := int64(a.Calls), int64(a.Dropped)
	missed := min(max(calls-int64(a.Sent)-dropped, 0), int64(min(a.Missed, a.Calls)))
	return calls - int64(a.Got) - dropped - missed
}
