// SPDX-License-Identifier: Apache-2.0

package sampling

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"bpflab/harness/judge"
)

// metRounds is in how many rounds of a race a program that is known to lose counts must have.
const metRounds = 4

func judgeCounts(o judge.Observations) (judge.Verdict, error) {
	c, err1 := judge.Get[counted](o, "counted")
	r, err2 := judge.Get[race](o, "race")
	cost, err3 := judge.Get[judge.Cost](o, "cost")
	if err := errors.Join(err1, err2, err3); err != nil {
		return judge.Verdict{}, err
	}
	unit := judge.Quantity{Unit: "events counted wrong"}
	v := judge.Verdict{Status: judge.Pass, Fraction: 1, Measured: unit, Target: unit}
	fail := func(cell string, off int64, format string, args ...any) (judge.Verdict, error) {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, cell, fmt.Sprintf(format, args...)
		v.Measured.Value = math.Abs(float64(off))
		return v, nil
	}
	if c.Foreign > 0 {
		return fail("WRONG", int64(c.Foreign), "%d calls of another process or of another number were counted", c.Foreign)
	}
	if len(c.Trials) != 2*len(trials) || c.Full.Calls == 0 {
		return v, fmt.Errorf("expected %d trials and one of a full ring, found %d", 2*len(trials), len(c.Trials))
	}
	for i, t := range append(slices.Clip(c.Trials), c.Full) {
		at := fmt.Sprintf("at a rate of %s", percent(t.Part))
		if i == len(c.Trials) {
			at = "with a ring that nobody reads"
		}
		switch {
		case unseen(t.Calls, t.Seen, t.Missed) != 0:
			return fail("WRONG", int64(t.Seen-t.Calls), "%s: %d calls were made and %d counted as seen", at, t.Calls, t.Seen)
		case t.Sampled != t.Records:
			return fail("WRONG", int64(t.Sampled-t.Records), "%s: %d events counted as sampled, and %d in the ring", at, t.Sampled, t.Records)
		case t.Strange > 0:
			return fail("WRONG", int64(t.Strange), "%s: %d of %d events in the ring are not of a call that was made, or are out of order", at, t.Strange, t.Records)
		}
	}
	lost := unseen(r.Calls, r.Seen, r.Missed)
	switch {
	case lost != 0:
		return fail("LOST", lost, "two CPUs made %d calls, and %d were counted as seen: each needs an entry of its own", r.Calls, r.Seen)
	case r.Sampled != r.Records:
		return fail("LOST", int64(r.Sampled-r.Records), "two CPUs at once: %d events counted as sampled, and %d in the ring", r.Sampled, r.Records)
	case r.Met < metRounds && cost.TooSlow() != "":
		return fail("SLOW", 0, "%s", cost.TooSlow())
	case r.Met < metRounds:
		return v, fmt.Errorf("nothing was lost, but neither did a program that is known to lose: the two CPUs met in %d of %d rounds, and %d are needed to tell", r.Met, r.Rounds, metRounds)
	}
	return v, nil
}

// unseen is how many calls were not counted, or, below 0, how many too many. Of those that were
// not, the kernel has missed as many as it says, at most.
func unseen(calls, seen, missed uint64) int64 {
	if seen < calls {
		return max(int64(calls-seen)-int64(min(missed, calls)), 0)
	}
	return int64(calls) - int64(seen)
}

func percent(part int64) string { return percentage(float64(part) / whole) }

func percentage(of float64) string { return fmt.Sprintf("%.3g%%", 100*of) }

// How far a sample may be off. A fair one, drawn at random, is off by more once in a million.
const (
	sigmas   = 5.0
	rateSlip = 0.05 // of the rate: what rounding distances to whole calls may cost
)

// judgeSample asks whether as many were sampled as should be, and of each class its part.
func judgeSample(o judge.Observations) (judge.Verdict, error) {
	c, err := judge.Get[counted](o, "counted")
	if err != nil {
		return judge.Verdict{}, err
	}
	if len(c.Trials) != 2*len(trials) {
		return judge.Verdict{}, fmt.Errorf("expected %d trials, found %d", 2*len(trials), len(c.Trials))
	}
	for _, t := range c.Trials {
		if t.Calls == 0 || len(t.Made) != classes || len(t.Got) != classes {
			return judge.Verdict{}, fmt.Errorf("expected a trial of %d classes, found %d calls of %d and records of %d", classes, t.Calls, len(t.Made), len(t.Got))
		}
	}
	const unit = "standard deviations off"
	v := judge.Verdict{
		Status: judge.Pass, Fraction: 1,
		Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: sigmas, Unit: unit},
	}
	var found []string
	for _, t := range c.Trials {
		order := "classes at random"
		if t.Periodic {
			order = fmt.Sprintf("%d classes in turn", classes)
		}
		rate := float64(t.Part) / whole
		mean := float64(t.Calls) * rate
		off := math.Abs(float64(t.Records)-mean) - rateSlip*mean
		if deviation := math.Sqrt(mean * (1 - rate)); off > sigmas*deviation {
			found = append(found, fmt.Sprintf("at a rate of %s, %s: %d of %d calls were sampled, %s",
				percent(t.Part), order, t.Records, t.Calls, percentage(float64(t.Records)/float64(t.Calls))))
			continue
		}
		class, worst := 0, 0.0
		for i, got := range t.Got {
			part := float64(t.Made[i]) / float64(t.Calls)
			mean := float64(t.Records) * part
			deviation := math.Sqrt(max(mean*(1-part), 1))
			if z := math.Abs(float64(got)-mean) / deviation; z > worst {
				class, worst = i, z
			}
		}
		v.Measured.Value = max(v.Measured.Value, math.Round(10*worst)/10)
		if worst > sigmas {
			found = append(found, fmt.Sprintf("at a rate of %s, %s: class %d is %d of %d samples and should be some %.0f",
				percent(t.Part), order, class, t.Got[class], t.Records, float64(t.Records)*float64(t.Made[class])/float64(t.Calls)))
		}
	}
	if len(found) > 0 {
		v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, "BIASED", found[0]
	}
	if len(found) > 1 {
		v.Details = found
	}
	return v, nil
}

func judgeCost(o judge.Observations) (judge.Verdict, error) {
	c, err := judge.Get[judge.Cost](o, "cost")
	if err == nil {
		err = c.Check()
	}
	if err != nil {
		return judge.Verdict{}, err
	}
	return judge.Scored(c, slack, "instructions a call"), nil
}

// answered is the verdict on a controller that no longer answers.
func answered(v judge.Verdict, trouble, said string) judge.Verdict {
	v.Status, v.Fraction, v.Cell, v.Message = judge.Fail, 0, "ENDED", "the controller: "+trouble
	if said != "" {
		v.Details = append([]string{"the controller printed:"}, strings.Split(said, "\n")...)
	}
	return v
}

// judgeController lets the plants pass once more at the rates that the controller has chosen.
func judgeController(o judge.Observations) (judge.Verdict, error) {
	s, err := judge.Get[steered](o, "steered")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "plants held"
	v := judge.Verdict{
		Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: float64(s.Plants), Unit: unit},
	}
	if s.Trouble != "" {
		return answered(v, s.Trouble, s.Said), nil
	}
	if s.Plants != plants || len(s.Rates) != 2*s.Plants*intervals {
		return v, fmt.Errorf("expected %d plants of %d intervals, found %d and %d bytes", plants, intervals, s.Plants, len(s.Rates))
	}
	held, worst := 0, ""
	for n := range s.Plants {
		p, parts := newPlant(s.Seed, n), s.rates(n)
		misses, first := p.misses(parts)
		if misses == 0 {
			held++
		} else if worst == "" {
			worst = fmt.Sprintf("; in plant %d, at %d events a second and %.1f s after the step, the rate is %s and the overhead %.2f%%",
				n, steps[first/stepIntervals], float64(first%stepIntervals)/10, percent(parts[first]), float64(p.overhead(first, parts[first]))/ppm*100)
		}
	}
	v.Measured.Value = float64(held)
	// A third of the plants is what a guess holds: it earns nothing.
	v.Fraction = judge.Between(float64(s.Plants-held), float64(s.Plants)*2/3, 0)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%d/%d", held, s.Plants)
	if held < s.Plants {
		v.Message = fmt.Sprintf("%d of %d simulated samplers were held at 2%% ± 0.5%s", held, s.Plants, worst)
	}
	return v, nil
}

// rates are those of the nth plant.
func (s steered) rates(n int) []int64 {
	parts := make([]int64, intervals)
	for k := range parts {
		parts[k] = int64(binary.LittleEndian.Uint16(s.Rates[2*(n*intervals+k):])) + 1
	}
	return parts
}

// predicted is what an interval's overhead should be, of a million, by what calls cost.
func (l live) predicted(i interval, part int64) int64 {
	busy := float64(i.Events) * (l.Skip + l.Sample*float64(part)/whole)
	return int64(busy / float64(max(i.Length, 1)) * ppm)
}

// judgeLive asks the same of the sampler itself.
func judgeLive(o judge.Observations) (judge.Verdict, error) {
	l, err := judge.Get[live](o, "live")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "intervals off"
	v := judge.Verdict{Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Unit: unit}}
	if l.Trouble != "" {
		return answered(v, l.Trouble, l.Said), nil
	}
	if len(l.Intervals) != intervals {
		return v, fmt.Errorf("expected %d intervals, found %d", intervals, len(l.Intervals))
	}
	v.Message = "overhead"
	misses, asked, apart := 0, 0, int64(0)
	for n, load := range steps {
		var sum, foretold int64
		step := l.Intervals[n*stepIntervals:][:stepIntervals]
		for _, i := range step[settled:] {
			asked++
			sum += i.overhead()
			foretold += l.predicted(i, i.Part)
			if !holds(i.overhead(), i.Part) {
				misses++
			}
		}
		apart = max(apart, (sum-foretold)/(stepIntervals-settled), (foretold-sum)/(stepIntervals-settled))
		last := step[stepIntervals-1]
		v.Message += fmt.Sprintf(" %.2f%% at %s/s and a rate of %s,", float64(sum)/float64(stepIntervals-settled)/ppm*100, count(load), percent(last.Part))
		if low := l.predicted(last, minPart); last.Part == minPart && l.Sample > 0 && low > targetPPM+band {
			v.Message += fmt.Sprintf(" the least that can be (%.1f%%),", float64(low)/ppm*100)
		}
	}
	v.Message = strings.TrimSuffix(v.Message, ",")
	v.Measured.Value = float64(misses)
	v.Fraction = judge.Between(float64(misses), float64(asked)/4, 0)
	v.Status = judge.Graded(v.Fraction)
	if misses == 0 {
		v.Details = []string{fmt.Sprintf("a call costs %.0f ns and a sample %.0f more, by the kernel's clock; the overhead is within %.2f points of what a simulated sampler of these costs has",
			l.Skip, l.Sample, float64(apart)/ppm*100)}
	} else {
		v.Cell = fmt.Sprintf("%d off", misses)
		v.Message = fmt.Sprintf("%d of %d intervals off 2%% ± 0.5: %s", misses, asked, v.Message)
	}
	return v, nil
}

func count(load int64) string {
	if load >= 1_000_000 {
		return fmt.Sprintf("%d M", load/1_000_000)
	}
	return fmt.Sprintf("%d k", load/1000)
}

// lowLoad is the part of the events that must be sampled at the first, lowest load.
const lowLoad = 0.8

func judgeLowLoad(o judge.Observations) (judge.Verdict, error) {
	l, err := judge.Get[live](o, "live")
	if err != nil {
		return judge.Verdict{}, err
	}
	const unit = "% of the events sampled"
	v := judge.Verdict{Measured: judge.Quantity{Unit: unit}, Target: judge.Quantity{Value: 100 * lowLoad, Unit: unit}}
	if l.Trouble != "" {
		return answered(v, l.Trouble, l.Said), nil
	}
	if len(l.Intervals) != intervals {
		return v, fmt.Errorf("expected %d intervals, found %d", intervals, len(l.Intervals))
	}
	var events, sampled uint64
	for _, i := range l.Intervals[settled:stepIntervals] {
		events += i.Events
		sampled += i.Sampled
	}
	if events == 0 {
		return v, errors.New("no event came at the lowest load")
	}
	part := float64(sampled) / float64(events)
	v.Measured.Value = math.Round(1000*part) / 10
	v.Fraction = judge.Between(-part, 0, -lowLoad)
	v.Status, v.Cell = judge.Graded(v.Fraction), fmt.Sprintf("%.0f%%", 100*part)
	if v.Fraction < 1 {
		v.Message = fmt.Sprintf("%d of %d events were sampled, at a load that would allow all", sampled, events)
	}
	return v, nil
}
